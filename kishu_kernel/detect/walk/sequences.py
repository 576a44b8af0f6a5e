"""How sequences of plain atoms are written: in one go, or from the cache."""

from __future__ import annotations

import array
from typing import Any

from kishu_kernel.detect.atoms import ATOMS, PLAIN
from kishu_kernel.detect.sequence_cache import LONG, TUPLES_HAVE_KEYS, key_of_tuple
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.process.memory import LARGE_BYTES


def write_if_plain(walk: Walk, items: list[Any] | tuple[Any, ...]) -> bool:
    """Writes a sequence of plain atoms in one go; False where it holds anything else."""
    if len(items) < LONG or not TUPLES_HAVE_KEYS:
        return write_plain(walk, items)
    items = tuple(items)  # nothing can change it between its key and its content
    return write_cached(walk, key_of_tuple(items), items)


def write_cached(walk: Walk, key: bytes, objects: Any, owner: Any = None, copy_on_write: bool = False) -> bool:
    """Writes a tuple or an array of plain atoms; from the cache, if it was seen before.

    Args:
        key: of the objects.
        objects: nobody else can write to it.
        owner, copy_on_write: as of `CachedSequence`.
    """
    known = walk.shared.sequence_cache.get(key)
    if known is not None:
        walk.parts.append(known.content)
        if owner is not None:
            known.add_owner(owner)
    else:
        start = len(walk.parts)
        if not write_plain(walk, objects if type(objects) is tuple else objects.tolist()):
            return False
        known = walk.shared.sequence_cache.add(key, objects, walk.parts.since(start), owner, copy_on_write)
    if known is not None:
        walk.sequences.append(known)
    return True


def write_plain(walk: Walk, items: list[Any] | tuple[Any, ...]) -> bool:
    """Writes a sequence of plain atoms; False where it holds anything else."""
    kinds = walk.kinds(items)
    if not kinds <= PLAIN:
        return False
    if kinds <= _COUNTED and _looks_heavy(items, kinds) and _write_repeated(walk, items, kinds):
        return True
    try:
        if kinds == {float}:
            walk.text(b"F", array.array("d", items).tobytes())
        elif kinds == {str} and len(items) > 16:
            data = "\0".join(items).encode("utf-8", "surrogatepass")
            if data.count(b"\0") != len(items) - 1:  # a NUL inside: where do strings end?
                walk.text(b"N", array.array("q", map(len, items)).tobytes())
            walk.text(b"S", data)
        else:
            items = [*items]  # whether they stand in a list or in a tuple is written elsewhere
            walk.text(b"R", repr(items).encode("utf-8", "surrogatepass"))
    except ValueError:  # an int of more than 4,300 digits has no repr
        return False
    return True


def _write_repeated(walk: Walk, items: list[Any] | tuple[Any, ...], kinds: set[type]) -> bool:
    """Writes few atoms that stand in many places: each once, and where. False where they are many.

    Goes by equality and not by identity: equal content is written in the same way.
    """
    alike = len(kinds) == 1
    keys = items if alike else [*zip(map(type, items), items, strict=True)]  # True is equal to 1
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    if len(numbers) * 4 > len(items):
        return False
    walk.text(b"K" if kinds == {str} else b"k", array.array("Q", map(numbers.__getitem__, keys)).tobytes())
    for each in numbers if alike else (key[1] for key in numbers):
        walk.parts.append(ATOMS[type(each)](each))
    return True


_COUNTED = frozenset({str, bytes, int, bool, type(None)})
"""Plain atoms that are equal only where they are the same, type by type."""


_WITH_LENGTH = frozenset({str, bytes})


def _looks_heavy(items: list[Any] | tuple[Any, ...], kinds: set[type]) -> bool:
    """Whether the items would make a very long text. Judged by some of them, by their content alone."""
    sample = items[:: max(1, len(items) // 64)]
    if kinds <= _WITH_LENGTH:
        return sum(map(len, sample)) * len(items) > LARGE_BYTES * len(sample)
    size = sum(each.bit_length() >> 3 if isinstance(each, int) else len(each or b"") for each in sample)
    return size * len(items) > LARGE_BYTES * len(sample)
