"""The systems that are compared, as one thing: run a cell, say what it wrote, undo it.

dill and kishu 0.3.4 do their work in a hook of IPython after each cell, before its reply.
"""

from __future__ import annotations

import json
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
    System,
    launched,
    running,
    scratch,
)
from benchmarks.store.venv import kishu_python

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
    """kishu 0.3.4 in an ipykernel of its own environment, with its default settings.

    Its "test mode" is on: without it each checkout waits for a browser to save the notebook's file.
    """

    kernel: Kernel
    notebook: Path
    heads: list[str] = field(default_factory=list)
    _before: int = 0

    def attach(self) -> None:
        """As its users do, in the first cell."""
        self.kernel.run(f"from kishu import init_kishu; init_kishu({str(self.notebook)!r})", silent=True)

    def run(self, code: str) -> Run:
        """As in `Subject`."""
        self._before = self._size()
        run = self.kernel.run(code)
        head = self.kernel.value("_kishu._kishu_branch.get_head().commit_id")
        if self.heads and head == self.heads[-1]:
            raise BenchmarkError("kishu 0.3.4 made no commit")
        self.heads.append(head)
        return run

    def look(self, code: str) -> str:
        """As in `Subject`."""
        return self.kernel.run(code, silent=True).stdout

    def written(self) -> int:
        """As in `Subject`. SQLite's pages: what is written anew in place does not count."""
        return self._size() - self._before

    def undo(self) -> float:
        """As in `Subject`: what its command `kishu undo` does, in the kernel."""
        started = time.perf_counter()
        self.kernel.value(f"_kishu.checkout({self.heads[-2]}, skip_notebook=True)")
        return time.perf_counter() - started

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.notebook.parent.glob(f"{self.notebook.stem}.kishudb*"))


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
def old_kishu() -> Iterator[Old]:
    """A kernel with kishu 0.3.4. BenchmarkError where it cannot be had."""
    python = kishu_python()
    with scratch() as place:
        settings = place / ".kishu" / "config.ini"
        settings.parent.mkdir()
        settings.write_text("[JUPYTERINT]\ntest_mode = True\n", encoding="utf-8")
        notebook = place / "notebook.ipynb"
        empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        notebook.write_text(json.dumps(empty), encoding="utf-8")
        variables = {"KISHU_PATH_ROOT": str(place), "PYTHONPATH": ""}
        with launched(System(OLD_NAME, ("ipykernel_launcher",), python, variables), place) as kernel:
            kernel.wait()
            subject = Old(kernel, notebook)
            subject.attach()
            yield subject


Once = TypeVar("Once", bound=Mapping[str, float])


def beside(measure: Callable[[Dill | Old], Once]) -> dict[str, Once | str]:
    """What is measured of each of the other systems; of one that fails, the reason."""
    found: dict[str, Once | str] = {}
    for name, start in ((DILL_NAME, dill), (OLD_NAME, old_kishu)):
        try:
            with start() as subject:
                found[name] = measure(subject)
        except Exception as error:  # whatever it is: it is theirs, and the others' figures stand
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".replace("|", "/")
    return found


def column(found: Mapping[str, Once | str], key: str) -> dict[str, float | str]:
    """One of the measurements of each system."""
    return {name: each if isinstance(each, str) else each[key] for name, each in found.items()}
