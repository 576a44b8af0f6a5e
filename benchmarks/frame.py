"""A large DataFrame: a cell that looks at it, and undo of a dropped column."""

from __future__ import annotations

import statistics

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
UNDOS = 4

SESSION = f"""
import numpy as np
import pandas as pd
df = pd.DataFrame(np.random.default_rng(0).random(({ROWS}, {COLUMNS})), columns=list("abcdefghij"))
"""
DROP = "df.drop(columns=['d'], inplace=True); print(list(df))"
CONTENT = """
print([(name, int(np.ascontiguousarray(df[name]).view("u8").sum())) for name in df])
"""


def measure() -> Result:
    """Look, in turns under both kernels; then drop and undo."""
    with running(KISHU, PLAIN) as kernels:
        first = [kernel.run(SESSION).seconds for kernel in kernels]
        kernels[0].settle()
        in_turns(kernels, 1, _look)  # warms up
        ours, plain = in_turns(kernels, LOOKS, _look)
    with running(KISHU) as [kernel]:
        kernel.run(SESSION)
        kernel.settle()
        drops, undos, replies = zip(*(_drop_and_undo(kernel) for _ in range(UNDOS)), strict=True)
    frame = f"DataFrame {ROWS // 10**6}M x {COLUMNS} floats"
    return Result(
        [
            Figure(f"{frame}: df.head() adds", added(ours, plain), "s", 0.15),
            Figure(
                f"{frame}: undo of drop(columns=..., inplace=True)",
                statistics.median(undos),
                "s",
                0.5,
            ),
            Figure(
                f"{frame}: drop(columns=..., inplace=True), to the reply",
                statistics.median(drops),
                "s",
            ),
            Figure(f"{frame}: its first checkpoint adds", first[0] - first[1], "s"),
        ],
        {
            "head": {"kishu": ours, "ipykernel": plain},
            "undo": undos,
            "undo, as the kernel tells": replies,
            "drop": drops,
            "making it": dict(zip(("kishu", "ipykernel"), first, strict=True)),
        },
    )


def _look(kernel: Kernel) -> float:
    return kernel.run("df.head()").seconds


def _drop_and_undo(kernel: Kernel) -> tuple[float, float, float]:
    before = kernel.run(CONTENT).stdout
    dropped = kernel.run(DROP)
    kernel.settle()
    reply, seconds = kernel.kishu("undo")
    if "'d'" in dropped.stdout or kernel.run(CONTENT).stdout != before:
        raise BenchmarkError("undo did not bring the frame back")
    return dropped.seconds, seconds, float(reply["seconds"])
