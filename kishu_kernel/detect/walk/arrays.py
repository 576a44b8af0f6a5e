"""Arrays of NumPy and of Python, and what shows the same memory as they do."""

from __future__ import annotations

import array
import pickle
from typing import Any

from kishu_kernel.detect.atoms import digest
from kishu_kernel.detect.sequence_cache import LONG, key_of_array
from kishu_kernel.detect.walk.memory import memory_digest
from kishu_kernel.detect.walk.opaque import note_opaque, walk_opaque
from kishu_kernel.detect.walk.reductions import walk_reduction
from kishu_kernel.detect.walk.sequences import write_cached
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.objects.arrays import can_be_viewed, is_array_type, plain_view
from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.questions import exposed_memory_of
from kishu_kernel.process.memory import (
    LARGE_BYTES,
    address,
    address_of,
    base_array,
    bounds,
    has_internal_overlap,
    is_mapped,
    is_writeable,
    mapped_file_at,
)


def walk_array(walk: Walk, obj: Any) -> None:
    """A numpy.ndarray: its memory is hashed where it lies."""
    flags = obj.flags
    contiguous = flags.c_contiguous or flags.f_contiguous
    order = b"F" if flags.f_contiguous and not flags.c_contiguous else b"C"
    walk.text(b"a", repr((obj.dtype.str, obj.shape, is_writeable(obj))).encode() + order)
    if obj.dtype.names is not None or obj.dtype.metadata:
        walk.stack.append(obj.dtype)
    if obj.size == 0:
        return
    start, end = bounds(obj)
    private = walk.reducer.is_copy_on_write(obj)
    if private:
        walk.unlink(obj)
    walk.ranges.append((start, end, private))
    if obj.base is not None and is_mapped(obj) and _write_mapped(walk, obj, type(obj)):
        return
    if obj.dtype.char == "O" and contiguous and obj.size >= LONG:
        _walk_objects(walk, obj.ravel(order="A"), base_array(obj), private)
    elif obj.dtype.hasobject and not contiguous and has_internal_overlap(obj):
        _walk_overlapping_objects(walk, obj)
    elif obj.dtype.hasobject:
        # The same objects that the elements are; a record gives its fields as a tuple.
        walk.kept.append(obj.ravel(order="A").tolist())  # its id must not be another's while we judge
        walk.stack.append(walk.kept[-1])
    elif contiguous:
        walk.parts.append(memory_digest(walk, start, end - start))
    elif end - start == obj.nbytes or has_internal_overlap(obj):  # it comes back with its strides
        walk.text(b"v", repr((obj.strides, address(obj) - start)).encode())
        walk.parts.append(memory_digest(walk, start, end - start))
    else:  # it comes back contiguous
        walk.parts.append(digest(obj.tobytes()))


def _write_mapped(walk: Walk, obj: Any, kind: type) -> bool:
    """An array over a file: by which file it is, where nobody can write to it through this array.

    Returns:
        False where it is small, and to be read. A large one that can be written to is opaque: to read it would
        take as long as the file is.
    """
    start, end = bounds(obj)
    identity = mapped_file_at(start, end)
    if identity is None and end - start <= LARGE_BYTES:
        return False
    if identity is None:
        note_opaque(walk, kind)
    walk.text(b"M", repr((identity, obj.dtype.str, obj.shape, obj.strides)).encode("utf-8", "surrogatepass"))
    return True


def _walk_overlapping_objects(walk: Walk, obj: Any) -> None:
    """As a view of the array that holds the objects: it may show each of them any number of times."""
    root = base_array(obj)
    if root is obj or root.dtype != obj.dtype or not (root.flags.c_contiguous or root.flags.f_contiguous):
        walk_opaque(walk, obj)
        return
    walk.text(b"v", repr((obj.strides, address(obj) - address(root))).encode())
    walk.stack.append(root)


def _walk_objects(walk: Walk, flat: Any, owner: Any, private: bool) -> None:
    """The elements of a long array of objects, as if they stood in a list."""
    walk.kept.append([])
    walk.memo[id(walk.kept[-1])] = len(walk.memo)
    walk.parts.append(b"l%d;" % len(flat))
    key = key_of_array(flat)
    if walk.shared.sequence_cache.get(key) is None:
        flat = flat.copy()  # of what is read, and not of what a thread of the user's is writing
        key = key_of_array(flat)
    if not write_cached(walk, key, flat, owner, private):
        walk.kept.append(flat.tolist())
        walk.stack.extend(reversed(walk.kept[-1]))


def walk_derived_array(walk: Walk, obj: Any) -> None:
    """By its reduction, which copies its memory and its mask; but others may see them too.

    It leaves out whether they can be written.
    """
    array = plain_view(obj)  # what its class says of its own attributes may be the notebook's code
    walk.text(b"w", bytes([is_writeable(array)]))
    parts: tuple[Any, ...] = (array, (attributes(obj) or {}).get("_mask"))
    views = [held for held in parts if is_array_type(type(held)) and held.strides and held.size]
    walk.ranges += [(*bounds(held), False) for held in views]
    if views and is_mapped(array) and _write_mapped(walk, array, type(obj)):
        return
    if not any(held.nbytes > LARGE_BYTES and has_internal_overlap(held) for held in views):
        walk_reduction(walk, obj)
    elif can_be_viewed(obj):  # its reduction would be as large as it seems to be
        walk.kept.append((type(obj), attributes(obj), array))
        walk.stack.extend(walk.kept[-1])
    else:
        walk_opaque(walk, obj)


def walk_scalar(walk: Walk, obj: Any) -> None:
    """A numpy scalar; one of several fields may be a view of an array."""
    if not obj.flags.owndata and is_array_type(type(obj.base)):
        start = obj.__array_interface__["data"][0]
        walk.ranges.append((start, start + obj.nbytes, False))
        walk_opaque(walk, obj)
    walk.unlink(obj)
    walk.text(b"n", obj.dtype.str.encode() + obj.tobytes())


def walk_dtype(walk: Walk, obj: Any) -> None:
    """A numpy.dtype: a value, though it is made of objects that can be told apart."""
    walk.unlink(obj)
    walk.text(b"e", f"{obj.str}:{obj!r}".encode())
    if obj.metadata:
        walk.parts.append(walk.digest_without_links(dict(obj.metadata)))


# -- other memory --------------------------------------------------------------------------------------


def walk_python_array(walk: Walk, obj: array.array[Any]) -> None:
    """An `array.array`: its memory may be shown by others."""
    start, length = obj.buffer_info()
    if length:
        walk.ranges.append((start, start + length * obj.itemsize, False))
    walk_reduction(walk, obj)


def walk_exposed_memory(walk: Walk, obj: Any) -> None:
    """Its memory may be an array's."""
    extent = exposed_memory_of(type(obj))
    if extent is not None:
        start, size = extent(obj)
        walk.ranges.append((start, start + size, False))
    walk_reduction(walk, obj)


def walk_pickle_buffer(walk: Walk, obj: pickle.PickleBuffer) -> None:
    """A `PickleBuffer`, by its bytes."""
    with obj.raw() as view:
        walk.parts.append(b"b%d:" % view.nbytes + digest(view))
        if view.nbytes:
            start = address_of(view)
            walk.ranges.append((start, start + view.nbytes, view.readonly))
