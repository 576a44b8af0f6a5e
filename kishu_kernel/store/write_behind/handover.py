"""Jobs that a kernel which must end could not write in time, handed over to a process that outlives it.

Law: the store has a record of everything before it is handed over, so nothing depends on whether it arrives. The other
process gets copies, of one moment each, in memory that only the two processes know. Nothing is forked, and no file is
made but a marker: a locked file in the store's directory which says that somebody is still writing. The lock ends with
the process that holds it, however that ends.

Linux only. Other systems have no such memory: there, what cannot be written in time is missing, and reported so.
Neighbours: `parcel` is what is handed over, `writer_process` is the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.store.format.signing import signing_policy
from kishu_kernel.store.write_behind.jobs import Job
from kishu_kernel.store.write_behind.parcel import pack

MARKER = "unwritten-"
"""How the names of markers begin, in a store's directory."""

_MEMORY_FACTOR = 1.3
"""So many times the bytes that are copied must be free in memory."""

_START = (
    "import sys; sys.path[:] = {path!r}; "
    "from kishu_kernel.store.write_behind.writer_process import main; main({file}, {marker!r})"
)


# --- handing over


def hand_over(jobs: Sequence[Job], path: Path, key: Path, seconds: float) -> bool:
    """Start a process that writes these jobs, whose records are in the store. O(bytes of the payloads).

    Args:
        jobs: with checkpoints.
        path: the store.
        key: the file of the user's key, which signs what is written.
        seconds: after which that process ends, whatever is left.

    Returns:
        Whether there is such a process, with copies of its own. False where there can be none.
    """
    needed = sum(job.size for job in jobs)
    if not hasattr(os, "memfd_create") or sys.platform != "linux" or not _fits(needed):
        return False
    deadline = time.monotonic() + seconds  # of the machine: the other process has the same clock
    try:
        with _closing(os.memfd_create("kishu-unwritten")) as memory, _marker_file(path) as (marker, locked):
            pack(jobs, path, key, deadline, memory)
            _spawn(memory, marker, locked)
    except (OSError, StoreError, subprocess.SubprocessError):
        return False
    return True


def _fits(size: int) -> bool:
    """Whether there is memory for a copy of so many bytes."""
    import psutil

    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # a container's own limit
        limit = Path("/sys/fs/cgroup/memory.max").read_text()
        free = min(free, int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    return size * _MEMORY_FACTOR < free


def _spawn(memory: int, marker: Path, locked: int) -> None:
    """Start the process. Nothing of the notebook's comes with it: neither its directory, output nor process group."""
    path = [each for each in sys.path if each]
    started = subprocess.Popen(
        [sys.executable, "-I", "-c", _START.format(path=path, file=memory, marker=str(marker))],
        pass_fds=(memory, locked),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env={**os.environ, **signing_policy().environment()},
    )
    started.returncode = 0  # nobody waits for it


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _marker_file(path: Path) -> Iterator[tuple[Path, int]]:
    """A new marker and its descriptor. The lock belongs to the open file, so the other process inherits it."""
    import fcntl

    marker = path / f"{MARKER}{os.getpid()}"
    with _closing(os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield marker, descriptor
        except BaseException:
            marker.unlink(missing_ok=True)
            raise


# --- waiting for it


def being_written(path: Path) -> bool:
    """Whether a process that outlives its kernel is still writing to this store. Removes markers left by others."""
    held = [marker for marker in path.glob(MARKER + "*") if _is_locked(marker)]
    return bool(held)


def wait_until_written(path: Path, seconds: float, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Wait until no such process is writing. False where the time was too short, or `should_stop` returned true."""
    deadline = time.monotonic() + seconds
    while being_written(path):
        if time.monotonic() > deadline or should_stop():
            return False
        time.sleep(0.02)
    return True


def _is_locked(marker: Path) -> bool:
    """Whether somebody holds the lock of a marker. One that nobody holds is removed."""
    import fcntl

    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    with _closing(descriptor):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        with suppress(OSError):
            marker.unlink()
        return False
