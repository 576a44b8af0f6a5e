"""What goes into a bundle of one state. Joins the graph, which knows no store, and the store, which knows no graph."""

from __future__ import annotations

from kishu_kernel.history.graph import Lookup, ancestry
from kishu_kernel.history.retention import retention
from kishu_kernel.model import CheckpointId
from kishu_kernel.store.maintenance.bundle_export import Extract


def extract(lookup: Lookup, target: CheckpointId) -> Extract:
    """One state: what is stored of it, what re-running takes for the rest, and the code of the cells on the way.

    Raises:
        KeyError: there is no such checkpoint.
    """
    way = list(ancestry(lookup, target))
    kept = retention(way, {"branch/main": target})
    return Extract(target, way[0].session, tuple(checkpoint.id for checkpoint in way), kept.protected)
