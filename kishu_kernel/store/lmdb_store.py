"""The store on disk: one LMDB environment per notebook.

Law: one write transaction per call, so that each is whole or absent whatever dies when; read
transactions end with the call that began them, since a forgotten one keeps pages from reuse.
What stands where is in `schema`; LMDB's own rules are kept by `environment`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import KishuError, LoadError, StoreError
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Payload,
    StoreStatistics,
    Version,
)
from kishu_kernel.store import chunks, environment, schema
from kishu_kernel.store.base import Refs, StoredPayload
from kishu_kernel.store.schema import Piece

if TYPE_CHECKING:
    from lmdb import Transaction, _Database


class LmdbStore:
    """A `Store` in a directory of its own, created for this user only.

    Several processes may use a directory at once. Within one, stores of it share one environment.

    Args:
        path: the directory. Not on a network file system.
        sync: false trades the last commits at a power failure for speed; a kill loses none.
        map_size: address space to begin with; it grows as needed.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote it.
        StoreError: it cannot be opened or created.
    """

    def __init__(self, path: Path, *, sync: bool = True, map_size: int = environment.MAP_SIZE) -> None:
        self._environment = environment.acquire(path, sync, map_size)
        self._closed = False

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs) -> Checkpoint:
        """As in `Store`. O(bytes of the payloads) to hash them, then O(new bytes) to write."""
        self._check()
        cuts = [chunks.cut(payload) for payload in payloads]  # before others must wait for us

        def work(txn: Transaction[bytes]) -> Checkpoint:
            written = schema.record_size(checkpoint)
            for cut in cuts:
                written += self._put_payload(txn, cut, checkpoint.id)
            kept = replace(checkpoint, written_bytes=written)
            txn.delete(schema.checkpoint_key(kept.id), db=self._tables["outputs"])
            self._put_record(txn, kept)
            self._point(txn, refs)
            return kept

        return self._environment.write(work, sum(payload.size for payload in payloads))

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`."""
        key = schema.checkpoint_key(id)
        with self._reading() as txn:
            record = txn.get(key, db=self._tables["checkpoints"])
            if record is None:
                raise KeyError(id)
            outputs = txn.get(key, b"", db=self._tables["outputs"])
            return schema.decode_checkpoint(id, bytes(record), bytes(outputs))

    def contains(self, id: CheckpointId) -> bool:
        """As in `Store`."""
        return self.find(id, 1) == [id]

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """As in `Store`. O(limit)."""
        first = schema.first_key(prefix)
        if first is None:
            return []
        with self._reading() as txn, txn.cursor(db=self._tables["checkpoints"]) as cursor:
            cursor.set_range(first)
            ids = (schema.checkpoint_id(key) for key in cursor.iternext(values=False))
            return list(islice(takewhile(lambda id: id.startswith(prefix), ids), limit))

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """As in `Store`. Copies all records, so that no transaction stays open with the caller."""
        with self._reading() as txn:
            records = _items(txn, self._tables["checkpoints"])
            extras = dict(_items(txn, self._tables["outputs"])) if outputs else {}
        return (
            schema.decode_checkpoint(schema.checkpoint_id(key), record, extras.get(key, b"")) for key, record in records
        )

    def load(self, version: Version) -> StoredPayload:
        """As in `Store`. O(bytes of the stream)."""
        key = schema.version_key(version)
        with self._reading(LoadError) as txn:
            data = txn.get(key, db=self._tables["versions"])
            if data is None:
                raise LoadError(f"the store holds no {', '.join(version.names)} of {version.checkpoint}")
            manifest = schema.decode_manifest(bytes(data))
            stream = b"".join(chunks.verified(self._getter(txn), manifest.stream))
        return chunks.stored(manifest, stream, self._copy)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._reading() as txn:
            items = _items(txn, self._tables["refs"])
        return {schema.ref_name(key): schema.checkpoint_id(value) for key, value in items}

    def update(self, refs: Refs) -> None:
        """As in `Store`."""
        self._check()
        self._environment.write(lambda txn: self._point(txn, refs))

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`."""
        self._check()

        def work(txn: Transaction[bytes]) -> None:
            if txn.get(schema.checkpoint_key(checkpoint.id), db=self._tables["checkpoints"]) is None:
                raise KeyError(checkpoint.id)
            self._put_record(txn, checkpoint)
            self._point(txn, refs)

        self._environment.write(work)

    def statistics(self) -> StoreStatistics:
        """As in `Store`. `bytes` are pages in use: not the sparse map, not pages free for reuse."""
        with self._reading() as txn:
            checkpoints, chunks = (txn.stat(self._tables[table])["entries"] for table in ("checkpoints", "chunks"))
        return StoreStatistics(str(self._environment.path), self._environment.used_bytes(), checkpoints, chunks)

    def close(self) -> None:
        """As in `Store`. In a forked child nothing is closed: it is the parent's."""
        if not self._closed:
            self._closed = True
            environment.release(self._environment)

    @property
    def _tables(self) -> Mapping[str, _Database]:
        return self._environment.tables

    def _check(self) -> None:
        if self._closed:
            raise StoreError(f"the store at {self._environment.path} is closed")

    def _reading(self, error: type[KishuError] = StoreError) -> AbstractContextManager[Transaction[memoryview]]:
        self._check()
        return self._environment.reading(error)

    def _getter(self, txn: Transaction[memoryview]) -> chunks.Get:
        table = self._tables["chunks"]
        return lambda digest: txn.get(digest, db=table)

    def _copy(self, piece: Piece, target: memoryview) -> None:
        with self._reading(LoadError) as txn:
            chunks.copy(self._getter(txn), piece, target)

    def _put_payload(self, txn: Transaction[bytes], cut: chunks.Cut, id: CheckpointId) -> int:
        """Put manifest and chunks; how many bytes were new."""
        written = 0
        table = self._tables["chunks"]
        for digest, data in cut.chunks:
            if txn.put(digest, data, db=table, overwrite=False):
                written += data.nbytes
        manifest = schema.encode_manifest(cut.manifest)
        key = schema.version_key(Version(cut.manifest.names, id))
        txn.put(key, manifest, db=self._tables["versions"])
        return written + len(manifest)

    def _put_record(self, txn: Transaction[bytes], checkpoint: Checkpoint) -> None:
        key = schema.checkpoint_key(checkpoint.id)
        txn.put(key, schema.encode_checkpoint(checkpoint), db=self._tables["checkpoints"])
        if outputs := schema.encode_outputs(checkpoint.outputs):
            txn.put(key, outputs, db=self._tables["outputs"])

    def _point(self, txn: Transaction[bytes], refs: Refs) -> None:
        table = self._tables["refs"]
        for name, id in refs.items():
            if id is None:
                txn.delete(schema.ref_key(name), db=table)
            else:
                txn.put(schema.ref_key(name), schema.checkpoint_key(id), db=table)


def _items(txn: Transaction[memoryview], table: _Database) -> list[tuple[bytes, bytes]]:
    """A copy of a table, since what LMDB hands out dies with the transaction."""
    with txn.cursor(db=table) as cursor:
        return [(bytes(key), bytes(value)) for key, value in cursor]
