"""What is run: the workloads, the real notebooks of the tests, cells of one line; or notebooks of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks import workloads
from benchmarks.comparison.schedule import runs_here
from benchmarks.harness import ROOT

Kind = Literal[
    "real notebook",
    "notebook of one's own",
    "notebook of the paper's",
    "workload that presses one point",
    "cells of one line",
]
OWN_KIND: Kind = "notebook of one's own"
LINES_KIND: Kind = "cells of one line"
REAL = ROOT / "tests" / "notebooks"
NEEDS = {"simpy_bank": "simpy", "sympy_calculus": "sympy", "z3_roster": "z3"}
"""What one real notebook is about, and the others do without."""
QUICK = ("text_adventure", "plain_objects", "objects", "strings", "80 lines, 5 variables")
PARAMETERS: dict[str, dict[str, Any]] = {"shared_list": {"SHARE": 100}}
LINES = 80
LINE_CASES = {f"{LINES} lines, {variables} variables": variables for variables in (5, 500)}


@dataclass(frozen=True)
class Case:
    """Cells to be queued.

    Attributes:
        before: cells that run before, one by one, and are not counted.
        files: a directory that is copied for each run: none changes its files, or finds what another wrote.
        beside: where in it the cells run.
    """

    name: str
    kind: Kind
    cells: tuple[str, ...]
    before: tuple[str, ...] = ()
    files: Path | None = None
    beside: str = "."


def cases(*, scale: float = 1.0, quick: bool = False, only: Sequence[str] = ()) -> Iterator[Case]:
    """In the order of the page.

    Args:
        only: names; of a workload or a real notebook that is not named nothing is read.
    """
    chosen = only or (QUICK if quick else ())
    for path in sorted(REAL.glob("*.ipynb")):
        if not chosen or path.stem in chosen:
            yield Case(path.stem, "real notebook", _code(path))
    for name in (*workloads.NOTEBOOKS, *workloads.OTHERS):
        if not chosen or name in chosen:
            workload = workloads.load(name, {"SCALE": scale, **PARAMETERS.get(name, {})})
            kind: Kind = "notebook of the paper's" if name in workloads.NOTEBOOKS else "workload that presses one point"
            yield Case(name, kind, tuple(cell.code for cell in workload.cells))
    for name, variables in LINE_CASES.items():
        if not chosen or name in chosen:
            yield _lines(name, variables)


def own(directory: Path) -> Iterator[Case]:
    """The notebooks below a directory, each beside the files that it has there. One that has no cells is none."""
    for path in sorted(directory.rglob("*.ipynb")):
        place = path.relative_to(directory)
        if not any(part.startswith(".") for part in place.parts) and (code := _code(path)):
            name = " - ".join(place.with_suffix("").parts)
            yield Case(name, OWN_KIND, code, files=directory, beside=place.parent.as_posix())


def _code(path: Path) -> tuple[str, ...]:
    """The cells of a notebook that have code."""
    cells = json.loads(path.read_text(encoding="utf-8")).get("cells", ())  # before nbformat 4 there were sheets
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return tuple(each for each in code if each.strip())


def runs(case: Case) -> bool:
    """Whether this interpreter has what it imports; of a notebook of one's own one knows."""
    if case.kind == OWN_KIND:
        return True
    if case.kind == "real notebook":  # what some of them import they write first
        return runs_here(f"import {NEEDS.get(case.name, 'IPython')}")
    return runs_here("\n".join(case.cells))


def _lines(name: str, variables: int) -> Case:
    """Cells of one line each, that do next to nothing, among so many variables."""
    kinds = ("v{other} = {number}", "v3", "v2.append({number})", "len(v2) + {number}")
    cells = (kinds[number % 4].format(number=number, other=(5 * number + 1) % variables) for number in range(LINES))
    before = (
        f"for i in range({variables}):\n"
        '    globals()[f"v{i}"] = (i, str(i), [i, i + 1], {"key": i}, float(i))[i % 5]\n'
        "del i"
    )
    return Case(name, LINES_KIND, tuple(cells), (before,))
