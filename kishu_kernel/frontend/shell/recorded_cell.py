"""Cells that take part in the history: what is known of one while it runs, how it ended, and who waits for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kishu_kernel.model import CellRun, CellStatus
from kishu_kernel.process.audit_hook import Recorder
from kishu_kernel.session.running_cells import Ticket

_INTERRUPTS = ("KeyboardInterrupt", "CancelledError")


@dataclass(eq=False)
class RecordedCell:
    """A printable cell, from its beginning to its checkpoint.

    Attributes:
        count: its number.
        ticket: None where it could not be watched.
        recorder: of what it does to the world outside; None where nobody listens.
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
    recorder: Recorder | None
    run: CellRun | None = None
    taken: bool = False
    whole: bool = True
    thread: int = field(default_factory=threading.get_ident)
    _started: float = field(default_factory=time.perf_counter)

    def stop(self, reply: Mapping[str, Any]) -> None:
        """It has ended. Stopped again it stays as it was."""
        if self.run is None:
            duration = time.perf_counter() - self._started
            effects = None if self.recorder is None else self.recorder.stop()
            run = _cell_run(self.code, self.count, reply, duration)
            self.run = replace(run, effects=effects if self.whole else None)

    def cut_off(self) -> CellRun:
        """How it will have ended, where the process ends before it does."""
        return CellRun(self.code, self.count, "interrupted", time.time(), time.perf_counter() - self._started)


class RecordedCells:
    """Those that run, until their checkpoints are taken. Safe from any thread."""

    def __init__(self) -> None:
        self._running: list[RecordedCell] = []
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[RecordedCell]:
        return iter(list(self._running))

    def begin(self, cell: RecordedCell) -> None:
        """It runs."""
        self._running.append(cell)

    def take(self, cell: RecordedCell) -> bool:
        """Whether its checkpoint is to be taken now: it has ended, and this was not asked before."""
        with self._changed:
            if cell.taken or cell.run is None:
                return False
            cell.taken = True
            return True

    def taken(self, cell: RecordedCell) -> None:
        """Its checkpoint is."""
        with self._changed:
            self._running.remove(cell)
            self._changed.notify_all()

    @property
    def owing(self) -> bool:
        """A cell's reply may have left, and its checkpoint is not taken yet."""
        return any(cell.run is not None for cell in self._running)

    def others_settled(self) -> None:
        """Waits until all cells of other threads that have ended are checkpointed: without this one's doing."""
        here = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not any(cell.run and cell.thread != here for cell in self._running))

    def caught_up(self, timeout: float) -> bool:
        """Waits, on another thread than the cells', until nothing is owed. False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.owing, timeout)

    def stop(self, seconds: float) -> list[RecordedCell]:
        """Waits, on another thread than the cells', for them to end; takes away those that do not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)
            running = [cell for cell in self._running if cell.run is None and not cell.taken]
            for cell in running:
                cell.taken = True
            return running


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
