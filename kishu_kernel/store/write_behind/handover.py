"""What a process that must end could not write in time, given to one that outlives it (`finisher`).

Law: the store has a record of everything before it is given away, so that nothing depends on whether it arrives. What
is given are copies, of one moment each, in memory that only the two processes know: nothing is forked, no file is
made but the marker that somebody is still writing. A marker is a lock: it ends with who holds it, however that ends.
Linux only: elsewhere there is no such memory, and what cannot be written in time is missing, and told.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Buffer, Checkpoint, CheckpointId, Payload
from kishu_kernel.store.format import schema, torn_reads
from kishu_kernel.store.format.checkpoints import decode_checkpoint, encode_checkpoint
from kishu_kernel.store.format.chunks import flat_bytes, is_live
from kishu_kernel.store.write_behind.jobs import Job

MARKER = "unwritten-"
"""Begins the names of the files, in a store's directory, that stand for who is still writing."""

_STEP = 8 << 20
_THREADS = 6
_MEMORY_FACTOR = 1.3
"""Times the bytes that are copied must be free in memory."""

_START = (
    "import sys; sys.path[:] = {path!r}; "
    "from kishu_kernel.store.write_behind.writer_process import main; main({file}, {marker!r})"
)


# --- giving


def hand_over(jobs: Sequence[Job], path: Path, key: Path, seconds: float) -> bool:
    """Starts a process that writes these checkpoints, whose records are in the store.

    Args:
        path: the store.
        key: the file of the key that signs what is written.
        seconds: after which that process ends.

    Returns:
        Whether there is such a process, with copies of its own; false where there can be none.
    """
    needed = sum(job.size for job in jobs)
    if not hasattr(os, "memfd_create") or sys.platform != "linux" or not _fits(needed):
        return False
    deadline = time.monotonic() + seconds  # of the machine: the other process has the same clock
    try:
        with _closing(os.memfd_create("kishu-unwritten")) as memory, _marker_file(path) as (marker, locked):
            _pack(jobs, path, key, deadline, memory)
            _spawn(memory, marker, locked)
    except (OSError, StoreError, subprocess.SubprocessError):
        return False
    return True


def _fits(size: int) -> bool:
    """Whether there is memory for a copy of so many bytes."""
    import psutil

    free = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):  # a container's own limit
        most = Path("/sys/fs/cgroup/memory.max").read_text()
        free = min(free, int(most) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    return size * _MEMORY_FACTOR < free


def _spawn(memory: int, marker: Path, locked: int) -> None:
    """Nothing of the notebook's comes with it: no path of its working directory, no output, no process group."""
    path = [each for each in sys.path if each]
    started = subprocess.Popen(
        [sys.executable, "-I", "-c", _START.format(path=path, file=memory, marker=str(marker))],
        pass_fds=(memory, locked),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
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
    """A new marker, locked by who has its descriptor: the lock is the open file's, whoever has it open."""
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
    """Whether a process that outlives its kernel is still writing to this store. Sweeps what others have left."""
    held = [marker for marker in path.glob(MARKER + "*") if _is_locked(marker)]
    return bool(held)


def wait_until_written(path: Path, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
    """Waits until nobody is, or `until` says so. False where the time was too short."""
    deadline = time.monotonic() + seconds
    while being_written(path):
        if time.monotonic() > deadline or until():
            return False
        time.sleep(0.02)
    return True


def _is_locked(marker: Path) -> bool:
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


# --- the parcel: all bytes, then a JSON object that says what they are, then 16 bytes that say where it stands


_PLACE = struct.Struct("<QQ")
assert _PLACE.size == 16


class Parcel:
    """What was given, as it arrives.

    Attributes:
        path: the store.
        key: the file of the key.
        deadline: of the machine's monotonic clock.
        jobs: checkpoints, without their cells' outputs, and their payloads.
    """

    def __init__(self, memory: memoryview) -> None:
        start, size = _PLACE.unpack(memory[-_PLACE.size :])
        said = schema.load(bytes(memory[start : start + size]))
        self.path = Path(said["path"])
        self.key = Path(said["key"])
        self.deadline = float(said["deadline"])
        self.jobs = [(_checkpoint(job, memory), _payloads(job, memory)) for job in said["jobs"]]


def _checkpoint(job: dict[str, Any], memory: memoryview) -> Checkpoint:
    return decode_checkpoint(CheckpointId(job["id"]), bytes(_at(job["record"], memory)), b"")


def _payloads(job: dict[str, Any], memory: memoryview) -> list[Payload]:
    return [
        Payload(
            tuple(each["names"]),
            each["codec"],
            bytes(_at(each["stream"], memory)),
            tuple(
                Buffer(_at(place, memory).toreadonly(), row, item, direct, copied=True)
                for place, row, item, direct in each["buffers"]
            ),
            each["made_by"],
        )
        for each in job["payloads"]
    ]


def _at(place: Sequence[int], memory: memoryview) -> memoryview:
    start, size = place
    return memory[start : start + size]


def _pack(jobs: Sequence[Job], path: Path, key: Path, deadline: float, memory: int) -> None:
    copies = _Copies(memory)
    packed = [[(payload, _described(payload, copies)) for payload in job.payloads] for job in jobs]
    torn = copies.make()
    said = {
        "path": str(path.resolve()),
        "key": str(key.resolve()),
        "deadline": deadline,
        "jobs": [_whole(job, payloads, torn, copies) for job, payloads in zip(jobs, packed, strict=True)],
    }
    copies.append(_PLACE.pack(*copies.append(schema.dump(said))))


def _described(payload: Payload, copies: _Copies) -> dict[str, Any]:
    return {
        "names": payload.names,
        "codec": payload.codec,
        "stream": copies.add(memoryview(payload.stream), live=False),
        "buffers": [
            (copies.add(flat_bytes(each.data), is_live(each)), each.row_bytes, each.item_bytes, each.direct)
            for each in payload.buffers
        ],
        "made_by": dict(payload.made_by),
    }


def _whole(
    job: Job, payloads: Sequence[tuple[Payload, dict[str, Any]]], torn: Container[int], copies: _Copies
) -> dict[str, Any]:
    """What is said of a job: without the payloads whose memory changed while it was copied."""
    assert job.checkpoint is not None
    changed = [payload for payload, said in payloads if any(place[0] in torn for place, *_ in said["buffers"])]
    return {
        "id": job.checkpoint.id,
        "record": copies.append(encode_checkpoint(torn_reads.without_payloads(job.checkpoint, changed))),
        "payloads": [said for payload, said in payloads if all(payload is not each for each in changed)],
    }


class _Piece(NamedTuple):
    """Of something that is to stand at `start`."""

    start: int
    at: int
    data: memoryview
    live: bool


class _Copies:
    """Copies, one behind the other. By several threads: a machine that is busy gives a share to each."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._end = 0
        self._pieces: list[_Piece] = []

    def add(self, data: memoryview, live: bool) -> tuple[int, int]:
        """Where it will stand, and its length."""
        start = self._end
        for at in range(0, data.nbytes, _STEP):
            self._pieces.append(_Piece(start, start + at, data[at : at + _STEP], live))
        self._end += data.nbytes
        return start, data.nbytes

    def make(self) -> frozenset[int]:
        """Makes them, then looks again at all that is live. Returns where those stand that are not of one moment."""
        with ThreadPoolExecutor(_THREADS) as pool:
            before = list(pool.map(self._copy, self._pieces))
            after = list(pool.map(_digest, self._pieces))
        pieces = zip(self._pieces, before, after, strict=True)
        return frozenset(piece.start for piece, one, other in pieces if one != other)

    def append(self, data: bytes) -> tuple[int, int]:
        """One more, at once."""
        place = self.add(memoryview(data), live=False)
        self._copy(self._pieces[-1])
        return place

    def _copy(self, piece: _Piece) -> bytes:
        digest, at, view = _digest(piece), piece.at, piece.data
        while view.nbytes:
            written = os.pwrite(self._memory, view, at)
            at, view = at + written, view[written:]
        return digest


def _digest(piece: _Piece) -> bytes:
    return xxhash.xxh3_128_digest(piece.data) if piece.live else b""
