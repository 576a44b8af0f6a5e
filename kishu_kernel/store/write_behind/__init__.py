"""Commits written on a thread of their own, while the user thinks; and by a process of their own where the kernel ends.

`write_behind_store` is a store in front of another one. It writes `jobs`, one after the other. What takes long gets a
record first (`placeholders`), so that whoever opens the store next knows what is missing. Where the kernel must end
before all is written, `handover` gives the rest to the process of `writer_process`.
"""
