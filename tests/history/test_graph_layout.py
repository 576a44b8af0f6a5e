"""The drawing of the graph: order, graph_rows, and the pieces of line between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kishu_kernel.history.graph_layout import Row, graph_rows, in_drawing_order
from kishu_kernel.model import Checkpoint, CheckpointId, SessionId


def checkpoint(id: str, parent: str | None, timestamp: float) -> Checkpoint:
    return Checkpoint(
        CheckpointId(id),
        None if parent is None else CheckpointId(parent),
        SessionId("s"),
        timestamp,
        *(1, "", "ok", None, 0.0, (), (), (), (), (), (), ()),
    )


def drawn(tree: str, head: str = "") -> list[tuple[str, int, tuple[tuple[int, int], ...]]]:
    """Rows of a forest that is written as `child>parent` words, the oldest first."""
    found = []
    for time, word in enumerate(tree.split()):
        id, _, parent = word.partition(">")
        found.append(checkpoint(id, parent or None, float(time)))
    rows = graph_rows(in_drawing_order(found), way_from(found, head))
    return [(row.id, row.lane, row.links) for row in rows]


def way_from(checkpoints: Collection[Checkpoint], head: str) -> set[CheckpointId]:
    known = {each.id: each for each in checkpoints}
    way = set()
    at = known.get(CheckpointId(head))
    while at is not None:
        way.add(at.id)
        at = known.get(at.parent) if at.parent else None
    return way


# -- a few drawings, by hand -------------------------------------------------------------------------


def test_one_line() -> None:
    assert drawn("a b>a c>b", head="c") == [("c", 0, ((0, 0),)), ("b", 0, ((0, 0),)), ("a", 0, ())]
    assert drawn("a b>a c>b") == drawn("a b>a c>b", head="c")
    assert drawn("a", head="a") == [("a", 0, ())]
    assert drawn("") == []


def test_a_fork() -> None:
    """The way of the head keeps lane 0, also where another branch is newer."""
    assert drawn("a b>a c>a", head="b") == [
        ("c", 1, ((1, 1),)),
        ("b", 0, ((0, 0), (1, 0))),
        ("a", 0, ()),
    ]
    assert drawn("a b>a c>a", head="c") == [
        ("c", 0, ((0, 0),)),
        ("b", 1, ((0, 0), (1, 0))),
        ("a", 0, ()),
    ]


def test_a_lane_is_used_again() -> None:
    rows = drawn("a b>a x>a c>b d>c y>c e>d", head="e")
    assert [(id, lane) for id, lane, _ in rows] == [
        *(("e", 0), ("y", 1), ("d", 0), ("c", 0), ("x", 1), ("b", 0), ("a", 0)),
    ]


def test_sessions_that_have_nothing_in_common() -> None:
    assert drawn("a b>a x y>x", head="y") == [("y", 0, ((0, 0),)), ("x", 0, ()), ("b", 1, ((1, 1),)), ("a", 1, ())]


# -- any forest, any clocks, any part of it ------------------------------------------------------------


@st.composite
def forests(draw: st.DrawFn) -> list[Checkpoint]:
    """Checkpoints with parents, and clocks that may have been set back or stood still."""
    parents = draw(st.lists(st.integers(-1, 30), max_size=30))
    times = draw(st.lists(st.integers(0, 40), min_size=len(parents), max_size=len(parents)))
    straight = draw(st.booleans())
    found = []
    for number, (parent, time) in enumerate(zip(parents, times, strict=True)):
        above = parent if -1 <= parent < number else number - 1
        known = f"{above:02}" if above >= 0 else None
        found.append(checkpoint(f"{number:02}", known, float(number if straight else time)))
    return found


@settings(deadline=None, max_examples=300)
@given(forests(), st.randoms(use_true_random=False))
def test_children_come_first_whatever_the_clocks_said(forest: list[Checkpoint], random: object) -> None:
    shuffled = list(forest)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ordered = in_drawing_order(shuffled)
    assert ordered == in_drawing_order(forest)
    place = {each.id: number for number, each in enumerate(ordered)}
    assert sorted(place) == sorted(each.id for each in forest)
    assert all(place[each.id] < place[each.parent] for each in forest if each.parent)
    truthful = all(each.timestamp >= by_id(forest)[each.parent].timestamp for each in forest if each.parent)
    if truthful:
        times = [each.timestamp for each in ordered]
        assert times == sorted(times, reverse=True)


def by_id(forest: Collection[Checkpoint]) -> dict[CheckpointId | None, Checkpoint]:
    return {each.id: each for each in forest}


def chain(rows: Sequence[Row], start: int, end: int) -> list[tuple[int, tuple[int, int]]]:
    """The pieces of line that lead from the dot of one row down to the dot of a later one, each in its gap."""
    ways: dict[int, list[tuple[int, tuple[int, int]]]] = {rows[start].lane: []}
    for gap in range(start, end):
        ways = {
            there: [*way, (gap, (here, there))]
            for lane, way in ways.items()
            for here, there in rows[gap].links
            if here == lane
        }
    assert rows[end].lane in ways, (rows, start, end)
    return ways[rows[end].lane]


@settings(deadline=None, max_examples=500)
@given(forests(), st.data())
def test_every_line_leads_where_it_should(forest: list[Checkpoint], data: st.DataObject) -> None:
    ordered = in_drawing_order(forest)
    head = data.draw(st.sampled_from(["", *(each.id for each in forest)]))
    shown = ordered[: data.draw(st.integers(0, len(ordered)))]  # a log is cut after so many
    way = way_from(forest, head)
    rows = graph_rows(shown, way)
    assert [row.id for row in rows] == [each.id for each in shown]
    place = {row.id: number for number, row in enumerate(rows)}

    for row in rows:
        assert len(set(row.links)) == len(row.links)
        assert row.id not in way or row.lane == 0
        # From a lane only one line goes on.
        assert max(Counter(here for here, _ in row.links).values(), default=0) <= 1

    # Each child is joined to its parent. A piece belongs to one line, or to lines that lead to one parent.
    owner: dict[tuple[int, tuple[int, int]], CheckpointId] = {}
    for each in shown:
        if each.parent in place:
            for piece in chain(rows, place[each.id], place[each.parent]):
                assert owner.setdefault(piece, each.parent) == each.parent
    # And there is no piece that belongs to none.
    assert set(owner) == {(gap, link) for gap, row in enumerate(rows) for link in row.links}

    # Lines that lead to different parents do not meet in a lane, nor does a line run through a dot.
    for gap, row in enumerate(rows):
        for lane in {there for _, there in row.links}:
            assert len({owner[gap, link] for link in row.links if link[1] == lane}) == 1
        for link in row.links:
            if gap + 1 < len(rows) and link[1] == rows[gap + 1].lane:
                assert owner[gap, link] == rows[gap + 1].id
    if way:
        stray = [row for row in rows if row.lane == 0 and row.id not in way]
        assert stray == []


@settings(deadline=None, max_examples=300)
@given(forests(), st.data())
def test_the_drawing_stays_narrow(forest: list[Checkpoint], data: st.DataObject) -> None:
    """No wider than the lines that are open at once, and the lane of the head."""
    ordered = in_drawing_order(forest)
    head = data.draw(st.sampled_from(["", *(each.id for each in forest)]))
    rows = graph_rows(ordered, way_from(forest, head))
    width = 1 + max((lane for row in rows for lane in (row.lane, *sum(row.links, ()))), default=-1)
    place = {row.id: number for number, row in enumerate(rows)}
    open_at_once = max(
        (
            sum(1 for each in ordered if place[each.id] <= at and (each.parent is None or place[each.parent] > at))
            - sum(1 for each in ordered if place[each.id] < at and each.parent is None)
            for at in range(len(rows))
        ),
        default=0,
    )
    assert width <= open_at_once + (1 if head else 0) or not rows


@pytest.mark.parametrize("count", [20_000])
def test_a_long_history_is_drawn_at_once(count: int) -> None:
    long = [checkpoint(f"{n:05}", f"{n - 1 - (n % 7 == 0):05}" if n > 1 else None, float(n)) for n in range(1, count)]
    rows = graph_rows(in_drawing_order(long), way_from(long, f"{count - 1:05}"))
    assert len(rows) == count - 1
    assert max(row.lane for row in rows) <= 2
