"""Long values looked up and read past the map through which LMDB reads.

A page that is read through the map counts as memory of this process until the kernel wants it back, and looking up a
key touches the value: 64 KiB of it, or 2 MiB where the page cache has huge pages. A loaded array would take its memory
twice, and so would one that is only found to be stored already. So the touched part of the map is released again after
every few long values, and their bytes are read from the data file into their target, without the interpreter's lock.

Law: nothing that is not verified depends on it. The place of a value is read from LMDB's own layout, which its
interface does not promise; the digest of what was read is checked, and where that fails it is read again through the
map.

The layout: a page begins with its number (8 bytes); page 0 has a magic number behind its header of 16. A key in a leaf
stands behind 8 bytes: the length of the value (4), flags (2), its own length (2). Where flag 1 is set, the number of
the value's first page follows the key, and the value follows the header of that page. All this stays in place while a
transaction is open.
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
"""Long values that are found until the touched part of the map is released."""
_USABLE = (
    hasattr(os, "preadv")
    and ctypes.sizeof(ctypes.c_void_p) == 8
    and sys.byteorder == "little"
    and sys.implementation.name == "cpython"
)


class Value(NamedTuple):
    """Where a value is. Valid while the transaction is open.

    Attributes:
        view: through the map; None where it is to be read from the file.
        place: in the file; 0 where there is a view.
    """

    size: int
    view: memoryview | None
    place: int


class DirectReader:
    """Reads the data file of an environment during one read transaction.

    `find` and `sizes` are for the transaction's thread; `read` and `readinto` are safe from any thread.

    Args:
        directory: of the environment.
        page_size: of the environment.
    """

    def __init__(self, directory: Path, page_size: int) -> None:
        self._page_size = page_size
        self._bottom = self._top = self._touched = self._pages = 0
        self._file = -1
        if _USABLE:
            with suppress(OSError), allowed_on_this_thread():  # where the file was moved, the map is still there
                self._file = os.open(directory / "data.mdb", os.O_RDONLY | os.O_CLOEXEC)
                self._pages = os.fstat(self._file).st_size // page_size

    def close(self) -> None:
        """Close the file. No lock is lost by that: LMDB's locks are on another file."""
        self._release_pages()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def find(self, cursor: Cursor[memoryview], key: bytes) -> Value | None:
        """The value of a key; None where there is none."""
        return self._value(cursor) if cursor.set_key(key) else None

    def sizes(self, cursor: Cursor[memoryview], start: bytes = b"") -> Iterator[tuple[bytes, int]]:
        """All keys of a table from `start` on, with the lengths of their values. The values are not read."""
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
        """The value behind a key in a leaf, where it has pages of its own; else None.

        Args:
            key: its address.
            length: of the key.
        """
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
        """Whether the map begins at this address. Wrongly guessed, other memory would be released."""
        if not self._bottom and ctypes.c_uint32.from_address(bottom + _PAGE_HEADER).value == _MAGIC:
            self._bottom = bottom
        return self._bottom == bottom

    def _count_touched(self, stop: int) -> None:
        """A part of the map below the address `stop` was touched."""
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
