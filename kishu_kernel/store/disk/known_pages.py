"""Which rows of a store must be read again, by who has read all of them before: those on pages that have changed.

LMDB's pages are never changed in their place, but those that are free again are written anew: that a tree still leads
to the same number says nothing. So each page of keys is read, and known by a digest of its bytes: 1.5 us, where its
rows, one by one, are twenty. Values with pages of their own are known by their digests, too.

Law: in doubt all rows are read: where the pages are not those of the transaction, or not as they should be.
Neighbours: `page_layout` knows the pages; `remote.lacking` asks.
"""

from __future__ import annotations

import os
import secrets
import struct
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import xxhash

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.store.disk import meta_pages, page_layout
from kishu_kernel.store.disk.meta_pages import Tree
from kishu_kernel.store.disk.page_layout import MAX_DEPTH, Branch, Damage, Item, Leaf

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

USABLE = page_layout.SUPPORTED and hasattr(os, "pread")

_LONG = 64
"""A row that is shorter than half a page by so much is wholly on its leaf: LMDB's own limit is some bytes higher."""

_LongRows = tuple[tuple[bytes, bytes], ...]
"""Keys on a leaf, and the digests of their values, which may have pages of their own."""


class _Leaves(NamedTuple):
    """The leaves of a table, in order.

    Attributes:
        firsts: no key on it is smaller, and all on those before it are.
        digests: of their bytes.
    """

    firsts: list[bytes]
    digests: list[bytes]


@dataclass
class KnownPages:
    """The pages of which somebody knows all rows, as `PagesLook` has found them.

    Attributes:
        seed: of the digests: nobody can make two pages that have one.
        settled: of each table the digests of its leaves, those that are known.
        branches: by their digests.
    """

    seed: int = field(default_factory=lambda: secrets.randbits(63))
    settled: dict[str, dict[bytes, _LongRows]] = field(default_factory=dict)
    branches: dict[bytes, Branch] = field(default_factory=dict)


class PagesLook:
    """One look at the tables of a store, in a transaction.

    Args:
        known: what an earlier look has found, and where this one notes what it finds: what is not settled again, of all
            tables, is not known any more. None: nothing is known, nor will be.
    """

    def __init__(self, store: Environment, txn: Transaction[memoryview], known: KnownPages | None) -> None:
        self._store = store
        self._txn = txn
        self._known = known if known is not None else KnownPages()
        self._seed = self._known.seed
        self._before, self._known.settled = self._known.settled, {}
        self._branches_before, self._known.branches = self._known.branches, {}
        self._page_size: int = txn.stat(store.tables["meta"])["psize"]
        self._leaves: dict[str, _Leaves] = {}
        self._long: dict[str, dict[bytes, bytes]] = {}
        self._meta = 0, b""
        self._trees: Mapping[str, Tree] | None = None
        if USABLE and known is not None:
            self._trees = self._found_trees()

    def rows(self, table: str) -> Iterator[tuple[bytes, memoryview]]:
        """The rows of a table that are not known, in order; where that cannot be told, all. O(pages), and O(rows)."""
        before = self._before.get(table, {})
        leaves = self._found_leaves(table)
        long = self._long[table] = {}
        short = self._page_size // 2 - _LONG
        with self._txn.cursor(db=self._store.tables[table]) as cursor:
            for first, end in self._unknown(table, leaves, before) if leaves else [(b"", None)]:
                if not (cursor.set_range(first) if first else cursor.first()):
                    continue
                for found, value in cursor:
                    key = bytes(found)
                    if end is not None and key >= end:
                        break
                    if len(key) + len(value) > short:
                        long[key] = self._digest(value)
                    yield key, value

    def settle(self, table: str, but: Collection[bytes]) -> None:
        """All rows of a table are known now: they were before, or `rows` gave them, to its end.

        Args:
            but: keys of those that are not.
        """
        leaves = self._leaves.get(table)
        if leaves is None:
            return
        left = {bisect_right(leaves.firsts, key) - 1 for key in but}
        long: dict[int, _LongRows] = {}
        for key, digest in self._long[table].items():
            at = bisect_right(leaves.firsts, key) - 1
            long[at] = (*long.get(at, ()), (key, digest))
        before = self._before.get(table, {})
        self._known.settled[table] = {
            digest: long.get(at) or before.get(digest, ()) for at, digest in enumerate(leaves.digests) if at not in left
        }

    def _unknown(
        self, table: str, leaves: _Leaves, before: Mapping[bytes, _LongRows]
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """The parts of a table that are not known: the keys where they begin, and where they end."""
        start: bytes | None = None
        for first, digest in zip(*leaves, strict=True):
            long = before.get(digest)
            if long is not None and not (long and self._differ(table, long)):
                if start is not None:
                    yield start, first
                start = None
            elif start is None:
                start = first
        if start is not None:
            yield start, None

    def _differ(self, table: str, long: Iterable[tuple[bytes, bytes]]) -> bool:
        for key, digest in long:
            value = self._txn.get(key, db=self._store.tables[table])
            if value is None or self._digest(value) != digest:
                return True
        return False

    # --- the pages

    def _found_trees(self) -> Mapping[str, Tree] | None:
        """The tables, as the meta page of this transaction leads to them. None where there is none."""
        try:
            main = self._main()
            if main.depth != 1:
                raise Damage("has more tables than a store has")
            page = page_layout.parse_page(self._read(main.root), main.root, True)
            return dict(map(self._tree, page.entries)) if isinstance(page, Leaf) else None
        except (Damage, OSError, struct.error):
            return None

    def _main(self) -> Tree:
        for number in (0, 1):
            data = self._read(number)
            meta = meta_pages.parse_meta(data, number, self._page_size)
            if meta is not None and meta.transaction == self._txn.id():
                self._meta = number, data
                return meta.main
        raise Damage("has gone on")  # others have committed twice meanwhile

    def _tree(self, item: object) -> tuple[str, Tree]:
        if not isinstance(item, Item) or not item.table:
            raise Damage("has an entry that is no table")
        number, start = divmod(item.place, self._page_size)
        return item.key.decode(), page_layout.parse_tree(self._read(number)[start : start + item.size])

    def _found_leaves(self, table: str) -> _Leaves | None:
        """The leaves of a table; None where it has none, or where they are not as LMDB says."""
        if self._trees is None:
            return None
        try:
            leaves = self._walked(self._trees[table])
            number, meta = self._meta
            if self._read(number) != meta:  # somebody was writing it as it was read: it may have led to newer pages
                raise Damage("has gone on")
        except (Damage, OSError, struct.error, KeyError):
            return None
        said = self._txn.stat(self._store.tables[table])
        tree = self._trees[table]
        if not leaves.digests or (tree.entries, tree.leaves) != (said["entries"], len(leaves.digests)):
            return None
        self._leaves[table] = leaves
        return leaves

    def _walked(self, tree: Tree) -> _Leaves:
        if tree.empty or tree.flags or not 0 < tree.depth <= MAX_DEPTH:
            return _Leaves([], [])
        level = [(b"", tree.root)]
        for _ in range(tree.depth - 1):
            level = [each for first, number in level for each in self._below(first, number)]
        read, digest = self._read, self._digest
        return _Leaves([first for first, _ in level], [digest(read(number)) for _, number in level])

    def _below(self, first: bytes, number: int) -> Iterator[tuple[bytes, int]]:
        """The pages below a page on which no key is smaller than `first`; of each the same."""
        data = self._read(number)
        digest = self._digest(data)
        page: Branch | Leaf | None = self._branches_before.get(digest)
        if page is None:
            page = page_layout.parse_page(data, number, False)
        if not isinstance(page, Branch) or not page.below:
            raise Damage("leads to no leaves")
        self._known.branches[digest] = page
        yield first, page.below[0][1]
        yield from page.below[1:]

    def _read(self, number: int) -> bytes:
        data = self._store.read_data(number * self._page_size, self._page_size)
        if len(data) != self._page_size:
            raise Damage("is not there")
        return data

    def _digest(self, data: bytes | memoryview) -> bytes:
        return xxhash.xxh3_128_digest(data, self._seed)
