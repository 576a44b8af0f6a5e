"""What a checkout will do, decided before anything is done (paper 5.2 and 5.3).

A version that the present state and the target share is kept (Definition 6: comparing versions gives the same as asking
the lowest common ancestor). One that is stored is loaded. One that is not is got back by re-running its cell on the
versions that the cell read, which may have to be re-run in turn. All cells that made a state lie on one path: each is
re-run once, in the order of the first run. What even that cannot give is lost, and the plan says so. A handle of an
engine that stays is read as it is: a re-run of its cell would make another engine.

A checkpoint that somebody else may have written is only shown: its versions are neither loaded nor re-run, not as
inputs either. Nor is a cell re-run if such a checkpoint is among its ancestors, which could have chosen its inputs.

Of some states not everything is known: a record was damaged, or a cell's checkpoint could not be taken. Variables that
may have existed then are lost as well, by name if the name is known, and as "other variables". No cell is re-run on
inputs that are not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from kishu_kernel.history.annotations import DETERMINISTIC, NO_REPLAY, cell_annotations
from kishu_kernel.history.effects import side_effects
from kishu_kernel.history.graph import UNTRUSTED, Gap, KnownState, Lookup, ancestry, known_state_at
from kishu_kernel.history.references import References
from kishu_kernel.model import (
    CheckpointId,
    LoadStep,
    Lost,
    Names,
    Plan,
    ReplayMode,
    ReplayStep,
    Selection,
    State,
    Version,
    VersionRecord,
)
from kishu_kernel.model.dataclass import dataclass

MOST_STEPS = 1000
"""Cells that are re-run for one checkout at most."""


def make_plan(
    lookup: Lookup,
    here: State,
    target: CheckpointId | None,
    replay: ReplayMode = "auto",
    unloadable: Mapping[Version, str] | None = None,
    unobtainable: Mapping[Version, str] | None = None,
    selection: Selection | None = None,
) -> Plan:
    """The plan that brings a session from the state `here` to that of `target`.

    Args:
        target: None stands for the empty state before the first cell.
        replay: which cells may be re-run.
        unloadable: versions whose load has failed -> the reason. They count as not stored.
        unobtainable: versions that a re-run of their cell did not give back -> the reason.
        selection: what is wanted of that state. The plan then says nothing of what else the session has.

    Raises:
        KeyError: there is no such target.
        StoreError: one of its ancestors is missing.
    """
    known = known_state_at(lookup, target)
    there = known.versions if selection is None else selected(lookup, known.versions, selection.names)
    copied = frozenset(selection.copies if selection else ())
    wanted = {Version(n, at) for n, at in there.items() if here.get(n) != at or not copied.isdisjoint(n)}
    names_there = {name for names in there for name in names}
    refused: dict[Version, str] = {}
    while True:
        kept = {} if copied else {n: at for n, at in there.items() if here.get(n) == at}
        replays = _Replays(lookup, target, replay, unloadable or {}, unobtainable or {}, refused, kept)
        needed, loads = replays.obtain(there, wanted)
        if not replays.refused.keys() - refused.keys():
            break
        refused = replays.refused
    return Plan(
        target=target,
        keep=tuple(Version(n, at) for n, at in sorted(there.items()) if Version(n, at) not in needed),
        load=tuple(loads),
        delete=() if selection else tuple(sorted({name for names in here for name in names} - names_there)),
        replay=replays.steps(),
        lost=(*replays.lost, *_unknown(known.gap, selection)),
    )


def selected(lookup: Lookup, state: State, names: Collection[str]) -> dict[Names, CheckpointId]:
    """The part of a session state that has these names, and that holds the classes to which this refers."""
    wanted = set(names)
    named = [Version(each, at) for each, at in state.items() if not wanted.isdisjoint(each)]
    return {each.names: each.checkpoint for each in References(lookup, state).with_holders(named)}


def _unknown(gap: Gap | None, selection: Selection | None) -> list[Lost]:
    """The variables of which nothing is known; the last entry stands for those without a known name."""
    if gap is None:
        return []
    if selection is not None:
        return [Lost(Version((name,), gap.at), gap.reason) for name in selection.names if name in gap.names]
    return [Lost(Version(names, gap.at), gap.reason) for names in (*((name,) for name in gap.names), ())]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a cell needs: what is loaded, and what other re-runs give, with their cells."""

    loads: tuple[LoadStep, ...]
    givers: Mapping[Version, CheckpointId]


class _Replays:
    """Finds the cells to re-run.

    A result is handed on to all who need it: a cell between them that changed it would have made another version.

    Args:
        target: the state to which the plan leads.
        kept: what stays of the present one.

    Attributes:
        lost: versions that no re-run gives back.
        refused: versions whose re-runs are not to be tried -> why. What else they would have given can be loaded.
    """

    def __init__(
        self,
        lookup: Lookup,
        target: CheckpointId | None,
        mode: ReplayMode,
        unloadable: Mapping[Version, str],
        unobtainable: Mapping[Version, str],
        refused: Mapping[Version, str],
        kept: State,
    ) -> None:
        self._lookup = lookup
        self._mode = mode
        self._unloadable = unloadable
        self._unobtainable = unobtainable
        self._target = target
        self._kept = kept
        self._states: dict[CheckpointId | None, tuple[KnownState, References]] = {}
        self._inputs_of: dict[tuple[CheckpointId, tuple[Version, ...]], _Inputs | str] = {}
        self._given: dict[CheckpointId, tuple[Version, ...]] = {}
        """What each cell that is re-run is to give."""
        self._wanted: set[Version] = set()
        """The versions among them that are of the target."""
        self.refused = dict(refused)
        self.lost: list[Lost] = []

    def obtain(self, there: State, needed: set[Version]) -> tuple[set[Version], list[LoadStep]]:
        """What is made anew of a state, and what of it is loaded. Adds the steps that give the rest back.

        Args:
            needed: the versions of it that the session does not have.
        """
        references = References(self._lookup, there)
        not_there, refusals = needed, dict[Version, str]()
        while True:
            refused = len(refusals)
            needed = references.with_users(needed)
            givers = self._givers(references, [each for each in needed if not self._is_loadable(each)], refusals)
            if len(refusals) > refused:
                needed = not_there  # what is made anew only for one that is refused can stay
            elif givers.keys() <= needed:
                break
            else:
                needed |= givers.keys()
        refusals = {version: reason for version, reason in refusals.items() if version in needed}
        loads = self._loads(references, needed - givers.keys() - refusals.keys())
        self.lost.extend(Lost(version, reason) for version, reason in sorted(refusals.items(), key=_names))
        for checkpoint, versions in sorted(_by_giver(givers).items(), key=lambda each: each[1][0].names):
            reason = self._add(checkpoint, versions)
            if reason:
                wanted = [each for each in versions if not self._is_loadable(each)]
                self.lost.extend(Lost(version, reason) for version in wanted)
                if wanted != versions:
                    self.refused.update(dict.fromkeys(wanted, reason))
        return needed, loads

    def _givers(
        self, references: References, missing: Collection[Version], refusals: dict[Version, str]
    ) -> dict[Version, CheckpointId]:
        """The cells to re-run for versions that cannot be loaded.

        What such a version refers to comes with it: the class that the re-run has used.

        Args:
            refusals: those that no re-run gives, and why. More are added.
        """
        ordered = sorted(missing, key=lambda version: version.names)
        refusals |= {each: why for each in ordered if each not in refusals and (why := self._refusal(each))}
        while True:
            left = [version for version in ordered if version not in refusals]
            givers = {version: version.checkpoint for version in left}
            for version in left:
                if reason := self._claim(references, version, givers, refusals):
                    refusals[version] = reason
                    break  # and what others have with it is looked at again, without it
            else:
                return givers

    def _claim(
        self,
        references: References,
        version: Version,
        givers: dict[Version, CheckpointId],
        refusals: Mapping[Version, str],
    ) -> str | None:
        """Adds what a version refers to to what its cell gives. Returns why that cannot be, or None."""
        giver = givers[version]
        for holder in references.with_holders([version]):
            if holder in refusals or givers.setdefault(holder, giver) != giver or not self._leaves(giver, holder):
                reason = self._record(version).reason or "it was not stored"
                return f"{reason}; {', '.join(holder.names)} was changed after its cell ran, to which it refers"
        return None

    def _leaves(self, at: CheckpointId, version: Version) -> bool:
        """Whether a version of the state that is wanted was there when this cell had run."""
        return version.checkpoint == at or self._before(at)[0].versions.get(version.names) == version.checkpoint

    def _loads(self, references: References, versions: set[Version]) -> list[LoadStep]:
        """Their loads. What refers to a class comes after that."""
        ordered = references.with_holders(sorted(versions, key=lambda version: version.names))
        return [
            LoadStep(version, self._record(version).size, references.classes(version))
            for version in ordered
            if version in versions
        ]

    def _is_loadable(self, version: Version) -> bool:
        return self._record(version).stored and version not in self._unloadable and self._trusted(version)

    def _is_kept_handle(self, version: Version) -> bool:
        """Whether a re-run reads it as it is, though it is not stored."""
        is_kept = self._kept.get(version.names) == version.checkpoint and version not in self._unloadable
        return is_kept and bool(self._record(version).unnamed) and self._trusted(version)

    def _add(self, at: CheckpointId, gives: Sequence[Version]) -> str | None:
        """Adds the re-run of a cell, and of those that give its inputs. Returns why it cannot be re-run, or None.

        In the second case nothing is added.
        """
        given = dict(self._given)
        todo = {at: set(gives)}
        while todo:
            cell = min(todo, key=self._steps_from_target.__getitem__)  # later ones say what the earlier have to give
            asked = tuple(sorted({*todo.pop(cell), *given.get(cell, ())}, key=_version_key))
            if asked == given.get(cell):
                continue
            given[cell] = asked
            if len(given) > MOST_STEPS:
                return f"more than {MOST_STEPS} cells would have to be re-run"
            inputs = self._inputs_for(cell, asked)
            if isinstance(inputs, str):
                return inputs
            for version, giver in inputs.givers.items():
                todo.setdefault(giver, set()).add(version)
        self._given = given
        self._wanted.update(gives)
        return None

    def steps(self) -> tuple[ReplayStep, ...]:
        """The re-runs, in order."""
        steps = []
        for at in sorted(self._given, key=self._steps_from_target.__getitem__, reverse=True):
            checkpoint, gives = self._lookup(at), self._given[at]
            inputs = self._inputs_for(at, gives)
            assert not isinstance(inputs, str)  # else it had not been added
            steps.append(
                ReplayStep(
                    at,
                    checkpoint.code,
                    checkpoint.duration,
                    gives,
                    inputs.loads,
                    tuple(inputs.givers),
                    tuple(version for version in gives if version not in self._wanted),
                    self._effects(at),
                    checkpoint.execution_count,
                )
            )
        return tuple(steps)

    @cached_property
    def _steps_from_target(self) -> dict[CheckpointId, int]:
        """For each cell that may be re-run a number that is higher for those on whose results it can depend.

        These are on the path to the target; where a checkpoint has taken versions, on the path to who made them, too.
        """
        ranks: dict[CheckpointId, int] = {}
        begun: set[CheckpointId] = set()
        todo: list[CheckpointId | None] = [self._target]
        while todo:
            at = todo[-1]
            if at is None or at in ranks:
                todo.pop()
                continue
            checkpoint = self._lookup(at)
            sources = [checkpoint.parent, *(version.checkpoint for version in checkpoint.taken)]
            missing = [each for each in sources if each is not None and each not in ranks]
            if missing and at not in begun:
                begun.add(at)
                todo += missing
            else:  # or, in a store that is damaged, it leads to itself
                ranks[at] = 1 + max((ranks[each] for each in sources if each in ranks), default=0)
                todo.pop()
        return {at: -rank for at, rank in ranks.items()}

    def _inputs_for(self, at: CheckpointId, gives: tuple[Version, ...]) -> _Inputs | str:
        """What a cell needs to give these versions, or why it cannot be had."""
        if (at, gives) not in self._inputs_of:
            self._inputs_of[at, gives] = self._find_inputs(at, gives)
        return self._inputs_of[at, gives]

    def _find_inputs(self, at: CheckpointId, gives: tuple[Version, ...]) -> _Inputs | str:
        checkpoint = self._lookup(at)
        if checkpoint.inputs and not all(each.trusted for each in ancestry(self._lookup, checkpoint.parent)):
            return f"the inputs of its cell cannot be trusted: {UNTRUSTED}"
        before, references = self._before(at)
        if before.gap is not None and before.lacks(checkpoint.inputs):
            return f"the inputs of its cell are not known: {before.gap.reason}"
        inputs = references.with_holders(self._inputs(at, gives))
        refusals: dict[Version, str] = {}
        missing = [each for each in inputs if not (self._is_loadable(each) or self._is_kept_handle(each))]
        givers = self._givers(references, missing, refusals)
        for version, why in refusals.items():
            return f"its cell needs {', '.join(version.names)}: {why}"
        return _Inputs(tuple(self._loads(references, set(inputs) - givers.keys())), givers)

    def _inputs(self, at: CheckpointId, gives: Iterable[Version]) -> list[Version]:
        """The versions that a cell read, and those that are to be taken from it: of the state before it."""
        read = set(self._lookup(at).inputs).union(*(each.names for each in gives if each.checkpoint != at))
        state = self._before(at)[0].versions
        return [Version(names, made) for names, made in sorted(state.items()) if not read.isdisjoint(names)]

    def _before(self, at: CheckpointId) -> tuple[KnownState, References]:
        parent = self._lookup(at).parent
        if parent not in self._states:
            state = known_state_at(self._lookup, parent)
            self._states[parent] = state, References(self._lookup, state.versions)
        return self._states[parent]

    def _refusal(self, version: Version) -> str | None:
        """Why the cell of a version is not re-run for it, as a clause; None if it may be."""
        if not self._trusted(version):
            return UNTRUSTED
        if version in self.refused:
            return self.refused[version]
        record = self._record(version)
        why = self._unloadable.get(version) or record.reason or "it was not stored"
        if version in self._unobtainable:
            return f"{why}; {self._unobtainable[version]}"
        annotations = cell_annotations(self._lookup(version.checkpoint).code)
        if self._mode == "never" or (self._mode == "annotated" and DETERMINISTIC not in annotations):
            return f"{why}; its cell would have to be re-run, and replay is '{self._mode}'"
        if self._mode in ("harmless", "annotated") and self._effects(version.checkpoint):
            return f"{why}; its cell has side effects, and nobody has agreed to re-run it"
        if NO_REPLAY in annotations:
            return f"{why}; its cell says `# kishu: {NO_REPLAY}`"
        if self._lookup(version.checkpoint).incomplete:
            return why
        if not record.replayable:
            return f"{why}; a re-run may give another one, since code that ran outside of its cell could change it, too"
        if self._lookup(version.checkpoint).status == "interrupted":
            return f"{why}; its cell was interrupted"
        return None

    def _effects(self, at: CheckpointId) -> tuple[str, ...]:
        checkpoint = self._lookup(at)
        return side_effects(checkpoint.code, checkpoint.effects)

    def _trusted(self, version: Version) -> bool:
        return self._lookup(version.checkpoint).trusted

    def _record(self, version: Version) -> VersionRecord:
        return self._lookup(version.checkpoint).record(version.names)


def _by_giver(givers: Mapping[Version, CheckpointId]) -> dict[CheckpointId, list[Version]]:
    grouped: dict[CheckpointId, list[Version]] = {}
    for version in sorted(givers, key=lambda version: version.names):
        grouped.setdefault(givers[version], []).append(version)
    return grouped


def _version_key(version: Version) -> tuple[Names, CheckpointId]:
    return version.names, version.checkpoint


def _names(item: tuple[Version, str]) -> Names:
    return item[0].names
