"""Long values are looked up and read around the map that LMDB reads through.

A page that is read through the map counts as memory of this process until the kernel wants it back, and looking up a
key touches the value: 64 KiB of it, or 2 MiB where the page cache has huge pages. A loaded array would need its memory
twice, and so would one that is only found to be stored already. So what is mapped is let go again after every few
long values found, and their bytes are read from the data file: into their target, without the interpreter's lock.

Law: nothing depends on it that is not verified. Where the value lies is read from LMDB's own layout, which its
interface does not promise; what is read has its digest checked, and is read again through the map where that fails.
The layout: a page begins with its number (8 bytes); page 0 has a magic number behind its header of 16. A key in a leaf
stands behind 8 bytes: the length of the value (4), flags (2) and its own length (2). Where flag 1 is set, the number
of the value's first page follows the key, and the value follows the header of that page. While a transaction is open
all this stays where it is.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kishu_kernel.process.audit_hook import allowed_on_this_thread
from kishu_kernel.process.memory import address_of

if TYPE_CHECKING:
    from lmdb import Cursor

_PAGE_HEADER = 16
_BIG = 1
_MAGIC = 0xBEEFC0DE
_DONTNEED = 4
_NODE = ((ctypes.c_uint32, 8), (ctypes.c_uint16, 4), (ctypes.c_uint16, 2))
_RELEASE_AFTER = 8
"""Long values found until their pages are let go, with all that was mapped around them."""
_USABLE = (
    hasattr(os, "preadv")
    and ctypes.sizeof(ctypes.c_void_p) == 8
    and sys.byteorder == "little"
    and sys.implementation.name == "cpython"
)


class Value(NamedTuple):
    """A value where LMDB has it. Valid while the transaction is open.

    Attributes:
        view: through the map; None where it is to be read from the file.
        place: in the file, where it is to be read from there.
    """

    size: int
    view: memoryview | None
    place: int


class DirectReader:
    """The data file of an environment, open while a read transaction is. `look` and `sizes` are for its thread only.

    Args:
        directory: of the environment.
        page_size: of the environment.
    """

    def __init__(self, directory: Path, page_size: int) -> None:
        self._page_size = page_size
        self._bottom = self._top = self._touched = self._pages = 0
        self._file = -1
        if _USABLE:
            with suppress(OSError), allowed_on_this_thread():  # somebody moved the file: it is still mapped
                self._file = os.open(directory / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
                self._pages = os.fstat(self._file).st_size // page_size

    def close(self) -> None:
        """Closes the file. No lock is lost by that: LMDB's are on another one."""
        self._release_pages()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def find(self, cursor: Cursor[memoryview], key: bytes) -> Value | None:
        """The value under a key; None where there is none."""
        return self._value(cursor) if cursor.set_key(key) else None

    def sizes(self, cursor: Cursor[memoryview], start: bytes = b"") -> Iterator[tuple[bytes, int]]:
        """All keys of a table from `start` on, with the lengths of their values."""
        there = cursor.set_range(start) if start else cursor.first()
        while there:
            yield bytes(cursor.key()), self._value(cursor).size
            there = cursor.next()

    def read(self, place: int, size: int) -> bytes:
        """The bytes of a long value, or fewer at the end of the file."""
        return os.pread(self._file, size, place)

    def readinto(self, place: int, target: memoryview) -> bool:
        """Fill `target` with the bytes of a long value. False where the file ends before."""
        while target.nbytes:
            count = os.preadv(self._file, [target], place)
            if not count:
                return False
            target = target[count:]
            place += count
        return True

    def _value(self, cursor: Cursor[memoryview]) -> Value:
        key = cursor.key()
        found = self._long(address_of(key), key.nbytes) if self._file >= 0 else None
        if found is None:
            view = cursor.value()
            return Value(view.nbytes, view, 0)
        return found

    def _long(self, key: int, length: int) -> Value | None:
        """The value behind a key in a leaf, where it has pages of its own."""
        size, flags, key_length = (kind.from_address(key - back).value for kind, back in _NODE)
        leaf = key - key % self._page_size
        if flags != _BIG or key_length != length or leaf + self._page_size < key + length + 8:
            return None
        page, last = _number(key + length), -(-(size + _PAGE_HEADER) // self._page_size) - 1
        bottom = leaf - _number(leaf) * self._page_size
        if max(_number(leaf), page + last) >= self._pages or not self._is_start_of_map(bottom):
            return None
        self._count_touched(max(leaf, bottom + (page + last) * self._page_size) + self._page_size)
        return Value(size, None, page * self._page_size + _PAGE_HEADER)

    def _is_start_of_map(self, bottom: int) -> bool:
        """Whether the map begins there: a wrong guess must not let go of other memory."""
        if not self._bottom and ctypes.c_uint32.from_address(bottom + _PAGE_HEADER).value == _MAGIC:
            self._bottom = bottom
        return self._bottom == bottom

    def _count_touched(self, stop: int) -> None:
        """Of the map, something in front of `stop` is in memory by now."""
        self._top = max(self._top, stop)
        self._touched += 1
        if self._touched >= _RELEASE_AFTER:
            self._release_pages()

    def _release_pages(self) -> None:
        if self._touched:
            _madvise(self._bottom, self._top - self._bottom, _DONTNEED)
        self._touched = 0


def _number(place: int) -> int:
    return int(ctypes.c_uint64.from_address(place).value)


def _advise() -> Any:
    try:
        advise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError, TypeError):
        return lambda *_: -1
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise


_madvise = _advise()
