"""Logging: the tree of loggers is state of the process, and handlers go by their numbers.

A handler is never made again where the live one exists: an undo takes it out of the tree, a redo puts that very one
back. In another kernel those of Python's own classes are made again (`rebuild.handlers`).
"""

from __future__ import annotations

import copyreg
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kishu_kernel.objects.ambient_settings import lacking_references
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import is_users_own, module_name
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.rebuild.handlers import make_handler, set_handler_state

_OWN = ("logging", "logging.handlers")
_NEVER = frozenset({"formatter", "filters", "lock", "stream", "mode", "_builtin_open", "handle"})
"""What is no part of a handler's recipe. Level and end are: a variable that holds it has changed with them."""

_PLAIN = (str, int, float, bool, bytes, type(None))
_USUAL = (logging.NOTSET, (), True, False, ())


def _recipe(handler: Any) -> tuple[Any, ...]:
    """What `make_handler` takes. What else the handler leads to is set afterwards (`_parts`)."""
    kind = type(handler).__module__, type(handler).__qualname__
    attributes = {name: value for name, value in _attributes(handler) if _is_plain(value)}
    stream = None if isinstance(handler, logging.FileHandler) else getattr(handler, "stream", None)
    return *live_objects.key(handler), kind, attributes, None if stream is None else _stream(stream)


def _attributes(handler: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(handler).items() if name not in _NEVER]


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or type(value).__name__ == "Pattern"


def _parts(handler: Any) -> dict[str, Any]:
    """The attributes that are no plain values: another handler, a queue, records that wait."""
    return {name: _part(value) for name, value in _attributes(handler) if not _is_plain(value)}


def _part(value: Any) -> tuple[Any, ...]:
    if issubclass(type(value), logging.Handler):
        return _reference(value)
    if type(value) is list:
        return ("list", *map(live_objects.reference, value))
    return live_objects.reference(value)


def _set_parts(handler: Any, parts: dict[str, Any]) -> None:
    for name, reference in parts.items():
        with suppress(LookupError):  # told before
            if reference[0] == "list":
                vars(handler)[name] = _all_resolved(reference[1:])
            else:
                vars(handler)[name] = _resolved(reference)


def _stream(stream: Any) -> Any:
    for name in ("stdout", "stderr"):
        if stream is getattr(sys, name):
            return name
    name = live_objects.variable(stream)
    return ("variable", name) if name else ("held", *live_objects.key(stream), b"")


def _handler(handler: Any) -> Reduction:
    if type(handler).__module__ in _OWN:
        return make_handler, _recipe(handler)
    state = {name: None if name == "lock" else value for name, value in vars(handler).items()}  # its place is kept
    return copyreg.__newobj__, (type(handler),), state, None, None, set_handler_state  # type: ignore[attr-defined]


def _reference(handler: Any) -> tuple[Any, ...]:
    own = type(handler).__module__ in _OWN
    return ("handler", *_recipe(handler)) if own else live_objects.reference(handler)


def _resolved(reference: tuple[Any, ...]) -> Any:
    return make_handler(*reference[1:]) if reference[0] == "handler" else live_objects.resolve(reference)


def _all_resolved(references: tuple[Any, ...]) -> list[Any]:
    found = []
    for each in references:
        with suppress(LookupError):  # told before
            found.append(_resolved(each))
    return found


def _loggers() -> Iterator[Any]:
    yield logging.root
    known = list(logging.root.manager.loggerDict.values())
    yield from (each for each in known if isinstance(each, logging.Logger))


def _is_usual(stream: Any) -> bool:
    return stream is None or stream is sys.stdout or stream is sys.stderr


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
        self._theirs: set[int] = set()
        self._names = dict(logging._levelToName)
        self._modules: set[str] = set()
        self._count = 0

    def start(self) -> None:
        self._theirs = {id(handler) for handler in _live_handlers()}
        self._names = dict(logging._levelToName)
        self._modules, self._count = set(sys.modules), len(sys.modules)
        states = {logger.name: self._of(logger) for logger in _loggers()}
        self._base = {name: state for name, state in states.items() if state != _USUAL}

    def read(self) -> Any:
        changed = {}
        imported: set[str] | None = None
        if len(sys.modules) != self._count:
            imported = sys.modules.keys() - self._modules
            self._modules, self._count = set(sys.modules), len(sys.modules)
        used: set[int] = set()
        for logger in _loggers():
            handlers = logger.handlers
            if handlers or logger.level or logger.disabled or logger.filters or not logger.propagate:
                if imported and handlers and logger.name.partition(".")[0] in imported:
                    self._theirs.update(id(live_objects.keep(each)) for each in handlers)
                self._theirs.update(id(each) for each in handlers if _is_librarys(logger, each))
                used.update(map(id, handlers))
            elif logger.name not in self._base:
                continue
            state = self._of(logger)
            if state != self._base.get(logger.name, _USUAL):
                changed[logger.name] = state
        own = [
            each
            for each in _live_handlers()
            if type(each).__module__ in _OWN
            and id(each) not in self._theirs
            and (id(each) in used or live_objects.variable(each))
        ]
        handlers = {live_objects.key(each): _settings(each) for each in own}
        names = {level: name for level, name in logging._levelToName.items() if self._names.get(level) != name}
        return changed, handlers, logging.root.manager.disable, names

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
            if handler is not None and _settings(handler) != settings:
                _set_handler(handler, settings)
        if logging.root.manager.disable != disable:
            logging.disable(disable)
        for level in logging._levelToName.keys() - self._names.keys() - names.keys():
            logging._nameToLevel.pop(logging._levelToName.pop(level), None)
        for level, name in names.items():
            logging.addLevelName(level, name)

    def initial(self) -> Any:
        return {}, {}, 0, {}

    def lacking(self, value: Any) -> str | None:
        parts = [list(part.values()) for *_, part in value[1].values() if isinstance(part, dict)]
        return lacking_references([*([*state[1], *state[4]] for state in value[0].values()), *parts])

    @contextmanager
    def rerunning(self) -> Iterator[None]:
        silence = _Silence()
        silence.begin()
        try:
            yield
        finally:
            silence.end()

    def _of(self, logger: Any) -> tuple[Any, ...]:
        handlers = tuple(_reference(each) for each in logger.handlers if id(each) not in self._theirs)
        filters = tuple(map(live_objects.reference, logger.filters))
        return logger.level, handlers, bool(logger.propagate), bool(logger.disabled), filters

    def _set(self, logger: Any, state: tuple[Any, ...]) -> None:
        level, handlers, logger.propagate, logger.disabled, filters = state
        logger.setLevel(level)
        theirs = [each for each in logger.handlers if id(each) in self._theirs]
        logger.handlers[:] = [*theirs, *_all_resolved(handlers)]
        logger.filters[:] = _all_resolved(filters)


def _is_librarys(logger: Any, handler: Any) -> bool:
    kind = type(handler)
    if module_name(kind).partition(".")[0] != logger.name.partition(".")[0]:
        return False
    return not is_users_own(kind) and not live_objects.variable(handler)


def _live_handlers() -> list[Any]:
    return [handler for each in list(logging._handlerList) if (handler := each()) is not None]  # type: ignore[attr-defined]


def _settings(handler: Any) -> tuple[Any, ...]:
    formatter = None if handler.formatter is None else live_objects.reference(handler.formatter)
    stream = None if isinstance(handler, logging.FileHandler) else getattr(handler, "stream", None)
    held = None if stream is None else _stream(stream)
    closed = bool(getattr(handler, "_closed", False))
    filters = tuple(map(live_objects.reference, handler.filters))
    return handler.level, formatter, filters, held, closed, _parts(handler)


def _set_handler(handler: Any, settings: tuple[Any, ...]) -> None:
    level, formatter, filters, stream, closed, *parts = settings  # older stores have no parts
    if not any(each() is handler for each in logging._handlerList):  # type: ignore[attr-defined]
        logging._addHandlerRef(handler)  # type: ignore[attr-defined]
    if closed and not getattr(handler, "_closed", False):
        handler.close()
    elif not closed and getattr(handler, "_closed", False):
        handler._closed = False
        if isinstance(handler, logging.FileHandler):  # it opens its file when there is something to write
            handler.mode = "a"
    handler.setLevel(level)
    handler.filters[:] = _all_resolved(filters)
    with suppress(LookupError):
        handler.formatter = None if formatter is None else live_objects.resolve(formatter)
    if stream is not None:
        with suppress(LookupError):
            handler.stream = getattr(sys, stream) if isinstance(stream, str) else live_objects.resolve(stream)
    for each in parts:
        _set_parts(handler, each)


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
        for handler in _live_handlers():
            stream = getattr(handler, "stream", None)
            own_class = type(handler).__module__ in _OWN
            held = None if own_class and isinstance(handler, logging.FileHandler) else stream if own_class else handler
            if (held is None or not live_objects.variable(held)) and "handle" not in vars(handler):
                handler.handle = partial(self._handle, handler)
                self._silent.append(handler)
        logging.open = self._open  # type: ignore[attr-defined]

    def end(self) -> None:
        self._over = True
        vars(logging).pop("open", None)
        for handler in self._silent:
            vars(handler).pop("handle", None)
        for handler in _live_handlers():
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
    """Loggers go by their names, handlers by their numbers."""

    packages = ("logging",)
    reductions = {"logging.Logger": _logger, "logging.Handler": _handler}
    ambient = (_Tree(),)

    def current(self) -> Iterable[object]:
        """Whatever logs writes to handlers, and what they hold."""
        for handler in _live_handlers():
            if type(handler).__module__ not in _OWN:
                yield handler
            elif isinstance(handler, logging.StreamHandler) and not _is_usual(handler.stream):
                yield handler.stream
            yield from (value for _, value in _attributes(handler) if not _is_plain(value))
