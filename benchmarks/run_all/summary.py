"""What the records say of each case: medians of the rounds, and ratios of plain ipykernel's in the same round.

Law: of a case that a system failed, or ran otherwise than plain ipykernel, there is no ratio: it is told.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from benchmarks.run_all.cases import Kind
from benchmarks.run_all.drive import Spent
from benchmarks.run_all.run import SYSTEMS, Record

SHOWN = tuple(SYSTEMS)
OURS, PLAIN = "kishu", "plain"
Of = Callable[[Spent], float]

MEASURES: Mapping[str, Of] = {
    "until the last reply": lambda spent: spent.process + spent.helpers,
    "until idle": lambda spent: spent.process + spent.helpers + spent.later_process + spent.later_helpers,
    "after the last reply": lambda spent: spent.later_process + spent.later_helpers,
    "main thread": lambda spent: spent.main,
    "wall": lambda spent: spent.wall,
    "peak memory": lambda spent: float(spent.memory + spent.helpers_memory),
}
NOTEBOOKS: Sequence[Kind] = ("real notebook", "notebook of one's own", "notebook of the paper's")
GOALS: Mapping[str, Mapping[str, tuple[float, float, float]]] = {
    "until idle": dict.fromkeys(NOTEBOOKS, (1.05, 1.15, 1.4)),
    "wall": dict.fromkeys(NOTEBOOKS, (1.03, 1.10, 1.3)),
}
"""What the median, the 90th percentile and the worst of a kind's ratios may be."""
CASE_GOALS = {"objects": 1.5, "strings": 1.3, "many_variables": 1.5}
"""What one case's processor time until idle may be, as a ratio."""
WORST = 1.4
"""The same of a notebook: from there on it is drawn as lost."""
LINE_GOAL = 0.001
"""Seconds that a cell of one line may use more than under plain ipykernel."""


@dataclass(frozen=True)
class Outcome:
    """One system on one case.

    Attributes:
        rounds: by their number.
        error: why there are none.
    """

    rounds: Mapping[int, Spent]
    error: str | None = None

    def median(self, measure: str) -> float | None:
        """Of all rounds, in seconds or bytes."""
        return statistics.median(map(MEASURES[measure], self.rounds.values())) if self.rounds else None


@dataclass(frozen=True, eq=False)
class Case:
    """What all systems did with one."""

    name: str
    kind: Kind
    outcomes: Mapping[str, Outcome]

    @property
    def cells(self) -> int:
        return max((spent.cells for each in self.outcomes.values() for spent in each.rounds.values()), default=0)

    def ratio(self, system: str, measure: str) -> float | None:
        """The median of those of each round to plain ipykernel in it."""
        pairs = [pair for pair in self._pairs(system) if MEASURES[measure](pair[1]) > 0]
        of = MEASURES[measure]
        return statistics.median(of(own) / of(plain) for own, plain in pairs) if pairs else None

    def medians(self, system: str, measure: str) -> tuple[float, float] | None:
        """Plain ipykernel's and the system's, of the rounds that both ran."""
        of, pairs = MEASURES[measure], self._pairs(system)
        if not pairs:
            return None
        return statistics.median(of(plain) for _, plain in pairs), statistics.median(of(own) for own, _ in pairs)

    def added(self, system: str, measure: str) -> float | None:
        """The median difference to plain ipykernel; not clipped at nothing."""
        of = MEASURES[measure]
        pairs = self._pairs(system)
        return statistics.median(of(own) - of(plain) for own, plain in pairs) if pairs else None

    def mark(self, system: str) -> str | None:
        """What went otherwise than under plain ipykernel."""
        outcome = self.outcomes.get(system)
        if outcome is None:
            return None
        if not outcome.rounds:
            return "no reply" if "no reply within" in (outcome.error or "") else "failed"
        compared = [self.outcomes[name].rounds.values() for name in (system, PLAIN) if name in self.outcomes]
        failed = [tuple(each.failed) for rounds in compared for each in rounds]
        return "other cells raised" if len(set(failed)) > 1 else None

    def _pairs(self, system: str) -> list[tuple[Spent, Spent]]:
        """Rounds of a system beside plain ipykernel's."""
        if system not in self.outcomes or PLAIN not in self.outcomes:
            return []
        own, plain = self.outcomes[system].rounds, self.outcomes[PLAIN].rounds
        return [(own[turn], plain[turn]) for turn in own if turn in plain]


@dataclass(frozen=True)
class Spread:
    """Ratios of several cases."""

    ratios: Sequence[float]
    worst_case: str

    @property
    def three(self) -> tuple[float, float, float]:
        """The median, the 90th percentile (a case, none in between) and the worst."""
        order = sorted(self.ratios)
        return statistics.median(order), order[math.ceil(0.9 * len(order)) - 1], order[-1]


def study(records: Iterable[Record]) -> list[Case]:
    """The cases, by kind."""
    found: dict[tuple[Any, str], dict[str, list[Record]]] = {}
    for record in records:
        found.setdefault((record.kind, record.case), {}).setdefault(record.system, []).append(record)
    kinds = get_args(Kind)
    return [_case(kind, name, found[kind, name]) for kind, name in sorted(found, key=lambda key: kinds.index(key[0]))]


def _case(kind: Kind, name: str, records: Mapping[str, Sequence[Record]]) -> Case:
    plain = {record.round: record.spent for record in records.get(PLAIN, ())}
    outcomes = {}
    for system in sorted(records, key=SHOWN.index):
        rounds = {
            record.round: _with_helpers(record.spent, plain.get(record.round))
            for record in records[system]
            if record.spent is not None
        }
        outcomes[system] = Outcome(rounds, next((record.error for record in records[system] if record.error), None))
    return Case(name, kind, outcomes)


def _with_helpers(own: Spent, plain: Spent | None) -> Spent:
    """Children that a kernel waited for are the notebook's as far as plain ipykernel has them too; the rest help."""
    if plain is None or own is plain:
        return own
    return replace(
        own,
        helpers=own.helpers + max(0.0, own.waited - plain.waited),
        later_helpers=own.later_helpers + max(0.0, own.later_waited - plain.later_waited),
    )


def spread(cases: Sequence[Case], system: str, measure: str) -> Spread | None:
    """Over cases, without those that the system ran otherwise."""
    found = {case.name: ratio for case in cases if (ratio := case.ratio(system, measure)) and not case.mark(system)}
    return Spread(list(found.values()), max(found, key=lambda name: found[name])) if found else None
