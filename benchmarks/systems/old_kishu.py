"""kishu 0.3.4, the published system: attached in an ipykernel of its own environment, with each of its two trackers.

It checkpoints in a hook of IPython, before the reply. Its "test mode" is on: without it each checkout waits for a
browser to save the notebook's file. What it raises in its hook IPython prints, and the notebook goes on: such a state
is not kept, and told.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, BenchmarkError, Kernel, Launch, Run
from benchmarks.systems.base import LOAD, Subject, System, attached
from benchmarks.workloads import Cell

ENVIRONMENT = "kishu-0.3.4"
MODULE = "_kishu_benchmark_old"
INSIDE = f"__import__('sys').modules[{MODULE!r}]"
PROBE = ROOT / "benchmarks" / "inside" / "old_kishu.py"


class OldKishu(Subject):
    """A kernel with kishu 0.3.4. Restores in place, by its own incremental checkout."""

    keeps = True
    in_place = True

    def __init__(self, kernel: Kernel, notebook: Path) -> None:
        super().__init__(kernel)
        self._notebook = notebook
        self._head: str | None = None
        self._lost: str | None = None
        self._told: list[str] = []

    def attach(self) -> None:
        """As its users do, in the first cell; it leaves no variable."""
        super().attach()
        self.kernel.run(LOAD.format(name=MODULE, path=str(PROBE)), silent=True)
        self.kernel.run(f"__import__('kishu').init_kishu({str(self._notebook)!r})", silent=True)
        self.kernel.value(f"{INSIDE}.hide()")

    def run(self, cell: Cell) -> Run:
        """As in `Subject`; what its hook raised is told."""
        run = self.kernel.run(cell.code)
        before, self._head = self._head, self._value(f"{INSIDE}.head()")
        self._lost = None
        if self._head == before:
            self._lost = "; ".join(self._seen("errors"))[:300] or "no commit"
            self._told.append(f"a state was not kept: {self._lost}")
        return run

    def mark(self) -> str:
        """The last commit."""
        if self._lost is not None or self._head is None:
            raise BenchmarkError(f"kishu 0.3.4 has not kept this state: {self._lost}")
        return self._head

    def restore(self, mark: str) -> float:
        """What its command `kishu undo` does, in the kernel. What a cell raises that is rerun it swallows."""
        checkout = f"{INSIDE}.instrument.checkout({mark!r}, skip_notebook=True)"
        started = time.perf_counter()
        try:
            self.kernel.value(checkout)
        except BenchmarkError as error:
            raise BenchmarkError(str(error).removeprefix(f"{checkout}: ")[:300]) from error
        seconds = time.perf_counter() - started
        self._head = mark
        return seconds

    def stored(self) -> int:
        """Its SQLite database. What is written anew in place does not count."""
        return sum(path.stat().st_size for path in self._notebook.parent.glob(f"{self._notebook.stem}.kishudb*"))

    def tracking(self) -> list[float]:
        """As in `Subject`; `inside/old_kishu.py` says what counts."""
        return [float(seconds) for seconds in self._seen("cells")]

    def covariables(self) -> Mapping[str, int]:
        """Of its history graph, at the last commit."""
        sizes = self._value(f"{INSIDE}.covariables()")
        return {"variables": sum(sizes), "covariables": len(sizes)}

    def told(self) -> list[str]:
        """As in `Subject`."""
        return list(self._told)

    def _value(self, expression: str) -> Any:
        return ast.literal_eval(self.kernel.value(expression))

    def _seen(self, kind: str) -> list[Any]:
        """What was noted since the last call."""
        return list(self._value(f"{INSIDE}.told({kind!r})"))


@contextmanager
def old_kishu(place: Path, *, experimental: bool = False) -> Iterator[OldKishu]:
    """A session of it. BenchmarkError where it cannot be had."""
    settings = place / ".kishu" / "config.ini"
    settings.parent.mkdir(exist_ok=True)
    tracker = "[IDGRAPH]\nexperimental_tracker = True\n" if experimental else ""
    settings.write_text(f"[JUPYTERINT]\ntest_mode = True\n{tracker}", encoding="utf-8")
    notebook = place / "notebook.ipynb"
    empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook.write_text(json.dumps(empty), encoding="utf-8")
    variables = {"KISHU_PATH_ROOT": str(place), "PYTHONPATH": ""}
    launch = Launch("kishu 0.3.4", ("ipykernel_launcher",), variables=variables)
    with attached(ENVIRONMENT, launch, place, lambda kernel: OldKishu(kernel, notebook)) as subject:
        yield subject


def _start(experimental: bool) -> Callable[[Path], AbstractContextManager[Subject]]:
    return partial(old_kishu, experimental=experimental)


ABOUT = "attached headless, in an environment of its own; it checkpoints in a hook before the reply"

OLD_DEFAULT = System("kishu-0.3.4", "kishu 0.3.4", ABOUT, _start(False), ENVIRONMENT)
OLD_EXPERIMENTAL = System(
    "kishu-0.3.4-experimental",
    "kishu 0.3.4, experimental tracker",
    f"{ABOUT}; its faster tracker hashes arrays, and takes read-only flags of a frame's columns for a dirty bit",
    _start(True),
    ENVIRONMENT,
)
