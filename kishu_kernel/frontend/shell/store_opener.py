"""Opens the store of a notebook: where it is, what it may occupy, and what to do where it cannot be had.

Law: a kernel starts whatever is wrong with a disk. What cannot be kept there is kept in memory, and goes to the disk
as soon as it can.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import StoreDamagedError, StoreError, UnwritableError
from kishu_kernel.model import SessionId
from kishu_kernel.session.timeline import Timeline

if TYPE_CHECKING:
    from kishu_kernel.store.lmdb_store import LmdbStore
    from kishu_kernel.store.places.finding import Place, StoreListing

MOST = 20 * 10**9
SHARE = 10
"""A store may occupy 20 GB, or a tenth of what is free on its disk where that is less."""

RETRY = 30.0
"""Seconds between two attempts to open a store that could not be opened."""


MOST_IN_MEMORY = 2 * 10**9


def memory_limit() -> int:
    """What a history may occupy in memory: 2 GB, or a tenth of the machine's memory where that is less."""
    import psutil

    return min(MOST_IN_MEMORY, int(psutil.virtual_memory().total) // SHARE)


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where stores lie, and how much they may occupy.

    Attributes:
        base: directory of all stores; None: in Jupyter's data directory.
        network: there, even on a network file system.
        limit: bytes; None: as much as is sensible; 0: no limit.
    """

    base: Path | None = None
    network: bool = False
    limit: int | None = None


class StoreOpener:
    """The store of one session's notebook.

    Args:
        notebook: its path, if the frontend has told it by now.
        warn: shows one sentence to the user.

    Attributes:
        place: where the store is; None before it is open, and while it is in memory.
        key: the file of the key that marks what is stored; None where no other process has that.
    """

    def __init__(
        self,
        where: StoreLocation,
        session: SessionId,
        notebook: Callable[[], str | None],
        warn: Callable[[str], None],
    ) -> None:
        self._where = where
        self._session = session
        self._notebook = notebook
        self._warn = warn
        self._retry_at: float | None = None
        self._nameless = False
        self._damaged: tuple[Path, object] | None = None
        self.place: Place | None = None
        self.key: Path | None = None

    def open(self) -> Timeline:
        """A new timeline. Where the disk does not allow for it, one in memory: `retry` brings it to the disk."""
        try:
            store = self._open()
        except (StoreError, OSError) as error:
            self._retry_at = time.monotonic() + RETRY
            read = self._to_read() if isinstance(error, UnwritableError) else None
            if read is not None:
                self._warn(f"{error}. Until then it is read, and what this session adds is kept in memory only.")
                return read
            beside = self._open_beside(error)
            where = "in memory only" if beside is None else f"in {beside.statistics().path}"
            self._warn(f"{error}. Until then this session's history is kept {where}.")
            if beside is None:
                return self.in_memory()
            store = beside
        return Timeline(store, self._session, self._limit(store), self.refresh)

    def in_memory(self) -> Timeline:
        """A new timeline that ends with the process."""
        from kishu_kernel.store import MemoryStore

        limit = self._where.limit
        return Timeline(MemoryStore(), self._session, memory_limit() if limit is None else limit or None)

    def reconsider(self, let_go: Callable[[], bool]) -> None:
        """Where a store was opened before it was known which notebook this is, the notebook's own is opened instead.

        Args:
            let_go: closes the store, if nothing of this session is in it.
        """
        if self.place is not None and self._nameless and self._notebook() and let_go():
            from kishu_kernel.store.disk.compact import remove
            from kishu_kernel.store.places.about import ABOUT

            with suppress(StoreError):
                remove(self.place.path, ABOUT)
            self.place = None

    def retry(self, timeline: Timeline) -> None:
        """Where the store could not be opened, and can be by now, the history goes there."""
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY
        if self.place is not None and not os.access(self.place.path, os.W_OK):
            return
        if self._damaged is not None and self._damaged[1] == _facts(self._damaged[0]):
            return
        meanwhile = self.place
        try:
            store = self._open()
        except (StoreError, OSError):
            return
        try:
            timeline.move_to(store, self._limit(store), self.refresh)
        except BaseException as error:
            self.place = meanwhile
            store.close()
            if isinstance(error, Exception):  # it stays in memory
                return
            raise
        self._retry_at = self._damaged = None
        self._warn(f"The history of this session is on the disk now, in {store.statistics().path}.")

    def base(self) -> Path:
        """The directory of all stores."""
        from kishu_kernel.store.places.filesystems import base_for
        from kishu_kernel.store.places.locate import default_base

        base, told = base_for(self._where.base or default_base(), self._where.network)
        if told:
            self._warn(told + ". KishuKernel.network_store = True keeps it there all the same.")
        return base

    def stores(self) -> list[StoreListing]:
        """All stores, the last used first."""
        from kishu_kernel.store.places.finding import stores

        return stores(self.base())

    def attach(self, store: Path) -> Path:
        """Gives this notebook the history of another one, as in `places.attach`; nothing of its own may be open."""
        from kishu_kernel.store.places.finding import attach

        notebook = self._notebook()
        if not notebook:
            raise StoreError("it is not known which notebook this is: say so with KishuKernel.notebook")
        return attach(self.base(), store, notebook)

    def refresh(self) -> None:
        """Remembers by which cells the notebook can be found again. Cheap; fails silently."""
        from kishu_kernel.store.places.finding import refresh

        notebook = self._notebook()
        if self.place is not None and notebook:
            refresh(self.place.path, notebook)

    def _open(self) -> LmdbStore:
        from kishu_kernel.store.format.seal import key_path, user_seal
        from kishu_kernel.store.lmdb_store import LmdbStore
        from kishu_kernel.store.places.finding import take_place

        seal = user_seal()
        notebook = self._notebook()
        self._nameless = not notebook
        place = take_place(self.base(), notebook, self._session)
        try:
            store = LmdbStore(place.path, seal=seal)
        except StoreDamagedError:
            self._damaged = place.path, _facts(place.path)
            raise
        if not seal.lasting:
            self._warn(f"The key {key_path()} cannot be made: no later kernel will know that this history is yours.")
        self.place, self.key = place, key_path() if seal.lasting else None
        return store

    def _to_read(self) -> Timeline | None:
        """A timeline over a store that cannot be written; None where there is none to be read either."""
        from kishu_kernel.store import MemoryStore
        from kishu_kernel.store.layered_store import LayeredStore
        from kishu_kernel.store.lmdb_store import LmdbStore
        from kishu_kernel.store.places.finding import find_place

        try:
            place = find_place(self.base(), self._notebook(), self._session)
            below = LmdbStore(place.path, readonly=True)
        except (StoreError, OSError):
            return None
        self.place = place
        limit = memory_limit() if self._where.limit is None else self._where.limit
        room = below.statistics().bytes + limit if limit else None
        return Timeline(LayeredStore(below, MemoryStore()), self._session, room)

    def _open_beside(self, error: Exception) -> LmdbStore | None:
        """A store on the disk for as long as the notebook's own is damaged; None where that is not what is wrong."""
        from kishu_kernel.store.format.seal import key_path, user_seal
        from kishu_kernel.store.lmdb_store import LmdbStore
        from kishu_kernel.store.places.finding import take_beside

        if not isinstance(error, StoreDamagedError) or self._damaged is None:
            return None
        damaged, seal = {self._damaged[0]}, user_seal()
        with suppress(StoreError, OSError):
            while True:
                place = take_beside(self.base(), self._notebook(), self._session, damaged)
                try:
                    store = LmdbStore(place.path, seal=seal)
                except StoreDamagedError:
                    damaged.add(place.path)
                else:
                    self.place, self.key = place, key_path() if seal.lasting else None
                    return store
        return None

    def _limit(self, store: LmdbStore) -> int | None:
        if self._where.limit is not None:
            return self._where.limit or None
        statistics = store.statistics()
        try:
            free = shutil.disk_usage(str(statistics.path)).free
        except OSError:
            return MOST
        return min(MOST, (free + statistics.bytes) // SHARE)


def _facts(store: Path) -> object:
    """What changes when somebody repairs a store, or puts another one in its place."""
    from kishu_kernel.store.disk.directory import DATA

    with suppress(OSError):
        facts = (store / DATA).stat()
        return facts.st_ino, facts.st_size, facts.st_mtime_ns
    return None
