"""A cache of long sequences of atoms that were fingerprinted before, recognised by which objects they hold.

Atoms cannot change. A sequence that holds the same objects as before, in the same order, has the same content, so that
nobody needs to read a million strings, each at its own place in memory, to know that.

Law: objects are compared by address, so those that are cached are kept alive: else another object could come to lie
at the address of a freed one. They are kept alive no longer than the user does it: those of an array go with the
array, all others before a cell runs that may free them (`CachedSequence.release`). Addresses never enter a digest that
leaves this module; what does is the content as the walk wrote it, the same in every process.

Neighbours: `walk` asks the cache, `knowledge` keeps the sequences as long as it knows their co-variable. What a
checkout loads is made of the session's own objects where that can be (`CheckoutReuse`): it is recognised at once.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import sysconfig
import weakref
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any

from kishu_kernel.detect.atoms import digest
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.process.memory import address, base_array, memory_at

LONG = 2048
"""Shorter sequences are read as fast as they are recognised."""

MOST_BYTES = 1 << 30
MOST_SHARE = 16
"""At most this part of the machine's memory may be kept alive: a cell that drops a frame and loads the next one would
else hold both."""

TEXT = (b"S", b"N", b"K")
"""The first byte of the content of a sequence that holds nothing but strings (`Walk.write_plain`)."""

SAMPLE = 64
_POINTER = ctypes.sizeof(ctypes.c_void_p)


class CachedSequence:
    """A sequence of atoms, as it was when it was fingerprinted.

    Args:
        owner: the array that owns the memory in which the sequence lies; None if it lies in no array.
        copy_on_write: nobody writes into the array; who changes it replaces it, as pandas does with its blocks.

    Attributes:
        key: says which objects it holds, as long as they live.
        objects: a tuple or a numpy array of them, which keeps them alive. None once they were released.
        content: the sequence as the walk writes it into a digest.
        weight: bytes that stay in memory if the user frees the sequence.
    """

    __slots__ = ("__weakref__", "_copy_on_write", "_owners", "content", "key", "objects", "weight")

    def __init__(
        self, key: bytes, objects: Any, content: bytes, owner: Any = None, copy_on_write: bool = False
    ) -> None:
        self.key = key
        self.objects = objects
        self.content = content
        self.weight = _weight(objects)
        self._copy_on_write = copy_on_write
        self._owners: list[weakref.ref[Any]] = []
        if owner is not None:
            self.add_owner(owner)

    def add_owner(self, owner: Any) -> None:
        """Another array holds the same objects: they are kept as long as one of the owners lives."""
        if all(each() is not owner for each in self._owners):
            # The callback must not keep this alive: it is to go when the session forgets it.
            self._owners.append(weakref.ref(owner, partial(_owner_died, weakref.ref(self))))

    def release_without_owners(self) -> None:
        """Releases the objects if no owner lives any more."""
        self._owners = [each for each in self._owners if each() is not None]
        if not self._owners:
            self._release()

    def release(self, *, parts: bool) -> None:
        """Code is about to run that may free the sequence: stops keeping its objects alive where that could show.

        Args:
            parts: the code may also free single objects of the sequence.
        """
        if not self._owners or (parts and not self._copy_on_write):
            self._release()

    def _release(self) -> None:
        self.objects, self.weight = None, 0


def _owner_died(sequence: weakref.ref[CachedSequence], _: object) -> None:
    found = sequence()
    if found is not None:
        found.release_without_owners()


class SequenceCache:
    """The sequences that one judgement can recognise, and room for more.

    Args:
        room: bytes that may be kept alive; None: a share of the machine's memory.
    """

    def __init__(self, known: Iterable[CachedSequence] = (), room: int | None = None) -> None:
        self._known = {each.key: each for each in known}
        self._by_length: dict[int, list[CachedSequence]] | None = None
        limit = _most() if room is None else room
        self._room = limit - sum(each.weight for each in self._known.values())

    def get(self, key: bytes) -> CachedSequence | None:
        """The sequence that holds the objects of this key; None if it was not seen before, or was released."""
        found = self._known.get(key)
        return None if found is None or found.objects is None else found

    def holding(self, items: list[Any], holds: Callable[[tuple[Any, ...], list[Any]], bool]) -> CachedSequence | None:
        """As `get`, of the objects of a list: these are compared, and no key is needed.

        Args:
            holds: whether a list holds the objects of a tuple.
        """
        if self._by_length is None:
            self._by_length = {}
            for each in self._known.values():
                self._note_length(each)
        for each in self._by_length.get(len(items), ()):
            if type(each.objects) is tuple and holds(each.objects, items):
                return each
        return None

    def _note_length(self, sequence: CachedSequence) -> None:
        if self._by_length is not None and type(sequence.objects) is tuple:
            self._by_length.setdefault(len(sequence.objects), []).append(sequence)

    def add(
        self, key: bytes, objects: Any, content: bytes, owner: Any = None, copy_on_write: bool = False
    ) -> CachedSequence | None:
        """Keeps a sequence for the next time. Returns None if there is no room.

        Args:
            objects: a tuple, or an array that nobody else can write to, of nothing but atoms; `key` is its key.
            owner, copy_on_write: as of `CachedSequence`.
        """
        found = CachedSequence(key, objects, content, owner, copy_on_write)
        if found.weight + len(content) > self._room:
            return None
        self._room -= found.weight
        self._known[key] = found
        self._note_length(found)
        return found


class CheckoutReuse:
    """One for a checkout: what it loads is made of objects that the session holds, where the content is the same.

    Args:
        known: the sequences that the session holds now.
    """

    def __init__(self, known: Iterable[CachedSequence] = ()) -> None:
        known = tuple(known)
        self.cache = SequenceCache(known)
        held = [(each.content, each.objects) for each in known]
        self._arrays = {key: found for key, found in held if found is not None and not isinstance(found, tuple)}
        self._loaded: dict[Hashable, list[CachedSequence]] = {}

    def array_with(self, content: bytes) -> Any:
        """An array with this content, to be read and not to be given away; None if there is none."""
        return self._arrays.get(content)

    def note_loaded(self, place: Hashable, sequence: CachedSequence) -> None:
        """The sequence was loaded as part of what `place` stands for."""
        self._loaded.setdefault(place, []).append(sequence)

    def loaded_in(self, place: Hashable) -> tuple[CachedSequence, ...]:
        """All sequences that were loaded there."""
        return tuple(self._loaded.get(place, ()))


@dataclass(frozen=True, slots=True)
class PayloadReuse:
    """One for each payload: a `CheckoutReuse` as its decoder sees it (`codec.strings.Acquaintances`).

    Attributes:
        place: under which the sequences of the payload are noted; None if nobody will ask for them.
    """

    reuse: CheckoutReuse
    place: Hashable

    def find(self, content: bytes) -> Any:
        """A 1-D array with this content, to be read and not to be given away; None if there is none."""
        return self.reuse.array_with(content)

    def note_loaded_array(self, content: bytes, array: Any) -> None:
        """A contiguous 1-D array with this content was loaded: from now on it is recognised, if there is room."""
        if self.place is None:
            return
        key = key_of_array(array)
        known, owner = self.reuse.cache.get(key), base_array(array)
        if known is None:
            known = self.reuse.cache.add(key, array.copy(), content, owner, copy_on_write=True)
        if known is not None:
            known.add_owner(owner)
            self.reuse.note_loaded(self.place, known)


def array_lookup(sequences: Iterable[CachedSequence]) -> Callable[[Any], tuple[bytes, Any, bool] | None]:
    """A function that recognises contiguous 1-D arrays whose objects these sequences hold.

    Returns:
        A function of an array. It gives the content, an array (or None) of the same objects for reading, and
        whether all of them are known to be strings; None for an array that it does not recognise.
    """
    known = {each.key: each for each in sequences}
    if not known:
        return _recognises_nothing

    def look_up(array: Any) -> tuple[bytes, Any, bool] | None:
        found = known.get(key_of_array(array))
        objects = None if found is None else found.objects
        if found is None or objects is None:
            return None
        return found.content, None if isinstance(objects, tuple) else objects, found.content.startswith(TEXT)

    return look_up


def kept_tuples(sequences: Iterable[CachedSequence]) -> tuple[tuple[Any, ...], ...]:
    """The tuples in which these sequences keep the objects of lists and dictionaries alive."""
    kept = {id(each.objects): each.objects for each in sequences}  # none twice: who counts references goes by it
    return tuple([objects for objects in kept.values() if type(objects) is tuple])


def _recognises_nothing(array: Any) -> None:
    return None


def key_of_array(array: Any) -> bytes:
    """Says which objects a contiguous numpy array of objects holds: equal keys, the same objects in the same order.

    That is true as long as the objects of one of the two arrays live, but for a chance of 1 in 2**128.
    """
    return digest(memory_at(address(array), array.nbytes, array))


def key_of_tuple(items: tuple[Any, ...]) -> bytes:
    """The key of an array with the objects of this tuple. Only where `TUPLES_HAVE_KEYS`."""
    return digest(memory_at(id(items) + tuple.__basicsize__, len(items) * _POINTER, items))


def _tuples_have_keys() -> bool:
    """Whether a tuple holds the addresses of its objects one after the other, as in CPython with its global lock."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    probe = (object(), "probe", 12345)
    end = tuple.__basicsize__ + len(probe) * _POINTER
    if sys.getsizeof(probe) < end:
        return False
    found = memory_at(id(probe) + tuple.__basicsize__, len(probe) * _POINTER, probe).cast("P")
    return list(found) == [id(each) for each in probe]


def _weight(objects: Any) -> int:
    """About how many bytes the array and its objects occupy. An object that occurs many times counts once."""
    sample = tuple(objects[:: max(1, len(objects) // SAMPLE)])
    different = {id(each): sys.getsizeof(each) for each in sample}
    return len(objects) * (_POINTER + sum(different.values()) // len(sample))


def _most() -> int:
    memory = _memory()
    return MOST_BYTES // 4 if memory is None else min(MOST_BYTES, memory // MOST_SHARE)


@functools.cache
def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return None


TUPLES_HAVE_KEYS = _tuples_have_keys()
"""Whether `key_of_tuple` works here. Where it does not, lists are read each time."""
