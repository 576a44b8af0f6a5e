"""The dictionary that holds an instance's attributes, where something else holds it, too.

That is a name for `vars(x)`, another instance (`self.__dict__ = cls.shared`), or the instance itself, if it is a
dictionary (`self.__dict__ = self`). A pickler fills a new dictionary with the attributes, and would part them.

Law: whether somebody else may hold it is read off its count of references. One too many costs a few bytes: with one too
few, what was shared would come back apart. No digest depends on it. Runs no code of the user's.
Neighbours: `reducers`, which asks; `rebuild.instances`, the other way.
"""

from __future__ import annotations

import copyreg
import enum
import types
from sys import getrefcount
from typing import Any

import cloudpickle.cloudpickle as cloudpickle

from kishu_kernel.objects.classes import (
    PICKLING_WAYS,
    PLACES,
    contents_of,
    derives,
    has_dict,
    is_its_attributes,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.instances import make_derived, make_instance, set_shared_attributes
from kishu_kernel.process.native import peek


class _Sample:
    pass


def _references_of_one_alone() -> int:
    obj = _Sample()
    held = obj.__dict__
    return getrefcount(held)


ALONE = _references_of_one_alone()
"""References to the dictionary of an instance, where a function has it in a local variable and nobody else does."""


def place_of(kind: type) -> Any:
    """What leads to the dictionary of instances of this type; None where there is none that could be another's."""
    if not has_dict(kind) or derives(kind, type):
        return None
    for base in mro_of(kind)[:-1]:
        contents = contents_of(base)
        if type(contents.get("__class__")) is types.GetSetDescriptorType:
            return None  # a proxy made in C: it hands out the attributes of what it stands for
        if type(contents.get("__dict__")) in PLACES:
            return contents["__dict__"]
    return None


def makes_anew(obj: Any, reduction: Any) -> bool:
    """Whether a load by this reduction makes an object, or fills one, and does not just find one that is there."""
    kind = type(obj)
    if type(reduction) is str or type(type(obj)) is enum.EnumMeta:
        return False
    if derives(kind, types.ModuleType):
        return reduction[0] is not cloudpickle.subimport
    make = reduction[0]
    return (len(reduction) > 2 and reduction[2] is not None) or make is kind or any(make is each for each in _MAKE_ANEW)


def is_plain(kind: type) -> bool:
    """Whether instances of this type are just their attributes."""
    return is_its_attributes(kind) and kind not in cloudpickle.Pickler.dispatch_table


def by_attributes(obj: Any, known: dict[type, bool]) -> Reduction:
    """What `object.__reduce_ex__` gives, with attributes that are read where they stand, so that no `__dict__` is made.

    Args:
        known: of which types instances are just that; is added to.

    Returns:
        NotImplemented where it gives something else.
    """
    kind = type(obj)
    plain = known.get(kind)
    if plain is None:
        plain = known[kind] = is_plain(kind)
    state = peek(obj) if plain else None
    if state is None or not state.keys().isdisjoint(PICKLING_WAYS):  # what an instance says of itself is asked first
        return NotImplemented
    return copyreg.__newobj__, (kind,), state or None, None, None  # type: ignore[attr-defined]


def with_shared_attributes(obj: Any, reduction: tuple[Any, ...], held: Any) -> Reduction:
    """The reduction of an object that holds its attributes in this dictionary, whoever else does.

    Raises:
        TypeError: it cannot be given another dictionary than its own.
    """
    if type(place_of(type(obj))) is not types.GetSetDescriptorType:
        raise TypeError(f"{qualified_name(type(obj))} objects cannot be stored with attributes that something shares")
    make, arguments, state, items, pairs, setter = (*reduction, *_UNSET)[:6]
    return make, arguments, (state, setter, held), items, pairs, set_shared_attributes


_UNSET = None, None, None, None
_MAKE_ANEW = (
    *(copyreg.__newobj__, copyreg.__newobj_ex__, object.__new__),  # type: ignore[attr-defined]
    *(copyreg._reconstructor, make_instance, make_derived),  # type: ignore[attr-defined]
)
