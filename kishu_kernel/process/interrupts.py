"""SIGINT (the stop button): whom it reaches, and when it is ignored.

It is ignored for the few microseconds in which it would leave something half done. What comes when a cell is asked for,
and before that has begun, is kept for it: without us it would be ignored, or end the request without a reply.

Law: nothing slow runs where it is ignored. Imports nothing of ours.
"""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

_set_handler: Callable[[int, Any], Any] = importlib.import_module("_signal").signal
_handler_of: Callable[[int], Any] = importlib.import_module("_signal").getsignal
"""As `signal.signal` and `signal.getsignal`, which look number and handler up in enumerations: ten times as long."""
_SIGINT = int(signal.SIGINT)

_replies_due = 0

_awaited = False
"""A cell was asked for, and has not begun."""
_kept = False
"""An interrupt has come meanwhile."""
_let_in = False
"""They are let in: a cell runs, or what is done around it."""


def keep_for_cell() -> Any:
    """A cell is asked for: from here on an interrupt is kept for it, until `let_in`.

    Returns:
        The handler that was there before; None on another thread, where they were kept already, and where they are let
        in: it is the cell that runs.
    """
    global _awaited, _kept
    if _let_in or not _interruptible():
        return None
    _awaited, _kept = True, False
    return None if are_kept() else _set_handler(_SIGINT, _keep)


def keep_no_more(before: Any) -> None:
    """Nothing came of the cell that was asked for: the handler of before is there again, where they are kept still."""
    global _awaited
    if _interruptible() and are_kept():
        _awaited = False
        _set_handler(_SIGINT, before)


def are_kept() -> bool:
    """Whether an interrupt that comes now is kept for a cell, or dropped after it."""
    return _handler_of(_SIGINT) is _keep


@contextmanager
def let_in() -> Iterator[None]:
    """Within this context an interrupt is raised: a cell runs there, and what is done before it."""
    global _awaited, _let_in
    if not _interruptible():
        yield
        return
    outer = _let_in
    before = _set_handler(_SIGINT, _raise_and_keep if _awaited else signal.default_int_handler)
    try:
        _let_in = True
        if _awaited and _kept:
            raise KeyboardInterrupt
        yield
    finally:
        _awaited, _let_in = False, outer
        try:
            _set_handler(_SIGINT, before)
        except KeyboardInterrupt:  # it comes before the handler is another one
            _set_handler(_SIGINT, before)
            raise


def raise_kept() -> None:
    """Raises KeyboardInterrupt where one was kept for the cell, or was raised, and somebody has swallowed it.

    A destructor, a callback or a library may.
    """
    if _awaited and _kept and _interruptible():
        raise KeyboardInterrupt


def cell_begins() -> None:
    """The same, for the last time: from here on interrupts are raised in the cell's code."""
    global _awaited
    if not (_awaited and _interruptible()):
        return
    if _handler_of(_SIGINT) is _raise_and_keep:  # and not ipykernel's, which cancels a cell that awaits
        _set_handler(_SIGINT, signal.default_int_handler)
    _awaited = False
    if _kept:
        raise KeyboardInterrupt


@contextmanager
def until_replied() -> Iterator[None]:
    """Around an operation and its reply: an interrupt that comes after the operation's last step is ignored.

    The last step is the one that calls `uninterrupted` with `final_step=True`. Without this context a client could be
    told that a checkout was interrupted, or get no reply, when all of it was done.
    """
    global _replies_due
    if not _interruptible():
        yield
        return
    before = _handler_of(_SIGINT)
    _replies_due += 1
    try:
        yield
    finally:
        _replies_due -= 1
        _set_handler(_SIGINT, _default(before))


def uninterrupted(work: Callable[[], Result], *, final_step: bool = False) -> Result:
    """Run `work` to its end: an interrupt meanwhile is dropped. Returns its result, and raises what it raises.

    Where a cell is about to begin, the interrupt is the cell's, and kept for it.

    Python interrupts the main thread only; on other threads this just calls `work`. (Masking the signal would not
    help: another thread of the process receives it then, and the main thread raises all the same.)

    Args:
        final_step: this is the last step of the operation within `until_replied`: once it has returned, interrupts
            stay ignored until that context ends, so that the reply is sent.
    """
    if not _interruptible():
        return work()
    before = _set_handler(_SIGINT, _keep)
    done = False
    try:
        result = work()
        done = True
        return result
    finally:
        if not (done and final_step and _replies_due):
            _set_handler(_SIGINT, _default(before))


def _keep(*_: object) -> None:
    global _kept
    _kept = _awaited


def _raise_and_keep(*_: object) -> None:
    _keep()
    raise KeyboardInterrupt


def _interruptible() -> bool:
    return threading.current_thread() is threading.main_thread()


def _default(handler: object) -> signal.Handlers | Callable[[int, object], object]:
    return signal.default_int_handler if handler is None else handler  # type: ignore[return-value]
