"""Launch to first reply, and the memory of a kernel that is ready, and of one that has run a cell."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.harness import (
    KISHU,
    PLAIN,
    Figure,
    Launch,
    Result,
    launched,
    ratio,
    scratch,
)

ROUNDS = 15
OF_MEMORY = 5
"""Rounds: it hardly varies."""
IDLE = 0.5
"""Seconds until an idle kernel's memory is looked at."""
MB = 1_000_000


class Start(NamedTuple):
    """Seconds to the kernel_info_reply, to the reply to a first cell, and the CPU time until then.

    `rss`: bytes resident after the first cell; `uss`: those that no other process shares.
    """

    info: float
    cell: float
    cpu: float
    rss: int
    uss: int


def measure() -> Result:
    """Starts in turns, one kernel alive at a time."""
    starts: dict[Launch, list[Start]] = {KISHU: [], PLAIN: []}
    with scratch() as place:
        for system in starts:  # makes the profile, compiles, fills the disk's cache
            _start(system, place)
        for turn in range(ROUNDS):
            for system in (KISHU, PLAIN) if turn % 2 else (PLAIN, KISHU):
                starts[system].append(_start(system, place))
        ready = {system: [_memory_when_ready(system, place) for _ in range(OF_MEMORY)] for system in starts}
    ours, plain = starts[KISHU], starts[PLAIN]
    times = {
        what: ratio([getattr(s, what) for s in ours], [getattr(s, what) for s in plain])
        for what in ("info", "cell", "cpu")
    }
    rss = statistics.median(s.rss for s in ours) - statistics.median(s.rss for s in plain)
    idle = statistics.median(ready[KISHU]) - statistics.median(ready[PLAIN])
    uss = statistics.median(s.uss for s in ours) - statistics.median(s.uss for s in plain)
    return Result(
        [
            Figure("kernel start to kernel_info_reply / ipykernel's", times["info"], "x", 1.10),
            Figure("kernel start to a first cell's reply / ipykernel's", times["cell"], "x", 1.15),
            Figure("memory (RSS) of a kernel that is ready, more than ipykernel's", idle / MB, "MB", 5),
            Figure("the same after a first cell", rss / MB, "MB", 20),
        ],
        {
            "CPU time / ipykernel's": times["cpu"],
            "memory of its own (USS) more, MB": uss / MB,
            "kishu": [start._asdict() for start in ours],
            "ipykernel": [start._asdict() for start in plain],
        },
    )


def _start(system: Launch, place: Path) -> Start:
    with launched(system, place) as kernel:
        info, cell = kernel.first_replies()
        process = psutil.Process(kernel.pid)
        cpu = process.cpu_times()
        time.sleep(IDLE)
        memory = process.memory_full_info()
        return Start(info, cell, cpu.user + cpu.system, memory.rss, memory.uss)


def _memory_when_ready(system: Launch, place: Path) -> int:
    """Bytes resident in a kernel that has run nothing."""
    with launched(system, place) as kernel:
        kernel.wait()
        time.sleep(IDLE)
        return int(psutil.Process(kernel.pid).memory_info().rss)


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["startup"]))
