"""What runs in the checker process: takes a question, loads copies, says what they are.

Law: nothing outside memory is touched from the first question on; what was loaded and has a destructor is never freed:
the process ends (`os._exit`) when it has answered. Memory, processor time and patience are bounded.
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
from typing import Any

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import Census
from kishu_kernel.errors import LoadError
from kishu_kernel.objects.codec.admission import Admission, StrangeError
from kishu_kernel.objects.codec.disarming import Copies
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.audit_hook import (
    Guard,
    allowed_in_process,
    forbid_side_effects_in_process,
    side_effects_forbidden,
)
from kishu_kernel.process.code_origins import is_of_a_library
from kishu_kernel.session.checker.confined import confine
from kishu_kernel.session.checker.questions import PATIENCE, Answer, Given, Question, packed, unpacked

IDLE = 180.0
"""Seconds without a question after which it ends."""
PROCESSOR = 30
"""Seconds of the processor that it may."""
MEMORY = 4 << 30
"""Bytes of memory of its own, at most."""
_AT_ONCE = 1 << 20

SPENT = 256 << 20
"""Bytes of payloads whose copies are not to be freed, after which it ends."""

_spent: list[tuple[int, Copies]] = []
"""What must not be freed, and how much of it there is."""

_registered: Any = weakref.finalize._registry  # type: ignore[attr-defined]


def main() -> None:
    """Answers until the other end hangs up."""
    try:
        line = _apart()
        _bounded()
        if confine():  # before there is another thread, which would not be
            _thread.start_new_thread(_end_with, (line,))
            forbid_side_effects_in_process()
            _serve(line)
    finally:
        os._exit(0)


def _apart() -> int:
    """Leaves the standard files to whom they may concern. The number of the line."""
    line = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)
    return line


def _bounded() -> None:
    import resource

    with suppress(OSError):
        os.nice(10)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # before the kernel, if it comes to that
        file.write("1000")


def _end_with(line: int) -> None:
    """Ends the process when the other end hangs up, whatever it is doing."""
    poll = select.poll()
    poll.register(line, 0)
    poll.poll()
    os._exit(0)


def _serve(line: int) -> None:
    received = bytearray()
    while not _is_spent():
        _patient()
        question = unpacked(received)
        if question is not None:
            _hasty()
            _send(line, packed(_answer(question)))
            del question
            continue
        ready, _, _ = select.select([line], [], [], IDLE)
        data = os.read(line, _AT_ONCE) if ready else b""
        if not data:
            return
        received += data


def _is_spent() -> bool:
    return sum(size for size, _ in _spent) > SPENT


def _hasty() -> None:
    """From here on there is a deadline, which no code can sleep through."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + PROCESSOR
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)


def _patient() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _send(line: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(line, view) :]


# -- questions --------------------------------------------------------------------------------------


def _answer(question: Question) -> Answer:
    _surround(question)
    namespace = vars(sys.modules["__main__"])
    namespace["__builtins__"] = _Builtins(question.around.modules)
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
        _is_spent(),
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
    except StrangeError:
        return Answer(number, destructor=True)
    except LoadError as error:
        return Answer(number, problem=str(error))
    except Exception as error:
        return Answer(number, problem=f"{type(error).__name__}: {error}")


def _loaded(question: Question, given: Given, namespace: dict[str, Any], guard: Guard) -> dict[str, Any]:
    admission = Admission(no_destructors=question.kind == "census")
    copies = Copies()
    waiting = len(_registered)
    try:
        objects = decode(given, namespace, admission=admission, copies=copies)
    finally:
        if admission.destructor or len(_registered) > waiting:
            _spent.append((given.size, copies))
    if guard.forbidden is not None:
        raise LoadError(f"{', '.join(given.names)}: to load this {guard.forbidden}")
    return objects


class _Builtins(dict[str, Any]):
    """What code of the notebook finds when it looks for a global: modules that the notebook has imported."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        super().__init__(vars(builtins))
        self._modules = modules

    def __missing__(self, name: str) -> Any:
        return importlib.import_module(self._modules[name])


_written: dict[str, int] = {}
"""When the user's own modules that were imported were written last, by their names."""


def _forget_changed() -> None:
    """What the user has changed of his own modules since an earlier question is imported anew."""
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if type(module) is types.ModuleType else None
        if type(file) is not str or is_of_a_library(file) or name.partition(".")[0] == "kishu_kernel":
            continue
        with suppress(OSError):
            written = os.stat(file).st_mtime_ns
            if _written.setdefault(name, written) != written:
                del sys.modules[name], _written[name]
    importlib.invalidate_caches()


def _surround(question: Question) -> None:
    around = question.around
    sys.path[:] = around.path
    _forget_changed()
    for name, lines in around.sources.items():
        linecache.cache[name] = (sum(map(len, lines)), None, list(lines), name)
    if around.directory != os.getcwd():
        with allowed_in_process(), suppress(OSError):
            os.chdir(around.directory)
