"""Stores whose data file was damaged, opened as a kernel opens them, checked, repaired, and opened again.

The store is made by a real kernel, once: branches, tags, outputs, large and small values, an object that only a re-run
brings back. Each copy is damaged in its own way: pages of zeros, of noise and of other pages; single bits; ranges of
garbage; cut anywhere; an older copy laid over it. Another process then does with it all that a kernel and the command
line do: log, outputs, checkout of many states, a new cell, gc, fsck, fsck --repair, and the checkouts again. Harm is
a process that dies, a value that is not the one that was there, and an error without a sentence.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.attack.tally import Tally, Times
from tests.kernel.driver import Kernel, environment_of

TIMES = Times(quick=24, whole=1500)

ROOT = Path(__file__).parents[2]
PAGE = 4096
_SLOW = 120.0
"""Seconds in which a copy is dealt with, on the busiest machine."""

CELLS = (
    "import random; import numpy as np; xs = [1]; words = [str(n) * 20 for n in range(3000)]",
    "big = np.random.default_rng(7).random(60_000)",
    "class Box:\n    pass\nbox = Box(); box.items = {n: [n] for n in range(50)}; print('a box' * 2000)",
    "def double(n, by=2):\n    return n * by\nxs.append(double(4))",
    "steps = (n for n in range(10)); first = next(steps)",
    "import pandas as pd; frame = pd.DataFrame({'a': range(500), 'b': [str(n) for n in range(500)]})",
    *(f"small{chr(97 + n)} = list(range({n}, {n} + 40)); xs.append({n})  # {'long ' * 150}" for n in range(12)),
)
FURTHER = (
    "big[10] = -1.0; part = big[:5]",
    "frame['c'] = frame.a * 2; del words",
    "box.items[3].append('more'); xs = xs[::-1]; print('changed')",
    *(f"smalla.append({n}); xs.append('other {n}')  # {'wide ' * 150}" for n in range(6)),
)


class Reference:
    """The store that is damaged, and what was in it.

    Attributes:
        states: of each checkpoint, the variables in words.
        data: the data file's bytes; `old`: some cells before.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.home = home
        self.states: dict[str, dict[str, str]] = {}
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = environment_of(home, {"PYTHONPATH": path})
        with Kernel(home, environment={"PYTHONPATH": path}, patience=_SLOW) as kernel:
            self._run(kernel, CELLS)
            [store] = home.joinpath("stores").iterdir()
            self.old = (store / "data.mdb").read_bytes()
            kernel.done("tag", name="kept")
            ids = list(self.states)
            kernel.done("checkout", target=ids[5])
            self._run(kernel, FURTHER[:2])
            kernel.done("checkout", target=ids[-1])
            self._run(kernel, FURTHER)
            kernel.close(gracefully=True)
        self.data = (store / "data.mdb").read_bytes()

    def _run(self, kernel: Kernel, cells: tuple[str, ...]) -> None:
        for code in cells:
            kernel.ok(code)
            while kernel.done("status")["pending"]:
                pass
            [newest] = kernel.done("log", limit=1)["checkpoints"]
            words = "__import__('tests.attack._states', fromlist=['words_of']).words_of(globals())"
            self.states[newest["id"]] = kernel.value(words)


def damaged(data: bytes, old: bytes, seed: int) -> tuple[str, bytes]:
    """One damage, in words and done."""
    draw = random.Random(seed)
    pages = len(data) // PAGE
    changed = bytearray(data)
    kind = draw.choice(["zeros", "zeros", "noise", "other page", "bits", "garbage", "cut", "page cut", "old", "head"])

    def put(place: int, content: bytes) -> None:
        changed[place : place + len(content)] = content[: len(changed) - place]

    if kind in ("zeros", "noise", "other page"):
        for _ in range(draw.choice([1, 1, 1, 2, 5, 20])):
            place = draw.randrange(pages) * PAGE
            other = draw.randrange(pages) * PAGE
            content = {"zeros": bytes(PAGE), "noise": draw.randbytes(PAGE), "other page": data[other : other + PAGE]}
            put(place, content[kind])
    elif kind == "bits":
        for _ in range(draw.choice([1, 1, 3, 30, 300])):
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    elif kind == "garbage":
        put(draw.randrange(len(changed)), draw.randbytes(draw.choice([8, 200, 5000, 100_000])))
    elif kind == "cut":
        del changed[draw.randrange(len(changed)) :]
    elif kind == "page cut":
        del changed[draw.choice([0, 1, 2, draw.randrange(pages)]) * PAGE :]
    elif kind == "old":
        put(0, old[: draw.choice([2 * PAGE, len(old), draw.randrange(1, len(old))])])
        if draw.random() < 0.3:
            del changed[len(old) :]
    else:
        put(draw.randrange(2 * PAGE), draw.choice([bytes(64), draw.randbytes(8), draw.randbytes(1)]))
    return kind, bytes(changed)


def attack(times: int, seed: int, work: Path) -> Tally:
    """Damages so many copies."""
    reference = Reference(work / "made")
    (work / "data").write_bytes(reference.data)
    (work / "old").write_bytes(reference.old)
    (work / "states").write_text(json.dumps(reference.states))
    tally = Tally()
    begin = 0
    while begin < times:
        begin = _some(reference, seed, begin, times, work, tally)
    return tally


def _some(reference: Reference, seed: int, begin: int, end: int, work: Path, tally: Tally) -> int:
    """Copies from one on, until all are done or the process has died. The next."""
    command = [sys.executable, "-u", "-m", "tests.attack._victim", str(work), str(seed), str(begin), str(end)]
    errors = work / "errors"
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=reference.environment) as child,
    ):
        assert child.stdout is not None
        number, doing = begin - 1, "beginning"
        for said in _lines(child.stdout):
            number = said["copy"]
            doing = said.get("doing", doing)
            if "told" in said:
                tally.well(said["told"])
            elif "wrong" in said:
                tally.wrong(f"copy {number} of seed {seed} ({said['kind']}): {said['wrong']}")
        status = child.wait()
    if status:
        tally.wrong(f"copy {number} of seed {seed}: died with {status} at {doing}: {errors.read_text()[-500:]}")
        return max(number, begin) + 1
    return end


def _lines(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        yield json.loads(line)
