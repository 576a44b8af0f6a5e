"""Long sequences of atoms that were looked at before: known again by which objects they hold.

Atoms cannot change. A sequence that holds the same objects as before, in the same order, has the content that it
had, and nobody needs to read a million strings, each at its own place in memory, to know that.

Law: objects are compared by address, so those that are remembered are kept alive: else another object could come to
lie where one of them lay. They are kept no longer than the user keeps them: those of an array go with the array, all
others before a cell runs that may let go of them (`Familiar.let_go`). Addresses never enter a digest that leaves this
module; what does is the content as the walk wrote it, the same in every process.

Neighbours: `walk` asks, `covariables` keeps what was found as long as it knows the co-variable. What comes back from
the store is made of the same objects where that can be (`Reunion`), so that it is familiar at once.
"""

from __future__ import annotations

import ctypes
import os
import sys
import sysconfig
import weakref
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kishu_kernel.detect.atoms import digest
from kishu_kernel.process.memory import address, base_array, memory_at

LONG = 2048
"""Shorter ones are read as fast as they are recognised."""

MOST_BYTES = 1 << 30
MOST_SHARE = 16
"""Of the machine's memory at most this part may be kept alive: a cell that lets go of a frame and loads the next
one would else hold both."""

TEXT = (b"S", b"N", b"K")
"""How the walk begins what it writes of a long sequence of nothing but strings (`Walk.write_plain`)."""

SAMPLE = 64
_POINTER = ctypes.sizeof(ctypes.c_void_p)


class Familiar:
    """A sequence of atoms, as it was seen once.

    Args:
        owner: the array that owns the memory in which the sequence stands; None where it stands in no array.
        settled: nobody writes to the array but who replaces it, as pandas does with its blocks.

    Attributes:
        key: says which objects it holds, as long as they live.
        objects: a tuple or a numpy array of them; keeps them alive. None after they were let go of.
        written: the content, as the walk writes it.
        weight: bytes that live on if the user lets go of the sequence.
    """

    __slots__ = ("__weakref__", "_owners", "_settled", "key", "objects", "weight", "written")

    def __init__(self, key: bytes, objects: Any, written: bytes, owner: Any = None, settled: bool = False) -> None:
        self.key = key
        self.objects = objects
        self.written = written
        self.weight = _weight(objects)
        self._settled = settled
        self._owners: list[weakref.ref[Any]] = []
        if owner is not None:
            self.met_in(owner)

    def met_in(self, owner: Any) -> None:
        """An array holds the same objects: they are kept as long as one of these arrays lives."""
        if all(each() is not owner for each in self._owners):
            # The callback knows no more of this than it must: it is to go when the session forgets it.
            self._owners.append(weakref.ref(owner, partial(_without, weakref.ref(self))))

    def without_dead(self) -> None:
        """Lets go of the objects if none of the arrays lives."""
        self._owners = [each for each in self._owners if each() is not None]
        if not self._owners:
            self._drop()

    def let_go(self, *, thinned: bool) -> None:
        """Code is about to run that may let go of the sequence.

        Args:
            thinned: not only of the whole, but of single objects in it.
        """
        if not self._owners or (thinned and not self._settled):
            self._drop()

    def _drop(self) -> None:
        self.objects, self.weight = None, 0


def _without(familiar: weakref.ref[Familiar], _: object) -> None:
    found = familiar()
    if found is not None:
        found.without_dead()


class Familiars:
    """Those that one judgement can recognise, and room for more."""

    def __init__(self, known: Iterable[Familiar] = (), room: int | None = None) -> None:
        self._known = {each.key: each for each in known}
        limit = _most() if room is None else room
        self._room = limit - sum(each.weight for each in self._known.values())

    def recognised(self, key: bytes) -> Familiar | None:
        """The one that holds these objects, if it was seen before."""
        found = self._known.get(key)
        return None if found is None or found.objects is None else found

    def remember(
        self, key: bytes, objects: Any, written: bytes, owner: Any = None, settled: bool = False
    ) -> Familiar | None:
        """Keeps it for the next time. None where there is no room.

        Args:
            objects: a tuple, or an array that nobody else can write to, of nothing but atoms; `key` is its key.
            owner, settled: as of `Familiar`.
        """
        found = Familiar(key, objects, written, owner, settled)
        if found.weight + len(written) > self._room:
            return None
        self._room -= found.weight
        self._known[key] = found
        return found


class Reunion:
    """What the session holds and a checkout loads: where the content is the same, the objects can be.

    Args:
        known: familiar to the session now.
    """

    def __init__(self, known: Iterable[Familiar] = ()) -> None:
        known = tuple(known)
        self.familiars = Familiars(known)
        held = [(each.written, each.objects) for each in known]
        self._contents = {key: found for key, found in held if found is not None and not isinstance(found, tuple)}
        self._met: dict[Hashable, list[Familiar]] = {}

    def with_objects(self, content: bytes) -> Any:
        """An array with this content, not to be given away; None where there is none."""
        return self._contents.get(content)

    def remember(self, at: Hashable, found: Familiar) -> None:
        """It was met there."""
        self._met.setdefault(at, []).append(found)

    def met(self, at: Hashable) -> tuple[Familiar, ...]:
        """All that were met there."""
        return tuple(self._met.get(at, ()))


@dataclass(frozen=True, slots=True)
class Meeting:
    """One place of a `Reunion`: the arrays of one payload.

    Attributes:
        at: None where nobody is to look for them afterwards.
    """

    reunion: Reunion
    at: Hashable

    def find(self, content: bytes) -> Any:
        """A 1-D array with this content, not to be given away; None where there is none."""
        return self.reunion.with_objects(content)

    def met(self, content: bytes, array: Any) -> None:
        """A contiguous 1-D array with this content was loaded: it is familiar from now on, where there is room."""
        if self.at is None:
            return
        key = key_of_array(array)
        known, owner = self.reunion.familiars.recognised(key), base_array(array)
        if known is None:
            known = self.reunion.familiars.remember(key, array.copy(), content, owner, settled=True)
        if known is not None:
            known.met_in(owner)
            self.reunion.remember(self.at, known)


def recogniser(familiar: Iterable[Familiar]) -> Callable[[Any], tuple[bytes, Any, bool] | None]:
    """Knows the objects of a contiguous 1-D array.

    Returns:
        A function of the array. It gives the content, an array (or None) of the same objects for reading, and
        whether they are known to be strings, all of them; None where they are not familiar.
    """
    known = {each.key: each for each in familiar}

    def recognised(array: Any) -> tuple[bytes, Any, bool] | None:
        found = known.get(key_of_array(array)) if known else None
        objects = None if found is None else found.objects
        if found is None or objects is None:
            return None
        return found.written, None if isinstance(objects, tuple) else objects, found.written.startswith(TEXT)

    return recognised


def key_of_array(array: Any) -> bytes:
    """Which objects a contiguous numpy array of objects holds: equal keys, the same objects in the same order.

    True as long as the objects of one of the two live; but for a chance of 1 in 2**128, as with all digests.
    """
    return digest(memory_at(address(array), array.nbytes, array))


def key_of_tuple(items: tuple[Any, ...]) -> bytes:
    """The same of a tuple, where `READABLE`."""
    return digest(memory_at(id(items) + tuple.__basicsize__, len(items) * _POINTER, items))


def _readable() -> bool:
    """Whether the addresses of a tuple's objects stand in it one after the other, as in CPython with its lock."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    probe = (object(), "probe", 12345)
    end = tuple.__basicsize__ + len(probe) * _POINTER
    if sys.getsizeof(probe) < end:
        return False
    found = memory_at(id(probe) + tuple.__basicsize__, len(probe) * _POINTER, probe).cast("P")
    return list(found) == [id(each) for each in probe]


def _weight(objects: Any) -> int:
    """About how many bytes the array and its objects occupy. Few objects many times weigh as few."""
    sample = tuple(objects[:: max(1, len(objects) // SAMPLE)])
    different = {id(each): sys.getsizeof(each) for each in sample}
    return len(objects) * (_POINTER + sum(different.values()) // len(sample))


def _most() -> int:
    try:
        return min(MOST_BYTES, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MOST_SHARE)
    except (AttributeError, ValueError, OSError):  # not on every system
        return MOST_BYTES // 4


READABLE = _readable()
"""Whether tuples have keys here. Where they have none, lists are read each time."""
