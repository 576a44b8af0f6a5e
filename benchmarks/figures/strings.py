"""A list of a million strings: no buffer to hash in one go, a million objects to walk."""

from __future__ import annotations

import statistics

from benchmarks.harness import KISHU, PLAIN, Figure, Kernel, Result, added, in_turns, running

STRINGS = 1_000_000
ROUNDS = 9

SESSION = f"strings = [f'string {{i}}' for i in range({STRINGS})]"
READ = "strings[500_000]"
APPEND = "strings.append('x')"


def measure() -> Result:
    """Read and append, in turns under both kernels; then undo."""
    with running(KISHU, PLAIN) as kernels:
        for kernel in kernels:
            kernel.run(SESSION)
        kernels[0].settle()
        in_turns(kernels, 1, _read)  # warms up
        reads = in_turns(kernels, ROUNDS, _read)
        appends = in_turns(kernels, 3, _append)
        undos = [kernels[0].kishu("undo")[1] for _ in range(3)]
    name = "list of 1M strings"
    return Result(
        [
            Figure(f"{name}: a cell that reads one element adds", added(*reads), "s", 0.3),
            Figure(f"{name}: a cell that appends one adds", added(*appends), "s"),
            Figure(f"{name}: undo of the append", statistics.median(undos), "s"),
        ],
        {
            "read": dict(zip(("kishu", "ipykernel"), reads, strict=True)),
            "append": dict(zip(("kishu", "ipykernel"), appends, strict=True)),
            "undo": undos,
        },
    )


def _read(kernel: Kernel) -> float:
    return kernel.run(READ).idle


def _append(kernel: Kernel) -> float:
    seconds = kernel.run(APPEND).idle
    if kernel.system == KISHU:
        kernel.settle()
    return seconds


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["strings"]))
