"""PyZMQ."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class ZMQ(Library):
    """Sockets and contexts are the kernel's, too."""

    untraversable = {"zmq.*"}
