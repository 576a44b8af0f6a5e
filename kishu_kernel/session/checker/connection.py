"""The kernel's side of the checker process: starts it, sends questions, receives answers.

Law: nothing here waits longer than it is told to. A checker that cannot be started, or dies, is no error: its answer
does not come. It is started by `subprocess`, never by a fork of the kernel; the started process forks once more and
ends, so that the checker is no child of the kernel's: a notebook that waits for its children, or counts them, does not
meet it.
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
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.process.starting import connected
from kishu_kernel.session.checker.messages import (
    PATIENCE,
    Answer,
    CopiedBlob,
    CopiedPayload,
    Environment,
    NoAnswerError,
    Question,
    QuestionKind,
    encode_message,
    take_message,
)

if TYPE_CHECKING:  # a kernel starts without it
    from kishu_kernel.compare.facts import Comparison

FAILURES_AT_MOST = 3
"""After so many checkers that failed, none is started any more."""
SENT_AT_MOST = 600_000_000
"""Bytes of the payloads in one question."""
_CHUNK = 1 << 20
_START_CODE = (
    "import os; os.fork() and os._exit(0); "  # first of all: the kernel waits for this
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from kishu_kernel.session.checker.server import main; main()"
)


class Checker:
    """Asks the checker process, which it starts for the first question. Not safe from several threads at a time.

    Args:
        namespace: the notebook's; the checker is told which modules it has imported.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._socket: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self._number = 0
        self._answers: dict[int, Answer] = {}
        self._failures = 0
        self._owner = 0

    def __del__(self) -> None:
        self.close()

    def ask(self, kind: QuestionKind, payloads: Sequence[Stored], names: Sequence[str] = ()) -> int:
        """Sends a question. The answers to earlier ones are dropped.

        Args:
            names: variables to be compared, for a comparison.

        Returns:
            The number of the question, for `answer`.

        Raises:
            NoAnswerError: no checker can be started, or the payloads are too large, or of a library that was
                registered by a cell, so that the checker knows nothing of it.
        """
        copied = tuple(_copied(each) for each in payloads)
        if sum(each.size for each in copied) > SENT_AT_MOST or any(map(_is_known_here_only, copied)):
            raise NoAnswerError
        if len(self._unsent):  # of an earlier question, for whose answer nobody waits any more
            self.close()
        connection = self._socket
        if connection is None or _is_gone(connection):
            self._start()
        self._number += 1
        self._answers.clear()
        question = Question(self._number, kind, copied, tuple(names), _environment(kind, self._namespace))
        self._unsent = memoryview(encode_message(question))
        return self._number

    def answer(self, number: int, seconds: float) -> Answer | None:
        """The answer to a question; None if it has not come after so many seconds.

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
        except Exception as error:  # the checker is gone, or what it sent is no answer
            self._failures += 1
            self.close()
            raise NoAnswerError from error
        answer = self._answers.pop(number)
        if answer.last:
            self.close()
        return answer

    def compare(self, stored: Sequence[Stored], names: Sequence[str]) -> Mapping[str, Comparison]:
        """How these variables differ between two payloads. Waits at most `PATIENCE`.

        Raises:
            NoAnswerError: the checker did not answer.
            LoadError: the payloads cannot be loaded, or may not be.
        """
        answer = self.answer(self.ask("comparison", stored, names), PATIENCE)
        if answer is None:
            self.close()
            raise NoAnswerError
        if answer.problem is not None:
            raise LoadError(answer.problem)
        return answer.comparisons

    def close(self) -> None:
        """Closes the connection, upon which the checker ends."""
        connection, self._socket = self._socket, None
        self._unsent = memoryview(b"")
        self._received.clear()
        if connection is not None:
            if os.getpid() == self._owner:  # not in a process that was forked from it
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _exchange(self, seconds: float) -> None:
        """Sends and receives what is possible now; waits, at most so many seconds, until something is."""
        connection = self._socket
        if connection is None:
            raise EOFError
        poll = select.poll()
        poll.register(connection, select.POLLIN | (select.POLLOUT if len(self._unsent) else 0))
        events = poll.poll(int(seconds * 1000))
        uninterrupted(lambda: self._transfer(connection, events))

    def _transfer(self, connection: socket.socket, events: list[tuple[int, int]]) -> None:
        for _, event in events:
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                data = connection.recv(_CHUNK)
                if not data:
                    raise EOFError
                self._received += data
            elif event & select.POLLOUT:
                sent = connection.send(self._unsent[:_CHUNK], getattr(socket, "MSG_NOSIGNAL", 0))
                self._unsent = self._unsent[sent:]
        while (answer := take_message(self._received)) is not None:
            if answer.number == self._number:  # the others came too late
                self._answers[answer.number] = answer

    def _start(self) -> None:
        self.close()
        if self._failures >= FAILURES_AT_MOST or not _can_be_started():
            raise NoAnswerError
        try:
            ours = _connected()
        except (OSError, subprocess.SubprocessError) as error:
            self._failures += 1
            raise NoAnswerError from error
        ours.setblocking(False)
        self._owner = os.getpid()
        self._socket = ours


def _connected() -> socket.socket:
    package = str(Path(__file__).resolve().parents[2])
    path = [*filter(None, sys.path), package]
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "MPLBACKEND": "Agg",  # whatever draws in the notebook: nothing is drawn here
    }
    command = [sys.executable, "-B", "-W", "ignore", "-c", _START_CODE, json.dumps(path)]
    return connected(command, package, environment)


def _can_be_started() -> bool:
    """There is an interpreter, and no signal handler of the notebook's would see the started process end."""
    child_ended = getattr(signal, "SIGCHLD", None)
    if not sys.executable or child_ended is None or not hasattr(select, "poll") or not hasattr(os, "fork"):
        return False
    return signal.getsignal(child_ended) in (signal.SIG_DFL, signal.SIG_IGN)


def _is_gone(connection: socket.socket) -> bool:
    """The checker has closed the connection, as it does when nobody asks it for a while."""
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _copied(stored: Stored) -> CopiedPayload:
    return CopiedPayload(
        stored.names, bytes(stored.stream), tuple(map(_copied_blob, stored.blobs)), dict(stored.made_by)
    )


def _copied_blob(blob: Any) -> CopiedBlob:
    data = bytearray(blob.nbytes)
    blob.readinto(memoryview(data))
    return CopiedBlob(data, blob.direct)


def _is_known_here_only(payload: CopiedPayload) -> bool:
    return any(name.encode() in payload.stream for name in registry.packages_known_here_only())


def _environment(kind: QuestionKind, namespace: Mapping[str, Any]) -> Environment:
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
    return Environment(tuple(map(str, sys.path)), directory, sources, modules, tuple(registry.registered()))
