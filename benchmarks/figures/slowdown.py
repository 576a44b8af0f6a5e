"""Cells run at full speed: hot loops under the kernel and under plain ipykernel.

Several pairs of fresh processes: one and the same loop runs some percent faster or slower from
process to process, depending on where things lie in memory. Of each process its best round counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.harness import (
    KISHU,
    PATCHED,
    PLAIN,
    BenchmarkError,
    Figure,
    Kernel,
    Launch,
    Result,
    in_turns,
    ratio,
    running,
)

PROCESSES = 10
ROUNDS = 4
PATCHED_SHARE = 8
"""The paper's tracker is so slow that it runs this part of the steps only."""

LOOPS = {
    "module-level loop": """
import time
started = time.perf_counter()
total = 0
for step in range(8_000_000 // share):
    total += step
print(time.perf_counter() - started)
""",
    "function-global loop": """
import time
scale, offset = 3, 4
def work(steps):
    for step in range(steps):
        scale + offset
started = time.perf_counter()
work(20_000_000 // share)
print(time.perf_counter() - started)
""",
}


class Timing(NamedTuple):
    """A loop in one process, the best of its rounds: until the reply, and in the cell alone."""

    reply: float
    cell: float


Pairs = dict[str, list[tuple[Timing, Timing]]]
"""For each loop the timings of a system and of ipykernel, in processes side by side."""


def measure() -> Result:
    """Compare the default tracker, and the paper's, with plain ipykernel."""
    ours = _compare(KISHU, 1, PROCESSES)
    try:
        patched = _compare(PATCHED, PATCHED_SHARE, 1)
    except BenchmarkError as error:  # no reason to lose the figures that have a target
        print(f"without the comparison: {error} ... ", end="", flush=True)
        patched = {}
    figures = []
    for loop in LOOPS:
        name = f"{loop}: time to the reply / ipykernel's"
        figures.append(Figure(name, _ratio(ours[loop], "reply"), "x", 1.03))
        if loop in patched:
            theirs = _ratio(patched[loop], "reply")
            figures.append(Figure(f"{name}, with the paper's patched namespace", theirs, "x"))
    return Result(
        figures,
        {
            "ratio in the cell alone": {loop: _ratio(ours[loop], "cell") for loop in LOOPS},
            "pairs": ours,
            "pairs with the patched namespace": patched,
        },
    )


def _compare(system: Launch, share: int, processes: int) -> Pairs:
    found: Pairs = {loop: [] for loop in LOOPS}
    for _ in range(processes):
        with running(system, PLAIN) as kernels:
            for kernel in kernels:
                kernel.run(f"share = {share}")
            for loop, code in LOOPS.items():
                ours, plain = in_turns(kernels, ROUNDS, partial(_timing, code))
                found[loop].append((_best(ours), _best(plain)))
    return found


def _timing(code: str, kernel: Kernel) -> Timing:
    run = kernel.run(code)
    return Timing(run.seconds, float(run.stdout))


def _best(timings: Sequence[Timing]) -> Timing:
    """The least of each: whatever else the machine does only adds."""
    return Timing(min(t.reply for t in timings), min(t.cell for t in timings))


def _ratio(pairs: Sequence[tuple[Timing, Timing]], which: str) -> float:
    return ratio([getattr(ours, which) for ours, _ in pairs], [getattr(plain, which) for _, plain in pairs])


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["slowdown"]))
