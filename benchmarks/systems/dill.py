"""dill: `dump_session` after each cell, a file each; `load_session` in a fresh kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import BenchmarkError, Kernel, Run
from benchmarks.systems.base import IPYKERNEL, Subject, System, attached
from benchmarks.workloads import Cell

HOOK = """
def _dump_session(result, place={place!r}, numbers=__import__("itertools").count()):
    import dill
    path = f"{{place}}/session-{{next(numbers)}}"
    try:
        dill.dump_session(path + ".pkl")
    except BaseException as error:
        open(path + ".failed", "w").write(f"{{type(error).__name__}}: {{error}}")
get_ipython().events.register("post_run_cell", _dump_session)
del _dump_session
"""
LOAD = "__import__('dill').load_session({path!r})"


class Dill(Subject):
    """Its hook dumps before the reply, so that a person waits. Of its files the newest and the marked ones stay."""

    keeps = True

    def __init__(self, kernel: Kernel, place: Path) -> None:
        super().__init__(kernel)
        self._place = place
        self._count = -1
        self._marked: set[Path] = set()
        self._written = 0

    def attach(self) -> None:
        """As in `Subject`. From now on each cell is followed by a dump."""
        super().attach()
        self.kernel.run(HOOK.format(place=str(self._place)), silent=True)

    def run(self, cell: Cell) -> Run:
        """As in `Subject`."""
        old = self._path()
        run = self.kernel.run(cell.code)
        self._count += 1
        failed = self._path().with_suffix(".failed")
        if failed.exists():
            raise BenchmarkError(" ".join(failed.read_text(encoding="utf-8").split())[:300])
        if not self._path().exists():
            raise BenchmarkError("the session was not dumped")
        self._written += self._path().stat().st_size
        if old not in self._marked:
            old.unlink(missing_ok=True)
        return run

    def mark(self) -> Path:
        """The newest file."""
        self._marked.add(self._path())
        return self._path()

    def restore(self, mark: Path) -> float:
        """The time is that of the load: starting the kernel is not counted."""
        self.kernel.restart()
        super().attach()  # without the hook
        return self.kernel.run(LOAD.format(path=str(mark)), silent=True).seconds

    def stored(self) -> int:
        """As in `Subject`."""
        return self._written

    def _path(self) -> Path:
        return self._place / f"session-{self._count}.pkl"


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    with attached("kishu-kernel", IPYKERNEL, place, lambda kernel: Dill(kernel, place)) as subject:
        yield subject


DILL = System("dill", "dill.dump_session", "dumps all after each cell, in a hook; loads into a fresh kernel", _start)
