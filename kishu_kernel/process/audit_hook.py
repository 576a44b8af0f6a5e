"""An audit hook (PEP 578) that hears of the side effects of Python code while it runs.

It serves two:

- a `Recorder` notes what a cell did: the files that it wrote, the hosts and the programs that it called;
- `side_effects_forbidden` raises before anything is done, for code that loads objects only to look at them.

The process has one hook. It is added when it is first needed and, as Python allows no other way, never removed; while
nobody records or forbids it returns at once.

Law: a recorder never raises, and never changes what it records. What only compiled code does (Arrow that writes a
Parquet file, a write to a file that was open before) raises no audit event; `history.effects` knows such cases.

Cost: `id()` and `sys._getframe()` raise an event at every call (`benchmarks/figures/side_effects.py`). The native part
looks at the names of events, and wakes Python for those that matter: what nobody listens for takes 0.04 microseconds.
Without it each event takes 0.1 to 0.8.

Neighbours: `side_effects` says what an event means, `event_origins` whose code caused it.
"""

from __future__ import annotations

import sys
import threading
import types
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import get_ident
from typing import Any, NoReturn

from kishu_kernel.errors import KishuError
from kishu_kernel.process.event_origins import (
    created_process_count,
    is_in_import,
    is_in_import_system,
    is_kernel_thread,
    is_notebook_code,
    is_notebook_thread,
)
from kishu_kernel.process.native import WALKER
from kishu_kernel.process.python_gc import collector_paused
from kishu_kernel.process.side_effects import (
    ACCESS_EVENTS,
    SIDE_EFFECT_EVENTS,
    SIGNALS,
    STARTS_PROCESSES,
    STARTS_THREADS,
    WRITING,
    SideEffect,
    is_open_for_writing,
)
from kishu_kernel.process.tracing import is_own_thread

MAX_DETAILS = 3
"""Paths, hosts or programs that are named for one kind of side effect."""

MAX_EVENTS = 1000
"""How often one recorder looks at events of the same name; later ones are ignored."""


class ForbiddenSideEffectError(KishuError, PermissionError):
    """Code within `side_effects_forbidden` tried to reach outside the process's memory. It was not done."""


class Recorder:
    """Records the side effects of the thread that made it, and of threads that do not belong to the kernel.

    Made by `start_recording`. Recorders may overlap: an effect of a notebook's thread is in all that are running.

    Attributes:
        saturated_events: names of events that cannot add anything to the result any more.
    """

    def __init__(self) -> None:
        self.thread = get_ident()
        self.saturated_events: set[str] = set()
        self._found: dict[str, dict[str, None]] = {}
        self._event_counts: dict[str, int] = {}
        self._threads_before = list(map(weakref.ref, threading.enumerate()))
        self._processes_before = created_process_count()
        self._result: tuple[str, ...] | None = None

    def stop(self) -> tuple[str, ...]:
        """Stop recording. A second call returns the same result.

        Returns:
            One phrase for each kind of side effect, sorted: `writes files (a.csv, b.csv)`. Threads that the notebook
            started and that still run count as one.
        """
        if self._result is None:
            _remove(self)
            before = {id(thread()) for thread in self._threads_before}  # of one that is gone: of None
            if any(id(each) not in before and is_notebook_thread(each) for each in threading.enumerate()):
                self._found.setdefault(STARTS_THREADS, {})
            if created_process_count() > self._processes_before:
                self._found.setdefault(STARTS_PROCESSES, {})
            if STARTS_PROCESSES in self._found:
                self._found.pop(SIGNALS, None)  # signals to its own processes
            self._result = tuple(sorted(_phrase(kind, list(details)) for kind, details in self._found.items()))
        return self._result

    def note(self, event: str, effect: SideEffect) -> None:
        """Add one side effect of the notebook's code."""
        details = self._found.setdefault(effect.kind, {})
        details[effect.detail] = None
        self._event_counts[event] = self._event_counts.get(event, 0) + 1
        if len(details) > MAX_DETAILS or self._event_counts[event] > MAX_EVENTS:
            generation = _muted[_GENERATION]
            self.saturated_events.add(event)
            if all(event in each.saturated_events for each in _recorders):
                _muted[_NAMES.index(event)] = generation


class Guard:
    """What `side_effects_forbidden` yields.

    Attributes:
        forbidden: the first side effect that was tried, as a phrase; None where there was none. The code that ran may
            have caught the exception, so ask here.
    """

    def __init__(self) -> None:
        self.forbidden: str | None = None


def is_alone() -> bool:
    """Whether nobody has added an audit hook since ours, which is there. Such a hook runs whatever others run."""
    return _alone


def start_recording() -> Recorder:
    """Start to record side effects. The caller stops it (`Recorder.stop`)."""
    global _recorders
    _install_hook()
    recorder = Recorder()
    with _recorders_lock:
        _recorders = (*_recorders, recorder)
        _muted[:] = bytes([_muted[_GENERATION] % _LAST_GENERATION + 1]) + _ACCESS_ONLY
    return recorder


@contextmanager
def side_effects_forbidden() -> Iterator[Guard]:
    """Within this context the current thread cannot open, read, write or start anything outside its memory.

    Code that tries gets a `ForbiddenSideEffectError`. Modules may be imported: their files are read, and no byte code
    is written. A thread cannot be started either, since nobody would see what it does. Before Python 3.12 there is no
    event for that: the thread starts, and the guard says so when the context ends.

    The caller drops what it loaded before the context ends, so that finalizers run while they are still forbidden.
    """
    _install_hook()
    guard = Guard()
    thread = get_ident()
    before = _guards.get(thread)
    threads = set(threading.enumerate())

    def leave() -> None:
        started = (each for each in threading.enumerate() if each not in threads)
        if not all(map(is_own_thread, started)):  # a store's reader may be about to end
            guard.forbidden = guard.forbidden or STARTS_THREADS
        if before is None:
            _guards.pop(thread, None)
        else:
            before.forbidden = before.forbidden or guard.forbidden
            _guards[thread] = before

    try:
        _guards[thread] = guard
        with collector_paused():  # finalizers of other people's garbage must not be forbidden anything
            yield guard
    finally:
        try:
            leave()
        except KeyboardInterrupt:  # else this thread could never open a file again
            leave()
            raise


def forbid_side_effects_in_process() -> None:
    """As `side_effects_forbidden`, for all threads and until the process ends. For a process made for this alone."""
    global _process_guard
    _install_hook()
    sys.dont_write_bytecode = True
    _process_guard = _guards[_NO_THREAD] = Guard()


def raise_forbidden(name: str) -> NoReturn:
    """Forbid the call of a function that has a side effect and raises no audit event. The guard notes it.

    Args:
        name: of the function.

    Raises:
        ForbiddenSideEffectError: always.
    """
    guard = _guards.get(get_ident()) or _process_guard
    if guard is not None:
        guard.forbidden = guard.forbidden or f"calls {name}"
    raise ForbiddenSideEffectError(f"{name} must not be called now")


@contextmanager
def allowed_on_this_thread() -> Iterator[None]:
    """Lift `side_effects_forbidden` for code of our own that runs inside it, on this thread."""
    thread = get_ident()
    guard = _guards.pop(thread, None)
    try:
        yield
    finally:
        if guard is not None:
            _guards[thread] = guard


@contextmanager
def allowed_in_process() -> Iterator[None]:
    """Lift `forbid_side_effects_in_process` for code of our own."""
    global _process_guard
    before, _process_guard = _process_guard, None
    try:
        yield
    finally:
        _process_guard = before


_ANOTHER = "sys.addaudithook"

_alone = False
"""The hook is added, and has not heard of another one."""

_process_guard: Guard | None = None
"""For threads that have no guard of their own."""

_NO_THREAD = 0

_guards: dict[int, Guard] = {}
"""By thread. Where it is empty, the native hook tells neither of files opened for reading, nor of what is muted."""

_NAMES = ("", *SIDE_EFFECT_EVENTS, *(ACCESS_EVENTS.keys() - SIDE_EFFECT_EVENTS.keys()), _ANOTHER)
_GENERATION, _LAST_GENERATION, _ALWAYS = 0, 254, 255
_ACCESS_ONLY = bytes(_ALWAYS if name in ACCESS_EVENTS and name not in SIDE_EFFECT_EVENTS else 0 for name in _NAMES[1:])
_muted = bytearray(b"\1" + _ACCESS_ONLY)
"""For each name, when the native hook may pass over it while there are no guards: always, or in this generation.

A recorder that starts begins a generation, which stands in place of the first name: what a thread mutes at that moment,
since it could add nothing to the recorders before, is not muted for the new one. So the hook needs no lock.
"""

_recorders: tuple[Recorder, ...] = ()
"""Those that are running. Replaced as a whole, so that the hook needs no lock."""

_recorders_lock = threading.Lock()


def _remove(recorder: Recorder) -> None:
    global _recorders
    with _recorders_lock:
        _recorders = tuple(each for each in _recorders if each is not recorder)


@cache
def _install_hook() -> None:
    """Add the hook, at the first call only."""
    relevant = frozenset(_NAMES)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        global _alone
        if event == "builtins.id":  # by far the most frequent
            return
        if event == _ANOTHER:
            _alone = False
            return
        if event in relevant and (_recorders or _guards or _process_guard):
            _on_event(event, arguments)

    global _alone
    if WALKER is None or not WALKER.hear(_NAMES, hook, _guards, WRITING, _muted):
        sys.addaudithook(hook)
    _alone = True


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    thread = get_ident()
    guard = _guards.get(thread, _process_guard)
    if guard is not None:
        _forbid(guard, event, arguments, sys._getframe(2))
    try:
        if event == "open" and not is_open_for_writing(arguments):  # the most frequent of the relevant ones
            return
        own = tuple(each for each in _recorders if each.thread == thread)
        recorders = own or (() if is_kernel_thread(thread) else _recorders)
        if event not in SIDE_EFFECT_EVENTS or all(event in each.saturated_events for each in recorders):
            return
        effect = SIDE_EFFECT_EVENTS[event](arguments)
        if effect is not None and is_notebook_code(sys._getframe(2)):
            for each in recorders:
                each.note(event, effect)
    except Exception:  # whatever is wrong with us, the code that raised the event goes on
        pass


def _forbid(guard: Guard, event: str, arguments: tuple[Any, ...], caller: types.FrameType) -> None:
    """Raise where the event is a side effect or an access, and note it in the guard."""
    try:
        effect = _side_effect_or_access(event, arguments, caller)
    except Exception:  # arguments that we do not know: assume the worst
        effect = SideEffect(event)
    if effect is None:
        return
    if is_in_import_system(caller):
        raise ForbiddenSideEffectError("byte code is not written now")  # imports work without
    guard.forbidden = guard.forbidden or _phrase(effect.kind, [effect.detail] if effect.detail else [])
    raise ForbiddenSideEffectError(f"this {guard.forbidden}, which is forbidden now")


def _side_effect_or_access(event: str, arguments: tuple[Any, ...], caller: types.FrameType) -> SideEffect | None:
    effect = SIDE_EFFECT_EVENTS[event](arguments) if event in SIDE_EFFECT_EVENTS else None
    if effect is None and event in ACCESS_EVENTS and not is_in_import(caller):
        effect = ACCESS_EVENTS[event](arguments)
    return effect


def _phrase(kind: str, details: list[str]) -> str:
    details = list(filter(None, details))
    if not details:
        return kind
    more = ", ..." if len(details) > MAX_DETAILS else ""
    return f"{kind} ({', '.join(details[:MAX_DETAILS])}{more})"
