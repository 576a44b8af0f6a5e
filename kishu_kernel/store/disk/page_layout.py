"""The pages of LMDB's data file, byte by byte. Those of LMDB 0.9 on 64-bit machines.

Law: the bytes may be anything: every number is checked before it is used. LMDB can follow, change and split each page
that is accepted here, without reading or moving a byte beyond it.
Neighbours: `untrusted_data_file` walks over all pages; of the first two `meta_pages` knows the content.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

from kishu_kernel.store.disk.meta_pages import PAGE, TREE, Tree

_OVERFLOW = struct.Struct("=QHHI")
_NODE = struct.Struct("=HHHH")
"""Low and high half of a size (in branches: of a page number), flags (its upper part), size of the key."""
_NUMBER = struct.Struct("=Q")

HEADER = PAGE.size
PAGE_SIZES = (4096, 16384, 65536, 8192, 32768)
SUPPORTED = struct.calcsize("P") == 8
MAX_DEPTH = 32
MAX_KEY_SIZE = 511
"""LMDB's own limits."""

_BRANCH, _LEAF, _OVERFLOWING, _DIRTY = 1, 2, 4, 16
_ELSEWHERE, _SUBTREE, _DUPLICATES = 1, 2, 4
_NUMBERS = 8
"""The flag of a tree whose keys are numbers: of that of the free pages."""


class Damage(Exception):
    """A page or an entry cannot be followed. The text is a clause that says why."""


class Item(NamedTuple):
    """A key, and the place of its value in the file.

    Attributes:
        table: the value is the description of a tree.
    """

    key: bytes
    place: int
    size: int
    table: bool = False


class OverflowItem(NamedTuple):
    """A key whose value has pages of its own, and the first of those."""

    key: bytes
    page: int
    size: int


class Branch(NamedTuple):
    """The pages below a page, each with the smallest key that may be on it. The first page has none."""

    below: tuple[tuple[bytes, int], ...]


class Leaf(NamedTuple):
    """Entries in order. For one that cannot be read, a clause that says why."""

    entries: tuple[Item | OverflowItem | str, ...]


def parse_tree(value: bytes) -> Tree:
    """The description of a table in the list of tables. Damage where it is none."""
    try:
        _, *rest = TREE.unpack(value)
    except struct.error:
        raise Damage("is no description of a table") from None
    return Tree(*rest)


def parse_page(data: bytes, number: int, subtrees: bool) -> Branch | Leaf:
    """A page of a tree. Damage where it is none.

    Args:
        data: the whole page.
        number: of the page, by its place in the file.
        subtrees: values may be descriptions of trees.
    """
    own, _, flags, lower, upper = PAGE.unpack_from(data)
    kind = flags & ~_DIRTY
    if own != number or kind not in (_BRANCH, _LEAF):
        raise Damage("is something else")
    if not HEADER <= lower <= upper <= len(data) or lower % 2:
        raise Damage("has a damaged header")
    places = struct.unpack_from(f"={(lower - HEADER) // 2}H", data, HEADER)
    if kind == _BRANCH:
        return _branch(data, places, upper)
    return _leaf(data, number, places, upper, subtrees)


def _branch(data: bytes, places: tuple[int, ...], upper: int) -> Branch:
    below, extents = [], []
    for place in places:
        low, high, top, key_size = _node(data, place, upper)
        start = place + _NODE.size
        below.append((data[start : start + key_size], low | high << 16 | top << 32))
        extents.append((place, start + key_size))
    _check_disjoint(extents)
    return Branch(tuple(below))


def _leaf(data: bytes, number: int, places: tuple[int, ...], upper: int, subtrees: bool) -> Leaf:
    entries: list[Item | OverflowItem | str] = []
    extents = []
    longest = ((len(data) - HEADER) // 2 & ~1) - 2
    for place in places:
        try:
            entry, end = _entry(data, number, place, upper, subtrees)
            if end - place > longest:
                raise Damage("has an entry that should have had pages of its own")
        except Damage as damage:
            entries.append(str(damage))
        else:
            entries.append(entry)
            extents.append((place, end))
    try:
        _check_disjoint(extents)
    except Damage as damage:
        entries.append(str(damage))
    return Leaf(tuple(entries))


def _entry(data: bytes, number: int, place: int, upper: int, subtrees: bool) -> tuple[Item | OverflowItem, int]:
    """An entry of a leaf, and its end on the page."""
    low, high, flags, key_size = _node(data, place, upper)
    size = low | high << 16
    start = place + _NODE.size + key_size
    key = data[place + _NODE.size : start]
    if flags & ~(_ELSEWHERE | _SUBTREE) or (flags & _SUBTREE and (flags & _ELSEWHERE or not subtrees)):
        raise Damage("has an entry of a kind that is not used")
    if not 0 < key_size <= MAX_KEY_SIZE:
        raise Damage("has an entry without a sound key")
    far = bool(flags & _ELSEWHERE)
    end = start + (_NUMBER.size if far else size)
    if end > len(data):
        raise Damage("has an entry that exceeds it")
    if far:
        return OverflowItem(key, _NUMBER.unpack_from(data, start)[0], size), end
    return Item(key, number * len(data) + start, size, bool(flags & _SUBTREE)), end


def _node(data: bytes, place: int, upper: int) -> tuple[int, int, int, int]:
    if not upper <= place <= len(data) - _NODE.size:
        raise Damage("has an entry that exceeds it")
    low, high, flags, key_size = _NODE.unpack_from(data, place)
    if place + _NODE.size + key_size > len(data):
        raise Damage("has an entry that exceeds it")
    return low, high, flags, key_size


def _check_disjoint(extents: list[tuple[int, int]]) -> None:
    """Damage where entries overlap: they would be torn when LMDB moves one of them."""
    extents.sort()
    if any(end > start for (_, end), (start, _) in pairwise(extents)):
        raise Damage("has entries that overlap")


def overflow_pages(head: bytes, item: OverflowItem, size: int) -> int:
    """How many pages a value with pages of its own occupies. Damage where its first page does not fit to it.

    Args:
        head: the beginning of the first page.
        size: of pages.
    """
    own, _, kind, pages = _OVERFLOW.unpack(head)
    if own != item.page or kind & ~_DIRTY != _OVERFLOWING or pages * size < HEADER + item.size:
        raise Damage("has an entry whose value is not where it should be")
    return int(pages)


def parse_free_pages(value: bytes) -> tuple[int, ...]:
    """The page numbers in an entry of the tree of free pages. They stand there from high to low."""
    if len(value) % 8 or not value:
        raise Damage("has a list of free pages that is none")
    count, *numbers = struct.unpack(f"={len(value) // 8}Q", value)
    if count > len(numbers) or any(one <= other for one, other in pairwise(numbers[:count])):
        raise Damage("has a list of free pages that is none")
    return tuple(numbers[:count])


def has_integer_keys(tree: Tree) -> bool:
    """Whether the keys of a tree are integers."""
    return bool(tree.flags & _NUMBERS)
