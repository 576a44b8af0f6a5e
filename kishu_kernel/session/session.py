"""The session: what happens before a cell, after it, and on the way to another state.

    before_cell -> the cell runs -> after_cell: delta -> payloads -> checkpoint -> the head moves last
    checkout: plan -> load, re-run -> everything in hand -> names rebound, all or none -> the head moves last

`Session` is the one conductor. It holds the gate: whatever may change the session does so one after the other. What is
done behind the gate stands in `checkpointing` (checkpoints), `checkout` (travel), `think_time` (trials and audit).

    what has ended                   the frontend calls           does it get a checkpoint?
    a cell                           after_cell                   yes
    a cell, where after_cell raised  after_failed_checkpoint      an incomplete one; the next one has what it changed
    a hidden execution               after_hidden                 no; the next one has what it changed
    `%kishu` alone                   discard                      no; it touched nothing
    code that nobody watched         note_unwatched_code          no; the next one checks everything

Law: nothing that goes wrong here may reach the user's cell. Knows no IPython (`rerun.CellRunner`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.access_trackers import Tracker
from kishu_kernel.errors import StoreError
from kishu_kernel.model import (
    EVERYTHING,
    NOTHING,
    CellRun,
    CheckoutOptions,
    Checkpoint,
    CheckpointId,
    Collected,
    Outcome,
    State,
    Taking,
    Version,
)
from kishu_kernel.model.dataclass import replace
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.python_gc import collector_paused
from kishu_kernel.session.checkpointing import KERNEL_ENDED, Checkpointer, FinishedCell
from kishu_kernel.session.hidden_cells import HiddenCells
from kishu_kernel.session.keep_rules import KeepRules
from kishu_kernel.session.lazy_timeline import LazyTimeline
from kishu_kernel.session.ledger import Ledger, Outputs
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.progress import ShowProgress
from kishu_kernel.session.running_cells import IsContained, RunningCells, Ticket, no_cell_is
from kishu_kernel.session.think_time import LATER, SOON, ThinkTime

if TYPE_CHECKING:  # imported when they are first needed: a kernel starts without them
    from typing_extensions import Unpack

    from kishu_kernel.compare import Comparison
    from kishu_kernel.model.plan import HowToTravel
    from kishu_kernel.session.checkout import Checkouts
    from kishu_kernel.session.rerun import CellRunner
    from kishu_kernel.session.timeline import Timeline


class Session:
    """One kernel process's life in a store.

    Args:
        namespace: the user's side of the live namespace.
        table: the reductions; its namespace is the live one.
        tracker: tells what a cell may have touched.
        timeline: makes the timeline; called on first use, since a frontend may say late which notebook this is.
        rerun: re-runs a cell.
        warn: shows one sentence to the user; with `quiet=True` only to who looks for it.
        background: says whether code of the notebook is running outside of cells (threads, tasks).
        rules: what is not to be stored.
        show: shows how far a checkout is that takes long.
        trials: whether what was stored is tried in think time. Side effects must be audited for that (`audit_hook`).
        contained: whether a cell that is about to run runs nothing but its own code, on plain data.

    Attributes:
        started: when it began, in seconds since the epoch.
        resumed_from: the state of an earlier session to which it went last; None: to none.
    """

    def __init__(
        self,
        namespace: UserNamespace,
        table: ReductionTable,
        tracker: Tracker,
        timeline: Callable[[], Timeline],
        rerun: CellRunner,
        warn: Callable[..., None],
        background: Callable[[], bool] = lambda: False,
        rules: KeepRules = KeepRules(),  # noqa: B008 -- frozen
        show: ShowProgress | None = None,
        trials: bool = True,
        contained: IsContained = no_cell_is,
    ) -> None:
        self.started = time.time()
        self.resumed_from: CheckpointId | None = None
        self._names = namespace
        self._table = table
        self._rerun = rerun
        self._warn = warn
        self._show = show
        self._lazy_timeline = LazyTimeline(timeline)
        self._ledger = Ledger(namespace, table, self._lazy_timeline, rules)
        self._cells = RunningCells(tracker, background, contained)
        self._checkpointer = Checkpointer(namespace, self._ledger, self._lazy_timeline, self._cells, warn)
        self._hidden = HiddenCells(namespace, self._ledger, self._cells)
        self._think_time = ThinkTime(self._ledger, table, lambda found: warn(found, quiet=True), trials)
        self._finished: list[FinishedCell] = []
        """Cells that have ended while one on the main shell still runs: its end takes their checkpoints."""
        self._gate = threading.RLock()
        """Held while a checkpoint or a checkout is under way: no cell starts meanwhile."""

    @property
    def timeline(self) -> Timeline:
        """The history. Safe to read from any thread."""
        return self._ledger.timeline

    # -- cells -----------------------------------------------------------------------------------

    def before_cell(self, source: str, *, main: bool = True, hidden: bool = False) -> Ticket:
        """A cell is about to run. Waits while the writer reads what the cell may overwrite.

        Args:
            source: the cell as IPython transforms it.
            main: it runs on the main shell; else on a subshell.
            hidden: it will get no checkpoint.

        Returns:
            What `after_cell`, `after_hidden` and the like are to be called with.
        """
        with self._gate:
            self._checkpointer.recover()
            if not hidden:
                self._hidden.claim(cell_access(source))
            access, background = self._cells.expect(source, self._ledger.ambient.is_usual)
            if not hidden:
                alone, contained = not self._cells.any_running, self._cells.contained
                touched = self._cells.touched_between_cells(background)
                self._checkpointer.finish_interrupted()
                self._checkpointer.check_between_cells(background)
                self._ledger.ambient.begin(touched, access, source, alone=alone, contained=contained)
            self._checkpointer.await_buffers(access, background)
            ticket = self._cells.begin(source, main=main)
            return self._hidden.begin(ticket) if hidden else ticket

    def after_cell(self, ticket: Ticket, run: CellRun, outputs: Outputs = ()) -> Checkpoint | None:
        """The cell has ended, however it ended: takes its checkpoint.

        Returns:
            The checkpoint. None if it failed (the user is warned, the next one makes up for it), or if a cell
            on the main shell is still running (its end takes both).
        """
        with self._gate:
            self._ledger.ambient.end()
            self._checkpointer.recover()  # what could not be written is made up for now, whatever this cell did
            contained = ticket.contained and self._cells.contained and run.status == "ok"
            outside = EVERYTHING if ticket.checked_out else NOTHING
            self._finished.append(FinishedCell(run, ticket.watch(), outside, outputs, contained))
            self._cells.end(ticket)
            if self._cells.main_running:
                return None
            finished, self._finished = self._finished, []
            with collector_paused():
                *_, newest = [self._checkpointer.take(each) for each in finished]
                if newest is not None and not newest.incomplete:
                    self._think_time.begin(newest)
            for sentence in registry.complaints():
                self._warn(sentence)
            return newest

    def after_hidden(self, ticket: Ticket) -> None:
        """An execution that gets no checkpoint has ended: what it changed is in the next one; its own names are not."""
        with self._gate:
            self._hidden.end(ticket)

    def discard(self, ticket: Ticket) -> None:
        """The execution has touched nothing of the user's. To discard it again does nothing."""
        with self._gate:
            self._cells.discard(ticket)

    def after_failed_checkpoint(self, ticket: Ticket, run: CellRun, reason: str) -> Checkpoint | None:
        """The cell has ended, and `after_cell` failed: what the cell changed is taken before the next one.

        Returns:
            An incomplete checkpoint; None if `after_cell` has taken one, or none can be taken.
        """
        with self._gate:
            self.note_unwatched_code()
            self._checkpointer.note_interrupted(reason)
            if not self._cells.discard(ticket):  # `after_cell` was interrupted on its way out
                return None
            return self._checkpointer.note_incomplete(run, reason, cell_access(ticket.source))

    def before_unwatched_code(self) -> None:
        """Code that nobody watches is about to run: it may touch anything, also what the writer still reads."""
        self.note_unwatched_code()
        self._checkpointer.await_buffers(EVERYTHING)

    def note_unwatched_code(self) -> None:
        """Code ran that nobody watched (a widget's callback, the debugger): the next checkpoint checks everything."""
        self._cells.unchecked = EVERYTHING

    def settle(self, message: str | None = None) -> Checkpoint | None:
        """A checkpoint of what has changed since the last one; None if nothing has."""
        with self._gate:
            return self._checkpointer.settle(message)

    # -- think time ------------------------------------------------------------------------------

    def think(self, should_stop: Callable[[], bool]) -> float | None:
        """Does a piece of what is for the user's think time (`ThinkTime`), if no cell is running.

        Args:
            should_stop: asked now and then whether somebody waits.

        Returns:
            Seconds until the next piece; None if there is nothing more to do.
        """
        with self._gate:
            if not self._may_think():
                return None
            if self.timeline.store.pending:
                return None if self._checkpointer.recover() else LATER
            with collector_paused(), suppress(Exception, KeyboardInterrupt):  # it is not the user's cell that suffers
                self._think_time.do_pieces(self._names.variables, should_stop)
            return SOON if self._think_time.left else None

    def _may_think(self) -> bool:
        cells, checkouts = self._cells, self._checkouts_made
        if cells.any_running or cells.unchecked != NOTHING or self._checkpointer.interrupted:
            return False
        is_free = not (checkouts and checkouts.under_way) and bool(self._think_time.left)
        return is_free and cells.background_access() == NOTHING

    @property
    def corrections(self) -> int:
        """How often think time has corrected what a checkpoint says."""
        return self._think_time.changes_made

    # -- checkout --------------------------------------------------------------------------------

    def checkout(self, target: str, **how: Unpack[HowToTravel]) -> Outcome:
        """Brings the state of a checkpoint back. Keeps the objects that are the same there.

        Args:
            target: an id, a branch, a tag, `HEAD~2`, ... (`history.targets`).
            how: as of `CheckoutOptions`; also of the next three.

        Raises:
            RequestError: there is no such target.
            CheckoutError: it cannot be done; the session is as it was.
        """
        with self._gate:
            self.flush()
            self._checkouts.await_handed_over()
            branch = target if target in self.timeline.names("branch/") else None
            return self._checkouts.check_out(self.timeline.resolve(target), CheckoutOptions(**how), branch)

    def undo(self, steps: int = 1, **how: Unpack[HowToTravel]) -> Outcome:
        """Goes to the parent, so many times. The parent of the first checkpoint is the empty state.

        Raises:
            NothingToUndoError: there are not so many cells.
            CheckoutError: it cannot be done; the session is as it was.
        """
        with self._gate:
            self.flush()
            options = CheckoutOptions(**how)
            return self._checkouts.check_out(self._checkouts.undo_target(steps), options)

    def redo(self, steps: int = 1, **how: Unpack[HowToTravel]) -> Outcome:
        """Goes to the child that was undone last, so many times.

        Raises:
            NothingToUndoError: there are not so many undone cells.
            CheckoutError: it cannot be done; the session is as it was.
        """
        with self._gate:
            self.flush()
            options = CheckoutOptions(**how)
            return self._checkouts.check_out(self._checkouts.redo_target(steps), options)

    def resume(self, session: str | None = None, **how: Unpack[HowToTravel]) -> Outcome:
        """Goes to the head of an earlier session.

        A session that has run no cell has nothing to lose: it brings back all that can be brought back, and the plan
        lists the rest. Of what somebody else may have written nothing is brought back.

        Args:
            session: the beginning of its name; None: the last one that had variables.

        Raises:
            UnknownTargetError: there is no such session.
            CheckoutError: it cannot be done; the session is as it was.
        """
        with self._gate:
            self.flush()
            self._checkouts.await_handed_over()
            target = self.timeline.head_to_resume(session)
            fresh = self.timeline.head is None and not self.timeline.used and self.timeline.lookup(target).trusted
            options = CheckoutOptions(**how)
            outcome = self._checkouts.check_out(target, replace(options, allow_lost=options.allow_lost or fresh))
            self.resumed_from = outcome.head if outcome.applied else self.resumed_from
            return outcome

    def begin_at(self, target: str, branch: str) -> Outcome:
        """Begins in a state that other sessions have made, before any cell has run, as in `Checkouts.begin_at`."""
        with self._gate:
            self._checkouts.await_handed_over()
            outcome = self._checkouts.begin_at(target, branch)
            self.resumed_from = outcome.head
            return outcome

    def take(self, names: Sequence[str], target: str, copies: Mapping[str, str], **how: Unpack[HowToTravel]) -> Taking:
        """Brings some variables as they were in another state, as in `Checkouts.take`. The rest stays."""
        with self._gate:
            self.flush()
            self._checkouts.await_handed_over()
            id = self.timeline.resolve(target)
            return self._checkouts.take(names, id, self.timeline.label(id), copies, CheckoutOptions(**how))

    @property
    def rerunning(self) -> bool:
        """A checkout is re-running a cell at this moment."""
        return self._checkouts_made is not None and self._checkouts_made.rerunning

    @cached_property
    def _checkouts(self) -> Checkouts:
        from kishu_kernel.session import checkout, restore

        ask = self._warn, (ledger := self._ledger).is_unchanged, (think := self._think_time).missing
        giver = restore.Restorer(self._names, self._table, self._rerun, ledger.ambient, *ask)
        parts = self._names, ledger, self._cells, self._checkpointer, think, giver
        return checkout.Checkouts(*parts, show=self._show, warn=self._warn)

    @property
    def _checkouts_made(self) -> Checkouts | None:
        """`_checkouts`, if they were needed yet."""
        return self._checkouts if "_checkouts" in vars(self) else None

    # -- the history -----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state at the last checkpoint. It is not changed any more. Safe from any thread."""
        return self._ledger.state

    def variables(self) -> Mapping[str, Any] | None:
        """The variables as they are now; None where a cell on another thread may be changing them."""
        main = threading.current_thread() is threading.main_thread()
        return None if self.rerunning or (self._cells.any_running and not main) else self._names.variables()

    def compare(self, pairs: Mapping[str, tuple[Version, Version]]) -> dict[str, Comparison]:
        """In what way variables differ, as in `VersionComparison.compare`."""
        from kishu_kernel.session.version_comparison import VersionComparison

        with self._gate:
            self.flush()
            return VersionComparison(self.timeline, self._table, self._think_time.checker).compare(pairs)

    def commit(self, message: str) -> Checkpoint:
        """Gives the present state a message; it gets a checkpoint of its own if something changed since the last one.

        Raises:
            NothingToUndoError: there is no checkpoint yet, and nothing to make one of.
            StoreError: it could not be written.
        """
        with self._gate:
            return self._checkpointer.commit(message)

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Drops payloads that nobody needs, as in `Timeline.collect`."""
        with self._gate:
            self.flush()
            return self.timeline.collect(dry_run=dry_run)

    # -- the writer ------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> StoreError | None:
        """Waits, at most so many seconds, until what was taken is written or known to be lost.

        Returns:
            Why it is lost; None if it is not.
        """
        with self._gate:
            return self._checkpointer.flush(timeout)

    @property
    def writer(self) -> LazyTimeline:
        """What writes, as far as there is something to write. It waits for no cell and no checkpoint."""
        return self._lazy_timeline

    def close_if_unused(self) -> bool:
        """Closes the store if nothing of this session is in it, so that another one can be opened. False if it is."""
        with self._gate:
            return self._lazy_timeline.close_if_unused()

    def close(self) -> None:
        """Writes what was taken, and closes the store. The history stays readable."""
        self._lazy_timeline.close()
        self._think_time.close()

    # -- the process ends ------------------------------------------------------------------------

    @contextmanager
    def cells_held_back(self, seconds: float) -> Iterator[bool]:
        """No cell begins in the block, and no checkpoint.

        Yields:
            False if one is under way that takes longer than so many seconds; then nothing is held back.
        """
        held = self._gate.acquire(timeout=seconds)
        try:
            yield held
        finally:
            if held:
                self._gate.release()

    def note_unfinished_cell(self, ticket: Ticket, run: CellRun, seconds: float) -> None:
        """The process ends while this cell runs: keeps that it ran, and nothing of what it did so far.

        Args:
            seconds: to wait for a checkpoint that is under way.
        """
        with self.cells_held_back(seconds) as held:
            if held and self._cells.discard(ticket):
                self._checkpointer.note_incomplete(run, KERNEL_ENDED, cell_access(ticket.source))

    def settle_within(self, seconds: float) -> bool:
        """Takes what no checkpoint has yet: what an interrupted one left out, or something else than a cell changed.

        Not while a cell runs: it would be half of what the cell does. Returns False where a checkpoint or a checkout
        that is under way takes longer, or what there was could not be taken.
        """
        settled = False
        with self.cells_held_back(seconds) as held, collector_paused(), suppress(Exception, KeyboardInterrupt):
            idle = held and not self._cells.any_running
            if idle and (self._checkpointer.interrupted or self._cells.touched_between_cells()):
                self._checkpointer.interrupted = False
                self._checkpointer.settle()
            settled = held
        return settled
