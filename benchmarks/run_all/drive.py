"""One Run All of one system: a fresh kernel, all cells queued, and what it used until nothing went on any more."""

from __future__ import annotations

import shutil
import time
from collections import deque
from dataclasses import dataclass

from benchmarks.harness import Kernel, Launch, launched, scratch
from benchmarks.run_all.cases import Case
from benchmarks.run_all.usage import Meter, Usage

STEP = 0.05
QUIET = 1.0
"""Seconds in which next to nothing is used, after which a kernel is taken to be idle: its pauses are shorter."""
NOTHING = 0.015
"""Share of a processor that is next to nothing."""
IDLE_LIMIT = 60.0
LIMIT = 180.0
"""Seconds that the cells may take."""


@dataclass
class Spent:
    """What one Run All took: seconds and bytes.

    Attributes:
        cells: how many were queued.
        failed: the numbers of those that raised; a notebook may mean to.
        wall: from the first request to the last reply.
        process, main, helpers, waited: processor time until the last reply, as in `Usage`.
        later_process, later_main, later_helpers, later_waited: the same, from the last reply until nothing went on.
        later_wall: how long that was.
        memory, helpers_memory: the peaks.
    """

    cells: int
    failed: list[int]
    wall: float
    process: float
    main: float
    helpers: float
    waited: float
    later_process: float
    later_main: float
    later_helpers: float
    later_waited: float
    later_wall: float
    memory: int
    helpers_memory: int


def run_all(system: Launch, case: Case, *, quiet: float = QUIET, limit: float = LIMIT) -> Spent:
    """Run a case once, in a fresh kernel.

    Raises:
        BenchmarkError: the kernel did not start, or not all cells had a reply in time.
    """
    with scratch() as place:
        if case.files:
            shutil.copytree(case.files, place / "home", symlinks=True)
        with launched(system, place, case.beside) as kernel:
            kernel.wait()
            for code in ("pass", *case.before):
                kernel.run(code)
            meter = Meter(kernel.pid, place / "stores")
            _until_idle(meter, quiet)
            return _measured(kernel, meter, case, quiet, limit)


def _measured(kernel: Kernel, meter: Meter, case: Case, quiet: float, limit: float) -> Spent:
    began = meter.read()
    queued = kernel.queue(case.cells, limit)
    replied = meter.read()
    later, idle = _until_idle(meter, quiet)
    first, second = replied - began, idle - replied
    memory, helpers_memory = meter.peak()
    return Spent(
        *(len(case.cells), queued.failed, queued.seconds),
        *(first.process, first.main, first.helpers, first.waited),
        *(second.process, second.main, second.helpers, second.waited),
        *(later, memory, helpers_memory),
    )


def _until_idle(meter: Meter, quiet: float) -> tuple[float, Usage]:
    """Wait for it. How long something went on, and what was used by then."""
    began = time.perf_counter()
    seen: deque[tuple[float, Usage]] = deque([(began, meter.read())])
    while True:
        time.sleep(STEP)
        now, usage = time.perf_counter(), meter.read()
        seen.append((now, usage))
        while now - seen[0][0] > quiet:
            since, then = seen.popleft()
            used = usage - then
            if used.process + used.helpers < NOTHING * quiet:
                return since - began, usage
        if now - began > IDLE_LIMIT:
            return now - began, usage
