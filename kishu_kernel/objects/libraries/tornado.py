"""Tornado."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Tornado(Library):
    """Its loop is the kernel's."""

    untraversable = {"tornado.*"}
