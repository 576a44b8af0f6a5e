"""The section of the page on Run All: what is lost first, a plot, and a table of all cases; and all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparison import formats, plots, svg
from benchmarks.comparison.tables import NONE, markdown
from benchmarks.harness import rounded
from benchmarks.run_all import summary
from benchmarks.run_all.cases import LINES_KIND
from benchmarks.run_all.summary import OURS, PLAIN, Case

TITLE = "Run All"
NAME = "run_all"
PLOT = f"comparison-{NAME}.svg"
BEGIN, END = f"<!-- {NAME} -->\n", f"<!-- /{NAME} -->\n"
TEXT = """All cells are queued at once, as Run All, papermill and nbconvert do, and who waits for them waits for all
that a kernel does between two cells. Counted is the processor time of the kernel's process, all its threads, from the
first request to the last reply; and on until nothing goes on any more, so that nothing hides behind the reply.
Processes that the notebook starts are not counted; those that a kernel starts for itself are, and their peak memory is
added to the kernel's. Ratios are medians of rounds in which the systems took turns, each in a fresh kernel, over plain
ipykernel's in the same round; walls are noisier."""
TITLES = {PLAIN: "plain ipykernel", OURS: "kishu-kernel", "elastic-kernel": "elastic-kernel 0.2.3"}
LABELS = {"main thread": "processor time of the main thread", "wall": "wall", "peak memory": "peak memory"}
LOST = 1.05


def write(cases: Sequence[Case], results: Path, environment: Mapping[str, Any]) -> None:
    """Draw the plot and keep the numbers; put the section in its place on the page, if there is a page."""
    results.mkdir(parents=True, exist_ok=True)
    _plot(cases, results / PLOT)
    (results / f"{NAME}.json").write_text(_json(cases, environment), encoding="utf-8")
    page = results / "comparison.md"
    if page.exists():
        text = page.read_text(encoding="utf-8")
        page.write_text(put(text, section(cases, environment)), encoding="utf-8")


def write_alone(cases: Sequence[Case], results: Path, environment: Mapping[str, Any]) -> Path:
    """The same on a page of its own, whose path is returned."""
    write(cases, results, environment)
    page = results / f"{NAME}.md"
    page.write_text(section(cases, environment), encoding="utf-8")
    return page


def put(page: str, section: str) -> str:
    """The page with the section: in the place of the old one, or before the first of the paper's figures."""
    if BEGIN in page and END in page:
        return page[: page.index(BEGIN)] + section + page[page.index(END) + len(END) :]
    first = page.find("\n## Storage") + 1 or len(page)
    return f"{page[:first]}{section}\n{page[first:]}"


def kept(page: str, before: str) -> str:
    """The page with the section that the one before had: it comes of records of its own, which may not be there."""
    if BEGIN not in before or END not in before:
        return page
    return put(page, before[before.index(BEGIN) : before.index(END) + len(END)])


def section(cases: Sequence[Case], environment: Mapping[str, Any]) -> str:
    """As it stands on the page, between its marks."""
    told = {key: value for key, value in environment.items() if key != "versions" and value is not None}
    machine = " · ".join(f"{key.replace('_', ' ')}: {value}" for key, value in told.items())
    alt = "Processor time of a Run All under kishu-kernel as a multiple of plain ipykernel's, by notebook"
    parts = [
        f"## {TITLE}",
        TEXT,
        f"Measured on: {machine}.",
        kinds(cases),
        _alone(cases),
        _lost(cases),
        f"![{alt}]({PLOT})",
    ]
    tables = [_table(cases, system) for system in (OURS, "elastic-kernel")]
    return BEGIN + "\n\n".join(part.rstrip() for part in (*parts, *tables) if part) + "\n" + END


def kinds(cases: Sequence[Case]) -> str:
    """Median, 90th percentile and worst of each kind, with what they may be."""
    rows = []
    for kind in dict.fromkeys(case.kind for case in cases):
        these = [case for case in cases if case.kind == kind]
        for measure in ("until the last reply", "until idle", "main thread", "wall", "peak memory"):
            found = summary.spread(these, OURS, measure)
            if found:
                three = " / ".join(map(formats.times, found.three))
                goal = summary.GOALS.get(measure, {}).get(kind)
                met = goal and ("yes" if all(a <= b for a, b in zip(found.three, goal, strict=True)) else "**no**")
                allowed = " / ".join(map(str, goal)) if goal else ""
                label = LABELS.get(measure, f"processor time {measure}")
                where = found.worst_case
                rows.append([f"{kind} ({len(found.ratios)})", label, three, where, allowed, met or ""])
    head = ["kind (cases)", "", "median / p90 / worst", "the worst", "allowed", "met"]
    return markdown(head, rows, left=2) if rows else "*Not measured in this run.*"


def _alone(cases: Sequence[Case]) -> str:
    """What may be asked of single cases: a ratio, or seconds a cell."""
    rows = []
    for case in cases:
        ratio, added = case.ratio(OURS, "until idle"), case.added(OURS, "until idle")
        if ratio is None or added is None or case.mark(OURS):
            continue
        if goal := summary.CASE_GOALS.get(case.name):
            rows.append([case.name, _near(ratio), formats.times(goal), "yes" if ratio <= goal else "**no**"])
        elif case.kind == LINES_KIND:
            a_cell, allowed = added / case.cells, summary.LINE_GOAL
            met = "yes" if a_cell <= allowed else "**no**"
            rows.append([case.name, f"{_signed(a_cell)} a cell", f"{_signed(allowed)} a cell", met])
    return markdown(["case, processor time until idle", "", "allowed", "met"], rows) if rows else ""


def _lost(cases: Sequence[Case]) -> str:
    """Where a person would notice, and where not: counted, and the costliest named."""
    ratios = {case: ratio for case in cases if (ratio := case.ratio(OURS, "until idle"))}
    beyond = sorted((case for case in ratios if ratios[case] > LOST), key=lambda case: -ratios[case])
    if not ratios:
        return ""
    named = ", ".join(
        f"{case.name} ({formats.times(ratios[case])}, {formats.duration(case.added(OURS, 'until idle') or 0.0)} more)"
        for case in beyond[:8]
    )
    plain = len(ratios) - len(beyond)
    won = f"**Won:** {plain} of {len(ratios)} cases cost at most {LOST} times what they cost under plain ipykernel."
    lost = f"**Lost:** {len(beyond)} cost more" + (f"; the worst: {named}." if named else ".")
    failed = [f"{case.name} ({mark})" for case in cases if (mark := case.mark(OURS))]
    told = f" **Ran otherwise than under plain ipykernel:** {', '.join(failed)}." if failed else ""
    return f"{lost} {won}{told}"


def _table(cases: Sequence[Case], system: str) -> str:
    rows = [_row(case, system) for case in cases if system in case.outcomes]
    if not rows:
        return ""
    head = [
        *(f"{TITLES[system]}, over plain ipykernel", "cells", "processor until the last reply", "until idle"),
        *("a cell, until idle", "after the last reply", "main thread", "wall", "peak memory", "n"),
    ]
    return markdown(head, rows)


def _row(case: Case, system: str) -> list[str]:
    outcome = case.outcomes[system]
    mark = case.mark(system)
    if not outcome.rounds:
        return [case.name, NONE, f"*{mark}*: {formats.said(outcome.error or '', 80)}", *[NONE] * 7]
    later = case.medians(system, "after the last reply") or (0.0, outcome.median("after the last reply") or 0.0)
    added = case.added(system, "until idle")
    return [
        case.name + (f" *({mark})*" if mark else ""),
        str(case.cells),
        _both(case, system, "until the last reply"),
        _both(case, system, "until idle"),
        NONE if added is None else _signed(added / case.cells),
        f"{formats.duration(later[0])} → {formats.duration(later[1])}",
        _ratio(case.ratio(system, "main thread")),
        _both(case, system, "wall"),
        _ratio(case.ratio(system, "peak memory")),
        str(len(outcome.rounds)),
    ]


def _both(case: Case, system: str, measure: str) -> str:
    """The ratio, and the seconds from which to which."""
    alone = case.outcomes[system].median(measure)
    both = case.medians(system, measure) or ([alone] if alone is not None else [])
    seconds = " → ".join(map(formats.duration, both))
    return f"{_ratio(case.ratio(system, measure))} · {seconds}"


def _ratio(ratio: float | None) -> str:
    return NONE if ratio is None else _near(ratio)


def _near(ratio: float) -> str:
    """Exact where it is near one."""
    return formats.slowdown(ratio) if ratio < 1.2 else formats.times(ratio)


def _signed(seconds: float) -> str:
    return ("+" if seconds >= 0 else "") + formats.duration(seconds)


def _plot(cases: Sequence[Case], path: Path) -> None:
    """A row of each case, the costliest at the top: the ratio, and the seconds that it stands for."""
    found = {case: ratio for case in cases if (ratio := case.ratio(OURS, "until idle"))}
    if not found:
        path.unlink(missing_ok=True)  # an old one would pass for this run's
        return
    order = sorted(found, key=lambda case: -found[case])
    every = [each for case in order for each in (found[case], case.ratio(OURS, "until the last reply") or 1.0)]
    every += [ratio for case in order if (ratio := case.ratio("elastic-kernel", "until idle"))]
    low, high = min(0.8, *every) * 0.9, max(every) * 3  # with room for the labels
    ticks = [step * 10.0**power for power in range(-1, 4) for step in (1, 2, 5) if low <= step * 10.0**power <= high]
    with svg.drawing(path, len(order) * plots.ROW + 0.8) as (axes,):
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_xticks(ticks, [formats.times(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        svg.bare(axes)
        axes.set_ylim(len(order) - 0.4, -0.7)
        axes.set_yticks(range(len(order)), [f"{case.name} ({case.cells})" for case in order])
        axes.grid(axis="x", color=svg.GRID, linewidth=0.6)
        axes.axvline(1.0, color=svg.INK, linewidth=0.8, zorder=0.5)
        axes.axvspan(1.0, LOST, color="#bcd9c4", zorder=0.4)
        for row, case in enumerate(order):
            _row_of_plot(axes, row, case, found[case])
        about = "processor time / plain ipykernel's (log scale): until the last reply (ring), until idle (dot)"
        axes.set_xlabel(f"{about}; grey: elastic-kernel's, until idle. Beside it the seconds: plain → ours")


def _row_of_plot(axes: Any, row: int, case: Case, at: float) -> None:
    replied = case.ratio(OURS, "until the last reply") or at
    ink = svg.WRONG if at > summary.WORST else svg.colour(OURS)
    axes.plot([1.0, at], [row, row], color=ink, linewidth=1.2)
    axes.plot([at], [row], "o", color=ink, markersize=5.5, mew=0)
    if other := case.ratio("elastic-kernel", "until idle"):
        axes.plot([other], [row], "s", color=svg.FAINT, markersize=3.5, mew=0)
    axes.plot([replied], [row], "o", markerfacecolor="white", color=ink, markersize=4.5)
    plain, own = (case.outcomes[name].median("until idle") or 0.0 for name in (PLAIN, OURS))
    label = f"{_near(at)}, {formats.duration(plain)} → {formats.duration(own)}"
    axes.annotate(
        label, (max(at, replied), row), xytext=(7, 0), textcoords="offset points", fontsize=7.5, va="center_baseline"
    )


def _json(cases: Sequence[Case], environment: Mapping[str, Any]) -> str:
    lines = [
        json.dumps(rounded(_told(case, system, outcome))) for case in cases for system, outcome in case.outcomes.items()
    ]
    head = json.dumps(dict(environment), default=str)
    return f'{{\n "environment": {head},\n "measured": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def _told(case: Case, system: str, outcome: summary.Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"case": case.name, "kind": case.kind, "system": system, "cells": case.cells}
    if mark := case.mark(system):
        found |= {"otherwise": mark, "error": formats.said(outcome.error or "")}
    found["medians"] = {measure: outcome.median(measure) for measure in summary.MEASURES}
    if system != PLAIN:
        found["ratios"] = {measure: case.ratio(system, measure) for measure in summary.MEASURES}
    found["rounds"] = [vars(spent) for spent in outcome.rounds.values()]
    return found
