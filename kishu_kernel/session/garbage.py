"""Which payloads of a store, or of its remote, are dropped: those that nobody needs and, over a limit, old ones.

Joins `history.retention`, which knows no store, and the store, which knows no graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from kishu_kernel.model import DOCUMENT, Checkpoint, CheckpointId, Collected, Version
from kishu_kernel.store.base import Store


def collect(
    store: Store,
    limit: int | None,
    reason: str,
    *,
    redo: Iterable[CheckpointId] = (),
    pinned: Iterable[CheckpointId] = (),
    dry_run: bool = False,
) -> Collected:
    """Drops payloads that no head, branch or tag needs.

    Args:
        limit: bytes that the store may occupy; None: only payloads of deleted branches are dropped.
        reason: goes into the records of the versions, as a clause.
        redo: checkpoints to which `redo` goes: they count as recent.
        pinned: checkpoints that are kept as if they were tagged.
        dry_run: only tells what it would drop.
    """
    while True:  # a checkpoint that was committed between the two reads would seem to be unreachable
        refs = store.refs()
        checkpoints = list(store.checkpoints(outputs=False))
        if store.refs() == refs:
            break
    pins = {f"pinned/{number}": id for number, id in enumerate(pinned)}
    found = sorted_by_need(checkpoints, {**refs, **pins}, redo)
    return store.collect(found.drop, found.evict, limit, reason=reason, dry_run=dry_run)


class ByNeed(NamedTuple):
    """The payloads of a history, the notebook's cells among them.

    Attributes:
        drop: nobody needs them.
        evict: they go where space is short, in this order.
    """

    drop: Sequence[Version]
    evict: Sequence[Version]


def sorted_by_need(
    checkpoints: Iterable[Checkpoint], refs: Mapping[str, CheckpointId], redo: Iterable[CheckpointId] = ()
) -> ByNeed:
    """Which payloads may go, and in which order; the others are needed. O(n log n).

    Args:
        refs: heads, branches, tags and ends of side lines.
        redo: as of `collect`.
    """
    from kishu_kernel.history.lines import SIDE
    from kishu_kernel.history.retention import retention

    ends = {id for name, id in refs.items() if name.startswith(SIDE)}
    named = {name: id for name, id in refs.items() if not name.startswith(SIDE)}
    kinds = retention(checkpoints, named, frozenset(redo), ends)
    pointed = frozenset(named.values())
    return ByNeed(_with_documents(kinds.unreachable, pointed), _with_documents(kinds.expendable, pointed))


def needed_by(checkpoints: Sequence[Checkpoint], refs: Mapping[str, CheckpointId]) -> set[Version]:
    """The payloads that some names need, the notebook's cells among them. O(n log n)."""
    may_go = sorted_by_need(checkpoints, refs)
    stored = {Version(each.names, one.id) for one in checkpoints for each in one.versions if each.stored}
    documents = {Version(DOCUMENT, one.id) for one in checkpoints}
    return (stored | documents) - {*may_go.drop, *may_go.evict}


def _with_documents(versions: Iterable[Version], but: Collection[CheckpointId]) -> list[Version]:
    """These versions; after the last one of a checkpoint, the notebook's cells as they were then.

    Args:
        but: checkpoints whose documents stay.
    """
    ordered = list(versions)
    last = {version.checkpoint: version for version in ordered}
    found = []
    for version in ordered:
        found.append(version)
        if last[version.checkpoint] is version and version.checkpoint not in but:
            found.append(Version(DOCUMENT, version.checkpoint))
    return found
