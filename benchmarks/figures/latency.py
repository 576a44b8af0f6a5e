"""What a checkpoint adds to a cell that does next to nothing, among 500 variables: to its reply, and until idle."""

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
    replies: list[float] = []
    costs: list[float] = []
    details = {}
    with running(KISHU, PLAIN) as kernels:
        for kernel in kernels:
            kernel.run(SESSION)
        for kind, cell in CELLS.items():
            in_turns(kernels, 3, partial(_times, cell))  # warms up
            pairs = in_turns(kernels, ROUNDS, partial(_times, cell))
            replies.append(added(*([reply for reply, _ in each] for each in pairs)))
            ours, plain = ([idle for _, idle in each] for each in pairs)
            costs.append(added(ours, plain))
            details[kind] = {
                "added": costs[-1],
                "added to the reply": replies[-1],
                "kishu": statistics.median(ours),
                "ipykernel": statistics.median(plain),
                "kishu, 95th percentile": statistics.quantiles(ours, n=20)[-1],
                "ipykernel, 95th percentile": statistics.quantiles(plain, n=20)[-1],
            }
    name, kinds = f"trivial cell, {VARIABLES} variables", f"(costliest of {len(CELLS)} kinds)"
    return Result(
        [
            Figure(f"{name}: adds until idle {kinds}", max(costs), "s", 0.005),
            Figure(f"{name}: adds to the reply {kinds}", max(replies), "s"),
        ],
        details,
    )


def _times(cell: str, kernel: Kernel) -> tuple[float, float]:
    run = kernel.run(cell)
    return run.seconds, run.idle


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["latency"]))
