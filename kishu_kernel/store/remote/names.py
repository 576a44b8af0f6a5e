"""Whose branches, tags and heads: how those of other replicas appear here, and which are this one's to push. Pure.

Law: no replica changes what another has named, and no pull moves a name that is in use here: a branch that went two
ways is `main` here, and `main@machine` is the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kishu_kernel.model import CheckpointId
from kishu_kernel.store.remote.layout import Replica

Refs = Mapping[str, CheckpointId]
_BRANCH, _HEAD = "branch/", "head/"


def own_refs(local: Refs, received: Refs) -> dict[str, CheckpointId]:
    """Those that this replica has set itself: all but what a pull set, and nobody moved since."""
    return {name: id for name, id in local.items() if received.get(name) != id}


def received_refs(
    local: Refs,
    received: Refs,
    others: Mapping[str, Replica],
    leads_to: Callable[[CheckpointId, CheckpointId], bool],
    in_use: bool,
) -> dict[str, CheckpointId]:
    """The names that a pull sets here, and where.

    Args:
        local: those that are here.
        received: those of them that earlier pulls set.
        others: the other replicas.
        leads_to: whether the first state is on the path to the second, or is the same.
        in_use: whether a kernel has the history open, which moves its branch itself.
    """
    found: dict[str, CheckpointId] = {}

    def free(name: str, id: CheckpointId) -> bool:
        if name in found:
            return found[name] == id
        if name not in local or local[name] in (id, received.get(name)):
            return True
        return not in_use and name.startswith(_BRANCH) and leads_to(local[name], id)

    for replica_id, replica in sorted(others.items()):
        for name, id in replica.refs.items():
            if free(name, id):
                found[name] = id
            elif not name.startswith(_HEAD) and not leads_to(id, found.get(name) or local[name]):
                called = f"{name}@{replica.label}"
                found[called if free(called, id) else f"{called}-{replica_id[:8]}"] = id
    return {name: id for name, id in found.items() if local.get(name) != id}
