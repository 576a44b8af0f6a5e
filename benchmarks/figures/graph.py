"""The checkpoint graph after 1,000 cells: its size, and the cost of a state difference.

The paper's Fig 18 and 7.7.2: a notebook whose cells are re-executed in random order up to 1,000
runs; and a second one, worse for us, in which every cell makes a new variable, so that states hold
1,000 of them.

*Graph metadata* is everything in the store but payload bytes and outputs of cells: records of
checkpoints, manifests of versions, refs. Counted in whole pages, keys and B-tree included.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import lmdb

from benchmarks.harness import KISHU, Figure, Kernel, Result, running
from kishu_kernel.history.graph import Lookup, ancestry, state_at
from kishu_kernel.history.plan import make_plan
from kishu_kernel.model import Checkpoint, CheckpointId, State
from kishu_kernel.store.lmdb_store import LmdbStore

RUNS = 1_000
TARGETS = 50
"""States in equal distances over the history that the sweep asks for."""

METADATA = ("meta", "checkpoints", "versions", "refs")
MB = 1_000_000

IMPORTS = "import numpy as np\nimport pandas as pd\nrng = np.random.default_rng(0)"
SECTION = """
df{k} = pd.DataFrame({{"a": np.arange(200) + {k}, "b": rng.random(200)}})
df{k}["c"] = df{k}["a"] * 2
summary{k} = df{k}.describe()
rows{k} = [f"row {{i}}" for i in range(100)]
rows{k}.append("one more")
def scale{k}(x, by={k}): return x * by
scaled{k} = scale{k}(df{k}["b"])
means{k} = df{k}.groupby(df{k}["a"] % 7)["b"].mean()
places{k} = dict(zip(rows{k}, range(len(rows{k}))))
df{k}.head()
"""


def measure() -> Result:
    """Both notebooks."""
    notebook = [cell for k in range(8) for cell in SECTION.format(k=k).strip().splitlines()]
    again = random.Random(0).choices(notebook, k=RUNS - 1 - len(notebook))
    figures, details = [], {}
    for name, cells in {
        "1,000 cells re-executed": [IMPORTS, *notebook, *again],
        "1,000 cells, 1,000 variables": [f"v{i} = [{i}, {i}]" for i in range(RUNS)],
    }.items():
        found, behind = _measure(name, cells)
        figures += found
        details[name] = behind
    return Result(figures, details)


def _measure(name: str, cells: Sequence[str]) -> tuple[list[Figure], dict[str, object]]:
    with running(KISHU) as [kernel]:
        started = time.perf_counter()
        for cell in cells:
            kernel.run(cell)
        seconds = time.perf_counter() - started
        kernel.settle()
        dry_runs = _dry_runs(kernel)
        path = Path(kernel.kishu("status")[0]["store"]["path"])
        tables = _table_bytes(path)
        sweep, cold = _differences(path, kernel.kishu("status")[0]["head"])
    metadata = sum(tables[table] for table in METADATA)
    return [
        Figure(f"{name}: graph metadata", metadata / MB, "MB", 9),
        Figure(f"{name}: state difference, slowest of all", max(sweep), "s", 0.081),
        Figure(f"{name}: checkout with dry_run, slowest of all", max(dry_runs), "s", 0.081),
    ], {
        "bytes": tables,
        "seconds for all cells": seconds,
        "state difference, from the last state to states in equal distances": sweep,
        "state difference to the first state, records not read yet": cold,
        "checkout with dry_run, as the client sees it": dry_runs,
    }


def _dry_runs(kernel: Kernel) -> list[float]:
    log = kernel.kishu("log", limit=0)[0]["checkpoints"]
    targets = _evenly([checkpoint["id"] for checkpoint in log])
    return [
        statistics.median(kernel.kishu("checkout", target=target, dry_run=True)[1] for _ in range(3))
        for target in targets
    ]


def _table_bytes(path: Path) -> dict[str, int]:
    """Bytes of the pages that each table of the store occupies; the kernel has it open too."""
    found = {}
    with lmdb.open(str(path), max_dbs=16, readonly=True) as env, env.begin() as txn:
        for key, _ in txn.cursor():
            stat = txn.stat(env.open_db(bytes(key), txn=txn, create=False))
            pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            found[bytes(key).decode()] = pages * stat["psize"]
    return found


def _differences(path: Path, head: CheckpointId) -> tuple[list[float], float]:
    """Seconds to plan the ways from the last state to earlier ones.

    Also, with no record read yet, to the first of them: what a new kernel has to do.
    """
    store = LmdbStore(path)
    try:
        cache: dict[CheckpointId, Checkpoint] = {}

        def lookup(id: CheckpointId) -> Checkpoint:
            if id not in cache:
                cache[id] = store.checkpoint(id)
            return cache[id]

        started = time.perf_counter()
        here = state_at(lookup, head)
        way = [checkpoint.id for checkpoint in ancestry(lookup, head)]
        make_plan(lookup, here, way[-1])
        cold = time.perf_counter() - started
        return [
            statistics.median(_seconds_to_plan(lookup, here, target) for _ in range(5)) for target in _evenly(way)
        ], cold
    finally:
        store.close()


def _seconds_to_plan(lookup: Lookup, here: State, target: CheckpointId) -> float:
    started = time.perf_counter()
    make_plan(lookup, here, target)
    return time.perf_counter() - started


def _evenly(way: Sequence[CheckpointId]) -> list[CheckpointId]:
    """The first, the last, and some between."""
    step = max(1, len(way) // TARGETS)
    return [*way[::step], way[-1]]


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["graph"]))
