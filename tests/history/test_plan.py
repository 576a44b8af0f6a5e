"""What a checkout will do, decided before anything is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kishu_kernel.history.graph import Lookup, state_at
from kishu_kernel.history.plan import MOST_STEPS, make_plan
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Digest,
    LoadStep,
    Names,
    Plan,
    ReplayMode,
    SessionId,
    Version,
    VersionRecord,
)


class Graph:
    """Checkpoints, one after the other; a co-variable is a word or several, `!` before it: not stored."""

    def __init__(self) -> None:
        self.nodes: dict[CheckpointId, Checkpoint] = {}

    def add(
        self, id: str, parent: str | None, made: str = "", *, drops: str = "", reads: str = "", replayable: bool = True
    ) -> Graph:
        records = []
        for word in made.split(",") if made else []:
            stored = "!" not in word
            reason = None if stored else "generator objects cannot be stored"
            names = covariable(word.replace("!", ""))
            records.append(VersionRecord(names, Digest(b""), 10 if stored else 0, stored, reason, replayable, ()))
        dropped = [covariable(word) for word in drops.split(",")] if drops else []
        before = state_at(self.lookup, None if parent is None else CheckpointId(parent))
        touched = {name for record in records for name in record.names}
        dropped += [names for names in before if not touched.isdisjoint(names) and names not in dropped]
        self.nodes[CheckpointId(id)] = Checkpoint(
            CheckpointId(id),
            None if parent is None else CheckpointId(parent),
            SessionId("s"),
            *(0.0, 1, f"code of {id}", "ok", None, 1.5, (), (), (), ()),  # type: ignore[arg-type]
            inputs=tuple(reads.split()),
            versions=tuple(records),
            dropped=tuple(dropped),
        )
        return self

    def refer(self, id: str, names: str, *, requires: str = "", provides: str = "") -> Graph:
        """A version refers to these classes, and holds that one; the token of a class is its name."""
        node, of = self.nodes[CheckpointId(id)], covariable(names)
        holds = {each: each for each in provides.split()}
        records = [
            replace(each, requires=tuple(requires.split()), provides=holds) if each.names == of else each
            for each in node.versions
        ]
        self.nodes[CheckpointId(id)] = replace(node, versions=tuple(records))
        return self

    def distrust(self, *ids: str) -> Graph:
        for id in map(CheckpointId, ids):
            self.nodes[id] = replace(self.nodes[id], trusted=False)
        return self

    @property
    def lookup(self) -> Lookup:
        return self.nodes.__getitem__

    def plan(
        self,
        here: str | None,
        target: str | None,
        replay: ReplayMode = "auto",
        unloadable: dict[Version, str] | None = None,
    ) -> Plan:
        state = state_at(self.lookup, None if here is None else CheckpointId(here))
        return make_plan(self.lookup, state, None if target is None else CheckpointId(target), replay, unloadable)


def with_handle(graph: Graph, id: str, names: str) -> Graph:
    """A version has a handle of an engine in it."""
    node, of = graph.nodes[CheckpointId(id)], covariable(names)
    records = [replace(each, unnamed=Digest(b"d")) if each.names == of else each for each in node.versions]
    graph.nodes[CheckpointId(id)] = replace(node, versions=tuple(records))
    return graph


def covariable(text: str) -> Names:
    return tuple(sorted(text.split()))


def version(names: str, at: str) -> Version:
    return Version(covariable(names), CheckpointId(at))


def replays(plan: Plan) -> list[str]:
    return [step.checkpoint for step in plan.replay]


def test_a_handle_that_stays_is_read_as_it_is() -> None:
    graph = Graph().add("1", None, "!client").add("2", "1", "!kept", reads="client")
    assert replays(graph.plan("1", "2")) == ["1", "2"]
    with_handle(graph, "1", "client")
    plan = graph.plan("1", "2")
    assert (replays(plan), plan.keep) == (["2"], (version("client", "1"),))
    assert [step.version for step in plan.replay[0].loads] == [version("client", "1")]
    assert replays(graph.plan(None, "2")) == ["1", "2"]  # there is none to stay
    assert replays(graph.plan("1", "2", unloadable={version("client", "1"): "it has changed"})) == ["1", "2"]


# -- keep, load, delete ------------------------------------------------------------------------------------


def test_identical_versions_are_kept_and_others_loaded() -> None:
    graph = Graph().add("1", None, "df").add("2", "1", "gmm").add("3", "2", "plot")
    graph.add("4", "1", "gmm").add("5", "4", "plot, other")
    plan = graph.plan("5", "3")
    assert plan.keep == (version("df", "1"),)
    assert plan.load == (LoadStep(version("gmm", "2"), 10), LoadStep(version("plot", "3"), 10))
    assert plan.delete == ("other",)
    assert (plan.replay, plan.lost) == ((), ())
    assert plan.target == "3"


def test_to_where_we_are_and_to_the_empty_state() -> None:
    graph = Graph().add("1", None, "x, y z")
    here = graph.plan("1", "1")
    assert here.keep == (version("x", "1"), version("y z", "1"))
    assert (here.load, here.delete) == ((), ())
    empty = graph.plan("1", None)
    assert empty.target is None
    assert empty.delete == ("x", "y", "z")
    assert (empty.keep, empty.load) == ((), ())
    assert len(graph.plan(None, "1").load) == 2


def test_a_name_that_moves_to_another_covariable_is_not_deleted() -> None:
    graph = Graph().add("1", None, "x, y").add("2", "1", "x y")
    plan = graph.plan("2", "1")
    assert [step.version for step in plan.load] == [version("x", "1"), version("y", "1")]
    assert plan.delete == ()


def test_the_same_value_from_another_cell_is_another_version() -> None:
    graph = Graph().add("1", None, "x").add("2", "1", "x")
    assert graph.plan("1", "2").keep == ()


# -- re-run ------------------------------------------------------------------------------------------------


def test_what_was_not_stored_is_rerun_on_its_inputs() -> None:
    graph = Graph().add("1", None, "gmm, df").add("2", "1", "gmm", reads="gmm").add("3", "2", "!plot", reads="gmm")
    graph.add("4", "3", "plot, gmm")
    plan = graph.plan("4", "3")
    (step,) = plan.replay
    assert (step.checkpoint, step.code, step.seconds) == ("3", "code of 3", 1.5)
    assert step.gives == (version("plot", "3"),)
    assert step.loads == (LoadStep(version("gmm", "2"), 10),)
    assert (step.takes, step.in_between) == ((), ())
    assert [load.version for load in plan.load] == [version("gmm", "2")]


def test_inputs_are_those_of_the_parent_not_of_the_target() -> None:
    graph = Graph().add("1", None, "x").add("2", "1", "!g, x", reads="x").add("3", "2", "g, x")
    (step,) = graph.plan("3", "2").replay
    assert [load.version for load in step.loads] == [version("x", "1")]


def test_an_input_brings_its_whole_covariable() -> None:
    graph = Graph().add("1", None, "x y").add("2", "1", "!g", reads="x").add("3", "2", "g")
    (step,) = graph.plan("3", "2").replay
    assert [load.version for load in step.loads] == [version("x y", "1")]


def test_replay_is_recursive() -> None:
    graph = Graph().add("1", None, "gmm").add("2", "1", "!gmm", reads="gmm").add("3", "2", "!plot", reads="gmm")
    graph.add("4", "3", "plot, gmm")
    plan = graph.plan("4", "3")
    assert replays(plan) == ["2", "3"]  # cell 3 left it as it was, or its checkpoint would have another version
    assert [step.takes for step in plan.replay] == [(), (version("gmm", "2"),)]
    assert [step.in_between for step in plan.replay] == [(), ()]
    assert {version for step in plan.replay for version in step.gives} == {version("gmm", "2"), version("plot", "3")}


def test_what_only_a_later_rerun_needs_is_not_for_the_session() -> None:
    graph = Graph().add("1", None, "!g").add("2", "1", "!g, !h", reads="g").add("3", "2", "g, h").add("4", "2", "h")
    assert [step.in_between for step in graph.plan("3", "2").replay] == [(version("g", "1"),), ()]
    kept = graph.plan("4", "2")
    assert (kept.keep, replays(kept)) == ((version("g", "2"),), ["1", "2"])


def test_cells_are_rerun_in_the_order_of_the_first_run_whoever_needs_them() -> None:
    graph = Graph().add("0", None, "!z")
    for n in range(1, 30):
        graph.add(str(n), str(n - 1), f"!{chr(122 - n % 26)}{n}", reads="z")
    graph.add("end", "29", "z, " + ", ".join(f"{chr(122 - n % 26)}{n}" for n in range(1, 30)))
    plan = graph.plan("end", "29")
    assert replays(plan) == [str(n) for n in range(30)]
    assert plan.lost == ()


def test_what_one_cell_made_is_rerun_once() -> None:
    graph = Graph().add("1", None, "!a, !b, c").add("2", "1", "a, b, c")
    plan = graph.plan("2", "1")
    (step,) = plan.replay
    assert step.gives == (version("a", "1"), version("b", "1"))
    assert [load.version for load in plan.load] == [version("c", "1")]


def test_a_failed_load_is_as_good_as_not_stored() -> None:
    graph = Graph().add("1", None, "gmm").add("2", "1", "gmm", reads="gmm").add("3", "2", "plot", reads="gmm")
    graph.add("4", "3", "gmm, plot")
    plan = graph.plan("4", "3", unloadable={version("plot", "3"): "damaged"})
    assert replays(plan) == ["3"]
    plan = graph.plan("4", "3", unloadable={version("plot", "3"): "damaged", version("gmm", "2"): "damaged"})
    assert replays(plan)[-1] == "3"
    assert {load.version for step in plan.replay for load in step.loads} == {version("gmm", "1")}


def test_what_is_kept_is_not_used_up() -> None:
    """A re-run may change its inputs, so that it gets fresh ones even of what stays."""
    graph = Graph().add("1", None, "x").add("2", "1", "!g", reads="x").add("3", "2", "g")
    plan = graph.plan("3", "2")
    assert plan.keep == (version("x", "1"),)
    assert plan.load == ()
    assert [load.version for load in plan.replay[0].loads] == [version("x", "1")]


# -- lost --------------------------------------------------------------------------------------------------


def test_never_refuses_and_says_why() -> None:
    graph = Graph().add("1", None, "!g, x").add("2", "1", "g, x")
    plan = graph.plan("2", "1", "never")
    assert plan.replay == ()
    assert [step.version for step in plan.load] == [version("x", "1")]
    (lost,) = plan.lost
    assert lost.version == version("g", "1")
    assert "generator objects cannot be stored" in lost.reason
    assert "'never'" in lost.reason


def test_what_its_cell_did_not_make_is_lost() -> None:
    graph = Graph().add("1", None, "!g", replayable=False).add("2", "1", "g")
    (lost,) = graph.plan("2", "1").lost
    assert lost.version == version("g", "1")
    assert "code that ran outside of its cell" in lost.reason


def test_what_hangs_on_something_lost_is_lost() -> None:
    graph = Graph().add("1", None, "!g", replayable=False).add("2", "1", "!h", reads="g").add("3", "2", "h, g")
    plan = graph.plan("3", "2")
    assert {lost.version for lost in plan.lost} == {version("g", "1"), version("h", "2")}
    assert "needs g" in next(lost.reason for lost in plan.lost if lost.version == version("h", "2"))
    assert plan.replay == ()


def test_a_reason_that_loading_gave_is_told() -> None:
    graph = Graph().add("1", None, "x", replayable=False).add("2", "1", "x")
    (lost,) = graph.plan("2", "1", unloadable={version("x", "1"): "the chunk is damaged"}).lost
    assert "the chunk is damaged" in lost.reason


def test_too_long_a_chain_is_lost_rather_than_run() -> None:
    graph = Graph().add("0", None, "!g")
    for n in range(1, MOST_STEPS + 1):
        graph.add(str(n), str(n - 1), "!g", reads="g")
    graph.add("end", str(MOST_STEPS), "g")
    assert str(MOST_STEPS) in graph.plan("end", str(MOST_STEPS)).lost[0].reason
    assert len(graph.plan("end", str(MOST_STEPS - 1)).replay) == MOST_STEPS


def test_a_fan_of_missing_inputs_is_rerun_once() -> None:
    """Each cell reads two that are missing: once for each reader would double the re-runs with each generation."""
    graph = Graph().add("0", None, "!a, !b")
    for n in range(1, 40):
        graph.add(f"{n}a", "0" if n == 1 else f"{n - 1}b", "!a", reads="a b")
        graph.add(f"{n}b", f"{n}a", "!b", reads="a b")
    graph.add("end", "39b", "a, b")
    plan = graph.plan("end", "39b")
    assert (plan.lost, len(plan.replay)) == ((), 79)


def test_a_cell_that_failed_is_rerun_like_any_other() -> None:
    graph = Graph().add("1", None, "!g").add("2", "1", "g")
    graph.nodes[CheckpointId("1")] = replace(graph.nodes[CheckpointId("1")], status="error", error="ValueError")
    assert replays(graph.plan("2", "1")) == ["1"]


@pytest.mark.parametrize("target", ["1", "2"])
def test_a_plan_is_a_value(target: str) -> None:
    graph = Graph().add("1", None, "x, !g").add("2", "1", "x")
    assert graph.plan("2", target) == graph.plan("2", target)
    assert hash(graph.plan("2", target)) == hash(graph.plan("2", target))


# -- classes, and what refers to them ----------------------------------------------------------------------

CLASSES = "C D E F"


@pytest.mark.parametrize("changed", CLASSES.split())
def test_what_is_lost_all_the_same_makes_no_class_anew(changed: str) -> None:
    """One of the classes was changed since: the cell of `it` cannot give it, and what else it would give stays."""
    graph = Graph().add("1", None, CLASSES.replace(" ", ", ")).add("2", "1", "!it", reads=CLASSES)
    graph.add("3", "2", changed).add("4", "3", ", ".join(f"{name.lower()}1" for name in CLASSES.split()))
    graph.add("5", "4", drops="it").refer("2", "it", requires=CLASSES).refer("3", changed, provides=changed)
    for name in CLASSES.split():
        graph.refer("1", name, provides=name).refer("4", f"{name.lower()}1", requires=name)
    plan = graph.plan("5", "4")
    assert (plan.replay, plan.load) == ((), ())
    assert [lost.version for lost in plan.lost] == [version("it", "2")]
    assert f"{changed} was changed after its cell ran" in plan.lost[0].reason
    assert len(plan.keep) == 8


def test_a_class_that_two_cells_would_have_to_give_is_given_by_one() -> None:
    """What else the other would have given stays as it is."""
    graph = Graph().add("1", None, "C, D").add("2", "1", "!a", reads="C").add("3", "2", "!b", reads="C D")
    graph.add("4", "3", drops="a,b").refer("1", "C", provides="C").refer("1", "D", provides="D")
    graph.refer("2", "a", requires="C").refer("3", "b", requires="C D")
    plan = graph.plan("4", "3")
    assert replays(plan) == ["2"]
    assert [lost.version for lost in plan.lost] == [version("b", "3")]
    assert plan.keep == (version("D", "1"),)


# -- what somebody else may have written ---------------------------------------------------------------------


def test_what_is_not_trusted_is_neither_loaded_nor_rerun() -> None:
    graph = Graph().add("1", None, "x, !g").add("2", "1", "y").add("3", "2", "x, y, g").distrust("1")
    plan = graph.plan("3", "2")
    assert [step.version for step in plan.load] == [version("y", "2")]
    assert plan.replay == ()
    assert {lost.version for lost in plan.lost} == {version("x", "1"), version("g", "1")}
    for lost in plan.lost:
        assert "somebody else" in lost.reason
        assert "`jupyter kishu trust`" in lost.reason


def test_what_is_not_trusted_is_kept_where_it_is_in_the_session_already() -> None:
    graph = Graph().add("1", None, "x").add("2", "1", "y").distrust("1")
    plan = graph.plan("2", "1")
    assert plan.keep == (version("x", "1"),)
    assert plan.lost == ()


@pytest.mark.parametrize("input", ["x", "!x"])
def test_a_cell_is_not_rerun_on_what_is_not_trusted(input: str) -> None:
    graph = Graph().add("1", None, input).add("2", "1", "!g", reads="x").add("3", "2", "g").distrust("1")
    plan = graph.plan("3", "2")
    assert (plan.load, plan.replay) == ((), ())
    assert "`jupyter kishu trust`" in {lost.version: lost.reason for lost in plan.lost}[version("g", "2")]


def test_a_failed_load_does_not_fall_back_on_a_cell_that_is_not_trusted() -> None:
    graph = Graph().add("1", None, "x").add("2", "1", "x").distrust("1")
    plan = graph.plan("2", "1", unloadable={version("x", "1"): "damaged"})
    assert plan.replay == ()
    assert plan.lost[0].version == version("x", "1")


def test_who_stands_between_a_cell_and_its_inputs_could_choose_them() -> None:
    """Checkpoint 2 could hide the `x` that it made, so that cell 3 would run on that of checkpoint 1."""
    graph = Graph().add("1", None, "x").add("2", "1", "z").add("3", "2", "!g", reads="x").add("4", "3", "g")
    assert replays(graph.plan("4", "3")) == ["3"]
    graph.distrust("2")
    plan = graph.plan("4", "3")
    assert plan.replay == ()
    assert {lost.version for lost in plan.lost} == {version("g", "3")}
    assert "`jupyter kishu trust`" in plan.lost[0].reason


def test_a_cell_that_reads_nothing_is_rerun_wherever_it_stands() -> None:
    graph = Graph().add("1", None, "x").add("2", "1", "!g").add("3", "2", "g").distrust("1", "3")
    assert replays(graph.plan("3", "2")) == ["2"]
