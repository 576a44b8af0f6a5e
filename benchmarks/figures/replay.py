"""A checkout that re-runs cells: what it costs besides what its cells cost.

Sessions whose last state holds what cannot be stored, made from large inputs, in chains,
among many variables. Each is undone in the same kernel, after a cell that lost all of it, and resumed in a fresh one.
Processor time of the kernel's process, less what the re-run cells took when they first ran.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import psutil

from benchmarks.harness import KISHU, Figure, Kernel, Result, running

TARGET = 0.2
"""Seconds besides the cells."""

HOLDER = """
class Holder:
    def __init__(self, value):
        self.value, self.rest = value, (each for each in ())

class Person:
    def __init__(self, name, age):
        self.name, self.age, self.tags = name, age, [name]
"""
PEOPLE = "people = [Person(f'name {i}', i % 90) for i in range(100_000)]"
FRAME = """
import numpy as np, pandas as pd
frame = pd.DataFrame({name: np.arange(1_000_000) * 1.5 for name in 'abcde'} | {'kind': np.arange(1_000_000) % 7})
words = [f'word {i}' for i in range(200_000)]
"""


@dataclass(frozen=True)
class Case:
    """A session: the cells that prepare it, and those whose results cannot be stored."""

    prepares: tuple[str, ...]
    makes: tuple[str, ...]

    @property
    def names(self) -> str:
        """The variables that the last cells bind; `h` where they change it."""
        lines = [cell.splitlines()[-1] for cell in self.makes]
        return ", ".join(line.partition(" = ")[0] for line in lines if " = " in line) or "h"


def _each(number: int, make: Callable[[int], str]) -> tuple[str, ...]:
    return tuple(make(i) for i in range(number))


CASES = {
    "30 generators": Case(("numbers = list(range(100))",), _each(30, lambda i: f"g{i} = (n for n in range({i}, 100))")),
    "30 objects with generators, of a frame of 1M rows": Case(
        (HOLDER, FRAME), _each(30, lambda i: f"h{i} = Holder(float(frame['{'abcde'[i % 5]}'].sum()) + len(words))")
    ),
    "30 objects with generators, of 100,000 instances": Case(
        (HOLDER, PEOPLE), _each(30, lambda i: f"h{i} = Holder(people[{i}].age)")
    ),
    "a chain of 30 objects with generators": Case(
        (HOLDER, "h0 = Holder(0)"), _each(30, lambda i: f"h{i + 1} = Holder(h{i}.value + 1)")
    ),
    "a chain of 20 objects with generators, each of two": Case(
        (HOLDER, "h0 = Holder(0); h1 = Holder(1)"),
        _each(20, lambda i: f"h{i + 2} = Holder(h{i}.value + h{i + 1}.value)"),
    ),
    "20 objects with generators among 300 variables": Case(
        (HOLDER, *_each(30, lambda i: "; ".join(f"v{i}_{j} = [{i}, {j}, 'text']" for j in range(10)))),
        _each(20, lambda i: f"h{i} = Holder(v{i}_1)"),
    ),
    "lists of 5,000 objects with generators, in a chain of 6": Case(
        (HOLDER, "h0 = [Holder(i) for i in range(5_000)]"),
        _each(5, lambda i: f"h{i + 1} = [Holder(each.value + 1) for each in h{i}]"),
    ),
    "10 deterministic frames of 40 MB, each of the last": Case(
        (HOLDER, FRAME, "f0 = frame[list('abcde')]"),
        _each(10, lambda i: f"# kishu: deterministic\nf{i + 1} = f{i} + 1"),
    ),
    "one with a generator, changed in 30 cells": Case(
        (HOLDER, "h = Holder([0])"), _each(30, lambda i: f"h.value.append({i})")
    ),
}


@dataclass(frozen=True)
class Measured:
    """One checkout: seconds of its cells, processor time and wall time of all, and how many cells were re-run."""

    cells: float
    cpu: float
    wall: float
    steps: int
    lost: int

    @property
    def besides(self) -> float:
        """What is not its cells'."""
        return self.cpu - self.cells


def measure(names: Iterable[str] = tuple(CASES)) -> Result:
    """Each case in a kernel of its own."""
    figures, details = [], {}
    for name in names:
        undone, resumed = _measure(CASES[name])
        for way, each in (("undo", undone), ("resume", resumed)):
            figures.append(Figure(f"{name}: {way}, besides its cells", each.besides, "s", TARGET))
            details[f"{name}: {way}"] = vars_of(each)
    return Result(figures, details)


def vars_of(each: Measured) -> dict[str, float]:
    """Its fields."""
    return {name: getattr(each, name) for name in ("cells", "cpu", "wall", "steps", "lost")}


def _measure(case: Case) -> tuple[Measured, Measured]:
    notebook = {"JPY_SESSION_NAME": f"/replay-{uuid.uuid4().hex}.ipynb"}  # which a kernel after a restart knows again
    with running(replace(KISHU, variables=notebook)) as [kernel]:
        for cell in (*case.prepares, *case.makes):
            kernel.run(cell)
        kernel.settle()
        kernel.run(f"del {case.names}")
        kernel.settle()
        undone = _checkout(kernel, "undo")
        kernel.settle()
        kernel.restart()
        resumed = _checkout(kernel, "resume")
    return undone, resumed


def _checkout(kernel: Kernel, operation: str) -> Measured:
    process = psutil.Process(kernel.pid)
    time.sleep(0.3)
    before = process.cpu_times()
    reply, wall = kernel.kishu(operation, replay="auto", allow_lost=True)
    after = process.cpu_times()
    plan = reply["plan"]
    cells = sum(step["seconds"] for step in plan["replay"])
    cpu = after.user + after.system - before.user - before.system
    return Measured(cells, cpu, wall, len(plan["replay"]), len(plan["lost"]))


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["replay"]))
