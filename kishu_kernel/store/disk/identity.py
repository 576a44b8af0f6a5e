"""The identity of a store to its user: looked for, made at his first write, given anew to a copy.

Law: an identity is never written with where no checkpoint of its user stands on it: who could write to a store before
he did could have put there the identity of another store of his, and so make records of that one good here.
Neighbours: `marks` says what is bound to an identity; whoever reads or writes values with marks asks here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError
from kishu_kernel.store.format import chunks, schema
from kishu_kernel.store.format.schema import Manifest, Piece
from kishu_kernel.store.format.signatures import Marks, identity, identity_key, new_identity
from kishu_kernel.store.format.signing import Seal
from kishu_kernel.store.format.validation import raw_chunk

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Tables = Mapping[str, "_Database"]


class Binding:
    """The marks of one user in one store, whatever other processes do to it meanwhile. Safe from any thread."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._key = identity_key(seal)
        self._known: tuple[bytes | None, Marks] = (None, Marks(seal, None))
        self._stood_on: bytes | None = None

    def marks(self, txn: Transaction[Any], tables: Tables) -> Marks:
        """As a transaction sees the store. O(1)."""
        value = txn.get(self._key, db=tables["meta"])
        value = None if value is None else bytes(value)
        known, marks = self._known
        if value != known:
            marks = Marks(self._seal, identity(self._seal, value))
            self._known = value, marks
        return marks

    def settled(self, txn: Transaction[bytes], tables: Tables) -> Marks:
        """The same, for who is about to write. O(1), but at the first time, and where the store has an older format."""
        marks = self.marks(txn, tables)
        if marks.identity is None:
            return self.renewed(txn, tables)
        if marks.identity != self._stood_on:
            if not _is_stood_on(txn, tables, marks):
                return self.renewed(txn, tables)
            self._stood_on = marks.identity
        return marks

    def renewed(self, txn: Transaction[bytes], tables: Tables) -> Marks:
        """Give the store a new identity, and to all that is this user's new marks. O(records, bytes of the streams)."""
        before = self.marks(txn, tables)
        txn.put(self._key, new_identity(self._seal), db=tables["meta"])
        marks = self.marks(txn, tables)
        _mark_anew(txn, tables, before, marks)
        self._stood_on = marks.identity  # which nobody else can have known before
        return marks


def stream_of(txn: Transaction[Any], tables: Tables, manifest: Manifest) -> bytes:
    """The stream that a manifest names, as a transaction sees it. LoadError where it is damaged."""
    return chunks.stream_of(manifest, lambda piece: _parts(txn, tables, piece))


def covered(txn: Transaction[Any], tables: Tables, manifest: Manifest, stream: bytes) -> Manifest:
    """A manifest with the covers of what it names. LoadError where that is damaged."""
    return chunks.covered(manifest, stream, lambda piece: _parts(txn, tables, piece))


def _is_stood_on(txn: Transaction[bytes], tables: Tables, marks: Marks) -> bool:
    with txn.cursor(db=tables["checkpoints"]) as cursor:
        return any(marks.trusted("checkpoints", bytes(key), bytes(value)) for key, value in cursor)


def _mark_anew(txn: Transaction[bytes], tables: Tables, before: Marks, after: Marks) -> None:
    trusted = set()
    for table in ("checkpoints", "outputs"):
        for key, value in _rows(txn, tables[table]):
            if before.trusted(table, key, value):
                txn.put(key, after.marked(table, key, schema.unmarked(value)), db=tables[table])
                trusted.add((table, key))
    for key, value in _rows(txn, tables["versions"]):
        # without its record no payload is loaded: streams of a foreign history of format 2 are not read through
        if before.identity is not None or ("checkpoints", key[schema.DIGEST_SIZE :]) in trusted:
            body = _body(txn, tables, before, key, value)
            if body is not None:
                txn.put(key, after.marked("versions", key, body), db=tables["versions"])


def _body(txn: Transaction[bytes], tables: Tables, before: Marks, key: bytes, value: bytes) -> bytes | None:
    """A manifest as it is marked today; None where it is not the user's, or damaged."""
    if before.identity is not None:
        return schema.unmarked(value) if before.trusted("versions", key, value) else None
    try:
        manifest = schema.decode_manifest(schema.unmarked(value))
        stream = stream_of(txn, tables, manifest)
        if not before.vouches(key, value, manifest, stream):
            return None
        return schema.encode_manifest(covered(txn, tables, manifest, stream))
    except LoadError:
        return None


def _parts(txn: Transaction[Any], tables: Tables, piece: Piece) -> Iterator[memoryview]:
    for digest in piece.digests:
        for table in schema.CHUNK_TABLES:
            value = txn.get(digest, db=tables[table]) if table in tables else None
            if value is not None:
                yield raw_chunk(table, digest, value)
                break
        else:
            raise chunks.missing(digest)


def _rows(txn: Transaction[bytes], table: _Database) -> list[tuple[bytes, bytes]]:
    with txn.cursor(db=table) as cursor:
        return [(bytes(key), bytes(value)) for key, value in cursor]
