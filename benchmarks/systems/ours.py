"""This kernel, as installed; with its deterministic cells annotated; and with its other trackers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import ROOT, Kernel, Launch, Run
from benchmarks.systems.base import LOAD, Subject, System, attached
from benchmarks.workloads import Cell

PROBE = ROOT / "benchmarks" / "inside" / "ours.py"


class Ours(Subject):
    """A kernel of this project. Detects and takes payloads before the reply, writes after it."""

    keeps = True
    in_place = True

    def __init__(self, kernel: Kernel, *, annotated: bool = False) -> None:
        super().__init__(kernel)
        self._annotated = annotated
        self._sent: list[float] = []

    def attach(self) -> None:
        """As in `Subject`; the kernel itself needs nothing."""
        super().attach()
        self.kernel.run(LOAD.format(name="_kishu_benchmark_probe", path=str(PROBE)), silent=True)

    def run(self, cell: Cell) -> Run:
        """As in `Subject`."""
        marked = self._annotated and "deterministic" in cell.tags
        run = self.kernel.run(f"# kishu: deterministic\n{cell.code}" if marked else cell.code)
        self._sent.append(run.sent)
        return run

    def settle(self) -> None:
        """As in `Subject`."""
        self.kernel.settle()

    def mark(self) -> str:
        """The checkpoint that the session stands on."""
        return str(self.kernel.kishu("status")[0]["head"])

    def restore(self, mark: str) -> float:
        """A checkout."""
        return self.kernel.kishu("checkout", target=mark)[1]

    def stored(self) -> int:
        """Pages of its LMDB in use."""
        return int(self.kernel.kishu("status")[0]["store"]["bytes"])

    def tracking(self) -> list[float]:
        """As in `Subject`; what is looked at before a cell counts as the cell's."""
        seconds = [0.0] * len(self._sent)
        for began, ended in self.kernel.ask("tracking"):
            index = bisect_right(self._sent, began) - 1
            if index >= 0:
                seconds[index] += ended - began
        self._sent = []
        return seconds

    def covariables(self) -> Mapping[str, int]:
        """As in `Subject`."""
        return dict(self.kernel.ask("covariables"))

    def told(self) -> list[str]:
        """Its warnings, and what the checkpoints of this session say was not stored."""
        reply, _ = self.kernel.kishu("log", limit=0)
        left = [
            f"{', '.join(each['names'])}: {each['reason']}"
            for checkpoint in reversed(reply["checkpoints"])
            for each in checkpoint["not_stored"]
        ]
        return [*self.kernel.kishu("status")[0]["warnings"], *left]


@contextmanager
def _session(place: Path, *, tracker: str = "code", annotated: bool = False) -> Iterator[Subject]:
    arguments = ("kishu_kernel", f"--KishuKernel.tracker={tracker}")
    make = partial(Ours, annotated=annotated)
    with attached("kishu-kernel", Launch("kishu-kernel", arguments), place, make) as subject:
        yield subject


def _start(tracker: str = "code", annotated: bool = False) -> Callable[[Path], AbstractContextManager[Subject]]:
    return partial(_session, tracker=tracker, annotated=annotated)


# Variants are run once: what tells them from ours is more than noise, and an hour is for all systems.
KISHU = System("kishu", "kishu-kernel", "as installed", _start())
DET_REPLAY = System(
    "kishu-det-replay",
    "kishu-kernel, Det-replay",
    "its deterministic cells say so in a comment; what is quicker to re-run than to store is left unstored",
    _start(annotated=True),
    rounds=1,
)
CHECK_ALL = System(
    "kishu-check-all",
    "kishu-kernel, check all",
    "looks at everything after each cell",
    _start("all"),
    rounds=1,
    tracks_only=True,
)
NAMESPACE = System(
    "kishu-namespace",
    "kishu-kernel, patched namespace",
    "learns from the paper's patched namespace what a cell touched",
    _start("namespace"),
    rounds=1,
    tracks_only=True,
)
