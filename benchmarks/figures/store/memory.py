"""The memory that a checkpoint and a checkout of an array of 2 GB need, besides the array.

Sampled from outside, the whole time from sending the cell until the checkpoint is written, or until the reply to the
checkout. Resident memory is told apart: pages of the store's file that are mapped can be taken back by the system at
any time, the process's own (anonymous) ones cannot.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures.store.systems import ours_and_plain
from benchmarks.harness import BenchmarkError, Figure, Result

ARRAY = 2_000_000_000
MB = 1_000_000

LIBRARIES = """
import numpy as np
warm_up = np.random.default_rng(0).random(4_000_000)
"""
MAKE = f"big = np.random.default_rng(0).random({ARRAY // 8})"
CONTENT = "print(hash(big[:: 1 << 12].tobytes()))"


@dataclass
class Memory:
    """Bytes resident: all, and what is the process's own."""

    all: int
    own: int


def measure() -> Result:
    """Make it, drop it, undo that; the libraries are loaded before, by a small array that takes the same way."""
    with ours_and_plain() as (ours, plain):
        for code in (LIBRARIES, "del warm_up"):
            ours.run(code)
            plain.run(code)
        ours.undo()
        ours.run("del warm_up")
        with _peak(plain.kernel.pid) as usual:  # NumPy's own
            plain.run(MAKE)
        with _peak(ours.kernel.pid) as written:
            started = time.perf_counter()
            made = ours.run(MAKE).seconds
            seconds = time.perf_counter() - started
        content = ours.look(CONTENT)
        ours.run("del big")
        with _peak(ours.kernel.pid) as loaded:
            undo = ours.undo()
        if ours.look(CONTENT) != content:
            raise BenchmarkError("undo did not bring the array back")
    extra = written.all - max(usual.all, ARRAY)
    own = written.own - max(usual.own, ARRAY)
    name = "array of 2 GB"
    return Result(
        [
            Figure(f"{name}: its checkpoint needs, besides it", extra / MB, "MB", 64),
            Figure(f"{name}: its checkpoint needs, the process's own", own / MB, "MB"),
            Figure(f"{name}: its checkout needs, besides it", (loaded.all - ARRAY) / MB, "MB", 64),
            Figure(f"{name}: its checkout needs, the process's own", (loaded.own - ARRAY) / MB, "MB"),
            Figure(f"{name}: undo of its deletion", undo, "s"),
        ],
        {
            "ipykernel": vars(usual),
            "checkpoint": vars(written),
            "checkout": vars(loaded),
            "cell until its reply": made,
            "cell until its checkpoint is written": seconds,
        },
    )


@contextmanager
def _peak(pid: int) -> Iterator[Memory]:
    """What a process's memory grew by at most, while the block runs. Filled in at its end."""
    before = _memory(pid)
    peak = Memory(0, 0)
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.002):
            now = _memory(pid)
            peak.all = max(peak.all, now.all - before.all)
            peak.own = max(peak.own, now.own - before.own)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _memory(pid: int) -> Memory:
    if sys.platform != "linux":
        found = psutil.Process(pid).memory_info()
        return Memory(found.rss, found.rss)
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    sizes = {
        key: int(value.split()[0]) * 1024
        for key, _, value in (line.partition(":") for line in lines)
        if "Rss" in key or key == "VmRSS"
    }
    return Memory(sizes["VmRSS"], sizes["RssAnon"])
