"""One LMDB environment: opened after its files were checked, grown when full, closed and opened again when it must be.

Law: LMDB's rules are kept whatever the callers do. Among them: never resize the map while a transaction is open, never
use an environment after a fork. (Never open a directory twice in one process: `environment_pool`.)
Neighbours: `directory`, `integrity` and `file_monitor` judge the files before LMDB sees them; `locks` says who may use
it at the moment; `tables` opens the tables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import lmdb

from kishu_kernel.errors import KishuError, StoreError
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
    """An open environment with the tables of `schema`. Safe from any thread.

    Args:
        path: the directory.
        sync: false leaves out fsync.
        map_size: address space to begin with.
        readonly: nothing is written or created.

    Attributes:
        tables: by their names. Opened for reading, it lacks those that the store does not have yet.
        readonly: nothing can be written.
        free_of_orphans: no interrupted commit can have left chunks that no manifest names.

    Raises:
        StoreDamagedError: LMDB would crash on the data file.
        StoreFormatError: a newer kishu-kernel wrote it.
        StoreError: it cannot be opened or created, or other processes do not make way.
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
            # shared by all who have the store open; exclusive for preparing its files, and for compacting it
            try:
                self._presence_lock = FileLock(path)
            except OSError as error:
                raise store_error(path, error) from error
            undo.callback(self._presence_lock.close)
            wait_for(self._enter, f"the store at {path} is being prepared by another process")
            new = not directory.has_data(self.path)
            self._writer_lock = self._open_writer_lock()
            undo.callback(self._writer_lock.close)
            env = self._opened(map_size, False)
            undo.callback(env.close)
            with nullcontext() if readonly else self._writer_lock.hold():
                self._use(env)
            if new:
                directory.sync_directory(path)
                integrity.record_verified(path, True)  # from now on, an empty data file is a damaged one
            # from exclusive to shared: only now may others open it, who expect the files to be prepared
            wait_for(
                lambda: self._presence_lock.try_lock(False), f"the store at {path} is being compacted by a process"
            )
            undo.pop_all()

    def _enter(self) -> bool:
        """Prepare the files if no process has the store open. Whether the presence lock is held now."""
        exclusive = self._presence_lock.try_lock(True)
        if exclusive:
            directory.check_files(self.path)
            integrity.check_not_emptied(self.path)
            try:
                if not self.readonly:
                    directory.create_data(self.path)
                if not self.readonly or directory.has_data(self.path):
                    directory.reserve_lock(self.path)
            except OSError as error:
                if not self.readonly or not directory.is_forbidden(error):  # to read, LMDB needs no lock file
                    raise store_error(self.path, error) from error
        return exclusive or self._presence_lock.try_lock(False)

    def _open_writer_lock(self) -> WriterLock:
        """The writer's lock, which is on the data file."""
        directory.check_files(self.path)
        if self.readonly and not directory.has_data(self.path):
            raise StoreError(f"there is no store at {self.path}")
        try:
            return WriterLock(self._data)
        except OSError as error:
            raise store_error(self.path, error) from error

    def _opened(self, map_size: int, holds_writer_lock: bool) -> lmdb.Environment:
        """LMDB's environment, opened after the files were checked."""
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
                env = self._mapped(map_size, lock=False)  # the lock file cannot be written either
        except (lmdb.Error, OSError) as error:
            raise store_error(self.path, error) from error
        try:
            self._monitor = FileMonitor(self.path, env.stat()["psize"], self._writer_lock)
            if not self.readonly:
                directory.close_files(self.path, new)
            env.reader_check()  # the reader slot of a killed process would keep its pages from reuse for ever
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
            max_spare_txns=0,  # a cached transaction would outlive a resize, and keep a reader slot
            sync=self._sync,
            readonly=self.readonly,
            create=not self.readonly,
            lock=lock,
        )

    def _use(self, env: lmdb.Environment) -> None:
        """Open the tables, and go on with this environment. The caller holds the writer's lock."""
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
        """A read transaction. What it returns is valid inside the block only. Keep the block short.

        Args:
            error: the exception to raise where LMDB fails.

        Raises:
            KishuError: LMDB fails (as `error`).
        """
        self.check_not_forked()
        try:
            with ExitStack() as inside:
                yield self._begin(inside, write=False)
        except lmdb.Error as failure:
            raise error(str(store_error(self.path, failure))) from failure

    def read_data(self, place: int, size: int) -> bytes:
        """Bytes of the data file, or fewer at its end. Pages of a transaction stay while it is open. OSError."""
        return self._writer_lock.read(size, place)

    def write(self, work: Callable[[lmdb.Transaction[bytes]], Result], incoming: int = 0) -> Result:
        """Run `work` in a write transaction, and return what it returns. Other writers are waited for.

        Args:
            work: is called with the transaction; again, with a new one, where the map had to grow.
            incoming: bytes that it may add, so that the map grows once at most.

        Raises:
            StoreError: LMDB fails, other writers do not finish, or the files were exchanged. Nothing was written.
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
        """Begin a transaction that ends with `inside`. Resizes the map and opens the environment again as needed."""
        reopened = False
        while True:
            if self._closed_at is not None:
                self._reopen(None, write)
            with ExitStack() as attempt:
                attempt.enter_context(self._resize_lock.shared())
                env = self._env
                try:
                    suspicious = self._monitor.check() and not write and not self._writer_lock.is_held
                    if not suspicious:
                        begun: lmdb.Transaction[Any] = env.begin(write=True) if write else env.begin(buffers=True)
                        txn = attempt.enter_context(begun)
                        inside.push(attempt.pop_all())
                        return txn
                    then = self._look_again
                except lmdb.MapResizedError:
                    then = partial(self._resize, 0)
                except (lmdb.PanicError, LockFileLostError):
                    # LMDB once could not write its meta pages, and refuses everything since; or its lock file is gone
                    if reopened:
                        raise
                    then, reopened = partial(self._reopen, env, write), True
            then()

    def _look_again(self) -> None:
        """Verify the data file, at a moment when no kishu-kernel writes to it."""
        with self._writer_lock.hold():
            self._monitor.verify()

    def copy(self, file: int) -> None:
        """Write all that is stored, without free space, to an open, empty file. O(bytes of the store).

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
        """Bytes of the pages in use: without free pages, the list of those, and the unused rest of the map."""
        with self.reading() as txn:
            stats = [self._env.stat(), *(txn.stat(table) for table in self.tables.values())]
        used = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return (used + 2) * stats[0]["psize"]  # LMDB's own meta pages are two

    def is_owned(self) -> bool:
        """Whether this process opened it, and not the one that it was forked from."""
        return os.getpid() == self._pid

    def check_not_forked(self) -> None:
        """Raise StoreError in a forked child, which would corrupt the store that its parent has open."""
        if not self.is_owned():
            raise StoreError(f"a forked process cannot use the store at {self.path}: it belongs to its parent")

    def close(self) -> None:
        """Wait for the transactions of this process, then close. Records that the file is whole."""
        with self._resize_lock.exclusive():
            self._monitor.restore_lock_file()
            self._env.close()
            if self._sync:
                self._monitor.record_verified(self.free_of_orphans)
            self.release_locks()

    def keep_others_out(self) -> bool:
        """Let no other process open it until this one has closed it. False where one has it open: it stays so."""
        if self._presence_lock.try_lock(True):
            return True
        self._presence_lock.try_lock(False)  # what was asked for in vain has ended what there was
        return False

    def make_durable(self) -> None:
        """Have all on the disk that was written, in an environment without fsync, which is about to be closed.

        Raises:
            StoreError: the disk failed.
        """
        self.check_not_forked()
        try:
            with self._resize_lock.shared():
                self._env.sync(True)
        except lmdb.Error as error:
            raise store_error(self.path, error) from error
        self._sync = True

    def release_locks(self) -> None:
        """Close the locks and nothing else, which is all that a forked child may do."""
        self._writer_lock.close()
        self._presence_lock.close()

    def allow_writing(self) -> None:
        """Open again for writing what was opened for reading only."""
        if self.readonly:
            self._monitor.check()
            with self._resize_lock.exclusive():
                size = self._env.info()["map_size"]
                self._env.close()
                self._closed_at, self.readonly = size, False
            try:
                self._reopen(None, False)
            except BaseException:
                self.readonly = True  # as before; the next reader opens it again
                raise

    def _reopen(self, broken: lmdb.Environment | None, holds_writer_lock: bool) -> None:
        """Open the environment again.

        Args:
            broken: an environment to close first, unless another thread has done so; None where it is closed already.
            holds_writer_lock: the caller holds it.
        """
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
        """Double the size of the map, which was full at `size` bytes, until `incoming` bytes more fit."""
        grown = 2 * size
        while grown < size + incoming + incoming // 32:  # pages cost a little more than their bytes
            grown *= 2
        self._resize(grown)

    def _resize(self, size: int) -> None:
        """Map at least `size` bytes; 0 takes over the size that another process has given the map."""
        with self._resize_lock.exclusive():
            before = self._env.info()["map_size"]
            if 0 < size <= before:  # another thread was faster
                return
            try:
                self._env.set_mapsize(size)
            except lmdb.Error as error:
                self._env.close()  # it has lost its map; the old size did fit
                self._closed_at = before
                raise store_error(self.path, error) from error
