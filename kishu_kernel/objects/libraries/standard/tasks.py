"""Tasks, futures and executors: they lead into the running kernel, whose loop and threads they share."""

from __future__ import annotations

import threading
from typing import Any

from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction

_DONE = ("CANCELLED", "CANCELLED_AND_NOTIFIED", "FINISHED")
_OF_A_FUTURE = ("_condition", "_state", "_waiters", "_done_callbacks")
"""What it needs to be waited for, and whom it has called when it was done."""


def _future(future: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.ended import make_future

    if future._state not in _DONE:
        raise HeldOutsideError("a Future that is not done belongs to who works on it, and cannot be stored")
    return make_future, (future._state,), {k: v for k, v in vars(future).items() if k not in _OF_A_FUTURE}


def _executor(executor: Any) -> Reduction:
    # One that waits is as good as a new one: it starts its threads when there is something to do.
    from kishu_kernel.objects.rebuild.ended import make_executor

    if executor._shutdown:
        at_work = any(map(threading.Thread.is_alive, executor._threads))
    else:
        waiting = executor._idle_semaphore._value
        at_work = len(executor._threads) > waiting or not executor._work_queue.empty()
    if at_work or executor._broken:
        raise HeldOutsideError("a ThreadPoolExecutor that has something to do cannot be stored")
    settings = (executor._max_workers, executor._thread_name_prefix, executor._shutdown)
    return make_executor, settings, {"_initializer": executor._initializer, "_initargs": executor._initargs}


def _context_variable(variable: Any) -> tuple[Any, ...]:
    return variable.name, variable.get(None)


class Tasks(Library):
    """Results and coroutines are the user's, and so are functions that are called back. What is done leads nowhere."""

    packages = ("asyncio", "_asyncio", "concurrent", "_contextvars")
    untraversable = {"asyncio.*", "_asyncio.*", "concurrent.*"}
    payloads = {
        "Future": ("_result", "_exception"),
        "Task": ("_coro",),
        "Queue": ("_queue",),
        "ThreadPoolExecutor": ("_initargs",),
    }
    observers = {
        "concurrent.futures._base.Future": ("_done_callbacks",),
        "ThreadPoolExecutor": ("_initializer",),
    }
    exact_reductions = {"concurrent.futures._base.Future": _future, "ThreadPoolExecutor": _executor}
    whole = {"concurrent.futures._base.Future", "ThreadPoolExecutor"}
    visible_state = {"_contextvars.ContextVar": _context_variable}
