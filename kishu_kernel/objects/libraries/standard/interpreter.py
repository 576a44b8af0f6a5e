"""Settings of the interpreter and of the standard library, where modules are found, and hooks."""

from __future__ import annotations

import asyncio
import csv
import decimal
import faulthandler
import gc
import importlib
import locale
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.objects.ambient_settings import PLACES_KEPT, Setting, Settings, attribute, hook
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.library import Library
from kishu_kernel.process.memory import object_memory, object_place
from kishu_kernel.process.python_gc import collector_enabled, enable_collector, places_of_collector


class _ModulePath(Provider):
    """The path and, beside it, what this kernel started with: another kernel has its own places for libraries."""

    name = "module search path"
    before_loading = True

    def __init__(self) -> None:
        self._first = tuple(sys.path)

    def start(self) -> None:
        self._first = tuple(sys.path)

    def places(self) -> Iterable[Any] | None:
        return [(vars(sys), "path")]

    def read(self) -> Any:
        now = tuple(sys.path)
        return None if now == self._first else (now, self._first)

    def elsewhere(self, value: Any, spelled: Callable[[str], bool]) -> Any:
        if value is None:
            return None
        now, first = value
        here = [each for each in self._first if each in now or each not in first]
        wanted: list[str] = []
        for each in now:
            if each not in first:
                wanted.append(each)
            elif here and each in self._first:
                # What this kernel has of its own before it keeps its place.
                until = here.index(each) + 1 if each in here else 0
                wanted, here = [*wanted, *here[:until]], here[until:]
        return None if (path := (*wanted, *here)) == self._first else (path, self._first)

    def write(self, value: Any) -> None:
        sys.path[:] = self._first if value is None else value[0]

    def initial(self) -> Any:
        return None


class _TimeZone(Provider):
    """The variable TZ as it was when `time.tzset` was called, and what came of it."""

    name = "time zone"

    def __init__(self) -> None:
        self._first = self._value = (os.environ.get("TZ"), time.tzname, time.timezone)

    def start(self) -> None:
        self._first = self._value = (os.environ.get("TZ"), time.tzname, time.timezone)

    def places(self) -> Iterable[Any] | None:
        return [(vars(time), "tzname", "timezone")]

    def read(self) -> Any:
        if (time.tzname, time.timezone) != self._value[1:]:
            self._value = (os.environ.get("TZ"), time.tzname, time.timezone)
        return None if self._value[1:] == self._first[1:] else self._value

    def write(self, value: Any) -> None:
        zone, now = (self._first if value is None else value)[0], os.environ.get("TZ")
        _set_variable("TZ", zone)
        time.tzset()
        _set_variable("TZ", now)
        self._value = (zone, time.tzname, time.timezone)

    def obstacle(self, value: Any) -> str | None:
        return None if hasattr(time, "tzset") else "this system cannot set it"


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


_set_locale: Any = importlib.import_module("_locale").setlocale
"""What `locale.setlocale` calls."""


def _context() -> tuple[Any, ...]:
    return _parts_of(decimal.getcontext())


def _parts_of(context: decimal.Context) -> tuple[Any, ...]:
    if not _IS_COMPILED or type(context) is not decimal.Context:
        return _asked_parts_of(context)
    memory = object_memory(context)  # all that there is: to ask for each takes ten times as long
    if memory not in _known_parts:
        if len(_known_parts) >= _MOST_KNOWN:
            _known_parts.clear()
        _known_parts[memory] = _asked_parts_of(context)
    return _known_parts[memory]


_IS_COMPILED = sys.implementation.name == "cpython" and (
    getattr(sys.modules.get("_decimal"), "Context", None) is decimal.Context
)
_MOST_KNOWN = 16
_known_parts: dict[bytes, tuple[Any, ...]] = {}
"""Of the last contexts that were looked at, by what they are."""


def _asked_parts_of(context: decimal.Context) -> tuple[Any, ...]:
    traps = tuple(sorted(each.__name__ for each, on in context.traps.items() if on))
    flags = tuple(sorted(each.__name__ for each, on in context.flags.items() if on))
    settings = (context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp)
    return *settings, traps, flags


def _set_context(context: decimal.Context, parts: tuple[Any, ...]) -> None:
    context.prec, context.rounding, context.Emin, context.Emax, context.capitals, context.clamp, traps, flags = parts
    for names, kept in ((traps, context.traps), (flags, context.flags)):
        for each in list(kept):
            kept[each] = each.__name__ in names


def _places_of_contexts() -> list[Any] | None:
    current = decimal.getcontext(), decimal.DefaultContext
    if not _IS_COMPILED or any(type(each) is not decimal.Context for each in current):
        return None
    memory = [(each, *object_place(each)) for each in current]
    return [(decimal.getcontext, ()), (vars(decimal), "DefaultContext"), *memory]


def _debugged() -> bool:
    return asyncio.get_running_loop().get_debug()


def _places_of_loop() -> list[Any] | None:
    loop = asyncio.get_running_loop()
    is_known = issubclass(type(loop), asyncio.base_events.BaseEventLoop)
    return [(asyncio.get_running_loop, ()), (loop, "_debug")] if is_known else None


def _no_locale(text: str) -> str | None:
    now = locale.setlocale(locale.LC_ALL)
    if text == now:
        return None
    try:  # there is no other way to ask
        locale.setlocale(locale.LC_ALL, text)
    except locale.Error:
        return f"the locale {text} is not on this machine"
    locale.setlocale(locale.LC_ALL, now)
    return None


def _set_faulthandler(on: bool) -> None:
    if on:
        faulthandler.enable(file=sys.__stderr__ or sys.stderr)
    else:
        faulthandler.disable()


def _told(read: Callable[[], Any], write: Callable[[Any], object]) -> Setting:
    """A setting that a function made in C tells."""
    return Setting(read, write, places=lambda: [(read, ())])


_SETTINGS = {
    "recursion limit": _told(sys.getrecursionlimit, sys.setrecursionlimit),
    "switch interval": _told(sys.getswitchinterval, sys.setswitchinterval),
    "digits of integers": Setting(
        lambda: sys.get_int_max_str_digits(),
        lambda digits: sys.set_int_max_str_digits(digits),
        places=lambda: [(sys.get_int_max_str_digits, ())] if hasattr(sys, "get_int_max_str_digits") else [],
    ),
    "bytecode": attribute("sys", "dont_write_bytecode"),
    "limit of tracebacks": Setting(
        lambda: getattr(sys, "tracebacklimit", None),
        lambda limit: _set_limit(limit),
        places=lambda: [(vars(sys), "tracebacklimit")],
    ),
    "thresholds of the collector": _told(gc.get_threshold, lambda counts: gc.set_threshold(*counts)),
    "collector": Setting(collector_enabled, enable_collector, places=places_of_collector),
    "socket timeout": _told(socket.getdefaulttimeout, socket.setdefaulttimeout),
    "field size of csv": _told(csv.field_size_limit, csv.field_size_limit),
    "locale": Setting(
        lambda: locale.setlocale(locale.LC_ALL),
        lambda text: locale.setlocale(locale.LC_ALL, text),
        obstacle=lambda text: _no_locale(text),
        places=lambda: [(_set_locale, (locale.LC_ALL,))],
    ),
    "debugging of asyncio": Setting(
        _debugged,
        lambda on: asyncio.get_running_loop().set_debug(on),
        places=lambda: _places_of_loop(),
    ),
    "faulthandler": _told(faulthandler.is_enabled, _set_faulthandler),
}

_HOOKS = {
    "sys.unraisablehook": attribute("sys", "unraisablehook"),
    "threading.excepthook": attribute("threading", "excepthook"),
    "warnings.showwarning": attribute("warnings", "showwarning"),
    "warnings.formatwarning": attribute("warnings", "formatwarning"),
}
"""Not `sys.displayhook`, `sys.excepthook`: IPython sets them for each cell, and what a cell sets ends with it."""


PLACES_KEPT.add("sys.tracebacklimit")


def _set_limit(limit: int | None) -> None:
    if limit is not None:
        sys.tracebacklimit = limit
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit


class Interpreter(Library):
    """What code sets for the whole process."""

    packages = ("sys", "time", "decimal")
    ambient = (
        _ModulePath(),
        _TimeZone(),
        Settings("settings of the interpreter", "", _SETTINGS),
        Settings("hooks of the interpreter", "", {name: hook(each) for name, each in _HOOKS.items()}, refers=True),
        Settings(
            "decimal context",
            "decimal",
            {
                "context": Setting(
                    _context, lambda parts: _set_context(decimal.getcontext(), parts), places=_places_of_contexts
                ),
                "default": Setting(
                    lambda: _parts_of(decimal.DefaultContext),
                    lambda parts: _set_context(decimal.DefaultContext, parts),
                    places=list,  # beside those of the other
                ),
            },
        ),
    )
