"""numexpr: expressions over arrays, as pandas evaluates them."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class NumExpr(Library):
    """Its threads are started anew by whoever calls it in another process."""

    survives_fork = True
