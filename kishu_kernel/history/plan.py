"""What a checkout will do, decided before anything is done (paper 5.2 and 5.3).

A version that here and there share is kept (Definition 6: comparing versions says the same as asking the lowest
common ancestor); one that is stored is loaded; one that is not is recomputed by re-running its cell on the
versions that the cell had, which may need re-running in turn; what even that cannot give is lost, and told.

What a checkpoint says that somebody else may have written is only to be read: its versions are neither loaded nor
recomputed, not as inputs either. Nor is a cell re-run whose inputs such a checkpoint could have chosen, by standing
between them and the cell.

Of some states not all is known: a record was damaged, or a cell's checkpoint could not be taken. What may have been
there is lost as well, by name where a name is known, and as "other variables"; no cell is re-run on what is not known.
"""

from __future__ import annotations

from collections.abc import Mapping

from kishu_kernel.history.annotations import DETERMINISTIC, NO_REPLAY, cell_annotations
from kishu_kernel.history.effects import side_effects
from kishu_kernel.history.graph import UNTRUSTED, Gap, KnownState, Lookup, ancestry, known_state_at
from kishu_kernel.model import (
    CheckpointId,
    LoadStep,
    Lost,
    Plan,
    ReplayMode,
    ReplayStep,
    State,
    Version,
    VersionRecord,
)

MOST_STEPS = 200
"""More cells than this are not re-run for one checkout."""


def make_plan(
    lookup: Lookup,
    here: State,
    target: CheckpointId | None,
    replay: ReplayMode = "auto",
    unloadable: Mapping[Version, str] | None = None,
    unobtainable: Mapping[Version, str] | None = None,
) -> Plan:
    """The plan that brings a session from the state `here` to that of `target`.

    Args:
        unloadable: versions whose load has failed, with the reason; as good as not stored.
        unobtainable: versions that a re-run of their cell did not give back, with the reason.
    """
    known = known_state_at(lookup, target)
    there = known.versions
    keep = tuple(Version(n, at) for n, at in sorted(there.items()) if here.get(n) == at)
    needed = [Version(n, at) for n, at in sorted(there.items()) if here.get(n) != at]
    names_there = {name for names in there for name in names}
    replays = _Replays(lookup, replay, unloadable or {}, unobtainable or {})
    loads, missing = replays.sorted_out(needed)
    replays.give(missing)
    return Plan(
        target=target,
        keep=keep,
        load=tuple(loads),
        delete=tuple(sorted({name for names in here for name in names} - names_there)),
        replay=tuple(replays.steps),
        lost=(*replays.lost, *_unknown(known.gap)),
    )


def _unknown(gap: Gap | None) -> list[Lost]:
    """What may be there, and nobody knows of; at the end what has no name."""
    if gap is None:
        return []
    return [Lost(Version(names, gap.at), gap.reason) for names in (*((name,) for name in gap.names), ())]


class _Replays:
    """Finds the cells to re-run, inputs first.

    A re-run changes what it is given, so each one gets inputs of its own: none is handed to two.
    """

    def __init__(
        self,
        lookup: Lookup,
        mode: ReplayMode,
        unloadable: Mapping[Version, str],
        unobtainable: Mapping[Version, str],
    ) -> None:
        self._lookup = lookup
        self._mode = mode
        self._unloadable = unloadable
        self._unobtainable = unobtainable
        self._states: dict[CheckpointId | None, KnownState] = {}
        self.steps: list[ReplayStep] = []
        self.lost: list[Lost] = []

    def sorted_out(self, versions: list[Version]) -> tuple[list[LoadStep], list[Version]]:
        """Which of them can be loaded, and which not."""
        loads, missing = [], []
        for version in versions:
            record = self._record(version)
            if record.stored and version not in self._unloadable and self._trusted(version):
                loads.append(LoadStep(version, record.size))
            else:
                missing.append(version)
        return loads, missing

    def give(self, missing: list[Version]) -> None:
        """Adds the steps that bring these back, or says that they are lost."""
        for checkpoint, versions in _by_checkpoint(missing).items():
            wanted = []
            for version in versions:
                reason = self._refusal(version)
                if reason:
                    self.lost.append(Lost(version, reason))
                else:
                    wanted.append(version)
            if wanted:
                before = len(self.steps)
                reason = self._add(checkpoint, wanted)
                if reason:
                    del self.steps[before:]
                    self.lost.extend(Lost(version, reason) for version in wanted)

    def _add(self, at: CheckpointId, gives: list[Version]) -> str | None:
        """Adds the re-run of one cell after those of its inputs. Returns why it cannot be, or None."""
        checkpoint = self._lookup(at)
        if checkpoint.inputs and not all(each.trusted for each in ancestry(self._lookup, checkpoint.parent)):
            return f"what its cell had to work on cannot be told: {UNTRUSTED}"
        before = self._before(at)
        if before.gap is not None and before.lacks(checkpoint.inputs):
            return f"what its cell had to work on cannot be told: {before.gap.reason}"
        loads, missing = self.sorted_out(self._inputs(at))
        after = []
        for source, versions in _by_checkpoint(missing).items():
            for version in versions:
                reason = self._refusal(version)
                if reason:
                    return f"its cell needs {', '.join(version.names)}: {reason}"
            reason = self._add(source, versions)
            if reason:
                return reason
            after.append(len(self.steps) - 1)
        if len(self.steps) >= MOST_STEPS:
            return f"more than {MOST_STEPS} cells would have to be re-run"
        self.steps.append(
            ReplayStep(
                at,
                checkpoint.code,
                checkpoint.duration,
                tuple(gives),
                tuple(loads),
                tuple(after),
                side_effects(checkpoint.code, checkpoint.effects),
            )
        )
        return None

    def _inputs(self, at: CheckpointId) -> list[Version]:
        """The versions that a cell read, as its parent left them."""
        read = set(self._lookup(at).inputs)
        state = self._before(at).versions
        return [Version(names, made) for names, made in sorted(state.items()) if not read.isdisjoint(names)]

    def _before(self, at: CheckpointId) -> KnownState:
        parent = self._lookup(at).parent
        if parent not in self._states:
            self._states[parent] = known_state_at(self._lookup, parent)
        return self._states[parent]

    def _refusal(self, version: Version) -> str | None:
        if not self._trusted(version):
            return UNTRUSTED
        record = self._record(version)
        why = self._unloadable.get(version) or record.reason or "it was not stored"
        if version in self._unobtainable:
            return f"{why}; {self._unobtainable[version]}"
        said = cell_annotations(self._lookup(version.checkpoint).code)
        if self._mode == "never" or (self._mode == "annotated" and DETERMINISTIC not in said):
            return f"{why}; its cell would have to be re-run, and replay is '{self._mode}'"
        if NO_REPLAY in said:
            return f"{why}; its cell says `# kishu: {NO_REPLAY}`"
        if self._lookup(version.checkpoint).incomplete:
            return why
        if not record.replayable:
            return f"{why}; it was made by something else than its cell"
        if self._lookup(version.checkpoint).status == "interrupted":
            return f"{why}; its cell was interrupted half-way"
        return None

    def _trusted(self, version: Version) -> bool:
        return self._lookup(version.checkpoint).trusted

    def _record(self, version: Version) -> VersionRecord:
        return self._lookup(version.checkpoint).record(version.names)


def _by_checkpoint(versions: list[Version]) -> dict[CheckpointId, list[Version]]:
    grouped: dict[CheckpointId, list[Version]] = {}
    for version in versions:
        grouped.setdefault(version.checkpoint, []).append(version)
    return grouped
