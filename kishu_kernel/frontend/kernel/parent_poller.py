"""Ends a kernel whose server has died, as ipykernel does within a second, but writes first what waits to be written.

Law: the kernel ends all the same, with the same exit status.
Neighbour: `shell.shutdown`, which writes and ends.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ipykernel.parentpoller import ParentPollerUnix

_INTERVAL = 1.0
"""Seconds between two looks at the parent, as in ipykernel."""


class GracefulParentPoller(ParentPollerUnix):
    """A parent poller that calls a function where ipykernel's ends the process at once.

    Args:
        parent: the id of the process that started the kernel; 0 where that is not known.
        on_parent_gone: ends the process, and does not return.
    """

    def __init__(self, parent: int, on_parent_gone: Callable[[], None]) -> None:
        threading.Thread.__init__(
            self, daemon=True
        )  # what the base class is given differs between versions of ipykernel
        self.parent_pid = parent
        self._on_parent_gone = on_parent_gone

    def run(self) -> None:
        """Waits until the parent is gone; then calls `on_parent_gone`."""
        first = os.getppid()
        known = first == self.parent_pid
        while os.getppid() == first and (known or first != 1):
            time.sleep(_INTERVAL)
        if known or os.getppid() == 1:
            self._on_parent_gone()


def watch_owner(owner: socket.socket, on_gone: Callable[[], None]) -> None:
    """Calls `on_gone`, on a thread of its own, when the other end of a connection is closed."""

    def wait() -> None:
        with suppress(OSError):
            while owner.recv(1):
                pass
        on_gone()

    threading.Thread(target=wait, name="kishu-owner", daemon=True).start()


def graceful_poller(poller: Any, on_parent_gone: Callable[[], None]) -> Any:
    """Returns a graceful poller to put in the place of an application's; one of a kind that is not known, as it is."""
    if type(poller) is not ParentPollerUnix:
        return poller
    return GracefulParentPoller(getattr(poller, "parent_pid", 0), on_parent_gone)  # older ones do not know it
