"""Array memory: out of the pickle stream, and back into arrays that share it as they did.

A numpy array gives its memory as an out-of-band buffer, without a copy, and is loaded straight into memory that
it owns; a long array of strings gives its text (`strings`). Arrays of one payload that overlap come back as views of
one allocation, so that a write through one still shows in the other; blocks of pandas objects are private (see
`Reducer.is_private`) and never join one.
"""

from __future__ import annotations

import ctypes
import mmap
import pickle
from array import array as python_array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kishu_kernel.model import Buffer
from kishu_kernel.objects.arrays import is_array_type, plain_view
from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.codec.strings import LONG, Recogniser, Text, holds_nan, text_of
from kishu_kernel.objects.rebuild.arrays import Source, load_array, load_strings, load_view
from kishu_kernel.process.memory import (
    LARGE_BYTES,
    address,
    address_of,
    base_array,
    block_at,
    bounds,
    has_internal_overlap,
    is_writeable,
    memory_at,
)

IN_BAND = 2048
"""Bytes. Smaller arrays stay in the stream: a chunk of its own costs more than it can save."""


@dataclass(frozen=True)
class Segment:
    """Memory that arrays of one payload share, where none of them owns all of it."""

    start: int
    size: int
    arrays: tuple[Any, ...] = field(compare=False, repr=False)
    """They keep the memory alive."""


Home = Any
"""What overlapping arrays are views of: one of them, or a `Segment`."""


class Arrays:
    """Takes the arrays of one payload apart.

    Args:
        recognised: knows arrays of strings.
        first: a first pass over the same objects, kept alive, which has found what shares memory.

    Attributes:
        buffers: what the payload carries out of band, in the order of the stream.
    """

    def __init__(self, recognised: Recogniser = lambda _: None, first: Arrays | None = None) -> None:
        self._homes: Mapping[int, Home] = first.overlapping() if first else {}
        self._texts: dict[int, tuple[Text | None, Any]] = first._texts if first else {}
        self._recognised = recognised
        self._direct: dict[int, tuple[pickle.PickleBuffer, Buffer]] = {}
        self._met: dict[int, Any] = {}
        self._apart: dict[int, Any] = {}
        self._owners: dict[int, Any] = {}
        self.buffers: list[Buffer] = []

    def reduce(self, array: Any, private: bool) -> Any:
        """The reduction of a `numpy.ndarray`, or NotImplemented for arrays of objects that are not text."""
        home = self._homes.get(id(array))
        if home is not None and home is not array:
            return load_view, (home, *_layout(array, home))
        if not private and array.size:
            self._met[id(array)] = array
            self._note_owner(array)
        flags = array.flags
        contiguous = flags.c_contiguous or flags.f_contiguous
        folded = not contiguous and has_internal_overlap(array)
        if array.dtype.hasobject:
            return self._reduce_folded_objects(array) if folded else self._reduce_objects(array)
        if not contiguous:
            start, end = bounds(array)
            if folded or end - start == array.nbytes:  # reversed, or axes in another order: its memory has no gaps
                home = Segment(start, end - start, (array,))
                return load_view, (home, *_layout(array, home))
            return self._reduce_memory(array.copy(order="C"), is_writeable(array), copied=True)
        return self._reduce_memory(array, is_writeable(array))

    def _reduce_folded_objects(self, array: Any) -> Any:
        """A view of the array that holds the objects."""
        home = base_array(array)
        if home is array or home.dtype != array.dtype or not (home.flags.c_contiguous or home.flags.f_contiguous):
            raise TypeError("an array that shows the same objects many times, and none holds, cannot be stored")
        return load_view, (home, *_layout(array, home))

    def _reduce_objects(self, array: Any) -> Any:
        flags, dtype = array.flags, array.dtype
        if dtype.char != "O" or dtype.metadata or (array.size < LONG and not holds_nan(array)):
            return NotImplemented
        contiguous = flags.c_contiguous or flags.f_contiguous
        if id(array) not in self._texts:
            whole = array if contiguous else array.copy(order="C")
            self._texts[id(array)] = text_of(whole, self._recognised), array
        text, _ = self._texts[id(array)]
        if text is None:
            return NotImplemented
        lines = tuple(
            (
                None if line.codes is None else (self._beside(line.codes), line.codes.itemsize, line.codes.size),
                tuple((each.count, self._beside(each.data), each.separator, each.masked) for each in line.blocks),
            )
            for line in text.lines
        )
        order = "C" if flags.c_contiguous or not contiguous else "F"
        return load_strings, (text.content, text.missing, lines, array.shape, order, is_writeable(array))

    def _beside(self, data: Any) -> Any:
        """Bytes, or a numpy array: out of band where they are many."""
        view = memoryview(data)
        if view.nbytes < IN_BAND:
            return bytes(view)
        # Not of `data` itself: pickle marks what cannot be written, and then wants a buffer back, and no `Source`.
        return self._out(address_of(view), view.nbytes, 0, view.itemsize, data, copied=True)

    def note_copied_subclass(self, subclassed: Any) -> None:
        """An array of a subclass stores a copy of its memory, and of its mask."""
        parts: tuple[Any, ...] = (plain_view(subclassed), (attributes(subclassed) or {}).get("_mask"))
        for held in parts:
            if is_array_type(type(held)) and held.strides and held.size:
                if held.nbytes > LARGE_BYTES and has_internal_overlap(held):
                    raise TypeError(f"a {type(subclassed).__name__} that shows the same memory many times has no copy")
                self._apart[id(held)] = held
                self._note_owner(held)

    def _note_owner(self, view: Any) -> None:
        owner = view
        while is_array_type(type(owner)) and owner.base is not None:
            owner = owner.base
        owner = owner.obj if type(owner) is memoryview else owner
        if issubclass(type(owner), mmap.mmap):
            raise TypeError("an array over a file cannot be stored")
        self._owners[id(owner)] = owner

    def check_sharing(self, pickler: Any) -> None:
        """Raises TypeError where memory is shared in a way that would not come back.

        Args:
            pickler: has just dumped the payload.
        """
        owners = {
            key: owner
            for key, owner in self._owners.items()
            if isinstance(owner, (bytearray, python_array, ctypes.Array, ctypes.Structure, ctypes._SimpleCData))
        }
        stored = pickler.memo.copy() if owners else {}
        for key in owners.keys() & stored.keys():
            raise TypeError(f"the memory that an array shares with a {type(owners[key]).__name__} cannot be stored")
        held = [(*bounds(each), False, each) for each in self._met.values()]
        held += [(*bounds(each), True, each) for each in self._apart.values()]
        reach = {False: 0, True: 0}
        for start, end, apart, each in sorted(held, key=lambda item: item[:2]):
            if start < reach[True] or (apart and start < reach[False]):
                raise TypeError(f"the memory that a {type(each).__name__} shares with another array cannot be stored")
            reach[apart] = max(reach[apart], end)

    def _reduce_memory(self, array: Any, writeable: bool, copied: bool = False) -> Any:
        order = "C" if array.flags.c_contiguous else "F"
        source: Any
        if array.nbytes < IN_BAND:
            source = array.tobytes("A")
        else:
            rows = array.shape[-1] if order == "F" else array.shape[0]
            row_bytes = array.nbytes // rows if array.ndim == 2 else 0
            source = self._out(address(array), array.nbytes, row_bytes, array.dtype.itemsize, array, copied)
        return load_array, (source, array.dtype, array.shape, order, writeable)

    def reduce_segment(self, segment: Segment) -> Any:
        """The reduction of a `Segment`: an array of its bytes."""
        import numpy

        sizes = {array.dtype.itemsize for array in segment.arrays}
        source: Any
        if segment.size < IN_BAND:
            source = bytes(memory_at(segment.start, segment.size, segment))
        else:
            source = self._out(segment.start, segment.size, 0, sizes.pop() if len(sizes) == 1 else 1, segment)
        return load_array, (source, numpy.dtype("B"), (segment.size,), "C", True)

    def _out(
        self, start: int, size: int, row_bytes: int, item_bytes: int, owner: Any, copied: bool = False
    ) -> pickle.PickleBuffer:
        block = block_at(start, size, owner)
        buffer = pickle.PickleBuffer(block)
        data = memoryview(block).cast("B")  # not of the buffer: see `block_at`
        self._direct[id(buffer)] = buffer, Buffer(data, row_bytes, item_bytes, True, owner, copied)
        return buffer

    def take(self, buffer: pickle.PickleBuffer) -> bool:
        """The pickler's `buffer_callback`. True leaves the buffer in the stream."""
        known = self._direct.get(id(buffer))
        if known is not None:
            self.buffers.append(known[1])
            return False
        found = _foreign(buffer)
        if found is None:
            return True
        self.buffers.append(found)
        return False

    def overlapping(self) -> dict[int, Home]:
        """Arrays met so far that share memory -> what each is best restored as a view of."""
        arrays = sorted(
            ((*bounds(array), array) for array in self._met.values()),
            key=lambda item: item[:2],
        )
        homes: dict[int, Home] = {}
        cluster: list[tuple[int, int, Any]] = []
        end = 0
        for item in arrays:
            if item[0] >= end:
                homes.update(_homes(cluster))
                cluster = []
            cluster.append(item)
            end = max(end, item[1])
        homes.update(_homes(cluster))
        return homes


def _foreign(buffer: pickle.PickleBuffer) -> Buffer | None:
    """The memory of a buffer that a library has made; None where it is to stay in the stream."""
    try:
        with buffer.raw() as data, memoryview(buffer) as view:
            if data.nbytes < IN_BAND:
                return None
            own = _view_of(data.obj, address_of(data), data.nbytes)
            copied = own is None
            return Buffer(memoryview(bytes(data)) if own is None else own, item_bytes=view.itemsize, copied=copied)
    except BufferError:  # not contiguous
        return None


def _view_of(holder: Any, start: int, size: int) -> memoryview | None:
    """A view of who holds this memory, so that the buffer need not be kept (see `block_at`). None where there is none.

    It is the holder's to know: a bytearray must not be resized meanwhile.
    """
    try:
        whole = memoryview(holder).cast("B")
        offset = start - address_of(whole)
    except (TypeError, BufferError):
        return None
    return whole[offset : offset + size] if 0 <= offset <= whole.nbytes - size else None


def materialized(source: Source) -> bytearray:
    """A writable buffer with the bytes of `source`, for a reduction that is not ours."""
    data: bytearray = _unfilled(None, source.nbytes)
    if len(data) >= _HUGE:
        start = ctypes.addressof(ctypes.c_char.from_buffer(data))
        page = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        _madvise(page, start + len(data) - page, _HUGE_PAGES)
    source.readinto(memoryview(data))
    return data


_unfilled = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_char_p, ctypes.c_ssize_t)(
    ("PyByteArray_FromStringAndSize", ctypes.pythonapi)
)
"""A bytearray with any content: `bytearray(size)` fills it with zeros first."""

_HUGE = 4 << 20
_HUGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", 0)


def _advise() -> Any:
    """As NumPy does for large arrays: new memory in large pages is filled four times as fast."""
    try:
        advise = ctypes.CDLL(None).madvise if _HUGE_PAGES else None
    except (OSError, AttributeError, TypeError):
        advise = None
    if advise is None:
        return lambda *_: -1
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return advise


_madvise = _advise()


def _homes(cluster: list[tuple[int, int, Any]]) -> dict[int, Home]:
    if len(cluster) < 2:
        return {}
    start = cluster[0][0]
    end = max(item[1] for item in cluster)
    home: Home = None
    for low, high, array in cluster:
        owns = array.base is None and (array.flags.c_contiguous or array.flags.f_contiguous)
        if (low, high) == (start, end) and owns:
            home = array
    if home is None and any(array.dtype.hasobject for *_, array in cluster):
        home = base_array(cluster[0][2])
    if home is None:
        home = Segment(start, end - start, tuple(array for *_, array in cluster))
    return {id(array): home for *_, array in cluster}


def _layout(array: Any, home: Home) -> tuple[Any, ...]:
    start = home.start if isinstance(home, Segment) else address(home)
    return array.dtype, array.shape, array.strides, address(array) - start, is_writeable(array)
