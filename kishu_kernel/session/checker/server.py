"""What runs in the checker process: takes a question, loads copies, answers what they are.

Law: from the first question on nothing outside memory is touched. Objects with a destructor are never freed: the
process ends (`os._exit`) when there are too many. Memory, processor time and time are bounded.
"""

from __future__ import annotations

import _thread
import builtins
import importlib
import linecache
import os
import select
import signal
import sys
import time
import types
import weakref
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import Census
from kishu_kernel.errors import LoadError
from kishu_kernel.objects.codec.disarming import UnclaimedObjects
from kishu_kernel.objects.codec.load_guard import LoadGuard, NotHarmlessError
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.audit_hook import (
    Guard,
    allowed_in_process,
    forbid_side_effects_in_process,
    side_effects_forbidden,
)
from kishu_kernel.process.code_origins import is_of_a_library
from kishu_kernel.session.checker.messages import (
    PATIENCE,
    Answer,
    CopiedPayload,
    Question,
    encode_message,
    take_message,
)
from kishu_kernel.session.checker.sandbox import confine

IDLE = 180.0
"""Seconds without a question after which the process ends."""
PROCESSOR = 30
"""Seconds of processor time that one question may take."""
MEMORY = 4 << 30
"""Bytes of memory that it may have of its own."""
_CHUNK = 1 << 20

UNFREED_AT_MOST = 256 << 20
"""Bytes of payloads whose copies are never freed, after which the process ends."""

_unfreed: list[tuple[int, UnclaimedObjects]] = []
"""Copies that are never freed, and the sizes of their payloads."""

_finalizers: Any = weakref.finalize._registry  # type: ignore[attr-defined]


def main() -> None:
    """Answers questions until the kernel closes the connection."""
    try:
        connection = _detach_standard_files()
        _limit_resources()
        if confine():  # before there is another thread, which would not be
            _thread.start_new_thread(_exit_with_kernel, (connection,))
            forbid_side_effects_in_process()
            _serve(connection)
    finally:
        os._exit(0)


def _detach_standard_files() -> int:
    """Points the standard files to nowhere. The descriptor of the connection, which was standard input."""
    connection = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return connection


def _limit_resources() -> None:
    import resource

    with suppress(OSError):
        os.nice(10)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # before the kernel, if it comes to that
        file.write("1000")


def _exit_with_kernel(connection: int) -> None:
    """Ends the process when the kernel closes the connection, whatever it is doing."""
    poll = select.poll()
    poll.register(connection, 0)
    poll.poll()
    os._exit(0)


def _serve(connection: int) -> None:
    received = bytearray()
    while not _has_too_many_unfreed():
        _clear_deadline()
        question = take_message(received)
        if question is not None:
            _set_deadline()
            _send(connection, encode_message(_answer(question)))
            del question
            continue
        ready, _, _ = select.select([connection], [], [], IDLE)
        data = os.read(connection, _CHUNK) if ready else b""
        if not data:
            return
        received += data


def _has_too_many_unfreed() -> bool:
    return sum(size for size, _ in _unfreed) > UNFREED_AT_MOST


def _set_deadline() -> None:
    """The process ends when it takes too long from here on, whatever code does."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + PROCESSOR
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _clear_deadline() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _send(connection: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(connection, view) :]


# -- questions --------------------------------------------------------------------------------------


def _answer(question: Question) -> Answer:
    _set_environment(question)
    namespace = vars(sys.modules["__main__"])
    namespace["__builtins__"] = _Builtins(question.environment.modules)
    modules, started = len(sys.modules), time.perf_counter()
    with side_effects_forbidden() as guard:
        answer = _found(question, namespace, guard)
    new = len(sys.modules) > modules
    seconds = 0.0 if new else time.perf_counter() - started
    return Answer(
        question.number,
        answer.digest,
        answer.census,
        answer.comparisons,
        answer.problem,
        answer.destructor,
        guard.forbidden,
        seconds,
        _has_too_many_unfreed(),
    )


def _found(question: Question, namespace: dict[str, Any], guard: Guard) -> Answer:
    number = question.number
    try:
        loaded = [_loaded(question, each, namespace, guard) for each in question.payloads]
        if question.kind == "comparison":
            from kishu_kernel.compare import compare

            before, after = loaded
            compared = {name: compare(before[name], after[name]) for name in question.names}
            return Answer(number, comparisons=compared)
        census: Census = Counter()
        digest = digest_of(loaded[0], ReductionTable(namespace), census=census)
        return Answer(number, bytes(digest), dict(census))
    except NotHarmlessError:
        return Answer(number, destructor=True)
    except LoadError as error:
        return Answer(number, problem=str(error))
    except Exception as error:
        return Answer(number, problem=f"{type(error).__name__}: {error}")


def _loaded(question: Question, payload: CopiedPayload, namespace: dict[str, Any], guard: Guard) -> dict[str, Any]:
    admission = LoadGuard(no_destructors=question.kind == "census")
    copies = UnclaimedObjects()
    waiting = len(_finalizers)
    try:
        objects = decode(payload, namespace, admission=admission, copies=copies)
    finally:
        if admission.destructor or len(_finalizers) > waiting:
            _unfreed.append((payload.size, copies))
    if guard.forbidden is not None:
        raise LoadError(f"{', '.join(payload.names)}: to load this {guard.forbidden}")
    return objects


class _Builtins(dict[str, Any]):
    """Builtins in which code of the notebook also finds the modules that the notebook has imported, by its names."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        super().__init__(vars(builtins))
        self._modules = modules

    def __missing__(self, name: str) -> Any:
        return importlib.import_module(self._modules[name])


_changed_at: dict[str, int] = {}
"""Name of an imported module of the user's -> when its file was last changed."""


def _forget_changed() -> None:
    """Modules of the user's that were changed since an earlier question are imported anew."""
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if type(module) is types.ModuleType else None
        if type(file) is not str or is_of_a_library(file) or name.partition(".")[0] == "kishu_kernel":
            continue
        with suppress(OSError):
            changed_at = os.stat(file).st_mtime_ns
            if _changed_at.setdefault(name, changed_at) != changed_at:
                del sys.modules[name], _changed_at[name]
    importlib.invalidate_caches()


def _set_environment(question: Question) -> None:
    environment = question.environment
    sys.path[:] = environment.path
    _forget_changed()
    for name, lines in environment.sources.items():
        linecache.cache[name] = (sum(map(len, lines)), None, list(lines), name)
    for library in environment.libraries:
        _register(*library)
    if environment.directory != os.getcwd():
        with allowed_in_process(), suppress(OSError):
            os.chdir(environment.directory)


@cache
def _register(module: str, name: str) -> None:
    """Makes a library known as it is known in the kernel."""
    with suppress(Exception):  # told there
        registry.register(getattr(importlib.import_module(module), name))
