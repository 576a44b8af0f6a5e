"""Code of the notebook, and what goes by its name: functions, classes, modules."""

from __future__ import annotations

import abc
import functools
import gc
import sys
import types
import typing
import weakref
from typing import Any

import cloudpickle.cloudpickle as _cloud

from kishu_kernel.objects.module_originals import module_originals
from kishu_kernel.objects.rebuild.instances import mro_of, vars_of

_made: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes of the notebook that were loaded."""


class _EmptyCell:
    """Stands for a closure cell without content."""

    def __reduce__(self) -> str:
        return "EMPTY_CELL"


EMPTY_CELL = _EmptyCell()


def make_code(python: str, *fields: Any) -> types.CodeType:
    """Compiled code: what its own constructor takes, in this version of Python.

    Raises:
        TypeError: another one has compiled it, whose instructions mean something else here.
    """
    if python != sys.implementation.cache_tag:
        raise TypeError(f"its code was compiled by {python}, and this is {sys.implementation.cache_tag}")
    return types.CodeType(*fields)


def make_function(
    namespace: dict[str, Any], code: types.CodeType, name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """A function of the notebook. The loader binds `namespace`; it is never in the stream."""
    return types.FunctionType(code, namespace, name, None, cells)


def make_module_function(
    module: str, code: types.CodeType, name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """A function that a library made at run time: bound to the globals of the library's module."""
    __import__(module)
    return types.FunctionType(code, vars(sys.modules[module]), name, None, cells)


def set_function_state(function: types.FunctionType, state: dict[str, Any]) -> None:
    """Second half of a function: everything that may refer back to it."""
    function.__dict__.update(state["dict"])
    function.__defaults__ = state["defaults"]
    function.__kwdefaults__ = state["kwdefaults"]
    function.__annotations__ = state["annotations"]
    function.__qualname__ = state["qualname"]
    function.__module__ = state["module"]
    function.__doc__ = state["doc"]
    if "type_params" in state:
        function.__type_params__ = state["type_params"]  # type: ignore[attr-defined]
    for cell, content in zip(function.__closure__ or (), state["contents"], strict=True):
        set_cell(cell, content)


def set_cell(cell: types.CellType, content: Any) -> None:
    """Fills a closure cell, unless it was empty."""
    if content is not EMPTY_CELL:
        cell.cell_contents = content


def make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """`functools.lru_cache` around a function of the notebook. The cache starts empty."""
    return functools.lru_cache(maxsize, typed)(function)


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], namespace: dict[str, Any], *rest: Any) -> type:
    """A class of the notebook, still empty. None of the user's code runs: it ran when the class was first made.

    Else `__init_subclass__` and metaclasses, which keep registries, would write to those of the live session.
    """
    resolved = types.resolve_bases(bases)
    above = {each for base in resolved for each in base.__mro__ if each in _made}
    hooks = {each: vars(each)["__init_subclass__"] for each in above if "__init_subclass__" in vars(each)}
    for each in hooks:
        type.__delattr__(each, "__init_subclass__")
    try:
        maker = next(each for each in metaclass.__mro__ if each not in _made)
        if maker is metaclass:
            cls: type = _cloud._make_skeleton_class(metaclass, name, bases, namespace, *rest)
        else:
            original = {} if resolved is bases else {"__orig_bases__": bases}
            cls = maker.__new__(metaclass, name, resolved, {**namespace, **original})
    finally:
        for each, hook in hooks.items():
            type.__setattr__(each, "__init_subclass__", hook)
    _made.add(cls)
    return cls


def load_class(token: bytes, data: bytes) -> type:
    """A class of the notebook that was stored apart. The loader stands in for it: it knows which classes live."""
    raise TypeError("a class that was stored apart is loaded with the rest of its payload only")


def set_class_state(cls: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """Second half of a class, past what a metaclass of the notebook does when an attribute is set."""
    attributes = _put_what_metaclass_hides(cls, state[0])
    if not any(each in _made and "__setattr__" in vars_of(each) for each in mro_of(type(cls))):
        _cloud._class_setstate(cls, (attributes, state[1]))
        _share_parameters(cls)
        return cls
    registry = attributes.pop("_abc_impl", None)
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for each in registry or ():
        abc.ABCMeta.register(cls, each)
    return cls


_KEPT_BY_CLASSES = (
    "__abstractmethods__",
    "__annotate__",
    "__annotations__",
    "__doc__",
    "__module__",
    "__type_params__",
)
"""What `type` has a descriptor for that puts it where the class has its attributes."""


def _put_what_metaclass_hides(cls: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """Gives a class its attributes that cannot be set from outside; returns the others, which are to be set after it.

    A class's body may define a `__class__` or a `__name__` for its instances. To set that would name the class's own,
    or run a property of a metaclass of the notebook. They may refer to the class: it must be there first.
    """
    hidden = {name: value for name, value in attributes.items() if _is_hidden(type(cls), name)}
    if hidden:
        contents: dict[str, Any] = gc.get_referents(vars_of(cls))[0]
        contents.update(hidden)  # what Python has cached of the class ends when the others are set
    return {name: value for name, value in attributes.items() if name not in hidden}


def _is_hidden(metaclass: type, name: str) -> bool:
    """Whether a descriptor of the metaclass takes what is set under this name."""
    owner = next((each for each in mro_of(metaclass) if name in vars_of(each)), None)
    if owner is None or (owner is type and name in _KEPT_BY_CLASSES):
        return False
    kinds = mro_of(type(vars_of(owner)[name]))
    return any(way in vars_of(kind) for kind in kinds for way in ("__set__", "__delete__"))


_GENERIC: type = type(typing.List[int])  # noqa: UP006 -- its class has no public name


def _share_parameters(cls: Any) -> None:
    """A generic class has the very tuple of its parameters that its base `Generic[...]` has."""
    contents = vars_of(cls)
    bases: list[Any] = [base for base in contents.get("__orig_bases__", ()) if type(base) is _GENERIC]
    for base in bases:
        if base.__origin__ is typing.Generic and base.__parameters__ == contents.get("__parameters__"):
            type.__setattr__(cls, "__parameters__", base.__parameters__)


def set_enum_state(cls: Any, state: tuple[dict[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Second half of an enum: its attributes, and those of its members."""
    members, of_class = state
    _cloud._class_setstate(cls, (_put_what_metaclass_hides(cls, of_class), {}))
    for name, attributes in members.items():
        cls.__members__[name].__dict__.update(attributes)


def module_original(module: str, name: str) -> Any:
    """The function or class that the source of a module of the user's defines there, in a class maybe."""
    there, originals = module_originals.get(module, (None, dict[str, Any]()))
    found = load_module(module)
    return (
        originals[name] if there is found and name in originals else functools.reduce(getattr, name.split("."), found)
    )


def dict_view(mapping: dict[Any, Any], kind: str) -> Any:
    """A live view of `mapping`: `kind` is `dict_keys`, `dict_values` or `dict_items`."""
    return getattr(mapping, kind.removeprefix("dict_"))()


def load_module(name: str) -> Any:
    """A module. One that is there is not imported again: that would load one that is loaded when it is asked."""
    module = sys.modules.get(name)
    if module is not None:
        return module
    __import__(name)
    return sys.modules[name]


def module_attribute(module: str, name: str) -> Any:
    """The object that a module holds under this name."""
    __import__(module)
    return getattr(sys.modules[module], name)


def held_attribute(module: str, path: str) -> Any:
    """What a class or a function of a module of the user's holds, by its path as of `own_module_data`."""
    of, _, name = path.removesuffix(")").rpartition("(" if path.endswith(")") else ".")
    holder: Any = load_module(module)
    for part in of.removesuffix(".<locals>").split("."):
        holder = getattr(holder, part)
    holder = getattr(holder, "__func__", holder)
    if path.endswith(")"):
        positional = holder.__code__.co_varnames[: holder.__code__.co_argcount]
        values = zip(reversed(positional), reversed(holder.__defaults__ or ()), strict=False)
        return {**dict(values), **(holder.__kwdefaults__ or {})}[name]
    if of.endswith(".<locals>"):
        return holder.__closure__[holder.__code__.co_freevars.index(name)].cell_contents
    return holder.__dict__[name]
