"""A store that is only read, and one above it that takes what is new.

Law: the one below is never written. What is changed above about something below (a message, a branch, a payload that is
dropped) is valid as long as this store is open, and is copied along when the history moves to a disk (`transfer`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, CheckpointId, Collected, Payload, StoreStatistics, Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.base import BetweenWrites, Commit, ReadProgress, Refs, Store, StoredPayload


class LayeredStore:
    """A `Store` made of two.

    Args:
        below: is only read.
        above: is written.
    """

    def __init__(self, below: Store, above: Store) -> None:
        self._below = below
        self._above = above
        self._deleted: set[str] = set()
        self._forgotten: dict[Version, str] = {}

    def commit(
        self,
        checkpoint: Checkpoint,
        payloads: Sequence[Payload],
        refs: Refs,
        between_writes: BetweenWrites = lambda: None,
    ) -> Checkpoint:
        """As in `Store`."""
        kept = self._above.commit(checkpoint, payloads, _set(refs), between_writes)
        self._unset(refs)
        return kept

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        """As in `Store`."""
        self._above.attach(id, payload)
        self._forgotten.pop(Version(payload.names, id), None)

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        """As in `Store`."""
        kept = self._above.commit_together([replace(each, refs=_set(each.refs)) for each in commits])
        for each in commits:
            self._unset(each.refs)
        return kept

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`."""
        if not self._above.contains(id):
            return self._below.checkpoint(id)
        found = self._above.checkpoint(id)
        if not found.outputs and self._below.contains(id):  # it was amended: the outputs are still below
            first = self._below.checkpoint(id)
            return replace(found, outputs=first.outputs, outputs_trusted=first.outputs_trusted)
        return found

    def contains(self, id: CheckpointId) -> bool:
        """As in `Store`."""
        return self._above.contains(id) or self._below.contains(id)

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """As in `Store`."""
        return sorted({*self._above.find(prefix, limit), *self._below.find(prefix, limit)})[:limit]

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """As in `Store`."""
        below = self._below.checkpoints(outputs=outputs)
        above = [self.checkpoint(each.id) for each in self._above.checkpoints(outputs=False)]
        ids = {each.id for each in above}
        mine = (each if outputs else replace(each, outputs=(), outputs_trusted=True) for each in above)
        return chain(mine, (each for each in below if each.id not in ids))

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """As in `Store`."""
        if version in self._forgotten:
            raise LoadError(f"{', '.join(version.names)} of {version.checkpoint}: {self._forgotten[version]}")
        with suppress(LoadError):
            return self._above.load(version, on_read)
        return self._below.load(version, on_read)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        below = {name: id for name, id in self._below.refs().items() if name not in self._deleted}
        return {**below, **self._above.refs()}

    def update_refs(self, refs: Refs) -> None:
        """As in `Store`."""
        self._above.update_refs(refs)
        self._unset(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`. The record of a checkpoint below is copied above first."""
        if not self._above.contains(checkpoint.id):
            self._above.commit(self._below.checkpoint(checkpoint.id), (), {})
        self._above.amend(checkpoint, refs)
        self._unset(refs)

    def collect(
        self,
        drop: Collection[Version],
        evict: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """As in `Store`, for payloads above. Those below stay, but what of them is in `drop` is not loaded any more."""
        if not dry_run:
            self._forgotten.update(dict.fromkeys(drop, reason))
        return self._above.collect(drop, evict, limit, reason=reason, dry_run=dry_run)

    @property
    def free_of_orphans(self) -> bool:
        """As in `Store`, for the store above."""
        return self._above.free_of_orphans

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """As in `Store`, for the store above."""
        return self._above.remove_orphans(should_stop)

    def statistics(self) -> StoreStatistics:
        """As in `Store`. The path is that of the store below. O(checkpoints above)."""
        below, above = self._below.statistics(), self._above.statistics()
        again = sum(self._below.contains(each.id) for each in self._above.checkpoints(outputs=False))
        return StoreStatistics(
            below.path,
            below.bytes + above.bytes,
            below.checkpoints + above.checkpoints - again,
            below.chunks + above.chunks,
        )

    def close(self) -> None:
        """As in `Store`."""
        self._above.close()
        self._below.close()

    def _unset(self, refs: Refs) -> None:
        """Remember which refs are deleted: the store below still has them."""
        self._deleted |= {name for name, id in refs.items() if id is None}
        self._deleted -= _set(refs).keys()
        self._above.update_refs({name: None for name, id in refs.items() if id is None})


def _set(refs: Refs) -> dict[str, CheckpointId]:
    return {name: id for name, id in refs.items() if id is not None}
