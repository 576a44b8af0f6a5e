"""Cells run at full speed after checkpoints, too: loops over what was looked at, stored, and brought back.

A look must leave nothing behind that makes the objects slower: CPython 3.11 and 3.12 read attributes more slowly for
good from an instance whose dictionary somebody has asked for. Processor time of the cell alone, in several pairs of
fresh processes; of each process the best round counts.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import partial

from benchmarks.harness import KISHU, PLAIN, Figure, Kernel, Result, in_turns, ratio, running

PROCESSES = 2
ROUNDS = 5
CHECKPOINTS, CHANGES = 10, 2
SESSION = """
import time
import numpy as np
import pandas as pd

class Item:
    def __init__(self, number):
        self.number = number
        self.price = number % 97

items = [Item(number) for number in range(300_000)]
array, other = np.zeros(1_000), np.ones(1_000)
frame = pd.DataFrame({"a": np.arange(1_000.0), "b": np.arange(1_000) % 7})
"""
LOOK = "items[{0}].price, array[{0}], frame.iat[{0}, 0]"
CHANGE = "items[{0}].price = {0}; array[{0}] = frame.iat[{0}, 0] = {0}"
ATTRIBUTES = """
total = 0
for item in items:
    total += item.number + item.price
"""
WORK = {
    "attributes of 300,000 instances": (ATTRIBUTES, 1.03),
    "NumPy: 100,000 elements set": ("for i in range(100_000): array[i % 1_000] += 1.0", 1.05),
    "NumPy: 100,000 small sums": ("for i in range(100_000): np.add(array, other, out=array)", 1.05),
    "pandas: 2,000 cells set": ("for i in range(2_000): frame.iat[i % 1_000, 0] = i", 1.05),
    "pandas: 200 groups summed": ("for i in range(200): summed = frame.groupby('b')['a'].sum()", 1.05),
}
"""The cell, and its target."""
BROUGHT_BACK = "attributes of 300,000 instances that were brought back"


def measure() -> Result:
    """Loops after ten checkpoints; then over instances that an undo has made anew."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in (*WORK, BROUGHT_BACK)}
    for _ in range(PROCESSES):
        with running(KISHU, PLAIN) as kernels:
            for kernel in kernels:
                kernel.run(SESSION)
                for number in range(CHECKPOINTS):
                    kernel.run((CHANGE if number < CHANGES else LOOK).format(number))
                    _settle(kernel)
            for name, (code, _) in WORK.items():
                pairs[name].append(_best(kernels, code))
            kernels[0].run("del items")
            kernels[0].settle()
            kernels[0].kishu("undo")
            pairs[BROUGHT_BACK].append(_best(kernels, ATTRIBUTES))
    targets = {name: target for name, (_, target) in WORK.items()} | {BROUGHT_BACK: 1.03}
    return Result(
        [
            Figure(
                f"after {CHECKPOINTS} checkpoints: {name}, time in the cell / ipykernel's",
                _ratio(found),
                "x",
                targets[name],
            )
            for name, found in pairs.items()
        ],
        {"pairs": pairs},
    )


def _settle(kernel: Kernel) -> None:
    if kernel.system.is_ours:
        kernel.settle()


def _best(kernels: Sequence[Kernel], code: str) -> tuple[float, float]:
    [ours], [plain] = in_turns(kernels, 1, partial(_seconds, code))
    return ours, plain


def _seconds(code: str, kernel: Kernel) -> float:
    """Of the main thread: what other threads do at the same time is not the loop's."""
    loop = textwrap.indent(code.strip(), "    ")
    timed = f"times = [time.thread_time()]\nfor _ in range({ROUNDS}):\n{loop}\n    times.append(time.thread_time())\n"
    timed += "print(min(after - before for before, after in zip(times, times[1:])))"
    seconds = float(kernel.run(timed).stdout)
    _settle(kernel)
    return seconds


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    ours, plain = zip(*pairs, strict=True)
    return ratio(ours, plain)


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["loops"]))
