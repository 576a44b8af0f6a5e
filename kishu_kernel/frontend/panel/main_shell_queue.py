"""Queues work for the kernel's main shell, to be done between cells, in turn with its messages.

A callback of a comm may run on a subshell's thread, or on the main thread while a cell there awaits something. The
session must not be changed in either place. So the work is put into the queue of the main shell, as a message that the
kernel sends to itself: it waits for the cells that were sent before it, and can be interrupted as any request.

Law: only what `post` was given is run. A message of the same name that a client sends does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from kishu_kernel.errors import RequestError

MESSAGE = "kishu_work"
"""The type of the message."""

Work = Callable[[], None]


class MainShellQueue:
    """The queue of an ipykernel's main shell.

    Args:
        kernel: the kernel; None in IPython's terminal.

    Raises:
        RequestError: there is no kernel that has such a queue.
    """

    def __init__(self, kernel: Any) -> None:
        if not hasattr(kernel, "shell_handlers"):
            raise RequestError("the panel needs a notebook")
        self._kernel = kernel
        self._no_subshells = not hasattr(kernel, "shell_main")
        """Before ipykernel 7, every message comes to the main shell, in its turn."""
        self._numbers = count(1)
        self._waiting: dict[int, Work] = {}
        kernel.shell_handlers[MESSAGE] = self._on_message

    def post(self, work: Work) -> None:
        """Runs `work` on the main thread, after all that the shell was sent before. May be called on any thread."""
        if self._no_subshells:
            work()
            return
        number = next(self._numbers)
        self._waiting[number] = work
        session = self._kernel.session
        frames = session.serialize(session.msg(MESSAGE, {"number": number}))
        channel = self._kernel.shell_channel_thread
        if channel is None:  # subshells are switched off: the caller is on the main thread, in its turn
            self._kernel.io_loop.add_callback(self._kernel.shell_main, None, _received(frames))
            return
        # As ipykernel's own messages to itself: its sockets belong to the thread that reads the shell channel.
        channel.io_loop.add_callback(
            lambda: channel.manager.get_shell_channel_to_subshell_socket(None).send_multipart(frames)
        )

    def _on_message(self, _stream: Any, _ident: Any, message: dict[str, Any]) -> None:
        work = self._waiting.pop(message["content"].get("number"), None)
        if work is not None:
            work()


def _received(frames: list[bytes]) -> list[Any]:
    import zmq

    return [zmq.Frame(frame) for frame in frames]
