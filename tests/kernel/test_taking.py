"""Some variables of another state, brought into this one: what comes with them, what stays, how it is undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Content, Kernel


def at(kernel: Kernel, code: str) -> str:
    """Runs a cell; the checkpoint that it made."""
    kernel.ok(code)
    return str(kernel.done("status")["head"])


def take(kernel: Kernel, *names: str, target: str, **how: Any) -> Content:
    return kernel.done("take", names=list(names), target=target, **how)


def holds(kernel: Kernel, expression: str) -> None:
    """It is true; looking makes no state."""
    assert kernel.value(f"bool({expression})"), expression


def refused(kernel: Kernel, *names: str, target: str, **how: Any) -> str:
    """The sentence with which it is refused; nothing has changed."""
    before = kernel.done("status")
    reply = kernel.request("take", names=list(names), target=target, **how)
    assert reply["status"] == "error", reply
    assert reply["hint"]
    after = kernel.done("status")
    assert (after["head"], after["state"]) == (before["head"], before["state"])
    return str(reply["evalue"])


def test_one_variable_comes_back_and_the_rest_stays(kernel: Kernel) -> None:
    first = at(kernel, "x = [1]; y = [2]; import os; here = id(y)")
    kernel.ok("x.append(5); z = 3; y.append(7)")
    head = kernel.done("status")["head"]
    reply = take(kernel, "x", target=first)
    assert (reply["taken"], reply["along"], reply["applied"]) == (["x"], [], True)
    assert reply["from"] == head
    assert reply["head"] == kernel.done("status")["head"] != head
    assert ["y"] in reply["plan"]["keep"]
    assert reply["plan"]["load"][0]["names"] == ["x"]
    assert kernel.value("(x, y, z, id(y) == here)") == ([1], [2, 7], 3, True)
    kernel.done("undo")
    assert kernel.value("(x, y, z)") == ([1, 5], [2, 7], 3)
    kernel.done("redo")
    assert kernel.value("(x, y, z)") == ([1], [2, 7], 3)


def test_what_shares_objects_comes_along_and_is_told(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; b = [a]; c = 1")
    kernel.ok("a.append(2); b = [9]; c = 2")
    reply = take(kernel, "a", target=first)
    assert (reply["taken"], reply["along"]) == (["a"], ["b"])
    holds(kernel, "b[0] is a and a == [1] and c == 2")
    kernel.done("undo")
    holds(kernel, "a == [1, 2] and b == [9] and c == 2")


def test_what_shared_with_what_is_replaced_is_kept(kernel: Kernel, start: Start) -> None:
    first = at(kernel, "a = [1]")
    kernel.ok("a = [5]; b = [a]; keep = id(b[0])")
    assert take(kernel, "a", target=first)["along"] == []
    kernel.ok("assert a == [1] and b == [[5]] and id(b[0]) == keep; a.append(0); assert b == [[5]]")
    kernel.done("undo", steps=2)
    holds(kernel, "b[0] is a and a == [5]")
    kernel.done("redo", steps=1)
    holds(kernel, "a == [1] and b == [[5]] and a is not b[0]")


def test_it_is_stored_once(kernel: Kernel) -> None:
    kernel.ok("import numpy as np")
    first = at(kernel, "big = np.random.default_rng(0).random(300_000)")
    kernel.ok("big = None")
    before = kernel.done("status")["store"]
    take(kernel, "big", target=first)
    after = kernel.done("status")["store"]
    assert after["chunks"] == before["chunks"]
    holds(kernel, "big.shape == (300_000,)")
    assert kernel.done("show", target="HEAD")["checkpoint"]["payload_bytes"] == 0


def test_copies_under_another_name_share_nothing(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; b = [a]")
    reply = take(kernel, "a", target=first, **{"as": {"a": "a_old"}})
    assert (reply["taken"], reply["along"], reply["as"]) == (["a"], [], {"a": "a_old"})
    kernel.ok("assert a_old == [1] and a_old is not a and b[0] is a; a_old.append(2); assert a == [1]")
    kernel.done("undo", steps=2)
    holds(kernel, "'a_old' not in globals() and b[0] is a")
    kernel.done("redo")
    holds(kernel, "a_old == [1]")


def test_copies_keep_what_they_share_among_each_other(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; b = [a]; c = b")
    kernel.ok("del a, b, c")
    take(kernel, "a", "b", target=first, **{"as": {"a": "x", "b": "y"}})
    holds(kernel, "y[0] is x and not {'a', 'b', 'c'} & globals().keys()")
    take(kernel, "a", "b", target=first, **{"as": {"a": "z"}})
    holds(kernel, "b[0] is z and c is b and z is not x and 'a' not in globals()")


CLASSES = "class A:\n    n = {n}\na = A(); a.v = {n}"


def test_an_instance_comes_with_its_class(kernel: Kernel, start: Start) -> None:
    first = at(kernel, CLASSES.format(n=1))
    kernel.ok(CLASSES.format(n=2))
    kernel.ok("other = A()")
    reply = take(kernel, "a", target=first)
    assert reply["along"] == ["A"]
    holds(kernel, "type(a) is A and (a.v, A.n) == (1, 1) and other.n == 2 and type(other) is not A")
    kernel.done("undo")
    holds(kernel, "type(a) is A is type(other) and (a.v, A.n) == (2, 2)")
    kernel.done("redo")
    holds(kernel, "type(a) is A and (a.v, A.n) == (1, 1) and other.n == 2 and type(other) is not A")


def test_an_instance_of_the_class_that_is_there_is_one_of_it(kernel: Kernel) -> None:
    kernel.ok("class A: pass")
    first = at(kernel, "a = A(); a.v = 1")
    kernel.ok("a.v = 2")
    assert take(kernel, "a", target=first)["along"] == []
    holds(kernel, "type(a) is A and a.v == 1")
    take(kernel, "a", target=first, **{"as": {"a": "b"}})
    holds(kernel, "type(b) is A and b is not a and b.v == 1")


def test_a_copy_of_an_instance_leaves_the_class_that_is_there(kernel: Kernel) -> None:
    first = at(kernel, CLASSES.format(n=1))
    kernel.ok(CLASSES.format(n=2))
    assert take(kernel, "a", target=first, **{"as": {"a": "b"}})["along"] == []
    holds(kernel, "A.n == 2 and type(a) is A and b.n == 1 and type(b) is not A")
    kernel.done("undo")
    holds(kernel, "'b' not in globals()")
    kernel.done("redo")
    holds(kernel, "A.n == 2 and type(a) is A and b.n == 1 and type(b) is not A")


def test_a_copy_of_a_class_is_another_class(kernel: Kernel) -> None:
    first = at(kernel, "class A: n = []\na = A()")
    take(kernel, "A", target=first, **{"as": {"A": "B"}})
    kernel.ok("B.n.append(1); assert A.n == [] and type(a) is A and B is not A")
    kernel.done("undo", steps=2)
    kernel.ok("assert type(a) is A; a.v = 1")
    kernel.done("undo")
    holds(kernel, "type(a) is A and not hasattr(a, 'v')")


def test_functions_use_the_names_of_the_session(kernel: Kernel) -> None:
    first = at(kernel, "rate = 2\ndef f(x): return x * rate")
    kernel.ok("rate = 10\ndef f(x): return 0")
    take(kernel, "f", target=first)
    holds(kernel, "f(3) == 30")
    take(kernel, "f", target=first, **{"as": {"f": "g"}})
    holds(kernel, "g(3) == 30 and g is not f")


def test_views_stay_views_of_each_other(kernel: Kernel) -> None:
    first = at(kernel, "import numpy as np; m = np.arange(6); v = m[2:4]")
    kernel.ok("m = np.zeros(2); v = 0")
    assert take(kernel, "v", target=first)["along"] == ["m"]
    kernel.ok("v[0] = 50; assert m[2] == 50 and np.shares_memory(m, v)")


def test_a_dry_run_changes_nothing(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; b = [a]")
    kernel.ok("a = b = None")
    before = kernel.done("status")
    reply = take(kernel, "a", target=first, dry_run=True)
    assert (reply["taken"], reply["along"], reply["applied"]) == (["a"], ["b"], False)
    assert reply["plan"]["load"][0]["names"] == ["a", "b"]
    assert reply["head"] == before["head"]
    assert kernel.done("status") == before
    assert kernel.value("(a, b)") == (None, None)


def test_what_is_there_already_is_left_alone(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; mine = id(a)")
    kernel.ok("b = 2")
    head = kernel.done("status")["head"]
    reply = take(kernel, "a", target=first)
    assert (reply["applied"], reply["head"], reply["taken"]) == (False, head, ["a"])
    assert kernel.value("id(a) == mine")


def test_equal_is_not_the_same(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]")
    kernel.ok("a = [2]")
    kernel.ok("a = [1]; b = 1")
    reply = take(kernel, "a", target=first)
    assert reply["applied"]
    assert kernel.value("(a, b)") == ([1], 1)
    kernel.done("undo")
    assert kernel.value("(a, b)") == ([1], 1)


REFUSALS: dict[str, tuple[str, Content, str]] = {
    "no such name": ("nothing", {}, "no variable 'nothing'"),
    "a name that is nearly there": ("counte", {}, "did you mean 'counter'?"),
    "no such target": ("x", {"target": "elsewhere"}, "no state, branch or tag 'elsewhere'"),
    "its own name": ("x", {"as": {"x": "x"}}, "choose another name"),
    "no name": ("x", {"as": {"x": "1x"}}, "cannot name a variable"),
    "a keyword": ("x", {"as": {"x": "class"}}, "cannot name a variable"),
    "a name of IPython's": ("x", {"as": {"x": "Out"}}, "IPython"),
    "a result's name": ("x", {"as": {"x": "_3"}}, "IPython"),
    "a name that nothing can have": ("x", {"as": {"x": "__debug__"}}, "cannot name a variable"),
    "half a letter": ("x", {"as": {"x": "\ud800"}}, "cannot name a variable"),
    "a name that is taken, as Python reads it": ("x", {"as": {"x": "\uff43ounter"}}, "already"),
    "a name that is taken": ("x", {"as": {"x": "counter"}}, "already"),
    "not among the names": ("x", {"as": {"counter": "c"}}, "add it to the names"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_is_refused_in_a_sentence(shared: Kernel, case: str) -> None:
    name, how, sentence = REFUSALS[case]
    first = at(shared, "x = [1]; counter = 0")
    shared.ok("x.append(2)")
    assert sentence in refused(shared, name, **{"target": first, **how})
    assert shared.value("(x, counter)") == ([1, 2], 0)


def test_two_copies_have_names_of_their_own(shared: Kernel) -> None:
    first = at(shared, "x = [1]; y = [2]")
    assert "name of its own" in refused(shared, "x", "y", target=first, **{"as": {"x": "z", "y": "z"}})
    assert "name of its own" in refused(shared, "x", "y", target=first, **{"as": {"x": "y"}})
    assert "nothing is named" in refused(shared, target=first)
    for wrong in ({"names": "x"}, {"names": [1]}, {"names": ["x"], "as": {"x": 1}}, {"names": ["x"], "as": []}):
        assert shared.request("take", target=first, **wrong)["ename"] == "RequestError"


def test_a_copy_has_the_name_that_code_says(kernel: Kernel) -> None:
    """Python reads identifiers in NFKC: under another form of it nobody could use the copy."""
    first = at(kernel, "x = [1]")
    reply = take(kernel, "x", target=first, **{"as": {"x": "ﬁrst"}})
    assert reply["as"] == {"x": "first"}
    kernel.ok("assert ﬁrst == [1] == first and ﬁrst is not x")


def test_a_copy_is_not_called_as_what_comes_along(kernel: Kernel) -> None:
    first = at(kernel, "a = [1]; b = [a]; c = [2]")
    kernel.ok("a = [0]; c = [0]; del b")
    for dry_run in (True, False):
        assert "comes, too" in refused(kernel, "a", "c", target=first, dry_run=dry_run, **{"as": {"c": "b"}})
    assert kernel.value("(a, c, 'b' in globals())") == ([0], [0], False)


GENERATOR = "import itertools\ndef numbers():\n    yield from itertools.count()\ng = numbers(); next(g)"


def test_what_is_not_stored_is_re_run(kernel: Kernel) -> None:
    first = at(kernel, GENERATOR)
    kernel.ok("g = None; kept = [1]; mine = id(kept)")
    assert "g" in refused(kernel, "g", target=first, replay="never")
    reply = take(kernel, "g", target=first)
    assert [step["gives"] for step in reply["plan"]["replay"]] == [["g"]]
    holds(kernel, "next(g) == 1 and id(kept) == mine")
    kernel.done("undo")
    kernel.done("redo")
    holds(kernel, "next(g) == 1")


def test_effects_are_asked_about(kernel: Kernel, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = at(kernel, f"with open({str(log)!r}, 'a') as f: f.write('x')\ng = (n for n in [1, 2])")
    kernel.ok("g = None")
    reply = kernel.request("take", names=["g"], target=first)
    assert reply["ename"] == "SideEffectsError"
    assert "taking this" in reply["evalue"]
    assert reply["plan"]["replay"]
    assert log.read_text() == "x"
    shown = {"target": first, "replay": [first]}
    take(kernel, "g", target=first, replay="auto", shown=shown)
    holds(kernel, "next(g) == 1")
    assert log.read_text() == "xx"


def test_what_is_lost_is_told(kernel: Kernel) -> None:
    first = at(kernel, "# kishu: no-replay\ng = (n for n in [1]); x = [1]")
    kernel.ok("g = x = None")
    reply = kernel.request("take", names=["g", "x"], target=first)
    assert reply["ename"] == "LostError"
    assert "allow_lost" in reply["evalue"]
    assert reply["plan"]["lost"][0]["names"] == ["g"]
    reply = take(kernel, "g", "x", target=first, allow_lost=True)
    assert reply["taken"] == ["x"]
    assert kernel.value("(g, x)") == (None, [1])


def test_no_destructor_runs_of_what_nobody_gets(kernel: Kernel) -> None:
    kernel.ok("ended = []\nclass D:\n    def __del__(self): ended.append(1)")
    first = at(kernel, "a = [1]; d = D(); d.a = a")
    take(kernel, "a", target=first, **{"as": {"a": "b"}})
    kernel.ok("import gc; gc.collect(); assert ended == [] and b == [1] and d.a is a")


def test_it_survives_a_kill(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    first = at(kernel, f"a = [1]; b = [a]\n{GENERATOR}")
    kernel.ok("a = b = g = None; c = 3")
    take(kernel, "a", "g", target=first)
    take(kernel, "b", target=first, **{"as": {"b": "b_old"}})
    kernel.ok("d = 4")
    kernel.done("status")
    kernel.restart(kill=True)
    kernel.done("resume")
    holds(kernel, "b[0] is a and a == [1] and next(g) == 1 and c == 3 and d == 4 and b_old == [[1]]")
    kernel.done("undo", steps=3)
    holds(kernel, "a is b is g is None and c == 3 and 'b_old' not in globals()")


def test_it_comes_from_another_branch_and_session(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    kernel.ok("x = 0")
    other = at(kernel, "x = [1]; y = 1")
    kernel.done("undo")
    kernel.ok("z = 1")
    take(kernel, "x", target=other)
    assert kernel.value("(x, z)") == ([1], 1)
    kernel.restart()
    take(kernel, "x", target=other)
    assert kernel.value("x") == [1]
    holds(kernel, "'z' not in globals()")
    kernel.done("undo")
    holds(kernel, "'x' not in globals()")


def test_what_was_taken_outlives_its_branch(kernel: Kernel) -> None:
    kernel.ok("import numpy as np; base = 1")
    other = at(kernel, "x = np.arange(100_000)")
    kernel.done("undo")
    kernel.ok("z = 1")
    kernel.done("branch", name="there", target=other)
    take(kernel, "x", target=other)
    kernel.done("branch", name="there", delete=True)
    kernel.done("gc")
    kernel.ok("x = None")
    kernel.done("undo")
    holds(kernel, "x.sum() == sum(range(100_000))")


def test_a_result_can_be_taken(kernel: Kernel) -> None:
    kernel.ok("[1, 2]")
    first = kernel.done("status")["head"]
    kernel.ok("Out.clear(); del _1")
    take(kernel, "_1", target=first)
    holds(kernel, "_1 == [1, 2] and Out[1] is _1")


def test_it_is_a_state_of_the_history(kernel: Kernel) -> None:
    first = at(kernel, "x = [1]")
    kernel.ok("x = [2]")
    take(kernel, "x", target=first)
    newest = kernel.done("log", limit=1)["checkpoints"][0]
    assert newest["code"] == "%kishu take x@In[1]"
    assert newest["modified"] == ["x"]
    assert newest["taken"]
    assert newest["take"] == {"names": ["x"], "target": "In[1]", "as": {}}
    (line,) = (line for line in kernel.ok("%kishu log").text.splitlines() if newest["id"][:8] in line)
    assert "took x from In[1]" in line
    assert "%kishu" not in line
    assert kernel.done("variable", name="x")["checkpoints"][0]["id"] == newest["id"]
    assert [each["version"] for each in kernel.done("show", target="HEAD")["variables"]] == [first]
    assert kernel.done("diff", target="HEAD", base=first)["modified"] == []
    assert kernel.done("export")["cells"] == 3


def test_nothing_is_taken_of_a_store_that_somebody_else_wrote(start: Start, tmp_path: Path) -> None:
    book = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    theirs = start(environment={**book, "KISHU_KEY_FILE": str(tmp_path / "theirs")})
    first = at(theirs, "x = [1]; y = [2]")
    theirs.close(gracefully=True)
    mine = start(environment=book)
    mine.ok("x = 0")
    for target in (first, first[:8]):
        assert "jupyter kishu trust" in refused(mine, "x", target=target)
    reply = take(mine, "x", target=first, allow_lost=True)
    assert (reply["taken"], reply["applied"]) == ([], False)
    assert mine.value("x") == 0
    told = mine.done("inspect", names=["x"], target=first)["variables"]
    assert told[0]["summary"] == "[1]"
    assert mine.done("show", target=first)["document"] is None


def test_random_numbers_and_settings_stay(kernel: Kernel) -> None:
    kernel.ok("import random, os; random.seed(1)")
    first = at(kernel, "x = [random.random()]; os.environ['MINE'] = 'then'")
    kernel.ok("os.environ['MINE'] = 'now'; x = 0")
    kernel.ok("state = random.getstate()")
    take(kernel, "x", target=first)
    holds(kernel, "random.getstate() == state and os.environ['MINE'] == 'now' and len(x) == 1")


def test_a_copy_from_a_re_run_has_a_class_of_its_own_and_that_is_told(kernel: Kernel) -> None:
    made = """class Bad:
    def __init__(self, n): self.n = n
    def __reduce_ex__(self, protocol): raise TypeError('not me')
bad = Bad([1])"""
    first = at(kernel, made)
    for dry_run in (True, False):
        reply = take(kernel, "bad", target=first, dry_run=dry_run, **{"as": {"bad": "copy"}})
        (note,) = reply["plan"]["notes"]
        assert note.startswith("copy comes from its cell, run anew, which made Bad anew, too"), note
    assert kernel.value("(copy.n, type(copy) is Bad, type(bad) is Bad)") == ([1], False, True)
    kernel.done("undo")
    assert kernel.value("'copy' in globals()") is False
