"""Long arrays of strings: out of the pickle stream as text, and back, or copied from what the session still holds.

In the stream each string would be an item of its own, at several times the cost, and what stands before the array
would shift the numbers by which the stream names things, so that an unchanged array would be stored again.

An array is written in memory order, a 2-D one line by line (pandas keeps a column as a line of its block), so that
lines that stay cost nothing. A line of few different ones many times is numbers of these, in the order in which they
first appear; any other is blocks of text, `BLOCK` strings each: a string that changes length moves only its block.

Law: what comes back is equal, type by type, and a missing value is the one object that stood for it. Which equal
strings are one object is not kept: nobody can change a string. Objects are read from an array that nobody else can
write to.

Neighbours: `buffers`, which puts these pieces beside the stream; `rebuild.load_strings`, the other way; what the
session holds is known to whoever calls (`Recogniser`, `Acquaintances`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.arrays import nan
from kishu_kernel.objects.codec.written_texts import join_texts, number_texts
from kishu_kernel.objects.questions import missing_values
from kishu_kernel.process.memory import address, memory_at

LONG = 2048
"""Shorter arrays stay in the stream, unless they hold NumPy's nan, which would come back as another object."""

BLOCK = 1 << 16
"""Strings. Of usual length they make somewhat less than a chunk."""

MOST_KINDS = 1024
"""Objects in a line that is written as numbers."""

SEPARATORS = "\0\n\x1f\x1e\x1d\x1c\t\x01\x02\x03|;,"
"""Tried in this order; a block in which strings contain all of them is not written as text."""

NAN = "nan"
"""How NumPy's one and only `nan` is named in a stream, where a float would come back as another object."""

Recogniser = Callable[[Any], "tuple[bytes, Any, bool] | None"]
"""Given a contiguous 1-D array of objects: what identifies its content for sure, an array of the same objects that
nobody else can write to (or None), and whether these are known to be of the type `str`, all of them. None where it
does not know the objects."""


class Acquaintances(Protocol):
    """The arrays of strings that the session holds while a payload is loaded."""

    def find(self, content: bytes) -> Any:
        """A 1-D array with this content, not to be given away; None where there is none."""

    def note_loaded_array(self, content: bytes, array: Any) -> None:
        """A 1-D array with this content was loaded."""


Missing = tuple[tuple[Any, int], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Some strings of a line.

    Attributes:
        data: their text, behind a bit for each for every kind of missing values.
        separator: stands between them and nowhere else.
        masked: numbers of these kinds.
    """

    count: int
    data: bytes
    separator: str
    masked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """Strings one after the other; where there are codes, those that the codes mean.

    Attributes:
        codes: for each place the number of its string. A numpy array of bytes or of little-endian 2-byte numbers.
    """

    codes: Any
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """An array of strings, taken apart.

    Attributes:
        content: what identifies the content for sure; empty where nobody knows.
        missing: what stands for missing values, as the stream names it, and how often.
    """

    content: bytes
    missing: Missing
    lines: tuple[Line, ...]


def holds_nan(array: Any) -> bool:
    """Whether NumPy's one nan is among the objects. O(size)."""
    marker = nan()
    return any(each is marker for each in array.ravel(order="K").tolist())


def text_of(array: Any, recognised: Recogniser) -> Text | None:
    """An array of objects as text; None where it holds anything but `str` and missing values.

    Args:
        array: contiguous, not empty.
    """
    flat = array.reshape(-1, order="A")
    if type(flat[0]) is not str and all(flat[0] is not each for each in _stand_ins()):
        return None
    known = recognised(flat)
    content, own, plain = known or (b"", None, False)
    lines = (array.shape[0] if array.flags.c_contiguous else array.shape[-1]) if array.ndim == 2 else 1
    length = flat.size // lines
    if length < LONG:
        length = flat.size
    writer = _Writer(flat.copy() if own is None else own, plain and own is not None)
    try:
        parts = tuple(writer.line(start, start + length) for start in range(0, flat.size, length))
    except _NotText:
        return None
    return Text(content, writer.missing, parts)


class Recall:
    """What `load_strings` asks for strings that the session holds already."""

    def __init__(self, acquaintances: Acquaintances | None) -> None:
        self._acquaintances = acquaintances

    def find(self, content: bytes, missing: Missing) -> Any:
        """A 1-D array with the content, and with the same objects for missing values. None where there is none."""
        found = self._acquaintances.find(content) if self._acquaintances and content else None
        nans = [count for marker, count in missing if type(marker) is str]
        if found is None or not nans:
            return found
        import numpy

        # By its content a nan is any nan.
        return found if numpy.count_nonzero(_addresses(found) == id(numpy.nan)) == nans[0] else None

    def note_loaded_array(self, content: bytes, array: Any) -> None:
        """A 1-D array with this content was loaded."""
        if self._acquaintances and content:
            self._acquaintances.note_loaded_array(content, array)


class _NotText(Exception):
    pass


class _Writer:
    """Writes lines of one array of objects, which nobody else can write to."""

    def __init__(self, flat: Any, plain: bool) -> None:
        self._flat = flat
        self._plain = plain
        self._markers: list[Any] = []
        self._counts: list[int] = []

    @property
    def missing(self) -> Missing:
        """As in `Text`."""
        named = (NAN if type(each) is float else each for each in self._markers)
        return tuple(zip(named, self._counts, strict=True))

    def line(self, start: int, stop: int) -> Line:
        """A part of the array. Raises _NotText."""
        import numpy

        found = number_texts(self._flat[start:stop], min(MOST_KINDS, (stop - start) // 4))
        if found is None:
            blocks = []
            for place in range(start, stop, BLOCK):
                block, masks = self._block(self._flat[place : min(place + BLOCK, stop)])
                for kind, mask in masks.items():
                    self._counts[kind] += int(numpy.count_nonzero(mask))
                blocks.append(block)
            return Line(None, tuple(blocks))
        numbers, kinds = found
        values = numpy.empty(len(kinds), object)
        for number, each in enumerate(kinds):
            values[number] = each
        codes = numpy.frombuffer(numbers, "<u2").astype("B" if len(kinds) <= 256 else "<u2", copy=False)
        block, masks = self._block(values)
        for kind, mask in masks.items():
            self._counts[kind] += int(numpy.count_nonzero(codes == numpy.flatnonzero(mask)[0]))
        return Line(codes, (block,))

    def _block(self, objects: Any) -> tuple[Block, dict[int, Any]]:
        """Some objects as text, and where values of each kind are missing."""
        import numpy

        items = objects.tolist()
        masks: dict[int, Any] = {}
        types = {str} if self._plain else set(map(type, items))
        if types != {str}:
            found = [each for each in _stand_ins() if type(each) in types]
            masks = {self._kind(each): _addresses(objects) == id(each) for each in found}
            filled = objects.copy()
            for mask in masks.values():
                filled[mask] = ""
            items = filled.tolist()
            if set(map(type, items)) != {str}:
                raise _NotText
        masks = dict(sorted(masks.items()))
        bits = b"".join(numpy.packbits(mask).tobytes() for mask in masks.values())
        for separator in SEPARATORS:
            text = join_texts(items, separator)
            if text is not None:
                return Block(len(items), bits + text if bits else text, separator, tuple(masks)), masks
        raise _NotText

    def _kind(self, marker: Any) -> int:
        """The number of a kind of missing values."""
        for number, each in enumerate(self._markers):
            if each is marker:
                return number
        self._markers.append(marker)
        self._counts.append(0)
        return len(self._markers) - 1


def _stand_ins() -> tuple[Any, ...]:
    """What stands for missing values, each the only one of its kind that does."""
    return (None, nan(), *missing_values())


def _addresses(objects: Any) -> Any:
    """Where the objects of a contiguous array lie."""
    import numpy

    pointers = numpy.frombuffer(memory_at(address(objects), objects.nbytes, objects), numpy.uintp)
    return pointers.astype(numpy.uint64, copy=False)
