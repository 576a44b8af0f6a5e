"""The format of a bundle: a history, or one state of it, as one file for another machine.

Law: nothing in a bundle is believed. All of it is checked before it stands where stores are looked for, and nothing is
left behind where it is refused. Signatures travel as they are: they are valid for the user who made the bundle; for
anybody else its content is only to be read, until `jupyter kishu trust`.

A bundle is a zip archive with these entries, in this order, and no others. None is ever extracted under its name::

    format       JSON object {"kishu-kernel bundle": 1 or 2, "store": format of the store}
    checkpoints  rows of the tables of the same names, as `schema` describes them
    outputs
    versions
    refs
    made         rows of "meta": those whose keys begin with "identity/" or "made/", and "history"
    seals        in version 2 only, which is written where there are some
    chunks
    packed

A row is 2 bytes length of the key, 4 bytes length of the value, both little-endian, the key, the value. Rows are in the
order of their keys, each key once. The chunks are those that the manifests name, no more and no less.
Neighbours: `bundle_export`, `bundle_import`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import IO

from kishu_kernel.model.dataclass import dataclass

BUNDLE = 2
"""The version of the format."""
BUNDLE_WITHOUT_SEALS = 1
BUNDLE_KEY = "kishu-kernel bundle"

ENTRIES = ("format", "checkpoints", "outputs", "versions", "refs", "made", "seals", "chunks", "packed")
DEFLATED = ENTRIES[:6]
"""Those that are compressed by zip."""

ROW = struct.Struct("<HI")
MAX_VALUE_BYTES = 256 << 20
"""Of the value of a row."""

Progress = Callable[[int, int], None]
"""Called with the bytes done, and all bytes."""

Digests = set[bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """What a bundle holds.

    Attributes:
        bytes: of chunks, as they are stored.
    """

    checkpoints: int
    versions: int
    chunks: int
    bytes: int


def read_rows(entry: IO[bytes], size: int) -> Iterator[tuple[bytes, bytes]]:
    """The rows of an entry of so many bytes. ValueError where it does not consist of rows in order."""
    before = b""
    while size:
        key_size, value_size = ROW.unpack(_read_exactly(entry, ROW.size))
        size -= ROW.size + key_size + value_size
        if size < 0 or value_size > MAX_VALUE_BYTES:
            raise ValueError("a row is longer than it can be")
        key = _read_exactly(entry, key_size)
        if key <= before:
            raise ValueError("rows stand twice, or not in order")
        before = key
        yield key, _read_exactly(entry, value_size)


def _read_exactly(entry: IO[bytes], size: int) -> bytes:
    """So many bytes. ValueError where there are fewer."""
    data = entry.read(size)
    while len(data) < size:
        more = entry.read(size - len(data))
        if not more:
            raise ValueError("it was cut short")
        data += more
    return data
