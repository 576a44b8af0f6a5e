"""Ray."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _refuse(actor: Any) -> Reduction:
    raise TypeError("ActorHandle objects cannot be stored")


class Ray(Library):
    """References and actors stand for what other processes hold."""

    visible_state = {"ObjectRef": lambda reference: (reference.binary(),)}
    exact_reductions = {"ActorHandle": _refuse}
