"""A cell that takes part in the history: what is known of it while it runs, and how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kishu_kernel.doings import Recording
from kishu_kernel.model import CellRun, CellStatus
from kishu_kernel.running import Ticket

_INTERRUPTS = ("KeyboardInterrupt", "CancelledError")


@dataclass(eq=False)
class VisibleCell:
    """A visible cell, from its beginning to its checkpoint.

    Attributes:
        count: its number.
        ticket: None where it could not be watched.
        recording: of what it does to the world outside; None where nobody listens.
        run: how it ended; None while it runs.
        taken: its checkpoint is being taken, or was.
        whole: it was watched from its beginning on.
        thread: the one that it runs on.
    """

    code: str
    source: str
    msg_id: str
    count: int
    ticket: Ticket | None
    recording: Recording | None
    run: CellRun | None = None
    taken: bool = False
    whole: bool = True
    thread: int = field(default_factory=threading.get_ident)
    _started: float = field(default_factory=time.perf_counter)

    def stop(self, reply: Mapping[str, Any]) -> None:
        """It has ended. Stopped again it stays as it was."""
        if self.run is None:
            duration = time.perf_counter() - self._started
            effects = None if self.recording is None else self.recording.end()
            run = _cell_run(self.code, self.count, reply, duration)
            self.run = replace(run, effects=effects if self.whole else None)


def not_run(count: int) -> dict[str, Any]:
    """The reply to a cell that was interrupted before it ran."""
    reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "interrupted before the cell ran"}
    return {**reply, "traceback": [], "execution_count": count, "user_expressions": {}, "payload": []}


def _cell_run(code: str, count: int, reply: Mapping[str, Any], duration: float) -> CellRun:
    status: CellStatus = "ok"
    error = None
    if reply.get("status") == "error":
        error = str(reply.get("ename"))
        status = "interrupted" if error in _INTERRUPTS else "error"
    return CellRun(code, count, status, time.time(), duration, error)
