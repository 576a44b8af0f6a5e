"""Are the files still as LMDB left them? Asked before every transaction of an open store.

LMDB maps its files and trusts them: where another program has cut one short, the next access is a SIGBUS; where one was
overwritten, an assertion. A few system calls (10 us) tell beforehand: what the file system says of the files, and the
two meta pages at the beginning.

Law: looks at the files, never at the map. What happens to them during a transaction is not seen: that is milliseconds,
and large values are read from the file anyway (`direct_reads`).
Neighbours: `environment` asks; `integrity` walks a file that something else than LMDB has written to.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from kishu_kernel.errors import StoreDamagedError, StoreError
from kishu_kernel.store.disk import directory, integrity, meta_pages
from kishu_kernel.store.disk.directory import DATA, LOCK
from kishu_kernel.store.disk.disk_errors import store_error
from kishu_kernel.store.disk.locks import WriterLock

_ATTEMPTS = 4
_PAUSE = 0.002
"""Seconds between attempts: another process may be writing the meta pages at this very moment."""


class LockFileLostError(StoreError):
    """The lock file was cut short, removed or replaced: the environment must be closed, and opened again."""


class _FileState(NamedTuple):
    """What the data file's meta pages and the file system say of it.

    Attributes:
        transaction: the newest one.
        heads: the two meta pages, the newer one first.
        start: the two meta pages, in the order of the file.
        needed: bytes up to the end of the last page in use.
        size: bytes of the file.
        modified: time of change (ns).
    """

    transaction: int
    heads: tuple[bytes, bytes]
    start: tuple[bytes, bytes]
    needed: int
    size: int
    modified: int


class FileMonitor:
    """Watches the files of an environment that has just been opened. Safe from any thread.

    Args:
        path: the directory.
        writer_lock: has the data file open.

    Raises:
        StoreError: the files are not those that were opened.
    """

    def __init__(self, path: Path, page_size: int, writer_lock: WriterLock) -> None:
        self._path = path
        self._page_size = page_size
        self._writer_lock = writer_lock
        self._changing = threading.Lock()
        self._rejected: tuple[_FileState, str] | None = None
        self._lock_file = os.fspath(path / LOCK)
        self._lock = _stat(self._lock_file)
        self._identity = _identity(writer_lock.stat())
        self._min_size = 0
        self._state = self._now()
        self._min_size = self._state.size
        self.check_not_replaced()

    def check(self) -> bool:
        """Make sure that LMDB can begin a transaction. About 10 microseconds.

        Returns:
            Whether the data file was written to without a new transaction: somebody is writing now, or died while he
            wrote, or it was not LMDB. `verify` finds out.

        Raises:
            StoreError: the data file was cut short, overwritten or replaced.
            LockFileLostError: the data file is as it was, but the lock file is gone.
        """
        if self._lock is not None and self._lock_lost(self._lock):
            raise LockFileLostError(
                f"the lock file of the store at {self._path} was removed or cut short while it was open"
            )
        before, now = self._compared()
        if self._rejected is not None and self._rejected[0] == now:
            raise StoreDamagedError(self._rejected[1])
        if now.transaction == before.transaction:
            return (now.size, now.modified) != (before.size, before.modified)
        with self._changing:
            if now.transaction > self._state.transaction:
                self._state, self._min_size = now, now.size
        return False

    def verify(self) -> None:
        """Walk the data file, which somebody may have written to. The caller holds the writer's lock.

        Raises:
            StoreDamagedError: LMDB would crash on it.
        """
        try:
            integrity.verify(self._path, 1)
        except StoreDamagedError as error:
            self._rejected = self._now(), str(error)
            raise
        self._accept_current()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within this context the data file is written by us. The caller holds the writer's lock.

        At the end, also of a failed transaction, the file as it is then is accepted as ours.

        Raises:
            StoreError: before anything is written: the data file is not as LMDB left it, or not in its place any more.
        """
        with suppress(LockFileLostError):  # handled when the transaction begins
            if self.check():
                self.verify()
        self.check_not_replaced()
        try:
            yield
        finally:
            with suppress(StoreError):  # the next check raises it
                self._accept_current()

    def check_not_replaced(self) -> None:
        """Raise StoreError where the path names another data file, or none: commits would be lost."""
        try:
            found = _identity((self._path / DATA).stat())
        except (FileNotFoundError, NotADirectoryError):
            found = None
        except OSError as error:
            raise store_error(self._path, error) from error
        if found != self._identity:
            what = "replaced" if found else "removed"
            raise StoreError(
                f"the store at {self._path} was {what} while it was open: "
                "put back what was there, or restart the kernel to go on with what is there now"
            )

    def restore_lock_file(self) -> None:
        """Make it safe to close LMDB, which reads its lock file once more: give a truncated one its length again."""
        facts = _stat(self._lock_file)
        if self._lock is not None and facts is not None and facts.st_size < self._lock.st_size:
            with suppress(OSError):  # by name: closing a descriptor of it would end LMDB's own locks
                os.truncate(self._lock_file, self._lock.st_size)

    def record_verified(self, free_of_orphans: bool) -> None:
        """Record for the next process that the data file is whole, if nobody but LMDB has written to it."""
        with suppress(StoreError):
            if not self.check():
                self.check_not_replaced()
                integrity.record_verified(self._path, free_of_orphans)

    def _lock_lost(self, before: os.stat_result) -> bool:
        """Whether the lock file that LMDB has mapped was cut short, or is not the one that others would open."""
        now = _stat(self._lock_file)
        if now is not None and _identity(now) == _identity(before):
            return now.st_size < before.st_size
        data = _stat(self._path / DATA)
        return data is not None and _identity(data) == self._identity  # else the whole store was removed

    def _compared(self) -> tuple[_FileState, _FileState]:
        """The state before and now. StoreError where LMDB cannot have made the one of the other."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(StoreError):
                return self._once()
            time.sleep(_PAUSE)
        return self._once()

    def _once(self) -> tuple[_FileState, _FileState]:
        before = self._state  # first: another thread may finish a transaction at any moment
        now = self._now(before)
        if now.transaction < before.transaction:
            raise self._replaced_error("an older copy of it")
        if now.transaction == before.transaction and now.heads[0] != before.heads[0]:
            raise self._replaced_error("another one")
        return before, now

    def _now(self, before: _FileState | None = None) -> _FileState:
        """The state now. Cheap where the meta pages are those of `before`. StoreError for a file that is too short."""
        try:
            facts = self._writer_lock.stat()
            begin = self._writer_lock.read(self._page_size + meta_pages.META_SIZE)
        except OSError as error:
            raise store_error(self._path, error) from error
        start = begin[: meta_pages.META_SIZE], begin[self._page_size :]
        if before is None or start != before.start:
            before = self._parsed(start, facts.st_size)
        # free pages at its end may never have been written, so it may be shorter than `needed`, but not than it was
        directory.check_size(self._path, min(self._min_size, before.needed), facts.st_size)
        return before._replace(size=facts.st_size, modified=facts.st_mtime_ns)

    def _parsed(self, start: tuple[bytes, bytes], size: int) -> _FileState:
        found = [meta_pages.parse_meta(data, number, self._page_size) for number, data in enumerate(start)]
        directory.check_size(self._path, 2 * self._page_size, size)
        first, second = found
        if first is None or second is None:
            raise self._replaced_error("something else")
        newest = max(first, second)
        heads = start if newest is first else start[::-1]
        return _FileState(newest.transaction, heads, start, (newest.last + 1) * self._page_size, 0, 0)

    def _accept_current(self) -> None:
        now = self._now()
        with self._changing:
            self._state, self._min_size, self._rejected = now, now.size, None

    def _replaced_error(self, what: str) -> StoreError:
        return StoreError(
            f"the store at {self._path} was replaced while it was open, by {what}: "
            "put back what was there, or restart the kernel to go on with what is there now"
        )


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _stat(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
