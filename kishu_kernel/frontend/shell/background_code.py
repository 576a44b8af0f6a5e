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
import time
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.frontend.shell.notebook_code import NotebookCode, is_kernels
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.classes import attributes, module_name
from kishu_kernel.objects.registry import registry

_handler_of: Callable[[int], Any] = importlib.import_module("_signal").getsignal
"""As `signal.getsignal`, which looks each number up in an enumeration: that takes 20 times as long."""

_SIGNALS = tuple(int(number) for number in signal.valid_signals())

_LOOP_RUNS = asyncio.base_events.BaseEventLoop.run_forever.__code__


_OWN = __name__.partition(".")[0]

_STEPS = frozenset({"TaskStepMethWrapper", "TaskWakeupMethWrapper"})
"""What a loop calls to go on with a task."""


@dataclass(frozen=True, slots=True)
class _SeenThreads:
    """Threads that are all the kernel's.

    Attributes:
        ids: of the objects, in the order in which Python lists them.
        idents: under which the interpreter knows them.
        counted: how many of them `_thread._count` counts.
    """

    ids: tuple[int, ...]
    idents: tuple[int, ...]
    counted: int


SENDING = 0.1
"""Seconds in which a library's threads have sent what a cell has given them (`Library.sends`)."""
_LOOK = 0.002
"""Seconds between two looks at whether they have."""

_NONE_SEEN: _SeenThreads = _SeenThreads((), (), 0)


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
        self._loops: list[weakref.ref[Any]] = []
        self._seen = _NONE_SEEN
        self._lasts = False
        """It ran when last looked for, and was waited for in vain: until it is over it is not waited for again."""
        self._kernels_handles: dict[int, Any] = {}
        """What loops keep for the kernel, by id: what was looked at once."""

    def is_running(self) -> bool:
        """Whether code of the notebook runs outside of cells, or may do so. O(threads, tasks, timers and hooks)."""
        found = self._is_found()
        self._lasts = found and (self._lasts or not self._is_soon_over())
        return self._lasts

    def _is_found(self) -> bool:
        try:
            return (
                self._in_threads()
                or any(map(self._in_loop, self._known_loops()))
                or any(map(self._code.touches, (*_handlers(), *self._hooks(), *gc.callbacks)))
            )
        except Exception:  # something is not as we know it, or changed while we looked: assume the worst
            return True

    def _is_soon_over(self) -> bool:
        """Waits a moment, where a library may be sending what a cell has given it: then that is all, and it is over."""
        if not registry.packages_that_are("sends"):
            return False
        end = time.monotonic() + SENDING
        while time.monotonic() < end:
            time.sleep(_LOOK)
            if not self._is_found():
                return True
        return False

    # -- threads --------------------------------------------------------------------------------

    def _in_threads(self) -> bool:
        frames = sys._current_frames()
        threads = threading.enumerate()
        if tuple(map(id, threads)) == self._seen.ids:  # these very ones were all the kernel's when it was last asked
            for ident in self._seen.idents:
                frames.pop(ident, None)
            counted = self._seen.counted
        else:
            self._seen = _NONE_SEEN
            for thread in threads:
                frame = frames.pop(thread.ident, None) if thread.ident is not None else None
                if self._is_kernels(thread):
                    continue
                if self._is_on_stack(frame) or self._will_touch(thread, frame):
                    return True
            counted = _counted(threads)
            self._note_own(threads, counted)
        uncounted = _thread._count() - counted - self._own_uncounted
        if uncounted > len(frames):  # one has just been started, or runs nothing but compiled code
            return True
        return bool(frames) and any(map(self._is_on_stack, frames.values()))

    def _note_own(self, threads: list[threading.Thread], counted: int) -> None:
        """If all threads are the kernel's for good, they need not be looked at again as long as there is no other."""
        self._own_threads = {id(each): each for each in threads if self._is_own(each)}
        if len(self._own_threads) == len(threads) and all(each.ident is not None for each in threads):
            idents = tuple(each.ident for each in threads if each.ident is not None)
            self._seen = _SeenThreads(tuple(self._own_threads), idents, counted)

    def _is_own(self, thread: threading.Thread) -> bool:
        if id(thread) in self._own_threads or is_kernels(thread):
            return True
        target = _target_of(thread)
        if _is_ours(target):
            return True
        from kishu_kernel.objects.questions import is_quiet_thread

        return is_quiet_thread(type(thread), target)

    def _is_on_stack(self, frame: types.FrameType | None) -> bool:
        while frame is not None and not self._code.runs(frame):
            frame = frame.f_back
        return frame is not None

    def _is_kernels(self, thread: threading.Thread) -> bool:
        """Whether a thread is the kernel's, or runs nothing outside of cells but what is found in its event loop."""
        return self._is_own(thread) or thread is threading.current_thread() or thread is threading.main_thread()

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
        loops = [loop for each in self._loops if (loop := each()) is not None]
        if running is not None and not any(each is running for each in loops):
            loops.append(running)
            self._loops = list(map(weakref.ref, loops))
        return loops

    def _in_loop(self, loop: Any) -> bool:
        running = asyncio._get_running_loop() is loop
        current = asyncio.current_task(loop) if running else None
        if any(task is not current and self._is_task(task) for task in asyncio.all_tasks(loop)):
            return True
        handles, known = _handles(loop), self._kernels_handles
        self._kernels_handles = {id(each): each for each in handles if id(each) in known}
        return any(self._will_touch_by(each) for each in handles if id(each) not in known)

    def _will_touch_by(self, handle: Any) -> bool:
        """Whether the call of a handle runs code of the notebook, or works on its values."""
        if handle._cancelled or handle._callback is None:
            return False
        if type(handle._callback) is types.MethodType and self._code.is_kernels_method(handle._callback, handle._args):
            self._kernels_handles[id(handle)] = handle
            return False
        return (call := _call(handle)) is not None and self._code.touches(*call)

    def _is_task(self, task: asyncio.Task[Any]) -> bool:
        coroutine = task.get_coro()
        # The cell itself is such a task while it is awaited; the kernel runs it from its own modules.
        return not is_kernels(coroutine) and self._code.holds([coroutine])


def _target_of(thread: threading.Thread) -> Any:
    return (attributes(thread) or {}).get("_target")


def _is_ours(target: Any) -> bool:
    """Whether it is a function of this package's: none runs code of the notebook on a thread of its own."""
    function: Any = target.__func__ if type(target) is types.MethodType else target
    home = function.__globals__.get("__name__") if type(function) is types.FunctionType else None
    return type(home) is str and home.partition(".")[0] == _OWN


def _is_tornados(callback: Any) -> bool:
    function: Any = callback.__func__ if type(callback) is types.MethodType else None
    is_function = type(function) is types.FunctionType and function.__name__ == "_run_callback"
    return is_function and function.__globals__.get("__name__") == "tornado.ioloop"


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


def _handles(loop: Any) -> list[Any]:
    """Returns what a loop of asyncio will call, soon, later, or when a file is ready."""
    handles = [*getattr(loop, "_ready", ()), *getattr(loop, "_scheduled", ())]
    selector = getattr(loop, "_selector", None)
    files = getattr(selector, "_fd_to_key", None)  # what the map looks up, one by one and slowly
    if type(files) is not dict:
        files = {} if selector is None else selector.get_map() or {}
    for key in list(files.values()):
        handles += [handle for handle in key.data or () if handle is not None]
    return handles


def _call(handle: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """Returns the function and the arguments that are called in the end; None where it goes on with a task."""
    callback: Any = handle._callback
    arguments: tuple[Any, ...] = handle._args or ()
    if type(callback).__name__ in _STEPS and module_name(type(callback)) in ("builtins", "_asyncio"):
        return None  # the task is looked at itself
    if _is_tornados(callback) and len(arguments) == 1:
        callback, arguments = arguments[0], ()
    readers = getattr(getattr(callback, "__self__", None), "handlers", None)
    if type(readers) is dict and arguments and arguments[0] in readers:  # tornado's
        return readers[arguments[0]][1], ()
    return callback, arguments


def _is_busy(arguments: tuple[Any, ...]) -> bool:
    """Whether the `ThreadPoolExecutor` whose worker got these arguments has work; one that was freed counts as busy."""
    try:
        executor = arguments[0]()
        idle = executor._idle_semaphore._value
        return not executor._work_queue.empty() or idle < len(executor._threads)
    except (AttributeError, IndexError, TypeError):  # not the executor that we know: assume the worst
        return True
