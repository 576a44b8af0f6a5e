"""Where the memory of arrays lies. Shared by fingerprint (who overlaps whom?) and codec (whose view is whose?)."""

from __future__ import annotations

import ctypes
from typing import Any


def address(array: Any) -> int:
    """Where the first element of a numpy array lies."""
    return int(array.__array_interface__["data"][0])


def bounds(array: Any) -> tuple[int, int]:
    """First address and end of a non-empty numpy array's memory, whatever its strides."""
    start = end = address(array)
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            start += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return start, end + array.itemsize


def memory_at(start: int, size: int) -> memoryview:
    """The bytes at an address. The caller keeps their owner alive."""
    return memoryview((ctypes.c_char * size).from_address(start)).cast("B")
