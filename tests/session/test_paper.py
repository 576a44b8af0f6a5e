"""The examples of the Kishu paper (VLDB 18(4), 2024), each as the paper tells it.

Where we differ on purpose: **strings link nothing**. In Figures 3, 6 and 7 `ser` and `obj` share the string 'b', and
are therefore one co-variable. Here they would be two: nobody can change a string through one name and see it
through the other, so that nothing is lost when each is stored alone; interning joins unrelated variables by accident
(every `'b'` of a session is often one object); and the language promises nothing about `is` on strings. The same
holds for numbers, bytes, dates and the like; `kishu_kernel/detect/fingerprint.py` says so too. In these tests the
shared object is therefore a list, whose identity does matter.

And **a class that a name is bound to is a co-variable of its own**, to which its instances refer: `GMM` and `gmm` are
two, where the paper has one.
"""

from __future__ import annotations

import pytest

from kishu_kernel.history.graph import common_ancestor, state_at
from kishu_kernel.model import Checkpoint, Version
from tests.support.describer import differences
from tests.support.harness import Notebook


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


def versions(checkpoint: Checkpoint) -> set[tuple[str, ...]]:
    return {record.names for record in checkpoint.versions}


# -- Figures 3, 6 and 7: co-variables, and how a cell updates them ------------------------------------------

SER_AND_OBJ = """
class Obj:
    pass

ser = [['a'], ['b'], ['c']]
obj = Obj()
obj.foo = ser[1]
df = {'column': [1, 2, 3]}
"""


@pytest.fixture
def shared(notebook: Notebook) -> Notebook:
    """`ser[1]` is `obj.foo`; the class, which only `obj` needs, is no name of its own."""
    notebook.ok(SER_AND_OBJ)
    notebook.ok("del Obj")
    return notebook


def test_figure_3_co_variables_are_connected_components(shared: Notebook) -> None:
    assert shared.covariables() == {("obj", "ser"), ("df",)}


def test_figure_3_a_shared_string_joins_nothing(notebook: Notebook) -> None:
    notebook.ok("ser = ['a', 'b', 'c']\nclass Obj:\n    pass\nobj = Obj()\nobj.foo = ser[1]")
    assert notebook["ser"][1] is notebook["obj"].foo
    assert notebook.covariables() == {("ser",), ("Obj",), ("obj",)}


def test_figure_6_an_in_place_update_modifies(shared: Notebook) -> None:
    """`ser.replace`: a node changes."""
    before = shared.describe()
    checkpoint = shared.ok("ser[1][0] = 'x'")
    assert versions(checkpoint) == {("obj", "ser")}
    assert checkpoint.modified == ("obj", "ser")
    shared.session.undo()
    assert differences(before, shared.describe()) == []
    assert shared["ser"][1] is shared["obj"].foo


def test_figure_6_a_reassignment_modifies(shared: Notebook) -> None:
    """`obj.foo = ser[2]`: an edge changes; the members stay."""
    checkpoint = shared.ok("obj.foo = ser[2]")
    assert versions(checkpoint) == {("obj", "ser")}
    assert checkpoint.modified == ("obj",)
    assert shared["obj"].foo is shared["ser"][2]


def test_figure_6_an_edge_alone_modifies(notebook: Notebook) -> None:
    """Another list with the same content: no value changes, only which object it is."""
    notebook.ok("ser = [['b'], ['b']]\nobj = [ser[0]]")
    checkpoint = notebook.ok("obj[0] = ser[1]")
    assert versions(checkpoint) == {("obj", "ser")}
    notebook.session.undo()
    assert notebook["obj"][0] is notebook["ser"][0]
    notebook.session.redo()
    assert notebook["obj"][0] is notebook["ser"][1]


def test_figure_6_split_and_merge(shared: Notebook) -> None:
    """`obj` lets go of `ser` and takes hold of a new `st`."""
    before = shared.describe()
    checkpoint = shared.ok("st = ['s']\nobj.foo = st")
    assert versions(checkpoint) == {("obj", "st"), ("ser",)}
    assert checkpoint.dropped == (("obj", "ser"),)
    assert checkpoint.created == ("st",)
    assert checkpoint.modified == ("obj",)
    assert shared.covariables() == {("obj", "st"), ("ser",), ("df",)}
    shared.session.undo()
    assert differences(before, shared.describe()) == []
    shared.session.redo()
    assert shared["obj"].foo is shared["st"]


def test_figure_7_what_reaches_the_same_object_is_one(shared: Notebook) -> None:
    """The walks from `ser` and from `obj` meet in one object, whatever the way to it."""
    shared.ok("far = {'k': (0, [obj.foo])}")
    assert shared.covariables() == {("far", "obj", "ser"), ("df",)}


def test_figure_8_only_what_was_accessed_is_looked_at(shared: Notebook) -> None:
    """Lemma 1. Seen from its consequence: a change that no cell can have made is not looked for."""
    shared["df"]["column"].append(4)  # not by a cell
    assert shared.ok("ser[0][0] = 'x'").modified == ("ser",)
    assert shared.ok("df").modified == ("df",)


# -- Figures 9 and 10: the checkpoint graph with two branches -------------------------------------------------

GMM = """
class GMM:
    def __init__(self, data):
        self.data_size, self.fitted = len(data), None
    def fit(self, k):
        self.fitted = [k] * k
    def result(self):
        return {'clusters': len(self.fitted)}
"""


class Graph:
    """t1 -> t2 -> t3, back to t1, t4 -> t5."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        notebook.ok("df = [[1, 2], [3, 4]]")
        notebook.ok(GMM)
        self.t1 = notebook.ok("gmm = GMM(df)")
        self.t2 = notebook.ok("gmm.fit(k=3)")
        self.t3 = notebook.ok("plot = gmm.result()")
        self.at_t3 = notebook.describe()
        notebook.session.checkout(self.t1.id)
        self.t4 = notebook.ok("gmm.fit(k=10)")
        self.t5 = notebook.ok("plot = gmm.result()")
        self.at_t5 = notebook.describe()


@pytest.fixture
def graph(notebook: Notebook) -> Graph:
    return Graph(notebook)


def test_figure_9_a_node_holds_what_its_cell_updated(graph: Graph) -> None:
    assert graph.t3.code == "plot = gmm.result()"
    assert versions(graph.t3) == {("plot",)}
    assert "gmm" in graph.t3.inputs
    assert versions(graph.t2) == {("gmm",)}
    assert (graph.t3.parent, graph.t2.parent) == (graph.t2.id, graph.t1.id)


def test_figure_9_a_cell_after_a_checkout_starts_a_branch(graph: Graph) -> None:
    assert graph.t4.parent == graph.t1.id
    timeline = graph.notebook.session.timeline
    assert timeline.names("branch/") == {"main": graph.t5.id}  # the line that one works on keeps its name
    assert common_ancestor(timeline.lookup, graph.t3.id, graph.t5.id) == graph.t1.id


def test_definition_5_the_session_state(graph: Graph) -> None:
    """({gmm}, t1) is not in state t3: t2 wrote over it."""
    state = state_at(graph.notebook.session.timeline.lookup, graph.t3.id)
    assert state[("plot",)] == graph.t3.id
    assert state[("gmm",)] == graph.t2.id
    assert state[("df",)] not in (graph.t1.id, graph.t2.id, graph.t3.id)


def test_figure_10_identical_is_kept_diverged_is_loaded(graph: Graph) -> None:
    notebook = graph.notebook
    before = notebook.identities()
    notebook.store.loaded.clear()
    plan = notebook.session.checkout(graph.t3.id).plan
    assert [version.names for version in plan.keep] == [("GMM",), ("df",)]
    assert {step.version.names: step.version.checkpoint for step in plan.load} == {
        ("gmm",): graph.t2.id,
        ("plot",): graph.t3.id,
    }
    assert (plan.delete, plan.replay, plan.lost) == ((), (), ())
    assert {version.names for version in notebook.store.loaded} == {("gmm",), ("plot",)}
    after = notebook.identities()
    assert after["df"] == before["df"]
    assert all(after[name] != before[name] for name in ("gmm", "plot"))
    assert differences(graph.at_t3, notebook.describe()) == []


def test_figure_10_there_and_back(graph: Graph) -> None:
    session = graph.notebook.session
    session.checkout(graph.t3.id)
    assert graph.notebook["plot"] == {"clusters": 3}
    session.checkout("main")
    assert graph.notebook["plot"] == {"clusters": 10}
    assert differences(graph.at_t5, graph.notebook.describe()) == []
    session.checkout(graph.t1.id)
    assert graph.notebook["gmm"].fitted is None
    assert "plot" not in graph.notebook.live


# -- Figure 11: fallback recomputation ---------------------------------------------------------------------

UNSTORABLE = [
    "plot = (label for label in gmm.fitted)",
    "plot = [memoryview(bytes(gmm.fitted)), gmm.fitted[:]]",
    "class Plot:\n"
    "    def __init__(self, data):\n"
    "        self.data = data\n"
    "    def __reduce_ex__(self, protocol):\n"
    "        raise TypeError('a plot is not for pickling')\n"
    "plot = Plot(gmm.result())",
]


@pytest.mark.parametrize("plotting", UNSTORABLE)
def test_figure_11_a_plot_that_cannot_be_stored_is_plotted_again(notebook: Notebook, plotting: str) -> None:
    notebook.ok(GMM + "gmm = GMM([1, 2])")
    notebook.ok("gmm.fit(k=3)")
    t3 = notebook.ok(plotting)
    record = next(record for record in t3.versions if "plot" in record.names)
    assert not record.stored
    assert record.reason
    at_t3 = notebook.describe()
    notebook.ok("plot = None; gmm.fit(k=10)")
    plan = notebook.session.checkout(t3.id).plan
    assert [step.code for step in plan.replay] == [plotting]
    assert notebook.reran == [plotting]
    assert differences(at_t3, notebook.describe()) == []
    assert notebook["gmm"].fitted == [3, 3, 3]


def test_figure_11_the_fallback_is_recursive(notebook: Notebook) -> None:
    """({gmm}, t2) does not load either: ({gmm}, t1) is loaded, t2 is re-run, then t3."""
    t1 = notebook.ok(GMM + "gmm = GMM([1, 2])")
    t2 = notebook.ok("gmm.fit(k=3)")
    t3 = notebook.ok("plot = (label for label in gmm.result())")
    at_t3 = notebook.describe()
    notebook.ok("plot = None")
    notebook.store.broken = {Version(("gmm",), t2.id)}
    notebook.ok("gmm.fit(k=1)")
    outcome = notebook.session.checkout(t3.id)
    assert [step.checkpoint for step in outcome.plan.replay][-2:] == [t2.id, t3.id]
    assert {load.version.checkpoint for load in outcome.plan.replay[0].loads} == {t1.id}
    assert differences(at_t3, notebook.describe()) == []


def test_figure_11_what_was_never_stored_is_made_from_its_beginning(notebook: Notebook) -> None:
    notebook.ok("gmm = iter_of = (k for k in [1, 2, 3, 4])")
    notebook.ok("first = next(gmm)")
    notebook.ok("plot = (k * first for k in gmm)")
    at_t3 = notebook.describe()
    notebook.ok("plot = gmm = iter_of = None")
    plan = notebook.session.undo().plan
    assert [step.code for step in plan.replay] == [
        "gmm = iter_of = (k for k in [1, 2, 3, 4])",
        "first = next(gmm)",
        "plot = (k * first for k in gmm)",
    ]
    assert differences(at_t3, notebook.describe()) == []
    assert list(notebook["plot"]) == [2, 3, 4]


def test_figure_11_a_load_that_fails_is_found_out_on_the_way(notebook: Notebook) -> None:
    """Nothing said so before: the plan is made anew when the load has failed."""
    notebook.ok(GMM + "gmm = GMM([1, 2])")
    notebook.ok("gmm.fit(k=3)")
    t3 = notebook.ok("plot = gmm.result()")
    at_t3 = notebook.describe()
    notebook.ok("plot = None")
    assert notebook.session.checkout(t3.id, dry_run=True).plan.replay == ()
    notebook.store.unloadable = {"plot"}
    assert [step.code for step in notebook.session.checkout(t3.id).plan.replay] == ["plot = gmm.result()"]
    assert differences(at_t3, notebook.describe()) == []
