"""The stop button, held back for the few microseconds in which stopping would leave something half done.

Law: nothing slow happens in such a section. A leaf: knows nobody.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def uninterrupted(work: Callable[[], Result]) -> Result:
    """Does the work to its end: an interrupt meanwhile comes too late and is dropped.

    Only the main thread is ever interrupted, so only there does it do anything. (Masking the signal would not
    do: any other thread of the process then takes it, and the main thread raises all the same.)
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return work()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)
