"""Run the benchmarks and print the table: `python -m benchmarks figures [NAME ...] [--page]`.

Results stand in `benchmarks/results/`: a JSON file of each benchmark, and the table of all as
`figures.json` and `figures.md`. Where only some are run, the table takes the others from there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.harness import RESULTS, ROOT, BenchmarkError, Figure, environment, read, result_path, write

BENCHMARKS = (
    "slowdown",
    "loops",
    "latency",
    "frame",
    "strings",
    "plots",
    "startup",
    "wake",
    "forks",
    "graph",
    "store",
    "remote",
    "side_effects",
    "replay",
    "journey",
)
MARKED = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names. The exit status is 1 where one failed or a target was missed."""
    options = _parser().parse_args(arguments)
    failed = False
    for name in options.names or BENCHMARKS:
        started = time.perf_counter()
        print(f"{name} ... ", end="", flush=True)
        try:
            write(name, importlib.import_module(f"benchmarks.figures.{name}").measure())
        except BenchmarkError as error:
            print(f"failed: {error}")
            result_path(name).unlink(missing_ok=True)  # an old figure would pass for a new one
            failed = True
            continue
        print(f"{time.perf_counter() - started:.0f} s")
    figures = [figure for name in BENCHMARKS for figure in read(name)]
    table = markdown(figures)
    _keep(figures, table)
    if options.page:
        put_into_page(table)
    print(f"\n{table}", end="")
    return int(failed or any(figure.ok is False for figure in figures))


def markdown(figures: list[Figure]) -> str:
    """The figures as tables; those without a target are there to compare.

    What was measured of other systems too has a table of its own for the same systems, side by side.
    """
    tables: dict[tuple[str, ...], list[Figure]] = {(): []}
    for figure in figures:
        tables.setdefault(tuple(figure.beside), []).append(figure)
    return "\n".join(_table(each) for each in tables.values() if each)


def _table(figures: Sequence[Figure]) -> str:
    systems = list(dict.fromkeys(system for figure in figures for system in figure.beside))
    rows: list[tuple[str, ...]] = [
        ("figure", "measured", "target", "ok", *systems),
        ("---", "---:", "---:", ":---:", *("---:" for _ in systems)),
    ]
    for figure in figures:
        target = "" if figure.target is None else f"≤ {_amount(figure.target, figure.unit)}"
        ok = {True: "yes", False: "**no**", None: ""}[figure.ok]
        shown = [_amount(figure.beside.get(system, ""), figure.unit) for system in systems]
        rows.append((figure.name, _amount(figure.measured, figure.unit), target, ok, *shown))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def put_into_page(table: str) -> None:
    """Replace what stands between the markers of the page of figures.

    Raises:
        SystemExit: it has none.
    """
    page = ROOT / "docs" / "explanation" / "figures.md"
    text, found = MARKED.subn(lambda match: f"{match[1]}{table}{match[2]}", page.read_text(encoding="utf-8"))
    if not found:
        sys.exit(f"{page} has no <!-- benchmarks --> ... <!-- /benchmarks --> to write into")
    page.write_text(text, encoding="utf-8")


def _keep(figures: list[Figure], table: str) -> None:
    content = {
        "environment": environment(),
        "figures": [{**asdict(figure), "ok": figure.ok} for figure in figures],
    }
    (RESULTS / "figures.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "figures.md").write_text(table, encoding="utf-8")


def _amount(value: float | str, unit: str) -> str:
    if isinstance(value, str):
        return value
    if unit == "s":
        return f"{value * 1000:.3g} ms" if abs(value) < 0.1 else f"{value:.2f} s"
    return f"{value:.3g} {unit}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks figures", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME")
    parser.add_argument("--page", action="store_true", help="write the table into docs/explanation/figures.md too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
