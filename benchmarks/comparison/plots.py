"""The plots of the page. They draw what they are given, and know nothing of records."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.axes import Axes

from benchmarks.comparison import svg
from benchmarks.comparison.summary import OURS

ROW = 0.21
"""Inches of a system's row."""
Shown = Callable[[float], str]


@dataclass(frozen=True)
class Point:
    """A system in a panel.

    Attributes:
        at: where it is on the axis; None where there is only the label. What is not positive stands at the edge.
        label: beside it.
        ring: where what follows in the background ends.
        wrong: its answers were.
        also: fainter, the single ones that it is the median of.
    """

    at: float | None
    label: str
    ring: float | None = None
    wrong: bool = False
    also: Sequence[float] = ()


@dataclass(frozen=True)
class Panel:
    """A workload: its points, by system."""

    title: str
    points: Mapping[str, Point]


@dataclass(frozen=True)
class Curve:
    """A line of a system. `end` is said beside its label."""

    xs: Sequence[float]
    ys: Sequence[float]
    end: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines in one panel. What is less than the floor is noise, and drawn there."""

    title: str
    about: str
    shown: Shown
    curves: Mapping[str, Curve] = field(default_factory=dict)
    floor: float = 0.0


def dots(
    path: Path,
    panels: Sequence[Panel],
    titles: Mapping[str, str],
    shown: Shown,
    about: str,
    limit: tuple[float, str] | None = None,
    floor: float = 0.0,
) -> None:
    """A panel of each workload, a row of each system, sorted by how they do overall; all on one log axis.

    Args:
        titles: of the systems that have a row.
        about: what the axis tells, with its unit.
        limit: a goal, as a line; and what it is called.
        floor: what is less is noise, and stands at the edge.
    """
    order = _order(panels, list(titles))
    columns = min(4, len(panels))
    lines = math.ceil(len(panels) / columns)
    height = lines * (len(order) * ROW + 0.55) + 0.3
    found = [each for panel in panels for point in panel.points.values() for each in _places(point)]
    found = [max(each, floor) for each in found if each > 0 or floor] + ([limit[0]] if limit else []) or [1.0]
    with svg.drawing(path, height, lines, columns) as axes:
        for index, panel in enumerate(panels):
            ends = svg.logarithmic(axes[index], "x", found, shown, floor)
            _rows(axes[index], order, titles if index % columns == 0 else {})
            axes[index].set_title(panel.title, loc="left")
            axes[index].grid(axis="x", color=svg.GRID, linewidth=0.6)
            if limit:
                axes[index].axvline(limit[0], color=svg.LIMIT, linewidth=1.2, zorder=0.5)
            for row, name in enumerate(order):
                _point(axes[index], row, name, panel.points.get(name, Point(None, "")), ends)
        for spare in axes[len(panels) :]:
            spare.set_visible(False)
        axes[0].figure.supxlabel(f"{about}; grey line: {limit[1]}" if limit else about, fontsize=8.5)


def _point(axes: Axes, row: int, name: str, point: Point, ends: tuple[float, float]) -> None:
    colour = svg.colour(name)
    weight = "bold" if name == OURS else "normal"
    if point.at is None:
        place, side, ink = ends[0], "left", svg.FAINT
        axes.text(place, row, point.label, color=ink, fontsize=7, va="center", ha="left", style="italic")
        return
    at = max(point.at, ends[0])
    if point.also:
        axes.plot(point.also, [row] * len(point.also), "o", color=colour, markersize=3.5, alpha=0.35, mew=0)
    if point.ring is not None and point.ring > at:
        axes.plot([at, point.ring], [row, row], color=colour, linewidth=1)
        axes.plot([point.ring], [row], "o", markerfacecolor="white", color=colour, markersize=4.5)
    marker = "<" if point.at < ends[0] else "X" if point.wrong else "o"
    axes.plot(
        [at], [row], marker, color=svg.WRONG if point.wrong else colour, markersize=7 if name == OURS else 5.5, mew=0
    )
    every = [at, *point.also, *([point.ring] if point.ring else [])]
    # On the side where there is more room.
    place, side = (max(every), "left") if ends[1] / max(every) >= min(every) / ends[0] else (min(every), "right")
    axes.annotate(
        point.label,
        (place, row),
        xytext=(6 if side == "left" else -6, 0),
        textcoords="offset points",
        color=svg.WRONG if point.wrong else svg.INK,
        fontsize=7.5,
        fontweight=weight,
        va="center_baseline",
        ha=side,
    )


def _places(point: Point) -> list[float]:
    return [each for each in (point.at, point.ring, *point.also) if each is not None]


def _order(panels: Sequence[Panel], names: Sequence[str]) -> list[str]:
    """By how many times ours they are, over all panels; those that are nowhere come last."""

    def overall(name: str) -> tuple[bool, float]:
        ratios = []
        for panel in panels:
            own, ours = (panel.points.get(each, Point(None, "")).at for each in (name, OURS))
            if own is not None and ours is not None and ours > 0:
                ratios.append(own / ours)
        return not ratios, statistics.median(ratios) if ratios else 0.0

    return sorted(names, key=overall)


def lines(path: Path, charts: Sequence[Chart], titles: Mapping[str, str], about: str, height: float = 3.6) -> None:
    """Curves side by side on log scales, each named at its end.

    Args:
        about: what the axis to the right tells.
    """
    with svg.drawing(path, height, 1, len(charts)) as axes:
        for panel, chart in zip(axes, charts, strict=True):
            _lines(panel, chart, titles, about)


def _lines(axes: Axes, chart: Chart, titles: Mapping[str, str], about: str) -> None:
    svg.bare(axes)
    axes.set_title(f"{chart.title}\n", loc="left")
    axes.text(0, 1.02, chart.about, transform=axes.transAxes, fontsize=7.5)
    axes.set_xlabel(about)
    axes.grid(axis="y", color=svg.GRID, linewidth=0.6)
    found = [max(y, chart.floor) for curve in chart.curves.values() for y in curve.ys if y > 0 or chart.floor]
    if not found:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=svg.FAINT)
        return
    low, high = svg.logarithmic(axes, "y", found, chart.shown, chart.floor)
    width = max(curve.xs[-1] for curve in chart.curves.values())
    ends = {}
    for name, curve in chart.curves.items():
        ys = [max(y, low) for y in curve.ys]
        ours = name == OURS
        mark = "o-" if len(ys) <= 12 else "-"
        size = 2.2 if ours else 1.2
        axes.plot(curve.xs, ys, mark, color=svg.colour(name), linewidth=size, markersize=3.5, zorder=2 + ours)
        ends[name] = math.log(ys[-1] / low) / math.log(high / low)
    last = svg.apart({name: place for name, place in ends.items() if chart.curves[name].xs[-1] == width}, 0.052)
    for name, place in (ends | last).items():
        curve = chart.curves[name]
        axes.annotate(
            titles[name] + curve.end,
            (curve.xs[-1], place),
            xycoords=("data", "axes fraction"),
            xytext=(6, 0),
            textcoords="offset points",
            color=svg.colour(name),
            fontsize=7.5,
            fontweight="bold" if name == OURS else "normal",
            va="center",
            annotation_clip=False,
        )


@dataclass(frozen=True)
class Cells:
    """What happened after each cell of a notebook, by system; and which cells are long."""

    title: str
    found: Mapping[str, Sequence[float | None]]
    long: Sequence[int] = ()


def cells(path: Path, panels: Sequence[Cells], titles: Mapping[str, str], shown: Shown, about: str) -> None:
    """A dot of each cell, in a panel of each notebook."""
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    found = [y for panel in panels for each in panel.found.values() for y in each if y is not None and y > 0] or [1.0]
    with svg.drawing(path, rows * 2.0 + 0.6, rows, columns, sharey=True) as axes:
        for panel, drawn in zip(axes, panels, strict=False):
            svg.bare(panel)
            panel.set_title(drawn.title, loc="left")
            svg.logarithmic(panel, "y", found, shown)
            panel.grid(axis="y", color=svg.GRID, linewidth=0.6)
            panel.axhline(1, color=svg.FAINT, linewidth=0.8)
            for cell in drawn.long:
                panel.axvline(cell + 1, color="#cccccc", linewidth=1)
            for name, each in drawn.found.items():
                _dots(panel, name, each)
            panel.set_xlim(0, max((len(each) for each in drawn.found.values()), default=1) + 1)
        for spare in axes[len(panels) :]:
            spare.set_visible(False)
        figure = axes[0].figure
        keys = [
            axes[0].plot([], [], "o", color=svg.colour(name), markersize=4, label=titles[name])[0] for name in titles
        ]
        figure.legend(handles=keys, loc="outside upper left", ncols=len(keys), frameon=False, fontsize=8)
        figure.supylabel(about, fontsize=8.5)
        figure.supxlabel("cell", fontsize=8.5)


def _dots(axes: Axes, name: str, each: Sequence[float | None]) -> None:
    """Lines without length, whose round ends are dots: a third of the bytes of markers."""
    xs: list[float] = []
    ys: list[float] = []
    for index, y in enumerate(each):
        if y is not None and y > 0:
            xs += [index + 1, index + 1, math.nan]
            ys += [y, y, math.nan]
    size = 3.6 if name == OURS else 2.8
    axes.plot(xs, ys, color=svg.colour(name), linewidth=size, solid_capstyle="round", alpha=0.85)


def tally(
    path: Path, numbers: Mapping[str, Mapping[str, int]], titles: Mapping[str, str], kinds: Mapping[str, str]
) -> None:
    """How many of each kind, by system: bars beside each other, with their numbers.

    Args:
        kinds: the colour of each; the order is that of the bars.
    """
    order = sorted(numbers, key=lambda name: [numbers[name][kind] for kind in kinds], reverse=True)
    with svg.drawing(path, len(order) * 0.27 + 0.8) as (axes,):
        _rows(axes, order, titles)
        start = dict.fromkeys(order, 0)
        for kind, colour in kinds.items():
            widths = [numbers[name][kind] for name in order]
            lefts = [start[name] for name in order]
            axes.barh(range(len(order)), widths, left=lefts, height=0.72, color=colour, edgecolor="white", label=kind)
            ink = "white" if colour == svg.WRONG else svg.INK
            for row, (name, width) in enumerate(zip(order, widths, strict=True)):
                if width:
                    axes.text(start[name] + width / 2, row, str(width), ha="center", va="center", color=ink)
                start[name] += width
        axes.set_xlabel("states that were asked for")
        axes.figure.legend(loc="outside upper left", ncols=len(kinds), frameon=False)


def pairs(
    path: Path, rows: Mapping[str, Mapping[str, tuple[float, float]]], titles: Mapping[str, str], about: str
) -> None:
    """From one number to another (ring to dot), a row of each workload, a line of each system."""
    names = list(rows)
    systems = [name for name in titles if any(name in each for each in rows.values())]
    with svg.drawing(path, len(names) * 0.34 + 0.8) as (axes,):
        _rows(axes, names, {name: name for name in names})
        axes.grid(axis="x", color=svg.GRID, linewidth=0.6)
        for row, name in enumerate(names):
            for index, system in enumerate(each for each in systems if each in rows[name]):
                place = row + (index - (len(systems) - 1) / 2) * 0.36
                first, last = rows[name][system]
                colour = svg.colour(system)
                axes.plot([first, last], [place, place], color=colour, linewidth=1)
                axes.plot([first], [place], "o", markerfacecolor="white", color=colour, markersize=5)
                axes.plot([last], [place], "o", color=colour, markersize=5.5, label="" if row else titles[system])
        axes.set_xlim(left=0)
        axes.set_xlabel(about)
        axes.figure.legend(loc="outside upper left", ncols=len(systems), frameon=False)


def _rows(axes: Axes, names: Sequence[str], titles: Mapping[str, str]) -> None:
    """A row of each; with their names, if there are titles."""
    svg.bare(axes)
    axes.set_axisbelow(True)
    axes.set_ylim(len(names) - 0.4, -0.7)
    axes.set_yticks(range(len(names)) if titles else [], [titles[name] for name in names] if titles else [])
    for text, name in zip(axes.get_yticklabels() if titles else [], names, strict=False):
        text.set_color(svg.COLOURS.get(name, svg.INK))
        text.set_fontweight("bold" if name == OURS else "normal")
