"""LMDB's data file, read without LMDB: is its structure whole, and what can still be read where it is not?

LMDB trusts its file: a page number that leads nowhere kills the process that follows it. So a file that may be
damaged is looked at here first, every number checked before it is followed.
Law: reads only; whatever the bytes are, it ends, and tells. The layout is that of LMDB 0.9 on 64-bit machines.
Nothing else may write the file meanwhile, or what is free again is taken for damage: who asks, asks again.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_META = struct.Struct("=IIQQ")
"""Magic, version, address, size of the map. Then two trees (free pages, main), then `_META_END`."""
_META_END = struct.Struct("=QQ")
"""Last page, transaction."""
_TREE = struct.Struct("=IHHQQQQQ")
"""Page size or pad, flags, depth, branch pages, leaf pages, overflow pages, entries, root."""
_PAGE = struct.Struct("=QHHHH")
"""Number, pad, flags, lower, upper. For overflow pages the last two are one count of pages."""
_OVERFLOW = struct.Struct("=QHHI")
_NODE = struct.Struct("=HHHH")
"""Low and high half of a size (in branches: of a page number), flags (its upper part), size of the key."""
_NUMBER = struct.Struct("=Q")

_MAGIC = 0xBEEFC0DE
_NONE = (1 << 64) - 1
_BRANCH, _LEAF, _OVERFLOWING, _DIRTY = 1, 2, 4, 16
_ELSEWHERE, _SUBTREE, _DUPLICATES = 1, 2, 4
_DEEPEST = 32
"""LMDB's own limit."""
_PAGE_SIZES = (4096, 16384, 65536, 8192, 32768)

SUPPORTED = struct.calcsize("P") == 8


class Tree(NamedTuple):
    """One table: the page of its root, and how many entries it says it has."""

    root: int
    entries: int


class Item(NamedTuple):
    """A key, and where its value is."""

    key: bytes
    place: int
    size: int


class _Damage(Exception):
    """This page, or this entry, cannot be followed; as a clause."""


class Image:
    """The newest state in a data file, as far as it can be read.

    Attributes:
        damage: what was found wrong so far, one clause each.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[str] = []
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._size = os.fstat(self._descriptor).st_size
        self._page_size = 0
        self._seen: set[int] = set()
        self._main = self._newest()

    def __enter__(self) -> Image:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def tables(self) -> dict[str, Tree]:
        """The tables that can be found."""
        found = {}
        if self._main is not None:
            for item in self._items("the list of tables", self._main, subtrees=True):
                try:
                    _, _, _, _, _, _, entries, root = _TREE.unpack(self.value(item))
                    found[item.key.decode("ascii", "replace")] = Tree(root, entries)
                except struct.error:
                    self.damage.append("the list of tables has an entry that is none")
        return found

    def items(self, name: str, tree: Tree) -> Iterator[Item]:
        """The entries of a table that can be reached, in order. O(pages of keys): values are not read."""
        count = 0
        for item in self._items(f"the table {name}", tree):
            count += 1
            yield item
        if count != tree.entries:
            self.damage.append(f"of the {tree.entries:,} entries of the table {name}, {count:,} can be reached")

    def value(self, item: Item) -> bytes:
        """The bytes of a value."""
        return self._read(item.place, item.size)

    def _newest(self) -> Tree | None:
        """The main tree of the newer of the two first pages, of which one may be half written."""
        for size in _PAGE_SIZES:
            found = [meta for meta in (self._meta(place, size) for place in (0, size)) if meta is not None]
            if found:
                self._page_size = size
                _, main, last = max(found)
                if (last + 1) * size > self._size:
                    self.damage.append("it was cut short")
                return main
        self.damage.append("it has no beginning that LMDB would know")
        return None

    def _meta(self, place: int, size: int) -> tuple[int, Tree, int] | None:
        """Transaction, main tree and last page, as one of the two first pages says."""
        try:
            magic, version, _, _ = _META.unpack(self._read(place + _PAGE.size, _META.size))
            trees = place + _PAGE.size + _META.size
            free = _TREE.unpack(self._read(trees, _TREE.size))
            main = _TREE.unpack(self._read(trees + _TREE.size, _TREE.size))
            last, transaction = _META_END.unpack(self._read(trees + 2 * _TREE.size, _META_END.size))
        except _Damage:
            return None
        if magic != _MAGIC or version != 1 or free[0] != size:
            return None
        return transaction, Tree(main[7], main[6]), last

    def _items(self, where: str, tree: Tree, subtrees: bool = False) -> Iterator[Item]:
        pages = [] if tree.root == _NONE else [(tree.root, 1)]
        while pages:
            number, depth = pages.pop()
            try:
                below, items = self._page(number, depth, subtrees)
            except _Damage as damage:
                self.damage.append(f"page {number} of {where} {damage}")
                continue
            pages.extend((each, depth + 1) for each in reversed(below))
            for each in items:
                if isinstance(each, Item):
                    yield each
                else:
                    self.damage.append(f"page {number} of {where} {each}")

    def _page(self, number: int, depth: int, subtrees: bool) -> tuple[list[int], list[Item | str]]:
        """The pages below a branch, or the entries of a leaf; clauses for those that are damaged."""
        if number in self._seen or depth > _DEEPEST:
            raise _Damage("is named twice")
        self._seen.add(number)
        page = self._read(number * self._page_size, self._page_size)
        own, _, flags, lower, upper = _PAGE.unpack_from(page)
        kind = flags & ~_DIRTY
        if own != number or kind not in (_BRANCH, _LEAF):
            raise _Damage("is something else")
        if not _PAGE.size <= lower <= upper <= self._page_size or lower % 2:
            raise _Damage("has a damaged head")
        places = struct.unpack_from(f"={(lower - _PAGE.size) // 2}H", page, _PAGE.size)
        if kind == _BRANCH:
            return [self._below(page, place) for place in places], []
        items: list[Item | str] = []
        for place in places:
            try:
                items.append(self._entry(page, number, place, subtrees))
            except _Damage as damage:
                items.append(str(damage))
        return [], items

    def _below(self, page: bytes, place: int) -> int:
        low, high, top, _ = self._node(page, place)
        return low | high << 16 | top << 32

    def _entry(self, page: bytes, number: int, place: int, subtrees: bool) -> Item:
        low, high, flags, key_size = self._node(page, place)
        size = low | high << 16
        start = place + _NODE.size + key_size
        key = page[place + _NODE.size : start]
        if flags & _DUPLICATES or bool(flags & _SUBTREE) != subtrees:
            raise _Damage("has an entry of a kind that is not used")
        if not flags & _ELSEWHERE:
            if start + size > len(page):
                raise _Damage("has an entry that exceeds it")
            return Item(key, number * self._page_size + start, size)
        if start + _NUMBER.size > len(page):
            raise _Damage("has an entry that exceeds it")
        (far,) = _NUMBER.unpack_from(page, start)
        own, _, kind, pages = _OVERFLOW.unpack(self._read(far * self._page_size, _OVERFLOW.size))
        if own != far or not kind & _OVERFLOWING or pages * self._page_size < _OVERFLOW.size + size:
            raise _Damage("has an entry whose value is not where it should be")
        found = Item(key, far * self._page_size + _OVERFLOW.size, size)
        if found.place + size > self._size:
            raise _Damage("has an entry whose value lies beyond the end of the file")
        return found

    def _node(self, page: bytes, place: int) -> tuple[int, int, int, int]:
        if not _PAGE.size <= place <= len(page) - _NODE.size:
            raise _Damage("has an entry that exceeds it")
        low, high, flags, key_size = _NODE.unpack_from(page, place)
        if place + _NODE.size + key_size > len(page):
            raise _Damage("has an entry that exceeds it")
        return low, high, flags, key_size

    def _read(self, place: int, size: int) -> bytes:
        if place + size > self._size:
            raise _Damage("lies beyond the end of the file")
        try:
            os.lseek(self._descriptor, place, os.SEEK_SET)
            data = os.read(self._descriptor, size)
            while len(data) < size:  # a read gives 2 GiB at most
                more = os.read(self._descriptor, size - len(data))
                if not more:
                    raise _Damage("lies beyond the end of the file")
                data += more
        except OSError as error:
            raise _Damage(f"cannot be read from the disk ({error.strerror})") from error
        return data
