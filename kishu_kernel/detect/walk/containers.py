"""Lists, tuples, sets, dictionaries and byte arrays of Python's own."""

from __future__ import annotations

import itertools
from typing import Any

import xxhash

from kishu_kernel.detect.atoms import ATOMS, PLAIN
from kishu_kernel.detect.walk.memory import write_memory
from kishu_kernel.detect.walk.opaque import walk_opaque
from kishu_kernel.detect.walk.result import UNORDERED
from kishu_kernel.detect.walk.sequences import has_long_int, write_if_plain
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.process.memory import address_of

SUMMED = 1024
"""Sets of so many plain atoms are not sorted."""
_WORD, _TWO_WORDS = (1 << 64) - 1, (1 << 128) - 1


def walk_sequence(walk: Walk, obj: list[Any] | tuple[Any, ...]) -> None:
    """A list or a tuple."""
    kind = type(obj)
    walk.parts.append(b"%b%d;" % (b"l" if kind is list else b"t", len(obj)))
    if not write_if_plain(walk, obj):
        walk.stack.extend(reversed(obj))
    elif kind is tuple:
        walk.unlink(obj)  # a value


def walk_set(walk: Walk, obj: set[Any] | frozenset[Any]) -> None:
    """A set or a frozenset."""
    walk.parts.append(b"%b%d;" % (b"u" if type(obj) is set else b"z", len(obj)))
    if walk.kinds(obj) <= PLAIN:
        if len(obj) >= SUMMED:
            _write_sums(walk, obj)
            return
        try:
            if not has_long_int(obj):
                walk.text(b"R", "\0".join(sorted(map(repr, obj))).encode("utf-8", "surrogatepass"))
                if type(obj) is frozenset:
                    walk.unlink(obj)  # a value
                return
        except ValueError:
            pass
    if walk.shared.census is not None:
        walk.shared.census[UNORDERED] += 1
    walk.stack.extend(obj)


def _write_sums(walk: Walk, obj: set[Any] | frozenset[Any]) -> None:
    """The items in no order, by sums over digests of theirs: nothing is sorted, or kept."""
    first = second = 0
    for item in obj:
        found = xxhash.xxh3_64_intdigest(ATOMS[type(item)](item))
        first += found
        second += found * found
    walk.parts.append(b"U" + (first & _WORD).to_bytes(8, "little") + (second & _TWO_WORDS).to_bytes(16, "little"))
    if type(obj) is frozenset:
        walk.unlink(obj)  # a value


def walk_dict(walk: Walk, obj: dict[Any, Any]) -> None:
    """A dictionary; the namespace itself leads everywhere."""
    if obj is walk.reducer.namespace:
        walk.dynamic = True
        walk_opaque(walk, obj)
        return
    walk.parts.append(b"d%d;" % len(obj))
    walk_items(walk, obj)


def walk_items(walk: Walk, obj: dict[Any, Any]) -> None:
    """The content of a dictionary."""
    if not obj:
        return
    keys = list(obj)
    values = list(obj.values())
    if not write_if_plain(walk, keys):
        walk.stack.extend(itertools.chain.from_iterable(reversed(list(zip(values, keys, strict=True)))))
    elif not write_if_plain(walk, values):
        walk.stack.extend(reversed(values))


def walk_bytearray(walk: Walk, obj: bytearray) -> None:
    """A bytearray: its memory may be shown by others."""
    walk.parts.append(b"y")
    if obj:
        with memoryview(obj) as view:
            write_memory(walk, address_of(view), view.nbytes, private=False)
