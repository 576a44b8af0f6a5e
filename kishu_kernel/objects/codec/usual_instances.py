"""Objects that a pickler may take apart in its usual way, found with one look-up an object.

Law: a type that the table says nothing of is usual for the time of one payload; an instance of it is, unless something
else may hold its attributes, too, or a module of the user's holds it. All others are asked for in full (`pickling`).
"""

from __future__ import annotations

import copyreg
import types
from collections.abc import Callable, Mapping
from sys import getrefcount
from typing import Any

from kishu_kernel.objects.arrays import array_type, is_array_type
from kishu_kernel.objects.attribute_dicts import ALONE, by_attributes, is_plain, place_of
from kishu_kernel.objects.classes import is_users_own
from kishu_kernel.objects.codec.shared_memory import Segment
from kishu_kernel.objects.native_rules import Rule, rule_of
from kishu_kernel.objects.own_modules import held_since_import
from kishu_kernel.objects.rebuild.arrays import load_array
from kishu_kernel.objects.reducers import Reducer, hides, is_told_wholly
from kishu_kernel.process.native import WALKER, told_state, untouched

Override = Callable[[Any], Any]
Noted = tuple[dict[int, tuple[Any, int, int]] | None, Mapping[int, Any], int]
"""As of `buffers.Arrays.noted_natively`."""


def with_usual_first(reducer: Reducer, override: Override, never: Callable[[type], bool], met: set[int]) -> Override:
    """The same override, which passes over what is usual.

    Args:
        override: goes by the table for all that is none of its own business.
        never: types that are its business.
        met: gets the ids of all types of objects that are asked about, which are all but plain ones of Python's own.
    """
    places: dict[type, Callable[[Any], Any]] = {}
    by_state: set[type] = set()
    without_place: set[type] = set()
    in_table: set[type] = set()
    known: dict[type, bool] = {}
    others: set[type] = set()
    place_in, reduce_whole = places.get, reducer.reduce_whole
    make_empty = copyreg.__newobj__  # type: ignore[attr-defined]

    def learn(kind: type) -> None:
        met.add(id(kind))
        if never(kind):
            others.add(kind)
        elif reducer.entry(kind) is not None:
            in_table.add(kind)
            if is_told_wholly(reducer.table, kind):
                by_state.add(kind)
        elif (place := place_of(kind)) is None:
            without_place.add(kind)
        else:
            places[kind] = place.__get__

    def passing_over(obj: Any) -> Any:
        if held_since_import and id(obj) in held_since_import:
            return override(obj)
        kind = type(obj)
        place = place_in(kind)
        if place is not None:
            if untouched(obj):  # to ask for its `__dict__` would make it
                return by_attributes(obj, known)
            held = place(obj)
            return NotImplemented if getrefcount(held) <= ALONE and type(held) is dict else override(obj)
        if kind in by_state and (state := told_state(obj)) is not None:
            if type(state) is dict:
                return make_empty, (kind,), state, None, None
            state, left = state
            return reducer.with_left(obj, (make_empty, (kind,), state, None, None), left)
        if kind in in_table:
            return reduce_whole(obj)
        if kind in without_place:
            return NotImplemented
        if kind not in others:
            learn(kind)
        return override(obj)

    return passing_over


def natively(reducer: Reducer, override: Override, noted: Noted, met: set[int]) -> Override:
    """The same override once more, most of which is answered natively; itself where there is no native module.

    Args:
        override: what `with_usual_first` gave.
        noted: arrays of numbers that are small, lie in one piece and are no views of any that was met are answered for
            natively, and noted in the first; the second has those that were met otherwise; the third says how many
            bytes arrays have that are not small. No first: the override is asked for all arrays.
        met: as of `with_usual_first`.
    """
    if WALKER is None:
        return override

    known = reducer.ways

    def way_of(kind: type) -> int | Rule:
        met.add(id(kind))
        way = known.get(kind)
        if way is None:
            way = known[kind] = lasting_way_of(kind)
        return (rule_of(reducer.entry(kind), kind) if way == _LIBRARY else None) or way

    def lasting_way_of(kind: type) -> int:
        entry = reducer.entry(kind)  # forgets what lasts no longer
        way: int | None = reducer.table.ways.get(kind)
        if way is None:
            way = found_way_of(kind, entry)
            reducer.table.ways.put(kind, way)
        return way

    def found_way_of(kind: type, entry: Any) -> int:
        if kind is types.MethodType:
            return _METHOD
        if kind is array_type():
            return _ARRAY
        if issubclass(kind, (type, Segment)) or is_array_type(kind):
            return _ASK
        place = place_of(kind)
        if entry is None and place is not None and type(kind) is not type:
            return _ASK
        if entry is None:
            return _PASS if place is None else _ATTRIBUTES if is_plain(kind) else _HELD
        if is_told_wholly(reducer.table, kind):
            return _STATE
        own = type(place) is types.GetSetDescriptorType
        return _LIBRARY if own and not is_users_own(kind) and not hides(reducer.table, kind) else _ASK

    asked = override, way_of, reducer.reduce_whole, held_since_import, reducer.private, reducer.reduce
    ways: Override = WALKER.Override(*asked, reducer.with_left, load_array, *noted)
    return ways


_ASK, _PASS, _ATTRIBUTES, _STATE, _LIBRARY, _ARRAY, _METHOD, _HELD = range(8)
"""How instances of a type are answered for, as `native/override.c` has it: by the override; passed over; by what they
are; by their own `__getstate__`, or a library's file of ours; by their memory; by what they call; passed over unless
something else holds their attributes."""
