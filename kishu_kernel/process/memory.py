"""Where the memory of arrays lies, which of it overlaps, and which was never touched.

Neighbours: the walk and the codec ask about arrays; the store about the memory that it reads and fills.
"""

from __future__ import annotations

import ctypes
import mmap
import operator
import os
import sys
from typing import Any

LARGE_BYTES = 64 << 20
"""From this size on it pays to ask which pages were never touched before memory is read."""


def address(array: Any) -> int:
    """The address of the first element of a numpy array."""
    return int(array.__array_interface__["data"][0])


_WRITEABLE = 0x400


def is_writeable(array: Any) -> bool:
    """As `array.flags.writeable`, without its warning for results of `numpy.broadcast_arrays`."""
    return bool(array.flags.num & _WRITEABLE)


def bounds(array: Any) -> tuple[int, int]:
    """The first address of a non-empty numpy array's memory and the one behind its last, whatever its strides."""
    start = end = address(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return start, end + array.itemsize


def has_internal_overlap(array: Any) -> bool:
    """Whether elements of a view share memory with each other (a broadcast one), or may.

    The `nbytes` of such an array says nothing of the memory that it occupies.
    """
    start, end = bounds(array)
    reach = array.itemsize
    if end - start < array.nbytes:
        return True
    for stride, length in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < reach:
            return True
        reach += (length - 1) * stride
    return False


def base_array(array: Any) -> Any:
    """The array that a numpy view is a view of: the last one of the same type along `base`."""
    while True:
        base = array.base
        if _is_dummy_array(type(base)):  # what `as_strided` puts between the two
            base = base.base
        if type(base) is not type(array):
            return array
        array = base


def _is_dummy_array(kind: type) -> bool:
    """Whether this is the class of the object that `as_strided` puts between a view and its base."""
    module, name = (str(type.__dict__[each].__get__(kind)) for each in ("__module__", "__name__"))
    return name == "DummyArray" and module.startswith("numpy.")


def owner_of(array: Any) -> Any:
    """What holds the memory that a numpy array shows: an array, or something else with a buffer."""
    plain = sys.modules["numpy"].ndarray
    owner = array
    while True:
        if issubclass(type(owner), plain):  # the `base` of other classes may run the user's code
            base = plain.__dict__["base"].__get__(owner)
        else:
            base = owner.base if _is_dummy_array(type(owner)) else None
        if base is None:
            return owner.obj if type(owner) is memoryview else owner
        owner = base


def is_mapped(array: Any) -> bool:
    """Whether the memory of a numpy array is that of an `mmap`, so mostly a file's."""
    return issubclass(type(owner_of(array)), mmap.mmap)


def mapped_file_at(start: int, end: int) -> tuple[object, ...] | None:
    """What identifies the content of memory that is mapped from a file and cannot be written to.

    Returns:
        The file with its size and time of change, and the offset in it. None where the memory is no file's, can be
        written to, or where the system does not tell.
    """
    for first, last, how, place, name in _mappings():
        if first <= start and end <= last and "w" not in how and name.startswith("/"):
            try:
                found = os.stat(name)
            except OSError:
                return None
            return name, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, place + start - first
    return None


class UntouchedPages:
    """Which pages of some memory were never touched. They hold zeros, and reading them would cost time and memory.

    Args:
        start: the address.
        size: in bytes. The pages are looked up now; memory of less than `LARGE_BYTES` counts as touched.
    """

    def __init__(self, start: int, size: int) -> None:
        self._start = start % mmap.PAGESIZE
        self._touched = _touched_pages(start, size) if size >= LARGE_BYTES else None

    def covers(self, place: int, length: int) -> bool:
        """Whether all these bytes, at an offset from the start, are untouched. False where that is not known."""
        if self._touched is None or not length:
            return False
        first = (self._start + place) // mmap.PAGESIZE
        last = (self._start + place + length - 1) // mmap.PAGESIZE
        return not self._touched[first : last + 1].any()


def _touched_pages(start: int, size: int) -> Any:
    """A boolean array: which pages of anonymous memory are present or swapped out. None where that is not known."""
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
    """Whether all of this memory is private and not mapped from a file."""
    for first, last, how, _, name in _mappings():
        if first <= start < last:
            if not how.endswith("p") or not how.startswith("rw") or (name and name != "[heap]"):
                return False
            start = last
            if start >= end:
                return True
    return False


def zeros(length: int) -> memoryview:
    """A view of so many zero bytes, `MAX_ZEROS` at most. Costs no memory."""
    return _ZEROS[:length]


MAX_ZEROS = 1 << 20
_ZEROS = memoryview(bytes(MAX_ZEROS))


def _mappings() -> list[tuple[int, int, str, int, str]]:
    """The mappings of this process: first address, end, permissions, offset in the file, name of the file."""
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
    """The bytes at an address, as an object with the buffer protocol.

    A `PickleBuffer` must be made of such an object and not of a `memoryview`: CPython before 3.13 crashes when the
    collector clears a view of a `PickleBuffer` of a view.

    Args:
        owner: is kept alive by the result. Without one, the caller keeps the memory alive.
    """
    block = (ctypes.c_char * size).from_address(start)
    block.owner = owner  # type: ignore[attr-defined]
    return block


def memory_at(start: int, size: int, owner: Any = None) -> memoryview:
    """The bytes at an address, as a `memoryview`. `owner` as in `block_at`."""
    return memoryview(block_at(start, size, owner)).cast("B")


def overlaps(ranges: list[tuple[int, int, bool]]) -> bytes:
    """A digestible description of which memory ranges overlap, and at what distance. It contains no addresses.

    Args:
        ranges: first address, end, and whether the range is private: overlaps among private ranges only are left out.
    """
    along = sorted((low, high, index) for index, (low, high, _) in enumerate(ranges))
    lows, highs = [each[0] for each in along], [each[1] for each in along]
    if all(map(operator.le, highs, lows[1:])):  # none does
        return b""
    cluster = [0] * len(ranges)
    starts: list[int] = []
    shared: list[int] = []  # ranges in the cluster, if one at least is not private
    end = 0
    for low, high, index in along:
        if not starts or low >= end:
            starts.append(low)
            shared.append(0)
            end = high
        end = max(end, high)
        cluster[index] = len(starts) - 1
        shared[-1] += 1 if ranges[index][2] else len(ranges)
    numbers: dict[int, int] = {}
    parts = []
    for index, (low, high, _) in enumerate(ranges):
        home = cluster[index]
        if shared[home] > len(ranges):
            number = numbers.setdefault(home, len(numbers))
            parts.append(b"%d:%d:%d+%d;" % (index, number, low - starts[home], high - low))
    return b"".join(parts)


class _PyBuffer(ctypes.Structure):
    """The fields of `Py_buffer` (stable ABI) that are read here."""

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
    """The address of the bytes of a contiguous object with the buffer protocol. TypeError where it has none."""
    found = _PyBuffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(found), 0)
    try:
        return int(found.buf or 0)
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(found))


def bytes_at(start: int, size: int) -> bytes:
    """A copy of memory that the caller knows to be there."""
    return ctypes.string_at(start, size)


def object_memory(obj: Any) -> bytes:
    """A copy of the memory of an instance of a compiled class, without its head, in which the interpreter counts."""
    return ctypes.string_at(*object_place(obj))


def object_place(obj: Any) -> tuple[int, int]:
    """Where that memory is, and its size."""
    head = object.__basicsize__
    return id(obj) + head, type(obj).__basicsize__ - head
