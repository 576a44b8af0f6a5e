"""Payloads into an environment: what it does not hold yet, compressed, in transactions of bounded size.

Law: memory and transactions stay small however large the payloads are; what a manifest names is there when the
transaction that writes the manifest ends. Chunks that outweigh a batch are written ahead: nothing names them yet, so
another process's collection may take them away again, as it may those that were found to be there. So the last
transaction looks whether any were removed since the first look, and puts again what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kishu_kernel.model import Digest, Payload
from kishu_kernel.store.disk.loading import shelves
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunks import Chunk, cut
from kishu_kernel.store.format.packing import packed
from kishu_kernel.store.format.schema import CHUNK_TABLES, Manifest

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 16 << 20
"""Bytes of new chunks in one transaction, which LMDB holds in memory until its end. Measured: more is no faster."""

OWN_BATCH = 12 << 20
"""Of those, bytes that are in our memory besides: frames, and pieces of streams."""

_GROUP = 8 << 20
_GROUP_CHUNKS = 256


class _Value(NamedTuple):
    digest: Digest
    table: str
    data: memoryview | bytes


class Intake:
    """The payloads of one commit on their way in. For one thread."""

    def __init__(self, environment: Environment, payloads: Sequence[Payload]) -> None:
        self._environment = environment
        self._payloads = payloads
        self._seen: set[Digest] = set()
        self._group: list[Chunk] = []
        self._group_bytes = 0
        self._waiting: list[_Value] = []
        self._own_bytes = 0
        self._ahead = 0
        self._removals: bytes | None = None
        self.waiting_bytes = 0
        """Of chunks that `finish` will put."""

    def take(self) -> list[Manifest]:
        """Take the payloads apart, compress what is new of them, and write ahead all but the last batch.

        O(bytes) to hash them. Raises StoreError where LMDB fails; `written_ahead` tells whether that left anything.
        """
        with self._environment.reading() as txn:
            self._removals = _removals(txn, self._environment)
        manifests = [cut(payload, self._take) for payload in self._payloads]
        self._sort_out()
        return manifests

    @property
    def written_ahead(self) -> bool:
        """Whether there are chunks in the store already, which nothing names unless the commit succeeds."""
        return self._ahead > 0

    def finish(self, txn: Transaction[bytes]) -> int:
        """Put what is waiting, and what has gone meanwhile. May be called again, with another transaction.

        Returns:
            How many bytes of chunks the commit added.
        """
        tables = self._environment.tables
        added = self._ahead + self._put(txn, self._waiting)
        if _removals(txn, self._environment) == self._removals:
            return added
        gone = {digest for digest in self._seen if all(txn.get(digest, db=tables[t]) is None for t in CHUNK_TABLES)}

        def put_again(chunk: Chunk) -> None:
            nonlocal added
            if chunk.digest in gone:
                gone.remove(chunk.digest)
                added += self._put(txn, [_value(chunk)])

        for payload in self._payloads if gone else ():
            cut(payload, put_again)
        return added

    def _take(self, chunk: Chunk) -> None:
        if chunk.digest in self._seen:
            return
        self._seen.add(chunk.digest)
        self._group.append(chunk)
        self._group_bytes += chunk.data.nbytes
        if self._group_bytes >= _GROUP or len(self._group) >= _GROUP_CHUNKS:
            self._sort_out()

    def _sort_out(self) -> None:
        """Of the group, keep what the store does not hold."""
        if not self._group:
            return
        with shelves(self._environment, self._environment.reading) as there:
            new = [chunk for chunk in self._group if not there.holds(chunk.digest)]
        self._group, self._group_bytes = [], 0
        for chunk in new:
            value = _value(chunk)
            own = 0 if value.data is chunk.data and chunk.borrowed else len(value.data)
            if self.waiting_bytes + len(value.data) > BATCH or self._own_bytes + own > OWN_BATCH:
                self._write_ahead()
            self._waiting.append(value)
            self.waiting_bytes += len(value.data)
            self._own_bytes += own

    def _write_ahead(self) -> None:
        if self._waiting:
            self._ahead += self._environment.write(lambda txn: self._put(txn, self._waiting), self.waiting_bytes)
        self._waiting, self.waiting_bytes, self._own_bytes = [], 0, 0

    def _put(self, txn: Transaction[bytes], values: Sequence[_Value]) -> int:
        """How many bytes that added: none where another one was faster."""
        added = 0
        for digest, name, data in values:
            if txn.put(digest, data, db=self._environment.tables[name], overwrite=False):
                added += len(data)
        return added


def _removals(txn: Transaction[Any], environment: Environment) -> bytes:
    """Changes whenever chunks were removed: as long as it does not, what was there is there."""
    return bytes(txn.get(schema.REMOVALS_KEY, b"", db=environment.tables["meta"]))


def _value(chunk: Chunk) -> _Value:
    frame = packed(chunk.data, chunk.item_bytes)
    return _Value(chunk.digest, "chunks", chunk.data) if frame is None else _Value(chunk.digest, "packed", frame)
