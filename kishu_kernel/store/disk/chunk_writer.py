"""The payloads of one commit written to an environment: new chunks only, compressed, in transactions of bounded size.

Law: memory and transactions stay small however large the payloads are, and every chunk that a manifest names is in the
store when the transaction that writes the manifest ends.

Chunks beyond one batch are written ahead, in transactions of their own. No manifest names them yet, so a garbage
collection in another process may remove them, like chunks that were found to be stored already. So the last transaction
looks whether any chunk was removed since the first look, and writes again what is gone.

Payloads may be live memory that changes meanwhile (`torn_reads`). What waits for a transaction is bytes that cannot
change, so a transaction that is run again writes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kishu_kernel.model import Digest, Payload
from kishu_kernel.store.disk.chunk_reader import chunk_tables
from kishu_kernel.store.format import schema, torn_reads
from kishu_kernel.store.format.chunks import Chunk, is_live, split_payload, unchanged_bytes
from kishu_kernel.store.format.compression import compress
from kishu_kernel.store.format.schema import CHUNK_TABLES, Manifest

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 16 << 20
"""Bytes of new chunks in one transaction, which LMDB holds in memory until its end. Measured: more is no faster."""

OWN_BATCH = 12 << 20
"""Of those, bytes in memory of our own: compressed frames, pieces of streams, copies of live memory."""

_GROUP = 8 << 20
_GROUP_CHUNKS = 256
"""Bytes and number of chunks that are looked up together."""


class _Row(NamedTuple):
    digest: Digest
    table: str
    data: memoryview | bytes


class ChunkWriter:
    """Writes the payloads of one commit: first `prepare`, then `finish` in the commit's last transaction.

    For one thread.

    Args:
        between_writes: called now and then, between transactions. What it raises ends `prepare`.

    Attributes:
        waiting_bytes: of chunks that `finish` will write.
        leaves_orphans: whether `finish` left chunks that no manifest may name, since their payloads are not stored.
    """

    def __init__(
        self, environment: Environment, payloads: Sequence[Payload], between_writes: Callable[[], None] = lambda: None
    ) -> None:
        self._between_writes = between_writes
        self._environment = environment
        self._payloads = payloads
        self._manifests: list[Manifest] = []
        self._changed: set[int] = set()
        self._torn: set[Digest] = set()
        self._seen: set[Digest] = set()
        self._group: list[Chunk] = []
        self._group_bytes = 0
        self._waiting: list[_Row] = []
        self._own_bytes = 0
        self._ahead: dict[Digest, int] = {}
        self._removals: bytes | None = None
        self.waiting_bytes = 0
        self.leaves_orphans = False

    def prepare(self) -> list[Manifest]:
        """Split the payloads, compress new chunks, and write ahead all but the last batch. The payloads' manifests.

        O(bytes) to hash them, those of live memory twice.

        Raises:
            StoreError: LMDB fails. `has_written_ahead` says whether orphans are left.
        """
        with self._environment.reading() as txn:
            self._removals = _removals(txn, self._environment)
        for number, payload in enumerate(self._payloads):
            self._manifests.append(split_payload(payload, self._add))
            if not payload.buffers or not any(map(is_live, payload.buffers)):
                continue
            self._keep_new()  # live memory is copied before it is hashed a second time
            if not torn_reads.is_unchanged(payload, self._manifests[number]):
                self._changed.add(number)
        self._keep_new()
        # chunks that had changed when they were copied: all payloads that name them are torn
        if self._torn:
            self._changed.update(n for n, each in enumerate(self._manifests) if not self._torn.isdisjoint(each.digests))
        return self._manifests

    @property
    def changed_payloads(self) -> list[Payload]:
        """Payloads that must not be stored, since their memory changed meanwhile. Complete after `finish`."""
        return [self._payloads[number] for number in sorted(self._changed)]

    @property
    def has_written_ahead(self) -> bool:
        """Whether chunks were written already. They are orphans unless the commit succeeds."""
        return bool(self._ahead)

    def finish(self, txn: Transaction[bytes]) -> dict[Digest, int]:
        """Write the last batch, and again what was removed meanwhile. May be called again, with another transaction.

        Returns:
            The chunks that the commit added, and how many bytes each has.
        """
        tables = self._environment.tables
        wanted = self._wanted()
        added = self._ahead | self._put(txn, [value for value in self._waiting if value.digest in wanted])
        if _removals(txn, self._environment) != self._removals:
            gone = {d for d in wanted if all(txn.get(d, db=tables[table]) is None for table in CHUNK_TABLES)}

            def put_again(chunk: Chunk) -> None:
                if chunk.digest in gone:
                    value = _row(chunk)
                    if value is not None:
                        gone.remove(chunk.digest)
                        added.update(self._put(txn, [value]))

            for number, payload in self._unchanged():
                if not gone.isdisjoint(self._manifests[number].digests):
                    split_payload(payload, put_again)
            # What is still gone has changed since it was hashed the second time.
            self._changed.update(n for n, _ in self._unchanged() if not gone.isdisjoint(self._manifests[n].digests))
            wanted = self._wanted()
        self.leaves_orphans = not added.keys() <= wanted
        return {digest: size for digest, size in added.items() if digest in wanted}

    def _unchanged(self) -> list[tuple[int, Payload]]:
        return [(n, payload) for n, payload in enumerate(self._payloads) if n not in self._changed]

    def _wanted(self) -> set[Digest]:
        return {digest for number, _ in self._unchanged() for digest in self._manifests[number].digests}

    def _add(self, chunk: Chunk) -> None:
        if chunk.digest in self._seen:
            return
        self._seen.add(chunk.digest)
        self._group.append(chunk)
        self._group_bytes += chunk.data.nbytes
        if self._group_bytes >= _GROUP or len(self._group) >= _GROUP_CHUNKS:
            self._keep_new()

    def _keep_new(self) -> None:
        """Of the group, keep those chunks that the store does not hold; compress them."""
        if not self._group:
            return
        self._between_writes()
        with chunk_tables(self._environment, self._environment.reading) as there:
            new = [chunk for chunk in self._group if not there.holds(chunk.digest)]
        self._group, self._group_bytes = [], 0
        for chunk in new:
            value = _row(chunk)
            if value is None:
                self._torn.add(chunk.digest)
                continue
            own = 0 if value.data is chunk.data else len(value.data)
            if self.waiting_bytes + len(value.data) > BATCH or self._own_bytes + own > OWN_BATCH:
                self._write_ahead()
            self._waiting.append(value)
            self.waiting_bytes += len(value.data)
            self._own_bytes += own

    def _write_ahead(self) -> None:
        if self._waiting:
            self._ahead |= self._environment.write(lambda txn: self._put(txn, self._waiting), self.waiting_bytes)
        self._waiting, self.waiting_bytes, self._own_bytes = [], 0, 0

    def _put(self, txn: Transaction[bytes], values: Sequence[_Row]) -> dict[Digest, int]:
        """Write chunks. The bytes of each that was added: another process may have written one meanwhile."""
        added: dict[Digest, int] = {}
        for digest, name, data in values:
            if txn.put(digest, data, db=self._environment.tables[name], overwrite=False):
                added[digest] = len(data)
        return added


def _removals(txn: Transaction[Any], environment: Environment) -> bytes:
    """A counter of removals: as long as it stays the same, no chunk has been removed."""
    return bytes(txn.get(schema.REMOVALS_KEY, b"", db=environment.tables["meta"]))


def _row(chunk: Chunk) -> _Row | None:
    """The row of a chunk; None where its memory has changed since it was hashed."""
    data = unchanged_bytes(chunk)
    if data is None:
        return None
    frame = compress(data, chunk.item_bytes)
    return _Row(chunk.digest, "chunks", data) if frame is None else _Row(chunk.digest, "packed", frame)
