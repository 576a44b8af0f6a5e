"""Does code of the notebook run that no cell shows? Then anything may change at any time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any


class Background:
    """Sees threads, tasks and hooks that run functions of the notebook.

    Args:
        namespace: the live namespace, which is the globals of such functions.
        hooks: what is called with every cell.
    """

    def __init__(self, namespace: dict[str, Any], hooks: Callable[[], Iterable[Any]] = list) -> None:
        self._namespace = namespace
        self._hooks = hooks
        self._ours = set(threading.enumerate())

    def is_running(self) -> bool:
        """A thread or a task of the notebook is alive, or a hook is its. O(threads, tasks and hooks)."""
        return (
            any(map(self._is_users, threading.enumerate()))
            or any(map(self._is_task, _tasks()))
            or any(map(self._is_notebooks, self._hooks()))
        )

    def _is_users(self, thread: threading.Thread) -> bool:
        if thread in self._ours or thread is threading.current_thread():
            return False
        if type(thread).__module__ == "__main__":
            return True
        executor = _executor(thread)
        if executor is not None:
            return _is_busy(executor)
        return self._is_notebooks(getattr(thread, "_target", None) or getattr(thread, "function", None))

    def _is_notebooks(self, function: Any) -> bool:
        function = getattr(function, "func", function)  # functools.partial
        function = getattr(function, "__func__", function)  # a bound method
        return getattr(function, "__globals__", None) is self._namespace

    def _is_task(self, task: asyncio.Task[Any]) -> bool:
        frame = getattr(task.get_coro(), "cr_frame", None)
        # The cell itself is such a task while it is awaited; IPython runs it from its own module.
        return frame is not None and frame.f_globals is self._namespace


def _tasks() -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks()
    except RuntimeError:  # no loop runs on this thread
        return set()


def _executor(thread: threading.Thread) -> Any:
    """The `ThreadPoolExecutor` that a thread works for, if it does."""
    arguments = getattr(thread, "_args", None) or ()
    candidate = arguments[0]() if arguments and type(arguments[0]).__name__ == "ReferenceType" else None
    return candidate if type(candidate).__name__ == "ThreadPoolExecutor" else None


def _is_busy(executor: Any) -> bool:
    try:
        idle = executor._idle_semaphore._value
        return not executor._work_queue.empty() or idle < len(executor._threads)
    except AttributeError:  # not the executor that we know: assume the worst
        return True
