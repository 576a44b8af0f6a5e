"""One LMDB environment per directory and process: opened once, grown when full, never after fork.

Law: LMDB's rules hold whatever the callers do. They are: never open twice in one process (its POSIX
locks belong to the process), never resize while a transaction is open, never use after fork.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import lmdb

from kishu_kernel.errors import KishuError, StoreError
from kishu_kernel.store import schema

if TYPE_CHECKING:
    from lmdb import _Database

MAP_SIZE = 1 << 30
"""Address space to begin with; the file stays as small as its content."""

READERS = 126
TABLES_AT_MOST = 16
PATIENCE = 60.0
"""Seconds to wait for this process's other transactions before a resize is given up."""

Result = TypeVar("Result")


class Environment:
    """An open environment with the tables of `schema`; shared by all stores of this directory."""

    def __init__(self, path: Path, sync: bool, map_size: int) -> None:
        self.path = path
        self._sync = sync
        self._pid = os.getpid()
        self._gate = _Gate()
        make_private(path)
        self._open(map_size)

    def _open(self, map_size: int) -> None:
        try:
            env = lmdb.Environment(
                str(self.path),
                map_size=map_size,
                mode=0o600,
                max_dbs=TABLES_AT_MOST,
                max_readers=READERS,
                max_spare_txns=0,  # a cached one would outlive a resize, and keep a reader's slot
                sync=self._sync,
            )
        except (lmdb.Error, OSError) as error:
            raise self._failure(error) from error
        try:
            for file in self.path.glob("*.mdb"):  # whatever umask or copying made of them
                file.chmod(0o600)
            env.reader_check()  # a killed process's reader would keep its pages from reuse for ever
            self.tables = _open_tables(env)
        except BaseException as error:
            env.close()
            if isinstance(error, lmdb.Error | OSError):
                raise self._failure(error) from error
            raise
        self._env = env

    @contextmanager
    def reading(self, error: type[KishuError] = StoreError) -> Iterator[lmdb.Transaction[memoryview]]:
        """A read transaction: what it gives is valid inside the block only. Keep the block short.

        Raises:
            KishuError: LMDB fails, as the given `error`.
        """
        self.check()
        try:
            while True:
                with self._gate.shared(), suppress(lmdb.MapResizedError):
                    with self._env.begin(buffers=True) as txn:
                        yield txn
                    return
                self._resize(0)
        except lmdb.Error as failure:
            raise error(str(self._failure(failure))) from failure

    def write(self, work: Callable[[lmdb.Transaction[bytes]], Result], incoming: int = 0) -> Result:
        """Run `work` in a write transaction; again from its start where the map had to grow.

        Args:
            work: gets the transaction; what it returns is the result.
            incoming: bytes that it may add, so that growing once is enough.

        Raises:
            StoreError: LMDB fails; nothing was written.
        """
        self.check()
        while True:
            size = 0
            try:
                with self._gate.shared():
                    size = self._env.info()["map_size"]
                    with self._env.begin(write=True) as txn:
                        return work(txn)
            except lmdb.MapFullError:
                self._grow(size, incoming)
            except lmdb.MapResizedError:
                self._resize(0)
            except lmdb.Error as error:
                raise self._failure(error) from error

    def used_bytes(self) -> int:
        """Bytes of the pages in use: neither the sparse map, nor free pages, nor the free list."""
        with self.reading() as txn:
            stats = [self._env.stat(), *(txn.stat(table) for table in self.tables.values())]
        used = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return (used + 2) * stats[0]["psize"]  # LMDB's own meta pages are two

    def owned(self) -> bool:
        """Whether this is the process that opened it."""
        return os.getpid() == self._pid

    def check(self) -> None:
        """Raise StoreError in a forked child, which would corrupt what its parent has open."""
        if not self.owned():
            raise StoreError(f"a forked process cannot use the store at {self.path}: it belongs to its parent")

    def close(self) -> None:
        """Wait for this process's transactions, then close."""
        with self._gate.alone():
            self._env.close()

    def _grow(self, size: int, incoming: int) -> None:
        """Double the map, found full at `size` bytes, until `incoming` fits into what is new."""
        grown = 2 * size
        while grown < size + incoming + incoming // 32:  # pages cost a little more than their bytes
            grown *= 2
        self._resize(grown)

    def _resize(self, size: int) -> None:
        """Map at least `size` bytes; what another process made of the map where `size` is 0."""
        with self._gate.alone():
            before = self._env.info()["map_size"]
            if 0 < size <= before:  # another thread was faster
                return
            try:
                self._env.set_mapsize(size)
            except lmdb.Error as error:
                self._env.close()  # without its map it is of no use; the old size fitted
                self._open(before)
                raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        """What went wrong, as one sentence that names the way out."""
        code = getattr(error, "errno", None) or getattr(error, "code", None)
        full = code in _FULL or (code == errno.EIO and _free(self.path) < _LITTLE)
        if full or isinstance(error, lmdb.DiskError):
            what = "has no room left on its disk: free some space there, and checkpoints resume"
        elif isinstance(error, lmdb.ReadonlyError | PermissionError) or code in _FORBIDDEN:
            what = "cannot be written: make it writable, or name another store directory"
        elif isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.PageNotFoundError):
            what = f"is damaged or is not a store ({error}): move it away, or name another directory"
        else:
            what = f"failed: {error}"
        return StoreError(f"the store at {self.path} {what}")


_FULL = {errno.ENOSPC, errno.EDQUOT}
_LITTLE = 1 << 22
"""Free bytes below which an EIO means a full disk: LMDB reports a write cut short as that."""
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def _free(path: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(path).free
    return 0


class _Gate:
    """Many may be inside at once, or one alone. Not reentrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            # a resize that waits goes first: readers in a row would starve it
            self._changed.wait_for(lambda: not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:  # held to the end: who comes meanwhile waits for it
            self._waiting += 1
            try:
                # bounded: an interrupt at the worst moment can leave a count behind, and a kernel
                # that hangs for ever is worse than a failed commit
                if not self._changed.wait_for(lambda: not self._inside, PATIENCE):
                    raise StoreError("the store is in use by another thread that does not finish")
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


def make_private(path: Path) -> None:
    """Create a directory, and its parents where they are missing, for this user only.

    Raises:
        StoreError: it cannot be created.
    """
    try:
        missing = [place for place in (path, *path.parents) if not place.exists()]
        for place in reversed(missing):
            place.mkdir(0o700, exist_ok=True)  # another process may be doing the same
            place.chmod(0o700)  # whatever the umask left of it
    except OSError as error:
        raise StoreError(f"the store directory {path} cannot be created ({error})") from error


def _open_tables(env: lmdb.Environment) -> dict[str, _Database]:
    """The tables, made where there are none yet. StoreError if they are not ours.

    In a write transaction even where nothing is written: py-lmdb forgets what a read one opened.
    """
    foreign = env.stat()["entries"] > 0
    with _begin_alone(env) as txn:
        meta = env.open_db(b"meta", txn=txn)
        found = txn.get(schema.FORMAT_KEY, db=meta)
        if found is not None:
            schema.check_format(found)
        elif foreign:
            raise StoreError(f"{env.path()} holds an LMDB environment of another program: name another directory")
        else:
            txn.put(schema.FORMAT_KEY, b"%d" % schema.FORMAT, db=meta)
        return {table: env.open_db(table.encode(), txn=txn) for table in schema.TABLES}


def _begin_alone(env: lmdb.Environment) -> lmdb.Transaction[bytes]:
    """A write transaction of an environment that no other thread knows yet."""
    while True:
        try:
            return env.begin(write=True)
        except lmdb.MapResizedError:  # another process grew it since it was opened
            env.set_mapsize(0)


# --- one per process

_environments: dict[str, tuple[Environment, int]] = {}
_opening = threading.Lock()
_inherited: list[object] = []


def acquire(path: Path, sync: bool, map_size: int) -> Environment:
    """The environment of this directory, opened by the first who asks; `release` it when done.

    The first one's `sync` and `map_size` hold for all.
    """
    make_private(path)
    key = os.path.realpath(path)
    with _opening:
        environment, users = _environments.get(key) or (Environment(Path(key), sync, map_size), 0)
        _environments[key] = environment, users + 1
        return environment


def release(environment: Environment) -> None:
    """Close the environment with its last user."""
    if not environment.owned():
        return
    key = str(environment.path)
    with _opening:
        users = _environments[key][1] - 1
        _environments[key] = environment, users
        if not users:
            del _environments[key]
            environment.close()


def _forget() -> None:
    """In a forked child: the lock may be held for ever, and closing would harm the parent."""
    global _opening
    _opening = threading.Lock()
    _inherited.append(dict(_environments))
    _environments.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget)
