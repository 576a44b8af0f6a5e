"""A class of the notebook and its instances are versions of their own: what plans make of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from kishu_kernel.errors import CheckoutError
from kishu_kernel.model import Version
from tests.support.describer import differences
from tests.support.harness import Notebook

H = "class H:\n    x = 0\n    def __init__(self, n): self.n = n\n"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


def consistent(notebook: Notebook) -> bool:
    return all(type(notebook[name]) is notebook["H"] for name in ("h", "g"))


def test_one_instance_is_a_version_of_one(notebook: Notebook) -> None:
    notebook.ok(f"{H}h = H(1)\ng = [H(n) for n in range(1000)]")
    changed = notebook.ok("h.n = 2")
    assert [record.names for record in changed.versions] == [("h",)]
    assert changed.payload_bytes < 2000
    kept = notebook["g"], notebook["H"]
    plan = notebook.session.undo().plan
    assert [step.version.names for step in plan.load] == [("h",)]
    assert (notebook["g"], notebook["H"]) == kept
    assert notebook["g"] is kept[0]


def test_a_class_that_is_made_anew_makes_its_instances_anew(notebook: Notebook) -> None:
    notebook.ok(f"{H}h = H(1); g = H(2)")
    changed = notebook.ok("H.x = 5")
    assert [record.names for record in changed.versions] == [("H",)]
    plan = notebook.session.undo().plan
    assert [step.version.names for step in plan.load] == [("H",), ("g",), ("h",)]
    assert consistent(notebook)
    assert notebook["H"].x == 0
    notebook.session.redo()
    assert consistent(notebook)
    assert notebook["H"].x == 5


def test_an_instance_is_loaded_against_the_class_of_its_state(notebook: Notebook) -> None:
    """Though its payload holds the class as it was when the instance was stored."""
    notebook.ok(f"{H}h = H(1); g = H(2)")
    notebook.ok("H.x = 5")
    then = notebook.describe()
    notebook.ok("h.n = 9; g.n = 9")
    notebook.session.undo()
    assert differences(then, notebook.describe()) == []
    assert consistent(notebook)
    assert notebook["h"].x == 5


def test_what_is_re_run_brings_its_class(notebook: Notebook) -> None:
    """And what else refers to that is loaded against it."""
    notebook.ok(f"{H}g = H(2)")
    made = notebook.ok("h = H(1)")
    then = notebook.describe()
    notebook.ok("h.n = 2")
    notebook.store.broken = {Version(("h",), made.id)}
    plan = notebook.session.undo().plan
    assert [(step.code, sorted(version.names[0] for version in step.gives)) for step in plan.replay] == [
        ("h = H(1)", ["H", "h"])
    ]
    assert [step.version.names for step in plan.load] == [("g",)]
    assert consistent(notebook)
    assert differences(then, notebook.describe()) == []
    assert notebook.warnings == []


def test_what_is_re_run_with_a_class_that_was_changed_later_is_lost(notebook: Notebook) -> None:
    """It would come with the class as it was. That is told before anything is done."""
    notebook.ok(f"{H}g = H(2)")
    made = notebook.ok("h = H(1)")
    notebook.ok("H.x = 5")
    notebook.ok("h.n = 2")
    notebook.store.broken = {Version(("h",), made.id)}
    before = notebook.describe()
    with pytest.raises(CheckoutError, match="H was changed after its cell ran"):
        notebook.session.undo()
    assert differences(before, notebook.describe()) == []
    plan = notebook.session.undo(allow_lost=True).plan
    assert [lost.version.names for lost in plan.lost] == [("h",)]
    assert "h" not in notebook.live
    assert type(notebook["g"]) is notebook["H"]


def test_a_class_that_is_re_run_is_what_its_instances_are_loaded_against(notebook: Notebook) -> None:
    made = notebook.ok(H)
    notebook.ok("g = H(2); h = H(1)")
    then = notebook.describe()
    notebook.ok("H.x = 5")
    notebook.store.broken = {Version(("H",), made.id)}
    plan = notebook.session.undo().plan
    assert [step.code for step in plan.replay] == [H]
    assert consistent(notebook)
    assert differences(then, notebook.describe()) == []
    notebook.ok("h.n = 7")
    notebook.session.undo()
    assert consistent(notebook)


def test_a_class_that_holds_an_instance_is_one_with_it_as_long_as_it_does(notebook: Notebook) -> None:
    notebook.ok(f"{H}h = H(1)\nH.first = h; g = H(2)")
    assert ("H", "h") in notebook.covariables()
    notebook.ok("del H.first")
    assert {("H",), ("h",), ("g",)} <= notebook.covariables()
    notebook.session.undo()
    assert notebook["H"].first is notebook["h"]
    assert consistent(notebook)


def test_instances_of_a_class_that_is_lost_bring_it(notebook: Notebook) -> None:
    """Their payloads hold it. Only its name is lost."""
    made = notebook.ok(f"# kishu: no-replay\n{H}")
    notebook.ok("g = H(2); h = H(1)")
    notebook.ok("H.x = 5")
    notebook.store.broken = {Version(("H",), made.id)}
    plan = notebook.session.undo(allow_lost=True).plan
    assert [lost.version.names for lost in plan.lost] == [("H",)]
    assert (notebook["g"].n, notebook["h"].n, notebook["g"].x) == (2, 1, 0)
    assert type(notebook["g"]) is type(notebook["h"])
    assert "H" not in notebook.live


@pytest.mark.parametrize("first", [True, False])
def test_a_re_run_that_fails_repeats_no_other(notebook: Notebook, tmp_path: Path, first: bool) -> None:
    """What those gave is of the same class in the next plan."""
    notebook.ok(f"{H}g = H(2)")
    made = notebook.ok("h = H(1)")
    fails = "a" if first else "z"
    notebook.ok(f"import os\nassert not os.listdir({str(tmp_path)!r})\n{fails} = (n for n in 'ab')")
    notebook.ok(f"h.n = 2; {fails} = None")
    notebook.store.broken = {Version(("h",), made.id)}
    (tmp_path / "fails").touch()
    plan = notebook.session.undo(allow_lost=True).plan
    assert [lost.version.names for lost in plan.lost] == [(fails,)]
    assert notebook.reran.count("h = H(1)") == 1
    assert consistent(notebook)
    assert (notebook["h"].n, notebook["g"].n) == (1, 2)


def test_a_load_that_fails_after_a_re_run_repeats_no_cell(notebook: Notebook) -> None:
    """Loads that refer to a class which a cell gives come after it."""
    notebook.ok(f"{H}h = H(1)")
    made = notebook.ok("h = H(3)")
    late = notebook.ok("# kishu: no-replay\nz = H(2)")
    notebook.ok("h.n = 2; z.n = 4")
    notebook.store.broken = {Version(("h",), made.id), Version(("z",), late.id)}
    plan = notebook.session.undo(allow_lost=True).plan
    assert [lost.version.names for lost in plan.lost] == [("z",)]
    assert notebook.reran == ["h = H(3)"]
    assert type(notebook["h"]) is notebook["H"]


@pytest.mark.parametrize("changed", ["H.held.append(functools.lru_cache(len))", "H.held.append(h)"])
def test_a_class_that_cannot_be_apart_any_more_is_one_with_its_instances(notebook: Notebook, changed: str) -> None:
    notebook.ok("import functools\nclass H:\n    held = []\nh = H()")
    for n in range(3):
        assert [record.names for record in notebook.ok(f"h.n = {n}").versions] == [("h",)]
    before = notebook.describe()
    assert ("H", "h") in [record.names for record in notebook.ok(changed).versions]
    then = notebook.describe()
    notebook.session.undo()
    assert differences(before, notebook.describe()) == []
    assert type(notebook["h"]) is notebook["H"]
    assert [record.names for record in notebook.ok("h.n = 5").versions] == [("h",)]
    notebook.session.undo()
    notebook.session.redo()
    notebook.session.undo()
    assert [record.names for record in notebook.ok(changed).versions]
    assert differences(then, notebook.describe()) == []
