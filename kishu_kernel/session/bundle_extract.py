"""What goes into a bundle of one state, or a clone of it.

Joins the graph, which knows no store, and the store, which knows no graph.
"""

from __future__ import annotations

from collections.abc import Collection

from kishu_kernel.errors import UnknownTargetError
from kishu_kernel.history.graph import Lookup, ancestry, state_at
from kishu_kernel.history.references import References
from kishu_kernel.history.retention import retention
from kishu_kernel.model import DOCUMENT, Checkpoint, CheckpointId, Version
from kishu_kernel.store.maintenance.bundle_export import Extract


def chosen(lookup: Lookup, target: CheckpointId, names: Collection[str] = ()) -> frozenset[Version]:
    """The versions to have for a state, or for some of its variables, with what shares objects with them.

    Args:
        names: of the variables; none: all.

    Raises:
        UnknownTargetError: the state has no variable of such a name.
        KeyError: there is no such checkpoint.
    """
    state = state_at(lookup, target)
    missing = set(names).difference(*state)
    if missing:
        raise UnknownTargetError(f"that state has no variable {', '.join(sorted(missing))}")
    found = [Version(each, made) for each, made in state.items() if not set(names).isdisjoint(each)]
    needed = References(lookup, state).with_holders(found)
    if not names or not all(lookup(each.checkpoint).record(each.names).stored for each in needed):
        return frozenset(extract(lookup, target).versions)  # to re-run a cell needs its inputs
    return frozenset(needed)


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
