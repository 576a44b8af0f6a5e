"""The list that is kept from look to look says what a list made anew would say; so does the state of one step."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from kishu_kernel.history.drawing_order import DrawingOrder
from kishu_kernel.history.graph import known_state_at
from kishu_kernel.history.graph_layout import in_drawing_order
from kishu_kernel.history.last_state import LastState
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Names, SessionId, VersionRecord


def _checkpoint(number: int, parent: str | None, timestamp: float, **fields: object) -> Checkpoint:
    id, root = CheckpointId(f"{number:04}"), parent and CheckpointId(parent)
    made = Checkpoint(id, root, SessionId("s"), timestamp, number, "", "ok", None, 0.0, *((),) * 7)
    return replace(made, **fields)  # type: ignore[arg-type]


def _expected_since(checkpoints: list[Checkpoint], floor: Checkpoint) -> list[CheckpointId]:
    known = {each.id: each for each in checkpoints}

    def descends(each: Checkpoint | None) -> bool:
        while each is not None and each.id != floor.id:
            each = known.get(each.parent) if each.parent else None
        return each is not None

    age = (-floor.timestamp, floor.id)
    chosen = [e for e in checkpoints if e.id != floor.id and (descends(e) or (-e.timestamp, e.id) < age)]
    return [each.id for each in in_drawing_order(chosen)]


@pytest.mark.parametrize("seed", range(30))
def test_a_list_that_grew_is_the_list(seed: int) -> None:
    draw = random.Random(seed)
    order = DrawingOrder()
    there: list[Checkpoint] = []
    for number in range(60):
        what = draw.random()
        if what < 0.75 or not there:
            parent = draw.choice(there[-3:]).id if there and draw.random() < 0.95 else None
            clock = number if draw.random() < 0.9 or seed % 2 else number - draw.randrange(9)
            there.append(_checkpoint(number, parent if draw.random() < 0.97 else "gone", float(clock)))
        elif what < 0.85:
            at = draw.randrange(len(there))
            there[at] = replace(there[at], message="another")
        elif what < 0.9:
            del there[draw.randrange(len(there))]
        elif what < 0.95 and seed % 2 == 0:
            there.append(_checkpoint(1000 + number, None, float(draw.randrange(60))))  # of another session
        listed = order.of(draw.sample(there, len(there)))
        assert list(listed.checkpoints) == in_drawing_order(there)
        assert all(one is other for one, other in zip(listed.checkpoints, in_drawing_order(there), strict=True))
        if there:
            floor = draw.choice(there)
            assert [each.id for each in listed.since(floor)] == _expected_since(there, floor)


def test_a_look_without_news_makes_nothing() -> None:
    order = DrawingOrder()
    there = [_checkpoint(1, None, 1.0), _checkpoint(2, "0001", 2.0)]
    assert order.of(there) is order.of(reversed(there))


@pytest.mark.parametrize("seed", range(30))
def test_a_state_of_one_step_is_the_state(seed: int) -> None:
    draw = random.Random(seed)
    names: list[Names] = [("a",), ("b", "c"), ("d",), ("b",), ("c",), ("a", "d")]
    known: dict[CheckpointId, Checkpoint] = {}
    states, parent = LastState(), None
    for number in range(40):
        made: set[Names] = set()
        for each in draw.sample(names, 2):
            if not {name for other in made for name in other} & set(each):
                made.add(each)
        before = known_state_at(known.__getitem__, parent).versions
        touched = {name for each in made for name in each}
        dropped = tuple(each for each in before if each not in made and not touched.isdisjoint(each))
        versions = tuple(VersionRecord(each, Digest(b""), 1, True, None, True, ()) for each in made)
        left = {*(each for each in before if each not in dropped), *made}
        population = draw.choice([sum(map(len, left))] * 8 + [None, 99])
        incomplete = draw.choice([None] * 9 + ["an error"])
        one = _checkpoint(
            number,
            parent,
            float(number),
            versions=versions,
            dropped=dropped,
            population=population,
            incomplete=incomplete,
        )
        known[one.id] = one
        for _ in range(2):
            assert states.at(known.__getitem__, one.id, 0) == known_state_at(known.__getitem__, one.id)
        parent = one.id if draw.random() < 0.9 else draw.choice(list(known))


def test_a_state_is_read_again_where_records_have_changed() -> None:
    record = VersionRecord(("x",), Digest(b""), 1, True, None, True, ())
    known = {
        each.id: each for each in [_checkpoint(1, None, 1.0, population=0), _checkpoint(2, "0001", 2.0, population=1)]
    }
    states = LastState()
    one, two = known
    assert states.at(known.__getitem__, one, 0).versions == {}
    known[one] = replace(known[one], versions=(record,), population=1)
    assert states.at(known.__getitem__, two, 1).versions == {("x",): one}
