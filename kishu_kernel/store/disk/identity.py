"""The identity that a store has to one user: read, made at his first write, replaced in a copy.

Law: nothing is signed with an identity unless a checkpoint that this user signed with it is in the store. Somebody who
could write to the store before him could otherwise put the identity of another store of his there, and so make records
of that one valid here.
Neighbours: `signatures` says what is bound to an identity. Whoever reads or writes signed values asks here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError
from kishu_kernel.store.format import chunks, schema
from kishu_kernel.store.format.schema import Manifest, Piece
from kishu_kernel.store.format.signatures import StoreSignatures, decode_identity, encode_new_identity, identity_key
from kishu_kernel.store.format.signing import Signer

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Tables = Mapping[str, "_Database"]


class StoreIdentity:
    """The identity of one store to one user, and his signatures under it. Safe from any thread.

    Other processes may change the identity at any moment, so it is read in every transaction.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._key = identity_key(signer)
        self._known: tuple[bytes | None, StoreSignatures] = (None, StoreSignatures(signer, None))
        self._confirmed: bytes | None = None
        self._memo: dict[object, bool] = {}

    def signatures(self, txn: Transaction[Any], tables: Tables) -> StoreSignatures:
        """The signatures as valid in this transaction. O(1)."""
        own = self._own(txn, tables)
        team = self._signer.team
        if team is None:
            return own
        from kishu_kernel.store.disk.team_signatures import TeamSignatures

        return TeamSignatures(self._signer, own.identity, team, txn, tables, self._memo)

    def _own(self, txn: Transaction[Any], tables: Tables) -> StoreSignatures:
        """Those of this user alone."""
        value = txn.get(self._key, db=tables["meta"])
        value = None if value is None else bytes(value)
        known, signatures = self._known
        if value != known:
            signatures = StoreSignatures(self._signer, decode_identity(self._signer, value))
            self._known = value, signatures
        return signatures

    def signatures_for_writing(self, txn: Transaction[bytes], tables: Tables) -> StoreSignatures:
        """The same, for a transaction that will write signed values. Makes an identity where there is none.

        O(1), but O(records, bytes of the streams) where the user has no identity here, or cannot rely on it.
        """
        own = self._own(txn, tables)
        if own.identity is None:
            return self.renew(txn, tables)
        if own.identity != self._confirmed:
            if not _has_own_checkpoint(txn, tables, own):
                return self.renew(txn, tables)
            self._confirmed = own.identity
        return self.signatures(txn, tables)

    def renew(self, txn: Transaction[bytes], tables: Tables) -> StoreSignatures:
        """Give the store a new identity, and sign anew what this user had signed. O(records, bytes of the streams)."""
        before = self._own(txn, tables)
        txn.put(self._key, encode_new_identity(self._signer), db=tables["meta"])
        after = self._own(txn, tables)
        _sign_again(txn, tables, before, after)
        self._confirmed = after.identity  # nobody else can have known it before
        return self.signatures(txn, tables)


def read_stream(txn: Transaction[Any], tables: Tables, manifest: Manifest) -> bytes:
    """The pickle stream of a payload, read in a transaction. LoadError where it is damaged. O(its bytes)."""
    return chunks.join_stream(manifest, lambda piece: _parts(txn, tables, piece))


def with_sha256(txn: Transaction[Any], tables: Tables, manifest: Manifest, stream: bytes) -> Manifest:
    """A manifest with the SHA-256 digests of its stream and small buffers. LoadError where those are damaged."""
    return chunks.with_sha256(manifest, stream, lambda piece: _parts(txn, tables, piece))


def _has_own_checkpoint(txn: Transaction[bytes], tables: Tables, signatures: StoreSignatures) -> bool:
    with txn.cursor(db=tables["checkpoints"]) as cursor:
        return any(signatures.verifies("checkpoints", bytes(key), bytes(value)) for key, value in cursor)


def _sign_again(txn: Transaction[bytes], tables: Tables, before: StoreSignatures, after: StoreSignatures) -> None:
    trusted = set()
    for table in ("checkpoints", "outputs"):
        for key, value in _rows(txn, tables[table]):
            if before.verifies(table, key, value):
                txn.put(key, after.signed(table, key, schema.without_signature(value)), db=tables[table])
                trusted.add((table, key))
    for key, value in _rows(txn, tables["versions"]):
        # no payload is loaded without its record, so streams of somebody else's history of format 2 are not read
        if before.identity is not None or ("checkpoints", key[schema.DIGEST_SIZE :]) in trusted:
            body = _body(txn, tables, before, key, value)
            if body is not None:
                txn.put(key, after.signed("versions", key, body), db=tables["versions"])


def _body(txn: Transaction[bytes], tables: Tables, before: StoreSignatures, key: bytes, value: bytes) -> bytes | None:
    """A manifest in today's form, to be signed again; None where the user had not signed it, or it is damaged."""
    if before.identity is not None:
        return schema.without_signature(value) if before.verifies("versions", key, value) else None
    try:
        manifest = schema.decode_manifest(schema.without_signature(value))
        stream = read_stream(txn, tables, manifest)
        if not before.verifies_payload(key, value, manifest, stream):
            return None
        return schema.encode_manifest(with_sha256(txn, tables, manifest, stream))
    except LoadError:
        return None


def _parts(txn: Transaction[Any], tables: Tables, piece: Piece) -> Iterator[memoryview]:
    from kishu_kernel.store.format.validation import verified_chunk

    for digest in piece.digests:
        for table in schema.CHUNK_TABLES:
            value = txn.get(digest, db=tables[table]) if table in tables else None
            if value is not None:
                yield verified_chunk(table, digest, value)
                break
        else:
            raise chunks.missing_chunk(digest)


def _rows(txn: Transaction[bytes], table: _Database) -> list[tuple[bytes, bytes]]:
    with txn.cursor(db=table) as cursor:
        return [(bytes(key), bytes(value)) for key, value in cursor]
