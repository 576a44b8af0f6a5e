"""dill, without the notebook noticing that it was imported.

Its import adds to the table of Python's own pickler and to the loggers; and a notebook that imports it afterwards would
no longer get what the import does. So it is imported once, put back out of sight with all that it did, and lent while
something is stored or loaded by it. Where the notebook has imported it, that one is used.

Law: on the way out of `lent` modules, pickler and loggers are as they were.
"""

from __future__ import annotations

import importlib
import logging
import pickle
import sys
import types
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from kishu_kernel.objects.arrays import HOME
from kishu_kernel.objects.classes import is_one_of, module_name


@contextmanager
def lent() -> Iterator[Any]:
    """The module, which can be imported by its name within this context."""
    if "dill" in sys.modules:
        yield sys.modules["dill"]
        return
    modules = _modules()
    sys.modules.update(modules)
    try:
        yield modules["dill"]
    finally:
        modules.update(_taken_away())


def knows(kinds: Iterable[type]) -> bool:
    """Whether dill has ways of its own for all of these types. It is only imported where it may have."""
    pristine = "dill" not in sys.modules and not _modules.cache_info().currsize
    if pristine and not all(map(_may_be_known, kinds)):
        return False
    dill: Any = sys.modules.get("dill") or _modules()["dill"]  # to look at it, nobody need be able to import it
    return all(kind in dill.Pickler.dispatch for kind in kinds)


def _may_be_known(kind: type) -> bool:
    return module_name(kind) in _KNOWN_HOMES and not is_one_of(kind, _NOT_KNOWN)


_KNOWN_HOMES = frozenset(
    {
        *("_contextvars", "_io", "_pyio", "_thread", "abc", "builtins", "dataclasses", "functools", "pickle", "typing"),
        *("weakref", HOME),
    }
)
"""Modules of the types that dill knows, as it is imported."""
_NOT_KNOWN = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, weakref.finalize)
"""What notebooks have of these modules most often, and dill does not know."""


@cache
def _modules() -> dict[str, ModuleType]:
    """dill and its parts. Slow to import (0.1 s), and seldom needed."""
    dispatch: dict[Any, Any] = pickle._Pickler.dispatch
    loggers = logging.root.manager.loggerDict
    before, known = dict(dispatch), set(loggers)
    try:
        importlib.import_module("dill")
    finally:
        for kind in dispatch.keys() - before.keys():
            del dispatch[kind]
        dispatch.update(before)
        for name in [each for each in loggers if each not in known and _is_dills(each)]:
            del loggers[name]
        modules = _taken_away()
    return modules


def _taken_away() -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _is_dills(name)}


def _is_dills(name: str) -> bool:
    return name.partition(".")[0] == "dill"
