"""What goes into a bundle of one state. Joins the graph, which knows no store, and the store, which knows no graph."""

from __future__ import annotations

from kishu_kernel.history.graph import Lookup, ancestry
from kishu_kernel.history.retention import retention
from kishu_kernel.model import DOCUMENT, Checkpoint, CheckpointId, Version
from kishu_kernel.store.maintenance.bundle_export import Extract


def extract(lookup: Lookup, target: CheckpointId) -> Extract:
    """One state: its stored versions, what re-runs need for the others, and the code of the cells on its path.

    Raises:
        KeyError: there is no such checkpoint.
    """
    found: dict[CheckpointId, Checkpoint] = {}
    todo = [target]
    while todo:  # what a state on the path has taken was made on a path of its own
        for checkpoint in ancestry(lookup, todo.pop()):
            if checkpoint.id in found:
                break
            found[checkpoint.id] = checkpoint
            todo += [version.checkpoint for version in checkpoint.taken]
    kept = retention(found.values(), {"branch/main": target})
    return Extract(target, found[target].session, tuple(found), kept.protected | {Version(DOCUMENT, target)})
