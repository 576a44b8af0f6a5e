"""Run All: all cells of a notebook queued at once, under plain ipykernel and under the systems that watch it.

Whoever runs cells one after the other waits for what a kernel does between them. Counted is the processor time of the
kernel's process, until the last reply and on until nothing goes on any more: what was moved behind a reply is there.
"""
