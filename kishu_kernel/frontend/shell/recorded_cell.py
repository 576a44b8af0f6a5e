"""The cells that get a checkpoint: what is known of one while it runs, how it ended, and who waits for its checkpoint.

Cells that a frontend runs hidden (silent, or not to be stored in the history) get none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from kishu_kernel.detect.access import is_only_magic
from kishu_kernel.model import CellRun, CellStatus
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.process.audit_hook import Recorder
from kishu_kernel.process.tracing import untraced
from kishu_kernel.session.running_cells import Ticket

_INTERRUPTS = ("KeyboardInterrupt", "CancelledError")


@dataclass(eq=False)
class RecordedCell:
    """A cell from its beginning to its checkpoint.

    Attributes:
        code: what the user wrote.
        source: the Python that IPython makes of it, and the request's `user_expressions`.
        msg_id: the id of the request; outputs of the cell have it as their parent.
        count: its execution count.
        ticket: from `Session.before_cell`; None where the session could not watch the cell.
        recorder: records its side effects; None where they are not recorded.
        run: how it ended; None while it runs.
        taken: its checkpoint is being taken, or was.
        from_start: it was watched from its beginning on.
        thread: the id of the thread that it runs on.
    """

    code: str
    source: str
    msg_id: str
    count: int
    ticket: Ticket | None
    recorder: Recorder | None
    run: CellRun | None = None
    taken: bool = False
    from_start: bool = True
    thread: int = field(default_factory=threading.get_ident)
    _started: float = field(default_factory=time.perf_counter)

    @untraced()
    def end(self, reply: Mapping[str, Any]) -> None:
        """Notes that the cell has ended. Called again it does nothing.

        Args:
            reply: the content of its `execute_reply`.
        """
        if self.run is None:
            duration = time.perf_counter() - self._started
            effects = None if self.recorder is None else self.recorder.stop()
            self.run = _cell_run(self.code, self.count, reply, duration, effects if self.from_start else None)

    def cut_off(self) -> CellRun:
        """Returns what to record of a cell that still runs when the process ends."""
        return CellRun(self.code, self.count, "interrupted", time.time(), time.perf_counter() - self._started)


class RecordedCells:
    """The cells that run, or whose checkpoints are not taken yet. Safe from any thread."""

    def __init__(self) -> None:
        self._cells: list[RecordedCell] = []
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[RecordedCell]:
        return iter(list(self._cells))

    def add(self, cell: RecordedCell) -> None:
        """Adds a cell that begins to run."""
        self._cells.append(cell)

    def take(self, cell: RecordedCell) -> bool:
        """Returns whether the caller is to take the cell's checkpoint: it has ended, and nobody else takes it."""
        with self._changed:
            if cell.taken or cell.run is None:
                return False
            cell.taken = True
            return True

    def remove(self, cell: RecordedCell) -> None:
        """Removes a cell whose checkpoint is taken."""
        with self._changed:
            self._cells.remove(cell)
            self._changed.notify_all()

    @property
    def pending(self) -> bool:
        """Whether a cell has ended, so that its reply may have left, and its checkpoint is not taken yet."""
        return any(cell.run is not None for cell in self._cells)

    def are_running(self) -> bool:
        """Whether a cell runs that will get a checkpoint."""
        return any(cell.run is None and not is_only_magic(cell.source, "kishu") for cell in self)

    def wait_for_other_threads(self) -> None:
        """Waits until no cell that ended on another thread has a pending checkpoint."""
        here = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not any(cell.run and cell.thread != here for cell in self._cells))

    def wait_for_pending(self, timeout: float) -> bool:
        """Waits until no checkpoint is pending. Not to be called on a thread that runs cells.

        Returns:
            False if that took longer than `timeout` seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self.pending, timeout)

    def stop(self, seconds: float) -> list[RecordedCell]:
        """Gives running cells so many seconds to end. Not to be called on a thread that runs cells.

        Returns:
            The cells that still run; none of them will get a checkpoint by itself.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._cells, seconds)
            running = [cell for cell in self._cells if cell.run is None and not cell.taken]
            for cell in running:
                cell.taken = True
            return running


def interrupted(count: int, begun: bool = False) -> dict[str, Any]:
    """Returns the content of the reply to a cell that was interrupted, and not in its code.

    Args:
        begun: IPython had begun with it.
    """
    told = "interrupted" if begun else "interrupted before the cell ran"
    reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": told}
    return {**reply, "traceback": [], "execution_count": count, "user_expressions": {}, "payload": []}


def _cell_run(
    code: str, count: int, reply: Mapping[str, Any], duration: float, effects: tuple[str, ...] | None
) -> CellRun:
    status: CellStatus = "ok"
    error = None
    if reply.get("status") == "error":
        error = str(reply.get("ename"))
        status = "interrupted" if error in _INTERRUPTS else "error"
    return CellRun(code, count, status, time.time(), duration, error, effects)
