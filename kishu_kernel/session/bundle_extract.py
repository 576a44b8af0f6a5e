"""What goes into a bundle of one state. Joins the graph, which knows no store, and the store, which knows no graph."""

from __future__ import annotations

from kishu_kernel.history.graph import Lookup, ancestry
from kishu_kernel.history.retention import retention
from kishu_kernel.model import CheckpointId
from kishu_kernel.store.maintenance.bundle_export import Extract


def extract(lookup: Lookup, target: CheckpointId) -> Extract:
    """One state: its stored versions, what re-runs need for the others, and the code of the cells on its path.

    Raises:
        KeyError: there is no such checkpoint.
    """
    path = list(ancestry(lookup, target))
    kept = retention(path, {"branch/main": target})
    return Extract(target, path[0].session, tuple(checkpoint.id for checkpoint in path), kept.protected)
