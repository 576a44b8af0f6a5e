"""Disks that fill up under a real kernel: at another byte each time, most of them with a collection of garbage at once.

A disk is a file system of a certain size; where none can be mounted, a limit on the size of files. The notebook goes
on: every value is right, every cell ends well. When there is room again checkpoints resume, and a new kernel
brings the session back. Harm is a kernel that dies or hangs, a cell that fails, a value that is not what it was.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.attack.tally import Tally, Times
from tests.kernel.driver import Kernel

TIMES = Times(quick=3, whole=50)

ROOM = 96
"""Megabytes, when there is room again."""
CELLS = 8
PATIENCE = 60.0
PREPARE = """
import gc, random, resource, numpy as np
def fresh(seed, size):
    return np.random.default_rng(seed).integers(0, 255, size, dtype=np.uint8)
xs = []
"""


class Disk:
    """A disk of some kilobytes, that can be made larger."""

    def __init__(self, place: Path, kilobytes: int, mounted: bool) -> None:
        self.place = place
        self.kilobytes = kilobytes
        self.mounted = mounted

    def fill(self, kernel: Kernel) -> None:
        """Nothing where it is full by itself."""
        if not self.mounted:
            kernel.ok("hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]")
            kernel.ok(f"resource.setrlimit(resource.RLIMIT_FSIZE, ({self.kilobytes << 10}, hard))")

    def make_room(self, kernel: Kernel) -> None:
        """As when somebody removed something."""
        if self.mounted:
            subprocess.run(["mount", "-o", f"remount,size={ROOM}m", self.place], check=True)
        else:
            kernel.ok("resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))")


@contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Disk]:
    """A file system of its own, where this user may mount."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "kishu-attack", place]
    mounted = bool(shutil.which("mount")) and not subprocess.run(command, capture_output=True).returncode
    try:
        yield Disk(place, kilobytes, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", place], check=True)


def attack(times: int, seed: int, work: Path) -> Tally:
    """So many disks, of sizes that are spread over what the notebook writes."""
    tally = Tally()
    for number in range(times):
        draw = random.Random(seed * 1000 + number)
        sizes = [draw.choice([1000, 300_000, 1_000_000, 3_000_000]) for _ in range(CELLS)]
        kilobytes = 60 + int(0.95 * sum(sizes) * (number + draw.random()) / times) // 1024
        place = work / str(number)
        place.mkdir()
        try:
            with disk(place / "disk", kilobytes) as small:
                tally.well(_notebook(place, small, sizes, draw))
        except (AssertionError, subprocess.SubprocessError) as error:
            tally.wrong(f"disk {number} of seed {seed}, {kilobytes} KB: {error or type(error).__name__}")
        shutil.rmtree(place, ignore_errors=True)
    return tally


def _notebook(home: Path, disk: Disk, sizes: list[int], draw: random.Random) -> str:
    """A session on that disk; how it ended."""
    places = {"KISHU_STORE_DIR": str(disk.place / "stores"), "JPY_SESSION_NAME": str(home / "book.ipynb")}
    with Kernel(home, "--KishuKernel.store_limit=0", environment=places, patience=PATIENCE) as kernel:
        kernel.ok(PREPARE)
        _settle(kernel)
        disk.fill(kernel)
        for seed, size in enumerate(sizes):
            kernel.ok(f"a{seed} = fresh({seed}, {size}); xs.append({seed})")
            if draw.random() < 0.7:
                _settle(kernel)
            kernel.ok("_ = gc.collect()")
        full = any("no room" in each or "full" in each for each in kernel.done("status")["warnings"])
        _same(kernel, sizes, "on the full disk")
        disk.make_room(kernel)
        deadline = time.monotonic() + PATIENCE
        while True:  # where no store could be made, another attempt comes after a while
            kernel.ok("xs.append(-1); xs.pop()")
            _settle(kernel)
            [newest] = kernel.done("log", limit=1)["checkpoints"]
            if not newest["incomplete"] and not _in_memory(kernel):
                break
            assert time.monotonic() < deadline, f"checkpoints do not resume: {newest['incomplete']}"
            time.sleep(0.5)
        _same(kernel, sizes, "with room again")
        kernel.restart(kill=draw.random() < 0.5)
        kernel.done("resume")
        kernel.ok("import gc")
        _same(kernel, sizes, "in a new kernel")
    return "full for a while" if full else "never full"


def _in_memory(kernel: Kernel) -> bool:
    warnings = kernel.done("status")["warnings"]
    return any("memory only" in each for each in warnings) and not any("stored on disk" in each for each in warnings)


def _settle(kernel: Kernel) -> None:
    deadline = time.monotonic() + PATIENCE
    while kernel.done("status")["pending"]:
        assert time.monotonic() < deadline, "it writes for ever"


def _same(kernel: Kernel, sizes: list[int], when: str) -> None:
    expected = ", ".join(f"bool((a{seed} == fresh({seed}, {size})).all())" for seed, size in enumerate(sizes))
    found: Any = kernel.value(f"([{expected}], xs)")
    assert found == ([True] * len(sizes), list(range(len(sizes)))), f"{when}: {found}"
