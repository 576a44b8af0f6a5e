"""What code does to the world outside while it runs, as the interpreter tells its audit hooks (PEP 578).

One hook for the process, put in when it is first needed: none can be taken out again, so it returns at once where
nobody listens. It serves two:

- a `Recording` notes what a cell did: the files that it wrote, the hosts and the programs that it called;
- `untouched_world` lets nothing be done, for who loads objects only to look at them.

Law: a recording never raises and never changes what is recorded. What only compiled code sees (a Parquet file that
Arrow writes, a file that was open already) is not heard here: `history.effects` knows which doings those are.

Cost: an event that nobody listens for takes 0.1 microseconds, nearly all of them the interpreter's own. `id()` and
`sys._getframe()` raise one at every call (`benchmarks/figures/doings.py`).

Neighbours: `world`, which says what an event means.
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
from kishu_kernel.process.code_origins import is_of_a_library
from kishu_kernel.process.collector import collector_waiting
from kishu_kernel.process.side_effects import (
    PHRASES,
    READS,
    SIGNALS,
    STARTS_PROCESSES,
    STARTS_THREADS,
    Doing,
    is_to_write,
)

MOST_DETAILS = 3
"""Paths, hosts or programs that are named for one kind of doing."""

MOST_TIMES = 1000
"""The same event is looked at so often in a cell, whatever it is about."""

_KERNELS = frozenset(
    {
        *("kishu_kernel", "ipykernel", "IPython", "jupyter_client", "traitlets", "zmq", "tornado", "comm"),
        *("debugpy", "pydevd", "_pydevd_bundle", "_pydev_bundle"),
    }
)
"""Packages whose threads do the kernel's work and ours."""


class TouchedWorldError(KishuError, PermissionError):
    """Within `untouched_world` something would have touched the world outside; it was not done."""


class Recording:
    """What is done from here on by the thread that made it, and by threads that are not the kernel's.

    Made by `begin`. Recordings may overlap: what nobody can tell apart is in all of them.

    Attributes:
        heard_enough: events that would add nothing to what is told.
    """

    def __init__(self) -> None:
        self.thread = get_ident()
        self.heard_enough: set[str] = set()
        self._found: dict[str, dict[str, None]] = {}
        self._times: dict[str, int] = {}
        self._threads = weakref.WeakSet(threading.enumerate())
        self._processes = _made_processes()
        self._told: tuple[str, ...] | None = None

    def end(self) -> tuple[str, ...]:
        """What was done, a phrase for each kind, sorted: `writes files (a.csv, b.csv)`. Ended again it tells the same.

        Threads count that still run.
        """
        if self._told is None:
            _ended(self)
            if any(thread not in self._threads and _is_notebooks(thread) for thread in threading.enumerate()):
                self._found.setdefault(STARTS_THREADS, {})
            if _made_processes() > self._processes:
                self._found.setdefault(STARTS_PROCESSES, {})
            if STARTS_PROCESSES in self._found:
                self._found.pop(SIGNALS, None)  # to its own
            self._told = tuple(sorted(_told(phrase, list(details)) for phrase, details in self._found.items()))
        return self._told

    def note(self, event: str, doing: Doing) -> None:
        """Something was done, and the notebook did it."""
        details = self._found.setdefault(doing.phrase, {})
        details[doing.detail] = None
        self._times[event] = self._times.get(event, 0) + 1
        if len(details) > MOST_DETAILS or self._times[event] > MOST_TIMES:
            self.heard_enough.add(event)


class Guard:
    """What `untouched_world` refused.

    Attributes:
        refused: what was to be done first, or None. What was loaded may have caught the exception: ask here.
    """

    def __init__(self) -> None:
        self.refused: str | None = None


def begin() -> Recording:
    """Begins to record."""
    global _recordings
    _listen()
    recording = Recording()
    with _changing:
        _recordings = (*_recordings, recording)
    return recording


@contextmanager
def untouched_world() -> Iterator[Guard]:
    """On this thread nothing outside memory is opened, read, written or started within this context.

    Whoever tries gets a `TouchedWorldError`. Modules may be imported: they are read, and no byte code is written.
    A thread is not started either: what it would do nobody would see. Before Python 3.12 it is, and told afterwards.

    What was loaded must be dropped within the context: what it does when it is freed is to be refused, too.
    """
    _listen()
    guard = Guard()
    thread = get_ident()
    before = _guards.get(thread)
    threads = set(threading.enumerate())

    def leave() -> None:
        if not threads.issuperset(threading.enumerate()):
            guard.refused = guard.refused or STARTS_THREADS
        if before is None:
            _guards.pop(thread, None)
        else:
            before.refused = before.refused or guard.refused
            _guards[thread] = before

    try:
        _guards[thread] = guard
        with collector_waiting():  # others' garbage is to be freed as it wants to be
            yield guard
    finally:
        try:
            leave()
        except KeyboardInterrupt:  # else nothing could be opened any more
            leave()
            raise


def close_world() -> None:
    """As `untouched_world`, on all threads and for good: for a process that is there for nothing else."""
    global _everywhere
    _listen()
    sys.dont_write_bytecode = True
    _everywhere = Guard()


def refuse(name: str) -> NoReturn:
    """For what touches the world and raises no audit event: it is not done, and the guard hears of it."""
    guard = _guards.get(get_ident()) or _everywhere
    if guard is not None:
        guard.refused = guard.refused or f"calls {name}"
    raise TouchedWorldError(f"{name} is not to be called now")


@contextmanager
def our_own() -> Iterator[None]:
    """What this thread does within it is ours, and no doing of what is looked at: nobody refuses it."""
    thread = get_ident()
    guard = _guards.pop(thread, None)
    try:
        yield
    finally:
        if guard is not None:
            _guards[thread] = guard


@contextmanager
def world_open() -> Iterator[None]:
    """Something of ours may be done in a process whose world is closed."""
    global _everywhere
    before, _everywhere = _everywhere, None
    try:
        yield
    finally:
        _everywhere = before


_everywhere: Guard | None = None
"""For threads that have none of their own."""

_recordings: tuple[Recording, ...] = ()
"""Those that have begun and not ended; replaced as a whole."""

_guards: dict[int, Guard] = {}
"""By thread."""

_changing = threading.Lock()


def _ended(recording: Recording) -> None:
    global _recordings
    with _changing:
        _recordings = tuple(each for each in _recordings if each is not recording)


@cache
def _listen() -> None:
    """Puts the hook in, once."""
    heard = frozenset((*PHRASES, *READS))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "builtins.id":  # by far the most frequent
            return
        if event in heard and (_recordings or _guards or _everywhere):
            _hear(event, arguments)

    sys.addaudithook(hook)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    thread = get_ident()
    guard = _guards.get(thread, _everywhere)
    if guard is not None:
        _refuse(guard, event, arguments)
    try:
        if event == "open" and not is_to_write(arguments):  # the most frequent of those that are listened for
            return
        own = tuple(each for each in _recordings if each.thread == thread)
        recordings = own or (() if _is_kernels(thread) else _recordings)
        if event not in PHRASES or all(event in each.heard_enough for each in recordings):
            return
        doing = PHRASES[event](arguments)
        if doing is not None and _is_the_users(sys._getframe(2)):
            for each in recordings:
                each.note(event, doing)
    except Exception:  # what is recorded goes on, whatever is wrong with us
        pass


def _refuse(guard: Guard, event: str, arguments: tuple[Any, ...]) -> None:
    try:
        doing = _touch(event, arguments)
    except Exception:  # arguments that we do not know: assume the worst
        doing = Doing(event)
    if doing is not None and _is_import_system(sys._getframe(3)):
        raise TouchedWorldError("no byte code is written now")  # it does without
    if doing is not None:
        guard.refused = guard.refused or _told(doing.phrase, [doing.detail] if doing.detail else [])
        raise TouchedWorldError(f"this {guard.refused}, which is not to be done now")


def _touch(event: str, arguments: tuple[Any, ...]) -> Doing | None:
    """What of the world this event touches, be it only to look."""
    doing = PHRASES[event](arguments) if event in PHRASES else None
    if doing is None and event in READS and not _is_importing(sys._getframe(4)):
        doing = READS[event](arguments)
    return doing


# -- whose doing ------------------------------------------------------------------------------------


def _is_the_users(frame: types.FrameType | None) -> bool:
    """Whether code of the notebook did it, and not the kernel around it, nor the import of a library.

    What a library does when it is imported (byte code, a cache of fonts) is not done again when a cell is re-run.
    """
    inner = None
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name == "__main__":
            return True
        if _is_import_system(frame) and not (inner and _is_import_system(inner)) and _is_librarys(inner):
            return False
        if isinstance(name, str) and name.partition(".")[0] == "kishu_kernel":
            return False
        inner, frame = frame, frame.f_back
    return True


def _is_librarys(frame: types.FrameType | None) -> bool:
    """Whether this frame, which the import system has called, is that of an installed module. None: its own doing."""
    if frame is None:
        return True
    return is_of_a_library(frame.f_code.co_filename)


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


def _is_importing(frame: types.FrameType | None) -> bool:
    while frame is not None:
        if _is_import_system(frame):
            return True
        frame = frame.f_back
    return False


def _is_import_system(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith("<frozen importlib")


def _is_kernels(ident: int) -> bool:
    """Whether a thread that runs no cell is the kernel's: the main thread, between cells, is."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]  # `current_thread` would make one
    if thread is None:
        return False
    return thread is threading.main_thread() or _package(thread) in _KERNELS


def _is_notebooks(thread: threading.Thread) -> bool:
    """Those that a library starts for itself (tqdm's, which watches its bars) are its own business."""
    package = _package(thread)
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package not in _KERNELS and not _is_installed(file)


def _package(thread: threading.Thread) -> str:
    """The package that a thread was made by: of its class, or of what it runs."""
    kind = type(thread).__module__.partition(".")[0]
    if kind != "threading":
        return kind
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    return str(getattr(target, "__module__", None) or "threading").partition(".")[0]


def _made_processes() -> int:
    """How many `multiprocessing.Process` were made here. Those that are spawned raise no event."""
    module = sys.modules.get("multiprocessing.process")
    digits = "".join(filter(str.isdigit, repr(getattr(module, "_process_counter", ""))))
    return int(digits or 1)  # where it counts from


def _told(phrase: str, details: list[str]) -> str:
    details = list(filter(None, details))
    if not details:
        return phrase
    more = ", ..." if len(details) > MOST_DETAILS else ""
    return f"{phrase} ({', '.join(details[:MOST_DETAILS])}{more})"
