"""A whole run: the tasks of the schedule, one after the other; what is done already is not done again."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import environments, workloads
from benchmarks.comparison import records, runner
from benchmarks.comparison.schedule import Task
from benchmarks.harness import RESULTS, BenchmarkError, environment

RUNS = RESULTS.parent / ".runs"
"""Where records are kept until the report is made of them: not committed."""
MEDIANS = ("plain", "kishu")
"""What is always run as often as was asked for: the baseline, and what it is all about."""
SLOW = 15.0
"""Seconds of a session that is not repeated, as is one that failed: a whole run is to end within an hour.

What is that slow differs from ours by far more than one run from another; the report says how often each was run.
"""


def go_on(place: Path, tasks: Sequence[Task], *, fresh: bool) -> None:
    """Run what is not recorded yet.

    Args:
        fresh: forget what was recorded.
    """
    if fresh:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    (place / "environment.txt").write_text(json.dumps(environment()), encoding="utf-8")
    _make_environments(tasks)
    progress = _Progress(len(tasks))
    given_up: set[tuple[str, str, str]] = set()
    for task in tasks:
        record = records.SessionRecord(task.workload, task.system.name, task.round, task.parameters)
        path = records.file_of(place, record)
        key = (task.system.name, task.workload, str(task.parameters))
        if path.exists():
            record = next(each for each in records.read_all(place, path.name))
            progress.passed()
        elif key in given_up:
            progress.passed()
            continue
        else:
            progress.begins(task)
            workload = workloads.load(task.workload, task.parameters)
            record = runner.run(task.system, workload, task.parameters, task.round, task.limit)
            records.write(place, record)
            progress.ended(record.error)
        if record.error or (record.wall > SLOW and task.system.name not in MEDIANS):
            given_up.add(key)


def _make_environments(tasks: Sequence[Task]) -> None:
    """Before the clock runs. What cannot be made is told in the rows of its system."""
    for name in environments.NAMES:
        if any(name in (task.system.environment, environments.OURS) for task in tasks):
            try:
                environments.python(name)
            except BenchmarkError as error:
                print(error, file=sys.stderr)


class _Progress:
    """A line for each session, and how long the rest will take."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._done = 0
        self._ran = 0
        self._began = self._task_began = time.monotonic()

    def passed(self) -> None:
        """One that was done before, or that is given up."""
        self._done += 1

    def begins(self, task: Task) -> None:
        """Says what runs now."""
        self._task_began = time.monotonic()
        left = ""
        if self._ran:
            seconds = (self._task_began - self._began) / self._ran * (self._count - self._done)
            left = f" (about {seconds / 60:.0f} min left)"
        about = _about(task.parameters)
        bar = "#" * round(20 * self._done / self._count)
        head = f"[{bar:<20}] {self._done + 1}/{self._count}{left}"
        print(f"{head} {task.workload}{about}, {task.system.title}, round {task.round + 1} ... ", end="", flush=True)

    def ended(self, error: str | None) -> None:
        """Says how it went."""
        self._done += 1
        self._ran += 1
        print(f"{time.monotonic() - self._task_began:.0f} s{f': {error[:150]}' if error else ''}", flush=True)


def _about(parameters: dict[str, Any]) -> str:
    sweep = {name: value for name, value in parameters.items() if name != "SCALE"}
    return "".join(f" {name}={value}" for name, value in sweep.items())
