"""Signatures of the values in one store, under the key of one user.

A signature is bound to the store (by its identity), the table and the key of the row: it is not valid for the same
bytes anywhere else.

Law: each user has an identity of his own in every store that he writes to, and nobody can choose it for him. Another
user's identity means nothing to him; it stays in the store all the same, so that signatures are valid again when a
bundle comes back to the user who made them.

As long as a user has no identity in a store, signatures of format 2 are valid, which are not bound to a store. His
first write makes them anew (`disk.identity`); from then on only the new ones are valid.
Neighbours: `signing` holds the key, `disk.identity` reads and makes identities. `disk.team_signatures` are those of a
user who has a team: what is here without effect has its effect there.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from kishu_kernel.store.format.schema import NO_SIGNATURE, Manifest, without_signature
from kishu_kernel.store.format.signing import SIGNATURE_SIZE, Signer

IDENTITY_PREFIX = b"identity/"
IDENTITY_SIZE = 16
SHA256_SIZE = 16
_RULE = b"3"
"""No table has this name, so no signature of format 2 is valid as one of format 3."""


class StoreSignatures:
    """Makes and checks the signatures of one user in one store.

    Args:
        identity: of the store, to this user; None where he has none there yet.
    """

    __slots__ = ("_signer", "identity")

    def __init__(self, signer: Signer, identity: bytes | None) -> None:
        self._signer = signer
        self.identity = identity

    @property
    def scope(self) -> object:
        """What it depends on whether something verifies, beside its bytes."""
        return self.identity

    def signed(self, table: str, key: bytes, body: bytes) -> bytes:
        """The value to store: the body and the user's signature."""
        return body + self._signer.sign(*self._parts(table, key, body))

    def signed_again(self, table: str, key: bytes, body: bytes, before: bytes) -> bytes:
        """The value to store in the place of another one, signed only if that was; of none, if that is empty."""
        signed = not before or self.verifies(table, key, before)
        return self.signed(table, key, body) if signed else body + NO_SIGNATURE

    def finish(self) -> None:
        """To be called at the end of a transaction in which values were signed."""

    def made_seals(self) -> dict[bytes, bytes]:
        """The seals of what was signed since, by their keys: for what is written elsewhere than into this store."""
        return {}

    def prepare(self, table: str, key: bytes) -> None:
        """Look at all in the store that the judgement of a row needs: it will be judged after the transaction."""

    def with_seals(self, found: Mapping[bytes, bytes], history: bytes | None) -> StoreSignatures:
        """The same, for rows that come from elsewhere together with these seals."""
        return self

    @property
    def writer(self) -> str:
        """What `author` will say of what is signed now."""
        return ""

    def author(self, table: str, key: bytes, value: bytes) -> str:
        """What the author of a row is called, as its seal shows; empty where no seal does."""
        return ""

    def verifies(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a stored value is trusted: has the user's signature. For manifests use `verifies_payload`."""
        return self.is_signed(table, key, value)

    def is_signed(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a stored value has the user's own signature, whomever else he trusts."""
        return self._signer.verifies(value[-SIGNATURE_SIZE:], *self._parts(table, key, without_signature(value)))

    def verifies_payload(self, key: bytes, value: bytes, manifest: Manifest, stream: bytes) -> bool:
        """Whether a manifest has the user's signature and this is the stream he stored. O(bytes of the stream)."""
        if self.identity is None:
            return self._signer.verifies(value[-SIGNATURE_SIZE:], b"versions", key, without_signature(value), stream)
        return self.verifies("versions", key, value) and sha256(stream) == manifest.stream.sha256

    def _parts(self, table: str, key: bytes, body: bytes) -> tuple[bytes, ...]:
        parts = (table.encode(), key, body)
        return parts if self.identity is None else (_RULE, self.identity, *parts)


def sha256(data: bytes | memoryview) -> bytes:
    """The SHA-256 digest of some bytes, cut to 16 bytes."""
    return hashlib.sha256(data).digest()[:SHA256_SIZE]


def identity_key(signer: Signer) -> bytes:
    """Key in `meta` of the identity that this store has to one user. It tells nothing about the user's key."""
    return IDENTITY_PREFIX + signer.sign(b"whose identity").hex().encode()


def encode_new_identity(signer: Signer) -> bytes:
    """A new, random identity as it is stored in `meta`, signed by the user."""
    drawn = secrets.token_bytes(IDENTITY_SIZE)
    return drawn + signer.sign(b"identity", drawn)


def decode_identity(signer: Signer, value: bytes | None) -> bytes | None:
    """The identity in a value of `meta`. None where there is no value, or this user did not sign it."""
    drawn = without_signature(value or b"")
    whole = len(drawn) == IDENTITY_SIZE and signer.verifies((value or b"")[-SIGNATURE_SIZE:], b"identity", drawn)
    return drawn if whole else None
