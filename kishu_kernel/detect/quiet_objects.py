"""Objects with which code can do what it likes, and calls into no library: nothing changes that it does not name.

Law: in doubt an object is not quiet. Runs no code of the user's. Neighbour: `candidates` asks, where a call into a
library may change the current figure, or what is logged to.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

from kishu_kernel.detect.atoms import ATOMS
from kishu_kernel.objects.arrays import array_type
from kishu_kernel.objects.classes import begins, contents_of, is_one_of, module_contents, module_name, mro_of

QUIET_PACKAGES = frozenset(
    {
        *("builtins", "__main__", "collections", "copy", "datetime", "decimal", "fractions", "functools", "io"),
        *("itertools", "json", "math", "operator", "os", "random", "re", "string", "sys", "time", "types", "typing"),
    }
)
"""Packages whose code calls into no library by itself."""

_MOST = 200
"""Of so many objects none is looked at any more: they may hold anything."""


def is_quiet(obj: Any) -> bool:
    """Whether what code does with this calls into no library, whatever it is.

    The code of functions of the notebook is looked at elsewhere, and so are its globals: not what they hold beside.
    """
    todo, seen = [obj], set[int]()
    while todo:
        each = todo.pop()
        kind = type(each)
        if id(each) in seen or is_one_of(kind, ATOMS):
            continue
        seen.add(id(each))
        held = _held_by(each, kind)
        if held is None or len(seen) + len(todo) > _MOST:
            return False
        todo.extend(held)
    return True


def _held_by(obj: Any, kind: type) -> list[Any] | None:
    """What this leads to, of what is not looked at elsewhere; None where it may lead into a library."""
    if is_one_of(kind, (list, tuple, set, frozenset)):
        return list(obj) if len(obj) < _MOST else None
    if kind is dict:
        return [*obj, *obj.values()] if len(obj) < _MOST else None
    if kind is types.FunctionType:
        return list(_beside_code(obj)) if _is_quiet_name(obj.__globals__.get("__name__")) else None
    if kind is type:
        return list(_in_class(obj)) if all(_is_quiet_name(module_name(base)) for base in mro_of(obj)) else None
    if is_one_of(kind, (staticmethod, classmethod)):
        return [obj.__func__]
    if kind is property:
        return [obj.fget, obj.fset, obj.fdel]
    if kind is array_type():
        return None if obj.dtype.hasobject else []
    if is_one_of(kind, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return []
    named = module_contents(obj).get("__name__") if kind is types.ModuleType else None
    if kind is types.BuiltinFunctionType:
        named = obj.__module__
    return [] if _is_quiet_name(named) else None


def _beside_code(function: types.FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # an empty one
            continue
    yield function.__defaults__
    yield function.__kwdefaults__
    yield function.__dict__


def _in_class(cls: type) -> Iterator[Any]:
    """What the notebook's classes among its bases hold; not what is only said of them, as types of fields."""
    for base in mro_of(cls):
        if module_name(base) == "__main__":
            for name, each in list(contents_of(base).items()):
                if not begins(name, "__") or type(each) in (types.FunctionType, staticmethod, classmethod):
                    yield each


def _is_quiet_name(module: Any) -> bool:
    return type(module) is str and module.partition(".")[0] in QUIET_PACKAGES
