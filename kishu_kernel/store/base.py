"""The one narrow seam to what is kept: the `Store` protocol and the values that only it speaks in.

Law: a store keeps and gives back; it interprets neither refs nor payloads, and knows no graph.
`LmdbStore` and `MemoryStore` implement it, and run the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    CodecName,
    Collected,
    Names,
    Payload,
    StoreStatistics,
    Version,
)

ReadProgress = Callable[[int], None]
"""Told how many bytes have just been read. Called from any thread."""

BetweenWrites = Callable[[], None]
"""Called now and then, on the same thread, while bytes are written. What it raises ends the commit."""

Refs = Mapping[str, CheckpointId | None]
"""Ref names, like `branch/main` or `head/<session>` -> where they shall point; None deletes."""


class Blob(Protocol):
    """An out-of-band buffer of a stored payload, not read yet."""

    @property
    def nbytes(self) -> int:
        """Length of the buffer."""

    @property
    def direct(self) -> bool:
        """As in `model.Buffer`: the loader reads it straight into the object's own memory."""

    def readinto(self, target: memoryview) -> None:
        """Fill `target`, writable and contiguous, with the bytes; nothing lies in between.

        Safe from any thread. After an error the content of `target` is undefined.

        Raises:
            LoadError: bytes are missing or are not those that were stored.
            StoreError: the store is closed, or this is a forked process.
            ValueError: `target` does not measure `nbytes`.
        """


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A `model.Payload` as a store gives it back. Its blobs are valid until the store is closed."""

    names: Names
    codec: CodecName
    stream: bytes
    blobs: tuple[Blob, ...]
    made_by: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """What is kept for one notebook. All methods are safe from any thread.

    Every method raises `StoreError` when the disk fails, after `close`, and in a forked process.
    """

    def commit(
        self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, between_writes: BetweenWrites = ...
    ) -> Checkpoint:
        """Keep a checkpoint, its payloads and the refs: all of it or, with a StoreError, nothing.

        Chunks that the store holds already cost no bytes. Committing the same id again replaces it.
        Within `between_writes`, which is called between transactions, the store may be written.

        Returns:
            The checkpoint as kept: `written_bytes` is what was new in chunks, manifests and record.
        """

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """The checkpoint of this id. KeyError where there is none."""

    def contains(self, id: CheckpointId) -> bool:
        """Whether there is a checkpoint of this id."""

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """The first `limit` ids, in their own order, that begin with `prefix`."""

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """All checkpoints of all sessions as they are at the call, in any order.

        Args:
            outputs: false leaves the cells' outputs out (`()`), which can outweigh all the rest.
        """

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """The payload of a version, its stream verified; the blobs verify when they are read.

        Args:
            on_read: is told of bytes as they come, of the stream and then of the blobs.

        Raises:
            UntrustedError: the store cannot show that this user wrote it.
            LoadError: there is none, or its bytes are not those that were stored.
        """

    def refs(self) -> dict[str, CheckpointId]:
        """All refs."""

    def update_refs(self, refs: Refs) -> None:
        """Set and delete refs, in one transaction."""

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """Rewrite the record of a checkpoint, and set refs, in one transaction.

        Empty `outputs` leave the stored ones as they are, so that what came from
        `checkpoints(outputs=False)` can be amended. KeyError where there is no such checkpoint.
        """

    def collect(
        self,
        drop: Collection[Version],
        evict: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """Forget payloads, and remove the chunks that nothing names any more. O(manifests).

        The checkpoints stay, as what their cells did: their records say `stored` no more, and why.

        Args:
            drop: versions to forget.
            evict: versions to forget too, in this order, as long as payloads outweigh the limit.
            limit: bytes that chunks and manifests may occupy together.
            reason: what the records shall say, as a clause like "it was removed to save space".
            dry_run: only count.
        """

    @property
    def free_of_orphans(self) -> bool:
        """Whether no commit that was cut short can have left chunks that nothing names."""

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """Remove such chunks, in pieces of some milliseconds, until somebody is in the way. Whether it came to its end.

        Args:
            should_stop: asked between the pieces, whether there is something better to do.
        """

    def statistics(self) -> StoreStatistics:
        """How much there is. O(1)."""

    def close(self) -> None:
        """Let go of the store. Closing again does nothing."""
