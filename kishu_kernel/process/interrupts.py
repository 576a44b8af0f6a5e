"""SIGINT (the stop button) ignored for the few microseconds in which it would leave something half done.

Law: nothing slow runs in such a section. Imports nothing of ours.
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
"""As `signal.signal`, which looks number and handler up in enumerations: that takes ten times as long."""
_SIGINT = int(signal.SIGINT)

_replies_due = 0


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
    before = signal.getsignal(signal.SIGINT)
    _replies_due += 1
    try:
        yield
    finally:
        _replies_due -= 1
        signal.signal(signal.SIGINT, _default(before))


def uninterrupted(work: Callable[[], Result], *, final_step: bool = False) -> Result:
    """Run `work` to its end: an interrupt meanwhile is dropped. Returns its result, and raises what it raises.

    Python interrupts the main thread only; on other threads this just calls `work`. (Masking the signal would not
    help: another thread of the process receives it then, and the main thread raises all the same.)

    Args:
        final_step: this is the last step of the operation within `until_replied`: once it has returned, interrupts
            stay ignored until that context ends, so that the reply is sent.
    """
    if not _interruptible():
        return work()
    before = _set_handler(_SIGINT, _dropped)
    done = False
    try:
        result = work()
        done = True
        return result
    finally:
        if not (done and final_step and _replies_due):
            _set_handler(_SIGINT, _default(before))


def _dropped(*_: object) -> None:
    pass


def _interruptible() -> bool:
    return threading.current_thread() is threading.main_thread()


def _default(handler: object) -> signal.Handlers | Callable[[int, object], object]:
    return signal.default_int_handler if handler is None else handler  # type: ignore[return-value]
