"""A kernel whose server has died: ipykernel ends it within a second. What waits is written first.

Law: it ends all the same, with the same exit status. Neighbour: `ending`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from ipykernel.parentpoller import ParentPollerUnix

_LOOKS = 1.0
"""Seconds between two looks, as in ipykernel."""


class GracefulParentPoller(ParentPollerUnix):
    """As ipykernel's.

    Args:
        parent: the process that started the kernel; 0 where that is not known.
        orphaned: ends the process, and does not return.
    """

    def __init__(self, parent: int, orphaned: Callable[[], None]) -> None:
        super().__init__(parent)  # type: ignore[no-untyped-call]
        self._orphaned = orphaned

    def run(self) -> None:
        """Waits until the parent is gone."""
        first = os.getppid()
        known = first == self.parent_pid
        while os.getppid() == first and (known or first != 1):
            time.sleep(_LOOKS)
        if known or os.getppid() == 1:
            self._orphaned()


def graceful_poller(poller: Any, orphaned: Callable[[], None]) -> Any:
    """The poller of an application, which has not begun: one that ends the process in its time, if we know its kind."""
    return GracefulParentPoller(poller.parent_pid, orphaned) if type(poller) is ParentPollerUnix else poller
