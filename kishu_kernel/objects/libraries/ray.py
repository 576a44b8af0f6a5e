"""Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _refuse(actor: Any) -> Reduction:
    raise TypeError("ActorHandle objects cannot be stored")


def _driver() -> Any:
    """What all that this process asks of Ray goes through, whichever cluster it is connected to, if to any."""
    return getattr(sys.modules.get("ray._private.worker"), "global_worker", None)


def _node() -> Any:
    """What stands for the cluster that this process is connected to."""
    return getattr(sys.modules.get("ray._private.worker"), "_global_node", None)


def _context(context: Any) -> tuple[Any, ...]:
    return {**context.address_info}, _driver(), _node()


class Ray(Library):
    """References and actors stand for what other processes hold.

    What the call that connects returns stands for the connection: its cell makes that anew, and is re-run before those
    that make references. Else the first of these would start a cluster of Ray's own choice, and say nothing. References
    depend on it without joining it; that it ended is seen by its node.
    """

    labels = {"ray._private.node.Node"}
    visible_state = {
        "ObjectRef": lambda reference: (reference.binary(), _node()),
        "RayContext": _context,
        "ClientContext": lambda context: (context.dashboard_url, context._context_to_restore is None, _driver()),
        "ray._private.worker.Worker": lambda worker: (),
        "ray._private.node.Node": lambda node: (node.session_name,),
    }
    exact_reductions = {"ActorHandle": _refuse}
    called_anew = {"ObjectRef", "RayContext", "ClientContext"}
    sends = True

    def current(self) -> Iterable[object]:
        """Whatever calls Ray goes through this, though no code names it."""
        driver = _driver()
        return () if driver is None else (driver,)
