"""The road, stage by stage, in this process: a real `Session` over the store in memory."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from typing import Any

import pytest

from kishu_kernel.detect.access_trackers import TrackerKind
from kishu_kernel.errors import (
    CheckoutError,
    LostError,
    NothingToUndoError,
    ReplayError,
    UnknownTargetError,
)
from kishu_kernel.history.graph import ancestry
from kishu_kernel.history.lines import SIDE
from kishu_kernel.model import CellRun, Checkpoint, CheckpointId
from kishu_kernel.session.rerun import Rerun
from kishu_kernel.session.timeline import BRANCH
from tests.support.describer import differences
from tests.support.harness import FailingStore, Notebook


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


def touched(checkpoint: Checkpoint) -> tuple[str, str, str]:
    """Names created, modified and deleted, as words."""
    return (
        " ".join(checkpoint.created),
        " ".join(checkpoint.modified),
        " ".join(checkpoint.deleted),
    )


def versions(checkpoint: Checkpoint) -> set[tuple[str, ...]]:
    return {record.names for record in checkpoint.versions}


class Untouched:
    """What must be the same after something that failed: objects, their content, head, and refs."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.before = self.taken()

    def taken(self) -> tuple[object, ...]:
        notebook = self.notebook
        everything = {name: id(obj) for name, obj in dict.items(notebook.live)}
        timeline = notebook.session.timeline
        return notebook.describe(), everything, notebook.head, timeline.branch, notebook.store.refs()

    def check(self) -> None:
        assert self.taken() == self.before


# -- deltas ------------------------------------------------------------------------------------------

BEFORE = "x = [1]; y = [2]; z = 3\ndef f():\n    x.append(z)\ndef g():\n    return len(y)"

DELTAS = [
    # a cell, what it creates, modifies, deletes
    ("pass", "", "", ""),
    ("x[0]", "_2", "", ""),
    ("w = 1", "w", "", ""),
    ("w = x[:]", "w", "", ""),
    ("z = 4", "", "z", ""),
    ("z = 3", "", "", ""),
    ("x = [1]", "", "", ""),
    ("x.append(2)", "", "x", ""),
    ("del z", "", "", "z"),
    ("del x, y", "", "", "x y"),
    ("x.append(1); del x[-1]", "", "", ""),
    ("f()", "", "x", ""),
    ("g()", "_2", "", ""),
    ("[h for h in (f,)][0]()", "", "x", ""),
    ("globals()['x'].append(2)", "", "x", ""),
    ("exec('x.append(2); w = 1')", "w", "x", ""),
    ("for w in [f]: w()", "w", "x", ""),
    ("class C:\n    x.append(2)", "C", "x", ""),
    ("import math", "math", "", ""),
    ("x.append(2)\n1 / 0", "", "x", ""),
    ("w = 1\nraise KeyboardInterrupt", "w", "", ""),
    ("this does not parse", "", "", ""),
]


@pytest.mark.parametrize(("cell", "created", "modified", "deleted"), DELTAS)
def test_the_delta_of_a_cell(notebook: Notebook, cell: str, created: str, modified: str, deleted: str) -> None:
    notebook.ok(BEFORE)
    checkpoint = notebook.run(cell)
    assert checkpoint is not None
    assert touched(checkpoint) == (created, modified, deleted)


def test_the_status_of_a_cell_is_kept(notebook: Notebook) -> None:
    good, bad, stopped = map(notebook.run, ["x = 1", "1 / 0", "raise KeyboardInterrupt"])
    assert good is not None
    assert bad is not None
    assert stopped is not None
    assert (good.status, good.error) == ("ok", None)
    assert (bad.status, bad.error) == ("error", "ZeroDivisionError")
    assert (stopped.status, stopped.error) == ("interrupted", "KeyboardInterrupt")


def test_only_what_changed_gets_a_version(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]")
    assert versions(notebook.ok("len(x), y.append(3)")) == {("_2",), ("y",)}


def test_a_merge(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]")
    merged = notebook.ok("y.append(x)")
    assert versions(merged) == {("x", "y")}
    assert set(merged.dropped) == {("x",), ("y",)}
    assert touched(merged) == ("", "y", "")
    assert notebook.covariables() == {("x", "y")}


def test_a_split(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [x]")
    split = notebook.ok("y.pop()\nNone")
    assert versions(split) == {("x",), ("y",)}
    assert split.dropped == (("x", "y"),)
    assert touched(split) == ("", "y", "")
    assert notebook.covariables() == {("x",), ("y",)}


def test_a_member_that_leaves(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [x]; z = [x]")
    left = notebook.ok("del z")
    assert versions(left) == {("x", "y")}
    assert left.dropped == (("x", "y", "z"),)
    assert touched(left) == ("", "", "z")


def test_an_alias_joins(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    joined = notebook.ok("y = x")
    assert versions(joined) == {("x", "y")}
    assert touched(joined) == ("y", "", "")


def test_sharing_alone_is_a_change(notebook: Notebook) -> None:
    """Equal before and after, but no longer two lists."""
    notebook.ok("x = [1]; y = [1]")
    assert touched(notebook.ok("y = x")) != ("", "", "")
    assert notebook.covariables() == {("x", "y")}
    notebook.session.undo()
    assert notebook["x"] is not notebook["y"]
    notebook.session.redo()
    assert notebook["x"] is notebook["y"]


def test_sharing_that_moves_inside_a_covariable(notebook: Notebook) -> None:
    notebook.ok("a = [0]; b = [0]; x = [a, b]; y = [a, b]")
    before = notebook.describe()
    checkpoint = notebook.ok("y[0] = b")
    assert versions(checkpoint) == {("a", "b", "x", "y")}
    notebook.session.undo()
    assert notebook.describe() == before


def test_the_inputs_of_a_cell(notebook: Notebook) -> None:
    notebook.ok("x = 1; y = [x]; z = 2\ndef f():\n    return z")
    checkpoint = notebook.ok("x = 5; w = (x, y, f())")
    assert "y" in checkpoint.inputs
    assert "f" in checkpoint.inputs
    assert "z" in checkpoint.inputs
    assert "x" not in checkpoint.inputs


# -- undo, redo, checkout, branches ------------------------------------------------------------------


def test_undo_and_redo(notebook: Notebook) -> None:
    cells = ["x = [1]", "x.append(2)", "y = x", "del x", "y.append(3)"]
    states = [notebook.describe()]
    heads = [None]
    for cell in cells:
        heads.append(notebook.ok(cell).id)  # type: ignore[arg-type]
        states.append(notebook.describe())
    for at in reversed(range(len(cells))):
        assert notebook.session.undo().head == heads[at]
        assert differences(states[at], notebook.describe()) == []
    with pytest.raises(NothingToUndoError):
        notebook.session.undo()
    for at in range(1, len(states)):
        assert notebook.session.redo().head == heads[at]
        assert differences(states[at], notebook.describe()) == []
    with pytest.raises(NothingToUndoError):
        notebook.session.redo()
    assert notebook.session.undo(steps=3).head == heads[2]
    assert notebook.session.redo(steps=2).head == heads[4]
    assert differences(states[4], notebook.describe()) == []


def test_redo_goes_where_undo_came_from(notebook: Notebook) -> None:
    notebook.ok("x = 1")
    notebook.ok("x = 2")
    notebook.session.undo()
    other = notebook.ok("x = 3")
    notebook.session.undo()
    assert notebook.session.redo().head == other.id
    assert notebook["x"] == 3


def test_too_many_steps_change_nothing(notebook: Notebook) -> None:
    notebook.ok("x = 1")
    notebook.ok("x = 2")
    untouched = Untouched(notebook)
    with pytest.raises(NothingToUndoError):
        notebook.session.undo(steps=3)
    with pytest.raises(NothingToUndoError):
        notebook.session.redo()
    with pytest.raises(UnknownTargetError):
        notebook.session.checkout("nowhere")
    untouched.check()


def test_branches(notebook: Notebook) -> None:
    timeline = notebook.session.timeline
    root = notebook.ok("x = 1")
    one = notebook.ok("x = 2")
    assert timeline.branch == "main"
    notebook.session.checkout(root.id)
    assert (timeline.branch, timeline.names("branch/")) == ("main", {"main": one.id})
    other = notebook.ok("x = 3")
    assert other.parent == root.id
    assert timeline.names("branch/") == {"main": other.id}
    notebook.session.checkout(one.id)
    assert (notebook["x"], timeline.branch) == (2, "main")
    timeline.set_name(BRANCH, "idea", one.id)
    notebook.session.checkout("idea")
    further = notebook.ok("x = 4")
    assert timeline.names("branch/") == {"main": other.id, "idea": further.id}
    notebook.session.checkout("main")
    assert (notebook["x"], timeline.branch) == (3, "main")


def test_every_end_is_found_as_long_as_nobody_deletes_its_branch(notebook: Notebook) -> None:
    timeline = notebook.session.timeline
    notebook.ok("x = 0")

    def sides() -> set[CheckpointId]:
        return {id for name, id in timeline.store.refs().items() if name.startswith(SIDE)}

    left = []
    for number in range(3):
        left.append(notebook.ok(f"x = [{number}]").id)
        notebook.session.undo()
    assert sides() == set(left[:2])  # the last one still has the branch
    now = notebook.ok("x = None")
    assert sides() == set(left)
    assert timeline.collect().removed.checkpoints == 0
    notebook.session.checkout(left[0])
    notebook.ok("x.append(1)")  # that line has gone on, and is the one that is worked on
    assert sides() == {*left[1:], now.id}

    timeline.set_name(BRANCH, "idea", left[1])
    assert sides() == {left[2], now.id}
    timeline.set_name(BRANCH, "idea", left[2])  # by hand, elsewhere
    assert sides() == {left[1], now.id}
    timeline.delete_name(BRANCH, "main")
    assert timeline.branch is None
    notebook.session.checkout("idea")
    assert len(sides()) == 3  # what was just left, too, though nothing named it


def test_a_checkout_of_where_we_are_does_nothing(notebook: Notebook) -> None:
    here = notebook.ok("x = [1]; y = {}")
    identities = notebook.identities()
    plan = notebook.session.checkout("HEAD").plan
    assert (plan.load, plan.delete, plan.replay) == ((), (), ())
    assert notebook.identities() == identities
    assert notebook.head == here.id


def test_untouched_variables_stay_the_same_objects(notebook: Notebook) -> None:
    notebook.ok("a = [1]; b = [a]; c = {}; d = 'text'; e = object()")
    before = notebook.identities()
    notebook.ok("c['k'] = 1; f = 2")
    outcome = notebook.session.undo()
    after = notebook.identities()
    assert {name for name in before if before[name] != after[name]} == {"c"}
    assert outcome.plan.delete == ("f",)
    assert [step.version.names for step in outcome.plan.load] == [("c",)]


def test_an_undone_change_brings_a_new_object_for_its_covariable_only(notebook: Notebook) -> None:
    notebook.ok("a = [1]; b = [a]; c = [2]")
    kept, changed = notebook["c"], notebook["a"]
    notebook.ok("a.append(c[0])")
    notebook.session.undo()
    assert notebook["c"] is kept
    assert notebook["a"] is not changed
    assert changed == [1, 2]  # nobody wrote into the object that was there
    assert notebook["a"] == [1]
    assert notebook["b"][0] is notebook["a"]


def test_functions_see_the_live_namespace_after_a_checkout(notebook: Notebook) -> None:
    notebook.ok("n = 1\ndef f():\n    return n\ng = [f]")
    notebook.ok("del f, g")
    notebook.session.undo()
    notebook.ok("n = 7")
    assert notebook["f"]() == 7
    assert notebook["f"] is notebook["g"][0]
    assert notebook["f"].__globals__ is notebook.live


def test_a_change_after_a_checkout_is_seen(notebook: Notebook) -> None:
    notebook.ok("x = [1]\ndef f():\n    x.append(0)")
    notebook.ok("del x, f")
    notebook.session.undo()
    assert touched(notebook.ok("f()")) == ("", "x", "")
    assert touched(notebook.ok("x")) == ("_4", "", "")
    assert touched(notebook.ok("x.append(1)")) == ("", "_4 x", "")


# -- all or nothing ----------------------------------------------------------------------------------


def test_a_payload_that_does_not_load_leaves_everything(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]")
    notebook.ok("x.append(2); y.append(3); z = 1")
    notebook.store.unloadable = {"y"}
    untouched = Untouched(notebook)
    with pytest.raises(LostError, match="y"):
        notebook.session.undo(replay="never")
    untouched.check()
    notebook.store.unloadable = set()
    notebook.session.undo()
    assert (notebook["x"], notebook["y"]) == ([1], [2])
    assert "z" not in notebook.live


def test_a_payload_that_does_not_load_is_recomputed(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.ok("y = [x[0], 2]")
    notebook.ok("y.append(3)")
    notebook.store.unloadable = {"y"}
    plan = notebook.session.undo().plan
    assert notebook["y"] == [1, 2]
    assert [step.code for step in plan.replay] == ["y = [x[0], 2]"]


def test_a_class_that_is_gone_is_a_payload_that_does_not_load(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fractions

    notebook.ok("from fractions import Fraction\nx = [Fraction(1, 2)]")
    notebook.ok("x.clear()")
    monkeypatch.delattr(fractions, "Fraction")
    untouched = Untouched(notebook)
    with pytest.raises(CheckoutError):
        notebook.session.undo()  # neither loads, nor does the cell run
    untouched.check()


def test_a_rerun_that_ends_otherwise_leaves_everything(notebook: Notebook) -> None:
    notebook.ok("import itertools, math\nmath.kishu_runs = [0]")
    try:
        notebook.ok("math.kishu_runs[0] += 1\n1 / (2 - math.kishu_runs[0])\ngen = (i for i in [1])")
        notebook.ok("gen = 0; w = 1")
        untouched = Untouched(notebook)
        with pytest.raises(ReplayError, match="ZeroDivisionError"):
            notebook.session.undo()
        untouched.check()
    finally:
        del notebook["math"].kishu_runs


@pytest.mark.parametrize(
    ("second", "complaint"),
    [("pass", "did not give gen"), ("gen = [1]", "gave gen as list, not as generator")],
)
def test_a_rerun_that_gives_something_else_leaves_everything(notebook: Notebook, second: str, complaint: str) -> None:
    notebook.ok("import math\nmath.kishu_code = ['gen = (i for i in [1])']")
    try:
        notebook.ok("exec(math.kishu_code[0])")
        notebook["math"].kishu_code[0] = second
        notebook.ok("gen = 0; w = 1")
        untouched = Untouched(notebook)
        with pytest.raises(ReplayError, match=complaint):
            notebook.session.undo()
        untouched.check()
    finally:
        del notebook["math"].kishu_code


def test_an_interrupted_rerun_leaves_everything(notebook: Notebook) -> None:
    notebook.ok("gen = (i for i in [1])")
    notebook.ok("gen = 0; w = [1]")
    untouched = Untouched(notebook)

    def interrupted(code: str, number: int | None) -> Rerun:
        dict.update(notebook.live, w=5, unheard_of=6)
        raise KeyboardInterrupt

    notebook.rerunner = interrupted
    with pytest.raises(KeyboardInterrupt):
        notebook.session.undo()
    untouched.check()


@pytest.mark.parametrize("failing", ["payloads", "all"])
def test_a_checkpoint_that_cannot_be_written(notebook: Notebook, failing: str) -> None:
    notebook.ok("x = [1]; y = [2]")
    before = notebook.describe()
    notebook.store.commits = failing
    assert notebook.run("x.append(2); w = [x]; del y") is None
    assert "the disk is full" in str(notebook.session.flush())
    assert len(notebook.warnings) == 1
    assert "the disk is full" in notebook.warnings[0]
    assert notebook["w"] == [[1, 2]]  # the user's cell is untouched
    assert notebook.covariables() == {("x",), ("y",)}
    notebook.store.commits = "none"
    made_up = notebook.ok("z = 1")
    assert touched(made_up) == ("w z", "x", "y")
    after = notebook.describe()
    notebook.session.checkout("HEAD~2")  # before it stands what is left of the one that was lost
    assert differences(before, notebook.describe()) == []
    notebook.session.checkout(made_up.id)
    assert differences(after, notebook.describe()) == []


def test_an_incomplete_checkpoint_says_so(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    first = notebook.head
    notebook.store.commits = "payloads"
    assert notebook.run("x.append(2)") is None
    assert notebook.run("x.append(3)") is None
    notebook.store.commits = "none"
    notebook.ok("x.append(4)")
    made_up, *lost, _ = ancestry(notebook.session.timeline.lookup, notebook.head)
    assert made_up.modified == ("x",)
    assert [each.code for each in lost] == ["x.append(3)", "x.append(2)"]
    for each in lost:
        assert "the disk is full" in str(each.incomplete)
        assert [(record.names, record.stored) for record in each.versions] == [(("x",), False)]
        assert each.dropped == ()
    assert lost[-1].parent == first
    with pytest.raises(LostError, match=r"x \(it could not be stored: the disk is full\)"):
        notebook.session.undo()
    assert notebook["x"] == [1, 2, 3, 4]
    notebook.session.undo(3)
    assert notebook["x"] == [1]
    notebook.session.redo(3)
    assert notebook["x"] == [1, 2, 3, 4]


def test_what_an_incomplete_checkpoint_left_out_cannot_be_recomputed(notebook: Notebook) -> None:
    """The next checkpoint has it, but its cell did not make it."""
    notebook.ok("pass")
    notebook.store.commits = "all"
    assert notebook.run("x = [1]; gen = (i for i in x)") is None
    notebook.store.commits = "none"
    made_up = notebook.ok("z = 1")
    assert touched(made_up)[0] == "gen x z"
    notebook.ok("gen = 0")
    with pytest.raises(LostError, match="gen"):
        notebook.session.undo()
    assert notebook["gen"] == 0


def test_a_ref_that_cannot_be_written_stops_no_undo(notebook: Notebook) -> None:
    notebook.ok("x = 1")
    notebook.ok("x = 2")
    notebook.store.updates = True
    notebook.session.undo()
    assert notebook["x"] == 1
    store = notebook.session.timeline.store
    store.flush()
    assert store.refs()["head/here"] == notebook.head != notebook.store.refs()["head/here"]
    branched = notebook.ok("y = 1")  # the ref goes with what is written next
    assert notebook.store.refs()["head/here"] == branched.id


def test_a_disk_that_fills_and_empties_is_told_once_each_time(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    for _ in range(2):
        notebook.store.commits = "all"
        assert notebook.run("x.append(2)") is None
        assert notebook.run("x.append(3)") is None
        notebook.store.commits = "none"
        notebook.ok("x.append(4)")
        notebook.ok("pass")
    told = [warning for warning, _ in itertools.groupby(notebook.warnings)]  # as it is shown
    assert ["the disk is full" in warning for warning in told] == [True, False] * 2


# -- while the writer writes -------------------------------------------------------------------------


def test_a_cell_waits_only_for_what_it_could_overwrite(notebook: Notebook) -> None:
    notebook.ok("import numpy; y = 1\ndef grow():\n    a[0] = 9")
    notebook.store.gate.clear()
    notebook.ok("a = numpy.zeros(1000)")
    for harmless in ("y = 2", "z = [y]; b = numpy.ones(1000)", "pass"):
        notebook.ok(harmless)
    assert not notebook.store.contains(notebook.head)
    for count, touching in enumerate(("a[0] = 5", "grow()", "globals()['a'][0] = 5", "exec(y)")):
        started = threading.Thread(target=lambda code=touching: notebook.session.discard(notebook.begin(code)))
        started.start()
        started.join(0.2)
        assert started.is_alive(), touching
        notebook.store.gate.set()
        started.join(30)
        notebook.store.gate.clear()
        notebook.ok(f"a = numpy.full(1000, {count})")
    notebook.store.gate.set()


def test_what_is_stored_is_what_the_cell_left(notebook: Notebook) -> None:
    notebook.ok("import numpy; a = numpy.zeros(100_000)")
    for value in range(1, 30):
        notebook.store.gate.clear()
        opening = threading.Timer(0.005, notebook.store.gate.set)
        opening.start()
        notebook.ok(f"a[:] = {value}")  # at once, while the last one is still being written
        opening.join()
    for value in range(28, 0, -1):
        notebook.session.undo()
        assert notebook["a"].min() == notebook["a"].max() == value


def test_an_undo_follows_at_once(notebook: Notebook) -> None:
    notebook.ok("import numpy; a = numpy.zeros(1000)")
    notebook.store.gate.clear()
    notebook.ok("a += 1")
    threading.Timer(0.1, notebook.store.gate.set).start()
    notebook.session.undo()
    assert notebook["a"].max() == 0
    notebook.session.redo()
    assert notebook["a"].min() == 1


def test_an_undo_that_would_lose_the_state_as_it_is_is_refused(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.ok("x.append(2)")
    notebook.hidden("x.append(3)")
    notebook.store.commits = "all"
    with pytest.raises(CheckoutError, match="the disk is full"):
        notebook.session.undo()
    assert notebook["x"] == [1, 2, 3]
    notebook.store.commits = "none"
    notebook.session.undo()
    assert notebook["x"] == [1]


def test_an_error_of_ours_does_not_reach_the_cell(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook.ok("x = [1]")
    with monkeypatch.context() as patch:
        patch.setattr(notebook.session._ledger, "judge", lambda *_, **__: 1 / 0)
        checkpoint = notebook.run("x.append(2)")
    assert checkpoint is not None
    assert checkpoint.incomplete == "ZeroDivisionError: division by zero"
    after = notebook.ok("pass")
    assert after.parent is not None
    made_up = notebook.session.timeline.lookup(after.parent)
    assert (made_up.code, made_up.parent, touched(made_up)) == ("", checkpoint.id, ("", "x", ""))


def test_what_an_interrupted_checkpoint_left_out_comes_back(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    notebook.ok("x = [1]")
    with monkeypatch.context() as patch:
        patch.setattr(notebook.session._ledger, "take_checkpoint", stop)
        assert notebook.run("x.append(2)").incomplete  # type: ignore[union-attr]
    notebook.ok("x.append(3)")
    notebook.session.undo()
    assert notebook["x"] == [1, 2]


def test_a_checkpoint_that_could_not_even_begin_is_in_the_log(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    ticket = notebook.begin("x.append(2)")
    notebook.live["x"].append(2)
    given_up = notebook.session.after_failed_checkpoint(
        ticket, CellRun("x.append(2)", 2, "ok", 0.0, 0.0), "KeyboardInterrupt"
    )
    assert given_up is not None
    assert (given_up.code, given_up.incomplete) == ("x.append(2)", "KeyboardInterrupt")
    notebook.ok("x.append(3)")
    notebook.session.undo()
    assert notebook["x"] == [1, 2]


def test_what_cuts_every_checkpoint_short_stops_no_cell_twice(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    notebook.ok("x = [1]")
    monkeypatch.setattr(notebook.session._ledger, "take_checkpoint", stop)
    notebook.run("x.append(2)")
    with pytest.raises(KeyboardInterrupt):
        notebook.begin("x.append(3)")
    assert notebook.run("x.append(4)") is not None
    assert notebook["x"] == [1, 2, 4]


# -- lost --------------------------------------------------------------------------------------------


def test_what_is_lost_is_told_before_anything_is_applied(notebook: Notebook) -> None:
    notebook.ok("gen = kept = None")
    notebook.hidden("gen = (i for i in [1]); kept = [1]")
    there = notebook.ok("x = [1]")
    notebook.ok("gen = 0; kept.append(2); x.append(2)")
    untouched = Untouched(notebook)
    with pytest.raises(LostError, match="gen"):
        notebook.session.checkout(there.id)
    assert [lost.version.names for lost in notebook.session.checkout(there.id, dry_run=True).plan.lost] == [("gen",)]
    untouched.check()


def test_what_is_lost_can_be_left_behind(notebook: Notebook) -> None:
    notebook.ok("gen = kept = None")
    notebook.hidden("gen = (i for i in [1]); kept = [1]")
    there = notebook.ok("x = [1]")
    notebook.ok("gen = 0; kept.append(2); x.append(2)")
    outcome = notebook.session.checkout(there.id, allow_lost=True)
    assert [lost.version.names for lost in outcome.plan.lost] == [("gen",)]
    assert (notebook["kept"], notebook["x"]) == ([1], [1])
    assert "gen" not in notebook.live
    below = notebook.ok("w = 1")
    assert ("gen",) in below.dropped
    notebook.ok("w = 2")
    notebook.session.checkout(below.id)  # needs no gen
    assert notebook["w"] == 1


def test_what_was_lost_can_be_made_anew(notebook: Notebook) -> None:
    notebook.ok("gen = None")
    notebook.hidden("gen = (i for i in [1])")
    there = notebook.ok("x = [1]")
    notebook.ok("gen = 0")
    notebook.session.checkout(there.id, allow_lost=True)
    anew = notebook.ok("gen = [5]")
    notebook.ok("gen = 6")
    notebook.session.checkout(anew.id)
    assert notebook["gen"] == [5]


# -- replay ------------------------------------------------------------------------------------------


def test_replay_is_recursive(notebook: Notebook) -> None:
    notebook.ok("base = [1, 2, 3]")
    notebook.ok("one = (i * 10 for i in base)")
    notebook.ok("two = (i + 1 for i in one)")
    state = notebook.describe()
    notebook.ok("one = two = None; base.clear()")
    outcome = notebook.session.undo()
    assert [step.code for step in outcome.plan.replay] == [
        "one = (i * 10 for i in base)",
        "two = (i + 1 for i in one)",
    ]
    assert differences(state, notebook.describe()) == []
    assert list(notebook["two"]) == [11, 21, 31]
    assert notebook["base"] == [1, 2, 3]


def test_a_rerun_works_on_inputs_of_its_own(notebook: Notebook) -> None:
    """The cell changes its input; what it changed it to is another version, kept apart."""
    notebook.ok("x = [1]")
    notebook.ok("x.append(2); lazy = (len(x) for _ in [0])")
    notebook.ok("y = x[:]")
    notebook.ok("lazy = None")
    notebook.session.undo()
    assert notebook["x"] == [1, 2]
    assert next(notebook["lazy"]) == 2


def test_a_rerun_leaves_no_trace(notebook: Notebook) -> None:
    notebook.ok("gen = (i for i in [1]); other = [1]; scratch = 5")
    notebook.ok("other.append(2); scratch = 6")
    notebook.ok("gen = None; mine = 1")
    other = notebook["other"]
    notebook.session.undo()
    assert notebook["other"] is other
    assert notebook["scratch"] == 6
    assert "mine" not in notebook.live


def test_a_displayed_value_is_recomputed(notebook: Notebook) -> None:
    notebook.ok("(i for i in [7])")
    notebook.ok("_1 = None")
    notebook.session.undo()
    assert list(notebook["_1"]) == [7]


def test_a_rerun_gets_what_was_displayed_then(notebook: Notebook) -> None:
    notebook.ok("[5, 6]")
    notebook.ok("_.append(7); gen = (i for i in _)")
    there = notebook.describe()
    notebook.ok("gen = None")
    shown = notebook.ok("[1]")
    notebook.session.undo(steps=2)
    assert differences(there, notebook.describe()) == []
    assert list(notebook["gen"]) == [5, 6, 7]
    notebook.session.checkout(shown.id)
    assert notebook["_"] == [1]


def test_a_rerun_does_not_touch_what_is_displayed_now(notebook: Notebook) -> None:
    notebook.ok("[5]")
    notebook.ok("_.append(7); gen = (i for i in [1])")
    notebook.ok("gen = None")
    notebook.ok("[1]")
    now = notebook["_"]
    notebook.session.undo(steps=2)
    assert now == [1]
    assert notebook["_1"] == [5, 7]


def test_replay_never_refuses(notebook: Notebook) -> None:
    notebook.ok("gen = (i for i in [1]); x = [1]")
    notebook.ok("gen = 0; x.append(1)")
    untouched = Untouched(notebook)
    with pytest.raises(LostError, match="'never'"):
        notebook.session.undo(replay="never")
    assert notebook.reran == []
    untouched.check()
    notebook.session.undo()
    assert len(notebook.reran) == 1


def test_a_cell_that_raised_is_rerun_until_it_raises(notebook: Notebook) -> None:
    notebook.run("gen = (i for i in [1])\n1 / 0")
    notebook.ok("gen = 0")
    notebook.session.undo()
    assert list(notebook["gen"]) == [1]


def test_a_rerun_reads_what_functions_read(notebook: Notebook) -> None:
    notebook.ok("n = 3\ndef numbers():\n    return (i for i in range(n))")
    notebook.ok("made = numbers()")
    notebook.ok("n = 5; made = None; del numbers")
    notebook.session.undo()
    assert list(notebook["made"]) == [0, 1, 2]


# -- dry run -----------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(notebook: Notebook) -> None:
    root = notebook.ok("x = [1]; gen = (i for i in x)")
    notebook.ok("y = [2]; x.append(3); gen = 0")
    notebook.hidden("x.append(4)")
    untouched = Untouched(notebook)
    outcome = notebook.session.checkout(root.id, dry_run=True)
    assert not outcome.applied
    assert outcome.head == outcome.previous == notebook.head
    assert outcome.plan.target == root.id
    assert outcome.plan.delete == ("y",)
    assert [step.code for step in outcome.plan.replay] == [root.code]
    assert notebook.reran == []
    assert notebook.session.undo(dry_run=True).plan == outcome.plan
    untouched.check()
    assert notebook.session.settle() is not None  # the hidden change was not forgotten


# -- hidden executions, commit, unseen changes ----------------------------------------------------------


def test_hidden_changes_are_in_the_next_checkpoint(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = 4")
    notebook.hidden("x.append(2); y = 5")
    checkpoint = notebook.ok("z = 1")
    assert touched(checkpoint) == ("z", "x y", "")
    replayable = {record.names: record.replayable for record in checkpoint.versions}
    assert replayable == {("x",): False, ("y",): False, ("z",): True}


def test_a_checkout_settles_hidden_changes_first(notebook: Notebook) -> None:
    there = notebook.ok("x = [1]; y = 4")
    notebook.hidden("x.append(2); y = 5")
    state = notebook.describe()
    outcome = notebook.session.checkout(there.id)
    assert (notebook["x"], notebook["y"]) == ([1], 4)
    settled = notebook.session.timeline.redo_child(there.id)
    assert settled is not None
    assert outcome.plan.target == there.id
    notebook.session.redo()
    assert differences(state, notebook.describe()) == []


def test_settling_nothing_makes_no_checkpoint(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.hidden("x")
    assert notebook.session.settle() is None


def test_a_name_that_something_hidden_binds_is_the_users_from_its_first_use_on(notebook: Notebook) -> None:
    notebook.hidden("limit = [1]; spare = [2]; gen = (i for i in [1])")
    assert touched(notebook.ok("x = 1")) == ("x", "", "")
    notebook.hidden("limit = [3]")
    used = notebook.ok("y = [limit, 4]; late = lambda: spare; g = (i for i in [1])")
    assert touched(used) == ("g late limit spare y", "", "")
    replayable = {record.names: record.replayable for record in used.versions}
    assert replayable[("limit", "y")] is False  # who re-runs the cell has no `limit`
    notebook.ok("limit.append(5)")
    assert notebook.session.undo().applied
    assert notebook["y"] == [[3], 4]
    notebook.session.undo(2)
    assert {*notebook.variables} == set()
    assert {"limit", "spare", "gen"} <= notebook.live.keys()  # whoever bound them may need them
    notebook.session.redo(2, allow_lost=True)
    assert notebook["y"][0] is notebook["limit"]


def test_a_hidden_binding_of_a_variable_that_was_deleted_hidden_is_a_change(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]")
    notebook.hidden("del x, y")
    notebook.hidden("x = [3]")
    assert touched(notebook.ok("z = 1")) == ("z", "x", "y")
    notebook.hidden("y = [4]")  # by now there is no such variable
    assert touched(notebook.ok("z = 2")) == ("", "z", "")


def test_what_a_hidden_checkout_brings_is_the_users(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.ok("del x")
    ticket = notebook.begin("'undo x'", hidden=True)
    notebook.session.undo()
    notebook.session.after_hidden(ticket)
    assert notebook.variables == {"x": [1]}
    assert touched(notebook.ok("z = 1")) == ("z", "", "")


def test_a_cell_beside_a_hidden_one_binds_names_of_the_users(notebook: Notebook) -> None:
    ticket = notebook.begin("theirs = 1", hidden=True, main=False)
    beside = notebook.begin("mine = 1")
    notebook.live["theirs"] = notebook.live["mine"] = 1
    notebook.session.after_hidden(ticket)
    assert notebook.variables == {"mine": 1}
    assert notebook.end(beside, "pass") is not None


def test_changes_that_nobody_saw(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook["x"].append(2)
    notebook.session.note_unwatched_code()
    assert touched(notebook.ok("pass")) == ("", "x", "")


def test_commit_names_the_state(notebook: Notebook) -> None:
    first = notebook.ok("x = [1]")
    assert notebook.session.commit("a good one").id == first.id
    assert notebook.session.timeline.lookup(first.id).message == "a good one"
    notebook.hidden("x.append(2)")
    second = notebook.session.commit("another")
    assert (second.parent, second.message, second.code) == (first.id, "another", "")
    assert notebook.store.checkpoint(second.id).message == "another"


def test_there_is_nothing_to_commit_at_the_start(notebook: Notebook) -> None:
    with pytest.raises(NothingToUndoError):
        notebook.session.commit("nothing")


def test_a_dropped_ticket_leaves_no_checkpoint(notebook: Notebook) -> None:
    notebook.ok("x = 1")
    head = notebook.head
    notebook.session.discard(notebook.begin("%kishu log"))
    assert notebook.head == head
    assert touched(notebook.ok("pass")) == ("", "", "")


# -- subshells ---------------------------------------------------------------------------------------


def test_a_cell_on_a_subshell_leaves_the_running_ones_variables_alone(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]; z = [3]")
    long = notebook.begin("x.append(9)", main=False)
    notebook["x"].append(0)  # half of what the long cell does
    short = notebook.ok("y.append(1); z.append(x)")
    assert touched(short) == ("", "y", "")
    ended = notebook.end(long, "x.append(9)")
    assert ended is not None
    assert touched(ended) == ("", "x z", "")


def test_a_subshell_cell_waits_for_the_main_one(notebook: Notebook) -> None:
    notebook.ok("x = [1]; y = [2]")
    main = notebook.begin("x.append(9)")
    side = notebook.begin("y.append(3)", main=False)
    assert notebook.end(side, "y.append(3)") is None  # not while the main shell runs
    last = notebook.end(main, "x.append(9)")
    assert last is not None
    assert last.code == "x.append(9)"
    timeline = notebook.session.timeline
    assert last.parent is not None
    first = timeline.lookup(last.parent)
    assert (first.code, touched(first)) == ("y.append(3)", ("", "y", ""))
    assert touched(last) == ("", "x", "")


def test_no_checkout_while_a_subshell_runs(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.ok("x.append(2)")
    side = notebook.begin("y = 1", main=False)
    with pytest.raises(CheckoutError, match="subshell"):
        notebook.session.undo()
    assert notebook.session.undo(dry_run=True).plan.load
    notebook.end(side, "y = 1")
    notebook.session.undo(steps=2)
    assert notebook["x"] == [1]


def test_a_cell_that_travels(notebook: Notebook) -> None:
    """A magic in a cell: what the cell did before stays reachable, what it does after is seen."""
    root = notebook.ok("x = [1]; y = [2]")
    ticket = notebook.begin("x.append(2); travel(); y.append(3)")
    notebook["x"].append(2)
    notebook.session.checkout(root.id)
    assert notebook["x"] == [1]
    half = notebook.session.timeline.redo_child(root.id)
    assert half is not None
    ended = notebook.end(ticket, "y.append(3)")
    assert ended is not None
    assert ended.parent == root.id
    assert touched(ended) == ("", "y", "")
    notebook.session.checkout(half)
    assert notebook["x"] == [1, 2]


# -- moving names ------------------------------------------------------------------------------------


def test_moving_names_follow_the_state(notebook: Notebook) -> None:
    notebook.ok("[1]")
    notebook.ok("[2]")
    two = notebook.describe()
    assert notebook["_"] is notebook["_2"]
    notebook.ok("[3]")
    notebook.session.undo()
    assert differences(two, notebook.describe()) == []
    assert notebook["_"] is notebook["_2"] is notebook["Out"][2]
    assert notebook["__"] is notebook["_1"]
    assert list(notebook["Out"]) == [1, 2]
    notebook.session.undo(steps=2)
    assert (notebook["_"], notebook["Out"]) == ("", {})


def test_moving_names_join_no_covariables(notebook: Notebook) -> None:
    checkpoint = notebook.ok("x = [1]\nx")
    assert versions(checkpoint) == {("_1", "x")}
    assert checkpoint.aliases["_"] == "_1"
    assert versions(notebook.ok("_.append(2)")) == {("_1", "x")}
    assert notebook["x"] == [1, 2]


def test_an_underscore_of_the_users_is_a_variable(notebook: Notebook) -> None:
    checkpoint = notebook.ok("for _ in [5, [6]]:\n    pass")
    assert versions(checkpoint) == {("_",)}
    notebook.ok("_ = 7")
    notebook.session.undo()
    assert notebook["_"] == [6]


# -- wandering ---------------------------------------------------------------------------------------

STEPS = [
    "a = [1, 2]",
    "b = {'k': a}",
    "c = (a, b)",
    "a.append(len(a))",
    "b['n'] = len(b)",
    "b.pop('n', None)\nNone",
    "d = set(a[:1]); d.add('x')",
    "del c",
    "def f(n=[0]):\n    n[0] += 1\n    return n[0]",
    "f()",
    "class C:\n    seen = []\n    def see(self, what):\n        self.seen.append(what)\n        return self",
    "o = C().see(1)",
    "o.see(a)",
    "o.own = b",
    "C.extra = len(C.seen)",
    "def outer():\n    count = [0]\n    def up():\n        count[0] += 1\n        return count\n    return up, count",
    "up, count = outer()",
    "up()",
    "import numpy as np",
    "v = np.arange(6.0)",
    "w = v[2:]",
    "w[0] = len(Out)",
    "v = v.copy()",
    "m = np.zeros((3, 4)); row = m[1]",
    "row += 1",
    "g = (i for i in range(3))",
    "next(g)",
    "a",
    "_",
    "_.append('shown') if isinstance(_, list) else None",
    "1 / 0",
    "a = list(a)",
    "e = bytearray(b'abc')",
    "e.extend(b'x')",
    "h = {1: o, 2: f}",
    "import functools\np = functools.partial(f, [5])",
    "p()",
    "z = [z0 := [1], z0]",
    "z[0].append(2)",
    "z[1] = [1]",
    "del a",
    "class D(C):\n    def see(self, what):\n        return super().see((what,))",
    "o2 = D().see(9)",
    "@functools.lru_cache\ndef cached(n):\n    return n * 2",
    "cached(3)",
]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tracker", ["code", "namespace", "all"])
def test_every_state_of_a_wandering_comes_back(
    monkeypatch: pytest.MonkeyPatch, tracker: TrackerKind, seed: int
) -> None:
    """Cells in random order, with checkouts between them; many raise, since what they need is not there."""
    choose = random.Random(seed)
    notebook = Notebook(tracker)
    if tracker != "namespace":
        monkeypatch.setitem(sys.modules, "__main__", notebook.module)
    states: dict[str, dict[str, str]] = {}
    steps = STEPS * 2
    choose.shuffle(steps)
    for code in STEPS[: seed * 9] + steps:
        checkpoint = notebook.run(code)
        assert checkpoint is not None, notebook.warnings
        assert checkpoint.incomplete is None
        states[checkpoint.id] = notebook.describe()
        if choose.random() < 0.3:
            visit(notebook, choose.choice(list(states)), states)
    for id in choose.sample(list(states), 30):
        visit(notebook, id, states)
    assert notebook.warnings == []


def visit(notebook: Notebook, id: str, states: dict[str, dict[str, str]]) -> None:
    here = notebook.head
    try:
        notebook.session.checkout(id)
    except LostError:
        assert notebook.head == here
        return
    assert differences(states[id], notebook.describe()) == []


def test_no_object_is_shared_between_states(notebook: Notebook) -> None:
    """What a checkout brings is fresh: writing to it changes no other state."""
    one = notebook.ok("import numpy as np\nx = np.zeros(5000)")
    notebook.ok("x[0] = 1")
    notebook.session.checkout(one.id)
    notebook.ok("x[:] = 7")
    notebook.session.checkout(one.id)
    assert not notebook["x"].any()


def test_two_sessions_on_one_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FailingStore()
    first = Notebook("code", store)
    there = first.ok("x = [1]\ndef f():\n    return x")
    state = first.describe()
    second = Notebook("code", store)
    second.ok("y = 1")
    second.session.checkout(there.id)
    assert differences(state, second.describe()) == []
    assert second["f"]() is second["x"]
    assert "y" not in second.live


def test_a_failure_that_comes_while_the_next_checkpoint_is_taken(notebook: Notebook) -> None:
    notebook.ok("x = [1]")
    notebook.store.gate.clear()
    notebook.ok("x.append(2)")
    notebook.store.commits = "all"

    def fail_now(*_: object) -> None:
        notebook.store.gate.set()
        notebook.session.timeline.store.flush()
        notebook.store.commits = "none"

    ticket = notebook.begin("x.append(3)")
    append = notebook.session.timeline.append
    notebook.session.timeline.append = lambda *each: (fail_now(), append(*each))[1]  # type: ignore[method-assign]
    kept = notebook.end(ticket, "x.append(3)")
    assert kept is not None
    assert kept.modified == ("x",)
    assert len(notebook.warnings) == 1
    lost = notebook.session.timeline.lookup(kept.parent)
    assert lost.code == "x.append(2)"
    assert lost.incomplete
    notebook.session.undo(2)
    assert notebook["x"] == [1]


@pytest.mark.parametrize("how", ["lost", "hidden", "unseen"])
def test_what_something_else_did_is_not_the_next_cells(notebook: Notebook, how: str) -> None:
    """Re-running the next cell would do only its own part."""
    notebook.ok("a = [1]; g = (x for x in a); b = [1]; h = (x for x in b)")
    if how == "lost":
        notebook.store.commits = "all"
        notebook.run("a.append(2)")
        notebook.store.commits = "none"
    elif how == "hidden":
        notebook.hidden("a.append(2)")
    else:
        notebook["a"].append(2)
        notebook.session.note_unwatched_code()
    notebook.ok("b.append(2)")
    notebook.ok("a.append(3)")
    notebook.ok("del a, g, b, h")
    for back in (1, 2):
        plan = notebook.session.undo(back, dry_run=True).plan
        assert [lost.version.names for lost in plan.lost] == [("a", "g")]
    with pytest.raises(LostError, match="a"):
        notebook.session.undo()
    notebook.session.undo(allow_lost=True)
    assert notebook["b"] == [1, 2]  # of which nobody else has touched anything
    assert list(notebook["h"]) == [1, 2]


def test_a_cell_that_reads_what_something_else_did_cannot_be_run_again(notebook: Notebook) -> None:
    notebook.ok("a = [1]; g = (x for x in a)")
    notebook.hidden("a.append(2)")
    notebook.ok("a.append(3); h = (x for x in [1])")
    notebook.ok("del a, g, h")
    plan = notebook.session.undo(dry_run=True).plan
    assert {lost.version.names for lost in plan.lost} == {("a", "g"), ("h",)}


def test_something_else_that_changed_nothing_spoils_nothing(notebook: Notebook) -> None:
    notebook.ok("a = [1]; g = (x for x in a)")
    notebook.hidden("len(a)")
    notebook.session.note_unwatched_code()
    notebook.ok("a.append(3)")
    notebook.ok("del a, g")
    notebook.session.undo()
    assert (notebook["a"], list(notebook["g"])) == ([1, 3], [1, 3])


def test_a_failure_between_two_steps_of_taking_a_checkpoint(notebook: Notebook) -> None:
    """The writer can be faster than the one who hands it a checkpoint."""
    notebook.ok("x = [1]; y = [1]")
    notebook.store.gate.clear()
    notebook.ok("x.append(2)")
    notebook.store.commits = "all"
    append = notebook.session.timeline.append

    def fail_at_once(*each: Any) -> Checkpoint:
        kept = append(*each)
        notebook.store.gate.set()
        notebook.session.timeline.store.flush()
        return kept

    notebook.session.timeline.append = fail_at_once  # type: ignore[method-assign]
    notebook.run("y.append(1)")
    notebook.session.timeline.append = append  # type: ignore[method-assign]
    notebook.store.commits = "none"
    notebook.ok("pass")
    codes = [each.code for each in ancestry(notebook.session.timeline.lookup, notebook.head)]
    assert codes == ["pass", "y.append(1)", "x.append(2)", "x = [1]; y = [1]"]
    notebook.session.undo(3)
    assert (notebook["x"], notebook["y"]) == ([1], [1])
    notebook.session.redo(3)
    assert (notebook["x"], notebook["y"]) == ([1, 2], [1, 1])


def test_no_cell_is_lost_from_the_log_however_long_the_disk_is_full(notebook: Notebook) -> None:
    notebook.ok("x = []")
    notebook.store.commits = "all"
    for number in range(400):
        notebook.run(f"x.append({number})")
    notebook.store.commits = "none"
    notebook.ok("pass")
    codes = [each.code for each in ancestry(notebook.session.timeline.lookup, notebook.head)]
    assert codes == ["pass", *(f"x.append({number})" for number in reversed(range(400))), "x = []"]
    notebook.session.undo(401)
    assert notebook["x"] == []


def test_an_undo_after_a_loss_goes_no_further_than_asked(notebook: Notebook) -> None:
    for number in (1, 2, 3):
        notebook.ok(f"x = {number}")
    notebook.store.commits = "all"
    notebook.run("x = 4")
    notebook.run("x = 5")
    notebook.store.commits = "none"
    with pytest.raises(LostError, match="the disk is full"):
        notebook.session.undo()
    assert notebook["x"] == 5
    notebook.session.undo(allow_lost=True)
    assert "x" not in notebook.variables  # 4 is lost
    assert "incomplete" in notebook.warnings[-1]
    notebook.session.redo()
    assert notebook["x"] == 5


def test_what_a_checkout_goes_to_is_not_dropped_on_the_way(notebook: Notebook) -> None:
    timeline = notebook.session.timeline
    notebook.ok("blob = b'1' * 100_000; n = 1")
    there = notebook.head
    for number in range(2, 40):
        notebook.ok(f"blob = str({number}).encode() * 100_000; n = {number}")
    notebook.hidden("blob = b'hidden' * 100_000")
    timeline.limit = timeline._collect_above = 1  # the settled state is too much
    notebook.session.checkout(str(there))
    timeline.store.flush()
    assert notebook["n"] == 1
    assert notebook.store.checkpoint(there).record(("blob",)).stored


def test_arrays_that_warn_when_their_flags_are_asked_for(notebook: Notebook) -> None:
    notebook.ok("import numpy as np; rows, columns = np.broadcast_arrays([1, 2], [[1], [2]])")  # a warning would raise
    notebook.ok("del rows")
    notebook.session.undo()
    assert notebook["rows"].tolist() == [[1, 2], [1, 2]]


def test_references_to_what_other_processes_hold_are_made_anew() -> None:
    ray = pytest.importorskip("ray")
    notebook = Notebook()
    notebook.ok("import ray; ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level='error')")
    try:
        made = notebook.ok("shared = [1]; reference = ray.put([1, 2, 3])")
        assert not made.record(("reference",)).stored
        assert not notebook.ok("ray.get(reference)").modified
        notebook.ok("del reference")
        notebook.session.undo()
        assert notebook.reran == ["shared = [1]; reference = ray.put([1, 2, 3])"]
        notebook.ok("got = ray.get(reference)")
        assert notebook["got"] == [1, 2, 3]
    finally:
        ray.shutdown()


def test_figures_are_not_joined_by_the_colours_of_a_library(notebook: Notebook) -> None:
    notebook.ok("import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt")
    for name in "ab":
        notebook.ok(f"{name}, axes = plt.subplots(); axes.imshow([[1, 2]], cmap='magma'); axes = None")
    assert {("a",), ("b",)} <= notebook.covariables()
    notebook.ok("a = None")
    notebook.session.undo()
    notebook.ok("colours = a.axes[0].images[0].cmap.colors is matplotlib.colormaps['magma'].colors")
    assert notebook["colours"] is True


def test_an_attribute_of_a_library_that_is_set_while_another_cell_begins() -> None:
    import calendar

    notebook = Notebook()
    notebook.ok("import calendar")
    slow = notebook.begin("calendar.slowly = 6")
    notebook.end(notebook.begin("x = 1", main=False), "x = 1")
    notebook.end(slow, "calendar.slowly = 6")
    assert calendar.slowly == 6  # type: ignore[attr-defined]
    notebook.session.undo()
    notebook.session.undo()
    assert not hasattr(calendar, "slowly")


def test_what_is_imported_of_us_while_a_cell_runs_is_no_import_of_the_cell(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kishu_kernel.store.format.palette", "colorsys"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr("kishu_kernel.store.format.palette", raising=False)  # it comes back with the module
    ours = notebook.ok("import kishu_kernel.store.format.palette as palette; del palette")
    theirs = notebook.ok("import colorsys")
    assert (ours.imported, theirs.imported) == (False, True)
