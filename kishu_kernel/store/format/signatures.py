"""Signatures of the values in one store, under the key of one user.

A signature is bound to the store (by its identity), the table and the key of the row: it is not valid for the same
bytes anywhere else.

Law: each user has an identity of his own in every store that he writes to, and nobody can choose it for him. Another
user's identity means nothing to him; it stays in the store all the same, so that signatures are valid again when a
bundle comes back to the user who made them.

As long as a user has no identity in a store, signatures of format 2 are valid, which are not bound to a store. His
first write makes them anew (`disk.identity`); from then on only the new ones are valid.
Neighbours: `signing` holds the key, `disk.identity` reads and makes identities.
"""

from __future__ import annotations

import hashlib
import secrets

from kishu_kernel.store.format.schema import Manifest, without_signature
from kishu_kernel.store.format.signing import SIGNATURE_SIZE, Signer

IDENTITY_PREFIX = b"identity/"
IDENTITY_SIZE = 16
SHA256_SIZE = 16
_RULE = b"3"
"""No table is called so: no mark of format 2 can be taken for one of this."""


class StoreSignatures:
    """Makes and checks the signatures of one user in one store.

    Args:
        identity: of the store, to this user; None where he has none there yet.
    """

    __slots__ = ("_signer", "identity")

    def __init__(self, signer: Signer, identity: bytes | None) -> None:
        self._signer = signer
        self.identity = identity

    def signed(self, table: str, key: bytes, body: bytes) -> bytes:
        """A value with the user's mark."""
        return body + self._signer.sign(*self._parts(table, key, body))

    def verifies(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a value carries the user's mark. For manifests `verifies_payload` says more."""
        return self._signer.verifies(value[-SIGNATURE_SIZE:], *self._parts(table, key, without_signature(value)))

    def verifies_payload(self, key: bytes, value: bytes, manifest: Manifest, stream: bytes) -> bool:
        """Whether a manifest carries the user's mark, and this is the stream that he stored."""
        if self.identity is None:
            return self._signer.verifies(value[-SIGNATURE_SIZE:], b"versions", key, without_signature(value), stream)
        return self.verifies("versions", key, value) and sha256(stream) == manifest.stream.sha256

    def _parts(self, table: str, key: bytes, body: bytes) -> tuple[bytes, ...]:
        parts = (table.encode(), key, body)
        return parts if self.identity is None else (_RULE, self.identity, *parts)


def sha256(data: bytes | memoryview) -> bytes:
    """A digest that nobody can find other bytes for."""
    return hashlib.sha256(data).digest()[:SHA256_SIZE]


def identity_key(signer: Signer) -> bytes:
    """Key in `meta` of the identity that this store has to one user. It tells nothing about the user's key."""
    return IDENTITY_PREFIX + signer.sign(b"whose identity").hex().encode()


def encode_new_identity(signer: Signer) -> bytes:
    """The value for `meta` of a store that is none yet to the holder of this signer."""
    drawn = secrets.token_bytes(IDENTITY_SIZE)
    return drawn + signer.sign(b"identity", drawn)


def decode_identity(signer: Signer, value: bytes | None) -> bytes | None:
    """What stands in such a value; None where it was not made by the holder of this signer."""
    drawn = without_signature(value or b"")
    whole = len(drawn) == IDENTITY_SIZE and signer.verifies((value or b"")[-SIGNATURE_SIZE:], b"identity", drawn)
    return drawn if whole else None
