"""What every compared system is to the benchmark: a session that runs cells and brings states back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.environments import python
from benchmarks.harness import ROOT, Kernel, Launch, Run, launched
from benchmarks.workloads import Cell

AGENT = ROOT / "benchmarks" / "inside" / "agent.py"
DESCRIBER = ROOT / "tests" / "support" / "describer.py"

LOAD = """
def _benchmark_load():
    import sys, types
    module = sys.modules[{name!r}] = types.ModuleType({name!r})
    with open({path!r}, encoding="utf-8") as source:
        exec(compile(source.read(), {path!r}, "exec"), vars(module))
_benchmark_load()
del _benchmark_load
"""
"""Loads a script into a kernel, as a module that no variable holds, and of no file: what it holds, as the present
kernel and its store, is not to be taken for data of a module of the user's."""

START_AGENT = """
def _benchmark_start(module):
    module.agent = module.Agent(get_ipython(), {describer!r})
_benchmark_start(__import__("sys").modules["_kishu_benchmark_agent"])
del _benchmark_start
"""


class Subject:
    """One session under one system. The base class keeps nothing: plain ipykernel.

    Attributes:
        kernel: the one that runs at this moment; `restore` may have put another in its place.
        keeps: it keeps states, and can bring one back.
        in_place: it brings a state back in the same kernel, from the state that is there.
    """

    keeps = False
    in_place = False

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def attach(self) -> None:
        """Prepare a fresh kernel, before its first cell: the agent, and what the system itself needs."""
        self.kernel.run(LOAD.format(name="_kishu_benchmark_agent", path=str(AGENT)), silent=True)
        self.kernel.run(START_AGENT.format(describer=str(DESCRIBER)), silent=True)

    def run(self, cell: Cell) -> Run:
        """Run a cell, to its reply."""
        return self.kernel.run(cell.code)

    def settle(self) -> None:
        """Wait until what the last cell leaves is written, as in a person's think time."""

    def mark(self) -> Any:
        """The state as it is now, for `restore`. BenchmarkError where the system has not kept it."""
        raise NotImplementedError

    def restore(self, mark: Any) -> float:
        """Bring a state back; the seconds that it took. BenchmarkError where the system says that it cannot."""
        raise NotImplementedError

    def stored(self) -> int:
        """Bytes that it has on disk, all in all, with what was thrown away to save the benchmark's own disk."""
        return 0

    def tracking(self) -> list[float] | None:
        """Seconds of detecting what changed, for each cell since the last call; None where it cannot be told."""
        return None

    def covariables(self) -> Mapping[str, int] | None:
        """`variables` and `covariables` of the state; None where the system does not know them."""
        return None

    def told(self) -> list[str]:
        """Sentences in which the system itself said that something could not be kept or brought back."""
        return []

    # -- the same for all -----------------------------------------------------------------------

    def cells(self) -> list[tuple[float, float]]:
        """When the code of each cell began and ended, since the last call."""
        return [(began, ended) for began, ended in self.kernel.ask("cells")]

    def describe(self) -> dict[str, str]:
        """The variables, told in full."""
        return dict(self.kernel.ask("describe"))

    def memory(self) -> int:
        """The most bytes that the kernel's process has had in memory."""
        return int(self.kernel.ask("memory"))


Some = TypeVar("Some", bound=Subject)

IPYKERNEL = Launch("ipykernel", ("ipykernel_launcher",))


@contextmanager
def attached(environment: str, launch: Launch, place: Path, make: Callable[[Kernel], Some]) -> Iterator[Some]:
    """A session: a kernel of an environment, up, and what the benchmark and the system need in it.

    Raises:
        BenchmarkError: it cannot be had.
    """
    with launched(replace(launch, python=python(environment)), place) as kernel:
        kernel.wait()
        subject = make(kernel)
        subject.attach()
        yield subject


@dataclass(frozen=True)
class System:
    """A row of the tables.

    Attributes:
        name: on the command line and in records.
        title: in tables.
        about: one sentence on how it is measured.
        start: a session of it, with its files in a directory that is its own.
        environment: the one of `environments` that it runs in.
        rounds: how often each workload is run, at least; None for the number that is asked for.
        tracks_only: it keeps no states: only its tracking is measured.
    """

    name: str
    title: str
    about: str
    start: Callable[[Path], AbstractContextManager[Subject]]
    environment: str = "kishu-kernel"
    rounds: int | None = None
    tracks_only: bool = False
