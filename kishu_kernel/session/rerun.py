"""Re-runs cells to get back versions that are not stored (paper 5.3).

Law: a re-run changes nothing of the session, wherever it is interrupted. It happens in the live namespace dictionary
with its contents swapped, so that functions keep their globals; what it leaves is taken out before the contents are
swapped back. A cell that somebody else may have written is not re-run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from kishu_kernel.ambient.keeper import AmbientState
from kishu_kernel.detect.fingerprint import Fingerprinter, digest_of
from kishu_kernel.detect.walk.result import UNORDERED, Census, TokenOf
from kishu_kernel.errors import ReplayError
from kishu_kernel.history.graph import UNTRUSTED, changed_names
from kishu_kernel.model import Checkpoint, LoadStep, Names, ReplayStep, Version, VersionRecord
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.codec.bound_classes import BoundClasses, recorded_tokens
from kishu_kernel.objects.codec.disarming import UnclaimedObjects
from kishu_kernel.objects.questions import draw_others, is_called_anew
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.summaries import describe
from kishu_kernel.session.lending import Lending
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.progress import ProgressReporter
from kishu_kernel.session.timeline import Timeline

RestoredObjects = dict[Version, dict[str, Any]]
"""Fresh objects: for each version its names and what they are to be bound to."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """How a re-run of a cell ended.

    Attributes:
        error: what it raised.
        settle: to be called once with the objects that somebody gets of it: what else it left with frontends goes.
    """

    error: BaseException | None
    settle: Callable[[Sequence[Any]], None] = lambda kept: None


class CellRunner(Protocol):
    """Runs a cell again in the namespace as it is then, with its output captured and nothing asked of the user."""

    def __call__(self, code: str, number: int | None) -> Rerun:
        """The cell's exception is returned. What it displays is bound as IPython does it.

        Args:
            number: its execution count.

        Raises:
            KeyboardInterrupt: the user has interrupted the re-run.
        """
        ...


LoadInput = Callable[[LoadStep, Mapping[str, Any]], dict[str, Any]]
"""Loads a version for a re-run, given the inputs that there are already."""


@dataclass
class NotGivenBackError(Exception):
    """A re-run did not give these versions back; the reasons are clauses."""

    reasons: Mapping[Version, str]


class _AtHand:
    """What later re-runs of a plan need.

    Args:
        results: what somebody gets of re-runs.

    Attributes:
        objects: what was loaded or lent for re-runs, or given by them.
    """

    def __init__(self, results: RestoredObjects, load: LoadInput, lending: Lending) -> None:
        self._results = results
        self._load = load
        self._lending = lending
        self._lent: set[Version] = set()
        self.objects: RestoredObjects = {}

    def inputs(self, step: ReplayStep, changed: Collection[str]) -> dict[str, Any]:
        """The inputs of a re-run. What has to be loaded is at hand afterwards.

        Args:
            changed: the names that its cell changed.
        """
        inputs: dict[str, Any] = {}
        for version in step.takes:
            inputs.update(self.objects[version] if version in self.objects else self._results[version])
        for load in step.loads:
            inputs.update(self._input(step, load, changed, inputs))
        return inputs

    def _input(
        self, step: ReplayStep, load: LoadStep, changed: Collection[str], inputs: Mapping[str, Any]
    ) -> dict[str, Any]:
        version = load.version
        if version not in self.objects or version in self._lent:
            lent = self._lending.lend(step, load, changed, inputs)
            (self._lent.discard if lent is None else self._lent.add)(version)
            self.objects[version] = self._load(load, inputs) if lent is None else lent
        return self.objects[version]

    def released(self, is_unused: Callable[[Version], bool]) -> list[dict[str, Any]]:
        """Lets go of what is not used any more. What of it nobody has is returned."""
        unused = [each for each in self.objects if each not in self._results and is_unused(each)]
        gone = [(version, self.objects.pop(version)) for version in unused]
        return [objects for version, objects in gone if version not in self._lent]


class Rerunner:
    """Re-runs the cells of one plan after the other.

    Attributes:
        running: a cell is being re-run at this moment.
        inputs: the objects that were made for re-runs only, which nobody gets.
        differing_after_rerun: co-variables that came back with the same types and other contents.
    """

    def __init__(
        self, namespace: UserNamespace, table: ReductionTable, run_cell: CellRunner, ambient: AmbientState
    ) -> None:
        self._names = namespace
        self._table = table
        self._ambient = ambient
        self._run_cell = run_cell
        self._settle: list[Callable[[Sequence[Any]], None]] = []
        self.running = False
        self.inputs = UnclaimedObjects()
        self.differing_after_rerun: list[Names] = []

    def begin_plan(self, inputs: UnclaimedObjects) -> None:
        """A new checkout begins.

        Args:
            inputs: keeps the objects that are made for re-runs.
        """
        self.settle()
        self.inputs = inputs
        self.differing_after_rerun = []

    def abandon(self) -> None:
        """A re-run was interrupted, or failed: the namespace gets its contents back."""
        self._names.undo_swap()
        self._ambient.end_rerun()
        self.running = False
        self.settle()

    def settle(self, kept: Sequence[Any] = ()) -> None:
        """It is known which objects somebody gets: what else re-runs left with frontends goes."""
        for settle in self._settle:
            with suppress(Exception):  # the checkout is done, or has failed for another reason
                settle(kept)
        self._settle.clear()

    def run_steps(
        self,
        timeline: Timeline,
        steps: Sequence[ReplayStep],
        results: RestoredObjects,
        load_input: LoadInput,
        lending: Lending,
        progress: ProgressReporter,
    ) -> None:
        """Re-runs the cells of a plan, each on what those before it have left. Compares only what somebody gets.

        Args:
            results: what re-runs gave already for an earlier plan; what they give now is added.
            load_input: loads a version for a re-run, given the inputs that there are already.
            lending: has what need not be loaded.

        Raises:
            NotGivenBackError: a cell did not give back all that it should.
        """
        needed = needed_steps(steps, results)
        last_use = {version: number for number in sorted(needed) for version in _inputs(steps[number])}
        at_hand = _AtHand(results, load_input, lending)
        try:
            for number in sorted(needed):
                step = steps[number]
                changed = changed_names(timeline.lookup(step.checkpoint))
                inputs = at_hand.inputs(step, changed)
                for version in [each for each in _inputs(step) if not changed.isdisjoint(each.names)]:
                    at_hand.objects.pop(version, None)  # it is the cell's now: what that drops is freed
                with progress.cell(number):
                    found, failed = self._run_step(timeline, step, inputs, at_hand.objects)
                at_hand.objects.update(found)
                results.update((version, found[version]) for version in found if version not in step.in_between)
                if failed:
                    self._drop([results.pop(version) for version in _inputs(step) if version in results])
                    raise NotGivenBackError(failed)
                self._drop(at_hand.released(lambda version: last_use.get(version, -1) <= number))  # noqa: B023
        finally:
            self._note(at_hand.released(lambda _: True))
        self.inputs.let_go()
        self._compare(timeline, results)

    def _run_step(
        self, timeline: Timeline, step: ReplayStep, inputs: dict[str, Any], at_hand: RestoredObjects
    ) -> tuple[RestoredObjects, dict[Version, str]]:
        """What the cell gave back, and the versions that it did not, with the reasons. Empties the inputs."""
        checkpoint = timeline.lookup(step.checkpoint)
        try:
            found, deviation, drawn = self._run_again(timeline, checkpoint, step, inputs, at_hand)
        except ReplayError as error:
            self.inputs.note(inputs.values())  # the cell did not begin: nobody took them
            found, deviation, drawn = {}, str(error), ""
        inputs.clear()
        if drawn and not draw_others():
            deviation = drawn
        reasons = {
            version: deviation
            or _shortcoming(checkpoint, _record(timeline, version), objects)
            or (drawn if drawn and not self._can_be_compared(objects) else "")
            for version, objects in found.items()
        }
        if deviation:
            failed = dict.fromkeys(step.gives, deviation)
        else:
            failed = {version: reason for version, reason in reasons.items() if reason}
        self._drop([found.pop(version) for version in failed if version in found])
        return found, failed

    def _run_again(
        self,
        timeline: Timeline,
        checkpoint: Checkpoint,
        step: ReplayStep,
        inputs: dict[str, Any],
        at_hand: RestoredObjects,
    ) -> tuple[RestoredObjects, str, str]:
        """What the cell left, how the re-run ended otherwise than the first run, and what it drew otherwise; or "".

        Raises:
            ReplayError: the cell cannot begin with the state outside the namespace that it began with.
        """
        if not checkpoint.trusted:  # no plan has such a step
            return {}, f"{checkpoint.label} is not re-run: {UNTRUSTED}", ""
        aliases = timeline.lookup(checkpoint.parent).aliases if checkpoint.parent else {}
        ambient = self._ambient.set_to_before(timeline.lookup, checkpoint)
        found: RestoredObjects = {}
        with self._names.swapping(inputs, aliases) as live, ambient as ambient_deviation:
            inputs.clear()  # they are the cell's now: what it drops is freed
            self.inputs.hand_over()
            self.running = True
            try:
                error = self._run_code(step.code, checkpoint.execution_count)
                found = {version: _picked(live, version.names) for version in step.gives}
            finally:
                self.running = False
                taken = {id(obj) for each in (at_hand, found) for objects in each.values() for obj in objects.values()}
                left = self._names.notebook_variables().values()
                self.inputs.note(obj for obj in left if id(obj) not in taken)
            outside = ambient_deviation()
        deviation = _other_ending(checkpoint, error)
        return (
            found,
            f"{checkpoint.label} {deviation}" if deviation else "",
            f"{checkpoint.label} {outside} when it was re-run" if outside else "",
        )

    def _run_code(self, code: str, number: int | None) -> BaseException | None:
        """Runs the code; returns what it raised."""
        ended = self._run_cell(code, number)
        self._settle.append(ended.settle)
        if ended.error is not None:
            self.inputs.note_held(ended.error)
        return ended.error

    def _note(self, unclaimed: Sequence[dict[str, Any]]) -> None:
        """Nobody gets these objects. An error that is under way may still hold them: who catches it lets go of them."""
        for objects in unclaimed:
            self.inputs.note(objects.values())
            objects.clear()

    def _drop(self, unclaimed: Sequence[dict[str, Any]]) -> None:
        """Nobody gets these objects, nor what else re-runs have left."""
        self._note(unclaimed)
        self.inputs.let_go()

    def _compare(self, timeline: Timeline, results: RestoredObjects) -> None:
        """Finds out which of the results are not what they were."""
        records = {version: _record(timeline, version) for version in results}
        bound = self._classes_in(results, records)
        self.differing_after_rerun = [
            each.names for each, objects in results.items() if self._differs(records[each], objects, bound)
        ]

    def _classes_in(self, found: RestoredObjects, records: Mapping[Version, VersionRecord]) -> TokenOf:
        """The classes that others refer to: they are what the records call them, though they were made anew."""
        return BoundClasses(self._table, {}, recorded_tokens(records, found)).token_of

    def _can_be_compared(self, objects: Mapping[str, Any]) -> bool:
        """Whether it is seen that these have other contents than when their cell first ran (`_differs`)."""
        census: Census = Counter()
        prints = Fingerprinter(self._table, census=census)
        return not any(prints.take(obj).opaque for obj in objects.values()) and not census[UNORDERED]

    def _differs(self, record: VersionRecord, objects: Mapping[str, Any], bound: TokenOf) -> bool:
        """Whether a version certainly has other contents than when its cell first ran.

        A digest that is another one must be found twice, and no set be among the objects: else it says nothing.
        """
        unnamed = bool(record.unnamed)
        if not unnamed and all(is_called_anew(type(obj)) for obj in objects.values()):  # a record of before
            return False
        first = digest_of(objects, self._table, bound=bound, unnamed=unnamed)
        if first == (record.unnamed or record.digest):
            return False
        census: Census = Counter()
        again = digest_of(objects, self._table, census=census, bound=bound, unnamed=unnamed)
        return again == first and not census[UNORDERED]


def _inputs(step: ReplayStep) -> tuple[Version, ...]:
    return (*step.takes, *(load.version for load in step.loads))


def _record(timeline: Timeline, version: Version) -> VersionRecord:
    return timeline.lookup(version.checkpoint).record(version.names)


def for_user(step: ReplayStep) -> list[Version]:
    """The versions that somebody gets of a re-run; the others are inputs of later ones."""
    return [version for version in step.gives if version not in step.in_between]


def needed_steps(steps: Sequence[ReplayStep], results: RestoredObjects) -> set[int]:
    """Numbers of the steps to run: those whose versions are not there yet, and those whose results these need."""
    needed: set[int] = set()
    asked: set[Version] = set()
    for number in reversed(range(len(steps))):
        step = steps[number]
        wanted = {each for each in step.gives if each not in step.in_between or each in asked}
        if wanted - results.keys():
            needed.add(number)
            asked.update(step.takes)
    return needed


def _other_ending(checkpoint: Checkpoint, error: BaseException | None) -> str | None:
    """How the re-run ended otherwise than the first run, as a clause; None if it ended the same way."""
    raised = None if error is None else type(error).__name__
    if raised == checkpoint.error:
        return None
    if raised is None:
        return f"ended well when it was re-run, and raised {checkpoint.error} when it first ran"
    then = f"and {checkpoint.error} when it first ran" if checkpoint.error else "and nothing when it first ran"
    return f"raised {raised} when it was re-run ({error}), {then}"


def _shortcoming(checkpoint: Checkpoint, record: VersionRecord, objects: Mapping[str, Any]) -> str | None:
    """What a re-run did not give back of a version, as a clause; None if it gave all, with the same types."""
    label = checkpoint.label
    recorded = {info.name: info.type for info in record.variables}
    for name in record.names:
        if name not in objects:
            return f"{label} did not give {name} when it was re-run"
        kind = describe(name, objects[name]).type
        if kind != recorded.get(name, kind):
            return f"{label} gave {name} as {kind}, not as {recorded[name]}, when it was re-run"
    return None


def _picked(live: Mapping[str, Any], names: Names) -> dict[str, Any]:
    return {name: live[name] for name in names if name in live}
