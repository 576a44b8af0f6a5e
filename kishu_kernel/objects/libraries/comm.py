"""Comms of Jupyter."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Comm(Library):
    """They lead to the kernel and its front ends."""

    untraversable = {"comm.*"}
