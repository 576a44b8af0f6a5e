"""Opens the store of a notebook: finds it, limits its size, and has a substitute where it cannot be opened.

Law: a kernel starts, whatever is wrong with the disk. What cannot be stored there is kept in memory, and moved to the
disk as soon as that is possible.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import StoreDamagedError, StoreError, UnwritableError
from kishu_kernel.frontend.shell.settings import StoreLocation
from kishu_kernel.model import SessionId
from kishu_kernel.model.dataclass import dataclass

if TYPE_CHECKING:
    from kishu_kernel.session.timeline import Timeline
    from kishu_kernel.session.upkeep import UpkeepRules
    from kishu_kernel.store.catalog.assignment import StoreAssignment, StoreListing
    from kishu_kernel.store.format.signing import Signer
    from kishu_kernel.store.lmdb_store import LmdbStore

MAX_BYTES = 20 * 10**9
SHARE = 10
"""A store may occupy 20 GB, or a tenth of what is free on its disk where that is less."""

RETRY_SECONDS = 30.0
"""Between two attempts to open a store that could not be opened."""


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the first cell may change, as it was before: directory of all stores, notebook, key and its file."""

    base: Path
    notebook: str | None
    signer: Signer
    key: Path


class StoreOpener:
    """The store of one session's notebook.

    Args:
        where: where stores are.
        session: the session that opens it.
        notebook: returns the notebook's path, if the frontend has told it by now.
        warn: shows a sentence to the user.

    Attributes:
        on_written: called after each state that was written, on the thread that writes.
        place: where the store is; None before it is open, and while it is in memory.
        in_memory: what this session does is kept in memory, and not on a disk.
        key: the file of the key that signs what is stored; None where other processes cannot read it.
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
        self._named = False
        """It was tried to say whose the store is, since the path came late."""
        self._given: Path | None = None
        self._found: _Surroundings | None = None
        self._looked: tuple[str, int] | None = None
        self._renamed: str | None = None
        self.on_written: Callable[[], None] = lambda: None
        self.in_memory = False
        self._damaged: tuple[Path, object] | None = None
        self.place: StoreAssignment | None = None
        self.key: Path | None = None

    def use(self, store: Path | None) -> None:
        """From now on `open` opens this store, whosever it is; None: the notebook's own."""
        self._given = store

    def finds_none(self) -> bool:
        """Looks for the store before the first cell, which may change directory and environment.

        Returns:
            Whether the notebook has none yet: then nobody needs to wait for `open`, which makes it where it looked.
        """
        from kishu_kernel.store.catalog.assignment import find_assignment
        from kishu_kernel.store.format.signing import choose, key_path, user_signer

        if self._given is not None:
            return False
        try:
            choose(self._where.signing, self._where.trusted_keys)
            notebook = os.path.abspath(told) if (told := self._notebook()) else None
            found = _Surroundings(self.base(), notebook, user_signer(), key_path())
            place = find_assignment(found.base, found.notebook, self._session)
        except (StoreError, OSError):  # `open` says it
            return False
        if place.found != "new" or place.resembles:
            return False
        self._found = found
        return True

    def open(self) -> Timeline:
        """Returns a new timeline: in the store, else in memory, until `retry` can move it to the disk.

        Raises:
            StoreError: the store is one that was given by `use`, and cannot be opened.
        """
        if self._given is not None:
            return self._timeline(self._open())
        try:
            store = self._open()
        except (StoreError, OSError) as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            read = self._open_readonly() if isinstance(error, UnwritableError) else None
            if read is not None:
                self._warn(f"{error}. Until then it can be read, and what this session adds is kept in memory only.")
                return read
            substitute = self._open_substitute(error)
            where = "in memory only" if substitute is None else f"in {substitute.statistics().path}"
            self._warn(f"{error}. Until then this session's history is kept {where}.")
            if substitute is None:
                return self.open_in_memory()
            store = substitute
        return self._timeline(store)

    def _timeline(self, store: LmdbStore) -> Timeline:
        from kishu_kernel.session.timeline import Timeline

        timeline = Timeline(store, self._session, self._limit(store), self.refresh, self._live)
        self._limit_with_others(timeline, store)
        return timeline

    def _limit_with_others(self, timeline: Timeline, store: LmdbStore) -> None:
        """Has the timeline look now and then what other kernels have written, which counts for the total limit, too."""

        def now() -> int | None:
            try:
                return self._limit(store)
            except (StoreError, OSError):  # it stays as it was
                return timeline.limit

        if self._where.total_limit:
            timeline.limit_now = now

    def open_in_memory(self) -> Timeline:
        """Returns a new timeline in memory; it ends with the process."""
        from kishu_kernel.frontend.shell.memory_limit import memory_limit
        from kishu_kernel.session.timeline import Timeline
        from kishu_kernel.store import MemoryStore

        self.in_memory = True
        limit = self._where.limit
        return Timeline(MemoryStore(), self._session, memory_limit() if limit is None else limit or None)

    def close_provisional(self, let_go: Callable[[], bool]) -> None:
        """Closes a store that was opened before it was known which notebook this is, so that its own is opened next.

        Args:
            let_go: closes the store, if nothing of this session is in it; returns whether it did.
        """
        if self.place is not None and self._nameless and self._notebook() and let_go():
            self.remove()

    @property
    def is_of_no_notebook(self) -> bool:
        """Whether the store was made for this session, whose notebook nobody has told when it was opened."""
        return self._nameless and self.place is not None and self.place.found == "new" and not self.in_memory

    def keep_others_out(self) -> bool:
        """Whether no other process has the store open, which is to be removed: none can open it before it is closed."""
        from kishu_kernel.store.disk import environment_pool

        return self.place is not None and environment_pool.keep_others_out(self.place.path)

    def remove(self) -> None:
        """Removes the store, which is closed. Fails silently: it stays then."""
        if self.place is not None:
            from kishu_kernel.store.catalog.about_file import ABOUT
            from kishu_kernel.store.disk.store_files import remove

            with suppress(StoreError):
                remove(self.place.path, ABOUT)
            self.place = None

    @property
    def written_place(self) -> Path | None:
        """The notebook's own store on the disk, once it is open."""
        own = self._given is None and not self._nameless and not self.in_memory and self.place is not None
        return self.place.path if own and self.place is not None else None

    def place_to_fill(self) -> tuple[Path, str, str] | None:
        """The directory of all stores, the notebook and the session, where the notebook has no history here."""
        from kishu_kernel.store.catalog.assignment import find_assignment
        from kishu_kernel.store.disk.store_files import is_empty

        notebook = self._notebook()
        if not notebook or self._given is not None or self.in_memory:
            return None
        with suppress(StoreError, OSError):
            place = find_assignment(base := self.base(), notebook, self._session)
            if place.found == "new" or is_empty(place.path):
                return base, notebook, self._session
        return None

    @property
    def is_substitute(self) -> bool:
        """The store could not be opened: what was opened in its place goes into it when it can be."""
        return self._retry_at is not None

    def retry(self, timeline: Timeline) -> None:
        """Moves the history into the store, if that could not be opened and now can be."""
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if self.place is not None and not os.access(self.place.path, os.W_OK):
            return
        if self._damaged is not None and self._damaged[1] == _file_identity(self._damaged[0]):
            return
        meanwhile = self.place
        try:
            store = self._open()
        except (StoreError, OSError):
            return
        try:
            timeline.move_to_store(store, self._limit(store), self.refresh)
        except BaseException as error:
            self.place = meanwhile
            store.close()
            if isinstance(error, Exception):  # the history stays in memory
                return
            raise
        self._limit_with_others(timeline, store)
        self._retry_at = self._damaged = None
        self.in_memory = False
        self._warn(f"The history of this session is now stored on disk, in {store.statistics().path}.")

    def base(self) -> Path:
        """Returns the directory of all stores. Raises `StoreError` where there is no usable one."""
        from kishu_kernel.store.catalog.filesystems import base_for
        from kishu_kernel.store.catalog.paths import default_base

        base, reason = base_for(self._where.base or default_base(), self._where.network)
        if reason:
            self._warn(reason + ". KishuKernel.network_store = True uses it all the same.")
        return base

    def stores(self) -> list[StoreListing]:
        """Returns all stores, the last used first."""
        from kishu_kernel.store.catalog.assignment import list_stores

        return list_stores(self.base())

    def notebook(self) -> str | None:
        """Returns the notebook's path; where it was renamed since the kernel was started, the one that it has now."""
        told = self._notebook()
        if not told or self.place is None:
            return told
        if self._renamed and self._looked and self._looked[0] == told and os.path.lexists(self._renamed):
            return self._renamed  # whatever has the old name by now
        if os.path.lexists(told):
            return told
        beside = os.path.dirname(told)
        try:
            looked = told, os.stat(beside).st_mtime_ns
        except OSError:
            return told
        if looked != self._looked:  # else none was renamed there meanwhile
            from kishu_kernel.store.catalog.assignment import renamed

            self._looked, self._renamed = looked, renamed(self.place.path)
        return self._renamed or told

    def attach(self, store: Path) -> Path:
        """Gives this notebook the history of another one, as `catalog.assignment.attach`. Its own store must be closed.

        Returns:
            The store that the notebook has now.

        Raises:
            StoreError: it is not known which notebook this is, or the store cannot be attached.
        """
        from kishu_kernel.store.catalog.assignment import attach

        notebook = self._notebook()
        if not notebook:
            raise StoreError("the kernel does not know which notebook this is: set KishuKernel.notebook to its path")
        return attach(self.base(), store, notebook)

    def refresh(self) -> None:
        """Records in the store how to recognise the notebook if it is renamed. Cheap; fails silently."""
        from kishu_kernel.store.catalog.assignment import name_store, remember_cells

        self.on_written()
        notebook = self._notebook()
        if self.place is None or not notebook:
            return
        if self.is_of_no_notebook and not self._named:
            self._named = True
            with suppress(StoreError, OSError):
                name_store(self.place.path, notebook)
        remember_cells(self.place.path, notebook)

    def note_cells(self, ids: Iterable[str]) -> None:
        """These are the notebook's cells, as a frontend says; it is needed where the notebook is on another machine."""
        from kishu_kernel.store.catalog import elsewhere

        notebook = self._notebook()
        if notebook and elsewhere.is_elsewhere(notebook):
            elsewhere.remember(notebook, ids)

    def _live(self) -> list[SessionId]:
        """Returns the sessions whose kernels have the store open, too."""
        from kishu_kernel.store.catalog.running_kernels import sessions_in

        return [] if self.place is None else [SessionId(each) for each in sessions_in(self.place.path)]

    def signing_environment(self) -> dict[str, str]:
        """Returns the variables that say to another process whose signatures count here.

        Raises:
            StoreError: there is no such policy as was chosen.
        """
        from kishu_kernel.store.format.signing import choose, signing_policy

        choose(self._where.signing, self._where.trusted_keys)
        return signing_policy().environment()

    def _open(self) -> LmdbStore:
        from kishu_kernel.store.catalog.assignment import StoreAssignment, claim_store
        from kishu_kernel.store.format.signing import choose, key_path, user_signer
        from kishu_kernel.store.lmdb_store import LmdbStore

        choose(self._where.signing, self._where.trusted_keys)
        found = self._found
        signer, key = (found.signer, found.key) if found is not None else (user_signer(), key_path())
        notebook = (found and found.notebook) or self._notebook()
        self._nameless = not notebook and self._given is None
        if self._given is None:
            place = claim_store(found.base if found is not None else self.base(), notebook, self._session)
        else:
            place = StoreAssignment(self._given, "attached")
        try:
            store = LmdbStore(place.path, signer=signer)
        except StoreDamagedError:
            self._damaged = place.path, _file_identity(place.path)
            raise
        if not signer.persistent:
            self._warn(f"The key {key} cannot be created: later kernels will not know that this history is yours.")
        self.place, self.key = place, key if signer.persistent else None
        return store

    def _open_readonly(self) -> Timeline | None:
        """Returns a timeline over a store that can be read and not written; None where it cannot be read either."""
        from kishu_kernel.frontend.shell.memory_limit import memory_limit
        from kishu_kernel.session.timeline import Timeline
        from kishu_kernel.store import MemoryStore
        from kishu_kernel.store.catalog.assignment import find_assignment
        from kishu_kernel.store.layered_store import LayeredStore
        from kishu_kernel.store.lmdb_store import LmdbStore

        try:
            place = find_assignment(self.base(), self._notebook(), self._session)
            below = LmdbStore(place.path, readonly=True)
        except (StoreError, OSError):
            return None
        self.place, self.in_memory = place, True
        limit = memory_limit() if self._where.limit is None else self._where.limit
        room = below.statistics().bytes + limit if limit else None
        return Timeline(LayeredStore(below, MemoryStore()), self._session, room, live=self._live)

    def _open_substitute(self, error: Exception) -> LmdbStore | None:
        """Returns another store on the disk, to use while the notebook's own is damaged.

        Args:
            error: why that could not be opened; None is returned unless it is damaged.
        """
        from kishu_kernel.store.catalog.assignment import claim_replacement
        from kishu_kernel.store.format.signing import key_path, user_signer
        from kishu_kernel.store.lmdb_store import LmdbStore

        if not isinstance(error, StoreDamagedError) or self._damaged is None:
            return None
        damaged, signer = {self._damaged[0]}, user_signer()
        with suppress(StoreError, OSError):
            while True:
                place = claim_replacement(self.base(), self._notebook(), self._session, damaged)
                try:
                    store = LmdbStore(place.path, signer=signer)
                except StoreDamagedError:
                    damaged.add(place.path)
                else:
                    self.place, self.key = place, key_path() if signer.persistent else None
                    return store
        return None

    @property
    def upkeep(self) -> UpkeepRules:
        """What of other stores may go."""
        from kishu_kernel.session.upkeep import UpkeepRules

        return UpkeepRules(self._where.max_age, self._where.total_limit)

    def _limit(self, store: LmdbStore) -> int | None:
        limit = _own_limit(store) if self._where.limit is None else self._where.limit or None
        if not self._where.total_limit or self.place is None:
            return limit
        from kishu_kernel.store.catalog.assignment import list_stores

        others = sum(each.bytes for each in list_stores(self.place.path.parent) if each.path != self.place.path)
        left = max(1, self._where.total_limit - others)  # its values are dropped, and the code stays
        return left if limit is None else min(limit, left)


def _own_limit(store: LmdbStore) -> int:
    statistics = store.statistics()
    try:
        free = shutil.disk_usage(str(statistics.path)).free
    except OSError:
        return MAX_BYTES
    return min(MAX_BYTES, (free + statistics.bytes) // SHARE)


def _file_identity(store: Path) -> object:
    """Returns what changes when somebody repairs a store, or puts another one in its place."""
    from kishu_kernel.store.disk.directory import DATA

    with suppress(OSError):
        status = (store / DATA).stat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None
