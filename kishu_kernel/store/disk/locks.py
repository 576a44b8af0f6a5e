"""Who may use an environment at the moment: locks between the threads of this process, and between processes.

Law: nobody waits for ever, and a wait can be interrupted. LMDB's own wait for its writer's lock is neither bounded nor
interruptible, so a lock of ours is taken before it. The locks of a process end with it, however it ends.
Neighbours: `environment` holds all three kinds; `store_files` asks whether a store is open anywhere; `windows_locks` is
what Windows has in the place of `flock`.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kishu_kernel.errors import StoreError

TIMEOUT = 60.0
"""Seconds to wait for other threads or processes before giving up."""

_PAUSES = (0.0002, 0.02)
"""Seconds between two attempts: at first, and at most."""

if sys.platform == "win32":
    from kishu_kernel.store.disk.windows_locks import lock as _lock
    from kishu_kernel.store.disk.windows_locks import unlock as _unlock
else:
    import fcntl

    _MISSING = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}
    """Errors of file systems without such locks: there, LMDB's own locks must do."""

    def _lock(descriptor: int, exclusive: bool) -> bool:
        """Try to lock. The lock belongs to the open file, not to the process: other descriptors do not end it."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _MISSING:
                raise
        return True

    def _unlock(descriptor: int) -> None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


class SharedLock:
    """A read-write lock for threads: many may hold it shared, or one exclusively. Not reentrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with others."""
        with self._changed:
            # whoever waits to be exclusive goes first: readers in a row would starve it
            self._changed.wait_for(lambda: not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone. StoreError where the others do not release it in time."""
        with self._changed:  # held to the end: newcomers wait for it
            self._waiting += 1
            try:
                # bounded: an interrupt at the worst moment can leave the count too high, and a kernel
                # that hangs for ever is worse than a failed commit
                if not self._changed.wait_for(lambda: not self._inside, TIMEOUT):
                    raise StoreError("the store is in use by another thread that does not finish")
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


class FileLock:
    """A lock between processes, on an open file or directory. For one thread at a time.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        flags = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
        self._descriptor: int | None = None
        self._is_beside = sys.platform == "win32" and path.is_dir()
        if not self._is_beside:
            self._descriptor = os.open(path, flags)
        else:
            from kishu_kernel.store.disk.windows_locks import file_for

            with suppress(PermissionError):  # who may only read here locks nobody out
                self._descriptor = os.open(file_for(path), flags | os.O_CREAT, 0o600)

    def descriptor(self) -> int:
        """The descriptor of what is open, whatever the path names by now. OSError after `close`.

        On Windows there is none of a directory, and so the same error.
        """
        if self._descriptor is None or self._is_beside:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._descriptor

    def try_lock(self, exclusive: bool) -> bool:
        """Take the lock, or change its kind. False, at once, where another process is in the way."""
        return self._descriptor is None or _lock(self._descriptor, exclusive)

    def unlock(self) -> None:
        """Release the lock. Without one nothing happens."""
        if self._descriptor is not None:
            _unlock(self._descriptor)

    def close(self) -> None:
        """Close the file, which ends the lock. In a forked child the lock stays with the parent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class WriterLock:
    """The lock of whoever writes to a store: one thread of one process at a time.

    Args:
        file: the data file, which stays open.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = FileLock(file)
        self._thread = threading.Lock()

    @property
    def is_held(self) -> bool:
        """Whether a thread of this process holds it."""
        return self._thread.locked()

    def stat(self) -> os.stat_result:
        """What the file system says of the open file."""
        return os.fstat(self._lock.descriptor())

    def read(self, length: int, place: int = 0) -> bytes:
        """Some bytes of the open file, or fewer at its end."""
        descriptor = self._lock.descriptor()
        if hasattr(os, "pread"):
            return os.pread(descriptor, length, place)
        os.lseek(descriptor, place, os.SEEK_SET)
        return os.read(descriptor, length)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            StoreError: others hold it and do not finish.
        """
        place = self._file.parent
        if not self._thread.acquire(timeout=TIMEOUT):
            raise StoreError(f"the store at {place} is in use by another thread that does not finish")
        try:
            wait_for(lambda: self._lock.try_lock(True), f"the store at {place} is being written by another process")
            try:
                yield
            finally:
                self._lock.unlock()
        finally:
            self._thread.release()

    def close(self) -> None:
        """Close the file."""
        self._lock.close()


def wait_for(happened: Callable[[], bool], otherwise: str) -> None:
    """Ask again and again, ever less often, until `happened` returns true. Can be interrupted.

    Args:
        otherwise: how the error's sentence begins.

    Raises:
        StoreError: it did not happen within `TIMEOUT` seconds.
    """
    pause, most = _PAUSES
    until = time.monotonic() + TIMEOUT
    while not happened():
        if time.monotonic() > until:
            raise StoreError(f"{otherwise} that does not finish: end that one, or try again later")
        time.sleep(pause)
        pause = min(2 * pause, most)
