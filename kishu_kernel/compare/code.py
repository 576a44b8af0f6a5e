"""Functions and classes of the notebook: which lines differ, else which of their parts.

Law: source is read from what the session remembers of its cells, never from a file: that would show another version.
"""

from __future__ import annotations

import functools
import inspect
import os
import types
from collections.abc import Sequence
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import label, members_of, same, text, type_name
from kishu_kernel.compare.plain import differing_lines
from kishu_kernel.process.cell_sources import cached_lines

_OF_THE_MACHINE = {
    *("__dict__", "__weakref__", "__module__", "__slotnames__", "__firstlineno__", "__static_attributes__"),
    *("__abstractmethods__", "__annotations_cache__", "__annotate_func__"),
}


def is_function(kind: type) -> bool:
    """Made by `def` or `lambda`."""
    return kind is types.FunctionType


def functions(before: Any, after: Any, findings: Findings) -> None:
    """Name, signature, lines; what it closes over."""
    findings.add("name", text(before.__qualname__), text(after.__qualname__))
    findings.add("signature", _signature(before), _signature(after))
    lines = _source(before.__code__), _source(after.__code__)
    if lines[0] and lines[1] and lines[0] != lines[1]:
        differing_lines(lines[0], lines[1], findings)
    else:
        _codes(before.__code__, after.__code__, findings)
    cells = _closure(before), _closure(after)
    if not same(*cells):
        findings.parts(((f" closes over {name}", *pair) for name, pair in _both(*cells)), "cells")
    if not same(before.__dict__, after.__dict__):
        findings.parts(((f".{name}", *pair) for name, pair in _both(before.__dict__, after.__dict__)), "attributes")


def is_wrapped(kind: type) -> bool:
    """A method, or what a decorator of the standard library makes of a function."""
    return kind in (types.MethodType, staticmethod, classmethod, property, functools.partial)


def wrapped(before: Any, after: Any, findings: Findings) -> None:
    """What is inside."""
    kind = type(before)
    names = {property: ("fget", "fset", "fdel"), functools.partial: ("func", "args", "keywords")}
    for name in names.get(kind, ("__func__", "__self__") if kind is types.MethodType else ("__func__",)):
        one, other = getattr(before, name), getattr(after, name)
        if not same(one, other):
            findings.part("" if name in ("__func__", "fget", "func") else f".{name}", one, other)


def is_class(kind: type) -> bool:
    """The value is itself a class."""
    return issubclass(kind, type)


def classes(before: type, after: type, findings: Findings) -> None:
    """Bases, and members that were added, removed or changed."""
    bases = [", ".join(map(type_name, type.__dict__["__bases__"].__get__(each))) for each in (before, after)]
    findings.add("bases", *bases)
    one, other = _members(before), _members(after)
    removed, added = [name for name in one if name not in other], [name for name in other if name not in one]
    findings.add("members removed", ", ".join(removed), "")
    findings.add("members added", "", ", ".join(added))
    findings.parts(((f".{name}", one[name], other[name]) for name in one if name in other), "members")


def _members(kind: type) -> dict[str, Any]:
    return {name: held for name, held in members_of(kind).items() if name not in _OF_THE_MACHINE}


def _both(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    return [(name, (one.get(name), other.get(name))) for name in {**one, **other}]


def _closure(function: Any) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _signature(function: Any) -> str:
    """Names and defaults, annotations aside: they may be any code."""
    code = function.__code__
    plain, total = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames)
    defaults = dict(zip(names[:plain][::-1], (function.__defaults__ or ())[::-1], strict=False))
    defaults.update(function.__kwdefaults__ or {})
    parts = [f"{name}={text(defaults[name])}" if name in defaults else name for name in names[:total]]
    keywords = parts[plain:]
    parts = parts[:plain]
    if code.co_posonlyargcount:
        parts.insert(code.co_posonlyargcount, "/")
    if code.co_flags & inspect.CO_VARARGS:
        parts.append(f"*{names[total]}")
    elif keywords:
        parts.append("*")
    parts += keywords
    if code.co_flags & inspect.CO_VARKEYWORDS:
        parts.append(f"**{names[total + bool(code.co_flags & inspect.CO_VARARGS)]}")
    return f"({', '.join(parts)})"


def _source(code: types.CodeType) -> Sequence[str]:
    """The lines of a function, as its cell had them; none where the session does not know them."""
    lines = () if os.path.exists(code.co_filename) else cached_lines(code.co_filename)
    try:
        return [line.rstrip("\n") for line in inspect.getblock(lines[code.co_firstlineno - 1 :])]
    except Exception:  # not Python after all
        return ()


def _codes(before: types.CodeType, after: types.CodeType, findings: Findings) -> None:
    """Of functions whose source nobody has."""
    count = 0
    for aspect, attribute in (("constants", "co_consts"), ("names used", "co_names"), ("local names", "co_varnames")):
        one, other = (_without_code(getattr(code, attribute)) for code in (before, after))
        if not same(one, other):
            count += 1
            gone, new = [each for each in one if each not in other], [each for each in other if each not in one]
            findings.add(
                aspect, *(", ".join(map(label, side)) for side in ((gone, new) if gone or new else (one, other)))
            )
    if not count and before.co_code != after.co_code:
        findings.add("bytecode", f"{len(before.co_code):,} bytes", f"{len(after.co_code):,} bytes")
        if len(before.co_code) == len(after.co_code):
            findings.note("Its instructions differ; the session does not have the source any more.")


def _without_code(values: tuple[Any, ...]) -> list[Any]:
    return [each for each in values if type(each) is not types.CodeType]
