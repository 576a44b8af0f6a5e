"""The kernel's end of the line to the checker process.

Law: nothing here waits longer than it is told to; a checker that cannot be started, or dies, is an answer that does not
come. It is started by `subprocess`, never by a fork of the kernel; that forks once more and ends, so that the
checker is no child of the kernel's: a notebook that waits for its children, or counts them, does not meet it.
"""

from __future__ import annotations

import json
import linecache
import os
import select
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError
from kishu_kernel.objects.codec.pickling import Stored
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.session.checker.questions import (
    PATIENCE,
    Answer,
    Bytes,
    Given,
    Kind,
    NoAnswerError,
    Question,
    Surroundings,
    packed,
    unpacked,
)

if TYPE_CHECKING:  # a kernel starts without it
    from kishu_kernel.compare.facts import Comparison

FAILURES_AT_MOST = 3
"""Checkers that died over a question: after so many there is none any more."""
SENT_AT_MOST = 600_000_000
"""Bytes of payloads in one question."""
_AT_ONCE = 1 << 20
_START = (
    "import os; os.fork() and os._exit(0); "  # first of all: the kernel waits for this
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from kishu_kernel.session.checker.child import main; main()"
)


class Checker:
    """Asks the checker process, which it starts when it is first asked. Not safe from several threads at a time.

    Args:
        namespace: of the notebook; which modules it has imported is told to the checker.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._line: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._number = 0
        self._answers: dict[int, Answer] = {}
        self._failures = 0
        self._owner = 0

    def __del__(self) -> None:
        self.close()

    def ask(self, kind: Kind, payloads: Sequence[Stored], names: Sequence[str] = ()) -> int:
        """Puts a question; its number, for `answer`. An answer to an earlier one is no longer waited for.

        Raises:
            NoAnswerError: there is no checker, or it is too much for it.
        """
        given = tuple(_given(each) for each in payloads)
        if sum(each.size for each in given) > SENT_AT_MOST:
            raise NoAnswerError
        if len(self._unsent):  # of a question that nobody waits for any more
            self.close()
        line = self._line
        if line is None or _is_gone(line):
            self._start()
        self._number += 1
        self._answers.clear()
        question = Question(self._number, kind, given, tuple(names), _surroundings(kind, self._namespace))
        self._unsent = memoryview(packed(question))
        return self._number

    def answer(self, number: int, seconds: float) -> Answer | None:
        """The answer to a question; None where it has not come after so many seconds.

        Raises:
            NoAnswerError: it will not come.
        """
        deadline = time.monotonic() + seconds
        try:
            while number not in self._answers:
                left = max(deadline - time.monotonic(), 0.0)
                self._exchange(left)
                if not left and number not in self._answers:
                    return None
        except Exception as error:  # it is gone, or what came is none of ours
            self._failures += 1
            self.close()
            raise NoAnswerError from error
        answer = self._answers.pop(number)
        if answer.last:
            self.close()
        return answer

    def compared(self, stored: Sequence[Stored], names: Sequence[str]) -> Mapping[str, Comparison]:
        """How these variables differ between two payloads. Takes as long as the checker is patient.

        Raises:
            NoAnswerError: there is none.
            LoadError: the payloads cannot be loaded, or may not.
        """
        answer = self.answer(self.ask("comparison", stored, names), PATIENCE)
        if answer is None:
            self.close()
            raise NoAnswerError
        if answer.problem is not None:
            raise LoadError(answer.problem)
        return answer.comparisons

    def close(self) -> None:
        """Hangs up: the checker ends."""
        line, self._line = self._line, None
        self._unsent = memoryview(b"")
        self._received.clear()
        if line is not None:
            if os.getpid() == self._owner:  # not in a process that was forked from it
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _exchange(self, seconds: float) -> None:
        """Sends and receives what can be; waits until something can."""
        line = self._line
        if line is None:
            raise EOFError
        poll = select.poll()
        poll.register(line, select.POLLIN | (select.POLLOUT if len(self._unsent) else 0))
        events = poll.poll(int(seconds * 1000))
        uninterrupted(lambda: self._transfer(line, events))

    def _transfer(self, line: socket.socket, events: list[tuple[int, int]]) -> None:
        for _, event in events:
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = line.recv(_AT_ONCE)
                if not data:
                    raise EOFError
                self._received += data
            elif event & select.POLLOUT:
                sent = line.send(self._unsent[:_AT_ONCE], getattr(socket, "MSG_NOSIGNAL", 0))
                self._unsent = self._unsent[sent:]
        while (answer := unpacked(self._received)) is not None:
            if answer.number == self._number:  # others came too late
                self._answers[answer.number] = answer

    def _start(self) -> None:
        self.close()
        if self._failures >= FAILURES_AT_MOST or not _can_be_started():
            raise NoAnswerError
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                _start_process(theirs)
        except BaseException as error:
            ours.close()
            if not isinstance(error, (OSError, subprocess.SubprocessError)):
                raise
            self._failures += 1
            raise NoAnswerError from error
        ours.setblocking(False)
        self._owner = os.getpid()
        self._line = ours


def _start_process(line: socket.socket) -> None:
    package = str(Path(__file__).resolve().parents[2])
    path = [*filter(None, sys.path), package]
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "MPLBACKEND": "Agg",  # whatever draws in the notebook: nothing is drawn here
    }
    process = subprocess.Popen(
        [sys.executable, "-B", "-W", "ignore", "-c", _START, json.dumps(path)],
        stdin=line.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=package,
        env=environment,
        start_new_session=True,
    )
    try:
        process.wait(30)  # it forks and ends
    except BaseException:
        process.kill()
        process.wait()
        raise


def _can_be_started() -> bool:
    """There is an interpreter, and nobody of the notebook's hears that it has forked and ended."""
    child_ended = getattr(signal, "SIGCHLD", None)
    if not sys.executable or child_ended is None or not hasattr(select, "poll") or not hasattr(os, "fork"):
        return False
    return signal.getsignal(child_ended) in (signal.SIG_DFL, signal.SIG_IGN)


def _is_gone(line: socket.socket) -> bool:
    """The other end has hung up, as it does when nobody asks it for long."""
    try:
        return line.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _given(stored: Stored) -> Given:
    return Given(stored.names, bytes(stored.stream), tuple(map(_bytes, stored.blobs)), dict(stored.made_by))


def _bytes(blob: Any) -> Bytes:
    data = bytearray(blob.nbytes)
    blob.readinto(memoryview(data))
    return Bytes(data, blob.direct)


def _surroundings(kind: Kind, namespace: Mapping[str, Any]) -> Surroundings:
    try:
        directory = os.getcwd()
    except OSError:  # it is gone
        directory = os.sep
    sources = {}
    if kind == "comparison":  # cells have their lines here, and nowhere else
        known = ((name, entry) for name, entry in list(linecache.cache.items()) if len(entry) == 4 and entry[1] is None)
        sources = {name: tuple(entry[2]) for name, entry in known}
    modules = {
        name: value.__name__
        for name, value in dict(namespace).items()
        if type(value) is types.ModuleType and type(name) is str and value.__name__ in sys.modules
    }
    return Surroundings(tuple(map(str, sys.path)), directory, sources, modules)
