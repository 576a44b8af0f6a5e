"""elastic-kernel 0.2.3, the kernel with ElasticNotebook inside: saves when it ends, and restores when it starts.

It watches each cell before the reply. Its own saving, that of its end, is asked for after each cell, so that there is a
state to go back to; its restoring is that of its start: a fresh process finds the file in its place.
"""

from __future__ import annotations

import ast
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import BenchmarkError, Kernel, Launch
from benchmarks.systems.base import AGENT, DESCRIBER, LOAD, START_AGENT, Subject, System, attached

ENVIRONMENT = "elastic-kernel"
SAVE = "get_ipython().kernel._save_checkpoint()"


class ElasticKernel(Subject):
    """A kernel of it, and the file that it keeps. Copies of marked states stay beside it."""

    keeps = True

    def __init__(self, kernel: Kernel, place: Path) -> None:
        super().__init__(kernel)
        self._place = place
        self._written = 0
        self._count = 0
        self._said: str | None = "nothing ran"
        self._told: list[str] = []
        self._start: float | None = None

    def attach(self) -> None:
        """As in `Subject`, but by no cell: it takes silent ones for the notebook's, and would run them again."""
        if self._start is None:
            self._start = self._restarted()
        code = LOAD.format(name="_kishu_benchmark_agent", path=str(AGENT)) + START_AGENT.format(
            describer=str(DESCRIBER)
        )
        self.kernel.value(f"exec({code!r}, {{'get_ipython': get_ipython}})")

    def settle(self) -> None:
        """Has it save."""
        found = ast.literal_eval(self.kernel.value(SAVE))
        self._said = None if found["ok"] else str(found.get("error") or found.get("reason"))[:300]
        if self._said is not None:
            self._told.append(f"a state was not kept: {self._said}")
        else:
            self._written += self._file.stat().st_size

    def mark(self) -> Path:
        """A copy of its file."""
        if self._said is not None:
            raise BenchmarkError(f"elastic-kernel has not kept this state: {self._said}")
        self._count += 1
        kept = self._place / f"state-{self._count}.pickle"
        shutil.copyfile(self._file, kept)
        return kept

    def restore(self, mark: Path) -> float:
        """The time is what the start takes more than one that finds no file."""
        shutil.copyfile(mark, self._file)
        seconds = self._restarted()
        self.attach()
        return max(0.0, seconds - (self._start or 0.0))

    def stored(self) -> int:
        """As in `Subject`."""
        return self._written

    def told(self) -> list[str]:
        """As in `Subject`."""
        return list(dict.fromkeys(self._told))

    @property
    def _file(self) -> Path:
        [directory] = (self._place / ".elastic_kernel").iterdir()
        return directory / "checkpoint.pickle"

    def _restarted(self) -> float:
        started = time.perf_counter()
        self.kernel.restart()
        return time.perf_counter() - started


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    notebook = place / "notebook.ipynb"  # its file is named after this one's inode
    notebook.write_text("{}", encoding="utf-8")
    variables = {"PYTHONPATH": "", "JPY_SESSION_NAME": str(notebook)}
    launch = Launch("elastic-kernel 0.2.3", ("elastic_kernel.kernel",), variables=variables)
    with attached(ENVIRONMENT, launch, place, lambda kernel: ElasticKernel(kernel, place)) as subject:
        yield subject


ELASTIC_KERNEL = System(
    "elastic-kernel",
    "elastic-kernel 0.2.3",
    "as installed; saves after each cell as it does at its end, and restores at the start of a fresh process",
    _start,
    ENVIRONMENT,
)
