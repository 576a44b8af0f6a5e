"""Everything that a checkout needs, in hand before a name is rebound: versions loaded, cells re-run.

Law: nothing here changes the session, wherever it is interrupted. A re-run happens in the live namespace dictionary
with its contents swapped, so that functions keep their globals, and what it leaves is taken out before they are
swapped back. What somebody else may have written is neither loaded nor re-run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kishu_kernel.ambient.keeper import AmbientState, Move
from kishu_kernel.compare import Comparison, compare
from kishu_kernel.compare.summaries import describe
from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.sequence_cache import PayloadReuse, SequenceReuse
from kishu_kernel.detect.walk import UNORDERED, Census
from kishu_kernel.errors import LoadError, LostError, ReplayError, UntrustedError
from kishu_kernel.history.graph import UNTRUSTED, Lookup
from kishu_kernel.history.plan import make_plan
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Lost,
    Names,
    Plan,
    ReplayMode,
    ReplayStep,
    State,
    Version,
)
from kishu_kernel.model.amounts import size
from kishu_kernel.objects.codec.admission import Admission, StrangeError
from kishu_kernel.objects.codec.disarming import Copies
from kishu_kernel.objects.codec.pickling import Stored, decode
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.audit_hook import Guard, side_effects_forbidden
from kishu_kernel.process.collector import collector_paused
from kishu_kernel.session.checker.asking import Checker
from kishu_kernel.session.checker.questions import NoAnswerError
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.progress import Reporter
from kishu_kernel.session.timeline import Timeline

COMPARED_AT_MOST = 1_000_000_000
"""Bytes of a version that is loaded to be compared."""

Found = dict[Version, dict[str, Any]]
"""Fresh objects by version, and in it by name."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """How a re-run of a cell ended.

    Attributes:
        error: what it raised.
        result: what it displayed last, in a tuple, if anything.
    """

    error: BaseException | None
    result: tuple[Any, ...] = ()


class CellRunner(Protocol):
    """Runs a cell again in the namespace as it is then, its output captured, nothing asked of the user."""

    def __call__(self, code: str) -> Rerun:
        """Its exception is returned; an interrupt is raised."""
        ...


@dataclass
class _Unloadable(Exception):
    version: Version
    reason: str
    trusted: bool


@dataclass
class _Unobtainable(Exception):
    """A re-run did not give these back."""

    reasons: Mapping[Version, str]


@dataclass(frozen=True, slots=True)
class _Travel:
    timeline: Timeline
    progress: Reporter
    reuse: SequenceReuse


class Restorer:
    """Brings back the versions of a plan.

    Args:
        checker: makes copies that are only looked at.
        tell: shows a sentence to the user.

    Attributes:
        rerunning: a cell is being re-run right now.
        unlike: co-variables that were re-computed for the last plan, and are of the same types and not the same.
    """

    def __init__(
        self,
        namespace: UserNamespace,
        table: ReductionTable,
        rerun: CellRunner,
        ambient: AmbientState,
        checker: Checker,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._names = namespace
        self._table = table
        self._ambient = ambient
        self._rerun = rerun
        self._checker = checker
        self._tell = tell
        self._copies = Copies(tell)
        self._inputs = Copies(tell)
        self.rerunning = False
        self.unlike: list[Names] = []

    def obtain(
        self,
        timeline: Timeline,
        here: State,
        target: CheckpointId | None,
        replay: ReplayMode,
        ambient: Move,
        *,
        allow_lost: bool,
        progress: Reporter | None = None,
        reuse: SequenceReuse | None = None,
    ) -> tuple[Plan, Found]:
        """The plan, and all objects that it brings back.

        Plans anew where a stored version does not load and, where that is allowed, without what a re-run did not give.

        The caller says who gets them: `handing_over`.

        Args:
            ambient: part of the plan; not carried out here.
            progress: is told how far it is.
            reuse: what the session holds; learns what is loaded.

        Raises:
            LostError: versions are lost, and that is not allowed.
            ReplayError: a re-run failed, and going without what it was to give is not allowed.
        """
        travel = _Travel(timeline, progress or Reporter(), reuse or SequenceReuse())
        self.unlike = []
        self._copies, self._inputs = Copies(self._tell), Copies(self._tell)
        try:
            return self._obtain(travel, here, target, replay, ambient, allow_lost)
        except BaseException as error:
            self._names.come_back()
            self.rerunning = False
            self._give_up(error)
            raise

    @contextmanager
    def handing_over(self, found: Found) -> Iterator[None]:
        """The block gives names to what was obtained. Where it fails, all of that ends without doing anything."""
        try:
            yield
        except BaseException as error:
            for objects in found.values():
                self._copies.note(objects.values())
                objects.clear()
            self._give_up(error)
            raise
        self._copies.hand_over()

    def _give_up(self, error: BaseException) -> None:
        self._inputs.failed(error)
        self._copies.failed(error)

    def compared(self, timeline: Timeline, pairs: Mapping[str, tuple[Version, Version]]) -> dict[str, Comparison]:
        """In what way variables differ between two versions each. Loads copies; re-runs nothing."""
        together: dict[tuple[Version, Version], list[str]] = {}
        for name, pair in sorted(pairs.items()):
            together.setdefault(pair, []).append(name)
        found: dict[str, Comparison] = {}
        for pair, names in together.items():
            try:
                stored = [self._comparable(timeline, version, names[0]) for version in pair]
                found.update(self._compared(stored, names))
            except LoadError as error:
                found.update(dict.fromkeys(names, Comparison(note=f"Not compared: {error}.")))
        return dict(sorted(found.items()))

    def _comparable(self, timeline: Timeline, version: Version, name: str) -> Stored:
        record = timeline.lookup(version.checkpoint).record(version.names)
        if not record.stored:
            raise LoadError(f"{name} was not stored: {record.reason}")
        if record.size > COMPARED_AT_MOST:
            raise LoadError(f"{name} is too large to compare: it weighs {size(record.size)}")
        return timeline.store.load(version)

    def _compared(self, stored: Sequence[Stored], names: Sequence[str]) -> Mapping[str, Comparison]:
        """What is known to be harmless is loaded here; what is not, in the checker process."""
        with side_effects_forbidden() as guard, collector_paused():
            try:
                before, after = (self._copy(each, guard) for each in stored)
                return {name: compare(before[name], after[name]) for name in names}
            except StrangeError:
                pass
        try:
            return self._checker.compared(stored, names)
        except NoAnswerError:
            raise LoadError(f"{names[0]} could not be looked at in a process of its own") from None

    def _copy(self, stored: Stored, guard: Guard) -> dict[str, Any]:
        objects = decode(stored, self._table.namespace, admission=Admission(only_harmless=True))
        if guard.forbidden is not None:
            raise LoadError(f"{', '.join(stored.names)}: to load this {guard.forbidden}")
        return objects

    def _obtain(
        self,
        travel: _Travel,
        here: State,
        target: CheckpointId | None,
        replay: ReplayMode,
        ambient: Move,
        allow_lost: bool,
    ) -> tuple[Plan, Found]:
        unloadable: dict[Version, str] = {}
        unobtainable: dict[Version, str] = {}
        doubted: set[CheckpointId] = set()
        loaded: Found = {}
        again: Found = {}
        while True:
            lookup = _doubting(travel.timeline.lookup, doubted)
            plan = with_ambient(make_plan(lookup, here, target, replay, unloadable, unobtainable), ambient)
            if plan.lost and not allow_lost:
                raise LostError(_lost_sentence(plan))
            left = [step for step in plan.load if step.version not in loaded]
            inputs = [load for step in plan.replay for load in step.loads]
            travel.progress.plan(sum(load.size for load in (*left, *inputs)), [step.seconds for step in plan.replay])
            try:
                for step in left:
                    loaded[step.version] = self._load(travel, step.version, step.version)
                self._replay(travel, plan.replay, again)
                given = {version for step in plan.replay for version in step.gives} & again.keys()
                in_hand = loaded | {version: again[version] for version in given}
                found = {version: in_hand[version] for version in (*(s.version for s in plan.load), *given)}
                if unloadable or unobtainable:  # what was loaded, or re-run, for another plan is nobody's
                    in_hand.clear()
                    self._spare([loaded, again], found)
                return plan, found
            except _Unloadable as failed:
                unloadable[failed.version] = failed.reason
                if not failed.trusted:
                    doubted.add(failed.version.checkpoint)
            except _Unobtainable as failed:
                if not allow_lost:
                    raise ReplayError(_failed_sentence(failed.reasons)) from None
                unobtainable.update(failed.reasons)

    def _load(self, travel: _Travel, version: Version, at: Version | None = None) -> dict[str, Any]:
        """Fresh objects. What of them is familiar is remembered `at` this version; without it they are for a re-run."""
        copies = self._copies if at else self._inputs
        try:
            stored = travel.timeline.store.load(version, travel.progress.arrived)
            with collector_paused():
                return decode(stored, self._table.namespace, PayloadReuse(travel.reuse, at), copies=copies)
        except LoadError as error:
            raise _Unloadable(version, str(error), not isinstance(error, UntrustedError)) from error

    def _replay(self, travel: _Travel, steps: Sequence[ReplayStep], again: Found) -> None:
        """Re-runs cells (paper 5.3). Each gets inputs of its own, since it may change them.

        Args:
            again: what re-runs gave already, before a plan was made anew; what is given now is put there.
        """
        results: dict[int, Found] = {}
        handed_on = {index for step in steps for index in step.after}
        wanted = _wanted(steps, handed_on, again)
        try:
            for number, step in enumerate(steps):
                if number not in wanted:
                    continue
                inputs: dict[str, Any] = {}
                for load in step.loads:
                    inputs.update(self._load(travel, load.version))
                for source in step.after:
                    for objects in results[source].values():
                        inputs.update(objects)
                with travel.progress.cell(number):
                    results[number], failed = self._rerun_cell(travel.timeline, step, inputs)
                if number not in handed_on:
                    again.update(results[number])
                if failed:
                    raise _Unobtainable(failed)
        finally:
            self._drop([results[index] for index in handed_on & results.keys()])

    def _rerun_cell(
        self, timeline: Timeline, step: ReplayStep, inputs: dict[str, Any]
    ) -> tuple[Found, dict[Version, str]]:
        """What the cell gave, and for what it did not give the reason. Empties the inputs."""
        checkpoint = timeline.lookup(step.checkpoint)
        try:
            found, ending = self._run_again(timeline, checkpoint, step, inputs)
        except ReplayError as error:
            found, ending = {}, str(error)
        inputs.clear()
        amiss = {version: ending or _amiss(checkpoint, version, objects) for version, objects in found.items()}
        failed = dict.fromkeys(step.gives, ending) if ending else {v: why for v, why in amiss.items() if why}
        self._drop([{version: found.pop(version)} for version in failed if version in found])
        self.unlike += [each.names for each, objects in found.items() if self._is_unlike(checkpoint, each, objects)]
        return found, failed

    def _run_again(
        self, timeline: Timeline, checkpoint: Checkpoint, step: ReplayStep, inputs: dict[str, Any]
    ) -> tuple[Found, str]:
        """What the cell left, and in what way it went otherwise than when it first ran; empty where it did not.

        Raises:
            ReplayError: it cannot be run as it was.
        """
        label = f"the cell of checkpoint {checkpoint.id}"
        if not checkpoint.trusted:  # no plan has such a step
            return {}, f"{label} is not re-run: {UNTRUSTED}"
        aliases = timeline.lookup(checkpoint.parent).aliases if checkpoint.parent else {}
        ambient = self._ambient.as_before(timeline.lookup, checkpoint)
        with self._names.swapped(inputs, aliases) as live, ambient as unlike:
            inputs.clear()  # they are the cell's: what it drops goes
            self._inputs.hand_over()
            self.rerunning = True
            try:
                error = self._ended(step.code, live, checkpoint.execution_count)
                found = {version: _picked(live, version.names) for version in step.gives}
            finally:
                self.rerunning = False
                self._inputs.note(self._names.variables().values())
            different = unlike()
        ending = _ended_otherwise(checkpoint, error) or (different and f"{different} when it was re-run")
        return found, f"{label} {ending}" if ending else ""

    def _drop(self, results: Sequence[Found]) -> None:
        """Nobody gets these, nor what else re-runs have left."""
        for result in results:
            for objects in result.values():
                self._inputs.note(objects.values())
                objects.clear()
        self._inputs.let_go()

    def _spare(self, sources: Sequence[Found], found: Found) -> None:
        """Of all that was loaded and re-run, nobody gets what was not found."""
        for source in sources:
            for version in source.keys() - found.keys():
                self._copies.note(source[version].values())
                source[version].clear()
            source.clear()
        self._copies.let_go()

    def _ended(self, code: str, live: dict[str, Any], number: int | None) -> BaseException | None:
        """Re-runs a cell; what it raised. What it displayed last is bound as IPython does it."""
        ended = self._rerun(code)
        if ended.result and number is not None:
            live[f"_{number}"] = ended.result[0]
        if ended.error is not None:
            self._inputs.note_held(ended.error)
        return ended.error

    def _is_unlike(self, checkpoint: Checkpoint, version: Version, objects: Mapping[str, Any]) -> bool:
        census: Census = Counter()
        digests = [digest_of(objects, self._table, census=census) for _ in range(2)]
        tells = digests[0] == digests[1] and not census[UNORDERED]
        return tells and digests[0] != checkpoint.record(version.names).digest


def with_ambient(plan: Plan, ambient: Move) -> Plan:
    """The plan, with what is done outside the namespace."""
    return replace(plan, ambient=tuple(sorted(ambient.values)), lost=(*plan.lost, *ambient.lost))


def _doubting(lookup: Lookup, doubted: Collection[CheckpointId]) -> Lookup:
    """The history, where of some checkpoints it has come out that somebody else may have written them."""

    def doubting(id: CheckpointId) -> Checkpoint:
        checkpoint = lookup(id)
        return replace(checkpoint, trusted=False) if id in doubted else checkpoint

    return doubting


def _wanted(steps: Sequence[ReplayStep], handed_on: Collection[int], again: Found) -> set[int]:
    """The steps that are to be run: those whose versions are not there, and whose results they work on."""
    wanted: set[int] = set()
    asked: set[int] = set()
    for number in reversed(range(len(steps))):
        final = number not in handed_on and not again.keys() >= set(steps[number].gives)
        if final or number in asked:
            wanted.add(number)
            asked.update(steps[number].after)
    return wanted


def _ended_otherwise(checkpoint: Checkpoint, error: BaseException | None) -> str | None:
    """In what way a re-run did not end as the cell first ended, as a clause."""
    raised = None if error is None else type(error).__name__
    if raised == checkpoint.error:
        return None
    before = f"raised {checkpoint.error}" if checkpoint.error else "ended well"
    now = f"raised {raised}: {error}" if raised else "ended well"
    return f"{before} when it first ran and {now} when it was re-run"


def _amiss(checkpoint: Checkpoint, version: Version, objects: Mapping[str, Any]) -> str | None:
    """In what way a re-run did not give what the cell gave, as a clause."""
    recorded = {info.name: info.type for info in checkpoint.record(version.names).variables}
    for name in version.names:
        if name not in objects:
            return f"did not give {name} when it was re-run"
        kind = describe(name, objects[name]).type
        if kind != recorded.get(name, kind):
            return f"gave {name} as {kind}, not as {recorded[name]}, when it was re-run"
    return None


def _picked(live: Mapping[str, Any], names: Names) -> dict[str, Any]:
    return {name: live[name] for name in names if name in live}


_WITHOUT = "Ask with allow_lost to go there without them"


def _lost_sentence(plan: Plan) -> str:
    return f"this state cannot be brought back whole: {_told(plan.lost)}. {_WITHOUT}"


def _failed_sentence(reasons: Mapping[Version, str]) -> str:
    """The reasons are about cells, of which several versions can come."""
    told = "; ".join(dict.fromkeys(reasons.values()))
    names = ", ".join(name for version in reasons for name in version.names)
    return f"{told}: {names} cannot be brought back. {_WITHOUT}"


def _told(lost: Sequence[Lost]) -> str:
    """Each reason once, after the names that it is of."""
    names: dict[str, list[str]] = {}
    for each in lost:
        names.setdefault(each.reason, []).extend(each.version.names or ("other variables",))
    return "; ".join(f"{', '.join(of)} ({reason})" for reason, of in names.items())
