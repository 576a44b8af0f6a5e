"""The road: what happens before a cell, after it, and on the way to another state. Joins the stages.

    before_cell -> the cell runs -> after_cell: delta -> payloads -> checkpoint -> the head moves last
    checkout: plan -> load, re-run -> everything in hand -> names rebound, all or none -> the head moves last

Law: nothing that goes wrong here may reach the user's cell. Knows no IPython: a frontend says which cells run,
and how to re-run one (`restore.CellRunner`).

Longer than a module should be: everything that may change the session stands here, under one gate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.access_trackers import Tracker
from kishu_kernel.detect.detector import Judgement
from kishu_kernel.errors import CheckoutError, NothingToUndoError, StoreError
from kishu_kernel.history.graph import ancestry
from kishu_kernel.model import (
    EVERYTHING,
    NOTHING,
    Access,
    CellRun,
    Checkpoint,
    CheckpointId,
    Collected,
    Outcome,
    ReplayMode,
    Version,
)
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.collector import collector_paused
from kishu_kernel.session.keep_rules import KeepRules
from kishu_kernel.session.ledger import Ledger, Outputs
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.progress import Reporter, Show
from kishu_kernel.session.running_cells import Running, Ticket
from kishu_kernel.session.thinking import LATER, SOON, Thinking
from kishu_kernel.session.timeline import Timeline

if TYPE_CHECKING:  # the way back is imported when it is first gone: a kernel starts without it
    from kishu_kernel.compare import Comparison
    from kishu_kernel.session.restore import CellRunner, Restorer

_CUT_SHORT = "Kishu could not checkpoint this cell ({}). The next checkpoint will make up for it."
_NOT_STORED = "Kishu could not store what the last cells did: {}."
_UNLIKE = (
    "{}: re-computed by running cells again, and not the same as before: "
    "what these cells do depends on more than variables, random numbers and settings."
)
_INCOMPLETE = "Checkpoint {} is incomplete: {}. This is the state before it, without what it changed."
UNSETTLED = CheckpointId("")
"""Stands for the checkpoint that what has changed since the last one would get."""

HASTE = 0.05
"""Seconds that a checkout takes for what is left of the audit: what it does not find stays as it is."""

CUT_OFF = "the kernel was ended while this cell ran"

ARRIVALS = 60.0
"""Seconds to wait, at most, for what a kernel that has ended gave to another process; that ends sooner by itself."""

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Finished:
    run: CellRun
    access: Access
    carried: Access
    outputs: Outputs


class Session:
    """One kernel process's life in a store.

    Args:
        namespace: the live namespace, the user's side of it.
        table: the reductions; its namespace is the live one.
        timeline: made on first use, since a frontend may say late which notebook this is.
        warn: shows one sentence to the user.
        background: whether code of the notebook is running outside of cells (threads, tasks).
        rules: what is not to be stored.
        show: shows how far a checkout is that takes long.
        trials: what was stored is tried in think time, for which the interpreter is listened to (`audit_hook`).
    """

    def __init__(
        self,
        namespace: UserNamespace,
        table: ReductionTable,
        tracker: Tracker,
        timeline: Callable[[], Timeline],
        rerun: CellRunner,
        warn: Warn,
        background: Callable[[], bool] = lambda: False,
        rules: KeepRules = KeepRules(),  # noqa: B008 -- frozen
        show: Show | None = None,
        trials: bool = True,
    ) -> None:
        self._names = namespace
        self._ledger = Ledger(namespace, table, timeline, rules)
        self._show = show
        self._table = table
        self._rerun = rerun
        self._warn = warn
        self._cells = Running(tracker, background)
        self._thinking = Thinking(self._ledger, table, warn, trials)
        self._cut_short = False
        self._travelling = False
        self._finished: list[_Finished] = []
        self._gate = threading.RLock()
        """Held while a checkpoint or a checkout is under way: no cell starts meanwhile."""

    @property
    def timeline(self) -> Timeline:
        """The history. Safe to read from any thread."""
        return self._ledger.timeline

    @property
    def rerunning(self) -> bool:
        """A checkout is re-running a cell at this moment."""
        return "_restorer" in vars(self) and self._restorer.rerunning

    @cached_property
    def _restorer(self) -> Restorer:
        from kishu_kernel.session.restore import Restorer

        return Restorer(self._names, self._table, self._rerun, self._ledger.ambient, self._thinking.checker, self._warn)

    # -- the road -------------------------------------------------------------------------------

    def before_cell(self, source: str, *, main: bool = True, hidden: bool = False) -> Ticket:
        """A cell is about to run.

        Args:
            source: the cell as IPython transforms it.
            hidden: it will take no checkpoint.
        """
        with self._gate:
            self._recover()
            if not hidden:
                stirred = self._cells.stirred()
                self._make_up()
                self._sift()
                self._ledger.ambient.begin(stirred)
            self._give_back(cell_access(source))
            return self._cells.begin(source, main=main)

    def before_unseen(self) -> None:
        """Something that nobody watches is about to run: it may touch anything, also what is still being read."""
        self.note_unseen()
        self._give_back(EVERYTHING)

    def after_cell(self, ticket: Ticket, run: CellRun, outputs: Outputs = ()) -> Checkpoint | None:
        """The cell has ended, however it ended: takes its checkpoint.

        Returns:
            The checkpoint; None if it failed (the user is warned, the next one makes up for it), or if a cell
            on the main shell is still running (its end takes both).
        """
        with self._gate:
            self._ledger.ambient.end()
            self._recover()
            carried = EVERYTHING if ticket.traveled else NOTHING
            self._finished.append(_Finished(run, ticket.watch(), carried, outputs))
            self._cells.end(ticket)
            if self._cells.on_main:
                return None
            finished, self._finished = self._finished, []
            with collector_paused():
                checkpoints = [self._checkpoint_or_warn(each) for each in finished]
            if checkpoints[-1] is not None and not checkpoints[-1].incomplete:
                self._thinking.after(checkpoints[-1])
            return checkpoints[-1]

    def after_hidden(self, ticket: Ticket) -> None:
        """An execution that takes no checkpoint has ended; what it changed is in the next one."""
        with self._gate:
            self._cells.leave(ticket)

    def drop(self, ticket: Ticket) -> None:
        """The execution touched nothing of the user's. Dropping it again does nothing."""
        with self._gate:
            self._cells.drop(ticket)

    def give_up(self, ticket: Ticket, run: CellRun, reason: str) -> Checkpoint | None:
        """The cell has ended, and `after_cell` did not: what it changed is taken before the next one."""
        with self._gate:
            self.note_unseen()
            self._cut_short = True
            self._warn(_CUT_SHORT.format(reason))
            if not self._cells.drop(ticket):  # cut short on the way out: that checkpoint is taken, or noted
                return None
            return self._note_incomplete(run, reason, cell_access(ticket.source))

    def note_unseen(self) -> None:
        """Something ran that nobody watched (a widget's callback, the debugger): check everything next time."""
        self._cells.pending = EVERYTHING

    def _make_up(self) -> None:
        """What a checkpoint left out that was cut short is taken before the next cell can change it further.

        Tried once: what cut it short (an object that hangs, the stop button) may do so again.
        """
        if not self._cut_short:
            return
        self._cut_short = False
        with suppress(Exception):
            self.settle()

    def _sift(self) -> None:
        """What something else than cells may have touched is looked at, so that the next cell answers for its own.

        What did change is in the next checkpoint; re-running its cell will not give it back.
        """
        cells = self._cells
        if cells.pending == NOTHING or cells.on_subshell or cells.unwatched() != NOTHING:
            return
        cells.pending = self._ledger.sift(cells.pending, self._names.variables())

    def _checkpoint_or_warn(self, finished: _Finished) -> Checkpoint | None:
        try:
            try:
                return self._checkpoint(finished)
            except StoreError:
                if self._recover() is None:
                    raise
                return self._checkpoint(finished)  # what it was to stand on had just been lost
        except (Exception, KeyboardInterrupt) as error:  # law 8: a kernel must not die of us
            self._cells.pending |= finished.access | finished.carried
            reason = f"{type(error).__name__}: {error}"
            if isinstance(error, StoreError):
                self._warn(_NOT_STORED.format(error))
            else:
                self._cut_short = True
                self._warn(_CUT_SHORT.format(reason))
            return self._note_incomplete(finished.run, reason, finished.access | finished.carried)

    def _note_incomplete(self, run: CellRun, reason: str, access: Access) -> Checkpoint | None:
        with suppress(Exception):
            return self._ledger.note_incomplete(run, reason, access)
        return None

    def _checkpoint(self, finished: _Finished) -> Checkpoint:
        variables = self._names.variables()
        unwatched = self._cells.unwatched()
        carried = self._cells.pending | finished.carried | unwatched
        judgement = self._ledger.judge(finished.access, variables, carried, self._cells.under_way())
        checkpoint = self._ledger.keep(finished.run, judgement, variables, finished.outputs)
        self._cells.looked(finished.access | finished.carried)
        if unwatched.dynamic:  # it goes on meanwhile
            self._give_back(EVERYTHING)
        return checkpoint

    @property
    def thoughts(self) -> int:
        """How often thinking has changed what a checkpoint says."""
        return self._thinking.found

    # -- think time ------------------------------------------------------------------------------

    def think(self, hurried: Callable[[], bool]) -> float | None:
        """Does a piece of what is for the user's think time (`Thinking`), if no cell is running.

        Args:
            hurried: asked now and then whether somebody waits.

        Returns:
            Seconds until the next piece; None where there is nothing more to do.
        """
        with self._gate:
            cells, thinking = self._cells, self._thinking
            if cells.any or cells.pending != NOTHING or self._cut_short or self._travelling or not thinking.left:
                return None
            if cells.unwatched() != NOTHING:
                return None
            if self.timeline.store.pending:
                return None if self._recover() else LATER
            with collector_paused(), suppress(Exception, KeyboardInterrupt):  # it is not the user's cell that suffers
                thinking.piece(self._names.variables(), hurried)
            return SOON if thinking.left else None

    # -- the writer ------------------------------------------------------------------------------

    def _recover(self) -> StoreError | None:
        """What could not be written is no part of the history: the next checkpoint makes up for it."""
        error = self._ledger.recover()
        if error is not None:
            self._cells.pending = EVERYTHING
            self._warn(_NOT_STORED.format(error))
        elif self._ledger.made_up():
            self._warn("Kishu stores checkpoints again, with all that changed meanwhile.")
        for sentence in self._ledger.news():
            self._warn(sentence)
        return error

    def _give_back(self, access: Access) -> None:
        """Waits until what this may overwrite has been read by the writer."""
        self._ledger.wait_until_read(self._cells.unwatched() | access)

    def catch_up(self, timeout: float | None = None) -> StoreError | None:
        """Waits, at most so many seconds, until what was taken is written, or known to be lost: then why."""
        with self._gate:
            self._ledger.flush(timeout)
            return self._recover()

    def let_go(self) -> bool:
        """Closes the store if nothing of this session is in it, so that it is opened anew. False if it is."""
        with self._gate:
            return self._ledger.let_go()

    def close(self) -> None:
        """Writes what was taken. The history stays."""
        self._ledger.close()
        self._thinking.close()

    # -- the end ---------------------------------------------------------------------------------

    @contextmanager
    def standing_still(self, seconds: float) -> Iterator[bool]:
        """No cell begins meanwhile, and no checkpoint: true. False where one is under way that takes longer."""
        held = self._gate.acquire(timeout=seconds)
        try:
            yield held
        finally:
            if held:
                self._gate.release()

    def cut_off(self, ticket: Ticket, run: CellRun, seconds: float) -> None:
        """The process ends while this cell runs: that it ran is kept, and nothing of what it did so far."""
        with self.standing_still(seconds) as still:
            if still and self._cells.drop(ticket):
                self._note_incomplete(run, CUT_OFF, cell_access(ticket.source))

    def make_up_within(self, seconds: float) -> None:
        """Takes what no checkpoint has yet: what one left out that was interrupted, or something unseen has changed.

        Not where a cell runs: it would be half of what it does.

        Args:
            seconds: to wait for a checkpoint that is under way.
        """
        with self.standing_still(seconds) as still, collector_paused(), suppress(Exception, KeyboardInterrupt):
            if still and not self._cells.any and (self._cut_short or self._cells.stirred()):
                self._cut_short = False
                self.settle()

    def flush_within(self, seconds: float | None) -> frozenset[CheckpointId]:
        """Waits, at most so many seconds, until what was taken is written.

        Returns:
            The checkpoints of which not everything is.
        """
        return self._ledger.flush_within(seconds)

    @property
    def waiting_bytes(self) -> int:
        """What was taken and is not written."""
        return self._ledger.waiting_bytes

    def hasten_writing(self) -> None:
        """The process ends: what is worth most is written first."""
        self._ledger.hasten_writing()

    def hand_over(self, key: Path | None, patience: float, seconds: float) -> bool:
        """Gives what is not written to a process that outlives this one, as in `Ledger.hand_over`."""
        return self._ledger.hand_over(key, patience, seconds)

    def settle(self, message: str | None = None) -> Checkpoint | None:
        """A checkpoint of what has changed since the last one, if anything has."""
        with self._gate:
            return self._settle(*self._unsettled(), message)

    def _unsettled(self) -> tuple[Judgement, Mapping[str, Any]]:
        """What has changed since the last checkpoint, and the variables as they are."""
        variables = self._names.variables()
        carried = self._cells.pending | self._cells.unwatched()
        return self._ledger.judge(NOTHING, variables, carried, self._cells.under_way()), variables

    def _settle(
        self, judgement: Judgement, variables: Mapping[str, Any], message: str | None = None
    ) -> Checkpoint | None:
        checkpoint = None
        if judgement.delta:
            run = CellRun("", None, "ok", time.time(), 0.0)
            checkpoint = self._ledger.keep(run, judgement, variables, message=message)
        self._cells.looked()
        return checkpoint

    # -- travel ---------------------------------------------------------------------------------

    def checkout(
        self,
        target: str,
        *,
        dry_run: bool = False,
        replay: ReplayMode = "auto",
        allow_lost: bool = False,
    ) -> Outcome:
        """Brings the state of a checkpoint back; keeps what is the same there.

        Raises:
            RequestError: no such target.
            CheckoutError: it cannot be done; the session is as it was.
        """
        with self._gate:
            self.catch_up()
            self._await_arrivals()
            id = self.timeline.resolve(target)
            branch = target if target in self.timeline.names("branch/") else None
            return self._travel(id, branch, dry_run, replay, allow_lost)

    def undo(
        self,
        steps: int = 1,
        *,
        dry_run: bool = False,
        replay: ReplayMode = "auto",
        allow_lost: bool = False,
    ) -> Outcome:
        """Goes to the parent, so many times. The parent of the first checkpoint is the empty state."""
        with self._gate:
            self.catch_up()
            if self._ledger.behind:  # the way back begins at what is left of the cells that were lost
                self.settle()
                self.catch_up()
            way = [checkpoint.id for checkpoint in ancestry(self.timeline.lookup, self.timeline.head)]
            if steps > len(way):
                raise NothingToUndoError(f"there are {len(way)} cells to undo on the way to the start, not {steps}")
            target = way[steps] if steps < len(way) else None
            return self._travel(target, None, dry_run, replay, allow_lost)

    def resume(
        self,
        session: str | None = None,
        *,
        dry_run: bool = False,
        replay: ReplayMode = "auto",
        allow_lost: bool = False,
    ) -> Outcome:
        """Goes to where the last of the notebook's other sessions stood, or the one whose name begins so.

        A session that has run no cell has nothing to lose by going: it brings all that can be brought, and the plan
        lists the rest. Of what somebody else may have written nothing can be.
        """
        with self._gate:
            self.catch_up()
            self._await_arrivals()
            timeline = self.timeline
            target = timeline.last_head(session)
            fresh = timeline.head is None and not timeline.used and timeline.lookup(target).trusted
            return self._travel(target, None, dry_run, replay, allow_lost or fresh)

    def compared(self, pairs: Mapping[str, tuple[Version, Version]]) -> dict[str, Comparison]:
        """In what way variables differ, as in `Restorer.compared`."""
        with self._gate:
            self.catch_up()
            return self._restorer.compared(self.timeline, pairs)

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Drops what nobody needs, as in `Timeline.collect`."""
        with self._gate:
            self.catch_up()
            return self.timeline.collect(dry_run=dry_run)

    def redo(
        self,
        steps: int = 1,
        *,
        dry_run: bool = False,
        replay: ReplayMode = "auto",
        allow_lost: bool = False,
    ) -> Outcome:
        """Goes to the child that the session left last, so many times."""
        with self._gate:
            self.catch_up()
            at = self.timeline.head
            for done in range(steps):
                child = self.timeline.last_left(at)
                if child is None:
                    raise NothingToUndoError(f"there are {done} undone cells to redo, not {steps}")
                at = child
            return self._travel(at, None, dry_run, replay, allow_lost)

    def _await_arrivals(self) -> None:
        """What the last kernel could not write in time may still be on its way."""
        if not self.timeline.await_arrivals(ARRIVALS):
            self._warn("What the last kernel left to be written is still not written: it is taken for missing.")

    def _travel(
        self,
        target: CheckpointId | None,
        branch: str | None,
        dry_run: bool,
        replay: ReplayMode,
        allow_lost: bool,
    ) -> Outcome:
        started = time.perf_counter()
        previous = self.timeline.head
        if not dry_run and self._cells.on_subshell:
            raise CheckoutError("a cell is still running on a subshell: wait for it, or interrupt it")
        pending = self._cells.pending
        if not self._cells.any and pending == NOTHING:
            self._thinking.hasten(self._names.variables(), HASTE)
        self._cells.travel()
        judgement, variables = self._unsettled()
        here = self._ledger.after(judgement.delta, UNSETTLED)
        ambient = self._ledger.ambient.move(self.timeline.lookup, target)
        if dry_run:
            self._cells.pending = pending
            from kishu_kernel.history.plan import make_plan
            from kishu_kernel.session.restore import with_ambient

            plan = with_ambient(make_plan(self.timeline.lookup, here, target, replay), ambient)
            return Outcome(previous, previous, plan, False, time.perf_counter() - started)
        reuse = self._ledger.sequence_reuse()
        self.timeline.pinned = target
        self._travelling = True  # a cell that is run again may let others run
        try:
            with self._ledger.ambient.kept():  # a load may draw numbers
                plan, found = self._restorer.obtain(
                    self.timeline,
                    here,
                    target,
                    replay,
                    ambient,
                    allow_lost=allow_lost,
                    progress=Reporter(self._show),
                    reuse=reuse,
                )
        finally:
            self._travelling = False
        with self._restorer.handing_over(found):
            settled = self._settle(judgement, variables)  # only now: a checkout that is refused changes nothing
            if (settled or self.timeline.store.pending) and (error := self.catch_up()):
                raise CheckoutError(f"the state as it is could not be stored, and leaving it would lose it: {error}")
            previous = self.timeline.head
            self._ledger.arrive(plan, found, ambient, branch, reuse)
        self._thinking.arrived(found)
        if self._restorer.unlike:
            names = ", ".join(name for each in self._restorer.unlike for name in each)
            self._warn(_UNLIKE.format(names))
        at = self.timeline.lookup(target) if target is not None else None
        if at is not None and at.incomplete and at.severed is None:
            told = CUT_OFF if at.incomplete == CUT_OFF else "what its cell changed was kept with the next one"
            self._warn(_INCOMPLETE.format(target, told))
        return Outcome(target, previous, plan, True, time.perf_counter() - started)

    # -- names for points in time ----------------------------------------------------------------

    def commit(self, message: str) -> Checkpoint:
        """Gives the state as it is now this message; a checkpoint of its own if something changed since.

        Raises:
            NothingToUndoError: there is no checkpoint yet and nothing to make one of.
        """
        with self._gate:
            self.catch_up()
            fresh = self.settle(message)
            if error := self.catch_up():
                raise error
            if fresh is not None:
                return fresh
            head = self.timeline.head
            if head is None:
                raise NothingToUndoError("there is nothing to commit yet: run a cell first")
            named = replace(self.timeline.lookup(head), message=message)
            self.timeline.amend(named)
            return named
