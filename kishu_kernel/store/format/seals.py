"""Seals: Ed25519 signatures that show to others who wrote a row of a store.

The HMAC signatures of `signatures` tell a user what is his own, and nobody else. A seal tells it to all who know his
public key. It is a row of its own, in the table `seals`, beside the row that it is for.

Law: a seal is valid in one history, for one row, one body and one author. This module knows no configuration and no
disk: whom to believe says `team`.

What is written in one transaction is signed at once, as the root of a hash tree (SHA-256; leaves begin with a zero
byte, nodes with a one), and each row has its own way to that root. A row of `seals`, byte by byte::

    key     1 byte      c, o or v: of `checkpoints`, `outputs`, `versions`; then the key there
    value   1 byte      1
            32 bytes    the public key of who signed
            32 bytes    that of the author: another one, where the signer only noted something in the record, like a
                        message, or that a value was dropped
            64 bytes    signature of "kishu-kernel seal 1", a zero byte, and the root
            4 bytes     little-endian: for each hash of the way a bit, set where it stands left
            n * 32      the way: the hashes beside
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from kishu_kernel.errors import StoreError

KEY_BYTES = 32
HISTORY_BYTES = 16
DEPTH = 32
"""Of a tree, at most."""
TAGS = {"checkpoints": b"c", "outputs": b"o", "versions": b"v"}
HISTORY_KEY = b"history"
"""Of the row of `meta` that says which history this is, to seals: 16 bytes."""

_HEAD = struct.Struct("<B32s32s64sI")
_CONTEXT = b"kishu-kernel seal 1\0"
_HASH = 32
_TABLES = {tag: table for table, tag in TAGS.items()}


class Seal(NamedTuple):
    """A row of the table `seals`."""

    signer: bytes
    author: bytes
    signature: bytes
    sides: int
    way: tuple[bytes, ...]


def seal_key(table: str, key: bytes) -> bytes:
    """The key of the seal of a row."""
    return TAGS[table] + key


def row_of(key: bytes) -> tuple[str, bytes]:
    """The table and the key of the row that a seal is for. StoreError where it is for none."""
    if key[:1] not in _TABLES or len(key) < 2:
        raise StoreError("a seal in the store is damaged: it is for no row")
    return _TABLES[key[:1]], key[1:]


def encode_seal(seal: Seal) -> bytes:
    """A seal as it is stored."""
    return _HEAD.pack(1, seal.signer, seal.author, seal.signature, seal.sides) + b"".join(seal.way)


def decode_seal(value: bytes) -> Seal:
    """The seal that was encoded. StoreError where it is damaged."""
    rest = len(value) - _HEAD.size
    if rest < 0 or rest % _HASH or rest > DEPTH * _HASH or value[0] != 1:
        raise StoreError("a seal in the store is damaged")
    _, signer, author, signature, sides = _HEAD.unpack_from(value)
    way = tuple(value[at : at + _HASH] for at in range(_HEAD.size, len(value), _HASH))
    return Seal(signer, author, signature, sides, way)


def leaf(history: bytes, author: bytes, table: str, key: bytes, body: bytes) -> bytes:
    """What a seal says of a row, as a hash. O(bytes).

    Args:
        history: 16 bytes.
        body: the value without its HMAC signature.
    """
    return _hash(b"\0", history, author, TAGS[table], len(key).to_bytes(2, "little"), key, _hash(body))


def message(root: bytes) -> bytes:
    """What is signed."""
    return _CONTEXT + root


def grown(leaves: Sequence[bytes]) -> tuple[bytes, list[tuple[int, tuple[bytes, ...]]]]:
    """The root of a tree, and of each leaf the sides and hashes of its way there. O(n log n).

    Args:
        leaves: at least one.
    """
    ways: list[list[bytes]] = [[] for _ in leaves]
    sides = [0] * len(leaves)
    level = [(each, [place]) for place, each in enumerate(leaves)]
    while len(level) > 1:
        above = []
        for (left, lefts), (right, rights) in zip(level[::2], level[1::2], strict=False):
            for place in lefts:
                ways[place].append(right)
            for place in rights:
                sides[place] |= 1 << len(ways[place])
                ways[place].append(left)
            above.append((_hash(b"\1", left, right), lefts + rights))
        level = above + (level[-1:] if len(level) % 2 else [])
    return level[0][0], [(side, tuple(way)) for side, way in zip(sides, ways, strict=True)]


def root_of(start: bytes, seal: Seal) -> bytes:
    """The root that a leaf has by the way of its seal."""
    for number, beside in enumerate(seal.way):
        start = _hash(b"\1", beside, start) if seal.sides >> number & 1 else _hash(b"\1", start, beside)
    return start


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
