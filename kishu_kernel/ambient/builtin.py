"""The providers that are always there. Each is asked after every cell: a few microseconds at most.

What another kernel, another machine or another day has of its own is kept as the difference from it: environment
variables and the working directory from what the kernel started with, settings of libraries from their defaults.
"""

from __future__ import annotations

import os
import random
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

from kishu_kernel.objects.ambient_state import Provider


class _Random(Provider):
    name = "random numbers"
    drawn = True

    def read(self) -> Any:
        return random.getstate()

    def write(self, value: Any) -> None:
        random.setstate(value)


class _NumPyRandom(Provider):
    name = "random numbers of NumPy"
    module = "numpy"
    drawn = True

    def read(self) -> Any:
        # It is imported when it is first used, and seeds itself from the clock: too late to know what a cell drew from.
        random = sys.modules["numpy"].random
        generator = random.mtrand._rand._bit_generator
        if type(generator).__name__ != "MT19937":  # the user has put another one there
            return type(generator).__name__, repr(generator.state), generator.state
        kind, key, position, has_gauss, gauss = random.get_state()
        return kind, key.tobytes(), position, has_gauss, gauss

    def write(self, value: Any) -> None:
        numpy = sys.modules["numpy"]
        kind, key, *rest = value
        if type(numpy.random.mtrand._rand._bit_generator).__name__ != kind:
            numpy.random.set_bit_generator(getattr(numpy.random, kind)())
        if kind != "MT19937":
            numpy.random.mtrand._rand._bit_generator.state = rest[0]
            return
        numpy.random.set_state((kind, numpy.frombuffer(key, dtype=numpy.uint32), *rest))


class _TorchRandom(Provider):
    name = "random numbers of PyTorch"
    module = "torch"
    drawn = True

    def read(self) -> Any:
        state = sys.modules["torch"].get_rng_state()
        return state.numpy().tobytes() if "numpy" in sys.modules else bytes(state.tolist())

    def write(self, value: Any) -> None:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.tensor(list(value), dtype=torch.uint8))


class _WorkingDirectory(Provider):
    name = "working directory"

    def __init__(self) -> None:
        self._first = _working_directory()

    def start(self) -> None:
        self._first = _working_directory()

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

    def read(self) -> Any:
        raw = getattr(os.environ, "_data", None)  # to decode all of them each time takes longer than all the rest
        if raw is None or raw != self._seen:
            now = dict(os.environ)
            changed: dict[str, str | None] = {n: text for n, text in now.items() if self._first.get(n) != text}
            changed |= dict.fromkeys(self._first.keys() - now.keys())
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
        wanted: dict[str, str | None] = {**self._first, **own, **theirs}
        for name, text in wanted.items():
            if text is None:
                os.environ.pop(name, None)
            elif os.environ.get(name) != text:
                os.environ[name] = text
        for name in os.environ.keys() - wanted.keys():
            del os.environ[name]


class _Warnings(Provider):
    """Classes go by their names, so that a filter for a library that is not imported needs no import."""

    name = "warning filters"

    def __init__(self) -> None:
        self._seen: tuple[Any, ...] = ()
        self._value: tuple[Any, ...] = ()

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


BUILTIN: dict[str, Provider] = {
    each.name: each
    for each in (
        _Random(),
        _NumPyRandom(),
        _TorchRandom(),
        _WorkingDirectory(),
        _Environment(),
        _Warnings(),
    )
}
