"""Handlers of `logging`: the very same one where the process has it; else made again, without a file being opened.

A handler that writes a file opens it when there is something to write, to append: nothing is ever truncated.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from typing import Any

from kishu_kernel.objects.live_objects import live_objects

_UNTIL_SET = {
    "MemoryHandler": {"target": None},
    "QueueHandler": {"queue": None, "listener": None},
    "SocketHandler": {"sock": None},
    "DatagramHandler": {"sock": None},
    "HTTPHandler": {"context": None},
}
"""Attributes that are no plain values, by class: the tree of loggers sets them, where they were others."""


def make_handler(process: str, number: int, kind: tuple[str, str], attributes: dict[str, Any], stream: Any) -> Any:
    """A handler by its number.

    Args:
        process: the one that gave it its number.
        kind: module and name of its class, one of Python's own.
        attributes: its plain ones.
        stream: "stdout" or "stderr"; else a reference, to be set later, or None.
    """
    known = live_objects.known(process, number)
    if known is not None:
        return known
    module = logging.handlers if kind[0] == "logging.handlers" else logging
    handler = logging.Handler.__new__(getattr(module, kind[1]))
    logging.Handler.__init__(handler)
    vars(handler).update(_UNTIL_SET.get(kind[1], {}), **attributes)
    if type(handler) in (logging.handlers.MemoryHandler, logging.handlers.BufferingHandler):
        handler.buffer = []
    if isinstance(handler, logging.FileHandler):
        vars(handler).update(stream=None, mode="a", _builtin_open=open)
    elif isinstance(handler, logging.StreamHandler):
        vars(handler).update(stream=sys.stdout if stream == "stdout" else sys.stderr)
    live_objects.know((process, number), handler)
    return handler


def set_handler_state(handler: Any, state: dict[str, Any]) -> None:
    """What the attributes of a handler of some other class were; its lock is a new one."""
    vars(handler).update(state)
    handler.createLock()
    logging._addHandlerRef(handler)  # type: ignore[attr-defined]
