"""Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _refuse(actor: Any) -> Reduction:
    raise TypeError("ActorHandle objects cannot be stored")


def _of_driver(name: str) -> Any:
    """What this process asks Ray by, whichever cluster it is connected to. None: to none."""
    driver = getattr(sys.modules.get("ray._private.worker"), "global_worker", None)
    return getattr(driver, name, None)


def _connection() -> Any:
    return _of_driver("core_worker")


def _context(context: Any) -> tuple[Any, ...]:
    return {**context.address_info}, _connection(), _of_driver("function_actor_manager")


class Ray(Library):
    """References and actors stand for what other processes hold.

    What the call that connects returns stands for the connection: its cell makes that anew, and is re-run before those
    that make references. Else the first of these would start a cluster of Ray's own choice, and say nothing. References
    depend on it without joining it; that it ended is seen by what they are asked by. What a module of Ray's holds
    itself would tell nothing: that is the library's own.
    """

    labels = {"ray._raylet.CoreWorker", "RayContext", "ClientContext", "ObjectRef"}
    visible_state = {
        "ObjectRef": lambda reference: (reference.binary(), _connection()),
        "RayContext": _context,
        "ClientContext": lambda context: (context.dashboard_url, context._context_to_restore is None),
        "ray._raylet.CoreWorker": lambda connection: (),
        "ray._private.function_manager.FunctionActorManager": lambda manager: (),
    }
    exact_reductions = {"ActorHandle": _refuse}
    called_anew = {"ObjectRef", "RayContext", "ClientContext"}
    sends = True

    def current(self) -> Iterable[object]:
        """Whatever calls Ray goes by this, though no code names it."""
        asked_by = _of_driver("function_actor_manager")
        return () if asked_by is None else (asked_by,)
