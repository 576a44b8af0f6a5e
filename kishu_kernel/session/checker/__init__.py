"""A process of our own in which copies are made only to be looked at: nothing that they do is done in the user's.

    thinking, restore -> asking.Checker -- a socket --> child.main: load, digest or compare, answer

Law: the process has no store, may touch nothing (`audit_hook.forbid_side_effects_in_process`), and is ended without
running a destructor (`os._exit`). It is no child of the kernel's, hears none of its signals, and ends when the kernel
does, when nobody asks for a while, or when a question takes too long. It is started when it is first needed: plain
values need none.
"""
