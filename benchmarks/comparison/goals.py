"""The goals of the comparison, and whether they hold: each is judged by its worst case, and by every case.

Law: where another system failed on the way, both are compared as far as it came; where there is nothing to compare
with, that case is named, and not judged. Where ours failed, the goal is missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.comparison import formats
from benchmarks.comparison.records import Kind
from benchmarks.comparison.summary import DILL, OLD, OURS, VARIANTS, Restored, Setting, Study, Value

LOOPS = ("module_loop", "function_loop")
SHARED = "shared_list"
UNDO_SECONDS = 0.3
NOT_RUN = "was not run"
FEWEST = 5
"""Cells that a session must have run for what it did until then to be compared."""


@dataclass(frozen=True)
class Case:
    """A goal in one place.

    Attributes:
        value: infinite where ours failed; None where nothing can be judged, and `why`.
    """

    where: str
    value: float | None
    why: str = ""


Measure = Callable[[Study, Setting], Iterator[Case]]


@dataclass(frozen=True)
class Goal:
    """At most so much, in every case.

    Attributes:
        shown: how its numbers are written.
        scope: the workloads that it is judged on; None for the notebooks, and the other workloads beside.
        everywhere: it has to hold on those, too.
    """

    name: str
    allowed: float
    shown: Callable[[float], str]
    measure: Measure
    scope: Callable[[Study], Sequence[Setting]] | None = None
    everywhere: bool = True


@dataclass(frozen=True)
class Verdict:
    """What came of a goal."""

    goal: Goal
    cases: Sequence[Case]
    beside: Sequence[Case] = ()

    @property
    def met(self) -> bool | None:
        return holds(self.goal, [*self.cases, *self.beside] if self.goal.everywhere else self.cases)

    @property
    def unjudged(self) -> list[Case]:
        """Those that were not even meant to be compared are left out."""
        beside = [case for case in self.beside if not case.why.endswith(NOT_RUN)]
        return [case for case in [*self.cases, *beside] if case.value is None]


def worst(cases: Sequence[Case]) -> Case | None:
    """None where nothing could be judged."""
    judged = [case for case in cases if case.value is not None]
    return max(judged, key=lambda case: case.value or 0.0, default=None)


def holds(goal: Goal, cases: Sequence[Case]) -> bool | None:
    """Whether it does in all of them; None where nothing could be judged."""
    case = worst(cases)
    return None if case is None or case.value is None else case.value <= goal.allowed


def judge(study: Study) -> list[Verdict]:
    """All goals."""
    found = []
    for goal in GOALS:
        scope = goal.scope(study) if goal.scope else study.notebooks
        beside = study.others if goal.scope is None else []
        found.append(Verdict(goal, _cases(goal, study, scope), _cases(goal, study, beside)))
    return found


def _cases(goal: Goal, study: Study, settings: Sequence[Setting]) -> list[Case]:
    return [case for setting in settings for case in goal.measure(study, setting)]


def compare(ours: Value | None, other: Value | None, name: str) -> tuple[float | None, str]:
    """The ratio, or why there is none."""
    if ours is None:
        return None, "kishu-kernel was not run"
    if ours.amount is None:
        return math.inf, f"kishu-kernel {ours.mark}"
    if other is None:
        return None, f"{name} does not tell"
    if other.amount is None:
        return None, f"{name} {other.mark}"
    if other.amount <= 0:
        return None, f"{name}'s is not above the noise"
    return ours.amount / other.amount, ""


def _against(ours: str, other: str, system: str) -> Measure:
    """One measure of ours over another system's."""

    def measure(study: Study, setting: Setting) -> Iterator[Case]:
        beside = study.outcome(setting, system)
        if study.outcome(setting, OURS) is None:
            return
        value = beside.value(other) if beside else Value(None, mark=NOT_RUN)
        mine, where = study.value(setting, OURS, ours), study.label(setting)
        outcome = study.outcome(setting, OURS)
        if beside and outcome and beside.failure and not outcome.failure and beside.reached >= FEWEST:
            # It failed on the way, or its time was up: both as far as it came.
            value, mine = beside.up_to(beside.reached).value(other), outcome.up_to(beside.reached).value(ours)
            where += f" to cell {beside.reached}"
        yield Case(where, *compare(mine, value, study.titles.get(system, system)))

    return measure


def _stored_against_old(study: Study, setting: Setting) -> Iterator[Case]:
    """Not where kishu 0.3.4 has less than one dump of the state: what it cannot pickle it leaves to re-runs, untold."""
    old, dumps = study.outcome(setting, OLD), study.outcome(setting, DILL)
    if old and dumps and old.reached:
        cells = next(each.cells for each in old.sessions if len(each.cells) == old.reached)
        dump = max((cell.stored for each in dumps.sessions for cell in each.cells[: len(cells)]), default=0)
        if sum(cell.stored for cell in cells) < dump:
            yield Case(study.label(setting), None, "kishu 0.3.4 has stored less than one dump of the state weighs")
            return
    yield from _against("stored", "stored", OLD)(study, setting)


def _restores(kind: Kind, system: str) -> Measure:
    """Each state of ours over the same of another system."""

    def measure(study: Study, setting: Setting) -> Iterator[Case]:
        outcome, beside = study.outcome(setting, OURS), study.outcome(setting, system)
        for state in _states(study, setting, kind):
            value = Value(None, mark=NOT_RUN) if beside is None else None
            if beside and not (found := beside.restored.get((kind, state.cell))):
                value = Value(None, mark=beside.failure or "did not come to it")
            elif beside and found:
                value = found.value
            yield Case(
                _where(study, setting, kind, state.cell), *compare(state.value, value, study.titles.get(system, system))
            )
        if outcome and outcome.failure and not outcome.restored:
            yield Case(study.label(setting), math.inf, f"kishu-kernel {outcome.failure}")

    return measure


def _every_undo(study: Study, setting: Setting) -> Iterator[Case]:
    """The slowest of the rounds, not their median: every one."""
    for state in _states(study, setting, "undo"):
        seconds = max(state.seconds) if state.seconds and not state.errors else math.inf
        why = "" if state.seconds else "refused"
        yield Case(_where(study, setting, "undo", state.cell), seconds, why)


def _states(study: Study, setting: Setting, kind: Kind) -> list[Restored]:
    outcome = study.outcome(setting, OURS)
    return [state for state in outcome.restored.values() if state.kind == kind] if outcome else []


def _of_run_time(study: Study, setting: Setting) -> Iterator[Case]:
    outcome = study.outcome(setting, OURS)
    if outcome is None:
        return
    run_time = study.run_time(setting)
    if run_time is None:
        yield Case(study.label(setting), None, "plain ipykernel failed")
    else:
        yield Case(study.label(setting), *compare(outcome.value("visible"), Value(run_time), "plain ipykernel"))


def _slowdown(study: Study, setting: Setting) -> Iterator[Case]:
    outcome = study.outcome(setting, OURS)
    if outcome is None:
        return
    if study.run_time(setting) is None:
        yield Case(study.label(setting), None, "plain ipykernel failed")
    else:
        yield Case(study.label(setting), *compare(outcome.value("slowdown"), Value(1.0), "plain ipykernel"))


def _wrong(*systems: str) -> Measure:
    """How many states came back wrong, on one workload."""

    def measure(study: Study, setting: Setting) -> Iterator[Case]:
        for system in systems:
            outcome = study.outcome(setting, system)
            if outcome is None or not outcome.restored:
                continue
            wrong = [state for state in outcome.restored.values() if state.verdict == "wrong"]
            where = study.label(setting) + (f", {study.titles.get(system, system)}" if len(systems) > 1 else "")
            yield Case(where, float(len(wrong)))

    return measure


def _where(study: Study, setting: Setting, kind: Kind, cell: int) -> str:
    return study.label(setting) + (f" cell {cell + 1}" if kind == "undo" else "")


def _loops(study: Study) -> list[Setting]:
    return [setting for setting in study.settings if setting.workload in LOOPS]


def _all_shared(study: Study) -> list[Setting]:
    return [setting for setting in study.sweep(SHARED) if setting["SHARE"] == 100]


def _everything(study: Study) -> list[Setting]:
    return study.settings


GOALS = (
    Goal("storage / dump_session's", 1 / 4, formats.fraction, _against("stored", "stored", DILL)),
    Goal("storage / kishu 0.3.4's", 1 / 3, formats.fraction, _stored_against_old),
    *(
        Goal(
            f"shared list 100 %, what a changing cell stores / {whose}",
            1 / 100,
            formats.fraction,
            _against("change_stored", "change_stored", system),
            _all_shared,
        )
        for whose, system in (("dump_session's", DILL), ("kishu 0.3.4's", OLD))
    ),
    Goal("visible delay per notebook / run time", 0.01, formats.percent, _of_run_time, everywhere=False),
    Goal(
        "visible delay per notebook / kishu 0.3.4's checkpoint time",
        1 / 50,
        formats.fraction,
        _against("visible", "checkpoint", OLD),
        everywhere=False,
    ),
    Goal("undo / dump_session's load", 1 / 10, formats.fraction, _restores("undo", DILL)),
    Goal("undo / kishu 0.3.4's", 1 / 10, formats.fraction, _restores("undo", OLD)),
    Goal("branch switch / dump_session's load", 1 / 10, formats.fraction, _restores("branch", DILL)),
    Goal("branch switch / kishu 0.3.4's", 1 / 10, formats.fraction, _restores("branch", OLD)),
    Goal("every undo, of every round", UNDO_SECONDS, formats.duration, _every_undo),
    Goal("in-cell slowdown of the loops", 1.03, formats.slowdown, _slowdown, _loops),
    Goal("delta detection / kishu 0.3.4's", 1 / 20, formats.fraction, _against("tracking", "tracking", OLD)),
    Goal("wrong states after checkout", 0, formats.count, _wrong(OURS), _everything),
    Goal("wrong states, the variants of ours", 0, formats.count, _wrong(*VARIANTS), _everything),
)
