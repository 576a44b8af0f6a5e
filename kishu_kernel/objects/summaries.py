"""One line about a value, for a person. Never runs the user's code: no `repr` of foreign objects."""

from __future__ import annotations

import types
from itertools import islice
from typing import Any

from kishu_kernel.model import Digest, VariableInfo
from kishu_kernel.objects.classes import (
    derives,
    has_active_metaclass,
    is_atom,
    module_contents,
    module_name,
    plain_text,
    qualified_name,
)
from kishu_kernel.objects.short_texts import WIDTH, short_text

_CONTAINERS: frozenset[type] = frozenset({list, tuple, dict, set, frozenset})
_ROWS = frozenset({list, tuple})
_ITEMS = 6
_BRIEF: frozenset[type] = frozenset({bool, type(None), float})
"""Atoms whose text is never long."""
_BRIEF_BITS = 200
_PLAIN_NAMES = {id(kind): kind.__name__ for kind in (*_CONTAINERS, *_BRIEF, int, str, bytes)}
"""By the ids of the types, which are never freed."""


def describe(name: str, obj: Any, digest: Digest = Digest(b"")) -> VariableInfo:  # noqa: B008 -- bytes
    """The variable's type and a summary of at most a line."""
    return VariableInfo(name, _type_name(type(obj)), _summary(obj)[:200], digest)


def _type_name(kind: type) -> str:
    plain = _PLAIN_NAMES.get(id(kind))
    if plain is not None:
        return plain
    module, name = module_name(kind), qualified_name(kind)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _summary(obj: Any) -> str:
    kind = type(obj)
    try:
        known = type(kind) is type  # to look another one up may run code of its metaclass
        if known and (_is_brief(obj) or (kind in _ROWS and len(obj) <= _ITEMS and all(map(_is_brief, obj)))):
            text = repr(obj)
            if len(text) <= WIDTH:
                return text
        if known and kind in _CONTAINERS:
            return _container(obj)
        if derives(kind, types.ModuleType):
            return f"module {plain_text(module_contents(obj).get('__name__'))}"
        if derives(kind, type):
            return f"class {qualified_name(obj)}"
        if not known:
            return qualified_name(kind) if has_active_metaclass(kind) else _shaped(obj)
        if is_atom(obj):
            return short_text(obj)
        if kind is types.FunctionType:
            arguments = obj.__code__.co_varnames[: obj.__code__.co_argcount]
            return f"{plain_text(obj.__qualname__)}({', '.join(arguments)})"
        return _shaped(obj)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a value that cannot be described is described by its type
        return qualified_name(kind)


def _is_brief(obj: Any) -> bool:
    """Whether its text is short for sure, but for what a string has to escape: then it is what `reprlib` gives."""
    kind = type(obj)
    if type(kind) is not type:
        return False
    if kind is int:
        return bool(obj.bit_length() <= _BRIEF_BITS)
    return kind in _BRIEF or (kind is str and len(obj) < WIDTH)


def _container(obj: Any) -> str:
    if len(obj) <= _ITEMS:
        items = [*obj, *obj.values()] if type(obj) is dict else obj
        if all(map(is_atom, items)) and len(text := short_text(obj)) <= WIDTH:
            return text
    return f"{type(obj).__name__} of {len(obj):,}"


def _shaped(obj: Any) -> str:
    """What a library says of an object of its own, or tells of its shape."""
    from kishu_kernel.objects.questions import has_shape, summary_of

    kind = type(obj)
    said = summary_of(obj)
    if said is not None:
        return said
    shape: Any = getattr(obj, "shape", None) if has_shape(obj) else None
    if not issubclass(type(shape), tuple):
        return qualified_name(kind)
    text = " x ".join(f"{length:,}" for length in shape)
    columns = getattr(obj, "columns", None)
    if columns is not None and len(shape) == 2:
        shown = ", ".join(str(column) for column in islice(columns, 8) if type(column) in (str, int, bool))
        return f"{text}: {shown}{', ...' if len(columns) > 8 else ''}"
    dtype = getattr(obj, "dtype", None)
    return f"{text} {dtype}" if dtype is not None else text or qualified_name(kind)
