"""The checkpoint graph: ancestry, session states, lowest common ancestors."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.history.graph import Lookup, ancestry, common_ancestor, known_state_at, state_after, state_at
from kishu_kernel.model import (
    Change,
    Checkpoint,
    CheckpointId,
    Delta,
    Digest,
    Names,
    SessionId,
    Version,
    VersionRecord,
)

Node = tuple[str, str | None, Sequence[Names], Sequence[Names]]


def ids(text: str) -> list[CheckpointId]:
    return [CheckpointId(each) for each in text.split()]


def graph(*nodes: tuple[object, ...]) -> Lookup:
    """Checkpoints from (id, parent, names of versions, dropped names); names as words, co-variables by commas."""
    found = {}
    for id, parent, *rest in nodes:
        made, dropped = (covariables(text) for text in (*rest, "", "")[:2])
        found[id] = Checkpoint(
            CheckpointId(str(id)),
            None if parent is None else CheckpointId(str(parent)),
            SessionId("s"),
            *(0.0, 1, "", "ok", None, 0.0, (), (), (), (), ()),  # type: ignore[arg-type]
            versions=tuple(VersionRecord(names, Digest(b""), 1, True, None, True, ()) for names in made),
            dropped=tuple(dropped),
        )
    return found.__getitem__  # type: ignore[return-value]


def covariables(text: object) -> list[Names]:
    return [tuple(sorted(each.split())) for each in str(text).split(",") if each.strip()]


TREE = graph(("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "b"), ("f", "e"), ("x", None), ("y", "x"))


def test_ancestry_goes_to_the_root() -> None:
    assert [each.id for each in ancestry(TREE, CheckpointId("d"))] == ids("d c b a")
    assert list(ancestry(TREE, None)) == []


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("d", "f", "b"),
        ("f", "d", "b"),
        ("d", "c", "c"),
        ("a", "d", "a"),
        ("d", "d", "d"),
        ("c", "e", "b"),
        ("d", "y", None),
        ("a", "x", None),
        (None, "d", None),
        ("d", None, None),
        (None, None, None),
    ],
)
def test_the_lowest_common_ancestor(one: CheckpointId, other: CheckpointId, common: CheckpointId) -> None:
    assert common_ancestor(TREE, one, other) == common


def test_the_lowest_common_ancestor_of_any_two() -> None:
    choose = random.Random(5)
    parents: list[int | None] = [None]
    parents += [choose.choice([choose.randrange(n), n - 1, None]) for n in range(1, 120)]
    lookup = graph(*((str(n), None if parent is None else str(parent)) for n, parent in enumerate(parents)))
    for _ in range(500):
        one, other = (CheckpointId(str(choose.randrange(120))) for _ in range(2))
        above = {each.id for each in ancestry(lookup, other)}
        expected = next((each.id for each in ancestry(lookup, one) if each.id in above), None)
        assert common_ancestor(lookup, one, other) == expected


def test_the_lowest_common_ancestor_costs_the_shorter_distance() -> None:
    nodes = [("0", None), *((str(n), str(n - 1)) for n in range(1, 5000)), ("side", "4990")]
    lookup = graph(*nodes)
    asked: list[CheckpointId] = []

    def counting(id: CheckpointId) -> Checkpoint:
        asked.append(id)
        return lookup(id)

    assert common_ancestor(counting, CheckpointId("4999"), CheckpointId("side")) == "4990"
    assert len(asked) < 50


def state(lookup: Lookup, at: str | None) -> dict[str, str]:
    found = state_at(lookup, None if at is None else CheckpointId(at))
    return {" ".join(names): id for names, id in found.items()}


def test_the_state_holds_the_newest_version_of_each() -> None:
    lookup = graph(("1", None, "x, y"), ("2", "1", "y", "y"), ("3", "2", "z"), ("4", "1", "x", "x"))
    assert state(lookup, "1") == {"x": "1", "y": "1"}
    assert state(lookup, "3") == {"x": "1", "y": "2", "z": "3"}
    assert state(lookup, "4") == {"x": "4", "y": "1"}
    assert state(lookup, None) == {}


def test_deleted_names_are_in_no_state_below() -> None:
    lookup = graph(("1", None, "x, y"), ("2", "1", "", "x"), ("3", "2"), ("4", "3", "x"))
    assert state(lookup, "2") == state(lookup, "3") == {"y": "1"}
    assert state(lookup, "4") == {"x": "4", "y": "1"}


def test_merged_and_split_covariables() -> None:
    lookup = graph(
        ("1", None, "x, y, z"),
        ("2", "1", "x y", "x, y"),
        ("3", "2", "x, y", "x y"),
        ("4", "3", "x z", "x, z"),
        ("5", "4", "x", "x z"),
    )
    assert state(lookup, "2") == {"x y": "2", "z": "1"}
    assert state(lookup, "3") == {"x": "3", "y": "3", "z": "1"}
    assert state(lookup, "4") == {"x z": "4", "y": "3"}
    assert state(lookup, "5") == {"x": "5", "y": "3"}


def test_two_versions_of_one_checkpoint_do_not_hide_each_other() -> None:
    lookup = graph(("1", None, "x y"), ("2", "1", "x, y", "x y"))
    assert state(lookup, "2") == {"x": "2", "y": "2"}


def test_an_unknown_checkpoint_is_an_error() -> None:
    with pytest.raises(KeyError):
        state_at(TREE, CheckpointId("nowhere"))


@pytest.mark.timeout(20)
def test_a_history_that_is_broken_says_so_and_ends() -> None:
    """Such ones come from damaged stores, or from somebody else's."""
    circle = graph(("a", "c"), ("b", "a"), ("c", "b"), ("d", "c"))
    torn = graph(("b", "a"), ("c", "b"))
    for lookup, start in ((circle, "d"), (circle, "a"), (torn, "c"), (torn, "b")):
        for ask in (
            lambda lookup, at: list(ancestry(lookup, at)),
            state_at,
            lambda lookup, at: common_ancestor(lookup, at, None),
        ):
            with pytest.raises(StoreError, match="fsck"):
                ask(lookup, CheckpointId(start))


def test_a_delta_advances_a_state() -> None:
    here = {("a", "b"): CheckpointId("1" * 16), ("c",): CheckpointId("2" * 16)}
    change = Change(("a",), Digest(b"d" * 16))
    delta = Delta((change,), (("a", "b"),), (), ("a",), ("b",), (), ())
    made = CheckpointId("3" * 16)
    assert state_after(here, delta, made) == {("a",): made, ("c",): CheckpointId("2" * 16)}
    assert ("a", "b") in here


def test_what_was_taken_from_elsewhere_is_part_of_the_state() -> None:
    nodes = {
        each.id: each
        for each in map(
            graph(("a", None, "x, y"), ("b", "a", "x, p q", "x"), ("c", "a"), ("d", "c", "y", "y")),
            ids("a b c d"),
        )
    }
    [b, c] = ids("b c")
    taken = tuple(Version(names, b) for names in (("x",), ("p", "q")))
    nodes[c] = replace(nodes[c], taken=taken, dropped=(("x",),))
    there = {("x",): "b", ("p", "q"): "b", ("y",): "d"}
    assert state_at(nodes.__getitem__, CheckpointId("d")) == there
    assert known_state_at(nodes.__getitem__, CheckpointId("d")).gap is None
    nodes[b] = replace(nodes[b], versions=(), severed=())  # its record was damaged
    known = known_state_at(nodes.__getitem__, CheckpointId("d"))
    assert known.versions == {("y",): "d"}
    assert known.gap is not None
    assert known.gap.names == ("p", "q", "x")
    assert known.lacks(["p"])
    assert not known.lacks(["y"])
