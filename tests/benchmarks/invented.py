"""Records as a run leaves them, invented: with systems that fail, states that are wrong, rounds that are missing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace

from benchmarks.comparison.records import CellRecord, RestoreRecord, SessionRecord
from benchmarks.workloads import NOTEBOOKS

TITLES = {
    "plain": "plain ipykernel",
    "kishu": "kishu-kernel",
    "kishu-det-replay": "kishu-kernel, Det-replay",
    "kishu-check-all": "kishu-kernel, check all",
    "kishu-namespace": "kishu-kernel, patched namespace",
    "dill": "dill.dump_session",
    "kishu-0.3.4": "kishu 0.3.4",
    "kishu-0.3.4-experimental": "kishu 0.3.4, experimental tracker",
    "elastic": "ElasticNotebook",
    "criu": "CRIU",
    "criu-incremental": "CRIU-incremental",
    "pages": "page model (CRIU-incremental at least)",
    "ipyflow": "IPyFlow",
    "never": "never run",
}
SYSTEMS = {
    name: SimpleNamespace(title=title, about=f"about {name}", tracks_only=name == "ipyflow")
    for name, title in TITLES.items()
}
"""As those of the registry, as far as the report looks."""

KEEPING = ("plain", "kishu", "dill", "kishu-0.3.4", "kishu-0.3.4-experimental", "elastic", "pages")
TRACKING = ("plain", "kishu", "kishu-check-all", "kishu-namespace", "kishu-0.3.4", "ipyflow")
OTHERS = (
    *("many_variables", "large_frame", "strings", "objects", "module_loop", "function_loop"),
    *("shared_list", "long_session"),
)


@dataclass(frozen=True)
class Kind:
    """What is typical of a system, over a cell's run time or the state's bytes."""

    delay: float
    background: float
    stored: float
    restore: float
    tracking: float | None
    slowdown: float = 1.0


KINDS: Mapping[str, Kind] = {
    "plain": Kind(0.0, 0.0, 0.0, 0.0, None),
    "kishu": Kind(0.002, 0.02, 0.05, 0.02, 0.001),
    "kishu-det-replay": Kind(0.002, 0.01, 0.02, 0.1, 0.001),
    "kishu-check-all": Kind(0.05, 0.02, 0.05, 0.02, 0.04),
    "kishu-namespace": Kind(0.003, 0.02, 0.05, 0.02, 0.002, 4.0),
    "dill": Kind(0.4, 0.0, 1.0, 0.7, None),
    "kishu-0.3.4": Kind(1.5, 0.0, 0.6, 1.2, 0.9, 5.0),
    "kishu-0.3.4-experimental": Kind(0.6, 0.0, 0.5, 0.8, 0.1),
    "elastic": Kind(0.8, 0.0, 0.7, 2.0, None),
    "criu": Kind(0.3, 0.0, 3.0, 3.0, None),
    "criu-incremental": Kind(0.3, 0.0, 0.9, 3.0, None),
    "pages": Kind(50.0, 0.0, 0.3, 0.0, None),
    "ipyflow": Kind(0.2, 0.0, 0.0, 0.0, None, 1.4),
}


def everything(cells: int | None = None) -> Iterator[SessionRecord]:
    """A whole run.

    Args:
        cells: how many each workload has; the paper's numbers if None.
    """
    numbers = dict(zip(NOTEBOOKS, (24, 49, 44, 81, 41, 85, 27, 20), strict=True))
    for name, number in numbers.items():
        yield from workload(name, tuple(KINDS), cells or number)
    for name in OTHERS[:-2]:
        yield from workload(name, TRACKING if name.endswith("loop") else KEEPING, cells or 6)
    for share in (10, 25, 50, 75, 100):
        yield from workload("shared_list", KEEPING, 6, SHARE=share)
    yield from workload("long_session", ("plain", "kishu", "dill", "kishu-0.3.4"), cells or 1000, small=True)


def workload(
    name: str, systems: tuple[str, ...], cells: int, *, small: bool = False, rounds: int = 3, **parameters: object
) -> Iterator[SessionRecord]:
    """All sessions of it; which fail is fixed by their names."""
    for system in systems:
        if system.startswith("criu"):
            error = (
                "criu check: Error (/usr/lib/criu/vdso.c:12): vDSO of this kernel | not known; https://example.org/x"
            )
            yield SessionRecord(name, system, 0, {"SCALE": 1.0, **parameters}, error=error)
            continue
        count = 1 if system == "pages" else 2 if (name, system) == ("cluster", "elastic") else rounds
        for turn in range(count):
            record = session(name, system, turn, cells, small=small, **parameters)
            _irregular(record, cells)
            yield record
            if record.error:
                break


def session(
    name: str, system: str, turn: int, cells: int, *, small: bool = False, **parameters: object
) -> SessionRecord:
    """One that went well."""
    dice = random.Random(f"{name} {system} {turn} {parameters}")
    shape = random.Random(name)
    kind = KINDS[system]
    state = 1e4 if small else 10 ** shape.uniform(5.5, 8.5)
    undone = {cells // 3, 2 * cells // 3}
    record = SessionRecord(name, system, turn, {"SCALE": 1.0, **parameters})
    for index in range(cells):
        run_time = 0.001 if small else 10 ** shape.uniform(-2.5, 1.3 if index == cells // 2 else 0.3)
        in_cell = run_time * kind.slowdown * dice.uniform(0.98, 1.02)
        around = 0.004 + dice.gauss(0, 0.0002) + run_time * kind.delay * dice.uniform(0.5, 1.5)
        share = float(parameters.get("SHARE", 30)) / 100 if system.startswith("kishu-0") else 1.0  # type: ignore[arg-type]
        stored = int(state * kind.stored * share * dice.uniform(0.2, 1.8) * (index + 1) / cells)
        tracking = None if kind.tracking is None else run_time * kind.tracking * dice.uniform(0.1, 3)
        tags = ["undo"] if index in undone else ["fork"] if index == cells // 2 else []
        background = run_time * kind.background
        record.cells.append(CellRecord(in_cell + around, in_cell, background, stored, tracking, tags))
    if system not in ("plain", "pages", "ipyflow"):
        asked = [("undo", index) for index in sorted(undone)] + [("fork", cells // 2), ("branch", cells - 1)]
        for what, cell in asked:
            seconds = kind.restore * (state / 1e8) ** 0.5 * dice.uniform(0.8, 1.3) + 0.005
            record.restores.append(RestoreRecord(what, cell, seconds))  # type: ignore[arg-type]
    record.memory = int(2e8 + state * (2 if system != "plain" else 1))
    if system.startswith("kishu"):
        record.variables, record.covariables = 10 + cells // 2, 8 + cells // 3
    return record


def _irregular(record: SessionRecord, cells: int) -> None:
    match record.system, record.workload:
        case "dill", "quantum":
            stop(record, 3, "TypeError: cannot pickle '_thread.RLock' object")
        case "ipyflow", "store_sales":
            stop(record, min(26, cells - 1), "its time was up: stopped at cell 26")
        case "kishu-0.3.4", "large_frame":
            stop(record, 2, "its time was up: stopped at cell 2")
        case "kishu-0.3.4", "long_session":
            stop(record, cells // 2, "its time was up")
        case "kishu-0.3.4", "tps":  # all cells, then the time was up
            record.error = "its time was up: stopped before the branch"
            record.restores = record.restores[:1]
        case "kishu-0.3.4-experimental", _:
            record.restores[0].wrong = ["frame", "train", *(f"more_{number}" for number in range(7))]
            record.restores[0].differences = ["frame.values: [1 2 3] => [1 9 3]"]
        case "elastic", "distributed":
            record.restores[-1] = RestoreRecord("branch", cells - 1, None, "cannot load /home/someone/x/y.pickle")
        case "elastic", "hw_lm":
            record.memory = None
            record.told = ["a generator cannot be kept"]
            record.unstable = ["figure"]
        case "kishu", "hw_lm":
            for cell in record.cells:  # in the noise, to the other side
                cell.seconds = cell.in_cell + 0.0035


def stop(record: SessionRecord, at: int, error: str) -> None:
    """It failed in a cell: nothing of what is asked for at the end is there."""
    record.cells = record.cells[:at]
    for cell in record.cells:
        cell.in_cell, cell.tracking = 0.0, None
    record.restores = []
    record.error, record.failed_at = error, at
    record.memory = record.variables = record.covariables = None
