"""A large DataFrame: a cell that looks at it, and undo of a dropped column.

An undo needs new memory for the whole frame. Where the machine is a virtual one, memory that was not
in use before can come slowly (400 MB in 0.8 s instead of 0.03 s), mostly in the first undo of a kernel:
so the slowest is told too, next to what NumPy under plain ipykernel needs to fill as much.
"""

from __future__ import annotations

import statistics
from itertools import chain

from benchmarks.harness import (
    KISHU,
    PLAIN,
    BenchmarkError,
    Figure,
    Kernel,
    Result,
    added,
    in_turns,
    running,
)

ROWS, COLUMNS = 5_000_000, 10
LOOKS = 9
KERNELS = 4
UNDOS = 3
"""In each kernel."""

SESSION = f"""
import numpy as np
import pandas as pd
df = pd.DataFrame(np.random.default_rng(0).random(({ROWS}, {COLUMNS})), columns=list("abcdefghij"))
"""
DROP = "df.drop(columns=['d'], inplace=True); print(list(df))"
FILL = f"""
import time
import numpy as np
held, times = [], []
for _ in range(3):  # the first ones may get what has just become free
    started = time.perf_counter()
    held.append(np.empty({ROWS * COLUMNS}))
    held[-1].fill(1)
    times.append(time.perf_counter() - started)
print(max(times))
"""
CONTENT = """
print([(name, int(np.ascontiguousarray(df[name]).view("u8").sum())) for name in df])
"""


def measure() -> Result:
    """Look, in turns under both kernels; then drop and undo, in several fresh ones."""
    with running(KISHU, PLAIN) as kernels:
        making = [kernel.run(SESSION).idle for kernel in kernels]
        kernels[0].settle()
        in_turns(kernels, 1, _look)  # warms up
        ours, plain = in_turns(kernels, LOOKS, _look)
    drops, undos, fills = zip(*(_fresh_kernel() for _ in range(KERNELS)), strict=True)
    all_undos = list(chain(*undos))
    frame = f"DataFrame {ROWS // 10**6}M x {COLUMNS} floats"
    drop = "drop(columns=..., inplace=True)"
    return Result(
        [
            Figure(f"{frame}: df.head() adds", added(ours, plain), "s", 0.15),
            Figure(f"{frame}: undo of {drop}", statistics.median(all_undos), "s", 0.5),
            Figure(f"{frame}: slowest of {len(all_undos)} such undos", max(all_undos), "s"),
            Figure("for comparison: NumPy fills as much new memory, at worst", max(fills), "s"),
            Figure(f"{frame}: {drop}, until idle", statistics.median(chain(*drops)), "s"),
            Figure(f"{frame}: its first checkpoint adds", making[0] - making[1], "s"),
        ],
        {
            "head": {"kishu": ours, "ipykernel": plain},
            "undo, by kernel": undos,
            "for comparison: NumPy fills as much new memory": fills,
            "drop, by kernel": drops,
            "making it": dict(zip(("kishu", "ipykernel"), making, strict=True)),
        },
    )


def _look(kernel: Kernel) -> float:
    return kernel.run("df.head()").idle


def _fresh_kernel() -> tuple[list[float], list[float], float]:
    """Drops and undos; and how fast the machine, at this moment, hands out memory."""
    with running(KISHU, PLAIN) as [kernel, plain]:
        kernel.run(SESSION)
        kernel.settle()
        fill = float(plain.run(FILL).stdout)
        drops, undos = zip(*(_drop_and_undo(kernel) for _ in range(UNDOS)), strict=True)
        return list(drops), list(undos), fill


def _drop_and_undo(kernel: Kernel) -> tuple[float, float]:
    before = kernel.run(CONTENT).stdout
    dropped = kernel.run(DROP)
    kernel.settle()
    _, seconds = kernel.kishu("undo")
    if "'d'" in dropped.stdout or kernel.run(CONTENT).stdout != before:
        raise BenchmarkError("undo did not bring the frame back")
    return dropped.idle, seconds


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["frame"]))
