"""Orphans: chunks that no manifest names, left by a commit that was killed while it wrote ahead. Removed in pieces.

Law: only while nobody else writes. What was found is valid as long as no other transaction came in between, since a
commit may name a chunk that it found in the store. An interrupted search starts again another time. Nothing is removed
where a manifest cannot be read: it may be the one that names the chunks.
Neighbours: the writer's thread asks for it when it is idle, by `LmdbStore.remove_orphans`; `LmdbStore.collect` does the
same in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from kishu_kernel.errors import LoadError
from kishu_kernel.store.disk.chunk_reader import chunk_tables
from kishu_kernel.store.format import schema

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

MANIFESTS = 500
KEYS = 2000
"""Rows that are read in one piece: some milliseconds."""
CHUNKS = 64
"""Chunks that one transaction removes."""


class _Interrupted(Exception):
    """The caller has something better to do, or somebody has written."""


def remove_orphans(environment: Environment, should_stop: Callable[[], bool]) -> bool:
    """Remove all orphans, in pieces. O(rows of manifests and chunks).

    Args:
        should_stop: asked between the pieces, whether to stop.

    Returns:
        Whether none is left. False: call again when there is time.

    Raises:
        StoreError: LMDB fails.
    """
    try:
        _OrphanRemoval(environment, should_stop).run()
    except _Interrupted:
        return False
    return True


class _OrphanRemoval:
    def __init__(self, environment: Environment, should_stop: Callable[[], bool]) -> None:
        self._environment = environment
        self._should_stop = should_stop
        self._seen: int | None = None

    def run(self) -> None:
        try:
            named = {digest for value in self._manifests() for digest in _digests(value)}
        except LoadError:
            return
        dead = {table: [key for key in self._keys(table) if key not in named] for table in schema.CHUNK_TABLES}
        for table, keys in dead.items():
            for start in range(0, len(keys), CHUNKS):
                self._remove(table, keys[start : start + CHUNKS])

    def _manifests(self) -> Iterator[bytes]:
        after = b""
        while True:
            self._pause()
            with self._environment.reading() as txn, txn.cursor(db=self._environment.tables["versions"]) as cursor:
                self._check_unchanged(txn.id())
                rows: list[tuple[bytes, bytes]] = []
                there = cursor.set_range(after) if after else cursor.first()
                while there and len(rows) < MANIFESTS:
                    rows.append((bytes(cursor.key()), bytes(cursor.value())))
                    there = cursor.next()
            yield from (value for _, value in rows)
            if not there:
                return
            after = rows[-1][0] + b"\0"

    def _keys(self, table: str) -> Iterator[bytes]:
        after = b""
        while True:
            self._pause()
            with chunk_tables(self._environment, self._environment.reading) as there:
                self._check_unchanged(there.txn.id())
                keys = there.keys(table, after, KEYS)
            yield from keys
            if len(keys) < KEYS:
                return
            after = keys[-1] + b"\0"

    def _remove(self, table: str, keys: list[bytes]) -> None:
        self._pause()

        def work(txn: Transaction[bytes]) -> None:
            assert self._seen is not None
            self._check_unchanged(txn.id() - 1)
            for key in keys:
                txn.delete(key, db=self._environment.tables[table])
            schema.count_removal(txn, self._environment.tables)

        self._environment.write(work)
        self._seen = (self._seen or 0) + 1

    def _pause(self) -> None:
        if self._should_stop():
            raise _Interrupted

    def _check_unchanged(self, transaction: int) -> None:
        """Stop where somebody has written since the first piece."""
        if self._seen is None:
            self._seen = transaction
        if transaction != self._seen:
            raise _Interrupted


def _digests(value: bytes) -> list[bytes]:
    return [bytes(digest) for digest in schema.decode_manifest(schema.without_signature(value)).digests]
