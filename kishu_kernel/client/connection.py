"""A connection to a live kernel: found, opened, and asked. Messages only; what they mean is `client`'s.

Law: nobody is waited for who is not there any more. A kernel that is busy, even inside a library that lets no thread
run, is told from one that has ended by whether its process still listens.
Neighbour: `store.catalog.running_kernels` knows which kernels are live.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from inspect import iscoroutinefunction
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, cast

from kishu_kernel.errors import NoKernelError, NoReplyError, RequestError, StoreError
from kishu_kernel.store.catalog import running_kernels

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

Json = dict[str, Any]

STARTING = 60.0
"""Seconds in which a kernel that was just started listens."""
PATIENCE = 30.0
"""Seconds in which a kernel answers what waits for no cell, even if a library keeps its threads from running."""
QUIET = 1.0
"""Seconds between two looks whether the kernel is still there; so long, nobody is told that it is busy."""

_NAMED = 5
"""Notebooks that a sentence names at most."""


class Connection:
    """To one kernel, over its shell channel and its control channel.

    Args:
        info: what its connection file says.
        name: what to call the kernel in a sentence.
        pid: of its process, where that is known.
        waiting: called where it does not answer at once.

    Attributes:
        file: its connection file, where that is known.
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
        self._client.load_connection_info(cast(Any, dict(info)))
        self._client.start_channels(iopub=False, stdin=False, hb=False)

    @classmethod
    def to(cls, where: Any, waiting: Callable[[], None] | None = None, called: str | None = None) -> Connection:
        """As `client.connect`.

        Raises:
            NoKernelError: no kernel is live there.
            RequestError: several are.
        """
        if hasattr(where, "get_connection_info"):
            info = where.get_connection_info(session=False)
            _await(info, STARTING, "this kernel has ended, or was not started")
            return cls(info, called or "this client", None, getattr(where, "connection_file", None) or None, waiting)
        kernel = _found(str(os.fspath(where)))
        name = called or str(os.fspath(where))
        read = running_kernels.read_connection_file(kernel.connection_file)
        if read is None:
            raise NoKernelError(f"{kernel.connection_file} is no connection file of a kernel")
        _await(read, 0.0, f"the kernel of {name} has ended")
        return cls(read, name, kernel.pid or None, kernel.connection_file, waiting)

    def close(self) -> None:
        """Ends it. The kernel goes on."""
        self._client.stop_channels()
        self._client.context.destroy(linger=0)

    def send(self, channel: str, kind: str, content: Json) -> str:
        """Sends a request; returns what `reply` takes."""
        message = self._client.session.msg(kind, content)
        self._channel(channel).send(message)
        return str(message["header"]["msg_id"])

    def reply(self, channel: str, request: str, timeout: float | None) -> Json:
        """The content of the reply to a request.

        Raises:
            NoReplyError: the time is over; None: there is time as long as the kernel lives.
            NoKernelError: the kernel ended.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        told = False
        while True:
            reply = self.arrived(channel, request, min(QUIET, max(0.0, deadline - time.monotonic())))
            if reply is not None:
                return reply
            queued = channel == "shell"
            self.check(
                deadline, "it is busy, and does this when its cell has ended" if queued else "it is stopped, or held up"
            )
            if not told and self._waiting is not None:
                self._waiting()
            told = True

    def arrived(self, channel: str, request: str, seconds: float) -> Json | None:
        """The content of the reply to a request, if it comes within so many seconds."""
        deadline = time.monotonic() + seconds
        receive = self._channel(channel).get_msg
        if iscoroutinefunction(receive):  # before jupyter_client 8
            receive = getattr(self._client, f"get_{channel}_msg")
        with suppress(Empty):
            while True:
                message = receive(timeout=max(0.0, deadline - time.monotonic()))
                if message["parent_header"].get("msg_id") == request:
                    content: Json = message["content"]
                    return content
        return None

    def check(self, deadline: float, state: str) -> None:
        """Raises, as `reply` does, where there is nobody left to answer, or the time is over."""
        if not running_kernels.is_listening(self._info) or (
            self._pid is not None and not running_kernels.is_process_running(self._pid)
        ):
            raise NoKernelError(f"the kernel of {self.name} ended before it answered")
        if time.monotonic() >= deadline:
            raise NoReplyError(f"the kernel of {self.name} did not answer in time: {state}")

    @contextmanager
    def hearing(self) -> Iterator[Callable[[float], Iterator[Json]]]:
        """What the kernel publishes, from the beginning of the block on.

        What is given yields what has come; it waits so many seconds for the first message only.
        """
        line = self._client.connect_iopub()

        def heard(seconds: float) -> Iterator[Json]:
            while line.poll(int(seconds * 1000)):
                _, message = self._client.session.recv(line, mode=0)
                if message is not None:
                    yield message
                seconds = 0.0

        try:
            deadline = time.monotonic() + PATIENCE
            asked: set[str] = set()  # what is heard may be of one before the last: to wait for the last may never end
            while True:  # a subscription takes a moment: it is there when something is heard of a request
                asked.add(self.send("control", "kernel_info_request", {}))
                if any(message["parent_header"].get("msg_id") in asked for message in heard(0.1)):
                    break
                self.check(deadline, "it publishes nothing")
            yield heard
        finally:
            line.close(linger=0)

    def _channel(self, name: str) -> Any:
        return getattr(self._client, f"{name}_channel")


def connection_file(where: str) -> str | None:
    """The path of a connection file, if one is meant.

    Raises:
        NoKernelError: there is no such file.
    """
    path = Path(where).expanduser()
    if path.suffix != ".json":
        return None
    if not path.exists() and path.name == where:
        path = running_kernels.runtime_directory() / where
    if not path.exists():
        raise NoKernelError(f"there is no connection file {where}: its kernel has ended")
    return os.path.realpath(path)


def only(kernels: Sequence[running_kernels.LiveKernel], where: str) -> running_kernels.LiveKernel | None:
    """The one that there is, if there is one. Raises `RequestError` where there are several."""
    if len(kernels) > 1:
        files = " or ".join(each.connection_file for each in kernels)
        raise RequestError(f"{len(kernels)} kernels are live on {where}: name one by its connection file, {files}")
    return kernels[0] if kernels else None


def _found(where: str) -> running_kernels.LiveKernel:
    """The kernel that is meant, by its connection file or its notebook."""
    file = connection_file(where)
    if file is not None:
        known = (each for each in running_kernels.live_kernels() if os.path.realpath(each.connection_file) == file)
        return next(known, running_kernels.LiveKernel("", 0, "", file))
    notebook = Path(where).expanduser()
    kernel = only(running_kernels.live_on(notebook) or _renamed(notebook), where)
    if kernel is None:
        raise nobody_on(where)
    return kernel


def nobody_on(where: str) -> NoKernelError:
    """What to say where no kernel is live."""
    others = list(dict.fromkeys(each.notebook for each in running_kernels.live_kernels() if each.notebook))
    there = f"there are some on {', '.join(others[:_NAMED])}" if others else "open it in Jupyter, and run a cell"
    return NoKernelError(f"no kernel with Kishu is live on {where}: {there}")


def _renamed(notebook: Path) -> list[running_kernels.LiveKernel]:
    """The kernels that have the store of a notebook open, which had another name when they began."""
    if not notebook.is_file() or not running_kernels.live_kernels():
        return []
    from kishu_kernel.model import SessionId
    from kishu_kernel.store.catalog.assignment import find_assignment
    from kishu_kernel.store.catalog.filesystems import base_for
    from kishu_kernel.store.catalog.paths import default_base

    told = os.environ.get("KISHU_STORE_DIR")
    try:
        base, _ = base_for(Path(told) if told else default_base(), False)
    except StoreError:
        return []
    place = find_assignment(base, os.path.abspath(notebook), SessionId(""))
    return [] if place.found == "new" else running_kernels.live_in(place.path)


def _await(info: Mapping[str, Any], seconds: float, otherwise: str) -> None:
    """NoKernelError where nobody listens."""
    deadline = time.monotonic() + seconds
    while not running_kernels.is_listening(info):
        if time.monotonic() >= deadline:
            raise NoKernelError(otherwise)
        time.sleep(0.02)
