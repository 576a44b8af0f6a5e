"""How much of a store this user has signed, and accepting a store that he has not.

Law: only the user accepts a store, knowing it. Nothing here runs what is in it, and nothing else in the package signs
what somebody else wrote. What is damaged is not signed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.identity import StoreIdentity, read_stream, with_sha256
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.signatures import StoreSignatures
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.format.validation import check_outputs, validated_checkpoint, validated_manifest

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 500
"""Rows that are signed in one transaction."""
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Trust:
    """How much of a store this user has signed.

    Attributes:
        outputs: cells that have some.
        damaged: records, payloads and outputs that cannot be read, whoever wrote them.
    """

    checkpoints: int = 0
    trusted_checkpoints: int = 0
    payloads: int = 0
    trusted_payloads: int = 0
    outputs: int = 0
    trusted_outputs: int = 0
    damaged: int = 0

    @property
    def whole(self) -> bool:
        """Whether this user has signed all that can be read."""
        found = self.checkpoints, self.payloads, self.outputs
        return found == (self.trusted_checkpoints, self.trusted_payloads, self.trusted_outputs)


def trust_of(path: Path, signer: Signer | None = None) -> Trust:
    """How much of a store this user has signed. O(bytes of the pickle streams).

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    with environment_pool.opened(path, readonly=True) as store, store.reading() as txn:
        return _Rows(store, txn, StoreIdentity(signer or user_signer()).signatures(txn, store.tables)).count()


def trust(path: Path, signer: Signer | None = None) -> Trust:
    """Accept a store: sign all that can be read in it. O(bytes of the pickle streams).

    From now on its payloads are loaded, its cells re-run and its outputs shown, with all that they do. A session that
    has the store open sees that when it opens it again.

    Returns:
        What is trusted now.

    Raises:
        StoreError: there is no store, or it cannot be written. What was signed until then stays so.
    """
    identity = StoreIdentity(signer or user_signer())
    with environment_pool.opened(path) as store:
        for table in schema.SIGNED_TABLES:
            with store.reading() as txn, txn.cursor(db=store.tables[table]) as cursor:
                keys = [bytes(key) for key in cursor.iternext(values=False)]
            for start in range(0, len(keys), BATCH):
                work = functools.partial(_sign, store, identity, table, keys[start : start + BATCH])
                store.write(work, _PAGE * BATCH)
        with store.reading() as txn:
            return _Rows(store, txn, identity.signatures(txn, store.tables)).count()


def give_new_identity(path: Path, signer: Signer | None = None) -> None:
    """Give a copy of a store an identity of its own: rows of one are not trusted in the other any more. O(records).

    What is trusted in the copy stays so, and nothing else becomes so. It is pushed to no remote.

    Raises:
        StoreError: there is no store, or it cannot be written. Nothing has changed.
    """
    identity = StoreIdentity(signer or user_signer())
    with environment_pool.opened(path) as store:
        store.write(lambda txn: _renew(store, identity, txn))


def _renew(store: Environment, identity: StoreIdentity, txn: Transaction[bytes]) -> None:
    identity.renew(txn, store.tables)
    txn.delete(schema.REMOTE_KEY, db=store.tables["meta"])


def _sign(store: Environment, identity: StoreIdentity, table: str, keys: list[bytes], txn: Transaction[bytes]) -> None:
    signatures = identity.signatures_for_writing(txn, store.tables)
    rows = _Rows(store, txn, signatures)
    for key in keys:
        value = txn.get(key, db=store.tables[table])
        body, trusted = (None, False) if value is None else rows.look(table, key, value)
        if body is not None and not (trusted and signatures.is_signed(table, key, value or b"")):
            txn.put(key, signatures.signed(table, key, body), db=store.tables[table])


class _Rows:
    """The rows of a store that can be signed, in one transaction."""

    def __init__(self, store: Environment, txn: Transaction[Any], signatures: StoreSignatures) -> None:
        self._tables = store.tables
        self._txn = txn
        self._signatures = signatures

    def count(self) -> Trust:
        """Count all rows."""
        counts = {table: [0, 0, 0] for table in schema.SIGNED_TABLES}
        for table, found in counts.items():
            for key, value in self._all(table):
                body, trusted = self.look(table, key, value)
                found[0] += body is not None
                found[1] += trusted
                found[2] += body is None
        (records, trusted_records, _), (payloads, trusted_payloads, _), (outputs, trusted_outputs, _) = counts.values()
        damaged = sum(found[2] for found in counts.values())
        return Trust(records, trusted_records, payloads, trusted_payloads, outputs, trusted_outputs, damaged)

    def look(self, table: str, key: bytes, value: bytes) -> tuple[bytes | None, bool]:
        """The body of a row to sign (None where it is damaged), and whether this user has signed it."""
        body = schema.without_signature(value)
        try:
            if table == "versions":
                return self._payload(key, value)
            if table == "outputs":
                check_outputs(body)
            else:
                validated_checkpoint(key, body)
            return body, self._signatures.verifies(table, key, value)
        except (StoreError, LoadError):
            return None, False

    def _payload(self, key: bytes, value: bytes) -> tuple[bytes, bool]:
        """As `look`, for a manifest. The body has the SHA-256 digests of its payload as it is now."""
        manifest = validated_manifest(key, schema.without_signature(value))
        stream = read_stream(self._txn, self._tables, manifest)
        body = schema.encode_manifest(with_sha256(self._txn, self._tables, manifest, stream))
        return body, self._signatures.verifies_payload(key, value, manifest, stream)

    def _all(self, table: str) -> Iterator[tuple[bytes, bytes]]:
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, value in cursor:
                yield bytes(key), bytes(value)
