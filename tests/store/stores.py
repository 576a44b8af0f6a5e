"""The stores that keep the contract, each made in a directory of its own: what the suites of it run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kishu_kernel.model import Checkpoint, CheckpointId, Payload
from kishu_kernel.store import LmdbStore, MemoryStore, Store
from kishu_kernel.store.base import BetweenWrites, Refs
from kishu_kernel.store.layered_store import LayeredStore
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore


class WrittenAtOnce(WriteBehindStore):
    """Waits for each commit, so that what comes of it is known when it returns, as the contract says it."""

    def commit(
        self,
        checkpoint: Checkpoint,
        payloads: Sequence[Payload],
        refs: Refs,
        between_writes: BetweenWrites | None = None,
    ) -> Checkpoint:
        super().commit(checkpoint, payloads, refs)
        self.flush()
        failure = self.take_failure()
        if failure is not None:
            raise failure.error
        return self.checkpoint(checkpoint.id)

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        super().attach(id, payload)
        self.flush()


def layered(path: Path) -> Store:
    LmdbStore(path).close()
    return LayeredStore(LmdbStore(path, readonly=True), MemoryStore())


MAKERS: dict[str, Callable[[Path], Store]] = {
    "lmdb": LmdbStore,
    "memory": lambda _: MemoryStore(),
    "layered": layered,
    "write-behind": lambda path: WrittenAtOnce(LmdbStore(path)),
}
