"""The contract of every store: the `Store` protocol, and the values that only it uses.

Law: a store keeps and returns; it interprets neither refs nor payloads, and knows no graph.

`LmdbStore` and `MemoryStore` keep it by themselves. `LayeredStore` (a read-only store below, a writable one above) and
`WriteBehindStore` (commits in the background) are wrappers of other stores. All of them run the same tests
(`tests/store/stores.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    CodecName,
    Collected,
    Digest,
    Names,
    Payload,
    StoreStatistics,
    Version,
)
from kishu_kernel.model.dataclass import dataclass, field

ReadProgress = Callable[[int], None]
"""Called with the number of bytes that were just read, on any thread."""

BetweenWrites = Callable[[], None]
"""Called now and then, between transactions, on the thread that commits. What it raises ends the commit."""

Refs = Mapping[str, CheckpointId | None]
"""Names of refs, like `branch/main` or `head/<session>`, and where they shall point. None deletes a ref."""


class Blob(Protocol):
    """An out-of-band buffer of a stored payload, which is read when it is asked for."""

    @property
    def nbytes(self) -> int:
        """Length of the buffer."""

    @property
    def direct(self) -> bool:
        """As in `model.Buffer`: it is read straight into the memory of the object that it belongs to."""

    @property
    def digests(self) -> Sequence[Digest]:
        """Of its chunks. Two buffers of one length that are cut in the same way differ where these do."""

    def sizes(self) -> Sequence[int]:
        """Bytes of each of its chunks. Nothing but their heads is read. Errors as of `readinto`."""

    def read_parts(self, numbers: Sequence[int], target: memoryview) -> None:
        """Read some of its chunks into `target`, one behind the other. Errors as of `readinto`.

        Args:
            numbers: of the chunks, as in `digests`.
        """

    def readinto(self, target: memoryview) -> None:
        """Read the bytes into `target`, which is writable and contiguous, without a copy in between.

        O(bytes). Safe from any thread. After an error the content of `target` is undefined.

        Raises:
            LoadError: bytes are missing, or are not those that were stored.
            StoreError: the store is closed, or this is a forked process.
            ValueError: `target` does not have `nbytes`.
        """


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A `model.Payload` as a store returns it. Its blobs can be read until the store is closed."""

    names: Names
    codec: CodecName
    stream: bytes
    blobs: tuple[Blob, ...]
    made_by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """What one `Store.commit` is given."""

    checkpoint: Checkpoint
    payloads: Sequence[Payload]
    refs: Refs


class Store(Protocol):
    """What is kept for one notebook. All methods are safe from any thread.

    Every method raises `StoreError` when the disk fails, after `close`, and in a forked process.
    """

    def commit(
        self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, between_writes: BetweenWrites = ...
    ) -> Checkpoint:
        """Store a checkpoint, its payloads and refs: all of it or, with a StoreError, nothing.

        O(bytes of the payloads) to hash them. Chunks that the store holds already are not written again. A checkpoint
        that is committed again replaces the one of the same id.

        Args:
            between_writes: may write to the store itself.

        Returns:
            The checkpoint as kept. A payload whose memory changed meanwhile is not stored, and its record says so.
            `written_bytes` counts what was new: chunks, manifests and the record.
        """

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        """Store a payload beside those of a checkpoint, whose record does not name it. It replaces one of its names.

        `load` gives it back, and `collect` removes it. O(its bytes).
        """

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        """Store several small checkpoints with what one costs. Each is stored as by `commit`, in this order.

        After a StoreError some of them may be stored: `commit` each, which does no harm to what is stored already.
        """

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """The checkpoint with this id. KeyError where there is none."""

    def contains(self, id: CheckpointId) -> bool:
        """Whether there is a checkpoint with this id."""

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """The first `limit` ids that begin with `prefix`, in alphabetical order."""

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """All checkpoints of all sessions as they are at the call, in any order. O(checkpoints).

        Args:
            outputs: false leaves out the cells' outputs, which can be larger than all the rest.
        """

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """The payload of a version. O(bytes of its stream): the stream is verified now, the blobs when they are read.

        Args:
            on_read: is called for the stream now, and for the blobs when they are read.

        Raises:
            UntrustedError: nothing shows that this user stored it.
            LoadError: there is none, or its bytes are not those that were stored.
        """

    def refs(self) -> dict[str, CheckpointId]:
        """All refs, and the checkpoints that they point to."""

    def update_refs(self, refs: Refs) -> None:
        """Set and delete refs, in one transaction."""

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """Replace the record of a checkpoint, and set and delete refs, in one transaction.

        Empty `outputs` leave the stored ones as they are, so that what came from `checkpoints(outputs=False)` can be
        amended. KeyError where there is no such checkpoint.
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
        """Remove the payloads of versions, and the chunks that no version names any more. O(manifests and chunks).

        The checkpoints stay. Their records say that these versions are not stored, and why.

        Args:
            drop: versions to remove.
            evict: versions to remove as well, in this order, as long as the payloads are above the limit.
            limit: bytes that chunks and manifests may occupy together.
            reason: goes into the records, as a clause like "it was removed to save space".
            dry_run: only count.

        Returns:
            What was removed, and what is left.
        """

    @property
    def free_of_orphans(self) -> bool:
        """Whether no interrupted commit can have left orphans: chunks that no version names."""

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """Remove orphans, in pieces of some milliseconds.

        Args:
            should_stop: asked between the pieces, whether to stop.

        Returns:
            Whether none is left. False: it was stopped, or somebody wrote meanwhile; call again later.
        """

    def statistics(self) -> StoreStatistics:
        """How much there is. O(1)."""

    def close(self) -> None:
        """Close the store. Closing it again does nothing."""
