"""What a checkpoint adds to the reply of a cell that does next to nothing, among 500 variables."""

from __future__ import annotations

import statistics
from functools import partial

from benchmarks.harness import KISHU, PLAIN, Figure, Kernel, Result, added, in_turns, running

VARIABLES = 500
ROUNDS = 60

SESSION = f"""
for i in range({VARIABLES}):
    globals()[f"v{{i}}"] = (i, str(i), [i, i + 1], {{"key": i}}, float(i))[i % 5]
del i
"""
CELLS = {
    "an empty one": "pass",
    "assigns a number": "v0 = 1",
    "displays a value": "v1",
    "appends to a list": "v2.append(1)",
    "prints": "print(v3)",
}


def measure() -> Result:
    """Each kind of cell in turns under both kernels; the costliest kind counts."""
    costs: list[float] = []
    details = {}
    with running(KISHU, PLAIN) as kernels:
        for kernel in kernels:
            kernel.run(SESSION)
        for kind, cell in CELLS.items():
            in_turns(kernels, 3, partial(_seconds, cell))  # warms up
            ours, plain = in_turns(kernels, ROUNDS, partial(_seconds, cell))
            costs.append(added(ours, plain))
            details[kind] = {
                "added": costs[-1],
                "kishu": statistics.median(ours),
                "ipykernel": statistics.median(plain),
                "kishu, 95th percentile": statistics.quantiles(ours, n=20)[-1],
                "ipykernel, 95th percentile": statistics.quantiles(plain, n=20)[-1],
            }
    name = f"trivial cell, {VARIABLES} variables: adds to the reply (costliest of {len(CELLS)} kinds)"
    return Result([Figure(name, max(costs), "s", 0.005)], details)


def _seconds(cell: str, kernel: Kernel) -> float:
    return kernel.run(cell).seconds


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["latency"]))
