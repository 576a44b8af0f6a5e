"""JAX."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Jax(Library):
    """Its arrays cannot change, and are stored as they say themselves."""

    data = True
