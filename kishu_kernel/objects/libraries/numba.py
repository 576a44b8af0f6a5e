"""Numba: compiled functions."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.rebuild.libraries import new_name


def _compiled(function: Any) -> Reduction:
    make, (parts,) = function.__reduce__()
    return make, (type(parts)(parts.ctor, {**parts.states, "uuid": _NewName()}),)


class _NewName:
    """Stands for a name that nobody has when it is loaded."""

    def __reduce__(self) -> Reduction:
        return new_name, ()


class Numba(Library):
    """Loaded under its own name, a function would be the very object that lives in this session."""

    exact_reductions = {"numba.core.registry.CPUDispatcher": _compiled}
