"""What is known of the standard library: one file a subject, always there."""

LATE = frozenset({"addresses", "builtins", "files", "modules", "processes", "tasks", "typing", "values", "weakrefs"})
"""As in `libraries`."""
