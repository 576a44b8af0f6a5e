"""A model of CRIU-incremental where it cannot run: the pages that it would write at least, counted.

After each cell every page of the kernel's process that CRIU would dump (private, present, not as it is in a file) is
hashed, from outside. A page whose content is not what it was after the cell before, or zeros where there was none,
counts with its 4 KiB. Images also hold much that is not counted: registers, descriptors, sockets, shared memory,
processes that the kernel started. Where the kernel of the machine marks dirty pages itself, CRIU writes those, which
are at least as many: a page that was written with what it held is dirty, too.

Law: hashing everywhere, so that the model is the same on every machine. It is a count: no time of it means anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xxhash

from benchmarks.harness import BenchmarkError, Kernel
from benchmarks.systems.base import IPYKERNEL, Subject, System, attached

PAGE = 4096
AT_ONCE = 4096
"""Pages that are read together."""

PRESENT = np.uint64(1 << 63)
IN_A_FILE = np.uint64(1 << 61)
"""Bits of an entry of /proc/PID/pagemap. Pages in swap are not counted: reading them would bring them all back."""

NOT_MEMORY = ("[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]")
ZEROS = xxhash.xxh3_64_intdigest(bytes(PAGE))


class PageModel(Subject):
    """Counts; keeps nothing."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._places = np.empty(0, np.uint64)
        self._hashes = np.empty(0, np.uint64)
        self._written = 0

    def settle(self) -> None:
        """Count what differs from the last time; the first time, all."""
        places, hashes = _pages(self.kernel.pid)
        self._written += _changed(self._places, self._hashes, places, hashes)
        self._places, self._hashes = places, hashes

    def stored(self) -> int:
        """Bytes of all pages that would have been written."""
        return self._written * PAGE


def _changed(places: np.ndarray, hashes: np.ndarray, now_places: np.ndarray, now_hashes: np.ndarray) -> int:
    """How many pages have another content. One that was not there held zeros: those need not be written."""
    before = np.full(len(now_places), ZEROS, np.uint64)
    _, was, now = np.intersect1d(places, now_places, assume_unique=True, return_indices=True)
    before[now] = hashes[was]
    return int(np.count_nonzero(before != now_hashes))


def _pages(pid: int) -> tuple[np.ndarray, np.ndarray]:
    """The addresses of a process's own pages, in order, and a hash of each one's content."""
    places: list[np.ndarray] = []
    hashes: list[int] = []
    try:
        with (
            open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps,
            open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap,
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory,
        ):
            for first, last in _private(maps):
                entries = np.frombuffer(
                    os.pread(pagemap.fileno(), (last - first) // PAGE * 8, first // PAGE * 8), np.uint64
                )
                own = np.flatnonzero((entries & (PRESENT | IN_A_FILE)) == PRESENT)
                for run in _runs(own):
                    start = first + int(run[0]) * PAGE
                    content = _read(memory.fileno(), len(run) * PAGE, start)
                    read = len(content) // PAGE
                    places.append(start + np.arange(read, dtype=np.uint64) * np.uint64(PAGE))
                    hashes += [xxhash.xxh3_64_intdigest(content[n * PAGE : (n + 1) * PAGE]) for n in range(read)]
    except OSError as error:
        raise BenchmarkError(f"the pages of a process cannot be read: {error}") from error
    if not places:
        raise BenchmarkError("no page of the process can be seen")
    return np.concatenate(places), np.array(hashes, np.uint64)


def _private(maps: Iterator[str]) -> Iterator[tuple[int, int]]:
    """From which address to which each private mapping goes."""
    for line in maps:
        extent, permissions, *rest = line.split(maxsplit=5)
        name = rest[-1].strip() if len(rest) == 4 else ""
        if permissions.endswith("p") and name not in NOT_MEMORY:
            first, last = (int(address, 16) for address in extent.split("-"))
            yield first, last


def _runs(pages: np.ndarray) -> Iterator[np.ndarray]:
    """Neighbours together, but not too many."""
    for run in np.split(pages, np.flatnonzero(np.diff(pages) != 1) + 1):
        for first in range(0, len(run), AT_ONCE):
            yield run[first : first + AT_ONCE]


def _read(file: int, length: int, start: int) -> memoryview:
    """As much as is there: a thread of the process may have unmapped the rest meanwhile."""
    try:
        return memoryview(os.pread(file, length, start))
    except OSError:
        return memoryview(b"")


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    if not Path("/proc/self/pagemap").exists():
        raise BenchmarkError("it reads /proc, which only Linux has")
    with attached("kishu-kernel", IPYKERNEL, place, PageModel) as subject:
        yield subject


PAGES = System(
    "pages",
    "page model (CRIU-incremental at least)",
    "4 KiB pages of the kernel's process whose content a cell changed, counted; no time of it is reported",
    _start,
    rounds=1,  # a count, not a time
)
