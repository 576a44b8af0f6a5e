"""What may be loaded in the user's process just to be looked at: what does nothing when it is loaded, nor at its end.

Law: names are listed, not guessed. Every other name that a stream refers to is *not harmless*: its copies are made in
a process of their own (`session.checker`), or are disarmed before they are let go of (`disarming`). Of a class of the
notebook it is asked what it defines: one without a destructor, whose instances come back without a line of its code,
is harmless.

Why this is safe: a stream does nothing but call what it refers to. What is listed makes objects out of memory, and
registers nothing; a class of a listed library that has a destructor is not harmless all the same. Nothing is imported.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from typing import Any

from kishu_kernel.objects.classes import module_name, mro_of
from kishu_kernel.objects.questions import is_harmless

_WHOLE = frozenset(
    {
        *("_codecs", "_collections", "_operator", "abc", "array", "calendar", "collections", "collections.abc"),
        *("copyreg", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "ipaddress", "itertools"),
        *("_decimal", "_functools", "_pydatetime", "_random", "math", "numbers", "operator", "pathlib", "random"),
        *("pathlib._local", "re", "statistics", "string", "time", "types", "typing", "uuid", "zoneinfo"),
    }
)
"""Modules of Python's own that only make values."""

_NAMES = frozenset(
    {
        ("logging", "getLogger"),
        ("threading", "Lock"),
        ("threading", "RLock"),
        ("_thread", "RLock"),
        ("_thread", "allocate_lock"),
        ("_thread", "lock"),
        ("io", "BytesIO"),
        ("io", "StringIO"),
        ("_io", "BytesIO"),
        ("_io", "StringIO"),
        *(
            ("cloudpickle.cloudpickle", name)
            for name in (
                *("_builtin_type", "_function_setstate", "_make_cell", "_make_empty_cell", "_make_function"),
                *("_make_skeleton_enum", "_make_typevar", "subimport"),
            )
        ),
        *(
            ("kishu_kernel.rebuild", name)
            for name in (
                *("ABSENT", "_Absent"),
                *("EMPTY_CELL", "_EmptyCell", "bind_method", "dict_view", "held_attribute"),
                *("load_array", "load_class", "load_storage", "load_strings"),
                *("load_buffer_view", "load_derived_array", "load_view"),
                *("make_filled_cache", "set_cached_calls"),
                *("make_cached", "make_class", "make_code", "make_derived", "make_function", "make_instance"),
                *("make_module_function", "module_attribute", "module_original", "new_name", "set_array_state"),
                *("set_cell",),
                *("set_class_state", "set_content", "set_derived_state", "set_enum_state"),
                *("set_exception_state", "set_function_state", "set_instance_state", "set_shared_attributes"),
                *("set_state_and_attributes", "set_state_and_hidden"),
                *("set_tensor_state", "storage_array"),
            )
        ),
    }
)

_BUILTINS_THAT_ACT = frozenset(
    {
        *("__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "help", "input", "open", "print"),
        *("quit", "setattr"),
    }
)

_BARE = frozenset({"abc", "typing", "collections.abc"})
"""Modules of classes that add nothing to an instance."""

_ACTS = frozenset({"__getattribute__", "__setattr__"})
"""What a class of the notebook may define that runs when an instance gets its attributes back."""

_ACTS_WITH_CONTENT = frozenset(
    {
        *("__getnewargs__", "__getnewargs_ex__", "__init__", "__new__", "__reduce__", "__reduce_ex__", "__setitem__"),
        *("__setstate__", "add", "append", "extend", "update"),
    }
)
"""What runs besides where its instances have contents that a base keeps: they come back in a way of their own."""


class NotHarmlessError(Exception):
    """A stream refers to what may do something when it is loaded, or when the copy is let go of.

    Attributes:
        destructor: it is known to: a class with a destructor.
    """

    def __init__(self, name: str, destructor: bool) -> None:
        super().__init__(name)
        self.destructor = destructor


class LoadGuard:
    """Watches what a stream refers to while it is loaded, and refuses what is not to be loaded.

    Args:
        only_harmless: what is not known to be harmless raises `NotHarmlessError`, before anything of it is made.
        no_destructors: classes with a destructor do.

    Attributes:
        not_harmless: it refers to what is not known to be harmless.
        destructor: it refers to a class with a destructor.
        armed: classes of the notebook, made by the load, that have a destructor.
    """

    def __init__(self, *, only_harmless: bool = False, no_destructors: bool = False) -> None:
        self._only_harmless = only_harmless
        self._no_destructors = no_destructors
        self.not_harmless = False
        self.destructor = False
        self.armed: list[type] = []

    def name_requested(self, module: str, name: str) -> None:
        """A name is about to be looked up, for which its module may have to be imported."""
        if not _is_listed(module, name) or module not in sys.modules:
            self._note(f"{module}.{name}", destructor=False)

    def name_resolved(self, obj: Any) -> None:
        """This is what was found."""
        if issubclass(type(obj), type) and has_destructor(obj):
            self._note(obj.__name__, destructor=True)

    def class_made(self, cls: type, metaclass: type) -> None:
        """An empty class of the notebook was made."""
        plain = metaclass is type or module_name(metaclass) in ("abc", "enum", "typing")
        if not (plain and all(_is_plain_base(base) for base in mro_of(cls)[1:])):
            self._note(cls.__name__, destructor=False)
        self.name_resolved(cls)

    def class_filled(self, cls: type, attributes: Mapping[str, Any]) -> None:
        """A class of the notebook is about to get its attributes."""
        if "__del__" in attributes:
            self.armed.append(cls)
            self._note(cls.__name__, destructor=True)
        acts = _ACTS | _ACTS_WITH_CONTENT if _has_content(cls) else _ACTS
        if _is_named_tuple(attributes):
            acts = _ACTS
        if _is_enum(attributes):
            acts = acts - {"__new__"}
        if not acts.isdisjoint(attributes) or attributes.get("__hash__") is not None:
            self._note(cls.__name__, destructor=False)

    def _note(self, name: str, *, destructor: bool) -> None:
        self.not_harmless = True
        self.destructor = self.destructor or destructor
        if self._only_harmless or (destructor and self._no_destructors):
            raise NotHarmlessError(name, destructor)


def has_destructor(kind: type) -> bool:
    """Something runs when an instance is freed that a class of it defines. Python's own are known to be harmless."""
    if module_name(kind) in ("builtins", "_io"):
        return False
    return any("__del__" in type.__dict__["__dict__"].__get__(base) for base in mro_of(kind))


def _is_listed(module: str, name: str) -> bool:
    if module == "builtins":
        return name not in _BUILTINS_THAT_ACT
    return module in _WHOLE or (module, name) in _NAMES or is_harmless(module, name)


def _is_plain_base(base: type) -> bool:
    """It adds nothing that has to be loaded in a way of its own: what is the notebook's was asked before."""
    module = module_name(base)
    return module in ("builtins", "__main__", "enum", "collections") or module in _BARE


def _is_named_tuple(attributes: Mapping[str, Any]) -> bool:
    """Made by `collections.namedtuple`, which writes the `__new__`."""
    maker = getattr(attributes.get("__new__"), "__func__", None)
    home = getattr(maker, "__globals__", {}).get("__name__")
    return "_fields" in attributes and type(home) is str and home.startswith("namedtuple_")


def _is_enum(attributes: Mapping[str, Any]) -> bool:
    """Its `__new__` is the one that each enum gets, and none of its own makes members."""
    return attributes.get("__new__") is enum.Enum.__new__ and "__new_member__" not in attributes


def _has_content(cls: type) -> bool:
    return any(base is not object and module_name(base) in ("builtins", "collections") for base in mro_of(cls))
