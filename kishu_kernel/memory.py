"""Where the memory of arrays lies, and which of it overlaps. For fingerprints, and for the codec."""

from __future__ import annotations

import ctypes
from typing import Any


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
        if type(base).__name__ == "DummyArray":  # what `as_strided` puts between the two
            base = base.base
        if type(base) is not type(array):
            return array
        array = base


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
