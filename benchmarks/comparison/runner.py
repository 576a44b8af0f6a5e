"""One session of one system on one workload: cells, then the states that are brought back, all of it recorded.

Law: a failure of a system is a line of its record, and never ends the run; what was recorded before it stands.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.comparison.records import CellRecord, Kind, RestoreRecord, SessionRecord
from benchmarks.harness import BenchmarkError, NoReplyError, scratch
from benchmarks.systems.base import Subject, System
from benchmarks.workloads import Cell, Workload

Description = Mapping[str, str]
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
OTHER_SEED = Cell("SEED = 99")
"""Run first on the other branch: else its models would be the same to the last bit."""
UNDO_SECONDS = 10.0
"""What a session has left to undo cells, whose time was up on the way."""
SHOWN = 5
"""Differences that a record keeps of a wrong state."""


class _TimeUp(BenchmarkError):
    """The session has lasted as long as it may."""


@dataclass
class _State:
    """A state of the session that is brought back later."""

    mark: Any
    description: Description | None = None


@dataclass
class _Session:
    """While it runs.

    Attributes:
        until: by `time.perf_counter()`, when its time is up.
        compare: whether states are described and compared.
        restores: whether states are brought back.
        states: by the number of cells that had run.
    """

    subject: Subject
    workload: Workload
    record: SessionRecord
    until: float
    compare: bool
    restores: bool
    states: dict[int, _State] = field(default_factory=dict)

    def run(self) -> None:
        """Everything that the system can do of it; of what has no time for all cells, as much as it has run."""
        try:
            self._cells()
        except Exception as error:
            with suppress(Exception):  # the kernel may be gone
                self._probes()
            if self.restores and isinstance(error, _TimeUp):
                self.until = time.perf_counter() + UNDO_SECONDS
                self._undos()
            raise
        self._probes()
        if self.restores:
            self._undos()
            self._branches()

    # -- the notebook ----------------------------------------------------------------------------

    def _cells(self) -> None:
        subject, record = self.subject, self.record
        kept = self._kept()
        subject.cells()
        subject.tracking()
        before = subject.stored()
        if 0 in kept:
            raise ValueError(f"{self.workload.name}: the first cell cannot be undone, nor the fork")
        for index, cell in enumerate(self.workload.cells):
            record.failed_at = index
            self._in_time(f"stopped at cell {index}")
            subject.kernel.patience = max(5.0, self.until - time.perf_counter() + 5.0)
            try:
                run = subject.run(cell)
            except NoReplyError:
                subject.kernel.interrupt()
                subject.kernel.patience = UNDO_SECONDS
                raise _TimeUp(f"its time was up: cell {index} did not end") from None
            subject.settle()
            background = time.perf_counter() - run.sent - run.seconds
            stored = subject.stored()
            record.cells.append(
                CellRecord(run.seconds, 0.0, background, stored - before, None, sorted(cell.tags)),
            )
            before = stored
            if index + 1 in kept:
                self._keep(index + 1)
        record.failed_at = None

    def _kept(self) -> set[int]:
        """The states, as numbers of cells that have run, that are brought back later."""
        if not self.restores:
            return set()
        kept = {len(self.workload.cells)}
        for index in self.workload.undos:
            kept |= {index, index + 1} if self.subject.in_place else {index}
        if self.workload.fork is not None:
            kept.add(self.workload.fork)
        return kept

    def _keep(self, count: int) -> None:
        state = self.states[count] = _State(self.subject.mark())
        if not self.compare:
            return
        state.description = self.subject.describe()
        if count == len(self.workload.cells):
            again = self.subject.describe()
            self.record.unstable = sorted(_names(state.description, again))

    def _probes(self) -> None:
        """What is asked for when the cells have run."""
        record, subject = self.record, self.subject
        spans = subject.cells()
        for cell, (began, ended) in zip(record.cells, spans, strict=record.failed_at is None):
            cell.in_cell = ended - began
        for cell, seconds in zip(record.cells, subject.tracking() or [], strict=False):
            cell.tracking = seconds
        counts = subject.covariables()
        if counts:
            record.variables, record.covariables = counts["variables"], counts["covariables"]
        record.memory = subject.memory()
        record.told = subject.told()

    # -- the way back ----------------------------------------------------------------------------

    def _undos(self) -> None:
        for index in self.workload.undos:
            if not {index, index + 1 if self.subject.in_place else index} <= self.states.keys():
                continue  # it did not come to it
            self._in_time(f"stopped before the undo of cell {index}")
            if self.subject.in_place:
                with suppress(BenchmarkError):  # then the undo begins elsewhere: it is told there
                    self.subject.restore(self.states[index + 1].mark)
            self._restore("undo", index, index)

    def _branches(self) -> None:
        fork, end = self.workload.fork, len(self.workload.cells)
        if fork is None:
            return
        self._in_time("stopped before the branch")
        if self.subject.in_place:
            with suppress(BenchmarkError):
                self.subject.restore(self.states[end].mark)
            if not self._restore("fork", fork, fork):
                return
            self.subject.run(OTHER_SEED)
            for index in range(fork, end):
                self._in_time(f"stopped at cell {index} of the other branch")
                self.subject.run(self.workload.cells[index])
                self.subject.settle()
        self._restore("branch", end - 1, end)

    def _restore(self, kind: Kind, cell: int, count: int) -> bool:
        state = self.states[count]
        restored = RestoreRecord(kind, cell, None)
        self.record.restores.append(restored)
        try:
            restored.seconds = self.subject.restore(state.mark)
        except BenchmarkError as error:
            restored.error = str(error)[:300]
            return False
        if state.description is not None:
            now = self.subject.describe()
            ignored = set(self.record.unstable)
            restored.wrong = sorted(_names(state.description, now) - ignored)
            restored.differences = _lines(state.description, now, ignored)
        return True

    def _in_time(self, told: str) -> None:
        if time.perf_counter() > self.until:
            raise _TimeUp(f"its time was up: {told}")


def run(system: System, workload: Workload, parameters: Mapping[str, Any], turn: int, limit: float) -> SessionRecord:
    """A session from its start to its end.

    Args:
        turn: 0 for the first round, in which states are described and compared.
        limit: seconds that it may take.
    """
    record = SessionRecord(workload.name, system.name, turn, dict(parameters))
    _drop_page_cache()
    began = time.perf_counter()
    try:
        with scratch() as place, system.start(place) as subject:
            until = time.perf_counter() + limit
            restores = subject.keeps and not system.tracks_only
            _Session(subject, workload, record, until, compare=turn == 0, restores=restores).run()
    except Exception as error:  # whatever it is: it is theirs, and the others' figures stand
        said = " ".join(str(error).split())[:300]
        record.error = said if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {said}"
    record.wall = time.perf_counter() - began
    gc.collect()
    return record


def _drop_page_cache() -> None:
    """As the paper does between runs; only root may."""
    with suppress(OSError):
        os.sync()
        DROP_CACHES.write_text("3", encoding="ascii")


def _names(was: Description, now: Description) -> set[str]:
    """Variables that are not told alike."""
    paths = {path for path in was.keys() | now.keys() if was.get(path) != now.get(path)}
    return {_root(path) for path in paths}


def _lines(was: Description, now: Description, ignored: set[str]) -> list[str]:
    different = [
        f"{path}: {was.get(path, 'nothing')[:120]} => {now.get(path, 'nothing')[:120]}"
        for path in sorted(was.keys() | now.keys())
        if was.get(path) != now.get(path) and _root(path) not in ignored
    ]
    return different[:SHOWN]


def _root(path: str) -> str:
    """The variable that a path of the description begins with."""
    end = next((index for index, letter in enumerate(path) if not (letter.isalnum() or letter == "_")), len(path))
    return path[:end] or path
