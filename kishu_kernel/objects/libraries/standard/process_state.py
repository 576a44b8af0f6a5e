"""State of the process that is Python's own: random numbers, the working directory, environment variables, warnings.

What another kernel, another machine or another day has of its own is kept as the difference from it: environment
variables and the working directory from what the kernel started with.
"""

from __future__ import annotations

import os
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.model.amounts import joined
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.places import Place
from kishu_kernel.objects.secret_names import is_secret_variable, mark_of, marked
from kishu_kernel.process.memory import object_memory, object_place

_MOST_NAMES = 5

_PLACES_OF_VARIABLES = Place("os:environ._data").parts


class _Random(Provider):
    name = "random numbers"
    drawn = True

    def __init__(self) -> None:
        self._read_at: tuple[Any, ...] | None = None
        self._value: Any = None

    def places(self) -> Iterable[Any] | None:
        numbers: Any = random.getstate.__self__  # type: ignore[attr-defined]
        return [(vars(random), "getstate"), (numbers, *object_place(numbers)), (numbers, "gauss_next")]

    def read(self) -> Any:
        memory = None
        if sys.implementation.name == "cpython":  # to ask for the state makes 625 objects
            numbers: Any = random.getstate.__self__  # type: ignore[attr-defined]
            memory = object_memory(numbers), numbers.gauss_next
        if memory is None or self._read_at != memory:
            self._value = random.getstate()
            self._read_at = memory
        return self._value

    def write(self, value: Any) -> None:
        random.setstate(value)


class _WorkingDirectory(Provider):
    name = "working directory"
    before_loading = True  # paths may be relative to it

    def __init__(self) -> None:
        self._first = _working_directory()

    def start(self) -> None:
        self._first = _working_directory()

    def places(self) -> Iterable[Any] | None:
        return [(os.getcwd, ())]

    def read(self) -> Any:
        now = os.getcwd()
        return None if now == self._first else now

    def write(self, value: Any) -> None:
        os.chdir(self._first if value is None else value)

    def obstacle(self, value: Any) -> str | None:
        path = self._first if value is None else value
        return None if os.access(path, os.X_OK) and os.path.isdir(path) else f"the directory {path} is not there"


class _Environment(Provider):
    """Two dictionaries: what was changed, and of that what a library seems to tell its own processes (`RAY_...`)."""

    name = "environment variables"

    def __init__(self) -> None:
        self._first = dict(os.environ)
        self._seen: Any = None
        self._value: tuple[dict[str, str | None], dict[str, str | None]] = ({}, {})

    def start(self) -> None:
        self._first, self._seen = dict(os.environ), None

    def places(self) -> Iterable[Any] | None:
        return _PLACES_OF_VARIABLES()

    def read(self) -> Any:
        raw = getattr(os.environ, "_data", None)  # to decode all of them each time takes longer than all the rest
        if raw is None or raw != self._seen:
            now = dict(os.environ)
            changed: dict[str, str | None] = {n: text for n, text in now.items() if self._first.get(n) != text}
            changed |= dict.fromkeys(self._first.keys() - now.keys())
            changed = {name: text for name, text in changed.items() if not is_secret_variable(name)}
            theirs = {name for name in changed if name.partition("_")[0].lower() in sys.modules}
            own = {name: text for name, text in changed.items() if name not in theirs}
            self._value = own, {name: text for name, text in changed.items() if name in theirs}
            self._seen = dict(raw) if isinstance(raw, dict) else None
        return self._value

    def elsewhere(self, value: Any, spelled: Callable[[str], bool]) -> Any:
        own, theirs = value  # the processes of another kernel have nothing to do with those of this one
        return own, {name: text for name, text in theirs.items() if spelled(name)}

    def write(self, value: Any) -> None:
        own, theirs = value
        first = {name: text for name, text in self._first.items() if not is_secret_variable(name)}
        wanted: dict[str, str | None] = {**first, **own, **theirs}
        for name, text in wanted.items():
            if text is None:
                os.environ.pop(name, None)
            elif os.environ.get(name) != text:
                os.environ[name] = text
        for name in os.environ.keys() - wanted.keys():
            if not is_secret_variable(name):
                del os.environ[name]


class _Secrets(Provider):
    """Environment variables that are secrets: of each that was changed its mark, and whether a library has changed it.

    An undo knows what they were. A new kernel does not: what is missing there is told, until somebody sets it.
    """

    name = "secret environment variables"

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._seen: Any = None
        self._value: dict[str, tuple[str, bool]] = {}

    def start(self) -> None:
        self._first = {name: text for name, text in os.environ.items() if is_secret_variable(name)}
        self._seen = None

    def places(self) -> Iterable[Any] | None:
        return _PLACES_OF_VARIABLES()

    def read(self) -> Any:
        raw = getattr(os.environ, "_data", None)
        if raw is None or raw != self._seen:
            now = {name: text for name, text in os.environ.items() if is_secret_variable(name)}
            self._value = {
                name: ("" if name not in now else mark_of(now[name]), name.partition("_")[0].lower() in sys.modules)
                for name in now.keys() | self._first.keys()
                if now.get(name) != self._first.get(name)
            }
            self._seen = dict(raw) if isinstance(raw, dict) else None
        return self._value

    def elsewhere(self, value: Any, spelled: Callable[[str], bool]) -> Any:
        return {name: (mark, theirs) for name, (mark, theirs) in value.items() if not theirs or spelled(name)}

    def write(self, value: Any) -> None:
        for name in {*filter(is_secret_variable, os.environ), *self._first, *value}:
            mark = value[name][0] if name in value else None
            text = self._first.get(name) if mark is None else marked(mark)
            if isinstance(text, str):
                os.environ[name] = text
            elif not mark:
                os.environ.pop(name, None)

    def lacking(self, value: Any) -> str | None:
        unknown = sorted(name for name, (mark, _) in value.items() if mark and marked(mark) is None)
        missing = [name for name in unknown if name not in os.environ]
        if not missing:
            return None
        told = "which is never stored: set it" if len(missing) == 1 else "which are never stored: set them"
        return f"{joined(missing, _MOST_NAMES)}, {told} by hand"


class _Warnings(Provider):
    """Classes go by their names, so that a filter for a library that is not imported needs no import."""

    name = "warning filters"

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] = ()
        self._value: tuple[Any, ...] = ()

    def places(self) -> Iterable[Any] | None:
        return [(vars(warnings), "filters")]

    def read(self) -> Any:
        now = tuple(warnings.filters)
        if now != self._seen:
            self._seen, self._value = now, tuple(map(_filter_value, now))
        return self._value

    def write(self, value: Any) -> None:
        filters = [found for each in value if (found := _filter(*each)) is not None]
        warnings.filters[:] = filters  # type: ignore[index]
        with warnings.catch_warnings():  # entered and left, it makes known that they have changed
            pass


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # somebody deleted it
        return os.path.expanduser("~")


def _filter_value(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    action, message, category, module, line = entry
    return action, _pattern_value(message), category.__module__, category.__qualname__, _pattern_value(module), line


def _filter(action: Any, message: Any, home: str, category: str, module: Any, line: int) -> tuple[Any, ...] | None:
    found: Any = sys.modules.get(home)
    for part in category.split("."):
        found = getattr(found, part, None)
    return None if found is None else (action, _pattern(message), found, _pattern(module), line)


def _pattern_value(pattern: Any) -> Any:
    return (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else pattern


def _pattern(value: Any) -> Any:
    return re.compile(*value) if isinstance(value, tuple) else value


class ProcessState(Library):
    """Each kind of it is read after every cell: a few microseconds at most."""

    packages = ("random", "os", "warnings")
    ambient = (_Random(), _WorkingDirectory(), _Environment(), _Secrets(), _Warnings())
