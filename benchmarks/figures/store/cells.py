"""200 small cells: what each adds to its reply, and the size of the store after them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks import workloads
from benchmarks.figures.store.systems import Dill, Old, Ours, Plain, beside, column, ours_and_plain
from benchmarks.harness import Figure, Result

CELLS = 200
KB = 1_000

IMPORTS = "import math, random\nimport numpy as np\nimport pandas as pd\nrows = []\ncounts = {}"
KINDS = workloads.KINDS[:10]


def _cells() -> list[str]:
    return [KINDS[i % len(KINDS)].format(i=i) for i in range(CELLS)]


def measure() -> Result:
    """Each cell in turns with plain ipykernel; then all of them in the other systems."""
    with ours_and_plain() as (ours, plain):
        ours.run(IMPORTS)
        plain.run(IMPORTS)
        pairs = [_pair(ours, plain, turn, code) for turn, code in enumerate(_cells())]
        used = ours.used()
    delays = [ours_seconds - plain_seconds for ours_seconds, plain_seconds in pairs]
    plain_seconds = [seconds for _, seconds in pairs]
    others = beside(lambda subject: _all(subject, plain_seconds))
    name = f"{CELLS} small cells"
    return Result(
        [
            Figure(f"{name}: add until idle, 95th percentile", _p95(delays), "s", 0.005, column(others, "p95")),
            Figure(f"{name}: add until idle, median", statistics.median(delays), "s", None, column(others, "median")),
            Figure(f"{name}: add until idle, the last ten", _last(delays), "s", None, column(others, "last")),
            Figure(f"{name}: the store after them", used / KB, "KB", 400, column(others, "store")),
        ],
        {"added": delays, "others": others},
    )


def _pair(ours: Ours, plain: Plain, turn: int, code: str) -> tuple[float, float]:
    if turn % 2:
        first = ours.run(code).idle
        return first, plain.run(code).idle
    other = plain.run(code).idle
    return ours.run(code).idle, other


def _all(subject: Dill | Old, plain: Sequence[float]) -> dict[str, float]:
    subject.run(IMPORTS)
    store = subject.written()
    delays = []
    for code, usual in zip(_cells(), plain, strict=True):
        delays.append(subject.run(code).idle - usual)
        store += subject.written()
    return {
        "p95": _p95(delays),
        "median": statistics.median(delays),
        "last": _last(delays),
        "store": store / KB,
    }


def _p95(delays: Sequence[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]


def _last(delays: Sequence[float]) -> float:
    return statistics.median(delays[-10:])
