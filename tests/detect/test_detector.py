"""From what a cell may have touched to what it did: candidates, components, deltas; without session or store."""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

import pytest

from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.detector import Detector, Judgement
from kishu_kernel.model import EVERYTHING, Access, Names
from kishu_kernel.objects.reduction_table import ReductionTable


class Cells:
    """Runs code as cells and judges each; what was judged is adopted."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.live = vars(self.module)
        self.live.clear()
        self.live.update(__name__="__main__", __builtins__=builtins)
        self.detector = Detector(ReductionTable(self.live))

    @property
    def variables(self) -> dict[str, Any]:
        return {name: obj for name, obj in self.live.items() if not name.startswith("__")}

    def execute(self, code: str) -> None:
        exec(compile(code, "<cell>", "exec", dont_inherit=True), self.live)

    def judge(self, code: str, access: Access | None = None, **how: Any) -> Judgement:
        self.execute(code)
        return self.detector.judge(cell_access(code) if access is None else access, self.variables, **how)

    def run(self, code: str, access: Access | None = None, **how: Any) -> Judgement:
        judgement = self.judge(code, access, **how)
        self.detector.adopt(judgement)
        return judgement


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    return made


def changed(judgement: Judgement) -> set[Names]:
    return {change.names for change in judgement.delta.changes}


# -- candidates ----------------------------------------------------------------------------------------


def test_only_candidates_are_judged(cells: Cells) -> None:
    cells.run("a = [1]; b = [2]; c = [a]")
    judged = cells.judge("b.append(1)")
    assert set(judged.known) == {("b",)}
    judged = cells.judge("a.append(1)")
    assert set(judged.known) == {("a", "c")}  # whole co-variables


def test_what_functions_may_touch_is_a_candidate(cells: Cells) -> None:
    cells.run(
        "a = [1]; b = [2]\ndef f():\n    a.append(1)\ndef g():\n    f()\nclass C:\n    def m(self):\n"
        "        g()\no = C()"
    )
    assert changed(cells.run("g()")) == {("a",)}
    assert changed(cells.run("o.m()")) == {("a",)}
    assert changed(cells.run("b.append(len(b))")) == {("b",)}
    assert set(cells.judge("x = b").known) == {("b", "x")}


def test_a_function_in_a_container(cells: Cells) -> None:
    cells.run("a = [1]\ntable = {'f': lambda: a.append(1)}")
    assert changed(cells.run("table['f']()")) == {("a",)}


def test_a_function_made_in_the_same_cell(cells: Cells) -> None:
    cells.run("a = [1]; b = [1]")
    assert changed(cells.run("def f():\n    a.append(1)\nf()")) == {("a",), ("f",)}


def test_a_function_that_the_cell_threw_away(cells: Cells) -> None:
    cells.run("a = [1]\ndef f():\n    a.append(1)")
    assert changed(cells.run("f(); del f")) == {("a",)}


def test_names_bound_behind_the_code_are_candidates(cells: Cells) -> None:
    cells.run("a = [1]; b = [2]")
    cells.live["b"] = [3]
    cells.live["new"] = [4]
    judged = cells.run("a", cell_access("a"))
    assert changed(judged) == {("b",), ("new",)}
    del cells.live["b"]
    assert cells.run("a").delta.deleted == ("b",)


def test_dynamic_code_touches_everything(cells: Cells) -> None:
    cells.run("a = [1]; b = [2]\ndef f(name):\n    return eval(name)")
    assert set(cells.judge("f('a')").known) == {("a",), ("b",), ("f",)}


def test_the_namespace_in_a_variable_touches_everything(cells: Cells) -> None:
    cells.run("a = [1]; n = [globals()]")
    assert ("a",) in cells.judge("n").known


@pytest.mark.parametrize("code", ["_.append(0)", "Out[3].append(0)", "__.append(0)", "_oh[3].append(0)"])
def test_moving_names_lead_to_results(cells: Cells, code: str) -> None:
    cells.execute("_3 = [1]; a = [2]")
    cells.detector.adopt(cells.detector.judge(EVERYTHING, cells.variables))
    cells.live["_3"].append(0)
    judged = cells.detector.judge(cell_access(code), cells.variables)
    assert changed(judged) == {("_3",)}
    assert "_3" in judged.delta.inputs
    assert set(judged.known) == {("_3",)}


def test_moving_names_in_functions_lead_to_results(cells: Cells) -> None:
    cells.execute("_3 = [1]\ndef f():\n    return _")
    cells.detector.adopt(cells.detector.judge(EVERYTHING, cells.variables))
    cells.live["_3"].append(0)
    assert changed(cells.detector.judge(cell_access("f()"), cells.variables)) == {("_3",)}


def test_a_throwaway_name_leads_nowhere(cells: Cells) -> None:
    cells.execute("_3 = [1]")
    cells.detector.adopt(cells.detector.judge(EVERYTHING, cells.variables))
    assert ("_3",) not in cells.judge("for _ in range(3): pass").known


# -- deltas ----------------------------------------------------------------------------------------------


def test_judging_changes_nothing(cells: Cells) -> None:
    cells.run("a = [1]")
    first = cells.judge("a.append(2); b = 1")
    again = cells.detector.judge(cell_access("a.append(2); b = 1"), cells.variables)
    assert again.delta == first.delta
    cells.detector.adopt(first)
    assert not cells.detector.judge(EVERYTHING, cells.variables).delta


def test_an_equal_value_is_no_change(cells: Cells) -> None:
    cells.run("a = [1, {'k': (2, 3)}]")
    assert not cells.run("a = [1, {'k': (2, 3)}]").delta


@pytest.mark.parametrize(
    ("before", "cell", "changes", "dropped"),
    [
        ("a = [1]; b = [2]", "a.append(b)", {("a", "b")}, {("a",), ("b",)}),
        ("b = [2]; a = [b]", "a.pop()", {("a",), ("b",)}, {("a", "b")}),
        ("b = [2]; a = [b]; c = [b]", "c.pop()", {("a", "b"), ("c",)}, {("a", "b", "c")}),
        ("b = [2]; a = [b]; c = []", "c.append(a.pop())", {("a",), ("b", "c")}, {("a", "b"), ("c",)}),
        ("b = [2]; a = [b]", "del a", {("b",)}, {("a", "b")}),
        ("b = [2]; a = [b]", "del a, b", set(), {("a", "b")}),
        ("a = [1]", "b = a", {("a", "b")}, {("a",)}),
        ("a = [1]", "b = a[:]", {("b",)}, set()),
        ("a = [1]", "a = 5", {("a",)}, {("a",)}),
        ("a = [1]; b = [a]", "a = [1]", {("a",), ("b",)}, {("a", "b")}),
        ("a = b = [1]", "b = [1]", {("a",), ("b",)}, {("a", "b")}),
        ("a = [1]", "b = a; del a", {("b",)}, {("a",)}),
    ],
)
def test_splits_and_merges(cells: Cells, before: str, cell: str, changes: set[Names], dropped: set[Names]) -> None:
    cells.run(before)
    delta = cells.run(cell).delta
    assert {change.names for change in delta.changes} == changes
    assert set(delta.dropped) == dropped
    assert not cells.detector.judge(EVERYTHING, cells.variables).delta  # it knows what it adopted


@pytest.mark.parametrize(
    ("before", "cell", "created", "modified", "deleted"),
    [
        ("a = [1]; b = [2]", "a.append(b)", "", "a", ""),
        ("b = [2]; a = [b]", "a.pop()", "", "a", ""),
        ("b = [2]; a = [b]", "b.append(1)", "", "a b", ""),
        ("b = [2]; a = [b]", "del a", "", "", "a"),
        ("a = [1]", "b = a", "b", "", ""),
        ("a = [1]", "b = a; a.append(1)", "b", "a", ""),
        ("c = [1]; d = [1]; a = [c, d]; b = [c, d]", "b[0] = d", "", "b", ""),
        ("a = [[1], [1]]; b = [a[0]]", "b[0] = a[1]", "", "a b", ""),  # no single name explains it
        ("a = b = [1]", "b = [1]", "", "a b", ""),
        ("a = 1", "a = 2; b = 3; del a", "b", "", "a"),
    ],
)
def test_what_a_person_is_told(cells: Cells, before: str, cell: str, created: str, modified: str, deleted: str) -> None:
    cells.run(before)
    delta = cells.run(cell).delta
    assert [" ".join(names) for names in (delta.created, delta.modified, delta.deleted)] == [created, modified, deleted]


def test_a_variable_that_cannot_be_walked_changes_with_each_access(cells: Cells) -> None:
    cells.run("g = (i for i in [1]); a = [1]")
    assert changed(cells.run("g")) == {("g",)}
    assert changed(cells.run("a")) == set()
    judged = cells.run("h = [g]")
    assert changed(judged) == {("g", "h")}
    assert judged.opaque[("g", "h")] == (types.GeneratorType,)


@pytest.mark.parametrize(
    "cell",
    [
        "type(g)",
        "kind = type(g), id(g), callable(g)",
        "if g is None: g_made = 1",
        "print(g is not None, type(a))",
        "a.append(type(g))",
    ],
)
def test_what_is_only_asked_for_its_class_or_identity_is_as_it_was(cells: Cells, cell: str) -> None:
    cells.run("g = (i for i in [1]); a = [1]")
    judged = cells.run(cell)
    assert ("g",) not in changed(judged)
    assert "g" in judged.delta.inputs


@pytest.mark.parametrize(
    "cell",
    [
        "isinstance(g, int)",  # it asks for `__class__`
        "len([g])",
        "type(g); g",
        "type(g); eval('g')",
        "type(g); a.append('g')",
        "type(g); f()",
        "type(next(g))",
        "type(g); w.send(None)",
        "def id(x): return next(x)\nid(g)",
        "type = next; type(g)",
    ],
)
def test_in_doubt_it_may_have_changed(cells: Cells, cell: str) -> None:
    cells.run("g = (i for i in [1]); a = [1]\ndef f():\n    return g\nh = (i for i in [g])")
    cells.run("def w_of(h):\n    yield h\nw = w_of(g)")
    try:
        judged = cells.judge(cell)
    except TypeError:
        judged = cells.detector.judge(cell_access(cell), cells.variables)
    assert any("g" in names for names in changed(judged))


def test_a_builtin_s_name_that_the_notebook_has_bound_is_no_builtin(cells: Cells) -> None:
    cells.run("g = (i for i in [1])\ndef type(x):\n    return next(x)")
    assert ("g",) in changed(cells.run("type(g)"))


def test_inputs_are_what_was_there_before_and_may_have_been_read(cells: Cells) -> None:
    cells.run("a = 1; b = 2; c = 3; n = [0]\ndef f():\n    return n")
    delta = cells.run("a = 5\nx = a + b\nf()").delta
    assert delta.inputs == ("b", "f", "n")
    assert "a" in delta.accessed
    assert "c" not in delta.accessed


def test_inputs_of_code_that_is_gone_afterwards(cells: Cells) -> None:
    cells.run("n = [0]\ndef f():\n    return n")
    assert cells.run("x = f(); del f").delta.inputs == ("f", "n")


# -- outside and running ------------------------------------------------------------------------------------


def test_what_something_else_did_cannot_be_had_from_the_cell(cells: Cells) -> None:
    cells.run("a = [1]; b = [1]")
    cells.live["a"].append(2)
    judged = cells.run("b.append(2)", outside=cell_access("a"))
    assert {change.names: change.replayable for change in judged.delta.changes} == {("a",): False, ("b",): True}


def test_a_link_to_what_something_else_did_is_not_replayable_either(cells: Cells) -> None:
    cells.run("b = [1]")
    cells.live["a"] = [cells.live["b"]]
    judged = cells.run("b.append(2)", outside=cell_access("a = 1"))
    assert {change.names: change.replayable for change in judged.delta.changes} == {("a", "b"): False}


def test_exempt_is_left_for_later(cells: Cells) -> None:
    cells.run("a = [1]; b = [1]; c = [a]")
    cells.live["a"].append(2)
    judged = cells.run("b.append(2)", EVERYTHING, running=cell_access("a"))
    assert changed(judged) == {("b",)}
    assert changed(cells.detector.judge(EVERYTHING, cells.variables)) == {("a", "c")}


def test_what_was_linked_to_the_exempt_meanwhile_is_left_too(cells: Cells) -> None:
    cells.run("a = [1]; b = [1]; c = [1]; d = [c]; e = [1]")
    judged = cells.run("b.append(a); c.append(b); e.append(2)", running=cell_access("a"))
    assert changed(judged) == {("e",)}
    assert judged.delta.dropped == (("e",),)
    assert changed(cells.detector.judge(EVERYTHING, cells.variables)) == {("a", "b", "c", "d")}


# -- after a checkout ----------------------------------------------------------------------------------------


def test_a_checkout_replaces_what_is_known(cells: Cells) -> None:
    first = cells.run("a = [1]; b = [1]\ndef f():\n    b.append(1)")
    before = dict(first.known)
    cells.run("a.append(2); del b")
    cells.live.update(a=[1], b=[1])
    cells.detector.apply_checkout(
        [("a",)], {("a",): before[("a",)], ("b",): before[("b",)]}, {name: cells.live[name] for name in "ab"}
    )
    assert not cells.detector.judge(EVERYTHING, cells.variables).delta
    assert changed(cells.run("f()")) == {("b",)}


def test_who_shares_labels_is_judged_where_these_have_changed(cells: Cells) -> None:
    pytest.importorskip("pandas")
    cells.run("import pandas as pd; a = pd.DataFrame({'n': [1, 2]}, index=['x', 'y']); b = a * 2; labels = a.index")
    assert cells.live["a"].index is cells.live["b"].index is cells.live["labels"]
    assert changed(cells.run("a['m'] = 1")) == {("a",)}
    assert ("b",) not in cells.run("a.iloc[0, 0] = 7").known  # though they share the index
    assert changed(cells.run("a.index.name = 'k'")) == {("a",), ("b",), ("labels",)}
    assert changed(cells.run("labels.name = 'l'")) == {("a",), ("b",), ("labels",)}
    assert changed(cells.run("b.index.name = 'm'; b = b.reset_index()")) == {("a",), ("b",), ("labels",)}


def test_labels_of_what_cannot_be_walked_are_judged_each_time(cells: Cells) -> None:
    pytest.importorskip("pandas")
    cells.run("import pandas as pd; a = pd.Series(1, index=pd.Index([(each for each in [1]), 2])); b = a + 1")
    assert cells.live["a"].index is cells.live["b"].index
    assert ("b",) in cells.run("a.iloc[0] = 5").known
