"""Handlers of `logging`: how they come apart, and what of one is set in place.

Law: attributes are set, and no method is called: `close` would write once more what a buffer holds.
Neighbours: `logging_tree` says whose they are, `rebuild.handlers` makes them again in another kernel.
"""

from __future__ import annotations

import copyreg
import io
import logging
import logging.handlers
import re
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from operator import is_
from typing import Any

from kishu_kernel.objects.classes import is_one_of
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.live_objects import live_objects

_OWN = ("logging", "logging.handlers")
_NEVER = frozenset({"formatter", "filters", "lock", "stream", "mode", "_builtin_open", "handle"})
"""What is no part of a handler's recipe. Level and end are: a variable that holds it has changed with them."""

_WITH_HANDLER = _NEVER | {"level", "_closed"}
"""What is among the settings of a handler by itself."""

_PLAIN: tuple[type, ...] = (str, int, float, bool, bytes, type(None), re.Pattern)


def _recipe(handler: Any) -> tuple[Any, ...]:
    """What `make_handler` takes. What else the handler leads to is set afterwards (`_parts`)."""
    kind = type(handler).__module__, type(handler).__qualname__
    attributes = {name: value for name, value in _attributes(handler) if _is_plain(value)}
    stream = None if isinstance(handler, logging.FileHandler) else getattr(handler, "stream", None)
    return *live_objects.key(handler), kind, attributes, None if stream is None else _stream(stream)


def is_own(handler: Any) -> bool:
    """Whether it is of a class of Python's own."""
    return type(handler).__module__ in _OWN


def _attributes(handler: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in vars(handler).items() if name not in _NEVER]


def _is_plain(value: Any) -> bool:
    return is_one_of(type(value), _PLAIN)


def _parts(handler: Any) -> dict[str, Any]:
    """What the attributes are: plain values, another handler, a queue, records that wait."""
    return {name: _part(value) for name, value in list(vars(handler).items()) if name not in _WITH_HANDLER}


def _part(value: Any) -> tuple[Any, ...]:
    if _is_plain(value):
        return "plain", value
    if _is_handler(value):
        return reference_to(value)
    if type(value) is not list:
        return live_objects.reference(value)
    if value and issubclass(type(value[0]), logging.LogRecord):
        return "records", live_objects.reference(_snapshot(value))
    return ("list", *(reference_to(each) if _is_handler(each) else live_objects.reference(each) for each in value))


_snapshots: deque[list[Any]] = deque(maxlen=64)
"""What buffers of handlers held lately. All records of one are one live object: there may be thousands."""


def _snapshot(records: list[Any]) -> list[Any]:
    known = (each for each in _snapshots if len(each) == len(records) and all(map(is_, each, records)))
    if (found := next(known, None)) is None:
        _snapshots.append(found := list(records))
    _attributes_then(found)
    return found


def _attributes_then(records: list[Any]) -> list[dict[str, Any]]:
    """What records had as they came to wait: who formats one leaves its message in it."""
    notes = live_objects.notes(records)
    if "attributes" not in notes:
        notes["attributes"] = [dict(vars(each)) for each in records]
    return notes["attributes"]  # type: ignore[no-any-return]


def _as_they_were(records: list[Any]) -> list[Any]:
    for each, attributes in zip(records, _attributes_then(records), strict=True):
        vars(each).clear()
        vars(each).update(attributes)
    return list(records)


def _set_parts(handler: Any, parts: dict[str, Any]) -> None:
    for name, (kind, *rest) in parts.items():
        with suppress(LookupError):  # told before
            if kind == "plain":
                vars(handler)[name] = rest[0]
            elif kind == "records":
                _snapshots.append(live_objects.resolve(rest[0]))
                vars(handler)[name] = _as_they_were(_snapshots[-1])
            elif kind == "list":
                vars(handler)[name] = all_resolved(tuple(rest))
            else:
                vars(handler)[name] = _resolved((kind, *rest))


def _stream(stream: Any) -> Any:
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        if stream is getattr(sys, name):
            return name
    name = live_objects.variable(stream)
    return ("variable", name) if name else ("held", *live_objects.key(stream), b"")


def _handler(handler: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.handlers import make_handler, set_handler_state

    if is_own(handler):
        return make_handler, _recipe(handler)
    state = {name: None if name == "lock" else value for name, value in vars(handler).items()}  # its place is kept
    return copyreg.__newobj__, (type(handler),), state, None, None, set_handler_state  # type: ignore[attr-defined]


def reference_to(handler: Any) -> tuple[Any, ...]:
    """What leads to a handler: by its number, or as to any object."""
    return ("handler", *_recipe(handler)) if is_own(handler) else live_objects.reference(handler)


def _resolved(reference: tuple[Any, ...]) -> Any:
    from kishu_kernel.objects.rebuild.handlers import make_handler

    return make_handler(*reference[1:]) if reference[0] == "handler" else live_objects.resolve(reference)


def all_resolved(references: tuple[Any, ...]) -> list[Any]:
    """The objects to which references lead, as far as they do."""
    found = []
    for each in references:
        with suppress(LookupError):  # told before
            found.append(_resolved(each))
    return found


def _is_handler(value: Any) -> bool:
    return issubclass(type(value), logging.Handler)


def handlers_in(value: Any) -> Iterable[Any]:
    """The handlers that a value is, holds, or hands records on to."""
    kind = type(value)
    if issubclass(kind, logging.Handler):
        return (value,)
    if issubclass(kind, logging.handlers.QueueListener):
        value = vars(value).get("handlers")
        kind = type(value)
    if kind is dict:
        several = value.values()
    elif kind is list or kind is tuple:
        several = value
    else:  # as nearly all variables are
        return ()
    if not _is_handler(next(iter(several), None)):  # the others of many are not asked
        return ()
    return [each for each in list(several) if _is_handler(each)]


def with_reached(handlers: Iterable[Any]) -> dict[int, Any]:
    """These handlers, and those to which they hand on, by `id`."""
    todo = list(handlers)
    found = {id(each): each for each in todo}
    while todo:
        attributes = list(vars(todo.pop()).values())
        reached = [each for value in attributes for each in handlers_in(value) if id(each) not in found]
        found.update((id(each), each) for each in reached)
        todo += reached
    return found


def live_handlers() -> list[Any]:
    """Those that `logging` knows; `logging.config` makes it forget all that there are."""
    return [handler for each in list(logging._handlerList) if (handler := each()) is not None]  # type: ignore[attr-defined]


def settings_of(handler: Any) -> tuple[Any, ...]:
    """Level, formatter, filters, stream, whether it is closed; of Python's own classes all other attributes."""
    has = vars(handler)
    formatter = has.get("formatter")
    kind = type(handler)
    writes = issubclass(kind, logging.StreamHandler) and not issubclass(kind, logging.FileHandler)
    stream = has.get("stream") if writes else None
    return (
        has.get("level", logging.NOTSET),
        None if formatter is None else live_objects.reference(formatter),
        tuple(map(live_objects.reference, has.get("filters", ()))),
        None if stream is None else _stream(stream),
        bool(has.get("_closed", False)),
        _parts(handler) if is_own(handler) else {},
    )


def set_settings(handler: Any, settings: tuple[Any, ...]) -> None:
    """Makes a handler what `settings_of` gave once."""
    level, formatter, filters, stream, closed, *parts = settings  # older stores have no parts
    has = vars(handler)
    if not any(each() is handler for each in list(logging._handlerList)):  # type: ignore[attr-defined]
        logging._addHandlerRef(handler)  # type: ignore[attr-defined]
    if closed != bool(has.get("_closed", False)):
        _set_closed(handler, closed)
    has.update(level=level, filters=all_resolved(filters))
    with suppress(LookupError):
        has["formatter"] = None if formatter is None else live_objects.resolve(formatter)
    if stream is not None:
        with suppress(LookupError):
            has["stream"] = getattr(sys, stream) if isinstance(stream, str) else live_objects.resolve(stream)
    for each in parts:
        _set_parts(handler, each)


def _set_closed(handler: Any, closed: bool) -> None:
    """As `close` leaves it, or as it was before: one that writes a file opens it when there is something to write."""
    has = vars(handler)
    has["_closed"] = closed
    name = has.get("_name")
    if name and not closed:
        logging._handlers.setdefault(name, handler)  # type: ignore[attr-defined]
    elif name and logging._handlers.get(name) is handler:  # type: ignore[attr-defined]
        del logging._handlers[name]  # type: ignore[attr-defined]
    if issubclass(type(handler), logging.FileHandler):
        if closed and type(has.get("stream")) is io.TextIOWrapper:
            has["stream"].close()
        has.update(stream=None, mode="a")


def _is_usual(stream: Any) -> bool:
    return stream is None or stream is sys.stdout or stream is sys.stderr


class LogHandlers(Library):
    """Handlers go by their numbers."""

    packages = ("logging",)
    reductions = {"logging.Handler": _handler}
    whole = {"logging.Handler"}

    def current(self) -> Iterable[object]:
        """Whatever logs writes to handlers, and what they hold."""
        for handler in live_handlers():
            if not is_own(handler):
                yield handler
            elif isinstance(handler, logging.StreamHandler) and not _is_usual(handler.stream):
                yield handler.stream
            yield from (value for _, value in _attributes(handler) if not _is_plain(value))
