"""The plots of the page, drawn from a study. Each answers False, and draws nothing, where nothing was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.comparison import formats, plots, svg, tables
from benchmarks.comparison.goals import LOOPS, SHARED, UNDO_SECONDS
from benchmarks.comparison.records import Kind
from benchmarks.comparison.summary import MODELS, OLD, OURS, PLAIN, Setting, Study, Value

SHORT = {
    "plain": "plain",
    "kishu-det-replay": "Det-replay",
    "kishu-check-all": "check all",
    "kishu-namespace": "patched namespace",
    "dill": "dump_session",
    "kishu-0.3.4-experimental": "kishu 0.3.4 (exp.)",
    "criu-incremental": "CRIU-incremental",
    "pages": "page model",
}
"""Names that fit into plots, where titles do not."""

LONG = "long_session"
PER_CELL = (OURS, "kishu-check-all", OLD, "ipyflow")
"""Whose tracking is drawn for each cell; more could not be told apart."""
LONG_CELL = 10.0
WINDOW = 20
"""Cells of the long session whose delays are drawn as one point."""
KINDS = {"right": "#bcd9c4", "told": "#f0d9a8", "missing": "#dddddd", "wrong": svg.WRONG}
SPOKEN = {"right": "right", "told": "refused, and said so", "missing": "not reached", "wrong": "wrong"}


def _titles(study: Study, systems: Sequence[str]) -> dict[str, str]:
    return {name: SHORT.get(name, study.titles[name]) for name in systems}


def _known(study: Study, measure: str, systems: Sequence[str]) -> list[str]:
    """Those of which it is known, or that failed, anywhere; none if it is known of nobody."""
    found = {name: [study.value(setting, name, measure) for setting in study.settings] for name in systems}
    if not any(value and value.amount is not None for values in found.values() for value in values):
        return []
    return [name for name in systems if any(found[name])]


def telling(study: Study, measure: str) -> list[str]:
    """Those that can tell it somewhere; failing is not enough."""
    found = ((name, study.value(setting, name, measure)) for name in study.systems for setting in study.settings)
    return list(dict.fromkeys(name for name, value in found if value and value.amount is not None))


def _dots(
    study: Study,
    path: Path,
    measure: str,
    shown: plots.Shown,
    about: str,
    systems: Sequence[str],
    point: Callable[[Setting, str, Value], plots.Point] | None = None,
    limit: tuple[float, str] | None = None,
    floor: float = 0.0,
) -> bool:
    """Panels of all workloads where anything is known, ratios to ours beside the dots."""
    panels = []
    for setting in study.shown:
        values = {name: study.value(setting, name, measure) for name in systems}
        if any(value and value.amount is not None for value in values.values()):
            make = point or (lambda at, name, value: against_ours(study, at, name, measure, value, shown))
            points = {
                name: make(setting, name, value)
                if value and value.amount is not None
                else _absent(study, setting, name, value)
                for name, value in values.items()
            }
            panels.append(plots.Panel(study.label(setting), points))
    if panels:
        plots.dots(path, panels, _titles(study, systems), shown, about, limit, floor)
    return bool(panels)


def _absent(study: Study, setting: Setting, name: str, value: Value | None) -> plots.Point:
    if value and value.mark:
        return plots.Point(None, value.mark)
    return plots.Point(None, "" if study.outcome(setting, name) is None else "not told")


def against_ours(
    study: Study, setting: Setting, name: str, measure: str, value: Value, shown: plots.Shown
) -> plots.Point:
    """Labelled with how many times ours it is; ours with its amount."""
    amount = value.amount or 0.0
    ours = study.value(setting, OURS, measure)
    compared = name != OURS and ours and ours.amount and ours.amount > 0
    label = formats.times(amount / ours.amount) if compared and ours and ours.amount else shown(amount)
    return plots.Point(amount, label + (" wrong" if value.mark else ""), wrong=bool(value.mark))


def storage(study: Study, path: Path) -> bool:
    systems = _known(study, "stored", study.keeping())
    return _dots(study, path, "stored", formats.size, "stored after the last cell (bytes, log scale)", systems)


def checkpoint(study: Study, path: Path) -> bool:
    def point(setting: Setting, name: str, value: Value) -> plots.Point:
        run_time = study.run_time(setting) or 1.0
        amount = (value.amount or 0.0) / run_time
        total = study.value(setting, name, "checkpoint")
        ring = total.amount / run_time if total and total.amount else None
        return plots.Point(amount, formats.percent(amount), ring)

    systems = _known(study, "visible", study.restoring())
    about = (
        "visible delay (dot), and with what follows in the background (ring), of the notebook's run time (log scale)"
    )
    # As shares of the run time, which is not known without plain ipykernel; then neither is the delay.
    return _dots(study, path, "visible", formats.percent, about, systems, point, (0.01, "goal 1 %"), 1e-4)


def restores(kind: Kind, about: str) -> Callable[[Study, Path], bool]:
    def draw(study: Study, path: Path) -> bool:
        systems = _known(study, kind, study.restoring())
        limit = (UNDO_SECONDS, f"goal {UNDO_SECONDS:g} s") if kind == "undo" else None
        return _dots(study, path, kind, formats.duration, about, systems, limit=limit)

    return draw


def tracking(study: Study, path: Path) -> bool:
    systems = [name for name in PER_CELL if name in study.systems]
    panels = []
    for setting in study.notebooks:
        plain = study.outcome(setting, PLAIN)
        base = plain.base if plain else None
        if base is None:
            continue
        found = {}
        for name in systems:
            outcome = study.outcome(setting, name)
            each = outcome.tracking_of_cells() if outcome else []
            pairs = zip(each, base.in_cell, strict=False)
            found[name] = [None if own is None or cell <= 0 else own / cell for own, cell in pairs]
        long = [index for index, seconds in enumerate(base.in_cell) if seconds > LONG_CELL]
        if any(found.values()):
            panels.append(plots.Cells(study.label(setting), found, long))
    if panels:
        shown = _titles(study, systems)
        plots.cells(path, panels, shown, formats.times, "tracking / the cell's own run time (log scale)")
    return bool(panels)


def counts(study: Study, path: Path) -> bool:
    systems = [name for name in (OURS, OLD) if name in telling(study, "covariables")]
    rows: dict[str, dict[str, tuple[float, float]]] = {}
    for setting in study.notebooks:
        for name in systems:
            variables, covariables = (study.value(setting, name, each) for each in ("variables", "covariables"))
            if variables and covariables and variables.amount is not None and covariables.amount is not None:
                rows.setdefault(study.label(setting), {})[name] = variables.amount, covariables.amount
    if rows:
        plots.pairs(path, rows, _titles(study, systems), "variables (ring) and co-variables (dot) of the last state")
    return bool(rows)


def sweep(study: Study, path: Path) -> bool:
    settings = [setting for setting in study.sweep(SHARED) if setting["SHARE"] is not None]
    parts: Sequence[tuple[str, str, str, plots.Shown]] = (
        ("Stored", "by a cell that changes one array", "change_stored", formats.size),
        ("Checkpoint time", "of such a cell, with background", "change_checkpoint", formats.duration),
        ("Undo", "of such a cell", "undo", formats.duration),
    )
    charts = []
    for title, about, measure, shown in parts:
        curves = {}
        for name in study.keeping():
            found = [(setting["SHARE"], study.value(setting, name, measure)) for setting in settings]
            known = [(share, value.amount) for share, value in found if value and value.amount is not None]
            failed = any(value and value.amount is None for _, value in found)
            if known:
                end = " (failed)" if failed else " (wrong)" if any(value and value.mark for _, value in found) else ""
                curves[name] = plots.Curve([share for share, _ in known], [amount for _, amount in known], end)
        charts.append(plots.Chart(title, about, shown, curves))
    if not any(chart.curves for chart in charts):
        return False
    plots.lines(path, charts, _titles(study, study.keeping()), "share of the ten arrays that are in the list (%)")
    return True


def longest(study: Study) -> Setting | None:
    return next(reversed(study.sweep(LONG)), None)


def long_session(study: Study, path: Path) -> bool:
    setting = longest(study)
    stored, delay = {}, {}
    for name in study.restoring():
        outcome = study.outcome(setting, name) if setting else None
        if outcome is None or not any(session.cells for session in outcome.sessions):
            continue
        end = " (failed)" if outcome.failure else ""
        sizes = [each or 0.0 for each in outcome.series(lambda cell, at: float(cell.stored))]
        step = max(1, len(sizes) // 100)
        sums = [sum(sizes[: at + 1]) for at in range(step - 1, len(sizes), step)]
        stored[name] = plots.Curve([step * (at + 1) for at in range(len(sums))], sums, end)
        found = outcome.delays_of_cells()
        windows = [
            [each for each in found[at : at + WINDOW] if each is not None] for at in range(0, len(found), WINDOW)
        ]
        medians = [(at, sorted(each)[len(each) // 2]) for at, each in enumerate(windows) if each]
        if medians:
            delay[name] = plots.Curve([(at + 1) * WINDOW for at, _ in medians], [each for _, each in medians], end)
    if not stored:
        return False
    charts = [
        plots.Chart("Stored", "all in all, until this cell", formats.size, stored),
        plots.Chart(
            "Visible delay",
            f"of a cell, medians of {WINDOW} cells; below 0.1 ms is noise",
            formats.duration,
            delay,
            1e-4,
        ),
    ]
    plots.lines(path, charts, _titles(study, study.keeping()), "cell", height=4.2)
    return True


def slowdown(study: Study, path: Path) -> bool:
    """The loops, each in a panel; the notebooks together in one."""
    systems = [name for name in study.systems if name not in (PLAIN, *MODELS)]
    systems = _known(study, "slowdown", systems)
    loops = [[setting] for setting in study.others if setting.workload in LOOPS]
    panels = []
    for settings in [*loops, study.notebooks]:
        points = {}
        for name in systems:
            values = [value for setting in settings if (value := study.value(setting, name, "slowdown"))]
            found = [value.amount for value in values if value.amount is not None]
            if found:
                median = statistics.median(found)
                points[name] = plots.Point(median, formats.slowdown(median), also=found if len(found) > 1 else ())
            elif values:
                points[name] = plots.Point(None, values[-1].mark or "")
        if points:
            one = len(settings) == 1
            panels.append(plots.Panel(study.label(settings[0]) if one else "the notebooks, and their median", points))
    if panels:
        about = "in-cell time / plain ipykernel's (log scale)"
        plots.dots(path, panels, _titles(study, systems), formats.times, about, (1.03, "goal 1.03 x"))
    return bool(panels)


def correctness(study: Study, path: Path) -> bool:
    numbers = tables.tally(study)
    if not any(sum(each.values()) for each in numbers.values()):
        return False
    spoken = {name: {SPOKEN[kind]: number for kind, number in each.items()} for name, each in numbers.items()}
    plots.tally(path, spoken, _titles(study, list(numbers)), {SPOKEN[kind]: colour for kind, colour in KINDS.items()})
    return True


def memory(study: Study, path: Path) -> bool:
    about = "peak of the kernel's process (bytes, log scale)"

    def point(setting: Setting, name: str, value: Value) -> plots.Point:
        plain = study.value(setting, PLAIN, "memory")
        amount = value.amount or 0.0
        label = formats.times(amount / plain.amount) if plain and plain.amount else formats.size(amount)
        return plots.Point(amount, formats.size(amount) if name == PLAIN else label)

    return _dots(study, path, "memory", formats.size, about, _known(study, "memory", study.systems), point)
