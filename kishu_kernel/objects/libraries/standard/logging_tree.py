"""Logging: the tree of loggers is state of the process, and handlers go by their numbers.

A handler is never made again where the live one exists: an undo takes it out of the tree, a redo puts that very one
back. In another kernel those of Python's own classes are made again (`rebuild.handlers`).
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from kishu_kernel.objects.ambient_settings import lacking_references
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import is_of_a_person, is_users_own, module_name
from kishu_kernel.objects.libraries.standard.log_handlers import (
    all_resolved,
    handlers_in,
    is_own,
    live_handlers,
    reference_to,
    set_settings,
    settings_of,
    with_reached,
)
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction
from kishu_kernel.objects.live_objects import live_objects

_USUAL = (logging.NOTSET, (), True, False, ())


def _loggers() -> Iterator[Any]:
    yield logging.root
    known = list(logging.root.manager.loggerDict.values())
    yield from (each for each in known if isinstance(each, logging.Logger))


class _Tree(Provider):
    """Levels, handlers and filters of loggers, as far as somebody set them; those of handlers; what is switched off.

    A handler that a library gave to its own logger when it was imported is the library's: it stays, since another
    import would not make it. So does one of a class of the library's own, to which no variable leads: it was given when
    the library was first used.
    """

    name = "logging"
    refers = True

    def __init__(self) -> None:
        self._base: dict[str, tuple[Any, ...]] = {}
        self._theirs: WeakValueDictionary[int, Any] = WeakValueDictionary()
        # `logging.config` strikes handlers off the list of those that live.
        self._recorded: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._names = _level_names()
        self._modules: set[str] = set()
        self._code = ""
        self._silence: _Silence | None = None

    def start(self) -> None:
        there = [*live_handlers(), *(each for logger in _loggers() for each in logger.handlers)]
        self._theirs = WeakValueDictionary({id(each): each for each in there})
        self._names = _level_names()
        self._modules = set(sys.modules)
        states = {logger.name: self._of(logger) for logger in _loggers()}
        self._base = {name: state for name, state in states.items() if state != _USUAL}

    def about_to_run(self, code: str) -> None:
        self._code = code

    def places(self) -> Iterable[Any] | None:
        loggers = list(_loggers())
        used = (each for logger in loggers for each in logger.handlers)
        if len(self._recorded) or not all(map(self._is_theirs, [*used, *live_handlers()])):
            return None  # whether they are recorded depends on variables
        manager = logging.root.manager
        return [
            (vars(logging), "root", "_handlerList", "_levelToName", "_nameToLevel"),
            (logging.Logger, "manager"),
            (logging.root, "manager"),
            (manager, "loggerDict", "_disable"),
            *((each, "level", "handlers", "filters", "propagate", "disabled") for each in loggers),
        ]

    def read(self) -> Any:
        changed = {}
        imported = self._newly_imported()
        used: list[Any] = []
        for logger in _loggers():
            handlers = logger.handlers
            if handlers or logger.level or logger.disabled or logger.filters or not logger.propagate:
                theirs = [each for each in handlers if self._is_librarys(logger, each, imported)]
                self._theirs.update((id(each), each) for each in theirs)
                used += handlers
            elif logger.name not in self._base:
                continue
            state = self._of(logger)
            if state != self._base.get(logger.name, _USUAL):
                changed[logger.name] = state
        settings = {live_objects.key(each): settings_of(each) for each in self._held(used)}
        names = {key: value for key, value in _level_names().items() if self._names.get(key) != value}
        return changed, settings, logging.root.manager.disable, names

    def write(self, value: Any) -> None:
        changed, handlers, disable, names = value
        for logger in _loggers():
            state = changed.get(logger.name, self._base.get(logger.name, _USUAL))
            if self._of(logger) != state:
                self._set(logger, state)
        for name in changed.keys() - {each.name for each in _loggers()}:
            self._set(logging.getLogger(name), changed[name])
        for (process, number), settings in handlers.items():
            handler = live_objects.known(process, number)
            if handler is not None and settings_of(handler) != settings:
                set_settings(handler, settings)
        if logging.root.manager.disable != disable:
            logging.disable(disable)
        _set_level_names({**self._names, **names})

    def initial(self) -> Any:
        return {}, {}, 0, {}

    def lacking(self, value: Any) -> str | None:
        of_loggers = [[*state[1], *state[4]] for state in value[0].values()]
        of_handlers = [
            [formatter, filters, stream, *(list(each.values()) for each in parts)]
            for _, formatter, filters, stream, _, *parts in value[1].values()
        ]
        return lacking_references([of_loggers, of_handlers])

    def begin_rerun(self) -> None:
        self._silence = _Silence()
        self._silence.begin()

    def end_rerun(self) -> None:
        if self._silence is not None:
            self._silence.end()
            self._silence = None

    def _of(self, logger: Any) -> tuple[Any, ...]:
        handlers = tuple(reference_to(each) for each in logger.handlers if not self._is_theirs(each))
        filters = tuple(map(live_objects.reference, logger.filters))
        return logger.level, handlers, bool(logger.propagate), bool(logger.disabled), filters

    def _set(self, logger: Any, state: tuple[Any, ...]) -> None:
        level, handlers, logger.propagate, logger.disabled, filters = state
        logger.setLevel(level)
        theirs = [each for each in logger.handlers if self._is_theirs(each)]
        logger.handlers[:] = [*theirs, *all_resolved(handlers)]
        logger.filters[:] = all_resolved(filters)

    def _newly_imported(self) -> frozenset[str]:
        """The modules that are imported since it was last asked."""
        if len(sys.modules) == len(self._modules):
            return frozenset()
        before, self._modules = self._modules, set(sys.modules)
        return frozenset(self._modules - before)

    def _is_theirs(self, handler: Any) -> bool:
        return self._theirs.get(id(handler)) is handler

    def _is_librarys(self, logger: Any, handler: Any, imported: frozenset[str]) -> bool:
        """Whether a handler of a library's logger is the library's: of its class, or given by its import."""
        kind = type(handler)
        package = logger.name.partition(".")[0]
        if module_name(kind).partition(".")[0] != package and not (package in imported and self._by_import(logger)):
            return False
        return not is_users_own(kind) and not live_objects.variable(handler)

    def _by_import(self, logger: Any) -> bool:
        """Whether the code that imported a library gave its logger nothing by itself: it does not spell it."""
        spelled = ("addHandler", f"'{logger.name}'", f'"{logger.name}"')
        return not any(each in self._code for each in spelled)

    def _held(self, used: list[Any]) -> list[Any]:
        """The handlers that are somebody's: those of loggers and variables, and what these lead to.

        Of those of variables only Python's own: of any other class they come and go with their variable.
        """
        if not len(self._recorded) and all(map(self._is_theirs, [*used, *live_handlers()])):
            return []
        found = with_reached(each for each in used if not self._is_theirs(each))
        held = [each for each in found.values() if is_own(each) or not live_objects.variable(each)]
        others = {**self._recorded, **{id(each): each for each in live_handlers()}}
        if not found.keys() >= others.keys() - set(self._theirs):
            variables = [value for name, value in list(live_objects.variables().items()) if is_of_a_person(name)]
            more = with_reached(each for value in variables for each in handlers_in(value))
            held += [each for key, each in more.items() if key not in found and is_own(each)]
        held = [each for each in held if not self._is_theirs(each)]
        self._recorded.update((id(each), each) for each in held)
        return held


def _level_names() -> dict[Any, Any]:
    """The names of levels, and the levels of names."""
    return {**logging._levelToName, **logging._nameToLevel}


def _set_level_names(wanted: dict[Any, Any]) -> None:
    levels = {key: value for key, value in wanted.items() if type(key) is not str}
    names = {name: level for level, name in levels.items()}  # older stores have only these
    names.update((key, value) for key, value in wanted.items() if type(key) is str)
    pairs: tuple[tuple[dict[Any, Any], dict[Any, Any]], ...] = (
        (logging._levelToName, levels),
        (logging._nameToLevel, names),
    )
    for held, each in pairs:
        held.update(each)
        for gone in held.keys() - each.keys():
            del held[gone]


def _handed_on_to(handler: Any) -> Any:
    """The handler that writes in the end what a buffer holds back: the buffer itself is put back after a re-run."""
    for _ in range(10):  # they may go round in a circle
        target = vars(handler).get("target") if type(handler) is logging.handlers.MemoryHandler else None
        if target is None:
            break
        handler = target
    return handler


class _Silence:
    """While a cell is run again: nothing is written by what lives on afterwards, and no file is opened.

    A handler that writes into a variable of the re-run, or is one, works: these variables are copies. What other
    threads log meanwhile is written.
    """

    def __init__(self) -> None:
        self._others = sys._current_frames().keys() - {threading.get_ident()}
        self._silent: list[Any] = []
        self._sinks: list[Any] = []
        self._over = False

    def begin(self) -> None:
        for handler in live_handlers():
            sink = _handed_on_to(handler)
            own_class = is_own(sink)
            stream = None if isinstance(sink, logging.FileHandler) else getattr(sink, "stream", None)
            held = stream if own_class else sink
            if (held is None or not live_objects.variable(held)) and "handle" not in vars(handler):
                self._silent.append(handler)
                handler.handle = partial(self._handle, handler)
        logging.open = self._open  # type: ignore[attr-defined]

    def end(self) -> None:
        self._over = True
        vars(logging).pop("open", None)
        for handler in self._silent:
            vars(handler).pop("handle", None)
        for handler in live_handlers():
            if any(getattr(handler, "stream", None) is sink for sink in self._sinks):
                handler._builtin_open = open
                handler.stream, handler.mode = None, "a"  # it opens its file when there is something to write
        for sink in self._sinks:
            sink.close()

    def _is_rerun(self) -> bool:
        return not self._over and threading.get_ident() not in self._others

    def _handle(self, handler: Any, record: Any) -> Any:
        return False if self._is_rerun() else type(handler).handle(handler, record)

    def _open(self, file: Any, *how: Any, **named: Any) -> Any:
        """What `logging.FileHandler` calls to open its file."""
        if not self._is_rerun():
            return open(file, *how, **named)
        sink = open(os.devnull, "a", encoding="utf-8", errors="replace")  # noqa: SIM115 -- closed in `end`
        self._sinks.append(sink)
        return sink


def _logger(logger: Any) -> Reduction:
    if logger is not logging.root and logger.manager.loggerDict.get(logger.name) is not logger:
        raise HeldOutsideError("a logger that `logging.getLogger` does not know cannot be stored")
    return logging.getLogger, () if logger is logging.root else (logger.name,)


class Logging(Library):
    """Loggers go by their names."""

    packages = ("logging",)
    reductions = {"logging.Logger": _logger}
    whole = {"logging.Logger"}
    ambient = (_Tree(),)
