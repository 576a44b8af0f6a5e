"""Memory that a process has of the one that it was forked of: bytes that many processes need, filled once.

Law: it is given away once in each process, and from then on is the memory of whoever it was given to: pages that
nobody writes to are one for all processes, and a page that somebody writes to becomes that one's own. What cannot be
given is read as if there were nothing.
Neighbours: `frontend.kernel.spare_process` holds it for forks that begin in one state; the store's reader takes it.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from kishu_kernel.process.memory import address_of, memory_at

LEAST_BYTES = 1 << 20
"""Less is copied as fast."""

_PLACE = 16
"""Where in its first page the memory of large arrays begins: behind what the allocator writes."""


class _Held(NamedTuple):
    """Some bytes, in pages that nobody else uses.

    Attributes:
        pages: the address of the first one.
    """

    pages: int
    nbytes: int

    @property
    def start(self) -> int:
        return self.pages + _PLACE

    @property
    def length(self) -> int:
        """Of all pages."""
        return _up(_PLACE + self.nbytes)


_held: dict[Hashable, _Held] = {}


def hold(key: Hashable, nbytes: int, fill: Callable[[memoryview], None]) -> None:
    """Has bytes ready, for the forks of this process. Where there is no memory, they are not.

    Args:
        fill: writes them. What it raises is passed on.
    """
    if key in _held or nbytes < LEAST_BYTES or _libc is None:
        return
    length = _up(_PLACE + nbytes)
    pages = _libc.mmap(None, length, _READ_WRITE, _ANONYMOUS, -1, 0)
    if pages in (None, _FAILED):
        return
    _libc.madvise(pages, length, mmap.MADV_HUGEPAGE)
    held = _Held(pages, nbytes)
    try:
        fill(memory_at(held.start, nbytes))
    except BaseException:
        _libc.munmap(pages, length)
        raise
    _held[key] = held


def given(key: Hashable, target: memoryview) -> bool:
    """Fills `target` with the bytes that are held under a key: their pages are moved. False where there are none."""
    held = _held.get(key)
    if held is None or held.nbytes != target.nbytes or _held.pop(key, None) is None:
        return False
    start = address_of(target)
    if (held.start - start) % mmap.PAGESIZE:
        ctypes.memmove(start, held.start, held.nbytes)
        _libc.munmap(held.pages, held.length)
    else:
        _move(held, start)
    return True


def release() -> None:
    """Gives back what nobody has taken."""
    while _held:
        _, held = _held.popitem()
        _libc.munmap(held.pages, held.length)


def _move(held: _Held, start: int) -> None:
    """Whole pages are moved, what is before and behind them is copied."""
    first = _up(held.start)
    before = first - held.start
    whole = (held.nbytes - before) // mmap.PAGESIZE * mmap.PAGESIZE
    behind = held.nbytes - before - whole
    ctypes.memmove(start, held.start, before)
    ctypes.memmove(start + before + whole, first + whole, behind)
    if _libc.mremap(first, whole, whole, _MAYMOVE | _FIXED, start + before) != start + before:
        # the system has no place for one mapping more, and may have taken away what was to be replaced
        _libc.mmap(start + before, whole, _READ_WRITE, _ANONYMOUS | _MAP_FIXED, -1, 0)
        ctypes.memmove(start + before, first, whole)
        _libc.munmap(first, whole)
    # not all at once: where pages were moved from, another thread may have memory by now
    _libc.munmap(held.pages, first - held.pages)
    if end := held.pages + held.length - (first + whole):
        _libc.munmap(first + whole, end)


def _up(address: int) -> int:
    """To the next page."""
    return -(-address // mmap.PAGESIZE) * mmap.PAGESIZE


_READ_WRITE, _ANONYMOUS, _MAP_FIXED = 3, 0x22, 0x10
_MAYMOVE, _FIXED = 1, 2
_FAILED = ctypes.c_void_p(-1).value


def _functions() -> Any:
    """Those of the C library; None where the system cannot move pages."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    try:
        library.mmap.argtypes, library.mmap.restype = (address, size, number, number, number, ctypes.c_long), address
        library.mremap.argtypes, library.mremap.restype = (address, size, size, number, address), address
        library.munmap.argtypes = (address, size)
        library.madvise.argtypes = (address, size, number)
    except AttributeError:
        return None
    return library


_libc = _functions()
