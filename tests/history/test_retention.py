"""What a store keeps when space is short: nothing that is named goes, and the rest goes old first, thinned."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kishu_kernel.history.graph import Lookup, state_at
from kishu_kernel.history.plan import make_plan
from kishu_kernel.history.retention import RECENT, SMALL, Retention, retention
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Names, Plan, SessionId, Version, VersionRecord

NAMES = "abcde"
BIG = SMALL


def checkpoint(
    number: int,
    parent: int | None,
    made: Iterable[Names] = (),
    *,
    stored: bool = True,
    dropped: Iterable[Names] = (),
    inputs: str = "",
    size: int = BIG,
    replayable: bool = True,
) -> Checkpoint:
    reason = None if stored else "generator objects cannot be stored"
    records = tuple(VersionRecord(names, Digest(b""), size, stored, reason, replayable, ()) for names in made)
    return Checkpoint(
        id=named(number),
        parent=None if parent is None else named(parent),
        session=SessionId("s"),
        timestamp=float(number),
        execution_count=number,
        code=f"cell {number}",
        status="ok",
        error=None,
        duration=1.0,
        created=(),
        modified=(),
        deleted=(),
        accessed=(),
        inputs=tuple(inputs),
        versions=records,
        dropped=tuple(dropped),
    )


def named(number: int) -> CheckpointId:
    return CheckpointId(f"{number:016x}")


def chain(length: int, **options: object) -> list[Checkpoint]:
    """Each makes `x` anew, from the one before."""
    return [
        checkpoint(n, n - 1 if n > 1 else None, [("x",)], inputs="x", **options)  # type: ignore[arg-type]
        for n in range(1, length + 1)
    ]


def lookup_in(checkpoints: Iterable[Checkpoint]) -> Lookup:
    return {each.id: each for each in checkpoints}.__getitem__


def without(checkpoints: Iterable[Checkpoint], dropped: Collection[Version]) -> list[Checkpoint]:
    """The checkpoints after a store has forgotten these payloads."""
    return [
        replace(
            each,
            versions=tuple(
                replace(record, stored=False, reason="it was removed to save space")
                if Version(record.names, each.id) in dropped
                else record
                for record in each.versions
            ),
        )
        for each in checkpoints
    ]


def numbers(versions: Iterable[Version]) -> list[int]:
    return [int(version.checkpoint, 16) for version in versions]


def plan_to(checkpoints: Iterable[Checkpoint], target: CheckpointId) -> Plan:
    return make_plan(lookup_in(checkpoints), {}, target)


def loads(plan: Plan) -> set[Version]:
    return {load.version for part in (plan.load, *(step.loads for step in plan.replay)) for load in part}


@st.composite
def histories(draw: st.DrawFn, *, plain: bool = False) -> list[Checkpoint]:
    """Forests in which co-variables split, merge, vanish, are taken from elsewhere, and are not always stored."""
    made: list[Checkpoint] = []
    for number in range(1, draw(st.integers(1, 40)) + 1):
        parent = draw(st.none() | st.integers(max(1, number - 3), number - 1)) if number > 1 else None
        before = state_at(lookup_in(made), None if parent is None else named(parent))
        words = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "ab", "bcd"]), max_size=3, unique=True))
        covariables: list[Names] = []
        for word in words:
            if not any(set(word) & set(other) for other in covariables):
                covariables.append(tuple(word))
        touched = {name for names in covariables for name in names}
        taken = []
        if made and draw(st.integers(0, 4)) == 0:
            elsewhere = state_at(lookup_in(made), draw(st.sampled_from(made)).id)
            taken = [Version(names, at) for names, at in elsewhere.items() if not touched & set(names)][:1]
            touched.update(*(version.names for version in taken))
        dropped = [names for names in before if touched & set(names) or draw(st.integers(0, 9)) == 0]
        new = checkpoint(
            number,
            parent,
            covariables,
            dropped=dropped,
            stored=draw(st.integers(0, 4)) > 0,
            inputs="".join(draw(st.sets(st.sampled_from(NAMES)))),
            size=BIG if plain else draw(st.sampled_from([1, 1000, 10**9])),
            replayable=True if plain else draw(st.integers(0, 9)) > 0,
        )
        made.append(replace(new, taken=tuple(taken)))
    return made


def some_refs(data: st.DataObject, history: list[Checkpoint]) -> dict[str, CheckpointId]:
    chosen = data.draw(st.lists(st.sampled_from(history), max_size=4))
    return {f"tag/{number}": each.id for number, each in enumerate(chosen)}


# -- what holds for every history --------------------------------------------------------------------------


@given(histories(), st.data())
def test_every_stored_version_is_in_one_of_three(history: list[Checkpoint], data: st.DataObject) -> None:
    found = retention(history, some_refs(data, history))
    stored = [Version(record.names, each.id) for each in history for record in each.versions if record.stored]
    assert sorted([*found.protected, *found.unreachable, *found.expendable], key=repr) == sorted(stored, key=repr)


@given(histories(), st.data())
def test_to_heads_branches_and_tags_the_way_stays_the_same(history: list[Checkpoint], data: st.DataObject) -> None:
    refs = some_refs(data, history)
    found = retention(history, refs)
    left = without(history, {*found.unreachable, *found.expendable})
    for id in refs.values():
        assert plan_to(left, id) == plan_to(history, id)


@given(histories(plain=True), st.data())
def test_whenever_it_stops_what_is_left_makes_whole_checkpoints(history: list[Checkpoint], data: st.DataObject) -> None:
    """Each version goes together with what one checkpoint needs, and not before all of that goes."""
    recent = history[:RECENT]  # among these, no two checkpoints have the same turn
    order = retention(recent, some_refs(data, recent)).expendable
    plans = [plan_to(recent, each.id) for each in recent]
    assume(not any(plan.lost for plan in plans))  # hundreds of steps
    places = {version: place for place, version in enumerate(order)}
    for place, version in enumerate(order):
        having = [loads(plan) for plan in plans if version in loads(plan)]
        begins = [min(places.get(each, len(order)) for each in needs) for needs in having]
        assert any(set(order[begin:place]) <= needs for begin, needs in zip(begins, having, strict=True))


@given(histories(), st.data())
def test_the_order_of_what_is_given_does_not_matter(history: list[Checkpoint], data: st.DataObject) -> None:
    refs = some_refs(data, history)
    shuffled = data.draw(st.permutations(history))
    assert retention(shuffled, dict(reversed(refs.items()))) == retention(history, refs)


@given(histories(), st.data())
@settings(max_examples=50)
def test_a_state_is_that_of_the_graph(history: list[Checkpoint], data: st.DataObject) -> None:
    """Retention walks states step by step; what it protects is what `state_at` says."""
    target = data.draw(st.sampled_from(history)).id
    state = state_at(lookup_in(history), target)
    stored = {Version(names, at) for names, at in state.items() if lookup_in(history)(at).record(names).stored}
    assert stored <= retention(history, {"head/s": target}).protected


# -- what a person expects ---------------------------------------------------------------------------------


def test_a_deleted_branch_goes_and_what_others_share_with_it_stays() -> None:
    history = [
        checkpoint(1, None, [("x",), ("y",)]),
        checkpoint(2, 1, [("x",)]),  # the branch that was deleted
        checkpoint(3, 2, [("z",)]),
        checkpoint(4, 1, [("x",)]),
    ]
    found = retention(history, {"branch/main": named(4), "head/s": named(4)})
    assert sorted(numbers(found.unreachable)) == [2, 3]
    assert found.protected == {Version(("y",), named(1)), Version(("x",), named(4))}
    assert found.expendable == (Version(("x",), named(1)),)


def test_where_redo_leads_to_goes_late() -> None:
    history = [*chain(200), checkpoint(201, 10, [("x",)])]
    refs = {"head/s": named(201), "branch/main": named(200)}
    assert 11 not in numbers(retention(history, refs).expendable)[-30:]
    assert 11 in numbers(retention(history, refs, redo=[named(11)]).expendable)[-30:]


def test_where_redo_leads_to_goes_with_its_branch() -> None:
    history = [*chain(200), checkpoint(201, 10, [("x",)])]
    assert len(retention(history, {"head/s": named(201)}, redo=[named(11)]).unreachable) == 190


def test_what_a_rerun_for_a_tag_needs_is_protected() -> None:
    history = [
        checkpoint(1, None, [("data",)]),
        checkpoint(2, 1, [("gen",)], stored=False),
        checkpoint(3, 2, [("data",)]),
        checkpoint(4, 3, [("gen",)]),
    ]
    history[1] = replace(history[1], inputs=("data",))
    refs = {"tag/good": named(2), "head/s": named(4)}
    assert Version(("data",), named(1)) in retention(history, refs).protected
    history[3] = replace(history[3], versions=(replace(history[3].versions[0], stored=False),), inputs=("gen", "data"))
    del refs["tag/good"]
    assert retention(history, refs).protected == {Version(("data",), named(3)), Version(("data",), named(1))}


def test_a_ref_to_nowhere_and_a_missing_parent_do_no_harm() -> None:
    found = retention([checkpoint(2, 1, [("x",)])], {"head/s": named(2), "tag/gone": named(9)}, redo=[named(8)])
    assert found == Retention(frozenset({Version(("x",), named(2))}), frozenset(), ())


def test_old_ones_are_thinned_not_cut_off() -> None:
    history = chain(1000)
    order = numbers(retention(history, {"head/s": named(1000)}).expendable)
    assert order[-RECENT + 1 :] == list(range(1000 - RECENT + 1, 1000))
    left = sorted(order[-80:])
    gaps = [later - earlier for earlier, later in pairwise(left)]
    assert all(earlier * 2 >= later for earlier, later in pairwise(gaps))
    for begin in (0, 250, 500, 750):  # something of every quarter is left
        assert any(begin < number <= begin + 250 for number in left)
    assert sum(number > 500 for number in left) > 2 * sum(number <= 500 for number in left)


def test_the_first_to_go_are_old() -> None:
    order = numbers(retention(chain(1000), {"head/s": named(1000)}).expendable)
    assert sum(number <= 500 for number in order[:250]) > 200


def test_thinning_again_and_again_leaves_what_thinning_once_does() -> None:
    """Limits are kept by small steps, while the history grows: it must not end as a mere cut-off."""
    history: list[Checkpoint] = []
    dropped: set[Version] = set()
    for each in chain(600):
        history = without([*history, each], dropped)
        order = retention(history, {"head/s": each.id}).expendable
        dropped.update(order[: max(0, len(order) - 60)])
    left = set(range(1, 600)) - set(numbers(dropped))
    once = numbers(retention(chain(600), {"head/s": named(600)}).expendable)[-60:]
    assert len(left & set(once)) >= 50
    assert min(left) < 150


def test_what_little_space_is_not_worth_goes_later() -> None:
    history = [replace(each, versions=(replace(each.versions[0], size=100),)) for each in chain(60)]
    history[1] = checkpoint(2, 1, [("x",)], inputs="x", size=10**9)
    history[30] = checkpoint(31, 30, [("x",)], inputs="x", size=10**9)
    assert set(numbers(retention(history, {"head/s": named(60)}).expendable)[:2]) == {2, 31}


def test_what_a_rerun_would_not_bring_back_goes_later_than_its_like() -> None:
    history = chain(60)
    history[10] = checkpoint(11, 10, [("x",)], inputs="x", replayable=False)
    order = numbers(retention(history, {"head/s": named(60)}).expendable)
    assert order.index(11) > max(order.index(9), order.index(13), order.index(15))


def test_a_version_that_many_states_share_lives_as_long_as_the_last_of_them() -> None:
    history = [checkpoint(1, None, [("data",)]), *(checkpoint(n, n - 1, [("x",)]) for n in range(2, 100))]
    history.append(checkpoint(100, 99, dropped=[("data",)]))
    order = retention(history, {"head/s": named(100)}).expendable
    assert ("data",) in {version.names for version in order[-2:]}


@pytest.mark.parametrize("target", [1, 7, 60, 150])
def test_what_was_dropped_can_be_had_again_by_rerunning(target: int) -> None:
    history = chain(180)
    found = retention(history, {"head/s": named(180)})
    plan = plan_to(without(history, set(found.expendable)), named(target))
    assert not plan.lost
    assert [step.checkpoint for step in plan.replay] == [named(n) for n in range(1, target + 1)]
    half = without(history, set(found.expendable[: len(found.expendable) // 2]))
    assert len(plan_to(half, named(target)).replay) < 8


def test_a_long_history_is_no_matter() -> None:
    """States are walked, not built anew for each checkpoint: that would be 500 million steps."""
    made = random.Random(1)
    history = [
        checkpoint(n, n - 1 if n > 1 else None, [(f"v{made.randrange(1000)}",)], inputs="x") for n in range(1, 10_001)
    ]
    found = retention(history, {f"tag/{n}": named(n) for n in range(1, 10_001, 10)})
    assert len(found.protected) > 9_000
    assert found.protected | set(found.expendable) >= {
        Version(names, at) for names, at in state_at(lookup_in(history), named(7_777)).items()
    }
