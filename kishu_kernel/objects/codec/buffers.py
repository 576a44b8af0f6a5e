"""Array memory: out of the pickle stream, and back into arrays that share it as they did.

A numpy array gives its memory as an out-of-band buffer, without a copy, and is loaded straight into memory that
it owns; a long array of strings gives its text (`strings`). Arrays of one payload that overlap come back as views of
one allocation, so that a write through one still shows in the other (`shared_memory`).
"""

from __future__ import annotations

import ctypes
import mmap
import pickle
from collections.abc import Mapping
from typing import Any

from kishu_kernel.model import Buffer
from kishu_kernel.objects.arrays import array_type, can_be_viewed, is_array_type, plain_view
from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.codec.shared_memory import OWNERS, Home, Met, Segment, homes_of, layout
from kishu_kernel.objects.codec.strings import LONG, Recogniser, Text, holds_nan, text_of
from kishu_kernel.objects.rebuild.arrays import (
    Source,
    load_array,
    load_buffer_view,
    load_derived_array,
    load_strings,
    load_view,
)
from kishu_kernel.objects.rebuild.instances import set_array_state, set_instance_state
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
    owner_of,
)

IN_BAND = 2048
"""Bytes. Smaller arrays stay in the stream: a chunk of its own costs more than it can save."""


class Arrays:
    """Takes the arrays of one payload apart.

    Args:
        recognised: knows arrays of strings.
        first: a first pass over the same objects, kept alive, which has found what shares memory.

    Attributes:
        buffers: what the payload carries out of band, in the order of the stream.
        homes: what a first pass has found that is to be restored as a view.
    """

    def __init__(self, recognised: Recogniser = lambda _: None, first: Arrays | None = None) -> None:
        self._homes: Mapping[int, Home] = first.homes if first else {}
        self._viewed: Mapping[int, Any] = first._to_be_viewed() if first else {}
        self._texts: dict[int, tuple[Text | None, Any]] = first._texts if first else {}
        self._recognised = recognised
        self._is_first = first is None
        self._direct: dict[int, tuple[pickle.PickleBuffer, Buffer]] = {}
        self._met: dict[int, Met] = {}
        self._owners: dict[int, Any] = {}
        self._noted: dict[int, tuple[Any, int, int]] = {}
        """Arrays that the native module answered for, by their ids, and where their memory begins and ends."""
        self._guessed: dict[int, Any] = {}
        """Of a first pass: arrays that were stored as views, by their ids -> of what."""
        self.buffers: list[Buffer] = []
        self.homes: dict[int, Home] = {}

    @property
    def met_any(self) -> bool:
        """There is memory of arrays in the payload."""
        return bool(self._met or self._owners or self._noted)

    def noted_natively(self) -> tuple[dict[int, tuple[Any, int, int]] | None, Mapping[int, Any], int]:
        """Where small arrays are noted natively, by their ids, with where they lie; others; what is not small."""
        return self._noted if self._is_first else None, self._met, IN_BAND

    def reduce(self, array: Any, private: bool) -> Any:
        """The reduction of a `numpy.ndarray`, or NotImplemented for arrays of objects that are not text."""
        home = self._homes.get(id(array))
        if home is not None and home is not array:
            return load_buffer_view if issubclass(type(home), OWNERS) else load_view, (home, *layout(array, home))
        if array.size:
            self._met[id(array)] = Met(array, private)
        if array.size and not private:
            self._note_owner(array)
            if self._is_first and array.base is not None and (home := self._likely_home(array)) is not None:
                self._guessed[id(array)] = home
                return load_view, (home, *layout(array, home))
        flags = array.flags
        contiguous = flags.c_contiguous or flags.f_contiguous
        folded = not contiguous and has_internal_overlap(array)
        if array.dtype.hasobject:
            found = self._reduce_folded_objects(array) if folded else self._reduce_objects(array)
            return _reduce_unwriteable(array) if found is NotImplemented and not is_writeable(array) else found
        if not contiguous:
            start, end = bounds(array)
            if folded or end - start == array.nbytes:  # reversed, or axes in another order: its memory has no gaps
                home = Segment(start, end - start, (array,))
                return load_view, (home, *layout(array, home))
            return self._reduce_memory(array.copy(order="C"), is_writeable(array), copied=True)
        return self._reduce_memory(array, is_writeable(array))

    def _likely_home(self, view: Any) -> Any:
        """The array that a view was made of, if it was met before: mostly it will be restored as a view of that.

        Whether it will turns out in `end`.
        """
        root = base_array(view)
        self._meet(id(root))
        known = self._met.get(id(root))
        plain = root is not view and known is not None and not known.private and known.copied_for is None
        return root if plain and id(root) not in self._guessed and not view.dtype.hasobject else None

    def _meet(self, key: int) -> None:
        """The array of this id is looked at in full, if it was noted natively."""
        if key in self._noted:
            array, _, _ = self._noted.pop(key)
            self._met[key] = Met(array)
            self._note_owner(array)

    def _meet_neighbours(self) -> None:
        """What shares memory with something is looked at in full; of hundreds of arrays hardly any does."""
        spans = [(start, end, key) for key, (_, start, end) in self._noted.items()]
        spans += [(*each.bounds, key) for key, each in self._met.items()]
        reach, last = 0, 0
        for start, end, key in sorted(spans) if self._noted else ():
            if start < reach:
                self._meet(last)
                self._meet(key)
            if end > reach:
                reach, last = end, key

    def _reduce_folded_objects(self, array: Any) -> Any:
        """A view of the array that holds the objects."""
        home = base_array(array)
        if home is array or home.dtype != array.dtype or not (home.flags.c_contiguous or home.flags.f_contiguous):
            raise TypeError("an array that shows the same objects many times, and none holds, cannot be stored")
        return load_view, (home, *layout(array, home))

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

    def reduce_derived(self, derived: Any) -> Any:
        """The reduction of an array of a derived class as a view; NotImplemented where it stores a copy of its memory.

        Raises:
            TypeError: it shows the same memory many times, so that there is no copy, and cannot be a view.
        """
        plain = self._viewed.get(id(derived))
        if plain is None and not self._note_copied(derived):
            return NotImplemented
        plain = plain_view(derived) if plain is None else plain
        if not can_be_viewed(derived):
            raise TypeError(f"a {type(derived).__name__} that shows the same memory many times has no copy")
        return load_derived_array, (type(derived), plain), (attributes(derived), {}), None, None, set_instance_state

    def _note_copied(self, derived: Any) -> bool:
        """Notes memory of which a copy is to be stored. Whether the copy would be far larger than what it is of."""
        own: Any = plain_view(derived)
        parts: tuple[Any, ...] = (own, (attributes(derived) or {}).get("_mask"))
        met = [held for held in parts if is_array_type(type(held)) and held.strides and held.size]
        if any(held.nbytes > LARGE_BYTES and has_internal_overlap(held) for held in met):
            return True
        for held in met:
            self._met[id(held)] = Met(held, copied_for=derived)
            self._note_owner(held)
        return False

    def _to_be_viewed(self) -> dict[int, Any]:
        """Arrays of derived classes whose memory others share, by their ids: each as a plain array."""
        found = [
            each.copied_for for key, each in self._met.items() if key in self.homes and each.copied_for is not None
        ]
        plain = {id(each.copied_for): each.array for each in reversed(self._met.values())}  # the first: its own
        return {id(each): plain[id(each)] for each in found}

    def _note_owner(self, view: Any) -> None:
        owner = view if type(view) is array_type() and view.base is None else owner_of(view)
        if issubclass(type(owner), mmap.mmap):
            raise TypeError("an array over a file cannot be stored")
        self._owners[id(owner)] = owner

    def end(self, pickler: Any) -> None:
        """Finds what shares memory, in a first pass; in the last one all of it must have been found.

        Args:
            pickler: has just dumped the payload.

        Raises:
            TypeError: memory is shared in a way that would not come back.
        """
        self._meet_neighbours()
        stored = pickler.memo.copy() if any(issubclass(type(each), OWNERS) for each in self._owners.values()) else {}
        if self._is_first:
            self.homes = homes_of(self._met.values(), stored)
            self._settle_guesses()
        if not self.homes:
            self._check_owners(stored)
        self._check_copied()

    def _settle_guesses(self) -> None:
        """If all views were guessed right, nothing is left to be found by another pass."""
        views = {key: home for key, home in self.homes.items() if id(home) != key}
        if views.keys() == self._guessed.keys() and all(home is self._guessed[key] for key, home in views.items()):
            for key in views:
                del self._met[key]
            self.homes = {}
        elif not self.homes:  # it overlaps nothing, and yet is no view: private memory, which comes back apart
            self.homes = {key: self._met[key].array for key in self._guessed}

    def _check_owners(self, stored: Mapping[int, Any]) -> None:
        for owner in self._owners.values():
            if issubclass(type(owner), OWNERS) and id(owner) in stored:
                raise TypeError(f"the memory that an array shares with a {type(owner).__name__} cannot be stored")

    def _check_copied(self) -> None:
        """What stores a copy of its memory, and becomes no view, must be alone with it."""
        met = [each for each in self._met.values() if not each.private]
        copied = [each.copied_for is not None and id(each.array) not in self.homes for each in met]
        held = [(*each.bounds, apart, each.array) for each, apart in zip(met, copied, strict=True)]
        reach = {False: 0, True: 0}
        for start, end, apart, array in sorted(held, key=lambda item: item[:2]):
            if start < reach[True] or (apart and start < reach[False]):
                raise TypeError(f"the memory that a {type(array).__name__} shares with another array cannot be stored")
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


def _reduce_unwriteable(array: Any) -> Any:
    """NumPy's own reduction, which forgets that nobody can write to it."""
    make, arguments, state = array.__reduce__()
    return make, arguments, (state, None), None, None, set_array_state


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
