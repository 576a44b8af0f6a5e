"""Where the memory of arrays lies, and which of it overlaps. For fingerprints, and for the codec."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import Any

LARGE = 64 << 20
"""Bytes. Who wants to read more asks first what there is to read."""


def address(array: Any) -> int:
    """Where the first element of a numpy array lies."""
    return int(array.__array_interface__["data"][0])


_WRITEABLE = 0x400


def is_writeable(array: Any) -> bool:
    """As `array.flags.writeable`, which warns of the results of `numpy.broadcast_arrays`."""
    return bool(array.flags.num & _WRITEABLE)


def bounds(array: Any) -> tuple[int, int]:
    """First address and end of a non-empty numpy array's memory, whatever its strides."""
    start = end = address(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return start, end + array.itemsize


def is_folded(array: Any) -> bool:
    """A view that shows the same memory more than once, or may: its shape says nothing of what it occupies."""
    start, end = bounds(array)
    reach = array.itemsize
    if end - start < array.nbytes:
        return True
    for stride, length in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < reach:
            return True
        reach += (length - 1) * stride
    return False


def root_of(array: Any) -> Any:
    """The array whose memory a numpy array shows, as far as there are arrays of the same type behind it."""
    while True:
        base = array.base
        if _is_between(type(base)):  # what `as_strided` puts between the two
            base = base.base
        if type(base) is not type(array):
            return array
        array = base


def _is_between(kind: type) -> bool:
    """What `as_strided` puts between an array and the one that it shows."""
    module, name = (str(type.__dict__[each].__get__(kind)) for each in ("__module__", "__name__"))
    return name == "DummyArray" and module.startswith("numpy.")


def is_mapped(array: Any) -> bool:
    """Whether the memory of a numpy array is a `mmap`'s: a file's, mostly."""
    plain = sys.modules["numpy"].ndarray
    owner = array
    while issubclass(type(owner), plain):  # others may have a `base` that runs code of the user's
        owner = plain.__dict__["base"].__get__(owner)
    if type(owner) is memoryview:
        owner = owner.obj
    return issubclass(type(owner), mmap.mmap)


def file_at(start: int, end: int) -> tuple[object, ...] | None:
    """What identifies the content of memory that is a file's and that nobody can write to.

    Returns:
        The file, when it was changed last, and the place in it. None where it is no file's, or where it can be
        written to through this memory, or where the system does not tell.
    """
    for first, last, how, place, name in _mappings():
        if first <= start and end <= last and "w" not in how and name.startswith("/"):
            try:
                found = os.stat(name)
            except OSError:
                return None
            return name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, place + start - first
    return None


class Blank:
    """Knows which parts of some memory were never touched: they are zeros, and to read them would take time, and pages.

    Args:
        start: the address; the memory is looked at now.
    """

    def __init__(self, start: int, size: int) -> None:
        self._start = start % mmap.PAGESIZE
        self._touched = _touched_pages(start, size) if size >= LARGE else None

    def covers(self, place: int, length: int) -> bool:
        """Whether these bytes, counted from the start, are all untouched. False where nobody knows."""
        if self._touched is None or not length:
            return False
        first = (self._start + place) // mmap.PAGESIZE
        last = (self._start + place + length - 1) // mmap.PAGESIZE
        return not self._touched[first : last + 1].any()


def _touched_pages(start: int, size: int) -> Any:
    """An array of whether the pages of anonymous memory are there or swapped out; None where nobody knows."""
    numpy = sys.modules.get("numpy")
    first, last = start // mmap.PAGESIZE, (start + size - 1) // mmap.PAGESIZE
    if numpy is None or not _is_anonymous(first * mmap.PAGESIZE, (last + 1) * mmap.PAGESIZE):
        return None
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            touched = numpy.empty(last + 1 - first, bool)
            for place in range(0, touched.size, _PAGES):
                count = min(_PAGES, touched.size - place)
                entries = numpy.frombuffer(os.pread(file.fileno(), count * 8, (first + place) * 8), "<u8")
                touched[place : place + count] = entries >> 61 != 0  # there, swapped out, or of a file
    except (OSError, ValueError):  # not on every system, or not for everybody
        return None
    return touched


_PAGES = 1 << 16


def _is_anonymous(start: int, end: int) -> bool:
    """Whether all of this memory is the process's own, and no file's."""
    for first, last, how, _, name in _mappings():
        if first <= start < last:
            if not how.endswith("p") or not how.startswith("rw") or (name and name != "[heap]"):
                return False
            start = last
            if start >= end:
                return True
    return False


def zeros(length: int) -> memoryview:
    """So many bytes of zeros; not more than `SPREAD`."""
    return _ZEROS[:length]


SPREAD = 1 << 20
_ZEROS = memoryview(bytes(SPREAD))


def _mappings() -> list[tuple[int, int, str, int, str]]:
    """Where this process has its memory from: first address and end, what may be done, place in the file, its name."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(None, 5) for line in file]
    except OSError:  # not on every system
        return []
    found = []
    for span, how, place, _, _, *name in lines:
        first, last = (int(each, 16) for each in span.split("-"))
        found.append((first, last, how, int(place, 16), name[0] if name else ""))
    return found


def block_at(start: int, size: int, owner: Any = None) -> Any:
    """The bytes at an address, as an object that has a buffer. It keeps `owner` alive; without one the caller does.

    What is to be a `PickleBuffer` must be of this and not of a view: CPython before 3.13 crashes when the collector
    clears a view of a `PickleBuffer` of a view.
    """
    block = (ctypes.c_char * size).from_address(start)
    block.owner = owner  # type: ignore[attr-defined]
    return block


def memory_at(start: int, size: int, owner: Any = None) -> memoryview:
    """The bytes at an address. They keep `owner` alive; without one the caller sees to it."""
    return memoryview(block_at(start, size, owner)).cast("B")


def overlaps(ranges: list[tuple[int, int, bool]]) -> bytes:
    """Which of these memory ranges overlap, and at what distance; no addresses."""
    if len(ranges) < 2:
        return b""
    order = sorted(range(len(ranges)), key=lambda index: ranges[index][:2])
    cluster = [0] * len(ranges)
    starts: list[int] = []
    shared: list[int] = []  # ranges in the cluster, if one at least is not private
    end = 0
    for index in order:
        low, high, private = ranges[index]
        if not starts or low >= end:
            starts.append(low)
            shared.append(0)
            end = high
        end = max(end, high)
        cluster[index] = len(starts) - 1
        shared[-1] += 1 if private else len(ranges)
    numbers: dict[int, int] = {}
    parts = []
    for index, (low, high, _) in enumerate(ranges):
        home = cluster[index]
        if shared[home] > len(ranges):
            number = numbers.setdefault(home, len(numbers))
            parts.append(b"%d:%d:%d+%d;" % (index, number, low - starts[home], high - low))
    return b"".join(parts)


class _PyBuffer(ctypes.Structure):
    """`Py_buffer` of the stable ABI, as far as it is read here."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("rest", ctypes.c_void_p * 5),
    )


def address_of(view: Any) -> int:
    """Where the bytes of a contiguous view lie, or of anything that has a buffer. TypeError where it has none."""
    found = _PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(found), 0)
    try:
        return int(found.buf or 0)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(found))
