"""What the functions of one of the user's own modules hold that is data: defaults, attributes, what they close over.

    add(acc)                  the default of the parameter "acc" of the function "add"
    add.calls                 its attribute "calls"
    add.<locals>.cache        what it closes over as "cache": that of a decorator, mostly
    Account.pay(log)          a method; `fget` and the like stand for the functions of a property
    add.__wrapped__(acc)      the function beneath a decorator
    area.registry             what a generic function calls for which class, where a cell has registered something

A function goes by its name, and none of this with it: `def add(x, acc=[])` keeps a list from call to call. A plain
default that is as the source has it is no data, as with the constants of a module, nor is what a decorator calls.

Law: looking runs nothing of the module's, and keeps nothing alive that could be missed.
Neighbours: `own_module_data` has these beside what modules and classes hold.
"""

from __future__ import annotations

import functools
import gc
import operator
import types
from collections.abc import Iterator, Mapping
from enum import EnumMeta
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.classes import contents_of, derives, is_atom, is_users_own, module_contents
from kishu_kernel.objects.library_globals import module_attribute_name
from kishu_kernel.objects.module_originals import ABSENT
from kishu_kernel.objects.own_modules import (
    BY_NAME,
    is_code_at_home,
    is_of_notebook,
    is_same_constant,
    may_be_tracked,
)

LOCALS = "<locals>"
"""Stands before the name of what a function closes over, as in the names that Python gives."""

_DEEP = 4
"""Levels of tuples within tuples that are looked into."""

_NOTHING_KEPT = (), ("__class__",)
"""What functions close over that keep nothing: `super()` needs the class."""

_PLAIN = (*BY_NAME, type(...), type(NotImplemented))


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where the default of a parameter is.

    Args:
        waiting: defaults that stand before a parameter that has none yet, by the functions.
    """

    function: types.FunctionType
    name: str
    waiting: dict[types.FunctionType, dict[str, Any]]

    def get(self) -> Any:
        """The default; `ABSENT` if there is none."""
        return _defaults(self.function).get(self.name, ABSENT)

    def set(self, value: Any) -> None:
        """Makes this the default. One before another parameter that has none waits until that has one."""
        function, code = self.function, self.function.__code__
        names = code.co_varnames[: code.co_argcount]
        if self.name not in names:
            named = dict(function.__kwdefaults__ or {})
            named.pop(self.name, None)
            function.__kwdefaults__ = (named if value is ABSENT else {**named, self.name: value}) or None
            return
        wanted = {**self.waiting.pop(function, {}), **_positional(function), self.name: value}
        if value is ABSENT:
            del wanted[self.name]
        first = len(names)
        while first and names[first - 1] in wanted:
            first -= 1
        function.__defaults__ = tuple(wanted.pop(name) for name in names[first:]) or None
        if wanted:
            self.waiting[function] = wanted


Holder = types.FunctionType | types.CellType | Parameter
"""What holds a value: a function by an attribute, a cell, a parameter."""


def get_held(holder: Holder, attribute: str) -> Any:
    """What it holds; `ABSENT` if nothing."""
    if isinstance(holder, Parameter):
        return holder.get()
    if isinstance(holder, types.CellType):
        return _content(holder)
    if attribute == _REGISTRY and _is_generic(holder):
        return dict(holder.__dict__[_REGISTRY])
    return holder.__dict__.get(attribute, ABSENT)


def set_held(holder: Holder, attribute: str, value: Any) -> None:
    """Makes it hold this; nothing, if that is `ABSENT`."""
    if isinstance(holder, Parameter):
        holder.set(value)
    elif isinstance(holder, types.CellType):
        if value is not ABSENT:
            holder.cell_contents = value
        elif _content(holder) is not ABSENT:
            del holder.cell_contents
    elif attribute == _REGISTRY and _is_generic(holder):
        registry: Any = holder.__dict__[_REGISTRY]  # what is behind it stays: several functions close over that
        (found,) = gc.get_referents(registry)
        found.clear()
        found.update({} if value is ABSENT else value)
        vars(holder)["_clear_cache"]()
    elif value is ABSENT:
        holder.__dict__.pop(attribute, None)
    else:
        holder.__dict__[attribute] = value


_REGISTRY = "registry"


def _is_generic(function: types.FunctionType) -> bool:
    """Whether it was made by `functools.singledispatch`."""
    registry = function.__dict__.get(_REGISTRY)
    return type(registry) is types.MappingProxyType and function.__globals__.get("__name__") == "functools"


class FunctionData:
    """What the functions of a module hold, by paths that begin with the names of these.

    Made when the module was loaded: what is plain then is what its source says.

    Args:
        classes: those of the module, by their paths.
    """

    def __init__(self, module: types.ModuleType, classes: Mapping[str, type]) -> None:
        self._functions = dict(_functions_of(module, classes))
        self._first: dict[str, Any] = {}
        self._loaded: dict[str, tuple[types.CodeType, set[str]]] = {}
        """Function -> its code, and what it held."""
        self._waiting: dict[types.FunctionType, dict[str, Any]] = {}
        for of, function in self._functions.items():
            self._note(of, function)
        self._part()

    def _note(self, of: str, function: types.FunctionType) -> None:
        """Its source was run, or what reloads modules has put edited code into it."""
        held = dict(_held(of, function))
        self._loaded[of] = function.__code__, set(held)
        said = {path: value for path, value in held.items() if _is_said_by_source(function, path, value)}
        self._first.update(said)

    def _part(self) -> None:
        """Finds those that hold nothing but defaults of the source: most do, and that they still do is quickly seen."""
        self._quiet: list[tuple[types.FunctionType, Any, tuple[Any, ...] | None, dict[str, Any] | None]] = []
        self._others: dict[str, types.FunctionType] = {}
        for of, function in self._functions.items():
            if function.__dict__ or function.__code__.co_freevars not in _NOTHING_KEPT or self._data_of(of, function):
                self._others[of] = function
            else:
                named = function.__kwdefaults__
                kept = None if named is None else named.copy()
                self._quiet.append((function, function.__code__, function.__defaults__, kept))

    def data(self) -> dict[str, Any]:
        """All of it that is data; path -> object, or what stands for one that is gone."""
        for function, code, defaults, named in self._quiet:
            now = function.__kwdefaults__
            named_differ = now is not named and not _are_same(now, named)
            same = function.__defaults__ is defaults and function.__code__ is code
            if not same or named_differ or function.__dict__:
                self._part()
                break
        found: dict[str, Any] = {}
        for of, function in self._others.items():
            found.update(self._data_of(of, function))
        return found

    def _data_of(self, of: str, function: types.FunctionType) -> dict[str, Any]:
        if function.__code__ is not self._loaded[of][0]:
            self._note(of, function)
        held = dict(_held(of, function))
        found = {path: value for path, value in held.items() if not self._is_of_source(path, value)}
        return found | dict.fromkeys(self._loaded[of][1] - held.keys(), ABSENT)

    def _is_of_source(self, path: str, value: Any) -> bool:
        first = self._first.get(path, ABSENT)
        return value is first or is_same_constant(first, value) or (type(first) is dict and _are_same(first, value))

    def get(self, path: str) -> Any:
        """What is held under a path; `ABSENT` if nothing."""
        place = self.place(path)
        return ABSENT if place is None else get_held(*place)

    def place(self, path: str) -> tuple[Holder, str] | None:
        """What holds what is under a path, and as which attribute; None if nothing can."""
        if path.endswith(")"):
            of, _, name = path[:-1].rpartition("(")
            function = self._functions.get(of)
            if function is None or name not in _parameters(function):
                return None
            return Parameter(function, name, self._waiting), name
        of, _, name = path.rpartition(".")
        if of in self._functions:
            return self._functions[of], name
        function = self._functions.get(of.removesuffix(f".{LOCALS}"))
        cells = dict(_cells(function)) if function is not None else {}
        return (cells[name], name) if name in cells else None

    def settled(self) -> None:
        """A state is there: what waited for a default of another parameter waits in vain."""
        self._waiting.clear()

    def original(self, path: str) -> Any:
        """What the source has put there, as far as it is plain; else what is there now. `ABSENT` if nothing was."""
        if path in self._first:
            return self._first[path]
        return self.get(path) if any(path in held for _, held in self._loaded.values()) else ABSENT

    def holds(self, path: str) -> bool:
        """Whether it is such a path, and not one of a class or a module."""
        of = path.rpartition("(" if path.endswith(")") else ".")[0]
        return of.removesuffix(f".{LOCALS}") in self._functions

    def held(self) -> dict[str, Any]:
        """All that they hold, by paths."""
        return {path: value for of, function in self._functions.items() for path, value in _held(of, function)}

    def set_held(self, wanted: Mapping[str, Any]) -> None:
        """Makes this all that they hold."""
        held = self.held()
        for path in held.keys() | wanted.keys():
            value, place = wanted.get(path, ABSENT), self.place(path)
            if place is not None and held.get(path, ABSENT) is not value:
                set_held(*place, value)


def _functions_of(module: types.ModuleType, classes: Mapping[str, type]) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions that a module's source has put into it and its classes, and those beneath decorators, by paths."""
    for key, value in list(module_contents(module).items()):
        if type(key) is str and type(value) is types.FunctionType and is_code_at_home(module, key, value):
            yield from _with_wrapped(key, value)
    for path, cls in classes.items():
        for attribute, member in list(contents_of(cls).items()):
            if type(attribute) is str:
                yield from _functions_in(f"{path}.{attribute}", member)


def _functions_in(path: str, member: Any) -> Iterator[tuple[str, types.FunctionType]]:
    kind = type(member)
    if kind is types.FunctionType:
        yield from _with_wrapped(path, member)
    elif kind is staticmethod or kind is classmethod:
        yield from _functions_in(path, member.__func__)
    elif kind is functools.singledispatchmethod:
        yield from _functions_in(path, member.dispatcher)
    elif kind is property:
        for part in ("fget", "fset", "fdel"):
            yield from _functions_in(f"{path}.{part}", getattr(member, part))


def _with_wrapped(path: str, function: types.FunctionType) -> Iterator[tuple[str, types.FunctionType]]:
    """A function and those beneath it, as far as they are the user's: a library's decorator is the library's."""
    met: set[int] = set()
    while type(function) is types.FunctionType and id(function) not in met:
        met.add(id(function))
        home = function.__globals__.get("__name__")
        users = type(home) is str and home != "__main__" and may_be_tracked(home)
        if users or _is_generic(function):
            yield path, function
        path, function = f"{path}.__wrapped__", function.__dict__.get("__wrapped__")  # type: ignore[assignment]


def _held(path: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """All that a function holds, by paths."""
    if _is_generic(function):
        yield f"{path}.{_REGISTRY}", get_held(function, _REGISTRY)
        return
    for name, value in _defaults(function).items():
        yield f"{path}({name})", value
    for name, cell in _cells(function):
        if (value := _content(cell)) is not ABSENT:
            yield f"{path}.{LOCALS}.{name}", value
    for name, value in list(function.__dict__.items()):
        if type(name) is str and name.isidentifier() and not name.startswith("__"):
            yield f"{path}.{name}", value


def _positional(function: types.FunctionType) -> dict[str, Any]:
    values = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return dict(zip(names[max(len(names) - len(values), 0) :], values[-len(names) :], strict=False)) if names else {}


def _defaults(function: types.FunctionType) -> dict[str, Any]:
    return {**_positional(function), **(function.__kwdefaults__ or {})}


def _parameters(function: types.FunctionType) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _cells(function: types.FunctionType) -> Iterator[tuple[str, types.CellType]]:
    return zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def _are_same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> bool:
    """Whether both hold the same objects under the same keys, in this order."""
    if one is None or other is None or len(one) != len(other):
        return one is other
    return all(map(_is_same_key, one, other)) and all(map(operator.is_, one.values(), other.values()))


def _is_same_key(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) is str and one == other)


def _is_said_by_source(function: types.FunctionType, path: str, value: Any) -> bool:
    """Whether it can be taken for what the source has put there, though the cell that imported may have run more.

    Attributes and closures count and collect; defaults stay.
    """
    if path.endswith(")"):
        return is_plain(value)
    if _is_generic(function):
        return not any(map(is_of_notebook, value.values()))
    return f".{LOCALS}." in path and _is_of_library(value) and not is_of_notebook(value)


def is_plain(value: Any, deep: int = 0) -> bool:
    """Whether it cannot be another than what the source says without being another object."""
    kind = type(value)
    if is_atom(value) or issubclass(kind, _PLAIN) or derives(type(kind), EnumMeta):
        return True
    if kind is tuple or kind is frozenset:
        return deep < _DEEP and all(is_plain(each, deep + 1) for each in value)
    return _is_of_library(value)


def _is_of_library(value: Any) -> bool:
    """Whether it goes by its name: code, or the one object of its class that a library means."""
    kind = type(value)
    return issubclass(kind, BY_NAME) or (not is_users_own(kind) and module_attribute_name(value) is not None)
