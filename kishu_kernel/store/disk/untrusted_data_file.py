"""LMDB's data file, read without LMDB: is its structure whole, and what can still be read where it is not?

LMDB trusts its file. A page number that leads nowhere ends the process that follows it, and so does a page that is not
what an assertion expects. So a file that may be damaged is read here first, with `pread` and not through a map, and
every number is checked before it is followed.

Law: reads only. Whatever the bytes are, it ends, and reports. While another process writes, pages that are free again
look like damage: the caller holds the writer's lock, or tries again.
Neighbours: `page_layout` knows the pages; `integrity` asks before a store is opened, `maintenance.salvage` what can be
rescued.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from kishu_kernel.store.disk import meta_pages, page_layout
from kishu_kernel.store.disk.meta_pages import Meta, Tree
from kishu_kernel.store.disk.page_layout import (
    MAX_DEPTH,
    SUPPORTED,
    Branch,
    Damage,
    Item,
    Leaf,
    OverflowItem,
)

__all__ = ["SUPPORTED", "DataFile", "Item", "Tree"]

_FREE, _USED = 2, 1
_SLACK = 1024
"""Pages at the end of a file that are neither present nor free: an aborted transaction can leave a few."""
_MAX_CLAUSES = 1000
"""Most clauses of damage that are kept: in a file of garbage there would be one for every page."""


class DataFile:
    """A data file in its newest state, as far as it can be read. A context manager, which closes it.

    Attributes:
        damage: what was found to be wrong so far, one clause each.
        page_size: 0 where no meta page can be read.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[str] = []
        self.page_size = 0
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._size = os.fstat(self._descriptor).st_size
        self._meta = self._newest_meta()
        self._pages = min(self._meta.last + 1, self._size // self.page_size) if self._meta else 0
        self._marked = bytearray(self._pages)
        self._free_beyond: set[int] = set()

    def __enter__(self) -> DataFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def walk(self) -> list[str]:
        """Check every page that LMDB could follow, and return the damage. O(pages of keys): values are not read."""
        for name, tree in self.tables().items():
            if tree.flags:
                self._add_damage(f"the table {name} is of a kind that is not used")
                continue
            for _ in self.items(name, tree):
                pass
        self._walk_free()
        return self.damage

    def tables(self) -> dict[str, Tree]:
        """The tables that can be found, by name."""
        found: dict[str, Tree] = {}
        others = 0
        if self._meta is not None:
            for item in self._checked_items("the list of tables", self._meta.main, subtrees=True):
                if not item.table:
                    others += 1
                    continue
                try:
                    found[item.key.decode("ascii", "replace")] = page_layout.parse_tree(self.value(item))
                except Damage as damage:
                    self._add_damage(f"an entry of the list of tables {damage}")
        if found and others:  # where there are no tables, it is another program's
            self._add_damage("the list of tables has entries that are none")
        return found

    def items(self, name: str, tree: Tree) -> Iterator[Item]:
        """The entries of a table that can be reached, in order. O(pages of keys): values are not read.

        Each page is followed once: what two trees share is damage.
        """
        return self._checked_items(f"the table {name}", tree)

    def value(self, item: Item) -> bytes:
        """The bytes of a value. `page_layout.Damage` where they cannot be read."""
        return self._read(item.place, item.size)

    # --- the beginning

    def _newest_meta(self) -> Meta | None:
        """The newer one of the two meta pages, of which one may be half written."""
        for size in page_layout.PAGE_SIZES:
            both = [self._read_meta(number, size) for number in (0, 1)]
            found = [each for each in both if each is not None]
            if found:
                self.page_size = size
                newest = max(found)
                if len(found) < 2:
                    self._add_damage("one of its two beginnings is damaged")
                elif not meta_pages.are_consecutive(found[0], found[1]):
                    self._add_damage("its two beginnings do not belong together")
                return newest
        self._add_damage("it has no beginning that LMDB would know")
        return None

    def _read_meta(self, number: int, size: int) -> Meta | None:
        try:
            return meta_pages.parse_meta(self._read(number * size, meta_pages.META_SIZE), number, size)
        except Damage:
            return None

    # --- trees

    def _checked_items(self, where: str, tree: Tree, subtrees: bool = False) -> Iterator[Item]:
        """The entries of a tree. Damage where there are not as many as it says."""
        counts = {"entries": 0, "branches": 0, "leaves": 0, "overflow": 0}
        for item in self._items(where, tree, subtrees, counts):
            counts["entries"] += 1
            yield item
        if counts["entries"] != tree.entries:
            self._add_damage(f"of the {tree.entries:,} entries of {where}, {counts['entries']:,} can be reached")
        elif any(counts[name] != getattr(tree, name) for name in counts):
            self._add_damage(f"{where} has other pages than it says")

    def _items(self, where: str, tree: Tree, subtrees: bool, counts: dict[str, int]) -> Iterator[Item]:
        # a page, its depth, and the keys that it may hold: from the first on, below the second
        pages: list[tuple[int, int, bytes, bytes | None]] = [] if tree.empty else [(tree.root, 1, b"", None)]
        numbers = page_layout.has_integer_keys(tree)
        while pages:
            number, depth, low, high = pages.pop()
            try:
                self._mark(number, 1)
                content = page_layout.parse_page(self._read(number * self.page_size, self.page_size), number, subtrees)
                if isinstance(content, Branch) == (depth == tree.depth):
                    self._add_damage(f"page {number} of {where} is not as deep as it should be")
                if isinstance(content, Branch):
                    counts["branches"] += 1
                    pages += self._below(content, depth, low, high, numbers)
                    continue
            except Damage as damage:
                self._add_damage(f"page {number} of {where} {damage}")
                continue
            counts["leaves"] += 1
            yield from self._entries(content, f"page {number} of {where}", (low, high), numbers, counts)

    def _below(
        self, branch: Branch, depth: int, low: bytes, high: bytes | None, numbers: bool
    ) -> list[tuple[int, int, bytes, bytes | None]]:
        """The pages below a branch, in reverse order."""
        if depth >= MAX_DEPTH:
            raise Damage("lies too deep")
        if len(branch.below) < (1 if numbers else 2):  # LMDB asserts it
            raise Damage("leads nowhere")
        keys = [low, *(_sortable(key, numbers) for key, _ in branch.below[1:])]
        if not _ascending(keys[1:], low, high):
            self._add_damage("a branch has keys that are not in order")
        ends = [*keys[1:], high]
        return [(page, depth + 1, key, end) for (_, page), key, end in zip(branch.below, keys, ends, strict=True)][::-1]

    def _entries(
        self, leaf: Leaf, where: str, bounds: tuple[bytes, bytes | None], numbers: bool, counts: dict[str, int]
    ) -> Iterator[Item]:
        if not leaf.entries:
            self._add_damage(f"{where} is empty")
        keys = [_sortable(each.key, numbers) for each in leaf.entries if not isinstance(each, str)]
        if not _ascending(keys, *bounds):
            self._add_damage(f"{where} has keys that are not in order")
        for each in leaf.entries:
            try:
                if isinstance(each, str):
                    raise Damage(each)
                if isinstance(each, OverflowItem):
                    head = self._read(each.page * self.page_size, page_layout.HEADER)
                    pages = page_layout.overflow_pages(head, each, self.page_size)
                    self._mark(each.page, pages)
                    counts["overflow"] += pages
                    each = Item(each.key, each.page * self.page_size + page_layout.HEADER, each.size)
            except Damage as damage:
                self._add_damage(f"{where} {damage}")
                continue
            yield each

    def _walk_free(self) -> None:
        """Check the list of free pages, which LMDB will write to: none of them may be in use."""
        if self._meta is None:
            return
        tree = self._meta.free
        if not (page_layout.has_integer_keys(tree) or tree.empty):
            self._add_damage("the list of free pages is of a kind that is not used")
            return
        for item in list(self._checked_items("the list of free pages", tree)):
            try:
                if len(item.key) != 8:
                    raise Damage("has a key that is none")
                for number in page_layout.parse_free_pages(self.value(item)):
                    self._mark(number, 1, _FREE)
            except Damage as damage:
                self._add_damage(f"the list of free pages {damage}")
        if self._meta.last + 1 - self._pages - len(self._free_beyond) > _SLACK:
            self._add_damage("it says that it is longer than it is")

    # --- pages

    def _mark(self, number: int, count: int, kind: int = _USED) -> None:
        """Mark pages as used, or as free. Damage where they are so already, or do not exist."""
        if kind == _FREE and self._meta and self._pages <= number <= self._meta.last:
            # taken and freed in one transaction: such a page was never written
            if number in self._free_beyond:
                raise Damage("is named twice")
            self._free_beyond.add(number)
            return
        if number < 2 or number + count > self._pages:
            raise Damage("lies beyond the end of the file")
        if count == 1:
            if self._marked[number]:
                raise Damage("is named twice")
            self._marked[number] = kind
            return
        if self._marked.count(0, number, number + count) != count:
            raise Damage("is named twice")
        self._marked[number : number + count] = bytes([kind]) * count

    def _add_damage(self, clause: str) -> None:
        if len(self.damage) < _MAX_CLAUSES:
            self.damage.append(clause)

    def _read(self, place: int, size: int) -> bytes:
        if place + size > self._size:
            raise Damage("lies beyond the end of the file")
        try:
            data = self._read_some(place, size)
            while len(data) < size:  # a read gives 2 GiB at most
                more = self._read_some(place + len(data), size - len(data))
                if not more:
                    raise Damage("lies beyond the end of the file")
                data += more
        except OSError as error:
            raise Damage(f"cannot be read from the disk ({error.strerror})") from error
        return data

    def _read_some(self, place: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, place)
        os.lseek(self._descriptor, place, os.SEEK_SET)
        return os.read(self._descriptor, size)


def _sortable(key: bytes, numbers: bool) -> bytes:
    """A key in a form whose byte order is LMDB's order of keys: integer keys are little-endian."""
    return key[::-1] if numbers else key


def _ascending(keys: list[bytes], low: bytes, high: bytes | None) -> bool:
    """Whether keys are in order, none twice, from `low` on and below `high`."""
    if not keys:
        return True
    ordered = all(one < other for one, other in pairwise(keys))
    return ordered and low <= keys[0] and (high is None or keys[-1] < high)
