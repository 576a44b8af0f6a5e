"""The judge: random programs of cells, and after each checkout the state must be what it was there.

Each program is made from a seed, run in a real `Session`, and travels at random between its own checkpoints. What a
state was is told by the describer, which shares no code with the package. A failure prints the program; give its seed
a named test of its own. More programs: `KISHU_PROGRAMS=5000 scripts/test tests/test_differential.py`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest
from describer import Description, differences
from harness import Notebook

from kishu_kernel.detect.trackers import TrackerKind
from kishu_kernel.errors import CheckoutError

PROGRAMS = int(os.environ.get("KISHU_PROGRAMS", "240"))
BLOCKS = 12
STEPS = 50

NAMES = "abcde"
PREPARED = """
import functools
import numpy as np
class C:
    z = 0
    def keep(self): self.kept = a
    def write(self): b.append(3)
def f(x=[]):
    x.append(1); c.append(x); return x
"""


def cell(chance: random.Random) -> str:
    """One cell. Many raise, as users' cells do."""

    def name() -> str:
        return chance.choice(NAMES)

    def digit() -> int:
        return chance.randint(0, 9)

    forms: list[Callable[[], str]] = [
        lambda: f"{name()} = [{digit()}, {digit()}]",
        lambda: f"{name()} = {name()}",
        lambda: f"{name()} = [{name()}, {name()}]",
        lambda: f"{name()} = ({name()}, {name()})",
        lambda: f"{name()} = {{'k': {name()}, 'j': {digit()}}}",
        lambda: f"{name()} = {{1, 2, {digit()}}}",
        lambda: f"{name()}, {name()} = {name()}, {name()}",
        lambda: f"{name()}.append({name()})",
        lambda: f"{name()}.append({digit()})",
        lambda: f"{name()}.add({digit()})",
        lambda: f"{name()}[0] = {name()}",
        lambda: f"{name()}[0] = {digit()}",
        lambda: f"{name()}['k'] = {name()}",
        lambda: f"{name()} = {name()}.copy()",
        lambda: f"{name()}.clear()",
        lambda: f"del {name()}",
        lambda: f"{name()} = np.arange({chance.randint(3, 400)})",
        lambda: f"{name()} = np.zeros(({chance.randint(2, 40)}, 3)) + {digit()}",
        lambda: f"{name()} = {name()}[1:3]",
        lambda: f"{name()} = {name()}.T",
        lambda: f"{name()}[1:2] = {digit()}",
        lambda: f"{name()} += {digit()}",
        lambda: (
            f"class C:\n    z = {digit()}\n    def keep(self): self.kept = {name()}\n"
            f"    def write(self): {name()}.append(3)"
        ),
        lambda: f"{name()} = C(); {name()} = C()",
        lambda: f"C.z = {name()}",
        lambda: f"{name()}.attribute = {name()}",
        lambda: f"{name()}.keep()",
        lambda: f"{name()}.write()",
        lambda: f"def f(x=[]):\n    x.append({digit()}); {name()}.append(x); return x",
        lambda: f"{name()} = f()",
        lambda: f"def g():\n    global {(bound := name())}\n    {bound} = {name()}\n    return {bound}",
        lambda: f"{name()} = g()",
        lambda: (
            f"def make():\n    cell = [{name()}]\n    def h(): cell.append(1); return cell\n"
            f"    def k(): return cell\n    return h, k"
        ),
        lambda: f"{name()}, {name()} = make()",
        lambda: f"{name()}()",
        lambda: f"{name()} = lambda: {name()}",
        lambda: f"{name()} = functools.partial(f, {name()})",
        lambda: f"{name()} = {name()}.append",
        lambda: f"exec('{name()} = {name()}')",
        lambda: f"globals()['{name()}'] = [{digit()}]",
        lambda: f"{name()} = (i for i in {name()})",
        lambda: f"{name()} = next({name()})",
        lambda: f"{name()} = list({name()})",
        lambda: f"{name()} = {name()}; raise ValueError",
        lambda: f"[{name()}, {name()}]",
    ]
    return chance.choice(forms)()


def play(seed: int, tracker: TrackerKind) -> int:
    """Runs one program. Returns how many checkouts were compared."""
    chance = random.Random(seed)
    notebook = Notebook(tracker)
    notebook.ok(PREPARED)
    states: dict[str, Description] = {}
    told: list[str] = [f"seed {seed}, tracker {tracker}"]
    compared = 0
    for _ in range(STEPS):
        if not states or chance.random() < 0.75:
            code = cell(chance)
            checkpoint = notebook.run(code)
            assert checkpoint is not None, notebook.warnings
            told.append(f"{checkpoint.id[:4]}  {code}")
            states[checkpoint.id] = notebook.describe()
            continue
        target = chance.choice(list(states))
        before = notebook.describe()
        told.append(f"{target[:4]}  <- checkout")
        try:
            notebook.session.checkout(target)
        except CheckoutError as error:
            told.append(f"      refused: {error}")
            assert not differences(before, notebook.describe()), "\n".join(told)
            continue
        compared += 1
        wrong = differences(states[target], notebook.describe())
        assert not wrong, "\n".join([*told, *wrong])
    return compared


@pytest.mark.parametrize("tracker", ["code", "all"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_state_comes_back(block: int, tracker: TrackerKind) -> None:
    programs = range(block, PROGRAMS if tracker == "code" else PROGRAMS // 4, BLOCKS)
    assert sum(play(seed, tracker) for seed in programs) > len(programs)
