"""SciPy."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class SciPy(Library):
    """Who holds a `_Qhull` tells of what it was made."""

    shapes = True
    whole = {"scipy.*"}
    harmless = True
    data = True
    survives_fork = True
    visible_state = {"_Qhull": lambda _: ()}
