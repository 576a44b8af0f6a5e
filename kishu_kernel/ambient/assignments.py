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

import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dis import get_instructions
from operator import is_
from typing import Any

from kishu_kernel.detect.access import ANY_ATTRIBUTE, code_access
from kishu_kernel.model import Access
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.ambient_settings import PLACES_KEPT
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import contents_of, is_users_own, module_contents, module_name, qualified_name
from kishu_kernel.objects.live_objects import can_be_imported
from kishu_kernel.objects.own_modules import is_tracked, tracked_modules
from kishu_kernel.objects.registrations import is_of_the_notebook, lacking_by_name, referred, resolved
from kishu_kernel.objects.secret_names import is_secret_variable, mark_of, marked
from kishu_kernel.process.code_origins import is_users_module

Place = tuple[str, str, str]
"""A module, a class in it (none: the module itself), an attribute."""

_GONE = ("gone",)
_SECRET = "secret"
"""With its mark it stands for a text in a place that has a secret's name, which is not stored."""
_TEXTS = frozenset({str, bytes})
_ABSENT: Any = object()
_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"})
_MOST_FUNCTIONS = 200
"""Functions that are followed from a cell."""
_DEEPEST = 4
"""Modules in modules that are followed."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Code, and where the names that it spells are bound."""

    access: Access
    scope: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Expected:
    """What code that is running may set: the modules and classes to which it leads, with what they held before."""

    assigned: frozenset[str]
    spelled: frozenset[str]
    owners: list[tuple[Any, dict[str, Any]]]

    def may_set(self, owner: Any, name: str, value: Any) -> bool:
        """Whether an attribute that is another one now can be its doing.

        Where it computes names, all can, but for those that are plainly the library's: private, or set by itself.
        """
        if name in self.assigned:
            return True
        if ANY_ATTRIBUTE not in self.assigned or name.startswith("__"):
            return False
        if name in self.spelled or is_of_the_notebook(value):
            return True
        return not name.startswith("_") and not _is_set_by(owner, name)


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
        self._expected: list[_Expected] = []

    def expect(self, access: Access, alone: bool = True) -> None:
        """Code is about to run. Some microseconds where it sets no attributes of libraries.

        Args:
            alone: no other code is running that was expected.
        """
        self._note_changes()
        if alone:
            self._expected = []
        parts = [each for each in self._reached(access) if each.access.assigned]
        if not parts:
            return
        assigned = frozenset().union(*(each.access.assigned for each in parts))
        spelled = frozenset().union(*(each.access.looked_up for each in parts))
        owners = [(owner, _contents(owner).copy()) for owner in _owners(parts, spelled)]
        self._expected.append(_Expected(assigned, spelled, owners))

    def read(self) -> Any:
        """For each attribute that is not as it was before: a reference to what it is."""
        self._note_changes()
        found = {}
        for place, before in self._before.items():
            owner = _owner(place)
            now = _ABSENT if owner is None else _contents(owner).get(place[2], _ABSENT)
            if now is not before and owner is not None:
                found[place] = _GONE if now is _ABSENT else _referred(place, now)
        return found

    def write(self, value: Any) -> None:
        """What is not named becomes what it was before."""
        for place in value.keys() - self._before.keys():
            if (owner := _owner(place)) is not None:
                self._before[place] = _contents(owner).get(place[2], _ABSENT)
        for place, before in self._before.items():
            with suppress(LookupError, AttributeError, TypeError):  # told before
                wanted = value.get(place)
                if wanted is not None and wanted[0] == _SECRET:
                    if marked(wanted[1]) is not None:  # else it stays what it is
                        _set(place, marked(wanted[1]))
                    continue
                _set(place, before if wanted is None else _ABSENT if wanted == _GONE else resolved(wanted))

    def needs(self, value: Any) -> set[str]:
        """The modules whose attributes they are."""
        return {module for module, *_ in value}

    def initial(self) -> Any:
        """Nothing is set."""
        return {}

    def while_loading(self) -> Any:
        """What is stored by its name is what the library itself has there: `original = lib.f`, with another one now."""
        return {} if self._before else None

    def lacking(self, value: Any) -> str | None:
        """Which attributes will lack an object or a module, and why."""
        for module, *_ in value:
            if not can_be_imported(module.partition(".")[0]):
                return f"{module} is not installed"
        for place, each in value.items():
            owner = _owner(place)
            unknown = each[0] == _SECRET and marked(each[1]) is None
            if unknown and (owner is None or type(_contents(owner).get(place[2])) not in _TEXTS):
                return f"{_spelled(place)}, which is never stored: set it by hand"
        return lacking_by_name({_spelled(place): each for place, each in value.items() if each[0] != _SECRET})

    # -- what code leads to ------------------------------------------------------------------------

    def _reached(self, access: Access) -> list[_Part]:
        """The code, and the functions of the notebook and of the user's modules to which it leads."""
        parts = [_Part(access, self._namespace)]
        seen: set[tuple[int, str]] = set()
        functions: set[int] = set()
        for part in parts:  # it grows meanwhile
            for name in part.access.names:
                if (id(part.scope), name) in seen and not tracked_modules:
                    continue
                seen.add((id(part.scope), name))
                for function in self._functions(part.scope.get(name), part.access.looked_up):
                    if id(function.__code__) not in functions and len(functions) < _MOST_FUNCTIONS:
                        functions.add(id(function.__code__))
                        parts.append(_Part(code_access(function.__code__), function.__globals__))
        return parts

    def _functions(self, value: Any, spelled: Set[str]) -> Iterator[types.FunctionType]:
        """Functions of the notebook and of the user's modules that code may call by what a name is bound to."""
        kind = type(value)
        if kind is types.FunctionType:
            if value.__globals__ is self._namespace or is_tracked(value.__globals__.get("__name__")):
                yield value
        elif issubclass(kind, types.ModuleType):
            contents = module_contents(value)
            if is_tracked(contents.get("__name__")):
                for name in spelled & contents.keys():
                    if not issubclass(type(contents[name]), types.ModuleType) or _is_part(contents[name], contents):
                        yield from self._functions(contents[name], spelled)
        else:
            own = value if issubclass(kind, type) else kind
            if is_users_own(own):
                for each in contents_of(own).values():
                    each = each.__func__ if type(each) is staticmethod or type(each) is classmethod else each
                    if type(each) is types.FunctionType:
                        yield each

    # -- what has changed --------------------------------------------------------------------------

    def _note_changes(self) -> None:
        """Attributes that are others than before the code ran, and that it can have set."""
        for expected in self._expected:
            for owner, before in expected.owners:
                now = _contents(owner)
                if (
                    len(now) == len(before)
                    and all(map(is_, now.values(), before.values()))
                    and all(map(is_, now, before))
                ):
                    continue
                for name in _differing(before, now):
                    if expected.may_set(owner, name, now.get(name)) and (place := _place(owner, name, now.get(name))):
                        self._before.setdefault(place, before.get(name, _ABSENT))


def _owners(parts: Iterable[_Part], spelled: Set[str]) -> list[Any]:
    """Modules and classes of libraries to which names and attributes that the code spells lead."""
    roots = [each.scope[name] for each in parts for name in each.access.names if name in each.scope]
    named = set(spelled).union(*(each.access.names for each in parts))
    roots += [sys.modules[name] for name in named if name in sys.modules]
    if "type" in named or "__class__" in spelled:
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


def _referred(place: Place, value: Any) -> Any:
    is_secret = type(value) in _TEXTS and is_secret_variable(place[2])
    return (_SECRET, mark_of(value)) if is_secret else referred(value)


def _spelled(place: Place) -> str:
    return ".".join(filter(None, place))


def _place(owner: Any, name: str, value: Any) -> Place | None:
    """Where an attribute stands; None of one that is nothing to us."""
    if issubclass(type(owner), type):
        place = module_name(owner), qualified_name(owner), name
    else:
        place = str(module_contents(owner).get("__name__")), "", name
        if issubclass(type(value), types.ModuleType) and sys.modules.get(f"{place[0]}.{name}") is value:
            return None  # an import sets it
    kept = ".".join(filter(None, place)) in PLACES_KEPT or place == ("builtins", "", "_")
    return None if kept or _owner(place) is not owner else place


def _is_set_by(owner: Any, name: str) -> bool:
    """Whether functions of a module, or of the module of a class, bind or delete what has this name."""
    module = owner if issubclass(type(owner), types.ModuleType) else sys.modules.get(module_name(owner))
    todo: list[types.CodeType] = []
    for each in list(module_contents(module).values()):
        held = list(contents_of(each).values()) if issubclass(type(each), type) else [each]
        for function in held:
            function = function.__func__ if type(function) in (staticmethod, classmethod) else function
            if type(function) is types.FunctionType:
                todo.append(function.__code__)
    while todo:
        code = todo.pop()
        if name in code.co_names and any(
            each.opname in _STORES and each.argval == name for each in get_instructions(code)
        ):
            return True
        todo.extend(each for each in code.co_consts if isinstance(each, types.CodeType))
    return False


def _is_part(module: types.ModuleType, package: Mapping[str, Any]) -> bool:
    return str(module_contents(module).get("__name__")).startswith(f"{package.get('__name__')}.")


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
