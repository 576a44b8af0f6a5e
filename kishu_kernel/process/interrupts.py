"""The stop button, held back for the few microseconds in which stopping would leave something half done, or untold.

Law: nothing slow happens in such a section. A leaf: knows nobody.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

_answering = 0


@contextmanager
def answering() -> Iterator[None]:
    """Around an operation and its answer: an interrupt after the operation's last step comes too late for both.

    Else a client would hear of a checkout that it was interrupted, or nothing, when all of it is done.
    """
    global _answering
    if not _interruptible():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    _answering += 1
    try:
        yield
    finally:
        _answering -= 1
        signal.signal(signal.SIGINT, _default(before))


def uninterrupted(work: Callable[[], Result], *, last: bool = False) -> Result:
    """Does the work to its end: an interrupt meanwhile comes too late and is dropped.

    Only the main thread is ever interrupted, so only there does it do anything. (Masking the signal would not
    do: any other thread of the process then takes it, and the main thread raises all the same.)

    Args:
        last: the last step of what is being answered (`answering`): what follows is its answer.
    """
    if not _interruptible():
        return work()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    done = False
    try:
        result = work()
        done = True
        return result
    finally:
        if not (done and last and _answering):
            signal.signal(signal.SIGINT, _default(before))


def _interruptible() -> bool:
    return threading.current_thread() is threading.main_thread()


def _default(handler: object) -> signal.Handlers | Callable[[int, object], object]:
    return signal.default_int_handler if handler is None else handler  # type: ignore[return-value]
