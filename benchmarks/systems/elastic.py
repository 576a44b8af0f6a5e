"""ElasticNotebook (elastic-notebook-slim 0.0.13): a checkpoint file after each cell; loaded into a fresh kernel.

Each cell is run by its `record_event`, and followed by its `checkpoint` with the optimiser that it has by default, in
one request: the cell's seconds are all that a person waits for. In-cell is what the user's code takes within.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, BenchmarkError, Kernel, Launch, Run
from benchmarks.systems.base import LOAD, Subject, System, attached
from benchmarks.workloads import Cell

ENVIRONMENT = "elastic"
MODULE = "_kishu_benchmark_elastic"
PROBE = ROOT / "benchmarks" / "inside" / "elastic.py"
INSIDE = f"__import__('sys').modules[{MODULE!r}]"


class Elastic(Subject):
    """A kernel whose cells ElasticNotebook runs. Of its files the newest and the marked ones stay."""

    keeps = True

    def __init__(self, kernel: Kernel, place: Path) -> None:
        super().__init__(kernel)
        self._place = place
        self._count = 0
        self._newest: Path | None = None
        self._marked: set[Path] = set()
        self._written = 0
        self._tracking: list[float] = []
        self._lost: str | None = None
        self._told: list[str] = []

    def attach(self) -> None:
        """As in `Subject`."""
        super().attach()
        self.kernel.run(LOAD.format(name=MODULE, path=str(PROBE)), silent=True)

    def run(self, cell: Cell) -> Run:
        """As in `Subject`. What the cell raises it swallows: that ends the session here, too."""
        old, self._newest = self._newest, self._place / f"checkpoint-{self._count}.pickle"
        self._count += 1
        sent = time.perf_counter()
        found = self._ask(f"run({cell.code!r}, {str(self._newest)!r})")
        seconds = time.perf_counter() - sent
        if found["cell"] is not None:
            raise BenchmarkError(found["cell"][:300])
        self._tracking.append(found["tracking"])
        self._lost = found["lost"] and found["lost"][:300]
        if self._lost is not None:
            self._told.append(f"a state was not kept: {self._lost}")
        if self._newest.exists():
            self._written += self._newest.stat().st_size
        if old is not None and old not in self._marked:
            old.unlink(missing_ok=True)
        return Run(seconds, "", sent)

    def mark(self) -> Path:
        """The newest file."""
        if self._lost is not None or self._newest is None:
            raise BenchmarkError(f"ElasticNotebook has not kept this state: {self._lost}")
        self._marked.add(self._newest)
        return self._newest

    def restore(self, mark: Path) -> float:
        """The time is that of the load, with the cells that it reruns: starting the kernel is not counted."""
        self.kernel.restart()
        self.attach()
        started = time.perf_counter()
        said = self._ask(f"load({str(mark)!r})")
        seconds = time.perf_counter() - started
        if said is not None and said not in self._told:
            self._told.append(said)
        return seconds

    def stored(self) -> int:
        """As in `Subject`."""
        return self._written

    def tracking(self) -> list[float]:
        """As in `Subject`: what `record_event` takes besides the cell."""
        found, self._tracking = self._tracking, []
        return found

    def told(self) -> list[str]:
        """As in `Subject`."""
        return list(self._told)

    def _ask(self, call: str) -> Any:
        """What a function of the module inside returns. No cell: the one within it is the only one."""
        expression = f"{INSIDE}.{call}"
        try:
            return ast.literal_eval(self.kernel.value(expression))
        except BenchmarkError as error:
            raise BenchmarkError(str(error).removeprefix(f"{expression}: ")[:300]) from error


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    launch = Launch("ElasticNotebook", ("ipykernel_launcher",), variables={"PYTHONPATH": ""})
    with attached(ENVIRONMENT, launch, place, lambda kernel: Elastic(kernel, place)) as subject:
        yield subject


ELASTIC = System(
    "elastic",
    "ElasticNotebook",
    "each cell by its record_event, then a checkpoint file by its default optimiser; loads into a fresh kernel",
    _start,
    ENVIRONMENT,
)
