"""Modules that are the user's own: what of them is data, and what their source has put there.

A function or a class that the source defines, and what it imports from libraries, go by their names: they are code. All
else that such a module holds is data, as variables are. A constant that still is what the source says is not kept: a
new kernel gets it from the source.

Law: looking imports nothing and runs nothing of the module's.
Neighbours: `own_module_data` has what of one is data; `module_sources` reads the source; `session.module_data` says
which modules are the session's.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

from kishu_kernel.objects.classes import (
    contents_of,
    derives,
    has_active_metaclass,
    is_atom,
    module_contents,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.module_originals import held_within, module_originals
from kishu_kernel.objects.module_sources import SourceFacts
from kishu_kernel.process.code_origins import is_users_module

tracked_modules: set[str] = set()
"""Names of the user's own modules whose data are part of the session's state. None in most sessions."""

held_since_import: dict[int, tuple[str, str]] = {}
"""Ids of what these modules hold since they were imported -> module, and name in it."""

_NONE: frozenset[str] = frozenset()

BY_NAME = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
"""Kinds of what goes by its name, in a module's source."""


def may_be_tracked(name: str) -> bool:
    """Whether an imported module is the user's own, and made of nothing but Python's source.

    Of a package with compiled parts the whole is a library: such parts cannot be imported anew.
    """
    return is_users_module(name.partition(".")[0]) and not is_compiled(name)


def has_compiled_parts(package: str) -> bool:
    """Whether compiled modules of a package are imported."""
    names = [name for name in list(sys.modules) if type(name) is str and name.partition(".")[0] == package]
    return any(map(is_compiled, names))


def is_compiled(name: str) -> bool:
    """Whether an imported module is an extension."""
    return _file_of(name).endswith(tuple(EXTENSION_SUFFIXES))


def _file_of(name: str) -> str:
    file = module_contents(sys.modules.get(name)).get("__file__")
    return file if type(file) is str else ""


def forget_held(module: str) -> dict[int, tuple[str, str]]:
    """Forgets what a module holds since it was imported, and gives that."""
    found = {key: place for key, place in held_since_import.items() if place[0] == module}
    for key in found:
        del held_since_import[key]
    return found


def is_tracked(name: object) -> bool:
    """Whether the data of the module of this name are part of the session's state."""
    return bool(tracked_modules) and type(name) is str and name in tracked_modules


def now_tracked() -> frozenset[str]:
    """The names of such modules, to be compared with later ones."""
    return frozenset(tracked_modules) if tracked_modules else _NONE


def is_of_tracked(kind: type) -> bool:
    """Whether it is a class of such a module."""
    return bool(tracked_modules) and module_name(kind) in tracked_modules


def place_since_import(obj: Any) -> tuple[str, str] | None:
    """Where such a module holds this object since it was imported; None where none does.

    What gives something up when it is asked is nowhere: another import would not give the same.
    """
    place = held_since_import.get(id(obj))
    if place is None or _held_at(*place) is not obj or runs_out(obj):
        return None
    return place


def _held_at(module: str, name: str) -> Any:
    contents = module_contents(sys.modules.get(module))
    if name in contents or name.isidentifier() or module not in held_within:
        return contents.get(name)
    return held_within[module](name) if module_originals[module][0] is sys.modules.get(module) else None


def original_place(obj: Any) -> tuple[str, str] | None:
    """Where the source of a tracked module has put this function or class, whatever is there now; None if nowhere."""
    if not tracked_modules:
        return None
    function = type(obj) is types.FunctionType
    home: Any = obj.__globals__.get("__name__") if function else module_name(obj)
    name = obj.__qualname__ if function else qualified_name(obj)
    if not is_tracked(home):
        return None
    module, originals = module_originals[home]
    return (home, name) if originals.get(name) is obj and sys.modules.get(home) is module else None


def runs_out(obj: Any) -> bool:
    """Whether what an object gives is gone afterwards."""
    return any("__next__" in contents_of(base) for base in mro_of(type(obj)))


def originals_of(module: types.ModuleType, facts: SourceFacts) -> dict[str, Any]:
    """What a module holds as its source put it there, and that is no data; name -> object."""
    contents = module_contents(module)
    found: dict[str, Any] = {name: value for name, value in facts.constants.items() if name in contents}
    for name, value in list(contents.items()):
        if _is_put_by_source(module, name, value, facts):
            found[name] = value
    return found


def _is_put_by_source(module: types.ModuleType, name: str, value: Any, facts: SourceFacts) -> bool:
    """Whether it is code, or a part of a library, in the place where the module's source has put it."""
    if is_code_at_home(module, name, value):
        return True
    came_from = facts.imports.get(name)
    if came_from is None:
        return issubclass(type(value), types.ModuleType) and is_part_of(module, name, value)
    if issubclass(type(value), BY_NAME):
        return not is_of_notebook(value)
    return not came_from.startswith(".") and came_from not in tracked_modules and not may_be_tracked(came_from)


def is_of_notebook(value: Any) -> bool:
    """A function or a class that a cell has made."""
    if type(value) is types.FunctionType:
        return value.__globals__.get("__name__") == "__main__"
    return derives(type(value), type) and module_name(value) == "__main__"


def is_code_at_home(module: types.ModuleType, name: str, value: Any) -> bool:
    """Whether a module defines this function or class under this name."""
    contents = module_contents(module)
    kind = type(value)
    if kind is types.FunctionType:
        inner = value
        while inner.__globals__ is not contents and type(inner.__dict__.get("__wrapped__")) is types.FunctionType:
            inner = inner.__dict__["__wrapped__"]
        # One that a library's decorator has wrapped says that it is of this module, and is not made up elsewhere.
        return inner.__globals__ is contents and inner.__qualname__ == name and value.__module__ == inner.__module__
    if not derives(kind, type) or has_active_metaclass(value):
        return False
    return module_name(value) == contents.get("__name__") and qualified_name(value) == name


def is_class_of(module: str, path: str, cls: Any) -> bool:
    """Whether a module defines this class, there where the path leads; its attributes can be set one by one."""
    if not derives(type(cls), type) or module_name(cls) != module or qualified_name(cls) != path:
        return False
    return not has_active_metaclass(cls)


def classes_within(module: str, contents: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, type]]:
    """The classes that a module defines, and those within them, by their paths."""
    for name, cls in list(contents.items()):
        if type(name) is str and is_class_of(module, f"{of}{name}", cls):
            yield f"{of}{name}", cls
            yield from classes_within(module, contents_of(cls), f"{of}{name}.")


def is_part_of(package: types.ModuleType, name: str, value: types.ModuleType) -> bool:
    """Whether it is the module of a package that goes by this name there."""
    return bool(module_contents(value).get("__name__") == f"{module_contents(package).get('__name__')}.{name}")


def is_same_constant(one: Any, other: Any) -> bool:
    """Whether both are the same number, text or the like."""
    return is_atom(one) and type(other) is type(one) and bool(one is other or repr(one) == repr(other))
