"""What is known of libraries: which of their objects cannot matter, which belong to all, which must be left alone.

Every entry here costs a line and saves users from co-variables that join half of their session; nothing is imported.
"""

from __future__ import annotations

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
from collections.abc import Mapping
from typing import Any

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
    if isinstance(kind, enum.EnumMeta) and module_name(kind) != "__main__":
        return True
    if any(base.__name__ in _VALUE_TYPE_NAMES for base in kind.__mro__):
        return module_name(kind).partition(".")[0] in ("numpy", "pandas")
    return False


def is_label_type(kind: type) -> bool:
    """Instances are shared far and wide and can change, if seldom (`df.columns.name = ...`).

    They join no co-variable; where one has changed, all variables that hold it are looked at.
    """
    if module_name(kind).partition(".")[0] != "pandas":
        return False
    return any(base.__name__ in _LABEL_TYPES for base in kind.__mro__)


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
mro_of = type.__dict__["__mro__"].__get__
_qualified = type.__dict__["__qualname__"].__get__


def is_plain_class(kind: type) -> bool:
    """It can be looked up, and tells its name, without running code of its metaclass."""
    metaclass: Any = type(kind)
    own = {name for base in metaclass.__mro__ if base not in (type, object) for name in vars(base)}
    return own.isdisjoint(("__hash__", "__eq__", "__name__", "__qualname__"))


def attributes(obj: Any) -> dict[str, Any] | None:
    """The object's `__dict__`, if it has one and lets one look."""
    try:
        found = obj.__dict__
    except Exception:  # a property of the user's
        return None
    return found if type(found) is dict else None


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
    keys = ((module_name(base).partition(".")[0], qualified_name(base)) for base in kind.__mro__)
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
    return next((name for name in held_names(kind) if getattr(holder, name, None) is obj), None)


def held_names(kind: type) -> tuple[str, ...]:
    """Names under which a library's module holds instances of its class, as it was when first asked."""
    module = sys.modules.get(module_name(kind))
    if module is None or module_name(kind) in ("", "builtins", "__main__"):
        return ()
    known = _held_names.get(kind)
    if known is None:
        known = tuple(name for name, value in list(vars(module).items()) if type(value) is kind)
        _held_names[kind] = known
    return known


def home_of_sentinel(obj: object) -> tuple[str, str] | None:
    """The module that holds an `object()`, and its name there; the notebook's own are nobody's."""
    if _sentinels.modules != len(sys.modules):
        _sentinels.look()
    module, name = _sentinels.homes.get(id(obj), ("", ""))
    return (module, name) if getattr(sys.modules.get(module), name, None) is obj else None


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
        vars(base) for base in kind.__mro__ if module_name(base) not in ("builtins", "__main__")
    ]
    holders += [vars(sys.modules[name]) for name in {module_name(kind)} & sys.modules.keys()]
    root = module_name(kind).partition(".")[0]
    if root == "matplotlib":
        # Its own way to go through them changes the filters of warnings, and sets a backend.
        holders.append(dict(dict.items(getattr(sys.modules.get(root), "rcParams", {}))))
    return {id(value) for holder in holders for value in list(holder.values()) if not isinstance(value, _BY_REFERENCE)}


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
