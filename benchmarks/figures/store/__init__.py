"""The store beside plain ipykernel, dill's `dump_session` after each cell, and kishu 0.3.4 from the package index.

What it costs in time until the reply, in bytes on disk and in memory; and how near it comes to what the disk's
own interface gives. The other systems run each cell once: kishu 0.3.4 takes up to a minute for one. A system
that cannot run has its error in the place of its figures.
"""

from __future__ import annotations

from benchmarks.figures.store import arrays, cells, frame, memory, throughput
from benchmarks.harness import Result

PARTS = {"arrays": arrays, "frame": frame, "cells": cells, "throughput": throughput, "memory": memory}


def measure() -> Result:
    """All parts, one after the other."""
    found = {name: part.measure() for name, part in PARTS.items()}
    figures = [figure for each in found.values() for figure in each.figures]
    return Result(figures, {name: each.details for name, each in found.items()})
