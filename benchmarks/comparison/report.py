"""The answer of a run: one page that is read from top to bottom, its plots, and all medians as JSON.

Law: everything comes from the records; a run that was interrupted, or that had systems which fail, gives a page too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.comparison import formats, goals, sections, tables
from benchmarks.comparison.records import read_all
from benchmarks.comparison.summary import MEASURES, OURS, Outcome, Setting, Study
from benchmarks.harness import rounded
from benchmarks.run_all import page as run_all
from benchmarks.systems.base import System

NAME = "comparison"
REPEAT = """## How to repeat it

```
python -m benchmarks run                 # everything; goes on where it was interrupted
python -m benchmarks run --quick         # small: a smoke test
python -m benchmarks run --workload W --system S
python -m benchmarks report              # this page from what was recorded
```

The environments of the systems are made at the first run. Systems take turns; figures are medians of the rounds, and
ratios come from the same run. Workloads are in `benchmarks/workloads/`, adapters in `benchmarks/systems/`, and all
numbers behind this page in [comparison.json](comparison.json).
"""


def write(
    records: Path, results: Path, environment: Mapping[str, Any], systems: Mapping[str, System] | None = None
) -> int:
    """Read the records of a run, and write `comparison.md`, `comparison.json` and the plots.

    Args:
        systems: the rows of the tables, in their order; those of the registry if None.

    Returns:
        An exit status: 1 where our kernel failed, or brought back a state that is not what it was. Missed goals are
        no failure, and neither is what happened to others.
    """
    if systems is None:
        from benchmarks.systems.registry import SYSTEMS

        systems = SYSTEMS
    study = Study(
        read_all(records),
        {name: system.title for name, system in systems.items()},
        [name for name, system in systems.items() if system.tracks_only],
    )
    verdicts = goals.judge(study)
    results.mkdir(parents=True, exist_ok=True)
    page = [
        f"# kishu-kernel beside every system of the paper\n\n{_about(study, environment)}",
        _goals(verdicts),
        *(sections.markdown(study, results, section) for section in sections.SECTIONS),
        _systems(study, systems),
        REPEAT,
    ]
    written = results / f"{NAME}.md"
    before = written.read_text(encoding="utf-8") if written.exists() else ""
    written.write_text(run_all.kept("\n".join(page), before), encoding="utf-8")
    (results / f"{NAME}.json").write_text(_json(study, verdicts, environment), encoding="utf-8")
    return int(_ours_failed(study))


def _ours_failed(study: Study) -> bool:
    outcomes = [outcome for setting in study.settings if (outcome := study.outcome(setting, OURS))]
    errors = any(session.error is not None for outcome in outcomes for session in outcome.sessions)
    return errors or any(state.verdict != "right" for outcome in outcomes for state in outcome.restored.values())


def _about(study: Study, environment: Mapping[str, Any]) -> str:
    """What was run, on what."""
    scales = sorted({setting["SCALE"] for setting in study.settings if isinstance(setting["SCALE"], (int, float))})
    scale = f", at SCALE {' and '.join(f'{each:g}' for each in scales)}" if scales and scales != [1] else ""
    workloads = len({setting.workload for setting in study.settings})
    notebooks = len({setting.workload for setting in study.notebooks})
    told = {key: value for key, value in environment.items() if key != "versions" and value is not None}
    machine = " · ".join(f"{key.replace('_', ' ')}: {value}" for key, value in told.items())
    versions = ", ".join(f"{name} {version}" for name, version in dict(environment.get("versions") or {}).items())
    return (
        f"{len(study.systems)} systems ran {workloads} workloads{scale}, in real kernels that their client drives: "
        f"{notebooks} notebooks of our own with synthetic data, after those of the paper's Table 2 and called by its "
        f"names, and others that press one point each. Every number is the median of {_rounds(study)}; "
        f"systems took turns. Ratios come first, for they hold on other machines, too; absolute numbers stand beside "
        f"them. A cell with a dash was not measured; *failed* and *time up* say where a system stopped.\n\n"
        f"Measured on: {machine or 'not told'}{f' · with {versions}' if versions else ''}.\n"
    )


def _rounds(study: Study) -> str:
    if study.rounds < tables.ENOUGH:
        return f"at most {study.rounds} round{'s' if study.rounds != 1 else ''} — too few to rely on"
    return f"up to {study.rounds} rounds (n says where there were fewer than {tables.ENOUGH})"


def _goals(verdicts: list[goals.Verdict]) -> str:
    judged = [verdict for verdict in verdicts if verdict.met is not None]
    met = sum(bool(verdict.met) for verdict in judged)
    text = "## Goals\n\n"
    text += f"{met} of the {len(judged)} goals that could be judged are met; each is judged by its worst case.\n\n"
    text += tables.goals(verdicts)
    if left := tables.unjudged(verdicts):
        text += "\n" + sections.folded("What could not be judged, and why", left)
    return text


def _systems(study: Study, systems: Mapping[str, System]) -> str:
    rows = []
    for name in dict.fromkeys([*systems, *study.systems]):
        about = systems[name].about if name in systems else ""
        rows.append([tables.title(study, name), about, _ran(study, name), _errors(study, name)])
    text = "## Systems\n\n" + tables.markdown(
        ["", "how it is run", "ran all cells of", "where it failed: the error"], rows, left=4
    )
    if told := _told(study):
        text += "\n" + sections.folded("What systems said could not be kept, and what was not compared", told)
    return text


def _ran(study: Study, name: str) -> str:
    outcomes = [outcome for setting in study.settings if (outcome := study.outcome(setting, name))]
    if not outcomes:
        return "not run"
    whole = sum(not outcome.failure for outcome in outcomes)
    return f"{whole} of {len(outcomes)}"


def _errors(study: Study, name: str) -> str:
    """Each error with the workloads where it was seen; in some rounds only, too."""
    found: dict[str, list[str]] = {}
    for setting in study.settings:
        outcome = study.outcome(setting, name)
        for session in outcome.sessions if outcome else ():
            if session.error is not None:
                at = "" if session.failed_at is None else f" cell {session.failed_at + 1}"
                place = study.label(setting) + at + ("" if outcome and outcome.failure else " (not in all rounds)")
                places = found.setdefault(formats.said(session.error), [])
                places += [place] if place not in places else []
    return "<br>".join(f"{formats.listed(places, 20)}: {error}" for error, places in found.items())


def _told(study: Study) -> str:
    lines = []
    for name in study.systems:
        for setting in study.settings:
            outcome = study.outcome(setting, name)
            sessions = outcome.sessions if outcome else ()
            told = list(dict.fromkeys(formats.said(each) for session in sessions for each in session.told))
            if told:
                lines.append(f"- {study.titles[name]}, {study.label(setting)}: {formats.listed(told, 3)}\n")
            unstable = list(dict.fromkeys(formats.said(each, 60) for session in sessions for each in session.unstable))
            if unstable:
                shown = formats.listed(unstable)
                lines.append(f"- {study.titles[name]}, {study.label(setting)}: not compared, as unstable: {shown}\n")
    return "".join(lines)


def _json(study: Study, verdicts: list[goals.Verdict], environment: Mapping[str, Any]) -> str:
    """A line of each measured pair: short in differences, and still to be read."""
    measured = [
        json.dumps(rounded(_outcome(study, setting, name, outcome)))
        for setting in study.settings
        for name in study.systems
        if (outcome := study.outcome(setting, name))
    ]
    judged = [json.dumps(rounded(_verdict(verdict))) for verdict in verdicts]
    head = json.dumps(dict(environment), default=str)
    lines = [",\n  ".join(each) for each in (judged, measured)]
    return f'{{\n "environment": {head},\n "goals": [\n  {lines[0]}\n ],\n "measured": [\n  {lines[1]}\n ]\n}}\n'


def _outcome(study: Study, setting: Setting, name: str, outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"workload": setting.workload, "parameters": dict(setting.parameters), "system": name}
    if outcome.failure:
        found["failed"] = outcome.failure
    medians = {measure: outcome.value(measure) for measure in MEASURES}
    found["medians"] = {
        measure: value.amount for measure, value in medians.items() if value and value.amount is not None
    }
    found["rounds"] = {measure: values for measure in MEASURES if (values := _rounds_of(outcome, measure))}
    errors = {session.round: formats.said(session.error) for session in outcome.sessions if session.error is not None}
    found |= {"errors": errors} if errors else {}
    found["restores"] = [
        {
            "kind": state.kind,
            "cell": state.cell,
            "verdict": state.verdict,
            "seconds": state.seconds,
            "wrong": state.wrong,
        }
        for state in outcome.restored.values()
    ]
    return found


def _rounds_of(outcome: Outcome, measure: str) -> list[float]:
    """Of the sessions that ran all cells, in their order."""
    return [value for session in outcome.whole if (value := outcome.of(session, measure)) is not None]


def _verdict(verdict: goals.Verdict) -> dict[str, Any]:
    goal = verdict.goal
    return {
        "goal": goal.name,
        "allowed": goal.allowed,
        "met": verdict.met,
        "cases": _cases(verdict.cases),
        "beyond the notebooks": _cases(verdict.beside),
    }


def _cases(cases: Iterable[goals.Case]) -> dict[str, Any]:
    """By place: the number, or why there is none."""
    return {
        case.where: formats.said(case.why) if case.value is None or math.isinf(case.value) else case.value
        for case in cases
    }
