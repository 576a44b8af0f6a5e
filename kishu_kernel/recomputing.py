"""Which results of a cell that calls itself deterministic are left unstored, since re-running it is quicker.

The cost of getting a version back by a re-run is that of its cell, of loading the stored versions that this one reads,
and of re-running for those that are not.
Law: only what is worth it, only a cell that ran to its end, and none that may touch the world outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kishu_kernel.codec.pickling import NotStored
from kishu_kernel.history.annotations import DETERMINISTIC, cell_annotations
from kishu_kernel.history.effects import side_effects
from kishu_kernel.model import CellRun, CheckpointId, Delta, Names, Payload, Version
from kishu_kernel.words import size

WRITE_RATE = 300_000_000
LOAD_RATE = 1_000_000_000
"""Bytes a second, as measured on a plain disk (`benchmarks/results`)."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What re-running a cell costs, in seconds, and the versions of it that were left unstored."""

    seconds: float
    names: tuple[Names, ...]


class Recomputing:
    """Decides, and remembers what a re-run of what it left out costs."""

    def __init__(self) -> None:
        self._costs: dict[Version, float] = {}

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
        if DETERMINISTIC not in cell_annotations(run.code) or run.status != "ok" or side_effects(run.code):
            return Costs(0.0, ())
        read = set(delta.inputs)
        inputs = [Version(names, at) for names, at in state.items() if not read.isdisjoint(names)]
        cost = run.duration + sum(self._costs.get(each, weight(each) / LOAD_RATE) for each in inputs)
        left = []
        for index, (change, payload) in enumerate(zip(delta.changes, encoded, strict=True)):
            if not change.replayable or not isinstance(payload, Payload):
                continue
            if payload.size / WRITE_RATE + payload.size / LOAD_RATE > cost:
                reason = f"its cell is deterministic, and quicker to re-run than {size(payload.size)} are to store"
                encoded[index] = NotStored(change.names, reason)
                left.append(change.names)
        return Costs(cost, tuple(left))

    def remember(self, at: CheckpointId, costs: Costs) -> None:
        """The checkpoint was taken."""
        self._costs.update({Version(names, at): costs.seconds for names in costs.names})
