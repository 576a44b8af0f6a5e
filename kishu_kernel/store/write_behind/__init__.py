"""Commits written on a thread of their own while the user thinks, and by another process where the kernel must end.

- `write_behind_store`: a `Store` in front of another one that takes commits at once.
- `write_queue`: the queue behind it, and the thread that writes.
- `jobs`, `placeholders`: what is written, in which order; the record that goes before heavy payloads.
- `handover`, `parcel`, `writer_process`: what is left when the kernel ends, given to a process that writes it.
"""
