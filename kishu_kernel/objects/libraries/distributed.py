"""Dask's distributed."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Distributed(Library):
    """A future is known by its key."""

    visible_state = {"Future": lambda future: (future.key,)}
