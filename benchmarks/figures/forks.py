"""Forks of a state with numpy, pandas and scikit-learn: from the call until each stands in it; and what they hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from benchmarks.harness import KISHU, Figure, Kernel, Launch, Result, launched, ratio, scratch
from kishu_kernel.client import Client, connect
from kishu_kernel.client.fork_limit import running_forks
from kishu_kernel.errors import ForkLimitError
from kishu_kernel.process.free_memory import used_by

ROUNDS = 5
NUMBERS = (1, 4, 8, 16)
SIZES = (10, 200, 2000)
"""Megabytes of the state."""
MB = 1_000_000
WAITING = 120.0
"""Seconds that the spare process has to be ready."""

SPARE = Launch("kishu", ("kishu_kernel", "--KishuForks.spare=True"))
IMPORTS = "import numpy as np, pandas as pd\nfrom sklearn.linear_model import LinearRegression"
DATA = "df = pd.DataFrame(np.random.rand({}, 10)); model = LinearRegression()"
PRINTS = "print(df.shape, model)"


def measure() -> Result:
    """Forks in turns with starts of a bare kernel; nothing is left of one turn when the next begins."""
    measured: dict[str, Any] = {}
    figures: list[Figure] = []
    for size in SIZES:
        with scratch() as place, launched(SPARE, place) as kernel:
            cells = [IMPORTS, DATA.format(size * MB // 80)]
            _run(kernel, cells)
            with closing(connect(kernel.connection_file)) as client:
                _wait_for_spare(client)
                starts, forks = _in_turns(client, place)
            again = [_rerun(place, cells) for _ in range(2)]
        for number, taken in forks.items():
            seconds = [each["seconds"] for each in taken]
            measured[f"{number} of {size} MB"] = {"forks": taken, "kernel start": starts, "kernel that re-runs": again}
            if taken and size == 200:
                target = {1: 1.5, 8: 3.0}.get(number)
                called = "a fork" if number == 1 else f"{number} forks at once"
                name = f"{called}, pandas, scikit-learn and 200 MB / a bare kernel's start"
                figures.append(Figure(name, ratio(seconds, starts), "x", target))
        if forks[1] and size == 200:
            held = statistics.median(each["bytes"] for each in forks[1])
            figures.append(Figure("memory of that fork", held / MB, "MB"))
            figures.append(Figure("a new kernel that re-runs that notebook", statistics.median(again), "s"))
    return Result(figures, measured)


def _run(kernel: Kernel, cells: Sequence[str]) -> None:
    kernel.wait()
    for cell in cells:
        kernel.run(cell)


def _wait_for_spare(client: Client) -> None:
    client.hibernate(WAITING)
    deadline = time.monotonic() + WAITING
    while client.status()["kernel"]["forks"]["spare"] is None and time.monotonic() < deadline:
        time.sleep(0.1)


def _in_turns(client: Client, place: Path) -> tuple[list[float], dict[int, list[dict[str, float]]]]:
    starts: list[float] = []
    forks: dict[int, list[dict[str, float]]] = {number: [] for number in NUMBERS}
    for _ in range(ROUNDS):
        with launched(KISHU, place) as bare:
            starts.append(bare.first_replies()[0])
        for number in NUMBERS:
            with suppress(ForkLimitError):
                forks[number].append(_fork(client, number))
    return starts, forks


def _fork(client: Client, number: int) -> dict[str, float]:
    began = time.perf_counter()
    made = client.fork(number)
    seconds = time.perf_counter() - began
    shown = {each.run(PRINTS)["outputs"][0]["text"] for each in made}
    held = used_by(each.pid for each in running_forks())
    for each in made:
        each.end()
    assert len(shown) == 1, shown
    return {"seconds": seconds, "bytes": held}


def _rerun(place: Path, cells: Sequence[str]) -> float:
    began = time.perf_counter()
    with launched(KISHU, place) as kernel:
        _run(kernel, cells)
        return time.perf_counter() - began


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["forks"]))
