"""Which results of a cell that calls itself deterministic are left unstored, since re-running it is quicker.

The cost of getting a version back by a re-run is that of its cell, of loading the stored versions that this one reads,
and of re-running for those that are not.
Law: only what is worth it, only a cell that ran to its end, and none that may touch the world outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kishu_kernel.history.annotations import DETERMINISTIC, NO_REPLAY, cell_annotations
from kishu_kernel.history.effects import side_effects
from kishu_kernel.model import CellRun, CheckpointId, Delta, Names, Payload, Version
from kishu_kernel.model.amounts import size
from kishu_kernel.objects.codec.pickling import NotStored

WRITE_RATE = 300_000_000
LOAD_RATE = 1_000_000_000
"""Bytes a second, as measured on a plain disk (`benchmarks/results`)."""

MOST_STEPS = 20
"""Cells to re-run for one version, at most: a plan may hold ten times as many for all of them."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What re-running a cell costs: seconds, and cells to re-run; and the versions of it that were left unstored."""

    seconds: float = 0.0
    steps: int = 0
    names: tuple[Names, ...] = ()


class Recomputing:
    """Decides, and remembers what a re-run of what it left out costs."""

    def __init__(self) -> None:
        self._costs: dict[Version, Costs] = {}

    def leave_out(
        self,
        run: CellRun,
        delta: Delta,
        encoded: list[Payload | NotStored],
        state: Mapping[Names, CheckpointId],
        weight: Callable[[Version], int],
    ) -> Costs:
        """Replaces the payloads of an annotated cell that are not worth storing.

        Args:
            encoded: the payloads of the delta's changes, in their order. Changed in place.
            state: the one that the cell began with.
            weight: bytes of a version's payload; 0 where there is none.
        """
        said = cell_annotations(run.code)
        if DETERMINISTIC not in said or NO_REPLAY in said or run.status != "ok" or side_effects(run.code, run.effects):
            return Costs()
        read = set(delta.inputs)
        inputs = [Version(names, at) for names, at in state.items() if not read.isdisjoint(names)]
        if any(each not in self._costs and not weight(each) for each in inputs):
            return Costs()  # not stored for another reason, or before a restart: nobody knows what it costs
        known = [self._costs.get(each) or Costs(weight(each) / LOAD_RATE) for each in inputs]
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
        """The checkpoint was taken."""
        self._costs.update({Version(names, at): costs for names in costs.names})
