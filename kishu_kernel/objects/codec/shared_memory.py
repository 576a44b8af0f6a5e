"""Which arrays of one payload share memory, and what each of them is best restored as a view of.

Law: each piece of memory is stored once, whatever the strides of the arrays over it, and whether a name holds the base
or not. Neighbours: `buffers`, which meets the arrays.
"""

from __future__ import annotations

import ctypes
from array import array as python_array
from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.arrays import can_be_viewed
from kishu_kernel.process.memory import address, address_of, base_array, bounds, is_writeable, owner_of

OWNERS = (bytearray, python_array, ctypes.Array, ctypes.Structure, ctypes._SimpleCData)
"""Types, other than arrays, of what arrays may show the memory of, and that can be stored."""


@dataclass(frozen=True)
class Segment:
    """Memory that arrays of one payload share, where none of them owns all of it."""

    start: int
    size: int
    arrays: tuple[Any, ...] = field(compare=False, repr=False)
    """They keep the memory alive."""


Home = Any
"""What arrays are views of: one of them, a `Segment`, or one of `OWNERS`."""


@dataclass(slots=True, eq=False)
class Met:
    """An array that was met.

    Attributes:
        private: it is the memory of a library's object that no write through others changes, as the library says.
        copied_for: of a derived class, and stores a copy of this memory, unless it can be restored as a view. None: it
            is a plain array.
        bounds: where its memory begins and ends: asked many times, and it is not moved meanwhile.
    """

    array: Any
    private: bool = False
    copied_for: Any = None
    bounds: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.bounds = bounds(self.array)


_bounds = attrgetter("bounds")


def homes_of(met: Iterable[Met], stored: Collection[int]) -> dict[int, Home]:
    """Arrays that share memory, by their ids -> what each is best restored as a view of.

    Args:
        stored: ids of what the payload holds.
    """
    able = [each for each in met if each.copied_for is None or can_be_viewed(each.copied_for)]
    joining = [each for cluster in _clusters(able) for each in _without_private(cluster)]
    homes: dict[int, Home] = {}
    for cluster in _clusters(joining):
        home = _home(cluster, stored)
        homes.update({id(each.array): home for each in cluster if home is not None})
    return homes


def layout(array: Any, home: Home) -> tuple[Any, ...]:
    """How an array lies in its home, as what restores it takes it."""
    return array.dtype, array.shape, array.strides, address(array) - _start(home), is_writeable(array)


def _start(home: Home) -> int:
    if type(home) is Segment:
        return home.start
    return address_of(home) if issubclass(type(home), OWNERS) else address(home)


def _clusters(met: Iterable[Met]) -> Iterator[list[Met]]:
    """Those that overlap, each with some other of its cluster."""
    cluster: list[Met] = []
    end = 0
    for each in sorted(met, key=_bounds):
        low, high = each.bounds
        if low >= end and cluster:
            yield cluster
            cluster = []
        cluster.append(each)
        end = max(end, high)
    if cluster:
        yield cluster


def _without_private(cluster: list[Met]) -> list[Met]:
    """Private memory joins where it is clear whose it is; two frames over one block come apart."""
    private = sum(each.private for each in cluster)
    joins = private == 1 < len(cluster) and not any(each.array.dtype.hasobject for each in cluster)
    return [
        each
        for each in cluster
        if (joins or not each.private) and not (each.copied_for is not None and each.array.dtype.hasobject)
    ]


def _home(cluster: list[Met], stored: Collection[int]) -> Home:
    """What they are views of; None for one that is alone."""
    if len(cluster) < 2 and not stored:
        return None
    owners = {id(owner): owner for owner in (owner_of(each.array) for each in cluster)}
    held = [owner for key, owner in owners.items() if issubclass(type(owner), OWNERS) and key in stored]
    if held:
        return held[0] if len(owners) == 1 else None
    if len(cluster) < 2:
        return None
    start = min(each.bounds[0] for each in cluster)
    end = max(each.bounds[1] for each in cluster)
    home: Home = None
    for each in cluster:
        flags = each.array.flags
        owns = each.array.base is None and each.copied_for is None and (flags.c_contiguous or flags.f_contiguous)
        if each.bounds == (start, end) and owns:
            home = each.array
    if home is None and any(each.array.dtype.hasobject for each in cluster):
        return base_array(cluster[0].array)
    return Segment(start, end - start, tuple(each.array for each in cluster)) if home is None else home
