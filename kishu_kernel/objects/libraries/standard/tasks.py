"""Tasks, futures and executors: they lead into the running kernel, whose loop and threads they share."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _context_variable(variable: Any) -> tuple[Any, ...]:
    return variable.name, variable.get(None)


class Tasks(Library):
    """Results and coroutines are the user's, and so are the functions that are called back."""

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
    visible_state = {"_contextvars.ContextVar": _context_variable}
