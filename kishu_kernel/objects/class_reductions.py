"""How classes come apart that are stored whole, and methods of theirs. Part of the table.

They are those of the notebook, and those made at run time. cloudpickle does most of it; here is what it leaves out.
Neighbours: `reducers`, which asks; `rebuild.code`, the other way.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any

import cloudpickle.cloudpickle as _cloud

from kishu_kernel.objects.classes import (
    MADE_AT_RUN_TIME,
    contents_of,
    derives,
    flags_of,
    is_genuine,
    is_notebooks,
    module_name,
    mro_of,
    seen_attributes,
)
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.own_modules import is_tracked
from kishu_kernel.objects.rebuild.code import EMPTY_CELL, make_class, set_class_state, set_enum_state
from kishu_kernel.objects.rebuild.instances import bind_method

SKELETONS = (_cloud._make_skeleton_class, _cloud._make_skeleton_enum, make_class)
"""What makes a class anew."""


def goes_by_name(cls: type) -> bool:
    """Whether a class is for certain one that goes by its name: a library's module has it under that. A quick look."""
    if type(cls) is not type or _cloud._PICKLE_BY_VALUE_MODULES:
        return False
    home = module_name(cls)
    if home == "builtins" and flags_of(cls) & MADE_AT_RUN_TIME:  # by somebody who has put it there
        return False
    return home not in ("", "__main__", "__mp_main__") and not is_tracked(home) and is_genuine(cls)


def reduction_of_class(cls: type, pickler: Any, memos: Collection[str]) -> Reduction:
    """The reduction of a class; NotImplemented where it goes by its name.

    Args:
        pickler: one of cloudpickle's.
        memos: attributes that are emptied (`Library.class_memos`).
    """
    reduction = pickler.reducer_override(cls)
    if not isinstance(reduction, tuple) or reduction[0] not in SKELETONS:
        return reduction
    # (..., class_tracker_id, extra): without an id the class is made anew, and only this payload has it.
    arguments = (*reduction[1][:-2], None, reduction[1][-1])
    if reduction[0] is _cloud._make_skeleton_class:
        arguments = (*arguments[:3], {**arguments[3], **_needed_at_once(cls)}, *arguments[4:])
    attributes, slots = reduction[2]
    # cloudpickle leaves out what is the same object in a base: but it would then follow the base.
    bases = [contents_of(base) for base in mro_of(cls)[1:]]
    own = {name: value for name, value in contents_of(cls).items() if _is_in_one(bases, name, value)}
    state = {**own, **attributes}
    state.pop("__slotnames__", None)  # what `copyreg` notes when an instance is taken apart
    state.update((name, {}) for name in memos if type(state.get(name)) is dict)
    make = make_class if reduction[0] is _cloud._make_skeleton_class else reduction[0]
    if make is _cloud._make_skeleton_enum:
        return _reduction_of_enum(cls, arguments, state)
    return make, arguments, (state, slots), None, None, set_class_state


Made = tuple[frozenset[int], Collection[str], Collection[str]]
"""What of the reduction of a class was made for it: places of its arguments, names in its state, and in its slots."""


def made_for(cls: type, reduction: Reduction) -> Made | None:
    """Which containers of a class's reduction are nobody else's; None where it goes by its name."""
    if not isinstance(reduction, tuple) or reduction[0] not in SKELETONS:
        return None
    _, arguments, (state, slots), *_ = reduction
    held = {id(each) for each in contents_of(cls).values()}
    places = frozenset(place for place, each in enumerate(arguments) if type(each) is dict)
    return places, _made_among(state, held), _made_among(slots, held)


def _made_among(state: Mapping[str, Any], held: Container[int]) -> list[str]:
    return [name for name, each in state.items() if type(each) in (dict, list) and id(each) not in held]


def in_own_containers(reduction: Any, made: Made | None) -> Any:
    """The same reduction of a class, but for what was made for it: one that all walks have would seem to be shared."""
    if made is None:
        return reduction
    places, *names = made
    make, arguments, states, *rest = reduction
    parts = tuple([dict(each) if place in places else each for place, each in enumerate(arguments)])
    return make, parts, tuple(map(_copied, states, names)), *rest


def _copied(made: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    own = dict(made)
    for name in names:
        own[name] = type(own[name])(own[name])
    return own


def reduction_of_method(method: types.MethodType) -> Reduction:
    """By its name, where its class has it: who holds a method of its own does not hold a part of its class."""
    owner: Any = method.__self__
    function: Any = method.__func__
    name = function.__name__ if type(function) is types.FunctionType else ""
    if derives(type(owner), type):
        found = _defined(owner, name)
        own = found[1].__func__ if found and type(found[1]) is classmethod else None
    else:
        found = _defined(type(owner), name)
        own = found[1] if found else None
    return (bind_method, (owner, name)) if found and own is function and is_notebooks(found[0]) else NotImplemented


def _defined(cls: type, name: str) -> tuple[type, Any] | None:
    """What a class has under a name, and which of its bases defines it."""
    return next(((base, contents_of(base)[name]) for base in mro_of(cls) if name in contents_of(base)), None)


def _needed_at_once(cls: type) -> dict[str, Any]:
    """What a class cannot be given any more when it is made."""
    # Else a class in a class, or in a function, would come back under its bare name.
    needed: dict[str, Any] = {"__qualname__": cls.__qualname__}
    named_tuple = issubclass(cls, tuple) and hasattr(cls, "_fields")  # makes its own
    if "__slots__" in contents_of(cls) and not named_tuple:
        # cloudpickle leaves them out: instances would come back with a `__dict__` in their place.
        needed = {"__slots__": contents_of(cls)["__slots__"], **needed}
    return needed


def _reduction_of_enum(cls: Any, arguments: tuple[Any, ...], state: dict[str, Any]) -> Reduction:
    # cloudpickle leaves out the aliases, and what the members themselves hold.
    members = cls.__members__
    values = {name: member.value for name, member in members.items()}
    own = {name: value for name, value in state.items() if name not in members}
    attributes = {name: _own_attributes(member) for name, member in members.items()}
    return (
        _cloud._make_skeleton_enum,
        (*arguments[:3], values, *arguments[4:]),
        (attributes, own),
        None,
        None,
        set_enum_state,
    )


def _is_in_one(bases: Iterable[Mapping[str, Any]], name: str, value: Any) -> bool:
    for contents in bases:
        if contents.get(name, EMPTY_CELL) is value:
            return name != "__module__"
    return False


def _own_attributes(member: Any) -> dict[str, Any]:
    """What the user's `__init__` or `__new__` gave a member of an enum."""
    usual = ("_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_")  # that of a flag is found when asked
    return {name: value for name, value in (seen_attributes(member) or {}).items() if name not in usual}
