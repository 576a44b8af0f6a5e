"""A process of our own, in which copies are made only to be checked or compared: they do nothing in the user's.

    audit, trial_loads, version_comparison -> connection.Checker -- a socket --> server.main: load, look, answer

Law: the process has no store, may touch nothing (`audit_hook.forbid_side_effects_in_process`, `sandbox`), and is ended
without running a destructor (`os._exit`). It is no child of the kernel's, gets none of its signals, and ends when the
kernel does, when nobody asks for a while, or when a question takes too long. It is started when it is first needed:
plain values need none.
"""
