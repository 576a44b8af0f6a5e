"""Which system runs which workload, with what parameters, how often and for how long at most."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import workloads
from benchmarks.systems.base import System
from benchmarks.systems.registry import SYSTEMS

ROUNDS = 3
LIMIT = 60.0
LIMITS = {"kishu-0.3.4": 40.0, "kishu-0.3.4-experimental": 10.0, "elastic": 30.0, "elastic-kernel": 30.0}
"""Seconds for one session, before it is stopped and told so: what it did until then is compared.

They are so short that all of it ends within an hour; the systems with limits of their own would take several.
"""
QUICK_SYSTEMS = ("plain", "kishu", "dill")
QUICK_SCALE = 0.02

KEEPING = ("plain", "kishu", "dill", "kishu-0.3.4", "pages")
FULL = (*KEEPING, "kishu-0.3.4-experimental", "elastic", "elastic-kernel")
TRACKING = ("plain", "kishu", "kishu-check-all", "kishu-namespace", "kishu-0.3.4", "ipyflow")
OTHERS: dict[str, tuple[Sequence[str], Sequence[dict[str, Any]]]] = {
    "shared_list": (KEEPING, [{"SHARE": share} for share in (10, 100)]),
    "long_session": (("plain", "kishu", "dill", "kishu-0.3.4"), [{"CELLS": 1000}]),
    "many_variables": (FULL, [{}]),
    "large_frame": (FULL, [{}]),
    "strings": (KEEPING, [{}]),
    "objects": (KEEPING, [{}]),
    "module_loop": (TRACKING, [{}]),
    "function_loop": (TRACKING, [{}]),
}
"""Of the workloads that press one point: the systems that have something to say there, and the sweep."""


@dataclass(frozen=True)
class Task:
    """A session to run."""

    system: System
    workload: str
    parameters: dict[str, Any]
    round: int

    @property
    def limit(self) -> float:
        """Seconds that it may take."""
        return LIMITS.get(self.system.name, LIMIT)


def tasks(
    *,
    quick: bool = False,
    scale: float | None = None,
    rounds: int | None = None,
    only_workloads: Sequence[str] = (),
    only_systems: Sequence[str] = (),
) -> Iterator[Task]:
    """In the order in which they run: the systems take turns in each round, and who goes first changes."""
    scale = scale if scale is not None else QUICK_SCALE if quick else 1.0
    for name, systems, sweep in _rows(quick):
        if only_workloads and name not in only_workloads:
            continue
        chosen = [SYSTEMS[each] for each in systems if not only_systems or each in only_systems]
        for parameters in sweep:
            for turn in range(rounds or (1 if quick else ROUNDS)):
                first = turn % len(chosen) if chosen else 0
                for system in (*chosen[first:], *chosen[:first]):
                    if turn < (system.rounds or ROUNDS):
                        yield Task(system, name, {"SCALE": scale, **parameters}, turn)


def _rows(quick: bool) -> Iterator[tuple[str, Sequence[str], Sequence[dict[str, Any]]]]:
    notebooks = [(name, tuple(SYSTEMS), [{}]) for name in workloads.NOTEBOOKS]
    others = [(name, systems, sweep) for name, (systems, sweep) in OTHERS.items()]
    for name, systems, sweep in (*notebooks, *others):
        if not quick:
            yield name, systems, sweep
        elif runs_here((workloads.HERE / f"{name}.py").read_text(encoding="utf-8")):
            yield name, QUICK_SYSTEMS, sweep[-1:]


def runs_here(code: str) -> bool:
    """Whether this interpreter has what such code imports: a quick run makes no environments."""
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {
        name.partition(".")[0]
        for node in imports
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    return all(importlib.util.find_spec(module) for module in modules)
