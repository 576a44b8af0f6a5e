"""Re-runs cells to get back versions that are not stored (paper 5.3).

Law: a re-run changes nothing of the session, wherever it is interrupted. It happens in the live namespace dictionary
with its contents swapped, so that functions keep their globals; what it leaves is taken out before the contents are
swapped back. A cell that somebody else may have written is not re-run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from kishu_kernel.ambient.keeper import AmbientState
from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import UNORDERED, Census, TokenOf
from kishu_kernel.errors import ReplayError
from kishu_kernel.history.graph import UNTRUSTED
from kishu_kernel.model import Checkpoint, LoadStep, Names, ReplayStep, Version, VersionRecord
from kishu_kernel.objects.codec.bound_classes import BoundClasses
from kishu_kernel.objects.codec.disarming import UnclaimedObjects
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.objects.summaries import describe
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


@dataclass
class NotGivenBackError(Exception):
    """A re-run did not give these versions back; the reasons are clauses."""

    reasons: Mapping[Version, str]


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
        load_input: Callable[[LoadStep, Mapping[str, Any]], dict[str, Any]],
        progress: ProgressReporter,
    ) -> None:
        """Re-runs the cells of a plan. Each gets inputs of its own, since it may change them.

        Args:
            results: what re-runs gave already for an earlier plan; what they give now is added.
            load_input: loads a version for a re-run, given the inputs that there are already.

        Raises:
            NotGivenBackError: a cell did not give back all that it should.
        """
        given: dict[int, RestoredObjects] = {}
        handed_on = {index for step in steps for index in step.after}
        needed = _needed_steps(steps, handed_on, results)
        try:
            for number, step in enumerate(steps):
                if number not in needed:
                    continue
                inputs: dict[str, Any] = {}
                for source in step.after:
                    for objects in given[source].values():
                        inputs.update(objects)
                for load in step.loads:
                    inputs.update(load_input(load, inputs))
                with progress.cell(number):
                    given[number], failed = self._run_step(timeline, step, inputs)
                if number not in handed_on:
                    results.update(given[number])
                if failed:
                    raise NotGivenBackError(failed)
        finally:
            self._drop([given[index] for index in handed_on & given.keys()])

    def _run_step(
        self, timeline: Timeline, step: ReplayStep, inputs: dict[str, Any]
    ) -> tuple[RestoredObjects, dict[Version, str]]:
        """What the cell gave back, and the versions that it did not, with the reasons. Empties the inputs."""
        checkpoint = timeline.lookup(step.checkpoint)
        try:
            found, deviation = self._run_again(timeline, checkpoint, step, inputs)
        except ReplayError as error:
            found, deviation = {}, str(error)
        inputs.clear()
        records = {version: timeline.lookup(version.checkpoint).record(version.names) for version in found}
        reasons = {
            version: deviation or _shortcoming(checkpoint, records[version], objects)
            for version, objects in found.items()
        }
        if deviation:
            failed = dict.fromkeys(step.gives, deviation)
        else:
            failed = {version: reason for version, reason in reasons.items() if reason}
        self._drop([{version: found.pop(version)} for version in failed if version in found])
        bound = self._classes_in(found, records)
        self.differing_after_rerun += [
            each.names for each, objects in found.items() if self._differs(records[each], objects, bound)
        ]
        return found, failed

    def _run_again(
        self, timeline: Timeline, checkpoint: Checkpoint, step: ReplayStep, inputs: dict[str, Any]
    ) -> tuple[RestoredObjects, str]:
        """What the cell left, and how the re-run deviated from the first run; empty if it did not.

        Raises:
            ReplayError: the cell cannot begin with the state outside the namespace that it began with.
        """
        if not checkpoint.trusted:  # no plan has such a step
            return {}, f"{checkpoint.label} is not re-run: {UNTRUSTED}"
        aliases = timeline.lookup(checkpoint.parent).aliases if checkpoint.parent else {}
        ambient = self._ambient.set_to_before(timeline.lookup, checkpoint)
        with self._names.swapping(inputs, aliases) as live, ambient as ambient_deviation:
            inputs.clear()  # they are the cell's now: what it drops is freed
            self.inputs.hand_over()
            self.running = True
            try:
                error = self._run_code(step.code, checkpoint.execution_count)
                found = {version: _picked(live, version.names) for version in step.gives}
            finally:
                self.running = False
                self.inputs.note(self._names.notebook_variables().values())
            outside = ambient_deviation()
        deviation = _other_ending(checkpoint, error) or (outside and f"{outside} when it was re-run")
        return found, f"{checkpoint.label} {deviation}" if deviation else ""

    def _run_code(self, code: str, number: int | None) -> BaseException | None:
        """Runs the code; returns what it raised."""
        ended = self._run_cell(code, number)
        self._settle.append(ended.settle)
        if ended.error is not None:
            self.inputs.note_held(ended.error)
        return ended.error

    def _drop(self, results: Sequence[RestoredObjects]) -> None:
        """Nobody gets these results, nor what else re-runs have left."""
        for result in results:
            for objects in result.values():
                self.inputs.note(objects.values())
                objects.clear()
        self.inputs.let_go()

    def _classes_in(self, found: RestoredObjects, records: Mapping[Version, VersionRecord]) -> TokenOf:
        """The classes that others refer to: they are what the records call them, though they were made anew."""
        held = [
            (objects[name], token)
            for version, objects in found.items()
            for token, name in records[version].provides.items()
        ]
        return BoundClasses(self._table, {}, {id(cls): bytes.fromhex(token) for cls, token in held}).token_of

    def _differs(self, record: VersionRecord, objects: Mapping[str, Any], bound: TokenOf) -> bool:
        """Whether a version certainly has other contents than when its cell first ran.

        Two walks must agree, and no set be among the objects: else the digest says nothing.
        """
        census: Census = Counter()
        digests = [digest_of(objects, self._table, census=census, bound=bound) for _ in range(2)]
        comparable = digests[0] == digests[1] and not census[UNORDERED]
        return comparable and digests[0] != record.digest


def _needed_steps(steps: Sequence[ReplayStep], handed_on: Collection[int], results: RestoredObjects) -> set[int]:
    """Numbers of the steps to run: those whose versions are not there yet, and those whose results these need."""
    needed: set[int] = set()
    asked: set[int] = set()
    for number in reversed(range(len(steps))):
        final = number not in handed_on and not results.keys() >= set(steps[number].gives)
        if final or number in asked:
            needed.add(number)
            asked.update(steps[number].after)
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
