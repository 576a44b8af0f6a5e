"""Copies of objects that do something at their end, made in every way that there is, on real kernels.

Each try is one kernel with some kinds of such objects and deeds that make copies of them. Harm is a file of a live
object that is gone, a destructor that was heard, a kernel that died.
"""

from __future__ import annotations

import random
from pathlib import Path

from tests.harm.test_copies import BESIDE, DEEDS, KINDS, Case
from tests.kernel.driver import Kernel

from .tally import Tally, Times

TIMES = Times(quick=4, whole=120)


def attack(times: int, seed: int, work: Path) -> Tally:
    """As often as that, with other kinds and another order each time."""
    tally = Tally()
    for number in range(times):
        chance = random.Random(f"{seed}-{number}")
        deeds = chance.sample(sorted(DEEDS), 2)
        kinds = chance.sample(sorted(KINDS), chance.randint(1, 6))
        home = work / str(number)
        home.mkdir()
        harm = _harm(home, kinds, deeds)
        if harm:
            tally.wrong(f"seed {seed}, try {number}, {deeds}, {kinds}: {'; '.join(harm)}")
        else:
            tally.well(deeds[-1])
    return tally


def _harm(home: Path, kinds: list[str], deeds: list[str]) -> list[str]:
    """What the last of the deeds did; those before it leave the variables where they are."""
    try:
        with Kernel(home, cwd=home) as kernel:
            kernel.library("beside", BESIDE)
            case = Case(kernel, kinds).made()
            for deed in deeds[:-1]:
                if deed in STAYING:
                    DEEDS[deed](case)
            DEEDS[deeds[-1]](case)
            return case.harm()
    except AssertionError as error:
        return [str(error)[:300]]


STAYING = ("paused", "run_again")
"""Deeds after which the variables are bound as before."""
