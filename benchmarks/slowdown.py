"""Cells run at full speed: hot loops under the kernel and under plain ipykernel.

Several pairs of fresh processes: one and the same loop runs some percent faster or slower from
process to process, depending on where things lie in memory.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import NamedTuple

from benchmarks.harness import (
    KISHU,
    PATCHED,
    PLAIN,
    Figure,
    Kernel,
    Result,
    System,
    in_turns,
    ratio,
    running,
)

PROCESSES = 6
ROUNDS = 5
PATCHED_ROUNDS = 3

LOOPS = {
    "module-level loop": """
import time
started = time.perf_counter()
total = 0
for step in range(5_000_000):
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
work(10_000_000)
print(time.perf_counter() - started)
""",
}


class Timing(NamedTuple):
    """One run of a loop: until the reply, checkpoint included, and in the cell alone."""

    reply: float
    cell: float


def measure() -> Result:
    """Compare the default tracker, and the paper's, with plain ipykernel."""
    figures, details = [], {}
    for loop, code in LOOPS.items():
        pairs = [pair for _ in range(PROCESSES) for pair in _compare(KISHU, code, ROUNDS)]
        patched = _compare(PATCHED, code, PATCHED_ROUNDS)
        figures += [
            Figure(f"{loop}, time to the reply / ipykernel's", _ratio(pairs, "reply"), "x", 1.03),
            Figure(f"{loop}, with the paper's patched namespace", _ratio(patched, "reply"), "x"),
        ]
        details[loop] = {
            "ipykernel's": statistics.median(plain.reply for _, plain in pairs),
            "ratio in the cell alone": _ratio(pairs, "cell"),
            "pairs": pairs,
            "pairs with the patched namespace": patched,
        }
    return Result(figures, details)


def _compare(system: System, code: str, rounds: int) -> list[tuple[Timing, Timing]]:
    with running(system, PLAIN) as kernels:
        ours, plain = in_turns(kernels, rounds, partial(_timing, code))
        return list(zip(ours, plain, strict=True))


def _timing(code: str, kernel: Kernel) -> Timing:
    run = kernel.run(code)
    return Timing(run.seconds, float(run.stdout))


def _ratio(pairs: list[tuple[Timing, Timing]], which: str) -> float:
    return ratio(
        [getattr(ours, which) for ours, _ in pairs], [getattr(plain, which) for _, plain in pairs]
    )
