"""What is known of libraries: which of their objects cannot matter, which belong to all, which must be left alone.

Every entry here costs a line and saves users from co-variables that join half of their session; nothing is imported.
"""

from __future__ import annotations

import abc
import datetime
import decimal
import enum
import fractions
import logging
import pathlib
import re
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kishu_kernel.process.code_origins import is_users_module

VALUE_TYPES: tuple[type, ...] = (
    range,
    slice,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pathlib.PurePath,
    logging.Logger,
    types.CodeType,
    types.GenericAlias,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
"""Immutable (or kept by name): two variables that hold the same one share nothing that could matter."""

_VALUE_MODULES = {"zoneinfo", "pytz", "dateutil.tz.tz", "pyarrow.lib"}
_VALUE_TYPE_NAMES = {"dtype", "ExtensionDtype", "BaseOffset", "Timestamp", "Timedelta", "NAType"}

_LABEL_TYPES = {"Index"}
"""pandas shares them between a frame and all that is made of it, and hardly ever changes them."""

_UNTRAVERSABLE = {"ipykernel", "zmq", "tornado", "asyncio", "_asyncio", "comm", "ipywidgets", "concurrent"}

_BY_REFERENCE = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    str,
    int,
    float,
    type(None),
)


def is_untraversable(kind: type) -> bool:
    """Instances lead into the running kernel: they are never walked, never stored."""
    module = module_name(kind)
    if module == "ipykernel.zmqshell":
        return False  # the shell goes by reference
    if module.partition(".")[0] in _UNTRAVERSABLE or module.startswith("kishu_kernel.frontend"):
        return True
    return any(module_name(base) == "ipywidgets.widgets.widget" for base in mro_of(kind)) and module != "__main__"


def is_value_type(kind: type) -> bool:
    """Sharing an instance cannot matter: it does not link the variables that hold it."""
    if issubclass(kind, VALUE_TYPES) or module_name(kind) in _VALUE_MODULES:
        return True
    if derives(type(kind), enum.EnumMeta) and module_name(kind) != "__main__":
        return True
    if any(_name(base) in _VALUE_TYPE_NAMES for base in mro_of(kind)):
        return module_name(kind).partition(".")[0] in ("numpy", "pandas")
    return False


def is_label_type(kind: type) -> bool:
    """Instances are shared far and wide and can change, if seldom (`df.columns.name = ...`).

    They join no co-variable; where one has changed, all variables that hold it are looked at.
    """
    if module_name(kind).partition(".")[0] != "pandas":
        return False
    return any(_name(base) in _LABEL_TYPES for base in mro_of(kind))


def is_hub(kind: type) -> bool:
    """Instances are what many objects lead to, and lead to all of these: a figure, from whatever is drawn in it."""
    return any((module_name(base), qualified_name(base)) == ("matplotlib.figure", "Figure") for base in mro_of(kind))


def module_name(kind: type) -> str:
    """`kind.__module__`, or the empty string where a class plays tricks with it. Runs no code of a metaclass."""
    try:
        name = _module(kind)
    except AttributeError:  # a class can delete it
        return ""
    return name if isinstance(name, str) else ""


def qualified_name(kind: type) -> str:
    """`kind.__qualname__`. Runs no code of a metaclass."""
    return str(_qualified(kind))


_module = type.__dict__["__module__"].__get__
_name = type.__dict__["__name__"].__get__
_qualified = type.__dict__["__qualname__"].__get__
mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
contents_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
flags_of: Callable[[type], int] = type.__dict__["__flags__"].__get__
"""As `kind.__mro__`, `vars(kind)`, `kind.__flags__`. They run no code of a metaclass."""


def derives(kind: type, base: type) -> bool:
    """As `issubclass`, without asking either of them."""
    return type.__subclasscheck__(base, kind)


def is_notebooks(kind: type) -> bool:
    """The class was made by the notebook. Runs no code of a metaclass."""
    return module_name(kind) == "__main__" and bool(flags_of(kind) & _HEAP_TYPE)


def is_users_own(kind: type) -> bool:
    """The class was made by the notebook, or by a module of the user's. Runs no code of a metaclass.

    Such a module lies beside the notebook, or on a path that was added since the kernel began.
    """
    if not flags_of(kind) & _HEAP_TYPE:
        return False
    module = module_name(kind)
    return module == "__main__" or is_users_module(module.partition(".")[0])


def is_plain_class(kind: type) -> bool:
    """It can be looked up, and tells its name, without running code of its metaclass."""
    metaclass: Any = type(kind)
    bases = [base for base in mro_of(metaclass) if base is not type and base is not object]
    return all(contents_of(base).keys().isdisjoint(_TO_BE_KNOWN) for base in bases)


def is_strange(kind: type) -> bool:
    """To look it up, or to ask it for anything, runs code of the notebook: of its metaclass."""
    metaclass: Any = type(kind)
    if metaclass is type:
        return False
    if type(metaclass) is not type and is_strange(metaclass):
        return True
    return any(
        is_notebooks(base) and not contents_of(base).keys().isdisjoint(_TO_BE_LOOKED_UP) for base in mro_of(metaclass)
    )


def strange_ones_live() -> bool:
    """There is a metaclass such that `is_strange`. Some microseconds, where no metaclass has come or gone."""
    derived = [type.__subclasses__(each) for each in (type, abc.ABCMeta, enum.EnumMeta)]
    seen = tuple((len(each), id(each[-1]) if each else 0) for each in derived)
    if _strange.seen != seen:
        _strange.seen, _strange.live = seen, _look_for_strange_ones()
    return _strange.live


class _Strange:
    """What was found when metaclasses were last looked at."""

    seen: tuple[tuple[int, int], ...] = ()
    live = False


_strange = _Strange()


def _look_for_strange_ones() -> bool:
    todo = list(type.__subclasses__(type))
    while todo:
        metaclass = todo.pop()
        if is_notebooks(metaclass) and not contents_of(metaclass).keys().isdisjoint(_TO_BE_LOOKED_UP):
            return True
        todo.extend(type.__subclasses__(metaclass))
    return False


def module_contents(module: Any) -> Mapping[str, Any]:
    """As `vars(module)`; a module that is loaded when it is first asked stays as it is. Empty for what is none."""
    return _contents_of_module(module) if issubclass(type(module), types.ModuleType) else {}


def attributes(obj: Any) -> dict[str, Any] | None:
    """The object's `__dict__`, if it has one that can be had without running code of a property's or a proxy's.

    On CPython 3.11 and 3.12 it is made where there was none: what is faster to leave alone is not to be asked.
    """
    for base in mro_of(type(obj))[:-1]:
        contents = contents_of(base)
        if type(contents.get("__class__")) is types.GetSetDescriptorType:
            return None  # a proxy made in C hands out the attributes of what it stands for, and makes it for that
        member: Any = contents.get("__dict__")
        if type(member) in PLACES:
            try:
                found = member.__get__(obj)
            except Exception:
                return None
            return found if type(found) is dict else None
    return None


def hides_attributes(kind: type) -> bool:
    """Its instances have a `__dict__`, and all that leads to it is code of somebody's."""
    if not _dict_offset(kind):
        return False
    members: Iterator[Any] = (contents_of(base).get("__dict__") for base in mro_of(kind))
    return not any(type(member) in PLACES for member in members)


PLACES = (types.GetSetDescriptorType, types.MemberDescriptorType)
"""Types of what was made in C to reach a place in an instance."""

_contents_of_module: Any = vars(types.ModuleType)["__dict__"].__get__

_HEAP_TYPE = 1 << 9
"""A flag of types that are not part of Python's own, or of a library's, compiled code."""
_dict_offset = type.__dict__["__dictoffset__"].__get__

_TO_BE_KNOWN = ("__hash__", "__eq__", "__name__", "__qualname__")
_TO_BE_LOOKED_UP = (
    *(*_TO_BE_KNOWN, "__getattribute__", "__class__", "__mro__", "__bases__"),
    *("__reduce_ex__", "__reduce__", "__flags__", "__basicsize__", "__dictoffset__"),
)


def payload_of(obj: Any) -> list[Any]:
    """What an untraversable object hands out that is the user's: never the loop, the kernel or their locks."""
    return [held for name in _listed(_PAYLOADS, type(obj)) if (held := getattr(obj, name, None)) is not None]


def observers_of(obj: Any) -> list[types.FunctionType]:
    """Functions that an untraversable object calls when a cell does something to it."""
    found: list[types.FunctionType] = []
    todo: list[Any] = [getattr(obj, name, None) for name in _listed(_OBSERVERS, type(obj))]
    while todo:
        held = todo.pop()
        if type(held) in (list, tuple):
            todo.extend(held)
        elif isinstance(held, dict):  # a widget keeps them by name and by kind
            todo.extend(held.values())
        elif type(held) is types.MethodType:
            todo.append(held.__func__)
        elif type(held) is types.FunctionType:
            found.append(held)
        elif held is not None and qualified_name(type(held)) == "CallbackDispatcher":
            todo.append(getattr(held, "callbacks", None))
    return found


def _listed(table: Mapping[tuple[str, str], tuple[str, ...]], kind: type) -> list[str]:
    keys = ((module_name(base).partition(".")[0], qualified_name(base)) for base in mro_of(kind))
    return [name for key in keys for name in table.get(key, ())]


_PAYLOADS = {
    ("concurrent", "Future"): ("_result", "_exception"),
    ("concurrent", "ThreadPoolExecutor"): ("_initargs",),
    ("asyncio", "Future"): ("_result", "_exception"),
    ("_asyncio", "Future"): ("_result", "_exception"),
    ("asyncio", "Task"): ("_coro",),
    ("_asyncio", "Task"): ("_coro",),
    ("asyncio", "Queue"): ("_queue",),
}
"""By package and class, which attributes of instances hold the user's objects."""

_OBSERVERS = {
    ("concurrent", "Future"): ("_done_callbacks",),
    ("concurrent", "ThreadPoolExecutor"): ("_initializer",),
    ("ipywidgets", "Widget"): ("_trait_notifiers", "_click_handlers", "_submission_callbacks", "f"),
}
"""By package and class, which attributes of instances hold functions to be called."""


def held_as(obj: Any) -> str | None:
    """The name under which the module of the object's own class holds it, if it does.

    `dataclasses.MISSING`, `os.environ`, the generator behind `random.choice`: whoever refers to them means the one
    that the library uses. They go by reference; what they contain is state of the module.
    """
    kind = type(obj)
    holder = sys.modules.get(module_name(kind))
    names = held_names(kind)
    return next((name for name in names if module_contents(holder).get(name) is obj), None)


def held_names(kind: type) -> tuple[str, ...]:
    """Names under which a library's module holds instances of its class, as it was when first asked."""
    module = sys.modules.get(module_name(kind))
    if module is None or module_name(kind) in ("", "builtins", "__main__"):
        return ()
    known = _held_names.get(kind)
    if known is None:
        known = tuple(name for name, value in list(module_contents(module).items()) if type(value) is kind)
        _held_names[kind] = known
    return known


def home_of_sentinel(obj: object) -> tuple[str, str] | None:
    """The module that holds an `object()`, and its name there; the notebook's own are nobody's."""
    if _sentinels.modules != len(sys.modules):
        _sentinels.look()
    module, name = _sentinels.homes.get(id(obj), ("", ""))
    return (module, name) if module_contents(sys.modules.get(module)).get(name) is obj else None


class _Sentinels:
    """Every `object()` that a module holds, by its id: modules hold them as long as the process lives."""

    def __init__(self) -> None:
        self.modules = 0
        self.homes: dict[int, tuple[str, str]] = {}

    def look(self) -> None:
        """Looks into all modules, shorter names first: who imported one is not its home."""
        homes: dict[int, tuple[str, str]] = {}
        modules = list(sys.modules.items())
        for name, module in sorted(modules, key=lambda item: (len(item[0]), item[0])):
            if name != "__main__" and type(module) is types.ModuleType:
                for attribute, value in list(vars(module).items()):
                    if type(value) is object:
                        homes.setdefault(id(value), (name, attribute))
        self.modules, self.homes = len(sys.modules), homes


_sentinels = _Sentinels()


_held_names: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def static_objects(kind: type) -> set[int]:
    """Ids of what a library type and its module hold: the library's, whoever refers to it.

    Ids of living objects: not to be kept beyond a judgement.
    """
    if module_name(kind) in ("", "builtins", "__main__"):
        return set()
    holders: list[Mapping[str, Any]] = [
        contents_of(base) for base in mro_of(kind) if module_name(base) not in ("builtins", "__main__")
    ]
    holders += [module_contents(sys.modules[name]) for name in {module_name(kind)} & sys.modules.keys()]
    root = module_name(kind).partition(".")[0]
    if root == "matplotlib":
        # Its own way to go through them changes the filters of warnings, and sets a backend.
        holders.append(dict(dict.items(getattr(sys.modules.get(root), "rcParams", {}))))
    values = (value for holder in holders for value in list(holder.values()))
    return {id(value) for value in values if not issubclass(type(value), _BY_REFERENCE)}


def copies_on_write() -> bool:
    """Pandas never lets a write to one frame show in another (always so from 3.0)."""
    pandas = sys.modules.get("pandas")
    version = getattr(pandas, "__version__", "")
    if version.partition(".")[0] in ("0", "1", "2"):
        try:
            return pandas.options.mode.copy_on_write is True  # type: ignore[union-attr]
        except Exception:
            return False
    return True
