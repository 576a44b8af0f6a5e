"""The first two pages of LMDB's data file, byte by byte: which transaction was the last. Those of 64-bit machines.

Law: the bytes may be anything: every number is checked before it is used.
Neighbours: `page_layout` knows all other pages; `file_monitor` needs no more than these.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_META = struct.Struct("=IIQQ")
"""Of a meta page: magic, version, address, size of the map. Two trees (free pages, main) and `_META_END` follow."""
_META_END = struct.Struct("=QQ")
"""Last page, transaction."""
TREE = struct.Struct("=IHHQQQQQ")
"""Page size or pad, flags, depth, branch pages, leaf pages, overflow pages, entries, root."""
PAGE = struct.Struct("=QHHHH")
"""Number, pad, flags, lower, upper. For overflow pages the last two are one count of pages."""

META_SIZE = PAGE.size + _META.size + 2 * TREE.size + _META_END.size
NONE = (1 << 64) - 1
"""The root of an empty tree."""

_MAGIC = 0xBEEFC0DE
_FIRST = 8


class Tree(NamedTuple):
    """The description of a tree of pages: its root, and how many pages and entries it claims to have."""

    flags: int
    depth: int
    branches: int
    leaves: int
    overflow: int
    entries: int
    root: int

    @property
    def empty(self) -> bool:
        """Whether it has no pages."""
        return self.root == NONE


class Meta(NamedTuple):
    """The content of a meta page: one of the first two.

    Attributes:
        last: number of the last page in use.
    """

    transaction: int
    last: int
    free: Tree
    main: Tree
    page_size: int


def parse_meta(data: bytes, number: int, size: int) -> Meta | None:
    """A meta page. None where the bytes are none of this page size.

    Args:
        number: of the page, 0 or 1.
        size: of pages.
    """
    if len(data) < META_SIZE:
        return None
    own, _, flags, _, _ = PAGE.unpack_from(data)
    magic, version, _, _ = _META.unpack_from(data, PAGE.size)
    trees = PAGE.size + _META.size
    pad, *free = TREE.unpack_from(data, trees)
    _, *main = TREE.unpack_from(data, trees + TREE.size)
    last, transaction = _META_END.unpack_from(data, trees + 2 * TREE.size)
    if (own, magic, version, pad) != (number, _MAGIC, 1, size) or not flags & _FIRST:
        return None
    return Meta(transaction, last, Tree(*free), Tree(*main), size)


def are_consecutive(first: Meta, second: Meta) -> bool:
    """Whether two meta pages are of successive transactions, as they always are: transactions write them in turn."""
    if first.transaction == second.transaction == 0:  # nothing was written yet
        return True
    return first.transaction % 2 == 0 and abs(first.transaction - second.transaction) == 1
