"""Arrays of NumPy, of numbers and of strings: their memory is read from beside the stream."""

from __future__ import annotations

from typing import Any, Protocol

from kishu_kernel.objects.rebuild.texts import fill_texts


class Source(Protocol):
    """Stored bytes that can be read into memory."""

    @property
    def nbytes(self) -> int:
        """How many."""

    @property
    def direct(self) -> bool:
        """As in `model.Buffer`."""

    def readinto(self, target: memoryview) -> None:
        """Fills `target`, which measures `nbytes`."""


class HandedOver(Source, Protocol):
    """Stored bytes that stand in memory already, which becomes that of the array."""

    def memory(self) -> tuple[Any, int]:
        """A contiguous array that owns the memory, and after how many bytes of it they begin."""


class Recall(Protocol):
    """Knows which strings the session holds already."""

    def find(self, content: bytes, missing: tuple[tuple[Any, int], ...]) -> Any:
        """A 1-D array of objects with this content, not to be given away; None where there is none."""

    def note_loaded_array(self, content: bytes, array: Any) -> None:
        """A 1-D array with this content was loaded."""


def load_array(source: Any, dtype: Any, shape: tuple[int, ...], order: str, writeable: bool) -> Any:
    """An array that owns its memory, filled from a `Source` or from bytes; or over memory that is `HandedOver`."""
    import numpy

    if hasattr(source, "memory"):
        owner, offset = source.memory()
        return _over_memory(owner, offset, dtype, shape, order, writeable)
    array = numpy.empty(shape, dtype, order)  # type: ignore[call-overload]
    if array.nbytes:
        flat = memoryview(array.reshape(-1, order="A").view("B"))
        if isinstance(source, bytes):
            flat[:] = source
        else:
            source.readinto(flat)
    array.flags.writeable = writeable
    return array


def _over_memory(owner: Any, offset: int, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool) -> Any:
    """The array that owns the memory, where it is like that; else another one over its memory."""
    import numpy

    contiguous = owner.flags.c_contiguous if order == "C" else owner.flags.f_contiguous
    if (owner.dtype, owner.shape, contiguous, owner.flags.writeable) == (dtype, shape, True, writeable):
        return owner
    array: Any = numpy.ndarray(shape, dtype, owner.reshape(-1, order="A").view("B"), offset, None, order)
    array.flags.writeable = writeable
    return array


def load_view(
    home: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,
) -> Any:
    """An array over the memory of another one."""
    import numpy

    if dtype.hasobject:  # numpy makes no array of objects over a foreign buffer
        first = home.reshape(-1, order="A")[offset // dtype.itemsize :]
        view = numpy.lib.stride_tricks.as_strided(first, shape, strides)
    else:
        buffer = home
        if not home.flags.c_contiguous or home.dtype.kind in "mM":
            buffer = home.reshape(-1, order="A").view("B")
        view = numpy.ndarray(shape, dtype, buffer, offset, strides)
    if view.flags.writeable != writeable:
        view.flags.writeable = writeable
    return view


def load_buffer_view(
    owner: Any, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, writeable: bool
) -> Any:
    """An array over the memory of something else than an array: a bytearray, an array of Python's, one of C's."""
    import numpy

    view = numpy.ndarray(shape, dtype, owner, offset, strides)
    if view.flags.writeable != writeable:
        view.flags.writeable = writeable
    return view


def load_derived_array(cls: Any, array: Any) -> Any:
    """The same memory as an array of a class that is derived, before it has its attributes."""
    import numpy

    return numpy.ndarray.view(array, cls)


def load_strings(
    recall: Recall,
    content: bytes,
    missing: tuple[tuple[Any, int], ...],
    lines: tuple[tuple[Any, tuple[Any, ...]], ...],
    shape: tuple[int, ...],
    order: str,
    writeable: bool,
) -> Any:
    """An array of strings that owns its memory. The loader binds `recall`; it is never in the stream.

    Args:
        content: identifies the content for sure; empty where it was not known.
        missing: what stands for missing values (the text "nan" for NumPy's own), and how often.
        lines: parts of the array in memory order, equally long. Of each its codes, if it has any (a `Source` or
            bytes, the length of one, how many), and its blocks: how many strings, their text (a `Source` or bytes),
            what stands between them, and for which kinds of missing values a bit for each stands before.
    """
    import numpy

    array = numpy.empty(shape, object, order)  # type: ignore[call-overload]
    flat = array.reshape(-1, order="A")
    known = recall.find(content, missing)
    if known is not None and known.shape == flat.shape:
        flat[:] = known
    else:
        markers = [numpy.nan if type(each) is str else each for each, _ in missing]
        length = flat.size // len(lines)
        for place, (codes, blocks) in enumerate(lines):
            line = flat[place * length : (place + 1) * length]
            if codes is None:
                _fill(line, blocks, markers)
                continue
            source, width, count = codes
            numbers = numpy.frombuffer(_bytes(source), f"<u{width}", count)
            kinds = numpy.empty(sum(block[0] for block in blocks), object)
            _fill(kinds, blocks, markers)
            if numbers.max(initial=0) >= kinds.size:
                raise ValueError("a number stands for no string")
            kinds.take(numbers, out=line, mode="clip")  # in its other modes all is put in new memory first
    recall.note_loaded_array(content, flat)
    array.flags.writeable = writeable
    return array


def _fill(target: Any, blocks: tuple[tuple[int, Any, str, tuple[int, ...]], ...], markers: list[Any]) -> None:
    import numpy

    start = 0
    for count, source, separator, masked in blocks:
        data = memoryview(_bytes(source))
        size = -(-count // 8)  # of a mask
        part = target[start : start + count]
        if part.size != count:
            raise ValueError(f"there are {count} strings for {part.size} places")
        fill_texts(part, data[len(masked) * size :], separator)
        for place, kind in enumerate(masked):
            bits = numpy.frombuffer(data[place * size : (place + 1) * size], "B")
            part[numpy.unpackbits(bits, count=count).view(bool)] = markers[kind]
        start += count
    if start != target.size:
        raise ValueError(f"there are {start} strings for {target.size} places")


def _bytes(source: Any) -> Any:
    """The bytes of a `Source`, or the bytes that they are."""
    if isinstance(source, bytes):
        return source
    import numpy

    data: Any = numpy.empty(source.nbytes, "B")
    source.readinto(memoryview(data))
    return data
