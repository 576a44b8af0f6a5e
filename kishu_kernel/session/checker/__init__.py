"""A process of our own for copies that are only compared or checked: nothing that they do happens in the user's process.

    trial_loads, audit, version_comparison -> client.Checker -- a socket --> server.main: load, digest or compare, answer

Law: the process has no store, may touch nothing (`audit_hook.forbid_side_effects_in_process`, `sandbox`), and is ended
without running a destructor (`os._exit`). It is no child of the kernel's, gets none of its signals, and ends when the
kernel does, when nobody asks for a while, or when a question takes too long. It is started when it is first needed:
plain values need none.
"""
