"""Tells whether code of the notebook runs, or waits to run, outside of cells: then anything may change at any time.

It looks at threads, event loops, signal handlers and hooks. Law: it is asked at every cell, so it must be cheap, and a
library's thread that does nothing of the notebook's must not count: else every checkpoint would check everything. Code
that runs when an object is freed (`__del__`, `weakref.finalize`) is not seen.
Neighbour: `notebook_code`, which says what a call can touch.
"""

from __future__ import annotations

import _thread
import asyncio
import asyncio.base_events
import gc
import importlib
import signal
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kishu_kernel.frontend.shell.notebook_code import NotebookCode, is_kernels
from kishu_kernel.objects.classes import attributes

_handler_of: Callable[[int], Any] = importlib.import_module("_signal").getsignal
"""As `signal.getsignal`, which looks each number up in an enumeration: that takes 20 times as long."""

_SIGNALS = tuple(int(number) for number in signal.valid_signals())

_LOOP_RUNS = asyncio.base_events.BaseEventLoop.run_forever.__code__


class BackgroundCode:
    """Finds threads, tasks, timers, signal handlers and hooks that run code of the notebook.

    Args:
        namespace: the live namespace, which is the globals of such functions.
        hooks: returns what the shell calls with every cell.
        late: cells have run already, so that not every thread that there is now is the kernel's.
    """

    def __init__(
        self, namespace: dict[str, Any], hooks: Callable[[], Iterable[Any]] = list, late: bool = False
    ) -> None:
        self._code = NotebookCode(namespace)
        self._hooks = hooks
        self._own_threads = {id(each): each for each in ([] if late else threading.enumerate())}
        self._own_uncounted = _thread._count() - _counted(threading.enumerate())
        self._loops: weakref.WeakSet[Any] = weakref.WeakSet()

    def is_running(self) -> bool:
        """Whether code of the notebook runs outside of cells, or may do so. O(threads, tasks, timers and hooks)."""
        try:
            return (
                self._in_threads()
                or any(map(self._in_loop, self._known_loops()))
                or any(self._code.touches(handler) for handler in _handlers())
                or any(map(self._code.touches, self._hooks()))
                or any(map(self._code.touches, gc.callbacks))
            )
        except Exception:  # something is not as we know it, or changed while we looked: assume the worst
            return True

    # -- threads --------------------------------------------------------------------------------

    def _in_threads(self) -> bool:
        frames = sys._current_frames()
        threads = threading.enumerate()
        for thread in threads:
            frame = frames.pop(thread.ident, None) if thread.ident is not None else None
            if self._is_kernels(thread):
                continue
            if self._is_on_stack(frame) or self._will_touch(thread, frame):
                return True
        uncounted = _thread._count() - _counted(threads) - self._own_uncounted
        if uncounted > len(frames):  # one has just been started, or runs nothing but compiled code
            return True
        return any(map(self._is_on_stack, frames.values()))

    def _is_on_stack(self, frame: types.FrameType | None) -> bool:
        while frame is not None and not self._code.runs(frame):
            frame = frame.f_back
        return frame is not None

    def _is_kernels(self, thread: threading.Thread) -> bool:
        """Whether a thread is the kernel's, or runs nothing outside of cells but what is found in its event loop."""
        return (
            id(thread) in self._own_threads
            or thread is threading.current_thread()
            or thread is threading.main_thread()
            or is_kernels(thread)
        )

    def _will_touch(self, thread: threading.Thread, frame: types.FrameType | None) -> bool:
        """Whether a thread was made for code of the notebook, though none of it is on its stack now."""
        if self._code.owns(thread):
            return True
        state = attributes(thread) or {}
        target = state.get("_target") or state.get("function")
        arguments = (*(state.get("_args") or ()), *(state.get("_kwargs") or {}).values())
        if target is state.get("function"):  # a timer
            arguments = (*(state.get("args") or ()), *(state.get("kwargs") or {}).values())
        home = target.__module__ if type(target) is types.FunctionType else None
        if home == "concurrent.futures.thread":
            return _is_busy(arguments)
        if home == "multiprocessing.pool":
            return any(type(each).__name__ == "_PoolCache" and len(each) > 0 for each in arguments)
        loop = _loop_of(frame)
        if loop is not None:
            return self._in_loop(loop)
        if target is not None:
            return self._code.touches(target, arguments)
        return self._code.holds(value for name, value in state.items() if name not in _OF_EVERY_THREAD)

    # -- loops ----------------------------------------------------------------------------------

    def _known_loops(self) -> list[Any]:
        """Returns the event loops that were seen to run cells."""
        running = asyncio._get_running_loop()
        if running is not None:
            self._loops.add(running)
        return list(self._loops)

    def _in_loop(self, loop: Any) -> bool:
        running = asyncio._get_running_loop() is loop
        current = asyncio.current_task(loop) if running else None
        return any(task is not current and self._is_task(task) for task in asyncio.all_tasks(loop)) or any(
            self._code.touches(*call) for call in _calls(loop)
        )

    def _is_task(self, task: asyncio.Task[Any]) -> bool:
        coroutine = task.get_coro()
        # The cell itself is such a task while it is awaited; the kernel runs it from its own modules.
        return not is_kernels(coroutine) and self._code.holds([coroutine])


def _handlers() -> list[Any]:
    """Returns the handlers of signals that are written in Python."""
    return [each for each in map(_handler_of, _SIGNALS) if type(each) is not int and each is not None]


_OF_EVERY_THREAD = frozenset(vars(threading.Thread()))


def _counted(threads: Iterable[threading.Thread]) -> int:
    """Returns how many of them `_thread._count` counts: those that Python started."""
    return sum(type(thread) not in (threading._MainThread, threading._DummyThread) for thread in threads)  # type: ignore[attr-defined]


def _loop_of(frame: types.FrameType | None) -> Any:
    """Returns the event loop that a thread runs; None if it runs none."""
    while frame is not None and frame.f_code is not _LOOP_RUNS:
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get("self")


def _calls(loop: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yields the calls that a loop of asyncio will make, soon, later, or when a file is ready: function, arguments."""
    handles = [*getattr(loop, "_ready", ()), *getattr(loop, "_scheduled", ())]
    selector = getattr(loop, "_selector", None)
    for key in () if selector is None else list((selector.get_map() or {}).values()):
        handles += [handle for handle in key.data or () if handle is not None]
    for handle in handles:
        if handle._cancelled or handle._callback is None:
            continue
        callback, arguments = handle._callback, handle._args or ()
        readers = getattr(getattr(callback, "__self__", None), "handlers", None)
        if type(readers) is dict and arguments and arguments[0] in readers:  # tornado's
            yield readers[arguments[0]][1], ()
        else:
            yield callback, arguments


def _is_busy(arguments: tuple[Any, ...]) -> bool:
    """Whether the `ThreadPoolExecutor` whose worker got these arguments has work; one that was freed counts as busy."""
    try:
        executor = arguments[0]()
        idle = executor._idle_semaphore._value
        return not executor._work_queue.empty() or idle < len(executor._threads)
    except (AttributeError, IndexError, TypeError):  # not the executor that we know: assume the worst
        return True
