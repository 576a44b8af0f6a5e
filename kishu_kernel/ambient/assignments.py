"""Attributes that code of the notebook sets on modules and classes of libraries: `np.tau = 6.28`, `mock.patch(...)`.

To look at all modules and classes of a session would take longer than its cells. So the code of a cell says where to
look: if it, or a function of the notebook that it reaches, binds or deletes attributes, those modules and classes to
which its names lead are looked at before and after. What it changed there is known from then on, with what was there
before: an undo puts that back, a redo sets it again, and a new kernel has it, too.

Law: no code of the user's runs. The user's own modules are part of the state by themselves, and left alone here; so are
attributes that other providers keep.
Neighbours: `detect.access` reads the code, `objects.registrations` knows what goes through functions of a library.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from operator import is_
from typing import Any

from kishu_kernel.detect.access import ANY_ATTRIBUTE, code_access
from kishu_kernel.model import NOTHING, Access
from kishu_kernel.objects.ambient_settings import PLACES_KEPT
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import contents_of, is_users_own, module_contents, module_name, qualified_name
from kishu_kernel.objects.registrations import lacking_by_name, referred, resolved
from kishu_kernel.process.code_origins import is_users_module

Place = tuple[str, str, str]
"""A module, a class in it (none: the module itself), an attribute."""

_GONE = ("gone",)
_ABSENT: Any = object()
_MOST_FUNCTIONS = 200
"""Functions that are followed from a cell."""
_DEEPEST = 4
"""Modules in modules that are followed."""


class AssignedAttributes(Provider):
    """What the notebook has set on modules and classes of libraries, and what was there before.

    Args:
        namespace: the live one.
    """

    name = "attributes of libraries"
    refers = True

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._before: dict[Place, Any] = {}
        self._snapshots: list[tuple[Any, dict[str, Any]]] = []
        self._assigned: frozenset[str] = frozenset()

    def expect(self, access: Access) -> None:
        """Code is about to run. Some microseconds where it sets no attributes of libraries."""
        self._note_changes()
        access |= self._reached(access)
        self._assigned = access.assigned
        self._snapshots = [(owner, _contents(owner).copy()) for owner in self._owners(access)] if self._assigned else []

    def read(self) -> Any:
        """For each attribute that is not as it was before: a reference to what it is."""
        self._note_changes()
        found = {}
        for place, before in self._before.items():
            owner = _owner(place)
            now = _ABSENT if owner is None else _contents(owner).get(place[2], _ABSENT)
            if now is not before and owner is not None:
                found[place] = _GONE if now is _ABSENT else referred(now)
        return found

    def write(self, value: Any) -> None:
        """What is not named becomes what it was before."""
        for place in value.keys() - self._before.keys():
            with suppress(ImportError):  # told before
                importlib.import_module(place[0])
            if (owner := _owner(place)) is not None:
                self._before[place] = _contents(owner).get(place[2], _ABSENT)
        for place, before in self._before.items():
            with suppress(LookupError, AttributeError, TypeError):  # told before
                wanted = value.get(place)
                _set(place, before if wanted is None else _ABSENT if wanted == _GONE else resolved(wanted))

    def initial(self) -> Any:
        """Nothing is set."""
        return {}

    def lacking(self, value: Any) -> str | None:
        """Which attributes will lack an object or a module, and why."""
        for module, *_ in value:
            if module not in sys.modules and find_spec(module.partition(".")[0]) is None:
                return f"{module} is not installed"
        return lacking_by_name({".".join(filter(None, place)): each for place, each in value.items()})

    # -- what code leads to ------------------------------------------------------------------------

    def _reached(self, access: Access) -> Access:
        """What the functions of the notebook do to which the code leads."""
        found = NOTHING
        todo, seen = list(access.names), set(access.names)
        functions: set[int] = set()
        while todo and len(functions) < _MOST_FUNCTIONS:
            for code in self._codes(self._namespace.get(todo.pop())):
                if id(code) not in functions:
                    functions.add(id(code))
                    more = code_access(code)
                    if more.assigned:
                        found |= more
                    todo.extend(more.names - seen)
                    seen |= more.names
        return found

    def _codes(self, value: Any) -> Iterator[types.CodeType]:
        kind = type(value)
        if kind is types.FunctionType:
            if value.__globals__ is self._namespace:
                yield value.__code__
            return
        own = value if issubclass(kind, type) else kind
        if is_users_own(own):
            for each in contents_of(own).values():
                each = each.__func__ if type(each) in (staticmethod, classmethod) else each
                if type(each) is types.FunctionType:
                    yield each.__code__

    def _owners(self, access: Access) -> list[Any]:
        """Modules and classes of libraries to which names and attributes that the code spells lead."""
        spelled = access.looked_up
        roots = [value for name in access.names if (value := self._namespace.get(name, _ABSENT)) is not _ABSENT]
        roots += [sys.modules[name] for name in spelled | access.names if name in sys.modules]
        if "type" in access.names or "__class__" in spelled:
            roots += [type(each) for each in roots]
        found: dict[int, Any] = {}
        todo = [(each, 0) for each in roots]
        while todo:
            each, steps = todo.pop()
            if id(each) in found or not _is_of_a_library(each):
                continue
            found[id(each)] = each
            if steps < _DEEPEST and not issubclass(type(each), type):
                contents = module_contents(each)
                todo.extend((contents[name], steps + 1) for name in spelled if name in contents)
        return list(found.values())

    # -- what has changed --------------------------------------------------------------------------

    def _note_changes(self) -> None:
        """Attributes that are others than before the code ran, and that it can have set."""
        for owner, before in self._snapshots:
            now = _contents(owner)
            if len(now) == len(before) and all(map(is_, now.values(), before.values())) and all(map(is_, now, before)):
                continue
            for name in _differing(before, now):
                if (place := self._place(owner, name, now.get(name))) is not None:
                    self._before.setdefault(place, before.get(name, _ABSENT))

    def _place(self, owner: Any, name: str, value: Any) -> Place | None:
        """Where an attribute stands; None of one that is nothing to us."""
        if name not in self._assigned and (ANY_ATTRIBUTE not in self._assigned or name.startswith("__")):
            return None
        if issubclass(type(owner), type):
            place = module_name(owner), qualified_name(owner), name
        else:
            place = str(module_contents(owner).get("__name__")), "", name
            if issubclass(type(value), types.ModuleType) and sys.modules.get(f"{place[0]}.{name}") is value:
                return None  # an import sets it
        kept = ".".join(filter(None, place)) in PLACES_KEPT or place == ("builtins", "", "_")
        return None if kept or _owner(place) is not owner else place


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    return [name for name in before.keys() | now.keys() if before.get(name, _ABSENT) is not now.get(name, _ABSENT)]


def _is_of_a_library(obj: Any) -> bool:
    kind = type(obj)
    if issubclass(kind, type):
        return not is_users_own(obj)
    if not issubclass(kind, types.ModuleType):
        return False
    name = module_contents(obj).get("__name__")
    return isinstance(name, str) and name != "__main__" and not is_users_module(name.partition(".")[0])


def _contents(owner: Any) -> Any:
    return contents_of(owner) if issubclass(type(owner), type) else module_contents(owner)


def _owner(place: Place) -> Any:
    """The module or class of a place; None where there is none. Runs no code that modules have for attributes."""
    found: Any = sys.modules.get(place[0])
    for part in filter(None, place[1].split(".")):
        found = None if found is None else _contents(found).get(part)
    return found if issubclass(type(found), type | types.ModuleType) else None


def _set(place: Place, value: Any) -> None:
    owner, name = _owner(place), place[2]
    if owner is None or _contents(owner).get(name, _ABSENT) is value:
        return
    if issubclass(type(owner), type):
        type.__delattr__(owner, name) if value is _ABSENT else type.__setattr__(owner, name, value)
    elif value is _ABSENT:
        del _contents(owner)[name]
    else:
        _contents(owner)[name] = value
