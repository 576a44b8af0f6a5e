"""Takes checkpoints: of cells that have ended, and of what has changed between cells.

Law: nothing that goes wrong here may reach the user's cell. What a checkpoint could not take is unchecked, so that the
next one takes it.
Neighbours: `session` holds its gate around every call; `ledger` judges and stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import NothingToUndoError, StoreError
from kishu_kernel.model import EVERYTHING, NOTHING, Access, CellRun, Checkpoint
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.process import native
from kishu_kernel.session.lazy_timeline import LazyTimeline
from kishu_kernel.session.ledger import Ledger, Outputs
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.running_cells import RunningCells

if TYPE_CHECKING:
    from kishu_kernel.detect.detector import Judgement

KERNEL_ENDED = "the kernel was ended while this cell ran"
"""Why the checkpoint of such a cell is incomplete. Records hold this sentence: it must not change."""

INTERRUPTED = "Kishu could not store the state after this cell ({}). The next state will include what it changed."
NOT_STORED = "Kishu could not store what the last cells did: {}."
STORES_AGAIN = "Kishu stores states again, with all that changed meanwhile."


@dataclass(frozen=True, slots=True)
class FinishedCell:
    """A cell that has ended and has no checkpoint yet.

    Attributes:
        access: what it may have touched.
        outside: what it may have touched that its code does not explain.
        contained: it ran nothing but its own code, on plain data, and nothing else ran.
    """

    run: CellRun
    access: Access
    outside: Access
    outputs: Outputs
    contained: bool = False


class Checkpointer:
    """Takes the session's checkpoints.

    Args:
        warn: shows one sentence to the user; with `quiet=True` only to who looks for it.

    Attributes:
        interrupted: the last checkpoint was interrupted, or failed, and nothing has made up for it yet.
    """

    def __init__(
        self,
        names: UserNamespace,
        ledger: Ledger,
        lazy_timeline: LazyTimeline,
        cells: RunningCells,
        warn: Callable[..., None],
    ) -> None:
        self._names = names
        self._ledger = ledger
        self._lazy_timeline = lazy_timeline
        self._cells = cells
        self._warn = warn
        self.interrupted = False

    # -- of a cell -------------------------------------------------------------------------------

    def take(self, finished: FinishedCell) -> Checkpoint | None:
        """The checkpoint of a cell. If it fails, the user is warned, and an incomplete one says that the cell ran.

        Returns:
            The checkpoint; None if not even an incomplete one could be taken.
        """
        try:
            try:
                return self._take(finished)
            except StoreError:
                if self.recover() is None:
                    raise
                return self._take(finished)  # the checkpoint on which it was to build had just been lost
        except (Exception, KeyboardInterrupt) as error:  # law 8: a kernel must not die of us
            self._cells.unchecked |= finished.access | finished.outside
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, StoreError):
                self._warn(NOT_STORED.format(error))
            else:
                self.note_interrupted(reason)
            return self.note_incomplete(finished.run, reason, finished.access | finished.outside)

    def _take(self, finished: FinishedCell) -> Checkpoint:
        variables = self._names.variables()
        background = self._cells.background_access()
        self._note_modules_loaded_anew()
        outside = self._cells.unchecked | finished.outside | background
        contained = finished.contained and outside == NOTHING
        running = self._cells.subshell_access()
        with self._ledger.at_one_moment():
            judgement = self._ledger.judge(finished.access, variables, outside, running, contained)
            checkpoint = self._ledger.take_checkpoint(
                finished.run, judgement, variables, finished.outputs, contained=contained
            )
        self._cells.mark_checked(finished.access | finished.outside, looked=True)
        if background.dynamic:  # it goes on meanwhile
            self.await_buffers(EVERYTHING)
        return checkpoint

    def note_interrupted(self, reason: str) -> None:
        """A checkpoint was interrupted, or failed: the user is warned, and the next one makes up for it."""
        self.interrupted = True
        self._warn(INTERRUPTED.format(reason))

    def note_incomplete(self, run: CellRun, reason: str, access: Access) -> Checkpoint | None:
        """A checkpoint that only says that a cell ran, and what it may have touched; None if not even that succeeds."""
        with suppress(Exception):
            return self._ledger.note_incomplete(run, reason, access)
        return None

    # -- of what changed between cells -----------------------------------------------------------

    def settle(self, message: str | None = None) -> Checkpoint | None:
        """A checkpoint of what has changed since the last one; None if nothing has."""
        return self.keep_changes(*self.changes(), message)

    def changes(self) -> tuple[Judgement, Mapping[str, Any]]:
        """What has changed since the last checkpoint, and the variables as they are."""
        variables = self._names.variables()
        self._note_modules_loaded_anew()
        outside = self._cells.unchecked | self._cells.background_access()
        return self._ledger.judge(NOTHING, variables, outside, self._cells.subshell_access()), variables

    def _note_modules_loaded_anew(self) -> None:
        """What was imported from a module of the user's is not found there any more, once that is loaded anew."""
        if self._names.modules.loaded_anew:
            self._names.modules.loaded_anew, self._cells.unchecked = False, EVERYTHING

    def keep_changes(
        self, judgement: Judgement, variables: Mapping[str, Any], message: str | None = None
    ) -> Checkpoint | None:
        """A checkpoint of `changes`; None if there are none."""
        checkpoint = None
        if judgement.delta:
            run = CellRun("", None, "ok", time.time(), 0.0)
            checkpoint = self._ledger.take_checkpoint(run, judgement, variables, message=message)
        self._cells.mark_checked()
        return checkpoint

    def commit(self, message: str) -> Checkpoint:
        """Gives the present state a message; what has changed since the last checkpoint gets one of its own.

        Raises:
            NothingToUndoError: there is no checkpoint yet, and nothing to make one of.
            StoreError: it could not be written.
        """
        self.flush()
        new = self.settle(message)
        if error := self.flush():
            raise error
        if new is not None:
            return new
        timeline = self._ledger.timeline
        if timeline.head is None:
            raise NothingToUndoError("there is nothing to commit yet: run a cell first")
        named = replace(timeline.lookup(timeline.head), message=message)
        timeline.rewrite_record(named)
        return named

    def finish_interrupted(self) -> None:
        """What an interrupted checkpoint left out is taken before the next cell can change it further.

        Tried once: what interrupted it (an object that hangs, the stop button) may do so again.
        """
        if not self.interrupted:
            return
        self.interrupted = False
        with suppress(Exception):
            self.settle()

    def check_between_cells(self, background: Access) -> None:
        """Checks what something else than cells may have touched, so that the next cell answers only for its own.

        What did change is in the next checkpoint, and re-running that cell does not give it back.

        Args:
            background: what code that is no cell's may be touching at this moment.
        """
        cells = self._cells
        if cells.unchecked == NOTHING or cells.subshell_running or background != NOTHING:
            return
        cells.unchecked = self._ledger.narrow_to_changed(cells.unchecked, self._names.variables())

    # -- the writer ------------------------------------------------------------------------------

    def recover(self) -> StoreError | None:
        """If a checkpoint could not be written, the session goes back to before it: the next one makes up for it.

        The user is told, also when all is written again, what else was done in the background, and what
        this kernel does without.

        Returns:
            Why it could not be written; None if everything could.
        """
        error = self._ledger.recover()
        if error is not None:
            self._cells.unchecked = EVERYTHING
            self._warn(NOT_STORED.format(error))
        elif self._ledger.has_caught_up():
            self._warn(STORES_AGAIN)
        for sentence in self._lazy_timeline.notices():
            self._warn(sentence)
        for sentence in native.complaints():
            self._warn(sentence, quiet=True)
        return error

    def flush(self, timeout: float | None = None) -> StoreError | None:
        """Waits, at most so many seconds, until what was taken is written or known to be lost; then as `recover`."""
        self._lazy_timeline.flush(timeout)
        return self.recover()

    def await_buffers(self, access: Access, background: Access | None = None) -> None:
        """Code with this access is about to run: waits until the writer has read the buffers that it may overwrite.

        Args:
            background: what code that is no cell's may be touching at this moment, where the caller has just asked.
        """
        background = self._cells.background_access() if background is None else background
        self._ledger.await_buffers(background | access)
