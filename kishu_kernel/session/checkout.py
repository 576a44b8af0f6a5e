"""Checks out other states: plan, obtain everything, store what would be lost, rebind all names or none.

Law: a checkout that fails, at whatever point, leaves the session as it was. The head moves last.
Neighbours: `session` holds its gate around every call, `restore` obtains the objects, `ledger` knows which versions the
session has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from kishu_kernel.detect.sequence_cache import CheckoutReuse
from kishu_kernel.errors import CheckoutError, NothingToUndoError
from kishu_kernel.history.graph import UNTRUSTED, ancestry, known_state_at
from kishu_kernel.history.left_out import left_out_notes
from kishu_kernel.model import (
    EVERYTHING,
    NOTHING,
    Access,
    CellRun,
    CheckoutOptions,
    Checkpoint,
    CheckpointId,
    Outcome,
    Plan,
    Selection,
    Taking,
)
from kishu_kernel.model.dataclass import replace
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.process.noticed_code import noticing_code
from kishu_kernel.session.aftermath import Aftermath, Start, end_cycles, gone_in_cycles, may_act_in_cycles
from kishu_kernel.session.checkout_words import (
    loaded_records,
    names_at,
    tell_differences,
    tell_incomplete,
    too_few,
    with_notes,
)
from kishu_kernel.session.checkpointing import Checkpointer
from kishu_kernel.session.in_place import InPlace
from kishu_kernel.session.ledger import Ledger
from kishu_kernel.session.namespace import NOTHING_DISPLAYED, OUTPUT_ALIASES, UserNamespace
from kishu_kernel.session.progress import ProgressReporter, ShowProgress
from kishu_kernel.session.rerun import RestoredObjects
from kishu_kernel.session.restore import Restorer
from kishu_kernel.session.running_cells import RunningCells
from kishu_kernel.session.taking import (
    Claims,
    claims_of,
    selection_of,
    take_code,
    taking_of,
    touched_names,
    whole_plan,
    with_taken,
)
from kishu_kernel.session.think_time import ThinkTime
from kishu_kernel.session.timeline import Timeline

AUDIT_SECONDS = 0.05
"""Seconds that a checkout spends on what is left of the audit: a change that it does not find is not undone."""

HANDOVER_SECONDS = 60.0
"""Seconds to wait, at most, for what an earlier kernel gave to another process to write; that ends sooner by itself."""

NOT_HANDED_OVER = "What the last kernel left to be written is still not written: it counts as not stored."


class Checkouts:
    """Checks out states, and finds those to which undo and redo lead.

    Args:
        show: shows how far a checkout is that takes long.
        warn: shows one sentence to the user.
    """

    def __init__(
        self,
        names: UserNamespace,
        ledger: Ledger,
        cells: RunningCells,
        checkpointer: Checkpointer,
        think_time: ThinkTime,
        restorer: Restorer,
        *,
        show: ShowProgress | None,
        warn: Callable[[str], None],
    ) -> None:
        self._names = names
        self._ledger = ledger
        self._cells = cells
        self._checkpointer = checkpointer
        self._think_time = think_time
        self._restorer = restorer
        self._show = show
        self._warn = warn
        self._aftermath = Aftermath(cells, ledger, restorer, warn, self._start, self._obtained, self._rebind)
        self.under_way = False
        """A checkout is obtaining objects: a cell that it re-runs may let other code run."""

    @property
    def rerunning(self) -> bool:
        """A cell is being re-run at this moment."""
        return self._restorer.rerunning

    @property
    def _timeline(self) -> Timeline:
        return self._ledger.timeline

    # -- targets ---------------------------------------------------------------------------------

    def undo_target(self, steps: int) -> CheckpointId | None:
        """The state so many cells before the head; None stands for the empty state before the first cell.

        Raises:
            NothingToUndoError: there are not so many cells.
        """
        if self._ledger.has_lost_cells:  # an undo begins at what is left of the cells that were lost
            self._checkpointer.settle()
            self._checkpointer.flush()
        path = [checkpoint.id for checkpoint in ancestry(self._timeline.lookup, self._timeline.head)]
        if steps > len(path):
            raise NothingToUndoError(too_few("undo", len(path), steps))
        return path[steps] if steps < len(path) else None

    def redo_target(self, steps: int) -> CheckpointId | None:
        """The state to which so many undone cells lead.

        Raises:
            NothingToUndoError: there are not so many undone cells.
        """
        at = self._timeline.head
        for done in range(steps):
            child = self._timeline.redo_child(at)
            if child is None:
                raise NothingToUndoError(too_few("redo", done, steps))
            at = child
        return at

    def await_handed_over(self) -> None:
        """Waits for what the last kernel could not write in time: another process may still be writing it."""
        if not self._timeline.await_handed_over(HANDOVER_SECONDS):
            self._warn(NOT_HANDED_OVER)

    # -- the road --------------------------------------------------------------------------------

    def check_out(self, target: CheckpointId | None, options: CheckoutOptions, branch: str | None = None) -> Outcome:
        """Goes to a state.

        Args:
            target: None stands for the empty state before the first cell.
            branch: the branch to continue, as in `Timeline.move`.

        Raises:
            CheckoutError: it cannot be done; the session is as it was.
        """
        began = time.perf_counter()
        previous = self._timeline.head
        if not options.dry_run and self._cells.subshell_running:
            raise CheckoutError("a cell is still running on a subshell: wait for it, or interrupt it")
        unchecked, gone = self._cells.unchecked, gone_in_cycles()
        if in_cycles := may_act_in_cycles(self._names.variables()):
            self._cells.unchecked = EVERYTHING  # what went in one since the last cell may have changed anything
        start = self._start(target)
        if options.dry_run:
            self._cells.unchecked = unchecked
            plan = self._restorer.plan(self._timeline, start.state, target, options.replay, start.ambient)
            plan = with_notes(plan, previous, self._timeline)
            return Outcome(previous, previous, plan, False, time.perf_counter() - began)
        reuse = self._ledger.sequence_reuse()
        in_place = self._restorer.live_objects(start.state, start.changes[1])
        self._timeline.pinned = target
        with self._names.modules_of(lambda: names_at(self._timeline.lookup, target)):
            plan, restored = self._obtained(target, options, start, reuse, in_place)
            plan = with_notes(plan, previous, self._timeline)
            with self._restorer.handing_over(restored):
                self._store_changes(start)  # only now: a checkout that is refused changes nothing
                previous = self._timeline.head
                others = self._held_by_modules(restored)
                self._rebind(plan, restored, start, branch, reuse, in_place)
        loaded = [version for version in restored if not in_place.is_patched(version)]
        self._think_time.note_checkout(loaded)
        tell_differences(self._warn, plan, self._restorer.differing_after_rerun, others)
        tell_incomplete(self._warn, self._timeline.lookup, target)
        with noticing_code() as noticed:
            del start, restored, reuse, in_place  # what the session had, and nobody holds any more
            if in_cycles:
                noticed.ran = noticed.ran or gone_in_cycles() != gone
                end_cycles()
        if noticed.ran:
            self._aftermath.put_right(plan, branch)
        return Outcome(target, previous, plan, True, time.perf_counter() - began)

    def begin_at(self, target: str, branch: str) -> Outcome:
        """Goes to a state that other sessions have made, and begins a branch there.

        It brings back all that can be brought back without harm, since nobody is asked; the plan lists the rest.

        Args:
            target: seen from where the last session ended.

        Raises:
            RequestError: there is no such target, or no branch may have this name.
            CheckoutError: it cannot be done, or somebody else may have written it; the session is as it was.
        """
        timeline = self._timeline
        id = timeline.seen_from_last_session().resolve(target)
        if not timeline.lookup(id).trusted:
            raise CheckoutError(f"state {id} is not trusted: {UNTRUSTED}")
        outcome = self.check_out(id, CheckoutOptions(replay="harmless", allow_lost=True))
        timeline.begin_branch(branch)
        return outcome

    def _start(self, target: CheckpointId | None, *, staying: bool = False) -> Start:
        if not self._cells.any_running and self._cells.unchecked == NOTHING:
            self._think_time.hasten_audit(self._names.variables(), AUDIT_SECONDS)
        self._cells.note_checkout()
        changes = self._checkpointer.changes()
        state = self._ledger.state_after(changes[0].delta)
        ambient = self._ledger.ambient
        return Start(changes, state, ambient.staying() if staying else ambient.move(self._timeline.lookup, target))

    def _obtained(
        self,
        target: CheckpointId | None,
        options: CheckoutOptions,
        start: Start,
        reuse: CheckoutReuse,
        in_place: InPlace | None = None,
        selection: Selection | None = None,
    ) -> tuple[Plan, RestoredObjects]:
        self.under_way = True
        try:
            with self._ledger.ambient.put_back_afterwards():  # a load may draw random numbers
                self._ledger.ambient.set_for_loading(start.ambient)
                return self._restorer.obtain(
                    self._timeline,
                    start.state,
                    target,
                    options.replay,
                    start.ambient,
                    allow_lost=options.allow_lost,
                    shown=options.shown,
                    progress=ProgressReporter(self._show),
                    reuse=reuse,
                    in_place=in_place,
                    selection=selection,
                )
        finally:
            self.under_way = False
            self._cells.note_other_code()

    def _store_changes(self, start: Start) -> None:
        """What has changed since the last checkpoint gets one of its own, lest the checkout loses it.

        Raises:
            CheckoutError: it could not be written.
        """
        settled = self._checkpointer.keep_changes(*start.changes)
        if (settled or self._timeline.store.pending) and (error := self._checkpointer.flush()):
            raise CheckoutError(f"the present state could not be stored, and a checkout would lose it: {error}")

    def _rebind(
        self,
        plan: Plan,
        restored: RestoredObjects,
        start: Start,
        branch: str | None,
        reuse: CheckoutReuse,
        in_place: InPlace,
    ) -> None:
        """Rebinds the names that differ, and sets what differs outside the namespace. The head moves last.

        Args:
            restored: the objects of all versions that the plan loads or re-runs.
            branch: the branch to continue, as in `Timeline.move`.
            in_place: what is written into live arrays.

        Raises:
            Exception: something could not be set; then everything is as it was.
        """
        timeline, ledger = self._timeline, self._ledger
        bind = {name: obj for objects in restored.values() for name, obj in objects.items()}
        kept = {version.names for version in plan.keep}
        unbind = {
            name for names in {**ledger.state, **start.state} if names not in kept for name in names
        } - bind.keys()
        known = ledger.known_of_loaded(restored, reuse)
        nothing_displayed = dict.fromkeys(OUTPUT_ALIASES, NOTHING_DISPLAYED)
        aliases = timeline.lookup(plan.target).aliases if plan.target else nothing_displayed

        rebinding, moving = self._names.rebinding(bind, unbind, aliases), ledger.ambient.moving(start.ambient)
        # No closure: a call that an error has ended keeps its function, and with it what that has closed over.
        adopt = partial(ledger.adopt_checkout, plan, restored, known, bind)
        changes = rebinding, moving, in_place.written(restored)
        uninterrupted(partial(self._switch, plan.target, branch, changes, adopt), final_step=True)

    def _switch(
        self,
        target: CheckpointId | None,
        branch: str | None,
        changes: Iterable[AbstractContextManager[None]],
        adopt: Callable[[], None],
    ) -> None:
        with ExitStack() as done:
            for change in changes:
                done.enter_context(change)
            self._timeline.move(target, branch)
        adopt()

    # -- some variables only ---------------------------------------------------------------------

    def take(
        self,
        names: Sequence[str],
        target: CheckpointId,
        label: str,
        copies: Mapping[str, str],
        options: CheckoutOptions,
    ) -> Taking:
        """Brings some variables as they were in another state, with what shares objects with them.

        The rest stays. It gets a checkpoint of its own, or none where all of it is there as it was.

        Args:
            label: what the target is called.
            copies: those that come under other names -> these names.

        Raises:
            RequestError: there are no such variables, or no such names are possible.
            CheckoutError: it cannot be done; the session is as it was.
        """
        began = time.perf_counter()
        previous, lookup = self._timeline.head, self._timeline.lookup
        if not options.dry_run and self._cells.subshell_running:
            raise CheckoutError("a cell is still running on a subshell: wait for it, or interrupt it")
        known = known_state_at(lookup, target)
        selection = selection_of(names, copies, known, lookup, label, self._names.variables().keys())
        unchecked = self._cells.unchecked
        start = self._start(target, staying=True)
        if options.dry_run:
            self._cells.unchecked = unchecked
            obtained = self._restorer.plan(
                self._timeline, start.state, target, options.replay, start.ambient, selection
            )
            coming = [step.version for step in obtained.load]
            given = (version for step in obtained.replay for version in step.gives)
            coming += [each for each in given if known.versions.get(each.names) == each.checkpoint]
            claims = claims_of(selection, coming, lookup, known.versions)
            plan = whole_plan(obtained, selection, claims, start.state, lookup)
            return taking_of(Outcome(previous, previous, plan, False, time.perf_counter() - began), selection, claims)
        reuse = self._ledger.sequence_reuse()
        self._timeline.pinned = target
        with self._names.modules_of(lambda: (name for each in (*start.state, *known.versions) for name in each)):
            obtained, restored = self._obtained(target, options, start, reuse, selection=selection)
            claims = claims_of(selection, restored, lookup, known.versions)
            plan = whole_plan(obtained, selection, claims, start.state, lookup)
            plan = replace(plan, notes=left_out_notes(loaded_records(obtained, lookup)) + plan.notes)
            if not restored:
                return taking_of(
                    Outcome(previous, previous, plan, False, time.perf_counter() - began), selection, claims
                )
            with self._restorer.handing_over(restored):
                self._store_changes(start)
                previous = self._timeline.head
                self._restorer.let_go(restored, claims.names)
                others = self._held_by_modules(restored)
                checkpoint = self._bind_taken(claims, restored, take_code(selection, label))
        self._think_time.begin(checkpoint)
        tell_differences(self._warn, plan, self._restorer.differing_after_rerun, others)
        outcome = Outcome(checkpoint.id, previous, plan, True, time.perf_counter() - began)
        return taking_of(outcome, selection, claims)

    def _bind_taken(self, claims: Claims, restored: RestoredObjects, code: str) -> Checkpoint:
        """Binds what was taken, and takes a checkpoint of that: both or, with an error, nothing."""
        ledger, lookup, here = self._ledger, self._timeline.lookup, self._ledger.state
        bound = claims.bound(restored)
        records = [lookup(version.checkpoint).record(version.names) for version in claims.whole]
        provides = {bytes.fromhex(token): name for record in records for token, name in record.provides.items()}
        touched = touched_names(bound.keys(), {token.hex() for token in provides}, here, lookup)
        run = CellRun(code, None, "ok", time.time(), 0.0)

        def switch() -> Checkpoint:
            with self._names.rebinding(bound, (), self._names.aliases()):
                ledger.note_classes(provides, bound)
                variables = self._names.variables()
                judgement = ledger.judge(NOTHING, variables, Access(touched))
                return ledger.take_checkpoint(run, with_taken(judgement, claims.whole, here), variables)

        return uninterrupted(switch, final_step=True)

    # -- what a person is told -------------------------------------------------------------------

    def _held_by_modules(self, restored: RestoredObjects) -> list[str]:
        """Names of what cannot be stored, stays as it is in a module, and is not what it was."""
        lookup, differs = self._timeline.lookup, self._ledger.differs
        theirs = [each for each in restored if self._names.modules.held(restored[each])]
        changed = [each for each in theirs if differs(lookup(each.checkpoint).record(each.names), restored[each])]
        return [name for each in changed for name in each.names]
