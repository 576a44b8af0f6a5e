"""The turns of a run: who, how many, of which size, how often. Each is kept when it is done, and not done again."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks.comparison.run import RUNS
from benchmarks.environments import python
from benchmarks.figures.forks import os_fork
from benchmarks.figures.forks.state import MB, cells
from benchmarks.figures.forks.ways import (
    ENVIRONMENT,
    UNITS,
    Way,
    again,
    bare,
    dill,
    elastic,
    ours,
    plain,
    processor_time,
)
from benchmarks.harness import BenchmarkError, environment, scratch
from kishu_kernel.errors import ForkLimitError
from kishu_kernel.process.free_memory import available

SPARE, COLD, AGAIN, DILL, OS_FORK, ELASTIC = WAYS = (
    "with a spare process",
    "without one",
    "new kernels re-run the cells",
    "new kernels load dill's session",
    "os.fork in a plain kernel",
    "elastic-kernel 0.2.3",
)
ROUNDS: Mapping[int, Mapping[int, int]] = {
    10: {1: 5, 4: 3, 8: 1, 16: 1},
    200: {1: 5, 4: 3, 8: 3, 16: 1},
    2000: {1: 2, 4: 1, 8: 1, 16: 1},
}
"""Megabytes of the state -> number of kernels -> rounds: a whole run takes twenty minutes."""
KERNEL = 300 * MB
"""Bytes that a kernel needs beside the state."""
SHARE = 0.9
"""The share of the free memory that they may take."""

Record = dict[str, Any]


class Turns:
    """A run, or the rest of one.

    Args:
        place: where its records are.
        rounds: as `ROUNDS`.
        ways: which of `WAYS`.
    """

    def __init__(self, place: Path, rounds: Mapping[int, Mapping[int, int]], ways: Sequence[str]) -> None:
        self._place = place
        self._rounds = rounds
        self._ways = tuple(ways)
        self._began = time.monotonic()
        about = {
            "versions": environment()["versions"],
            "rounds": {str(size): str(each) for size, each in rounds.items()},
        }
        told = json.dumps(about, indent=1)
        if not (place / "environment.txt").exists() or (place / "environment.txt").read_text("utf-8") != told:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            (place / "environment.txt").write_text(told, "utf-8")

    def records(self) -> list[Record]:
        """What was found, after all turns are done."""
        for size, numbers in self._rounds.items():
            todo = [turn for turn in _order(numbers) if not self._file(size, *turn).exists()]
            if todo:
                with scratch() as place, ExitStack() as stack:
                    prepared = _Prepared(size, place, stack)
                    for number, turn in todo:
                        self._turn(size, number, turn, prepared)
        if not (self._place / "losses.txt").exists():
            self._keep(self._place / "losses.txt", losses())
        return [json.loads(file.read_text("utf-8")) for file in sorted(self._place.glob("*.json"))]

    def losses(self) -> Record:
        """What `os.fork` loses."""
        return dict(json.loads((self._place / "losses.txt").read_text("utf-8")))

    def forget(self) -> None:
        """Removes the records."""
        shutil.rmtree(self._place)

    def _turn(self, size: int, number: int, turn: int, prepared: _Prepared) -> None:
        units = {name: bare(prepared.place, launch) for name, launch in UNITS.items()}
        found = {}
        first = turn % len(self._ways)
        for name in self._ways[first:] + self._ways[:first]:
            self._say(f"{number} of {size} MB, round {turn + 1}: {name}")
            found[name] = _measured(prepared, name, number, size)
        record = {"size": size, "number": number, "round": turn, "units": units, "ways": found}
        self._keep(self._file(size, number, turn), record)

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:4.0f} s] {text}", file=sys.stderr, flush=True)

    def _file(self, size: int, number: int, turn: int) -> Path:
        return self._place / f"{size}-{number}-{turn}.json"

    def _keep(self, file: Path, record: Record) -> None:
        half = file.with_suffix(".half")
        half.write_text(json.dumps(record, indent=1), "utf-8")
        half.replace(file)


class _Prepared:
    """The ways for one size, each prepared when it is first asked for. What cannot be prepared is tried once."""

    def __init__(self, size: int, place: Path, stack: ExitStack) -> None:
        self.place = place
        self._cells = cells(size)
        self._stack = stack
        self._ways: dict[str, Way | BenchmarkError] = {}

    def way(self, name: str) -> Way:
        if name not in self._ways:
            try:
                self._ways.update(self._prepare(name))
            except BenchmarkError as error:
                self._ways[name] = error
        if isinstance(found := self._ways[name], BenchmarkError):
            raise found
        return found

    def _prepare(self, name: str) -> dict[str, Way]:
        enter = self._stack.enter_context
        if name in (SPARE, COLD):
            return dict(zip((SPARE, COLD), enter(ours(self._cells, self.place)), strict=True))
        if name in (OS_FORK, AGAIN):
            forked, expected = enter(plain(self._cells, self.place))
            return {OS_FORK: forked, AGAIN: again(self._cells, expected, self.place)}
        return {name: enter((dill if name == DILL else elastic)(self._cells, self.place))}


def _order(numbers: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Number and round: a round of all, then the next one."""
    for turn in range(max(numbers.values())):
        yield from ((number, turn) for number, rounds in numbers.items() if turn < rounds)


def _measured(prepared: _Prepared, name: str, number: int, size: int) -> Record:
    """What one turn of one way has found, or `error`, why there is nothing."""
    try:
        way = prepared.way(name)
        needed, free = number * (KERNEL + size * MB), int(available() * SHARE)
        if needed > free and name != OS_FORK:  # that copies what is written to, and nothing else
            return {"error": f"needs {needed / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free"}
        with way.begun(number) as begun:
            memory = [psutil.Process(pid).memory_full_info() for pid in begun.pids]
            spent = processor_time(begun.pids) + begun.helped
            there = begun.probed()
            return {
                "seconds": begun.seconds,
                "processor": spent,
                "pss": sum(each.pss for each in memory),
                "uss": sum(each.uss for each in memory),
                "there": {thing: all(each[thing] for each in there) for thing in there[0]},
                "told": list(begun.told),
            }
    except (BenchmarkError, ForkLimitError) as error:
        return {"error": " ".join(str(error).split())[:200].replace("|", "/")}


def losses() -> Record:
    """What a child of `os.fork` has lost, found out in a plain kernel."""
    with scratch() as place, plain(cells(1), place) as (forked, _):
        return dict(json.loads(forked.kernel.run(os_fork.LOSSES).stdout.splitlines()[-1]))


def run(rounds: Mapping[int, Mapping[int, int]], ways: Sequence[str]) -> Turns:
    """A run, whose records are kept beside those of other benchmarks."""
    if ELASTIC in ways:
        python(ENVIRONMENT)  # made before the clock runs
    return Turns(RUNS / "forks", rounds, ways)
