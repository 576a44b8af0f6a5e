"""Stores at rest: check and mend, accept, carry to another machine. For the command line; no session needs it."""
