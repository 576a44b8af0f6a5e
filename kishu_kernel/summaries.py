"""One line about a value, for a person. Never runs the user's code: no `repr` of foreign objects."""

from __future__ import annotations

import reprlib
import types
from typing import Any

from kishu_kernel.libraries import module_name, qualified_name
from kishu_kernel.model import Digest, VariableInfo

_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_WIDTH = 80

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = _WIDTH


def describe(name: str, obj: Any, digest: Digest = Digest(b"")) -> VariableInfo:  # noqa: B008 -- bytes
    """The variable's type and a summary of at most a line."""
    return VariableInfo(name, _type_name(type(obj)), _summary(obj)[:200], digest)


def _type_name(kind: type) -> str:
    module, name = module_name(kind), qualified_name(kind)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _summary(obj: Any) -> str:
    kind = type(obj)
    try:
        if kind is bytes and len(obj) > _WIDTH:
            return f"{_short.repr(obj[:_WIDTH])} of {len(obj):,} bytes"  # the text of all of it may be gigabytes
        if kind in _ATOMS:
            return _short.repr(obj)
        if kind in _CONTAINERS:
            return _container(obj)
        if issubclass(kind, types.ModuleType):
            return f"module {obj.__name__}"
        if issubclass(kind, type):
            return f"class {obj.__qualname__}"
        if kind is types.FunctionType:
            arguments = obj.__code__.co_varnames[: obj.__code__.co_argcount]
            return f"{obj.__qualname__}({', '.join(arguments)})"
        return _shaped(obj)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a value that cannot be described is described by its type
        return qualified_name(kind)


def _container(obj: Any) -> str:
    items = [*obj, *obj.values()] if type(obj) is dict else obj
    if len(obj) <= 6 and all(type(item) in _ATOMS for item in items):
        text = _short.repr(obj)
        if len(text) <= _WIDTH:
            return text
    return f"{type(obj).__name__} of {len(obj):,}"


def _shaped(obj: Any) -> str:
    kind = type(obj)
    root = module_name(kind).partition(".")[0]
    if root not in ("numpy", "pandas", "polars", "pyarrow", "torch", "scipy", "xarray"):
        return qualified_name(kind)
    shape = getattr(obj, "shape", None)
    if not isinstance(shape, tuple):
        return qualified_name(kind)
    if shape == () and root == "numpy" and obj.dtype.kind in "biufcmMSU":
        return f"{obj!s:.80}"
    text = " x ".join(f"{length:,}" for length in shape)
    columns = getattr(obj, "columns", None)
    if columns is not None and len(shape) == 2:
        shown = ", ".join(str(column) for column in list(columns)[:8] if isinstance(column, (str, int)))
        return f"{text}: {shown}{', ...' if len(columns) > 8 else ''}"
    dtype = getattr(obj, "dtype", None)
    return f"{text} {dtype}" if dtype is not None else text
