"""What all plots share: SVG files that are small, the same in every run, with text as text and a white card behind.

Law: a system has the same colour everywhere, and ours stands out.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.comparison.summary import OURS

COLOURS = {
    "plain": "#000000",
    OURS: "#0b4fd6",
    "kishu-det-replay": "#2a9df4",
    "kishu-check-all": "#7b6bd0",
    "kishu-namespace": "#a99ae0",
    "dill": "#d98c00",
    "kishu-0.3.4": "#a8321e",
    "kishu-0.3.4-experimental": "#e0826a",
    "elastic": "#00875a",
    "elastic-kernel": "#4fb58f",
    "criu": "#4d4d4d",
    "criu-incremental": "#808080",
    "pages": "#a3a3a3",
    "ipyflow": "#c45c9c",
}
OTHER = "#7a7a55"
WRONG = "#c00000"
INK = "#222222"
FAINT = "#8a8a8a"
GRID = "#dddddd"
LIMIT = "#a8a8a8"
WIDTH = 11.0

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "kishu",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8,
    "path.simplify": False,
}


def colour(name: str) -> str:
    return COLOURS.get(name, OTHER)


@contextmanager
def drawing(path: Path, height: float, rows: int = 1, columns: int = 1, **options: object) -> Iterator[list[Axes]]:
    """The panels of a figure that is kept at the block's end."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
        figure.get_layout_engine().set(w_pad=0.12)  # type: ignore[call-arg, union-attr]
        panels = figure.subplots(rows, columns, squeeze=False, **options)  # type: ignore[call-overload]
        yield list(panels.flat)
        kept = io.StringIO()
        figure.savefig(kept, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(_small(kept.getvalue()), encoding="utf-8")


def bare(panel: Axes) -> None:
    """Only the lines that are read along."""
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.tick_params(length=0)


def logarithmic(
    panel: Axes, axis: str, found: Sequence[float], shown: Callable[[float], str], floor: float = 0.0
) -> tuple[float, float]:
    """A log axis over what was found, but not below the floor, with few ticks; the limits that it has."""
    ends, ticks = _scale(min(found), max(found))
    ends = max(ends[0], floor), ends[1]
    ticks = [tick for tick in ticks if tick >= ends[0]]
    getattr(panel, f"set_{axis}scale")("log")
    getattr(panel, f"set_{axis}lim")(*ends)
    ruler = getattr(panel, f"{axis}axis")
    ruler.set_major_locator(FixedLocator(ticks))
    ruler.set_minor_locator(NullLocator())
    ruler.set_major_formatter(FuncFormatter(lambda value, _: shown(value)))
    return ends


def _scale(low: float, high: float, most: int = 4) -> tuple[tuple[float, float], list[float]]:
    """Its ends, and its ticks: whole decades, or steps of 1, 2, 5 where there are few."""
    if high / low < 20:
        ends = low / 1.35, high * 1.35
        powers = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
        steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        return ends, [step for step in steps if ends[0] <= step <= ends[1]]
    first, last = math.floor(math.log10(low) - 0.15), math.ceil(math.log10(high) + 0.15)
    step = max(1, math.ceil((last - first + 1) / most))
    return (10.0**first, 10.0**last), [10.0**power for power in range(first, last + 1, step)]


def apart(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """The same places, moved so that none is nearer than the gap to the next."""
    order = sorted(places, key=lambda name: places[name])
    moved = [places[name] for name in order]
    for _ in range(200):
        for index in range(len(moved) - 1):
            short = gap - (moved[index + 1] - moved[index])
            if short > 1e-6:
                moved[index] -= short / 2
                moved[index + 1] += short / 2
    return dict(zip(order, moved, strict=True))


def _small(text: str) -> str:
    """Without what no reader sees: the comments, and digits beyond a hundredth of a point."""
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), text)  # not what is read
    return text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
