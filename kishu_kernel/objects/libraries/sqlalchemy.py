"""SQLAlchemy: tables and what listens to them."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.classes import instance_state
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction


def _dispatcher(dispatcher: Any) -> Reduction:
    # Its own reduction forgets who listens: SQLAlchemy knows these in registers of its own.
    for event, held in instance_state(dispatcher)[1].items():
        if getattr(held, "listeners", None):
            raise HeldOutsideError(f"what listens to {event} is registered with SQLAlchemy, and cannot be stored")
    return NotImplemented


class SQLAlchemy(Library):
    """Listeners are held elsewhere."""

    reductions = {"sqlalchemy.event.base._Dispatch": _dispatcher}
