"""Whether an array could change and nobody outside of some variables would see it.

A memory that is written to shows in all that look at it: views, frames, a cache of some library's, a thread in the
middle of a sum. So before an undo writes into a live array, each reference to that array, and to whatever leads to it,
must be one that is known: it comes from what the variables reach, or from the namespace. References are counted, as the
garbage collector does. One that is not accounted for is a holder that nobody knows.

Law: in doubt there is another holder. Classes are believed to keep nothing that follows from an array's numbers only
where they are Python's own containers, or where their library says so (`Library.transparent`).
Neighbours: `codec.disarming` counts in the same way; `session.in_place` asks.
"""

from __future__ import annotations

import collections
import gc
import sys
import threading
import types
import weakref
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Set
from itertools import chain, pairwise
from typing import Any

from kishu_kernel.objects.arrays import array_type, is_array_type
from kishu_kernel.objects.classes import derives, is_atom_type
from kishu_kernel.objects.questions import is_transparent, private_memory_of
from kishu_kernel.process.memory import bounds, owner_of

MOST = 5_000
"""Objects that are looked at: where there are more, to load them takes less time than to look at them."""

_TRANSPARENT = frozenset(map(id, (list, tuple, dict, collections.OrderedDict, collections.deque, weakref.ref)))
_NOT_ENTERED = (type, types.ModuleType, types.CodeType, types.BuiltinFunctionType)


class Reached:
    """What variables lead to, and who holds what there.

    Args:
        objects: of the variables. The caller holds them.

    Attributes:
        complete: all of it is known. Else there is too much, or there are arrays that do not tell what they hold.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        self._found: dict[int, Any] = {}
        self._holds: dict[int, list[int]] = {}
        """Ids of objects -> those of what each holds, as often as it does."""
        self.complete = self._reach(objects)

    def _reach(self, objects: Iterable[Any]) -> bool:
        todo = [*objects]
        while todo:
            obj = todo.pop()
            if id(obj) in self._found:
                continue
            held = _held_by(obj) if len(self._found) < MOST else None
            if held is None:
                return False
            self._found[id(obj)] = obj
            self._holds[id(obj)] = [*map(id, held)]
            todo += held
        return True

    def ids(self) -> set[int]:
        """Of all that was reached."""
        return set(self._found)

    def object(self, key: int) -> Any:
        """What was reached that has this id."""
        return self._found[key]

    def are_sole_holders(self, owners: Set[int], bound: Counter[int]) -> bool:
        """Whether nobody else holds these arrays, nor anything that leads to them, and all that leads there may.

        Args:
            owners: ids of arrays that own their memory.
            bound: ids of objects -> how many references to each the caller knows of.
        """
        leading = self._leading_to(owners)
        if not owners <= self._found.keys() or not all(_may_hold(type(self._found[key])) for key in leading):
            return False
        weak = [reference for key in leading for reference in weakref.getweakrefs(self._found[key])]
        leading.update(map(id, weak))
        del weak
        return leading <= self._found.keys() and not self._have_other_holders(leading, bound)

    def shows_all_as_stored(self, owners: Collection[int]) -> bool:
        """Whether all arrays over the memory of these ones are stored as views of one memory.

        Those that libraries hold and that are private are stored apart, where there are several. Then they must lie
        apart from each other, and nothing else may show them.
        """
        private = set(map(id, self._private()))
        over: dict[int, list[Any]] = {key: [] for key in owners}
        for obj in self._found.values():
            if is_array_type(type(obj)) and obj.size and (key := id(owner_of(obj))) in over:
                over[key].append(obj)
        for key, arrays in over.items():
            apart = sorted(bounds(each) for each in arrays if id(each) in private)
            others = [each for each in arrays if id(each) not in private and id(each) != key]
            if len(apart) > 1 and (others or any(one[1] > other[0] for one, other in pairwise(apart))):
                return False
        return True

    def open_arrays_over(self, owners: Collection[int]) -> Iterator[Any]:
        """Arrays over the memory of these ones, by their ids, but for what libraries hold that is private."""
        private = set(map(id, self._private()))
        for obj in self._found.values():
            if id(obj) not in private and is_array_type(type(obj)) and obj.size and id(owner_of(obj)) in owners:
                yield obj

    def _private(self) -> Iterator[Any]:
        for obj in self._found.values():
            entry = private_memory_of(type(obj))
            if entry is not None:
                yield from entry.answer(obj)

    def _leading_to(self, owners: Collection[int]) -> set[int]:
        """These, and all that leads to them."""
        holders: dict[int, list[int]] = {}
        for key, held in self._holds.items():
            for each in held:
                holders.setdefault(each, []).append(key)
        found: set[int] = set()
        todo = [*owners]
        while todo:
            key = todo.pop()
            if key not in found:
                found.add(key)
                todo += holders.get(key, ())
        return found

    def _have_other_holders(self, keys: Collection[int], bound: Counter[int]) -> bool:
        inside = Counter(chain.from_iterable(self._holds.values()))
        self._found[-1] = object()  # to see what the counting itself adds
        counts = {key: sys.getrefcount(obj) for key, obj in self._found.items()}
        del self._found[-1]
        spare = counts.pop(-1)
        return any(counts[key] - spare != inside[key] + bound[key] for key in keys)


def is_running_elsewhere(namespace: dict[str, Any]) -> bool:
    """Whether another thread is in the middle of code of the notebook: it may take up any variable at any moment."""
    tops = sys._current_frames()
    del tops[threading.get_ident()]  # a frame that holds itself would keep all that it holds
    for top in tops.values():
        frame: types.FrameType | None = top
        while frame is not None:
            if frame.f_globals is namespace:
                return True
            frame = frame.f_back
    return False


def _held_by(obj: Any) -> list[Any] | None:
    """What an object holds, as often as it does, without atoms, classes and code. None where that cannot be told."""
    held = gc.get_referents(obj)
    if is_array_type(type(obj)):  # which does not tell the collector
        held.append(array_type().__dict__["base"].__get__(obj))
        if obj.dtype.hasobject:
            if obj.dtype.char != "O" or obj.size > MOST:
                return None
            held += obj.ravel(order="K").tolist() if obj.flags.owndata else []
    types_held = [*map(type, held)]
    kinds = dict(zip(map(id, types_held), types_held, strict=True))  # each is asked once: there may be many objects
    left_out = {key for key, kind in kinds.items() if is_atom_type(kind) or _is_not_entered(kind)}
    return [each for each in held if id(type(each)) not in left_out] if len(left_out) < len(kinds) else []


def _is_not_entered(kind: type) -> bool:
    return any(derives(kind, each) for each in _NOT_ENTERED)


def _may_hold(kind: type) -> bool:
    """Instances keep nothing that follows from what stands in arrays that they hold."""
    return id(kind) in _TRANSPARENT or kind is array_type() or is_transparent(kind)
