"""The systems that are compared, as one thing: run a cell, say what it wrote, undo it.

dill and kishu 0.3.4 do their work in a hook of IPython after each cell, before its reply.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks.harness import (
    KISHU,
    PLAIN,
    BenchmarkError,
    Kernel,
    Run,
    launched,
    running,
    scratch,
)
from benchmarks.systems.old_kishu import OldKishu, old_kishu
from benchmarks.workloads import Cell

DILL_NAME = "dill.dump_session"
OLD_NAME = "kishu 0.3.4"


class Subject(Protocol):
    """A kernel that keeps states."""

    def run(self, code: str) -> Run:
        """Run a cell; when this returns, all that it leaves is written."""

    def look(self, code: str) -> str:
        """What this code prints. May be a cell, but need not."""

    def written(self) -> int:
        """Bytes that the last cell added on disk."""

    def undo(self) -> float:
        """Bring back the state before the last cell; the seconds that it took."""


@dataclass(eq=False)
class Ours:
    """This kernel."""

    kernel: Kernel

    def run(self, code: str) -> Run:
        """As in `Subject`."""
        run = self.kernel.run(code)
        self.kernel.settle()
        return run

    def look(self, code: str) -> str:
        """As in `Subject`."""
        return self.run(code).stdout

    def checkpoint(self) -> Mapping[str, int]:
        """The last one, as the protocol gives it."""
        return dict(self.kernel.kishu("log", limit=1)[0]["checkpoints"][0])

    def written(self) -> int:
        """As in `Subject`."""
        return self.checkpoint()["written_bytes"]

    def used(self) -> int:
        """Bytes of the store's pages in use."""
        return int(self.kernel.kishu("status")[0]["store"]["bytes"])

    def undo(self) -> float:
        """As in `Subject`."""
        return self.kernel.kishu("undo")[1]


@dataclass(eq=False)
class Plain:
    """ipykernel: keeps nothing, and cannot undo."""

    kernel: Kernel

    def run(self, code: str) -> Run:
        """As in `Subject`."""
        return self.kernel.run(code)


DILL_HOOK = """
def _dump_session(result, place={place!r}, numbers=__import__("itertools").count()):
    import dill
    dill.dump_session(f"{{place}}/session-{{next(numbers)}}.pkl")
get_ipython().events.register("post_run_cell", _dump_session)
del _dump_session
"""


@dataclass(eq=False)
class Dill:
    """`dill.dump_session` after each cell, a file each; `load_session` in a fresh kernel for an undo."""

    kernel: Kernel
    place: Path

    def attach(self) -> None:
        """From now on each cell is followed by a dump."""
        self.kernel.run(DILL_HOOK.format(place=str(self.place)), silent=True)

    def run(self, code: str) -> Run:
        """As in `Subject`."""
        before = len(self._files())
        run = self.kernel.run(code)
        if len(self._files()) == before or self._files()[-1].stat().st_size == 0:
            raise BenchmarkError("dill could not dump the session")  # IPython prints what a hook raises, and goes on
        return run

    def look(self, code: str) -> str:
        """As in `Subject`."""
        return self.kernel.run(code, silent=True).stdout

    def written(self) -> int:
        """As in `Subject`."""
        return self._files()[-1].stat().st_size

    def undo(self) -> float:
        """As in `Subject`. The kernel that ran the cell is gone; the new one has no hook."""
        path = self._files()[-2]
        started = time.perf_counter()
        self.kernel.restart()
        self.kernel.run(f"import dill; dill.load_session({str(path)!r})", silent=True)
        return time.perf_counter() - started

    def _files(self) -> list[Path]:
        return sorted(self.place.glob("session-*.pkl"), key=lambda path: int(path.stem.partition("-")[2]))


@dataclass(eq=False)
class Old:
    """kishu 0.3.4 in an ipykernel of its own environment, with its default settings."""

    subject: OldKishu
    marks: list[str] = field(default_factory=list)
    _before: int = 0

    def run(self, code: str) -> Run:
        """As in `Subject`."""
        self._before = self.subject.stored()
        run = self.subject.run(Cell(code))
        self.marks.append(self.subject.mark())
        return run

    def look(self, code: str) -> str:
        """As in `Subject`."""
        return self.subject.kernel.run(code, silent=True).stdout

    def written(self) -> int:
        """As in `Subject`."""
        return self.subject.stored() - self._before

    def undo(self) -> float:
        """As in `Subject`."""
        return self.subject.restore(self.marks[-2])


@contextmanager
def ours_and_plain() -> Iterator[tuple[Ours, Plain]]:
    """Both, up and idle."""
    with running(KISHU, PLAIN) as [ours, plain]:
        yield Ours(ours), Plain(plain)


@contextmanager
def dill() -> Iterator[Dill]:
    """A kernel that dumps its session."""
    with scratch() as place, launched(PLAIN, place) as kernel:
        kernel.wait()
        subject = Dill(kernel, place)
        subject.attach()
        yield subject


@contextmanager
def old() -> Iterator[Old]:
    """A kernel with kishu 0.3.4. BenchmarkError where it cannot be had."""
    with scratch() as place, old_kishu(place) as subject:
        yield Old(subject)


Once = TypeVar("Once", bound=Mapping[str, float])


def beside(measure: Callable[[Dill | Old], Once]) -> dict[str, Once | str]:
    """What is measured of each of the other systems; of one that fails, the reason."""
    found: dict[str, Once | str] = {}
    for name, start in ((DILL_NAME, dill), (OLD_NAME, old)):
        try:
            with start() as subject:
                found[name] = measure(subject)
        except Exception as error:  # whatever it is: it is theirs, and the others' figures stand
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".replace("|", "/")
    return found


def column(found: Mapping[str, Once | str], key: str) -> dict[str, float | str]:
    """One of the measurements of each system."""
    return {name: each if isinstance(each, str) else each[key] for name, each in found.items()}
