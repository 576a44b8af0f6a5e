"""How sequences of plain atoms are written: in one go, or from the cache."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable
from typing import Any

from kishu_kernel.detect.atoms import ATOMS, PLAIN
from kishu_kernel.detect.sequence_cache import LONG, SAMPLE, TUPLES_HAVE_KEYS, key_of_tuple
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.process.memory import LARGE_BYTES


def write_if_plain(walk: Walk, items: list[Any] | tuple[Any, ...]) -> bool:
    """Writes a sequence of plain atoms in one go; False where it holds anything else."""
    if len(items) < LONG or not TUPLES_HAVE_KEYS:
        return write_plain(walk, items)
    holds = walk.twin.holds
    if holds is not None and type(items) is list:
        known = walk.shared.sequence_cache.holding(items, holds)
        if known is not None:
            walk.parts.append(known.content)
            walk.sequences.append(known)
            return True
    if not walk.kinds(items[:: len(items) // SAMPLE]) <= PLAIN:  # not to be copied for nothing
        return False
    copy = tuple(items)  # nothing can change it between its key and its content
    if not write_cached(walk, key_of_tuple(copy), copy):
        return False
    if copy is not items and walk.twin.untrack is not None:
        walk.twin.untrack(copy)
    return True


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
    """Writes a sequence of plain atoms, which nobody changes meanwhile; False where it holds anything else."""
    if _looks_heavy(items) and _write_repeated(walk, items):
        return True
    content = None if len(items) < LONG else walk.twin.content(items)
    if content is not None:
        walk.parts.append(content)
        return True
    kinds = walk.kinds(items)
    if not kinds <= PLAIN:
        return False
    if int in kinds and has_long_int(items):
        return False
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
    except ValueError:  # an int of more digits than are allowed has no repr
        return False
    return True


def _write_repeated(walk: Walk, items: list[Any] | tuple[Any, ...]) -> bool:
    """Writes few plain atoms that stand in many places: each once, and where. False where they are many, or not plain.

    Goes by equality: equal content is written in the same way. The same object is looked at once, however often it
    stands there: all its places together may be more than any memory.
    """
    kinds = walk.kinds(items)
    if not kinds <= PLAIN:
        return False
    text = str if str in kinds else bytes if bytes in kinds else None
    if text is not None and _are_many(items, text):
        return False
    objects = dict(zip(map(id, items), items, strict=True))
    numbers: dict[Any, int] = {}
    number_of = {key: numbers.setdefault(_key(each), len(numbers)) for key, each in objects.items()}
    if len(numbers) * 4 > len(items):
        return False
    places = array.array("Q", map(number_of.__getitem__, map(id, items)))
    walk.text(b"K" if kinds == {str} else b"k", places.tobytes())
    written: dict[int, Any] = {}
    for key, each in objects.items():
        written.setdefault(number_of[key], each)
    for each in written.values():
        walk.parts.append(ATOMS[type(each)](each))
    return True


_AT_ONCE = 1 << 16
_SHORT = 1 << 12
_AS_A_PLACE = 64
"""Mean length of texts that together take no more than a few times the memory of their places."""


def _are_many(items: list[Any] | tuple[Any, ...], text: type) -> bool:
    """Whether different texts stand in more than about a quarter of the places.

    Goes by content alone, so nothing else is counted: a nan is equal to none. Of long texts it is not asked: each is
    compared. Of a quarter, spread evenly, one in 64 of all places shows 31 different ones in 32. Of texts that are not
    short this is not enough: in a regular order few could look like many, and be written in each place.
    """
    length = sum(map(len, _only(text, items[:: max(1, len(items) // 64)]))) / 64
    if length > _SHORT:
        return False
    some = items[::64]
    if length <= _AS_A_PLACE and len(set(_only(text, some))) * 32 > len(some) * 31:
        return True
    different: set[Any] = set()
    for start in range(0, len(items), _AT_ONCE):
        different.update(_only(text, items[start : start + _AT_ONCE]))
        if len(different) * 4 > len(items):
            return True
    return False


def _only(kind: type, items: list[Any] | tuple[Any, ...]) -> list[Any]:
    return [each for each in items if type(each) is kind]


def _key(atom: Any) -> Any:
    """What is equal only where atoms are the same: True is equal to 1, 0.0 to -0.0, and NaN to nothing."""
    kind = type(atom)
    return (kind, ATOMS[kind](atom)) if kind in (float, complex) else (kind, atom)


_LONGEST = 14_000
"""Bits of an int that is written with others: it has less than 4,300 digits, which Python may refuse to write, and slow
to be written where it was told not to refuse."""


def has_long_int(items: Iterable[Any]) -> bool:
    """Whether one of these atoms is an int with too many digits, and Python does not refuse to write them."""
    if 0 < getattr(sys, "get_int_max_str_digits", lambda: 0)() <= _USUAL_DIGITS:
        return False
    return any(type(each) is int and each.bit_length() > _LONGEST for each in items)


_USUAL_DIGITS = 4300


def _looks_heavy(items: list[Any] | tuple[Any, ...]) -> bool:
    """Whether plain items would make a very long text. Judged by some of them, by their content alone."""
    sample = items[:: max(1, len(items) // 64)]
    return sum(map(_size, sample)) * len(items) > LARGE_BYTES * len(sample)


def _size(atom: Any) -> int:
    kind = type(atom)
    return len(atom) if kind is str or kind is bytes else atom.bit_length() >> 3 if kind is int else 0
