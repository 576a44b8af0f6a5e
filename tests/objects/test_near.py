"""What is near to a value is found natively as in Python: the same objects, in the same order."""

from __future__ import annotations

import collections
import random
from typing import Any

import numpy as np
import pytest

from kishu_kernel.objects.arrays import array_type
from kishu_kernel.objects.libraries import matplotlib as ours
from kishu_kernel.process.native import WALKER

pytestmark = pytest.mark.skipif(WALKER is None, reason="there is no native module")


class Thing:
    pass


class Wanted(Thing):
    pass


class WithSlots:
    __slots__ = ("first", "second")


def made(choose: random.Random, deep: int) -> Any:
    """Containers and instances in each other, some of them in themselves; some hold more than is looked at."""
    if deep == 0 or choose.random() < 0.2:
        return choose.choice([1, "a", None, Wanted(), Thing(), 2.5, int, Wanted()])
    many = choose.choice([0, 1, 3, 3, 30 if deep < 3 else 2, 230 if deep < 2 else 2])
    held: list[Any] = [made(choose, deep - 1) for _ in range(many)]
    if held and choose.random() < 0.2:
        held.append(held)
    kind = choose.randrange(7)
    if kind == 0:
        return tuple(held)
    if kind == 1:
        return {place if choose.random() < 0.7 else Wanted(): each for place, each in enumerate(held)}
    if kind == 2:
        slots = WithSlots()
        slots.first, slots.second = held, held[:1]
        return slots
    if kind == 3:
        thing: Any = Thing()
        thing.held, thing.itself = held, thing
        return thing
    if kind == 4:
        array = np.empty(len(held), object)
        array[:] = held
        return array
    return collections.deque(held) if kind == 5 else held


@pytest.mark.parametrize("wanted", [(Wanted,), (Thing, WithSlots)], ids=["one type", "two types"])
def test_both_find_the_same(wanted: tuple[type, ...]) -> None:
    found = 0
    for seed in range(400):
        choose = random.Random(seed)
        value = made(choose, choose.randrange(1, 6))
        how = wanted, ours._LEAD_NOWHERE, ours._DEEPEST, ours._MOST, array_type(), ours._held_in
        in_python, natively = ours._met_in_python(value, *how), ours._met_near(value, *how)
        assert list(map(id, natively)) == list(map(id, in_python)), seed
        found += len(natively)
    assert found > 1000


def test_an_error_of_the_function_is_raised() -> None:
    def refuse(_: Any) -> Any:
        raise LookupError

    with pytest.raises(LookupError):
        WALKER.met_near([np.empty(3, object)], (Wanted,), (int,), 5, 200, np.ndarray, refuse)
