"""Connects to a live kernel, and carries messages; what they mean is the business of `client`.

Law: a kernel that has ended is not waited for. It is distinguished from one that is busy, even inside a library that
lets no other thread run, by whether its process still listens.
Neighbour: `finding` knows which kernel is meant.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from kishu_kernel.client import finding
from kishu_kernel.errors import NoKernelError, NoReplyError
from kishu_kernel.store.catalog import running_kernels

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

Json = dict[str, Any]

STARTING = 60.0
"""Seconds that a kernel that was just started has until it listens."""
PATIENCE = 30.0
"""Seconds that a kernel has to answer what waits for no cell, even if a library keeps its threads from running."""
QUIET = 1.0
"""Seconds between two checks whether the kernel still lives. After the first, `waiting` is called."""


class Connection:
    """A connection to one kernel, over its shell channel and its control channel.

    Args:
        info: the content of its connection file.
        name: what to call the kernel in a sentence.
        pid: the id of its process; None where it is not known.
        waiting: called where it does not answer at once.

    Attributes:
        file: the path of its connection file; None where it is not known.
    """

    def __init__(
        self, info: Mapping[str, Any], name: str, pid: int | None, file: str | None, waiting: Callable[[], None] | None
    ) -> None:
        from jupyter_client.blocking.client import BlockingKernelClient

        self._info = info
        self._pid = pid
        self._waiting = waiting
        self.name = name
        self.file = file
        self._client: BlockingKernelClient = BlockingKernelClient()
        # Who forgets to close it must not wait for ever: a context that is collected waits for sockets of its own.
        self._end = weakref.finalize(self, _end, self._client)
        self._end.atexit = False
        self._client.load_connection_info(cast(Any, dict(info)))
        self._client.start_channels(iopub=False, stdin=False, hb=False)

    @classmethod
    def to(cls, where: Any, waiting: Callable[[], None] | None = None, called: str | None = None) -> Connection:
        """Connects as `client.connect` does.

        Raises:
            NoKernelError: no kernel is live there.
            RequestError: several are.
        """
        if hasattr(where, "get_connection_info"):
            info = where.get_connection_info(session=False)
            _await(info, STARTING, "this kernel has ended, or was not started")
            return cls(info, called or "this client", None, getattr(where, "connection_file", None) or None, waiting)
        kernel = finding.kernel_of(str(os.fspath(where)))
        name = called or str(os.fspath(where))
        read = running_kernels.read_connection_file(kernel.connection_file)
        if read is None:
            raise NoKernelError(f"{kernel.connection_file} is not the connection file of a kernel")
        _await(read, 0.0, f"the kernel of {name} has ended, or has not begun yet")
        return cls(read, name, kernel.pid or None, kernel.connection_file, waiting)

    @property
    def encrypted(self) -> bool:
        """Whether what is sent is encrypted (CurveZMQ)."""
        return bool(self._info.get("curve_publickey"))

    def close(self) -> None:
        """Ends the connection. The kernel goes on."""
        self._end()

    def send(self, channel: str, kind: str, content: Json) -> str:
        """Sends a request; returns what `reply` takes."""
        message = self._client.session.msg(kind, content)
        self._channel(channel).send(message)
        return str(message["header"]["msg_id"])

    def reply(self, channel: str, request: str, timeout: float | None) -> Json:
        """Waits for the reply to a request, and returns its content.

        Args:
            request: what `send` returned.
            timeout: seconds; None: as long as the kernel lives.

        Raises:
            NoReplyError: the time is over.
            NoKernelError: the kernel ended.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        first = True
        while True:
            reply = self.arrived(channel, request, min(QUIET, max(0.0, deadline - time.monotonic())))
            if reply is not None:
                return reply
            queued = channel == "shell"
            self.check(
                deadline, "it is busy, and does this when its cell has ended" if queued else "it is stopped or blocked"
            )
            if first and self._waiting is not None:
                self._waiting()
            first = False

    def arrived(self, channel: str, request: str, seconds: float) -> Json | None:
        """Returns the content of the reply to a request; None if it does not come within so many seconds."""
        deadline = time.monotonic() + seconds
        line = _blocking(self._channel(channel).socket)
        while line.poll(int(1000 * max(0.0, deadline - time.monotonic()))):
            _, message = self._client.session.recv(line)
            if message is not None and message["parent_header"].get("msg_id") == request:
                content: Json = message["content"]
                return content
        return None

    def check(self, deadline: float, state: str) -> None:
        """Raises as `reply` does, where the kernel has ended or the time is over."""
        if not running_kernels.is_listening(self._info) or (
            self._pid is not None and not running_kernels.is_process_running(self._pid)
        ):
            ended = NoKernelError(f"the kernel of {self.name} ended before it answered")
            ended.hint = "Begin again with a new kernel: what it did until its last written state is in the history."
            raise ended
        if time.monotonic() >= deadline:
            raise NoReplyError(f"the kernel of {self.name} did not answer in time: {state}")

    @contextmanager
    def hearing(self) -> Iterator[Callable[[float], Iterator[Json]]]:
        """Receives what the kernel publishes, from the beginning of the block on.

        The function that it gives yields the messages that have come; it waits so many seconds for the first of them.
        """
        socket = self._client.connect_iopub()
        line = _blocking(socket)

        def heard(seconds: float) -> Iterator[Json]:
            while line.poll(int(seconds * 1000)):
                _, message = self._client.session.recv(line)
                if message is not None:
                    yield message
                seconds = 0.0

        try:
            deadline = time.monotonic() + PATIENCE
            asked: set[str] = set()  # what is heard may be of one before the last: to wait for the last may never end
            while True:  # a subscription takes a moment: it is there when something is heard of a request
                asked.add(self.send("control", "kishu_request", {"operation": "status"}))  # which draws no number
                if any(message["parent_header"].get("msg_id") in asked for message in heard(0.1)):
                    break
                self.check(deadline, "it publishes nothing")
            yield heard
        finally:
            socket.close(linger=0)

    def _channel(self, name: str) -> Any:
        return getattr(self._client, f"{name}_channel")


def _end(client: BlockingKernelClient) -> None:
    client.stop_channels()
    client.context.destroy(linger=0)


def _blocking(socket: Any) -> Any:
    """The same socket, as one that waits: before jupyter_client 8 those of a blocking client are asyncio's, too."""
    import zmq

    return zmq.Socket.shadow(socket)


def _await(info: Mapping[str, Any], seconds: float, otherwise: str) -> None:
    """Waits until the kernel listens. Raises `NoKernelError` where it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not running_kernels.is_listening(info):
        if time.monotonic() >= deadline:
            raise NoKernelError(otherwise)
        time.sleep(0.02)
