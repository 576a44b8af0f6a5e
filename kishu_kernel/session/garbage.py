"""Which payloads of a store are dropped: those that nobody needs and, over its limit, old ones.

Joins `history.retention`, which knows no store, and the store, which knows no graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kishu_kernel.model import DOCUMENT, CheckpointId, Collected, Version
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
    from kishu_kernel.history.lines import SIDE
    from kishu_kernel.history.retention import retention

    while True:  # a checkpoint that was committed between the two reads would seem to be unreachable
        refs = store.refs()
        checkpoints = list(store.checkpoints(outputs=False))
        if store.refs() == refs:
            break
    ends = {id for name, id in refs.items() if name.startswith(SIDE)}
    pins = {f"pinned/{number}": id for number, id in enumerate(pinned)}
    named = {name: id for name, id in refs.items() if not name.startswith(SIDE)} | pins
    kinds = retention(checkpoints, named, frozenset(redo), ends)
    pointed = frozenset(named.values())
    drop, evict = (_with_documents(versions, pointed) for versions in (kinds.unreachable, kinds.expendable))
    return store.collect(drop, evict, limit, reason=reason, dry_run=dry_run)


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
