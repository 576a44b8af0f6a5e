"""Which results of a cell that calls itself deterministic are not stored, because re-running the cell is quicker.

To get a version back by a re-run costs the run of its cell, the loading of the stored versions that the cell reads, and
re-runs for those of them that are not stored.
Law: only results for which that is cheaper, only of cells that ran to their end, and of none that may have side
effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kishu_kernel.history.annotations import DETERMINISTIC, NO_REPLAY, cell_annotations
from kishu_kernel.model import CellRun, CheckpointId, Delta, Names, NotStored, Payload, Version
from kishu_kernel.model.amounts import size
from kishu_kernel.model.dataclass import dataclass

WRITE_RATE = 300_000_000
LOAD_RATE = 1_000_000_000
"""Bytes a second, as measured on a plain disk (`benchmarks/results`)."""

MOST_STEPS = 20
"""Cells to re-run for one version at most; a plan may hold ten times as many for all versions."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What it costs to get the results of a cell back.

    Attributes:
        seconds: of all that is re-run and loaded for it.
        steps: number of cells to re-run.
        names: the co-variables that were not stored.
    """

    seconds: float = 0.0
    steps: int = 0
    names: tuple[Names, ...] = ()


class Recomputation:
    """Decides what is not stored, and remembers what it costs to get that back."""

    def __init__(self) -> None:
        self._costs: dict[Version, Costs] = {}

    def leave_out(
        self,
        run: CellRun,
        delta: Delta,
        encoded: list[Payload | NotStored],
        state: Mapping[Names, CheckpointId],
        payload_size: Callable[[Version], int],
    ) -> Costs:
        """Takes out the payloads that are quicker to re-run than to store. None, if the cell is not annotated so.

        Args:
            encoded: the payloads of the delta's changes, in their order. Changed in place.
            state: the session state that the cell began with.
            payload_size: bytes of a version's payload; 0 if there is none.

        Returns:
            For `remember`.
        """
        said = cell_annotations(run.code)
        if DETERMINISTIC not in said or NO_REPLAY in said or run.status != "ok":
            return Costs()
        from kishu_kernel.history.effects import side_effects

        if side_effects(run.code, run.effects):
            return Costs()
        read = set(delta.inputs)
        inputs = [Version(names, at) for names, at in state.items() if not read.isdisjoint(names)]
        if any(each not in self._costs and not payload_size(each) for each in inputs):
            return Costs()  # not stored for another reason, or before a restart: its cost is not known
        known = [self._costs.get(each) or Costs(payload_size(each) / LOAD_RATE) for each in inputs]
        cost = run.duration + sum(each.seconds for each in known)
        steps = 1 + sum(each.steps for each in known)
        if steps > MOST_STEPS:
            return Costs()
        left = []
        for index, (change, payload) in enumerate(zip(delta.changes, encoded, strict=True)):
            if not change.replayable or not isinstance(payload, Payload):
                continue
            if payload.size / WRITE_RATE + payload.size / LOAD_RATE > cost:
                reason = f"its cell is deterministic, and quicker to re-run than {size(payload.size)} are to store"
                encoded[index] = NotStored(change.names, reason)
                left.append(change.names)
        return Costs(cost, steps, tuple(left))

    def remember(self, at: CheckpointId, costs: Costs) -> None:
        """The checkpoint was taken: its versions that were not stored have these costs."""
        self._costs.update({Version(names, at): costs for names in costs.names})
