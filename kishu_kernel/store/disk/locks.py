"""Who may use an environment just now: the threads of this process, and the processes of this machine.

Law: nobody waits for ever, and whoever waits can be interrupted. LMDB's own wait for the writer's turn is neither
bounded nor interruptible, so a turn is taken here first. What a process holds here ends with it, however it ends.
Neighbours: `environment` holds all three, `compact` asks whether it is alone.
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
"""Seconds to wait for others, threads or processes, before giving up."""

_PAUSES = (0.0002, 0.02)
"""Seconds between two looks at a lock: at first, and at most."""

if sys.platform == "win32":

    def _lock(descriptor: int, exclusive: bool) -> bool:
        return True  # LMDB's own locks remain

    def _unlock(descriptor: int) -> None:
        pass

else:
    import fcntl

    _MISSING = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}
    """What file systems answer that have no such locks: there, LMDB's own have to do."""

    def _lock(descriptor: int, exclusive: bool) -> bool:
        """Try to lock. Of the open file, not of the process: closing another descriptor does not end it."""
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
    """For threads: many may be inside at once, or one alone. Not reentrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, with others."""
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
    def exclusive(self) -> Iterator[None]:
        """Inside, with nobody else. StoreError when the others do not leave."""
        with self._changed:  # held to the end: who comes meanwhile waits for it
            self._waiting += 1
            try:
                # bounded: an interrupt at the worst moment can leave a count behind, and a kernel
                # that hangs for ever is worse than a failed commit
                if not self._changed.wait_for(lambda: not self._inside, TIMEOUT):
                    raise StoreError("the store is in use by another thread that does not finish")
                yield
            finally:
                self._waiting -= 1
                self._changed.notify_all()


class FileLock:
    """A lock on an open file or directory, between processes. Safe from any thread if used by one at a time."""

    def __init__(self, path: Path) -> None:
        flags = (getattr(os, name, 0) for name in ("O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
        self._descriptor: int | None = None
        if sys.platform != "win32" or path.is_file():  # Windows opens no directories
            self._descriptor = os.open(path, sum(flags))

    def descriptor(self) -> int:
        """Of what is open, whatever the path names by now. OSError where nothing is."""
        if self._descriptor is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._descriptor

    def try_lock(self, exclusive: bool) -> bool:
        """Lock, or change the kind of lock, if nobody is in the way."""
        return self._descriptor is None or _lock(self._descriptor, exclusive)

    def unlock(self) -> None:
        """Let others in. Without a lock nothing happens."""
        if self._descriptor is not None:
            _unlock(self._descriptor)

    def close(self) -> None:
        """Ends the lock, except in a forked child, where it stays the parent's."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class WriterLock:
    """The writer's turn: one thread of one process at a time, of all that have the file open."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = FileLock(file)
        self._thread = threading.Lock()

    @property
    def is_held(self) -> bool:
        """Whether a thread of this process has it."""
        return self._thread.locked()

    def stat(self) -> os.stat_result:
        """Of the file that was opened."""
        return os.fstat(self._lock.descriptor())

    def read_start(self, length: int) -> bytes:
        """The first bytes of the file that was opened."""
        descriptor = self._lock.descriptor()
        if hasattr(os, "pread"):
            return os.pread(descriptor, length, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, length)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have the turn.

        Raises:
            StoreError: others have it and do not finish.
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
        """Let go of the file."""
        self._lock.close()


def wait_for(happened: Callable[[], bool], otherwise: str) -> None:
    """Look again and again, ever less often; interruptible.

    Raises:
        StoreError: it does not happen for `TIMEOUT` seconds. The sentence begins with `otherwise`.
    """
    pause, most = _PAUSES
    until = time.monotonic() + TIMEOUT
    while not happened():
        if time.monotonic() > until:
            raise StoreError(f"{otherwise} that does not finish: end that one, or try again later")
        time.sleep(pause)
        pause = min(2 * pause, most)
