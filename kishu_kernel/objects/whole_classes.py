"""Whose instances come back with all their attributes, whatever they hold: no trial load has to find that out.

Of these it is read off the class, or said by a library's file:

- What Python has made in C, classes, modules: none of their attributes are counted, and nothing that they hold is lost.
- Instances of the notebook's classes that are stored as what they are made of (`notebook_classes`): their attributes
  are set one by one, past whatever their class says.
- Instances that a pickler takes apart and fills again in Python's own way, with no code in between that could leave
  something out: their attributes are one dictionary, before and after.
- What a library's file says so of (`Library.whole`).

Law: in doubt it is not so, and a trial is made. Classes are read, never asked; nothing of the user's is kept.
Neighbours: `reducers` takes apart; `session.trial_loads` tries what is left.
"""

from __future__ import annotations

import copyreg
import enum
import sys
import types
from collections.abc import Set
from typing import Any

import cloudpickle

from kishu_kernel.objects.arrays import HOME, is_derived_array_type, is_dtype_type
from kishu_kernel.objects.classes import (
    contents_of,
    derives,
    flags_of,
    has_dict,
    has_pythons_metaclass,
    hides_attributes,
    is_users_own,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.moment import Unchanged
from kishu_kernel.objects.notebook_classes import is_of_namedtuple, notebook_reduction_of
from kishu_kernel.objects.questions import library_reduction_of_users_class, reduction_of
from kishu_kernel.objects.reducers import Reducer, entry_of
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry

_MADE_IN_C = 1 << 8
"""A flag of types that no code can change."""
_OWN_WAYS = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getattr__", "__setattr__")
"""With any of these a class has a say in which attributes are stored, or set."""
_CYTHONS_FUNCTION = "cython_function_or_method"
"""The class of functions of libraries that go by their names."""
_MADE = object.__getattribute__


class WholeClasses:
    """Answers, for as long as they are right.

    Args:
        table: who takes instances apart.
    """

    def __init__(self, table: ReductionTable) -> None:
        self._table = table
        self._generation = registry.generation
        self._known = Unchanged()

    def doubtful(self, kinds: Set[type]) -> frozenset[type] | None:
        """Those of these types of whose instances only a trial tells. None: one of them is the user's, and not kept."""
        asked = {} if self._table.moment is None else self._table.moment.whole
        if self._generation != registry.generation:  # another library is known
            self._known.clear()
            asked.clear()
            self._generation = registry.generation
        found = [kind for kind in kinds if not (asked[kind] if kind in asked else self._asked(kind, asked))]
        return None if any(map(is_users_own, found)) else frozenset(found)

    def _asked(self, kind: type, asked: dict[type, bool]) -> bool:
        return asked.setdefault(kind, self._look_at(kind))

    def _look_at(self, kind: type) -> bool:
        whole: bool | None = self._known.get(kind)
        if whole is None:
            whole = self._is_whole(kind)
            self._known.put(kind, whole)
        return whole

    def _is_whole(self, kind: type) -> bool:
        if derives(kind, type) or derives(kind, types.ModuleType) or _is_made_in_c_by_python(kind):
            return True
        way = library_reduction_of_users_class(kind)
        if way is None and notebook_reduction_of(kind, self._table.namespace) is not None:
            return True
        if not has_pythons_metaclass(kind):
            return is_dtype_type(kind) or qualified_name(kind) == _CYTHONS_FUNCTION
        if kind not in copyreg.dispatch_table and _is_said_to_be(kind):
            return True
        if way is not None or reduction_of(kind) is not None:
            return False
        if kind in cloudpickle.Pickler.dispatch_table:  # which chains copyreg's
            return False
        if derives(kind, enum.Enum):  # members are found, or made with all that they have
            return _has_no_way_of_its_own(kind, (enum.__name__, "builtins"))
        if is_derived_array_type(kind):
            return _has_no_way_of_its_own(kind, (HOME,))
        return _goes_pythons_way(kind) and entry_of(self._table, kind) in (None, Reducer._held)


def _is_said_to_be(kind: type) -> bool:
    """By its library; or by that of a class from which it derives, to which it adds no ways of its own."""
    if registry.find("whole", kind, own=True) is not None:
        return True
    for base in mro_of(kind)[:-1]:
        if registry.exactly("whole", base) is not None:
            return True
        if not contents_of(base).keys().isdisjoint(_OWN_WAYS):
            return False
    return False


def _goes_pythons_way(kind: type) -> bool:
    """Its attributes are taken as they are, and put into an instance that nothing has filled."""
    bases = [contents_of(base) for base in mro_of(kind)[:-1]]
    if any(name in held for held in bases for name in _OWN_WAYS):
        return False
    if any(type(held.get("__getattribute__", _MADE)) is not types.WrapperDescriptorType for held in bases):
        return False
    maker: Any = next((held["__new__"] for held in bases if "__new__" in held), None)
    is_pythons = type(maker) is not staticmethod or is_of_namedtuple("__new__", maker)
    return is_pythons and not (has_dict(kind) and hides_attributes(kind))


def _has_no_way_of_its_own(kind: type, modules: tuple[str, ...]) -> bool:
    """All that is asked of it, when it is taken apart or filled, is what these modules have written."""
    held = [contents_of(base) for base in mro_of(kind)[:-1] if module_name(base) not in modules]
    ways = (each[name] for each in held for name in _OWN_WAYS if name in each)
    return all(getattr(way, "__module__", None) in modules for way in ways)  # an enum has copies of what `Enum` has


def _is_made_in_c_by_python(kind: type) -> bool:
    return bool(flags_of(kind) & _MADE_IN_C) and module_name(kind).partition(".")[0] in sys.stdlib_module_names
