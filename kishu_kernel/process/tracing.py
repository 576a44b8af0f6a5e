"""Our own work out of the sight of what traces the user's code: debuggers, `sys.settrace` in a cell.

Under a debugger each of our functions would be looked up and traced: a cell took five times as long, and the first one
seconds. And whoever traces their own code would see ours in it (law 9). From CPython 3.12 on debuggers no longer trace
by `sys.settrace`; which files they need not follow is told them by `skipped_files`.

Law: what traced before traces again afterwards.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import settrace as _settrace
from types import BuiltinFunctionType
from typing import Any

_DO_NOT_TRACE = "pydev_do_not_trace"
"""An attribute by which a thread tells debugpy that it is none of the user's; ipykernel does so, too."""


@contextmanager
def untraced() -> Iterator[None]:
    """Within this context nothing of this thread is traced. No code of the user's is to run in it that they follow."""
    tracer = sys.gettrace()
    if tracer is None or not isinstance(_settrace, BuiltinFunctionType):  # a debugger that came first warns of its use
        yield
        return
    _settrace(None)
    try:
        yield
    finally:
        _settrace(tracer)


def own_thread(work: Callable[[], Any], name: str) -> threading.Thread:
    """Returns a thread of our own, not yet started: a daemon that no debugger traces or shows."""

    def run() -> None:
        with untraced():
            work()

    thread = threading.Thread(target=run, name=name, daemon=True)
    setattr(thread, _DO_NOT_TRACE, True)
    return thread


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether it is one of our own, also where it has just ended, or a debugger's."""
    attributes: dict[str, Any] = object.__getattribute__(thread, "__dict__")  # none of its class's code runs
    return attributes.get(_DO_NOT_TRACE) is True


def skipped_files() -> str:
    """Returns a pattern of our own files, for a debugger that asks which ones it is not to follow."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return os.path.join(package, "**")
