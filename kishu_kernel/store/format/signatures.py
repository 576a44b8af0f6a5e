"""Which values in a store its user wrote: marks under the user's key, each bound to one store, one table and one key.

Law: a mark vouches for what it was made for and nothing else: not for the same bytes in another store, table or row.
A user has an identity of his own in every store that he writes to, and nobody can choose it for him: another user's
says nothing, and travels with the store all the same, so that marks hold when a bundle comes back.
As long as a user has none in a store, the marks of format 2 hold, which bind to no store; they are made anew by his
first write (`disk/binding`), and from then on only the new ones count.
Neighbours: `seal` has the key, `binding` looks for the identity.
"""

from __future__ import annotations

import hashlib
import secrets

from kishu_kernel.store.format.schema import Manifest, unmarked
from kishu_kernel.store.format.signing import MARK_SIZE, Seal

IDENTITY = b"identity/"
IDENTITY_SIZE = 16
COVER_SIZE = 16
_RULE = b"3"
"""No table is called so: no mark of format 2 can be taken for one of this."""


class Marks:
    """Makes and checks the marks of one user in one store.

    Args:
        identity: of the store, to this user; None where he has none there yet.
    """

    __slots__ = ("_seal", "identity")

    def __init__(self, seal: Seal, identity: bytes | None) -> None:
        self._seal = seal
        self.identity = identity

    def marked(self, table: str, key: bytes, body: bytes) -> bytes:
        """A value with the user's mark."""
        return body + self._seal.mark(*self._parts(table, key, body))

    def trusted(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a value carries the user's mark. For manifests `vouches` says more."""
        return self._seal.holds(value[-MARK_SIZE:], *self._parts(table, key, unmarked(value)))

    def vouches(self, key: bytes, value: bytes, manifest: Manifest, stream: bytes) -> bool:
        """Whether a manifest carries the user's mark, and this is the stream that he stored."""
        if self.identity is None:
            return self._seal.holds(value[-MARK_SIZE:], b"versions", key, unmarked(value), stream)
        return self.trusted("versions", key, value) and cover(stream) == manifest.stream.cover

    def _parts(self, table: str, key: bytes, body: bytes) -> tuple[bytes, ...]:
        parts = (table.encode(), key, body)
        return parts if self.identity is None else (_RULE, self.identity, *parts)


def cover(data: bytes | memoryview) -> bytes:
    """A digest that nobody can find other bytes for."""
    return hashlib.sha256(data).digest()[:COVER_SIZE]


def identity_key(seal: Seal) -> bytes:
    """Key in `meta` of the identity that a store has to the holder of this seal. Tells nothing of the seal's key."""
    return IDENTITY + seal.mark(b"whose identity").hex().encode()


def new_identity(seal: Seal) -> bytes:
    """The value for `meta` of a store that is none yet to the holder of this seal."""
    drawn = secrets.token_bytes(IDENTITY_SIZE)
    return drawn + seal.mark(b"identity", drawn)


def identity(seal: Seal, value: bytes | None) -> bytes | None:
    """What stands in such a value; None where it was not made by the holder of this seal."""
    drawn = unmarked(value or b"")
    whole = len(drawn) == IDENTITY_SIZE and seal.holds((value or b"")[-MARK_SIZE:], b"identity", drawn)
    return drawn if whole else None
