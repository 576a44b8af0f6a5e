"""Payloads into an environment: what it does not hold yet, compressed, in transactions of bounded size.

Law: memory and transactions stay small however large the payloads are; what a manifest names is there when the
transaction that writes the manifest ends. Chunks that outweigh a batch are written ahead: nothing names them yet, so
another process's collection may take them away again, as it may those that were found to be there. So the last
transaction looks whether any were removed since the first look, and puts again what is gone.
Payloads may be live memory that changes meanwhile (see `steady`). What waits for a transaction is bytes that cannot
change, so a transaction that is run again puts the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kishu_kernel.model import Digest, Payload
from kishu_kernel.store.disk.chunk_reader import chunk_tables
from kishu_kernel.store.format import schema, torn_reads
from kishu_kernel.store.format.chunks import Chunk, split_payload, unchanged_bytes
from kishu_kernel.store.format.compression import compress
from kishu_kernel.store.format.schema import CHUNK_TABLES, Manifest

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 16 << 20
"""Bytes of new chunks in one transaction, which LMDB holds in memory until its end. Measured: more is no faster."""

OWN_BATCH = 12 << 20
"""Of those, bytes that are in our memory besides: frames, pieces of streams, copies of live memory."""

_GROUP = 8 << 20
_GROUP_CHUNKS = 256


class _Value(NamedTuple):
    digest: Digest
    table: str
    data: memoryview | bytes


class ChunkWriter:
    """The payloads of one commit on their way in. For one thread.

    Args:
        pause: called now and then, between transactions; what it raises ends `take`.
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
        self._waiting: list[_Value] = []
        self._own_bytes = 0
        self._ahead: dict[Digest, int] = {}
        self._removals: bytes | None = None
        self.waiting_bytes = 0
        """Of chunks that `finish` will put."""
        self.leaves_orphans = False
        """Whether `finish` leaves chunks of payloads that are not stored: nothing may name them."""

    def prepare(self) -> list[Manifest]:
        """Take the payloads apart, compress what is new of them, and write ahead all but the last batch.

        O(bytes) to hash them, those of live memory twice. Raises StoreError where LMDB fails; `written_ahead` tells
        whether that left anything.
        """
        with self._environment.reading() as txn:
            self._removals = _removals(txn, self._environment)
        for number, payload in enumerate(self._payloads):
            self._manifests.append(split_payload(payload, self._add))
            self._keep_new()  # before the second look
            if not torn_reads.is_unchanged(payload, self._manifests[number]):
                self._changed.add(number)
        # Copies that came too late: all payloads that name them.
        self._changed.update(n for n, each in enumerate(self._manifests) if not self._torn.isdisjoint(each.digests))
        return self._manifests

    @property
    def changed_payloads(self) -> list[Payload]:
        """Those that are not to be stored, since their memory changed. All of them are known after `finish`."""
        return [self._payloads[number] for number in sorted(self._changed)]

    @property
    def has_written_ahead(self) -> bool:
        """Whether there are chunks in the store already, which nothing names unless the commit succeeds."""
        return bool(self._ahead)

    def finish(self, txn: Transaction[bytes]) -> int:
        """Put what is waiting, and what has gone meanwhile. May be called again, with another transaction.

        Returns:
            How many bytes of chunks the commit added.
        """
        tables = self._environment.tables
        wanted = self._wanted()
        added = self._ahead | self._put(txn, [value for value in self._waiting if value.digest in wanted])
        if _removals(txn, self._environment) != self._removals:
            gone = {d for d in wanted if all(txn.get(d, db=tables[table]) is None for table in CHUNK_TABLES)}

            def put_again(chunk: Chunk) -> None:
                if chunk.digest in gone:
                    value = _value(chunk)
                    if value is not None:
                        gone.remove(chunk.digest)
                        added.update(self._put(txn, [value]))

            for number, payload in self._sound():
                if not gone.isdisjoint(self._manifests[number].digests):
                    split_payload(payload, put_again)
            # What is still gone has changed since the second look, and cannot be had any more.
            self._changed.update(n for n, _ in self._sound() if not gone.isdisjoint(self._manifests[n].digests))
            wanted = self._wanted()
        self.leaves_orphans = not added.keys() <= wanted
        return sum(size for digest, size in added.items() if digest in wanted)

    def _sound(self) -> list[tuple[int, Payload]]:
        return [(n, payload) for n, payload in enumerate(self._payloads) if n not in self._changed]

    def _wanted(self) -> set[Digest]:
        return {digest for number, _ in self._sound() for digest in self._manifests[number].digests}

    def _add(self, chunk: Chunk) -> None:
        if chunk.digest in self._seen:
            return
        self._seen.add(chunk.digest)
        self._group.append(chunk)
        self._group_bytes += chunk.data.nbytes
        if self._group_bytes >= _GROUP or len(self._group) >= _GROUP_CHUNKS:
            self._keep_new()

    def _keep_new(self) -> None:
        """Of the group, keep what the store does not hold."""
        if not self._group:
            return
        self._between_writes()
        with chunk_tables(self._environment, self._environment.reading) as there:
            new = [chunk for chunk in self._group if not there.holds(chunk.digest)]
        self._group, self._group_bytes = [], 0
        for chunk in new:
            value = _value(chunk)
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

    def _put(self, txn: Transaction[bytes], values: Sequence[_Value]) -> dict[Digest, int]:
        """What that added, in bytes: nothing where another one was faster."""
        added: dict[Digest, int] = {}
        for digest, name, data in values:
            if txn.put(digest, data, db=self._environment.tables[name], overwrite=False):
                added[digest] = len(data)
        return added


def _removals(txn: Transaction[Any], environment: Environment) -> bytes:
    """Changes whenever chunks were removed: as long as it does not, what was there is there."""
    return bytes(txn.get(schema.REMOVALS_KEY, b"", db=environment.tables["meta"]))


def _value(chunk: Chunk) -> _Value | None:
    """What to put; None where the memory has changed since it was hashed."""
    data = unchanged_bytes(chunk)
    if data is None:
        return None
    frame = compress(data, chunk.item_bytes)
    return _Value(chunk.digest, "chunks", data) if frame is None else _Value(chunk.digest, "packed", frame)
