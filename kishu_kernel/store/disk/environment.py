"""One LMDB environment per directory and process: opened once, grown when full, never after fork.

Law: LMDB's rules hold whatever the callers do. They are: never open twice in one process (its POSIX
locks belong to the process), never resize while a transaction is open, never use after fork.
Neighbours: `directory` judges the files before LMDB sees them, `gate` says whose turn it is, `tables` opens those.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import lmdb

from kishu_kernel.errors import KishuError, StoreError, StoreFormatError
from kishu_kernel.store.disk import directory, integrity, tables
from kishu_kernel.store.disk.directory import DATA, LOCK, READERS
from kishu_kernel.store.disk.disk_errors import store_error
from kishu_kernel.store.disk.file_monitor import FileMonitor, LockFileLostError
from kishu_kernel.store.disk.locks import FileLock, SharedLock, WriterLock, wait_for

if TYPE_CHECKING:
    from lmdb import _Database

MAP_SIZE = 1 << 30
"""Address space to begin with; the file stays as small as its content."""

MAX_TABLES = 16

Result = TypeVar("Result")


class Environment:
    """An open environment with the tables of `schema`; shared by all stores of this directory.

    Attributes:
        tables: by their names. One opened for reading lacks those that the store does not have yet.
        readonly: nothing can be written.
        tidy: no commit that was cut short can have left anything in it.
    """

    tables: dict[str, _Database]

    def __init__(self, path: Path, sync: bool, map_size: int, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        self._sync = sync
        self._pid = os.getpid()
        self._resize_lock = SharedLock()
        self._data = path / DATA
        self._closed_at: int | None = None  # the map's size, where the environment had to be closed
        with ExitStack() as undo:
            # who compacts the store, or brings its files in order, needs to know that nobody uses it
            try:
                self._presence_lock = FileLock(path)
            except OSError as error:
                raise store_error(path, error) from error
            undo.callback(self._presence_lock.close)
            wait_for(self._enter, f"the store at {path} is being put in order by another process")
            new = not directory.has_data(self.path)
            self._writer_lock = self._open_writer_lock()
            undo.callback(self._writer_lock.close)
            env = self._opened(map_size, False)
            undo.callback(env.close)
            with nullcontext() if readonly else self._writer_lock.hold():
                self._use(env)
            if new:
                directory.sync_directory(path)
                integrity.record_verified(path, True)  # from now on, an empty file is no new one
            # only now may others come in who expect the files in order
            wait_for(
                lambda: self._presence_lock.try_lock(False), f"the store at {path} is being compacted by a process"
            )
            undo.pop_all()

    def _enter(self) -> bool:
        """Alone at first, to bring the files in order; where others are in already, they have done it."""
        alone = self._presence_lock.try_lock(True)
        if alone:
            directory.check_files(self.path)
            integrity.check_not_emptied(self.path)
            try:
                if not self.readonly:
                    directory.create_data(self.path)
                if not self.readonly or directory.has_data(self.path):
                    directory.reserve_lock(self.path)
            except OSError as error:
                if not self.readonly or not directory.is_forbidden(error):  # where LMDB does without
                    raise store_error(self.path, error) from error
        return alone or self._presence_lock.try_lock(False)

    def _open_writer_lock(self) -> WriterLock:
        """Where those queue up who want to write: at the data file."""
        directory.check_files(self.path)
        if self.readonly and not directory.has_data(self.path):
            raise StoreError(f"there is no store at {self.path}")
        try:
            return WriterLock(self._data)
        except OSError as error:
            raise store_error(self.path, error) from error

    def _opened(self, map_size: int, holds_writer_lock: bool) -> lmdb.Environment:
        """LMDB's environment, found in order."""
        directory.check_files(self.path)
        new = not directory.has_data(self.path)
        self.free_of_orphans = new or integrity.is_free_of_orphans(self.path)
        if not new and not integrity.is_verified(self.path):
            with nullcontext() if holds_writer_lock else self._writer_lock.hold():
                integrity.verify(self.path)
            integrity.record_verified(self.path, self.free_of_orphans)
        try:
            try:
                env = self._mapped(map_size, lock=True)
            except (lmdb.Error, OSError) as error:
                if not (self.readonly and directory.is_forbidden(error)):
                    raise
                env = self._mapped(map_size, lock=False)  # who may not write there cannot take part in its locks
        except (lmdb.Error, OSError) as error:
            raise store_error(self.path, error) from error
        try:
            self._monitor = FileMonitor(self.path, env.stat()["psize"], self._writer_lock)
            if not self.readonly:
                directory.close_files(self.path, new)
            env.reader_check()  # a killed process's reader would keep its pages from reuse for ever
        except BaseException as error:
            env.close()
            if isinstance(error, lmdb.Error | OSError):
                raise store_error(self.path, error) from error
            raise
        return env

    def _mapped(self, map_size: int, *, lock: bool) -> lmdb.Environment:
        return lmdb.Environment(
            str(self.path),
            map_size=map_size,
            mode=0o600,
            max_dbs=MAX_TABLES,
            max_readers=READERS,
            max_spare_txns=0,  # a cached one would outlive a resize, and keep a reader's slot
            sync=self._sync,
            readonly=self.readonly,
            create=not self.readonly,
            lock=lock,
        )

    def _use(self, env: lmdb.Environment) -> None:
        """Open the tables, and go on with this environment. It needs the writer's turn."""
        try:
            self.tables = tables.open_to_read(env) if self.readonly else tables.open_all(env)
        except BaseException as error:
            env.close()
            if isinstance(error, lmdb.Error | OSError):
                raise store_error(self.path, error) from error
            raise
        self._env = env

    @contextmanager
    def reading(self, error: type[KishuError] = StoreError) -> Iterator[lmdb.Transaction[memoryview]]:
        """A read transaction: what it gives is valid inside the block only. Keep the block short.

        Raises:
            KishuError: LMDB fails, as the given `error`.
        """
        self.check_not_forked()
        try:
            with ExitStack() as inside:
                yield self._begin(inside, write=False)
        except lmdb.Error as failure:
            raise error(str(store_error(self.path, failure))) from failure

    def write(self, work: Callable[[lmdb.Transaction[bytes]], Result], incoming: int = 0) -> Result:
        """Run `work` in a write transaction; again from its start where the map had to grow.

        Other threads' and processes' writers are waited for: interruptible, and not for ever.

        Args:
            work: gets the transaction; what it returns is the result.
            incoming: bytes that it may add, so that growing once is enough.

        Raises:
            StoreError: LMDB fails, or others do not finish, or the store is not what was opened. Nothing was written.
        """
        self.check_not_forked()
        if self.readonly:
            raise StoreError(f"the store at {self.path} was opened for reading only")
        with self._writer_lock.hold(), self._monitor.writing():
            while True:
                size = 0
                try:
                    with ExitStack() as inside:
                        txn = self._begin(inside, write=True)
                        size = self._env.info()["map_size"]
                        return work(txn)
                except lmdb.MapFullError:
                    self._grow(size, incoming)
                except lmdb.Error as error:
                    raise store_error(self.path, error) from error

    def _begin(self, inside: ExitStack, write: bool) -> lmdb.Transaction[Any]:
        """Begin a transaction that ends with `inside`, whatever the map and the environment need before."""
        revived = False
        while True:
            if self._closed_at is not None:
                self._reopen(None, write)
            with ExitStack() as attempt:
                attempt.enter_context(self._resize_lock.shared())
                env = self._env
                try:
                    strange = self._monitor.check() and not write and not self._writer_lock.is_held
                    if not strange:
                        begun: lmdb.Transaction[Any] = env.begin(write=True) if write else env.begin(buffers=True)
                        txn = attempt.enter_context(begun)
                        inside.push(attempt.pop_all())
                        return txn
                    then = self._look_again
                except lmdb.MapResizedError:
                    then = partial(self._resize, 0)
                except (lmdb.PanicError, LockFileLostError):
                    # LMDB could not write its first pages once, and refuses all since then; or its lock file is gone
                    if revived:
                        raise
                    then, revived = partial(self._reopen, env, write), True
            then()

    def _look_again(self) -> None:
        """Find out what was written to the data file, when nobody of ours writes."""
        with self._writer_lock.hold():
            self._monitor.verify()

    def copy(self, file: int) -> None:
        """Write all that is stored, without free space, to an open, empty file.

        Raises:
            StoreError: it cannot be read, or the file not be written.
        """
        with self.reading():  # what cannot be read cannot be copied
            pass
        try:
            with self._resize_lock.shared():
                self._env.copyfd(file, compact=True)
        except (lmdb.Error, OSError) as error:
            raise store_error(self.path, error) from error

    def used_bytes(self) -> int:
        """Bytes of the pages in use: neither the sparse map, nor free pages, nor the free list."""
        with self.reading() as txn:
            stats = [self._env.stat(), *(txn.stat(table) for table in self.tables.values())]
        used = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return (used + 2) * stats[0]["psize"]  # LMDB's own meta pages are two

    def is_owned(self) -> bool:
        """Whether this is the process that opened it."""
        return os.getpid() == self._pid

    def check_not_forked(self) -> None:
        """Raise StoreError in a forked child, which would corrupt what its parent has open."""
        if not self.is_owned():
            raise StoreError(f"a forked process cannot use the store at {self.path}: it belongs to its parent")

    def close(self) -> None:
        """Wait for this process's transactions, then close."""
        with self._resize_lock.exclusive():
            self._monitor.restore_lock_file()
            self._env.close()
            if self._sync:
                self._monitor.record_verified(self.free_of_orphans)
            self.release_locks()

    def release_locks(self) -> None:
        """Close what keeps other processes out, and nothing else: all that a forked child may do."""
        self._writer_lock.close()
        self._presence_lock.close()

    def allow_writing(self) -> None:
        """Open anew what was opened for reading only."""
        if self.readonly:
            self._monitor.check()
            with self._resize_lock.exclusive():
                size = self._env.info()["map_size"]
                self._env.close()
                self._closed_at, self.readonly = size, False
            try:
                self._reopen(None, False)
            except BaseException:
                self.readonly = True  # as before; the next who reads opens it
                raise

    def _reopen(self, broken: lmdb.Environment | None, holds_writer_lock: bool) -> None:
        """Open what had to be closed; before that, close what turned out to be `broken`."""
        with nullcontext() if holds_writer_lock else self._writer_lock.hold(), self._resize_lock.exclusive():
            if broken is not None and self._env is broken and self._closed_at is None:
                self._monitor.restore_lock_file()
                self._closed_at = broken.info()["map_size"]
                broken.close()
            if self._closed_at is not None:  # else another thread was faster
                self._monitor.check_not_replaced()
                if not (self.path / LOCK).exists():
                    self._enter()
                    self._presence_lock.try_lock(False)
                self._use(self._opened(self._closed_at, True))
                self._closed_at = None

    def _grow(self, size: int, incoming: int) -> None:
        """Double the map, found full at `size` bytes, until `incoming` fits into what is new."""
        grown = 2 * size
        while grown < size + incoming + incoming // 32:  # pages cost a little more than their bytes
            grown *= 2
        self._resize(grown)

    def _resize(self, size: int) -> None:
        """Map at least `size` bytes; what another process made of the map where `size` is 0."""
        with self._resize_lock.exclusive():
            before = self._env.info()["map_size"]
            if 0 < size <= before:  # another thread was faster
                return
            try:
                self._env.set_mapsize(size)
            except lmdb.Error as error:
                self._env.close()  # without its map it is of no use; the old size fitted
                self._closed_at = before
                raise store_error(self.path, error) from error


# --- one per process

_environments: dict[str, tuple[Environment, int]] = {}
_opening = threading.Lock()
_inherited: list[object] = []


def acquire(path: Path, sync: bool, map_size: int, readonly: bool = False) -> Environment:
    """The environment of this directory, opened by the first who asks; `release` it when done.

    The first one's `sync` and `map_size` hold for all. What was opened for reading only is opened anew
    for the first who wants to write; who asked for reading must not write, though the environment could.

    Raises:
        StoreError: it cannot be opened, or created, or, for reading, is not there.
    """
    if not readonly:
        directory.make_private(path)
    elif not path.is_dir():
        raise StoreError(f"there is no store at {path}")
    key = os.path.realpath(path)
    with _opening:
        environment, users = _environments.get(key) or (Environment(Path(key), sync, map_size, readonly), 0)
        if not readonly:
            environment.allow_writing()
        _environments[key] = environment, users + 1
        return environment


def is_open(path: Path) -> bool:
    """Whether this process has the environment of this directory open."""
    with _opening:
        return os.path.realpath(path) in _environments


def release(environment: Environment) -> None:
    """Close the environment with its last user."""
    if not environment.is_owned():
        return
    key = str(environment.path)
    with _opening:
        users = _environments[key][1] - 1
        _environments[key] = environment, users
        if not users:
            del _environments[key]
            environment.close()


@contextmanager
def opened(path: Path, *, readonly: bool = False) -> Iterator[Environment]:
    """A store that is there already, open for a while. One of an older format is brought up to date, even to be read.

    Raises:
        StoreError: there is none, or it cannot be opened.
    """
    if not (path / DATA).exists():
        raise StoreError(f"there is no store at {path}")
    try:
        environment = acquire(path, True, MAP_SIZE, readonly)
    except StoreFormatError:
        environment = acquire(path, True, MAP_SIZE)  # refuses what is newer
    try:
        yield environment
    finally:
        release(environment)


def _forget() -> None:
    """In a forked child: the lock may be held for ever, and closing would harm the parent."""
    global _opening
    _opening = threading.Lock()
    _inherited.append(dict(_environments))
    for environment, _ in _environments.values():
        environment.release_locks()
    _environments.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget)
