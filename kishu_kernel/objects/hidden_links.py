"""What an object's own reduction hides and its attributes show, where that leads to something else that is stored.

A class of a library that is pickled in a way of its own makes anew, when it is loaded, what it does not tell: a
document parses its text again, a quantity looks up a registry. What a variable of the user's had in common with it is
then two objects. So attributes that lead to what is stored anyway are stored beside, and set again after the load.

Law: decided when a value is stored, by looking: no code of the class runs but its own reduction. Walk and codec ask
the same functions. Neighbours: `left_out` has the attributes that nobody but the user knows; `reducers` asks.
"""

from __future__ import annotations

import pickle
import types
import weakref
from collections.abc import Callable, Collection, Container, Iterator
from sys import getrefcount
from typing import Any

from kishu_kernel.objects.attribute_dicts import place_of
from kishu_kernel.objects.classes import contents_of, derives, instance_state, is_one_of, mro_of, seen_attributes
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.instances import set_state_and_hidden
from kishu_kernel.process.native import not_told_by, peek

StateOf = Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]

_SHARED_BY_ALL = frozenset(
    map(id, (type(None), bool, int, float, complex, str, bytes, type, types.FunctionType, types.ModuleType))
)
"""By their ids: of a class of the user's no metaclass is asked."""
_traceback_of = vars(BaseException)["__traceback__"].__get__
_NOT_ASKED = frozenset(map(id, (list, tuple, dict, set, frozenset, bytearray, pickle.PickleBuffer)))
"""Ids of types other than those that are shared by all, of which a pickler asks for no reduction."""
_HELD: tuple[Any, ...] = (dict, list, tuple, set, frozenset)


def hidden_attributes(obj: Any, reduction: Any, state_of: StateOf | None = None) -> dict[str, Any]:
    """The attributes of an object, in slots too, of which its reduction does not tell the very value.

    Args:
        reduction: at least what makes it, and arguments.
        state_of: what gives the attributes of objects of its type, if that is known.
    """
    state = reduction[2] if len(reduction) > 2 else None
    left: list[tuple[str, Any]] = []
    for held in (state_of or _state)(obj):
        if type(state) is dict:  # most often that is all
            told = state.get
            rest = [pair for pair in held.items() if told(pair[0]) is not pair[1]] if held else []
        else:
            rest = list(held.items())
        left += [pair for pair in rest if id(type(pair[1])) not in _SHARED_BY_ALL]
    del held, rest  # what was made to look at refers to the values, too
    return hidden_among(left, reduction)


def hidden_among(left: list[tuple[str, Any]], reduction: Any) -> dict[str, Any]:
    """The same, where these pairs are all attributes of which the state does not tell the value under their names.

    Nobody but the object and the pairs may hold the values on our behalf: references to them are counted.
    """
    left = [(name, value) for name, value in left if not _leads_nowhere(value)] if left else left
    if not left:
        return {}
    keys = {id(value) for _, value in left}
    unknown = not_told_by(reduction, keys)
    if unknown is None:
        unknown = _not_told_by(reduction, keys)
    return {name: value for name, value in left if id(value) in unknown}


def _not_told_by(reduction: Any, keys: set[int]) -> set[int]:
    """Those of the objects of these ids that stand neither in a reduction nor in what stands there."""
    for part in reduction[1:3]:
        keys.discard(id(part))
        held = _items(part)
        keys.difference_update(map(id, held))
        for each in held:
            if issubclass(type(each), _HELD):
                keys.difference_update(map(id, _items(each)))
    return keys


def leads_to(value: Any, among: Container[int]) -> bool:
    """Whether it is one of the objects of these ids, or a container that holds one."""
    return id(value) in among or any(id(each) in among for each in _items(value) if not _is_shared_by_all(each))


def ids_of(value: Any) -> Iterator[int]:
    """Of itself, and of what it holds, if it is a container."""
    yield id(value)
    yield from (id(each) for each in _items(value) if not _is_shared_by_all(each))


class HiddenLinks:
    """Those of one payload, found in one pass and stored in the next.

    Attributes:
        found: the last pass has found more of them, so that another one is needed.
    """

    def __init__(self) -> None:
        self.found = False
        self._met: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._linked: dict[int, tuple[Any, frozenset[str]]] = {}
        self._stored_before: frozenset[int] = frozenset()  # no objects: who asks counts references to them
        self._globals: dict[int, dict[str, Any]] = {}
        self._whole: set[int] = set()

    def with_linked(self, obj: Any, reduction: tuple[Any, ...], hidden: dict[str, Any]) -> Reduction:
        """The reduction of an object that hides something, with what is known by now to be stored anyway."""
        if id(obj) not in self._met:
            self._met[id(obj)] = obj, hidden
            self._link(obj, hidden, self._stored_before)  # else a chain of them would take a pass for each
        _, names = self._linked.get(id(obj), (None, frozenset()))
        if not names:
            return reduction
        own, slots = ({name: held[name] for name in names & held.keys()} for held in _state(obj))
        make, arguments, state, items, pairs, setter = (*reduction, None, None, None, None)[:6]
        return make, arguments, (state, setter, own, slots), items, pairs, set_state_and_hidden

    def holds_globals(self, function: types.FunctionType) -> bool:
        """Whether the dictionary in which a function runs, which is no module's, is stored anyway.

        Else a function takes along what its code names of it.
        """
        self._globals[id(function.__globals__)] = function.__globals__
        return id(function.__globals__) in self._whole

    def find(self, stored: Callable[[], Collection[int]], kinds: Container[int]) -> None:
        """A pass has come to an end.

        Args:
            stored: ids of what the payload holds. O(objects): asked only where something was hidden that may be there.
            kinds: ids of types of which it holds instances, except those of which picklers do not ask.
        """
        self.found = False
        unsure = self._globals.keys() - self._whole
        hidden_values = (value for _, hidden in self._met.values() for value in hidden.values())
        if not unsure and not any(_may_lead_to(value, kinds) for value in hidden_values):
            return
        among = stored()
        self._whole |= unsure.intersection(among)
        self.found = not self._whole.isdisjoint(unsure)
        for obj, hidden in self._met.values():
            self.found |= self._link(obj, hidden, among)
        self._stored_before = frozenset(among)

    def _link(self, obj: Any, hidden: dict[str, Any], among: Container[int]) -> bool:
        """Whether more of what an object holds is to be stored than was known."""
        if not any(leads_to(value, among) for value in hidden.values()):
            return False
        all_of_it = (pair for held in _state(obj) for pair in held.items())
        names = frozenset(name for name, value in all_of_it if leads_to(value, among))
        _, before = self._linked.get(id(obj), (None, frozenset()))
        self._linked[id(obj)] = obj, names | before
        return not names <= before


def _may_lead_to(value: Any, kinds: Container[int]) -> bool:
    """Whether it, or what it holds as a container, may be among objects of types with these ids."""
    return any(id(type(each)) in _NOT_ASKED or id(type(each)) in kinds for each in (value, *_items(value)))


def state_of_type(kind: type) -> StateOf:
    """What gives attributes, and what stands in slots, of objects of this type. For as long as no code runs."""
    place = place_of(kind)
    plain = type(place) is types.GetSetDescriptorType and not derives(kind, BaseException)
    if not plain or any(contents_of(base).get("__slots__") for base in mro_of(kind)):
        return _state
    read = place.__get__

    def state(obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        held = peek(obj)  # to read the place would make a `__dict__`
        held = read(obj) if held is None else held
        return (held, _NOTHING) if type(held) is dict else _state(obj)

    return state


_NOTHING: dict[str, Any] = {}


def _state(obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes, and what stands in slots."""
    kind = type(obj)
    has_slots = _has_slots.get(kind)
    if has_slots is None:
        has_slots = _has_slots[kind] = any(contents_of(base).get("__slots__") for base in mro_of(kind))
    own, slots = instance_state(obj) if has_slots else (seen_attributes(obj), {})
    if derives(kind, BaseException):  # no reduction tells it
        slots = {**slots, "__traceback__": _traceback_of(obj)}
    return own or {}, slots


_has_slots: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def _items(value: Any) -> Collection[Any]:
    """What a container of Python's own holds, or of a class derived from one. Runs no code of that class."""
    kind = type(value)
    if not issubclass(kind, _HELD):  # these have no metaclass of anybody's that would be asked
        return ()
    base = kind if is_one_of(kind, _HELD) else next(each for each in _HELD if derives(kind, each))
    return list(dict.values(value) if base is dict else base.__iter__(value))


def _leads_nowhere(value: Any) -> bool:
    """It is shared by all; or holds weak references, which keep nothing alive; or it is of no use to others."""
    if type(value) is dict and value and derives(type(next(iter(value.values()))), weakref.ref):
        return True
    return _is_shared_by_all(value) or (getrefcount(value) <= _ALONE and all(map(_is_shared_by_all, _items(value))))


def _references_where_pairs_are_gone_through() -> int:
    counted = 0

    def count(value: Any) -> None:
        nonlocal counted
        counted = getrefcount(value)

    held = {"x": object()}
    for _, value in list(held.items()):
        count(value)
    return counted


_ALONE = _references_where_pairs_are_gone_through()
"""References to a value of one attribute and of nobody else, where a list of pairs is gone through."""


def _is_shared_by_all(value: Any) -> bool:
    kind = type(value)
    return id(kind) in _SHARED_BY_ALL or derives(kind, type)
