"""What the records say of each system on each workload: medians of the rounds, compared with plain ipykernel's.

Law: only sessions that ran all cells count in totals. One that failed on the way is told as failed, not left out;
what it brought back before stands. A delay is never clipped at nothing: noise has two sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from benchmarks.comparison.records import CellRecord, Kind, SessionRecord
from benchmarks.workloads import NOTEBOOKS, OTHERS

OURS = "kishu"
PLAIN = "plain"
DILL = "dill"
OLD = "kishu-0.3.4"
VARIANTS = ("kishu-det-replay", "kishu-check-all", "kishu-namespace")
"""Of ours."""

MODELS = ("pages",)
"""Those that count bytes only: what they take is the counting's."""

CHANGES = "undo"
"""The tag of those cells of the shared list that change one array."""


@dataclass(frozen=True)
class Setting:
    """A workload with its parameters."""

    workload: str
    parameters: tuple[tuple[str, Any], ...]

    def __getitem__(self, name: str) -> Any:
        return dict(self.parameters).get(name)


@dataclass(frozen=True)
class Value:
    """A median of rounds.

    Attributes:
        amount: None where there is none; then `mark` says why.
        rounds: how many it is the median of.
        mark: what went wrong, in a word or two: `failed, cell 3`, `refused`; or of the amount: `wrong`.
    """

    amount: float | None
    rounds: int = 0
    mark: str | None = None


@dataclass(frozen=True)
class Baseline:
    """Plain ipykernel on the same workload: medians of each cell, and the in-cell sums of its rounds."""

    around: Sequence[float]
    seconds: Sequence[float]
    in_cell: Sequence[float]
    rounds: Mapping[int, float]

    @property
    def run_time(self) -> float:
        """Of the notebook: in-cell, the median of rounds."""
        return statistics.median(self.rounds.values())


@dataclass
class Restored:
    """One state that was brought back, in all rounds."""

    kind: Kind
    cell: int
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The worst of its rounds: `wrong`, `told` (the system itself said that it cannot) or `right`."""
        return "wrong" if self.wrong else "told" if self.errors else "right"

    @property
    def value(self) -> Value:
        if not self.seconds:
            return Value(None, mark="wrong" if self.wrong else "refused")
        return Value(statistics.median(self.seconds), len(self.seconds), "wrong" if self.wrong else None)


Measure = Callable[[SessionRecord, Baseline | None], float | None]


def _compared(of: Callable[[CellRecord], float], plain: str, only: str | None = None) -> Measure:
    """The sum of differences to plain's cells; of the cells with a tag, if one is given, their mean."""

    def measure(session: SessionRecord, base: Baseline | None) -> float | None:
        if base is None:
            return None
        pairs = zip(session.cells, getattr(base, plain), strict=False)
        found = [of(cell) - beside for cell, beside in pairs if only is None or only in cell.tags]
        return _mean(found) if only else sum(found)

    return measure


def _changes_stored(session: SessionRecord, base: Baseline | None) -> float | None:
    return _mean([cell.stored for cell in session.cells if CHANGES in cell.tags])


def _tracking(session: SessionRecord, base: Baseline | None) -> float | None:
    found = [cell.tracking for cell in session.cells if cell.tracking is not None]
    return sum(found) if found else None


def _slowdown(session: SessionRecord, base: Baseline | None) -> float | None:
    """Rounds are paired: what else the machine did then hit both."""
    beside = base and (base.rounds.get(session.round) or base.run_time)
    return session.seconds / beside if beside else None


MEASURES: Mapping[str, Measure] = {
    "run_time": lambda session, base: session.seconds,
    "stored": lambda session, base: session.stored,
    "visible": _compared(lambda cell: cell.around, "around"),
    "background": lambda session, base: sum(cell.background for cell in session.cells),
    "checkpoint": _compared(lambda cell: cell.around + cell.background, "around"),
    "tracking": _tracking,
    "slowdown": _slowdown,
    "memory": lambda session, base: session.memory,
    "variables": lambda session, base: session.variables,
    "covariables": lambda session, base: session.covariables,
    "change_stored": _changes_stored,
    "change_checkpoint": _compared(lambda cell: cell.around + cell.background, "around", CHANGES),
}
_tracked_by_difference = _compared(lambda cell: cell.seconds, "seconds")


@dataclass
class Outcome:
    """All sessions of one system with one workload, in the order of their rounds.

    Attributes:
        length: how many cells the workload has.
    """

    sessions: Sequence[SessionRecord]
    base: Baseline | None
    length: int
    tracks_only: bool = False

    @cached_property
    def whole(self) -> list[SessionRecord]:
        """Those that ran all cells; what failed after them is told with the states."""
        return [
            each for each in self.sessions if each.error is None or (len(each.cells) >= self.length and _timed(each))
        ]

    @property
    def reached(self) -> int:
        """How many cells it came through at best, and were timed."""
        return max((len(each.cells) for each in self.sessions if _timed(each)), default=0)

    def up_to(self, count: int) -> Outcome:
        """As if the workload had only so many cells."""
        sessions = [
            replace(each, cells=each.cells[:count], error=None)
            for each in self.sessions
            if len(each.cells) >= count and _timed(each)
        ]
        return Outcome(sessions, self.base, count, self.tracks_only)

    @property
    def failure(self) -> str | None:
        """Where it failed, if no round was whole."""
        return None if self.whole else self._stopped

    @property
    def _stopped(self) -> str:
        at = self.sessions[-1].failed_at
        word = "time up" if (self.sessions[-1].error or "").startswith("its time was up") else "failed"
        return word if at is None else f"{word}, cell {at + 1}"

    def value(self, name: str) -> Value | None:
        """The median of a measure; None where the system cannot tell it."""
        if self.failure:
            return Value(None, mark=self.failure)
        found = [each for session in self.whole if (each := self.of(session, name)) is not None]
        return Value(statistics.median(found), len(found)) if found else None

    def of(self, session: SessionRecord, name: str) -> float | None:
        """A measure of one round."""
        found = MEASURES[name](session, self.base)
        if name == "tracking" and found is None and self.tracks_only:
            return _tracked_by_difference(session, self.base)
        return found

    @cached_property
    def restored(self) -> dict[tuple[Kind, int], Restored]:
        """Each state that it was asked for."""
        found: dict[tuple[Kind, int], Restored] = {}
        for record in (record for session in self.sessions for record in session.restores):
            state = found.setdefault((record.kind, record.cell), Restored(record.kind, record.cell))
            if record.seconds is not None:
                state.seconds.append(record.seconds)
            if record.error is not None:
                state.errors.append(record.error)
            state.wrong += [name for name in record.wrong if name not in state.wrong]
            state.differences += [line for line in record.differences if line not in state.differences]
        return found

    def restore(self, kind: Kind) -> Value | None:
        """The slowest of its states; None where it was asked for none."""
        values = [state.value for state in self.restored.values() if state.kind == kind]
        if not values:
            stopped = any(session.error for session in self.sessions) and not self.tracks_only
            return Value(None, mark=self._stopped) if stopped else None
        mark = next((value.mark for value in values if value.mark), None)
        timed = [value for value in values if value.amount is not None]
        if not timed:
            return Value(None, mark=mark)
        slowest = max(timed, key=lambda value: value.amount or 0.0)
        return Value(slowest.amount, slowest.rounds, mark)

    def series(
        self, of: Callable[[CellRecord, int], float | None], sessions: Sequence[SessionRecord] | None = None
    ) -> list[float | None]:
        """The median of the rounds, for each cell; as far as it came."""
        sessions = self.sessions if sessions is None else sessions
        longest = max((len(session.cells) for session in sessions), default=0)
        return [_median(of(each.cells[at], at) for each in sessions if at < len(each.cells)) for at in range(longest)]

    def tracking_of_cells(self) -> list[float | None]:
        """Seconds of detecting what changed, after each cell."""
        if any(cell.tracking is not None for session in self.sessions for cell in session.cells):
            return self.series(lambda cell, at: cell.tracking)
        if not self.tracks_only or self.base is None:
            return []
        seconds = self.base.seconds
        return self.series(lambda cell, at: cell.seconds - seconds[at] if at < len(seconds) else None)

    def delays_of_cells(self) -> list[float | None]:
        """Visible delays; of a session that stopped before its cells were timed inside, with what changed there."""
        base = self.base
        if base is None:
            return []
        timed = any(_timed(session) for session in self.sessions)
        beside = base.around if timed else base.seconds
        whole = len(beside)
        return self.series(
            lambda cell, at: ((cell.around if timed else cell.seconds) - beside[at]) if at < whole else None,
            self.whole or self.sessions,
        )


class Study:
    """All records of a run.

    Args:
        titles: of the systems, by name, in the order in which they are shown.
        tracks_only: names of those that keep no states.
    """

    def __init__(
        self, records: Iterable[SessionRecord], titles: Mapping[str, str], tracks_only: Iterable[str] = ()
    ) -> None:
        self._tracks_only = frozenset(tracks_only)
        found: dict[Setting, dict[str, list[SessionRecord]]] = {}
        for record in sorted(records, key=lambda record: record.round):
            setting = Setting(record.workload, tuple(sorted(record.parameters.items())))
            found.setdefault(setting, {}).setdefault(record.system, []).append(record)
        self.settings = sorted(found, key=_place)
        ran = dict.fromkeys(system for setting in self.settings for system in found[setting])
        self.titles = dict(titles) | {name: name for name in ran if name not in titles}
        self.systems = [name for name in self.titles if name in ran]
        self._outcomes = {setting: self._of_setting(found[setting]) for setting in self.settings}
        self.rounds = max((len(each.whole) for each in self._all()), default=0)

    def _of_setting(self, systems: Mapping[str, list[SessionRecord]]) -> dict[str, Outcome]:
        whole = [each for sessions in systems.values() for each in sessions if each.error is None]
        length = max((len(each.cells) for each in whole), default=0)
        base = _baseline([each for each in systems.get(PLAIN, []) if each.error is None and len(each.cells) == length])
        return {name: Outcome(each, base, length, name in self._tracks_only) for name, each in systems.items()}

    def _all(self) -> Iterable[Outcome]:
        return (outcome for each in self._outcomes.values() for outcome in each.values())

    def outcome(self, setting: Setting, system: str) -> Outcome | None:
        """None where it was not run."""
        return self._outcomes[setting].get(system)

    def value(self, setting: Setting, system: str, name: str) -> Value | None:
        """Of a measure, or of a kind of restore: its slowest."""
        outcome = self.outcome(setting, system)
        if outcome is None or (system in MODELS and name not in ("stored", "change_stored")):
            return None
        return outcome.restore(name) if name in ("undo", "fork", "branch") else outcome.value(name)  # type: ignore[arg-type]

    def run_time(self, setting: Setting) -> float | None:
        """Of the notebook, under plain ipykernel."""
        base = next(iter(self._outcomes[setting].values())).base
        return base.run_time if base else None

    @cached_property
    def notebooks(self) -> list[Setting]:
        return [setting for setting in self.settings if setting.workload in NOTEBOOKS]

    @cached_property
    def others(self) -> list[Setting]:
        """Those that press one point; of a sweep, its far end."""
        last = {each.workload: each for each in self.settings if each.workload not in NOTEBOOKS}
        return list(last.values())

    @property
    def shown(self) -> list[Setting]:
        """The columns of tables, the panels of plots."""
        return [*self.notebooks, *self.others]

    def sweep(self, workload: str) -> list[Setting]:
        """All settings of a workload, by its parameters."""
        return [setting for setting in self.settings if setting.workload == workload]

    def keeping(self) -> list[str]:
        """The systems that keep states."""
        return [name for name in self.systems if name != PLAIN and name not in self._tracks_only]

    def restoring(self) -> list[str]:
        """Those that bring states back, too."""
        return [name for name in self.keeping() if name not in MODELS]

    def label(self, setting: Setting) -> str:
        """The paper's name of a notebook; else the workload's, with what its settings differ in."""
        name = NOTEBOOKS.get(setting.workload, setting.workload.replace("_", " "))
        known = {"SHARE": "{} %", "CELLS": "{} cells"}
        siblings = self.sweep(setting.workload)
        words = [
            known.get(key, f"{key}={{}}").format(value)
            for key, value in setting.parameters
            if key in known or any(sibling[key] != value for sibling in siblings)
        ]
        return " ".join([name, *words])


def _timed(session: SessionRecord) -> bool:
    """Cells are timed from inside when all have run: one that stopped on the way has nothing of that."""
    return any(cell.in_cell for cell in session.cells)


def _place(setting: Setting) -> tuple[Any, ...]:
    order = [*NOTEBOOKS, *OTHERS]
    index = order.index(setting.workload) if setting.workload in order else len(order)
    numbers = tuple(value if isinstance(value, (int, float)) else 0 for _, value in setting.parameters)
    return index, setting.workload, numbers, str(setting.parameters)


def _baseline(sessions: Sequence[SessionRecord]) -> Baseline | None:
    if not sessions or not sessions[0].cells:
        return None
    cells = list(zip(*(session.cells for session in sessions), strict=True))
    return Baseline(
        [statistics.median(cell.around for cell in rounds) for rounds in cells],
        [statistics.median(cell.seconds for cell in rounds) for rounds in cells],
        [statistics.median(cell.in_cell for cell in rounds) for rounds in cells],
        {session.round: session.seconds for session in sessions},
    )


def _mean(found: Sequence[float]) -> float | None:
    return statistics.fmean(found) if found else None


def _median(found: Iterable[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return statistics.median(known) if known else None
