"""What some places hold: each change is seen, one that was taken back may be, and nothing is kept alive for it."""

from __future__ import annotations

import decimal
import random
import weakref
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kishu_kernel.process.memory import object_place
from kishu_kernel.process.native import WALKER, broken_watches, watch

pytestmark = pytest.mark.skipif(WALKER is None, reason="without the native module nobody can tell, and all is read")


class _Held:
    pass


class _Slotted:
    __slots__ = ("at",)


def _world() -> tuple[list[Any], SimpleNamespace]:
    """Places of each kind, and what they are made of."""
    part = _Held()
    part.level, part.called = 1, [_Held(), _Held()]  # type: ignore[attr-defined]
    own = {"a": _Held(), "b": {"c": [1, ("d", [2])]}, "e": {3, "f"}}
    world = SimpleNamespace(part=part, own=own, cls=type("Own", (), {"at": []}), deque=OrderedDict(g=1))
    world.numbers = random.Random(7)
    places = [(part, "level", "called", "absent"), own, (world.cls, "at"), world.deque, (own, "b")]
    return [*places, (world.numbers, *object_place(world.numbers)), (decimal.getcontext, ())], world


_CHANGES: dict[str, Callable[[Any], object]] = {
    "attribute": lambda world: setattr(world.part, "level", 2),
    "attribute of the same value": lambda world: setattr(world.part, "level", 1.0),
    "new attribute": lambda world: setattr(world.part, "absent", None),
    "no attribute": lambda world: delattr(world.part, "level"),
    "item of a list": lambda world: world.part.called.pop(),
    "another object": lambda world: world.part.called.__setitem__(0, _Held()),
    "another object in the place of one that is gone": lambda world: (world.own.pop("a"), world.own.update(a=_Held())),
    "order": lambda world: world.own.update(a=world.own.pop("a")),
    "depth": lambda world: world.own["b"]["c"][1][1].append(5),
    "set": lambda world: world.own["e"].add(4),
    "class": lambda world: setattr(world.cls, "at", [0]),
    "in a class": lambda world: world.cls.at.append(1),
    "derived container": lambda world: world.deque.update(g=2),
    "memory": lambda world: world.numbers.random(),
    "what a function gives": lambda world: decimal.setcontext(decimal.Context(prec=9)),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_each_change_is_seen(change: str) -> None:
    with decimal.localcontext():
        places, world = _world()
        watched = watch(places)
        assert watched.holds()
        assert broken_watches([watched, watched]) == []
        _CHANGES[change](world)
        assert not watched.holds()
        assert broken_watches([watch([{}]), watched]) == [1]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(sorted(_CHANGES)), min_size=1, max_size=6), st.integers(0, 5))
def test_none_is_missed_after_others(changes: list[str], until: int) -> None:
    with decimal.localcontext():
        places, world = _world()
        for each in changes[:until]:
            try:
                _CHANGES[each](world)
            except (AttributeError, IndexError):  # it was taken away before
                continue
        watched = watch(places)
        before = repr((vars(world.part), world.own, world.cls.at, world.deque, world.numbers.getstate()))
        for each in changes[until:]:
            try:
                _CHANGES[each](world)
            except (AttributeError, IndexError):
                continue
        after = repr((vars(world.part), world.own, world.cls.at, world.deque, world.numbers.getstate()))
        assert before == after or not watched.holds()


def test_nothing_is_kept_alive() -> None:
    places, world = _world()
    watched = watch(places)
    seen = [weakref.ref(world.own["a"]), *map(weakref.ref, world.part.called)]
    del world.own["a"]
    world.part.called = ()
    assert [each() for each in seen] == [None, None, None]
    assert not watched.holds()


def test_what_cannot_be_known_again_is_not_told() -> None:
    assert watch([[_Slotted()]]) is None  # another one may come to lie where it lay
    assert watch([({"a": _Held()}.copy, ())]) is None  # it would be kept alive
    assert watch([{"path": type("Path", (list,), {})()}]) is None  # what it holds changes, and it is the same
    assert watch([(len, ([],))]).holds()
    with pytest.raises(TypeError, match="made in C"):
        watch([(lambda: 1, ())])
    assert not watch([(next, (iter([1, 2]),))]).holds()
    gone = watch([(next, (iter([1]),))])
    assert not gone.holds()  # it raises now
