"""Does a store carry this user's marks, and accepting one that does not.

Law: only the user accepts a store, knowing it; nothing here runs what is in it, and nothing else in the package
marks what somebody else wrote. What is damaged gets no mark.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.store.disk import environment
from kishu_kernel.store.format import chunks, schema
from kishu_kernel.store.format.schema import Manifest, Piece
from kishu_kernel.store.format.seal import Seal, user_seal
from kishu_kernel.store.format.soundness import raw_chunk, sound_checkpoint, sound_manifest

if TYPE_CHECKING:
    from lmdb import Transaction

BATCH = 500
"""Records or payloads marked in one transaction."""
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Trust:
    """How much of a store is this user's.

    Attributes:
        damaged: records and payloads that cannot be read, whoever wrote them.
    """

    checkpoints: int = 0
    trusted_checkpoints: int = 0
    payloads: int = 0
    trusted_payloads: int = 0
    damaged: int = 0

    @property
    def whole(self) -> bool:
        """Whether all that can be read is this user's."""
        return (self.checkpoints, self.payloads) == (self.trusted_checkpoints, self.trusted_payloads)


def trust_of(path: Path, seal: Seal | None = None) -> Trust:
    """How much of the store at `path` carries this user's marks. O(bytes of the pickle streams).

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    with environment.opened(path, readonly=True) as store, store.reading() as txn:
        return _Marks(store, txn, seal or user_seal()).count()


def trust(path: Path, seal: Seal | None = None) -> Trust:
    """Accept the store at `path`: whatever can be read in it gets this user's mark. O(bytes of the pickle streams).

    From here on its payloads are loaded and its cells re-run, with all that they do. Sessions that have it open
    see it when they open it again.

    Returns:
        What is trusted now.

    Raises:
        StoreError: there is no store, or it cannot be written. What was marked until then stays so.
    """
    seal = seal or user_seal()
    with environment.opened(path) as store:
        for table in schema.MARKED:
            with store.reading() as txn, txn.cursor(db=store.tables[table]) as cursor:
                keys = [bytes(key) for key in cursor.iternext(values=False)]
            for start in range(0, len(keys), BATCH):
                work = functools.partial(_mark, store, seal, table, keys[start : start + BATCH])
                store.write(work, _PAGE * BATCH)
        with store.reading() as txn:
            return _Marks(store, txn, seal).count()


def _mark(store: environment.Environment, seal: Seal, table: str, keys: list[bytes], txn: Transaction[bytes]) -> None:
    marks = _Marks(store, txn, seal)
    for key in keys:
        value = txn.get(key, db=store.tables[table])
        if value is None:
            continue
        more = marks.covered(table, key, value)
        if more is not None and not schema.trusted(seal, table, key, value, *more):
            txn.put(key, schema.marked(seal, table, key, schema.unmarked(value), *more), db=store.tables[table])


class _Marks:
    """The marks of a store, as one transaction sees them."""

    def __init__(
        self, store: environment.Environment, txn: Transaction[bytes] | Transaction[memoryview], seal: Seal
    ) -> None:
        self._tables = store.tables
        self._txn = txn
        self._seal = seal

    def count(self) -> Trust:
        counts = {table: [0, 0, 0] for table in schema.MARKED}
        for table, (total, trusted, damaged) in counts.items():
            for key, value in self._rows(table):
                more = self.covered(table, key, value)
                total += more is not None
                damaged += more is None
                trusted += more is not None and schema.trusted(self._seal, table, key, value, *more)
            counts[table] = [total, trusted, damaged]
        checkpoints, versions = (counts[table] for table in ("checkpoints", "versions"))
        return Trust(checkpoints[0], checkpoints[1], versions[0], versions[1], checkpoints[2] + versions[2])

    def covered(self, table: str, key: bytes, value: bytes) -> list[bytes] | None:
        """What the mark of a row covers besides it; None where the row is damaged and can have no mark."""
        body = schema.unmarked(value)
        try:
            if table == "checkpoints":
                sound_checkpoint(key, body)
                return []
            return [self._stream(sound_manifest(key, body))]
        except (StoreError, LoadError):
            return None

    def _stream(self, manifest: Manifest) -> bytes:
        return chunks.stream_of(manifest, self._parts)

    def _parts(self, piece: Piece) -> Iterator[memoryview]:
        for digest in piece.digests:
            for table in ("chunks", "packed"):
                value = self._txn.get(digest, db=self._tables[table])
                if value is not None:
                    yield raw_chunk(table, digest, value)
                    break
            else:
                raise chunks.missing(digest)

    def _rows(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, value in cursor:
                yield bytes(key), bytes(value)
