"""Obtains everything that a checkout needs before a name is rebound: loads versions, and has cells re-run.

Law: nothing here changes the session, wherever it is interrupted. What somebody else may have written is not loaded.
No cell is re-run that was not accepted (`checkout_request`).
Neighbours: `history.plan` says what is needed, `rerun` re-runs cells, `checkout` gives the names what was obtained.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kishu_kernel.ambient.keeper import AmbientState
from kishu_kernel.ambient.values import Move
from kishu_kernel.detect.sequence_cache import CheckoutReuse, PayloadReuse
from kishu_kernel.errors import LoadError, ReplayError, UntrustedError
from kishu_kernel.history.references import References
from kishu_kernel.model import CheckpointId, LoadStep, Names, Plan, ReplayMode, Selection, ShownPlan, State, Version
from kishu_kernel.objects.codec.disarming import UnclaimedObjects
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.python_gc import collector_paused, count_as_old
from kishu_kernel.session.checkout_request import CheckoutRequest, LoadFailures, UnloadableError, failed_sentence
from kishu_kernel.session.in_place import InPlace
from kishu_kernel.session.lending import CHANGED, IsUnchanged, Lending, misled, no_lending
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.plan_steps import classes_for, sources, that_need
from kishu_kernel.session.progress import ProgressReporter
from kishu_kernel.session.rerun import (
    CellRunner,
    NotGivenBackError,
    Rerunner,
    RestoredObjects,
    for_user,
    needed_steps,
)
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.base import StoredPayload


class Restorer:
    """Obtains the versions of a plan.

    Args:
        run_cell: re-runs one cell.
        tell: shows a sentence to the user.
        is_unchanged: as `Detector.is_unchanged`.
        missing: tells what objects lack that were loaded of a version before that was tried.
    """

    def __init__(
        self,
        namespace: UserNamespace,
        table: ReductionTable,
        run_cell: CellRunner,
        ambient: AmbientState,
        tell: Callable[[str], None],
        is_unchanged: IsUnchanged,
        missing: Callable[[Version, Mapping[str, Any]], str | None],
    ) -> None:
        self._names = namespace
        self._table = table
        self._rerunner = Rerunner(namespace, table, run_cell, ambient)
        self._tell = tell
        self._is_unchanged = is_unchanged
        self._missing = missing
        self._lending = no_lending(table)
        self._refused: set[Version] = set()
        """What is not lent: a re-run for this checkout has changed it."""
        self._misled: list[Names] = []
        """Co-variables given by re-runs that may have read what another one has changed."""
        self._copies = UnclaimedObjects(tell)
        self._failures = LoadFailures()

    @property
    def rerunning(self) -> bool:
        """A cell is being re-run at this moment."""
        return self._rerunner.running

    @property
    def differing_after_rerun(self) -> list[Names]:
        """Co-variables that re-runs gave back for the last plan with the same types and, maybe, other contents."""
        return [*self._rerunner.differing_after_rerun, *self._misled]

    def live_objects(self, here: State, variables: Mapping[str, Any]) -> InPlace:
        """What `obtain` may change instead of loading it: the user's variables, which are in this state."""
        return InPlace(self._names, self._table, here, variables)

    def plan(
        self,
        timeline: Timeline,
        here: State,
        target: CheckpointId | None,
        replay: ReplayMode,
        ambient: Move,
        selection: Selection | None = None,
    ) -> Plan:
        """The plan that `obtain` would begin with. The arguments are the same."""
        unused = ProgressReporter(), CheckoutReuse()
        request = CheckoutRequest(timeline, here, target, replay, ambient, True, *unused, selection=selection)
        return request.plan(self._failures_at(timeline, target), {})

    def obtain(
        self,
        timeline: Timeline,
        here: State,
        target: CheckpointId | None,
        replay: ReplayMode,
        ambient: Move,
        *,
        allow_lost: bool,
        shown: ShownPlan | None = None,
        progress: ProgressReporter | None = None,
        reuse: CheckoutReuse | None = None,
        in_place: InPlace | None = None,
        selection: Selection | None = None,
    ) -> tuple[Plan, RestoredObjects]:
        """The plan, and all objects that it brings back. The caller says who gets them: `handing_over`.

        Makes a new plan if a stored version does not load and, where versions may be lost, if a re-run fails.

        Args:
            here: the session state that the checkout begins with.
            ambient: part of the plan; not carried out here.
            allow_lost: whether the target may be reached without some of its versions.
            shown: what a person has seen; nothing else is done.
            progress: is told how far it is.
            reuse: the sequences that the session holds; learns those that are loaded.
            in_place: the live objects; learns what is to be written into them. None: all is made anew.
            selection: what of the target is wanted; None: all of it.

        Raises:
            PlanChangedError: another state would be reached, or another cell re-run, than was shown.
            LostError: versions are lost, and may not be.
            SideEffectsError: cells with side effects would be re-run, and the request did not accept them: it did not
                say so, or the first plan did not have them.
            ReplayError: a re-run failed, and what it should give back may not be lost.
        """
        request = CheckoutRequest(
            timeline,
            here,
            target,
            replay,
            ambient,
            allow_lost,
            progress or ProgressReporter(),
            reuse or CheckoutReuse(),
            shown,
            in_place,
            selection,
        )
        self._copies = UnclaimedObjects(self._tell)
        self._lending = no_lending(self._table)
        self._refused, self._misled = set(), []
        self._rerunner.begin_plan(UnclaimedObjects(self._tell))
        try:
            return self._obtain(request)
        except BaseException as error:
            self._rerunner.abandon()
            while True:  # an interrupt more is no reason to leave what it has changed
                with suppress(KeyboardInterrupt):
                    self._take_back(request, self._lending.changed())
                    break
            self._lending.end()  # first: what it holds would pass for taken
            self._disarm(error)
            raise
        finally:
            self._lending.end()

    @contextmanager
    def handing_over(self, restored: RestoredObjects) -> Iterator[None]:
        """The block gives names to what was obtained. If it fails, all of that is freed without running destructors."""
        try:
            yield
        except BaseException as error:
            for objects in restored.values():
                self._copies.note(objects.values())
                objects.clear()
            self._rerunner.settle()
            self._disarm(error)
            raise
        self._copies.hand_over()
        self._rerunner.settle([obj for objects in restored.values() for obj in objects.values()])

    def let_go(self, restored: RestoredObjects, claimed: Mapping[Version, Collection[str]]) -> None:
        """Of what was obtained, nobody gets more than these names of each version. The rest ends without an effect."""
        left = [(objects, name) for each, objects in restored.items() for name in objects.keys() - set(claimed[each])]
        for objects, name in left:
            self._copies.note([objects.pop(name)])
        if left:
            self._copies.let_go()

    def end_without_effect(self, gone: list[Any]) -> None:
        """Lets go of objects that were bound a moment only, and empties the list."""
        self._copies.note(gone)
        gone.clear()
        self._copies.let_go()

    def _disarm(self, error: BaseException) -> None:
        self._rerunner.inputs.failed(error)
        self._copies.failed(error)

    def _obtain(self, request: CheckoutRequest) -> tuple[Plan, RestoredObjects]:
        remembered = self._failures_at(request.timeline, request.target)
        failures = remembered.retried()
        unobtainable: dict[Version, str] = {}
        loaded: RestoredObjects = {}
        rerun: RestoredObjects = {}
        plan = request.plan(failures, unobtainable)
        accepted = request.accepted(request.plan(remembered, {}) if remembered.unloadable else plan)
        while True:
            request.check(plan, accepted)
            try:
                restored = self._carry_out(request, plan, loaded, rerun)
            except (UnloadableError, NotGivenBackError) as failed:
                if isinstance(failed, UnloadableError):
                    failures.note(failed)
                    remembered.note(failed)
                else:
                    unobtainable.update(failed.reasons)
                last, plan = plan, request.plan(failures, unobtainable)
                if isinstance(failed, NotGivenBackError) and not request.allow_lost:
                    raise ReplayError(failed_sentence(failed.reasons), plan) from None
                self._drop_outdated(request, (last, plan), failed, loaded, rerun)
            else:
                if failures.unloadable or unobtainable:  # nobody gets what was loaded, or re-run, for another plan only
                    self._drop_others([loaded, rerun], restored)
                self._failures = LoadFailures()
                return plan, restored

    def _failures_at(self, timeline: Timeline, target: CheckpointId | None) -> LoadFailures:
        """What is known of loads to this target. Forgotten when the session moves on."""
        asked = (timeline.head, target)
        if self._failures.asked != asked:
            self._failures = LoadFailures(asked)
        return self._failures

    def _carry_out(
        self, request: CheckoutRequest, plan: Plan, loaded: RestoredObjects, rerun: RestoredObjects
    ) -> RestoredObjects:
        """Loads and re-runs what is not there yet from an earlier plan. The objects of this plan."""
        if plan.replay and request.in_place is not None:
            for version in request.in_place.give_up():
                loaded.pop(version, None)
        left = [step for step in plan.load if step.version not in loaded]
        inputs = {load.version: load.size for step in plan.replay for load in step.loads}
        left_bytes = sum(load.size for load in left) + sum(inputs.values())
        request.progress.plan(left_bytes, [step.seconds for step in plan.replay])
        given = {version for step in plan.replay for version in for_user(step)}
        late = that_need(given, left)
        bound = self._kept(plan)
        for each in plan.load:
            bound.update(loaded.get(each.version, {}))
        self._load_all(request, [step for step in left if step not in late], loaded, bound)
        if self._run_again(request, plan, bound, loaded, rerun):
            return self._carry_out(request, plan, loaded, rerun)
        given &= rerun.keys()
        for version in given:
            bound.update(rerun[version])
        self._load_all(request, late, loaded, bound)
        return {step.version: loaded[step.version] for step in plan.load} | {each: rerun[each] for each in given}

    def _kept(self, plan: Plan) -> dict[str, Any]:
        """What stays, by its names."""
        live = self._names.variables()
        return {name: live[name] for version in plan.keep for name in version.names if name in live}

    def _owned(self, plan: Plan, bound: Mapping[str, Any]) -> RestoredObjects:
        """What stays, by its versions; what modules hold is never lent."""
        theirs = self._names.modules.parted(bound)
        owned = (version for version in plan.keep if theirs.isdisjoint(version.names))
        return {version: {name: bound[name] for name in version.names if name in bound} for version in owned}

    def _run_again(
        self,
        request: CheckoutRequest,
        plan: Plan,
        bound: Mapping[str, Any],
        loaded: RestoredObjects,
        rerun: RestoredObjects,
    ) -> bool:
        """Has the cells of a plan re-run. Whether they have changed what was lent: then it is not carried out yet."""
        self._lending = lending = Lending(
            request.timeline.lookup,
            self._table,
            self._owned(plan, bound),
            loaded,
            lambda names, should_stop: self._is_unchanged(names, self._names.variables(), should_stop, certain=True),
            self._refused,
        )
        try:
            self._rerunner.run_steps(
                request.timeline,
                plan.replay,
                rerun,
                lambda step, inputs: self._load_input(request, step, inputs),
                lending,
                request.progress,
            )
        except UnloadableError:
            self._put_right(request, plan, lending.changed(), loaded, rerun)
            raise
        except NotGivenBackError as failed:
            if self._put_right(request, plan, lending.changed(), loaded, rerun).isdisjoint(failed.reasons):
                raise
            return True
        changed = lending.changed()
        self._put_right(request, plan, changed, loaded, rerun)
        return bool(changed)

    def _put_right(
        self,
        request: CheckoutRequest,
        plan: Plan,
        changed: Sequence[Version],
        loaded: RestoredObjects,
        rerun: RestoredObjects,
    ) -> set[Version]:
        """Makes anew what re-runs have changed, and forgets what those after them made of it.

        Returns:
            What is to be made again. Empty, too, where a cell with side effects would have to run once more for it:
            then it stays, and is told.
        """
        wrong = misled(plan.replay, self._lending, changed)
        self._refused.update(changed)
        self._take_back(request, changed)
        self._forget(changed, loaded, self._copies)
        left = {version: objects for version, objects in rerun.items() if version not in wrong}
        if any(plan.replay[number].side_effects for number in needed_steps(plan.replay, left)):
            self._misled += [version.names for version in wrong & rerun.keys()]
            return set()
        self._forget(wrong, rerun, self._rerunner.inputs)
        return wrong

    def _take_back(self, request: CheckoutRequest, changed: Sequence[Version]) -> None:
        """What the session lent, and re-runs have changed, is loaded."""
        lending = self._lending
        for version in changed:
            if version in lending.of_session:
                try:
                    live = self._names.variables()
                    with self._names.rebinding(self._load(request, lending.lent[version], live), (), {}):
                        pass
                except UnloadableError as failed:
                    self._tell(CHANGED.format(", ".join(version.names), failed.reason))
            lending.forget(version)

    def _forget(self, versions: Collection[Version], source: RestoredObjects, copies: UnclaimedObjects) -> None:
        """Nobody gets these of what was loaded, or re-run."""
        for version in source.keys() & set(versions):
            objects = source.pop(version)
            copies.note(objects.values())
            objects.clear()

    def _load_all(
        self, request: CheckoutRequest, steps: Sequence[LoadStep], loaded: RestoredObjects, bound: dict[str, Any]
    ) -> None:
        in_place, timeline = request.in_place, request.timeline
        for step in sorted(steps, key=lambda step: in_place is not None and in_place.may_be_patched(timeline, step)):
            loaded[step.version] = self._load(request, step, bound)
            self._failures.unloadable.pop(step.version, None)
            bound.update(loaded[step.version])

    def _load(self, request: CheckoutRequest, step: LoadStep, bound: Mapping[str, Any]) -> dict[str, Any]:
        """Fresh objects, for the user: of live classes, where these are the same.

        Their long sequences are cached for this version.

        Args:
            bound: what the names of the state are bound to, as far as it is there.
        """
        live = None if self._is_copied_class(request, step.version) else self._table
        reuse = PayloadReuse(request.reuse, step.version)
        return self._decoded(request, step, bound, reuse, self._copies, live, request.in_place)

    def _is_copied_class(self, request: CheckoutRequest, version: Version) -> bool:
        """Whether a copy of a class is wanted, which is another one than the class that lives."""
        if request.selection is None or request.selection.copies.keys().isdisjoint(version.names):
            return False
        return bool(request.timeline.lookup(version.checkpoint).record(version.names).provides)

    def _load_input(self, request: CheckoutRequest, step: LoadStep, bound: Mapping[str, Any]) -> dict[str, Any]:
        """Fresh objects, for a re-run only: it may change their classes, too."""
        return self._decoded(request, step, bound, PayloadReuse(request.reuse, None), self._rerunner.inputs)

    def _decoded(
        self,
        request: CheckoutRequest,
        step: LoadStep,
        bound: Mapping[str, Any],
        reuse: PayloadReuse,
        copies: UnclaimedObjects,
        live: ReductionTable | None = None,
        in_place: InPlace | None = None,
    ) -> dict[str, Any]:
        def decoded(stored: StoredPayload) -> dict[str, Any]:
            with collector_paused():
                objects = decode(stored, self._table.namespace, reuse, copies=copies, live=live, classes=classes)
                count_as_old()
            if (lossy := self._missing(version, objects)) is not None:
                raise LoadError(f"{', '.join(version.names)}: {lossy}")
            return objects

        version, store = step.version, request.timeline.store
        try:
            classes = classes_for(step, bound)
            stored = store.load(version, request.progress.add_loaded)
            return decoded(stored) if in_place is None else in_place.load(request.timeline, version, stored, decoded)
        except LoadError as error:
            raise UnloadableError(version, str(error), not isinstance(error, UntrustedError)) from error

    def _drop_outdated(
        self,
        request: CheckoutRequest,
        plans: tuple[Plan, Plan],
        failed: Exception,
        loaded: RestoredObjects,
        rerun: RestoredObjects,
    ) -> None:
        """What refers to a class that is another one in the next plan is made again, and so is what holds such a class.

        Args:
            plans: the last and the next one.
            failed: how the last one ended. Its calls hold copies as long as it lives: these would pass for taken.
        """
        before, after = (sources(plan) for plan in plans)
        steps = plans[1].replay
        again = {each for number in needed_steps(steps, rerun) for each in for_user(steps[number])}
        changed = again.union(version for version in after if before.get(version) != after[version])
        references = References(request.timeline.lookup, {version.names: version.checkpoint for version in after})
        outdated = references.with_users(changed)
        for source in (loaded, rerun):
            for version in list(source):
                record = request.timeline.lookup(version.checkpoint).record(version.names)
                of_classes = bool(record.requires or record.provides)
                if version in again or (of_classes and (version in outdated or version not in after)):
                    objects = source.pop(version)
                    self._copies.note(objects.values())
                    objects.clear()
        self._copies.note_held(failed)
        self._copies.let_go()

    def _drop_others(self, sources: Sequence[RestoredObjects], restored: RestoredObjects) -> None:
        """Of all that was loaded and re-run, nobody gets what is not among the restored versions."""
        for source in sources:
            self._forget(source.keys() - restored.keys(), source, self._copies)
            source.clear()
        self._copies.let_go()
