"""Re-runs: each cell once, on what is at hand, and nothing of it is changed by one that goes otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.errors import CheckoutError
from kishu_kernel.session import lending
from kishu_kernel.session.rerun import Rerun
from tests.session.test_think_time import think
from tests.support.harness import FailingStore, Notebook

HOLDER = "class Holder:\n    def __init__(self, value):\n        self.value, self.rest = value, (n for n in ())"
RUNS = "import math\nmath.kishu_runs[0] += 1\n"
"""A re-run that goes otherwise: nobody knows of this list."""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


@pytest.fixture
def runs() -> Iterator[list[int]]:
    import math

    math.kishu_runs = [0]  # type: ignore[attr-defined]
    yield math.kishu_runs  # type: ignore[attr-defined]
    del math.kishu_runs  # type: ignore[attr-defined]


def loads_of(notebook: Notebook, name: str) -> int:
    assert isinstance(notebook.store, FailingStore)
    return sum(name in version.names for version in notebook.store.loaded)


def test_each_cell_is_rerun_once_in_the_order_of_the_first_run(notebook: Notebook) -> None:
    notebook.ok(f"{HOLDER}\nh0 = Holder(1); h1 = Holder(1)")
    cells = [f"h{n} = Holder(h{n - 1}.value + h{n - 2}.value)" for n in range(2, 15)]
    for cell in cells:
        notebook.ok(cell)
    notebook.ok(f"del Holder, {', '.join(f'h{n}' for n in range(15))}")
    notebook.session.undo()
    assert notebook.reran[1:] == cells
    assert [notebook[f"h{n}"].value for n in (2, 13, 14)] == [2, 377, 610]
    assert {type(notebook[f"h{n}"]) for n in range(15)} == {notebook["Holder"]}


def test_what_the_session_keeps_is_read_by_reruns_and_stays_what_it_is(notebook: Notebook) -> None:
    notebook.ok("x = [[1], [2]]")
    for n in range(3):
        notebook.ok(f"g{n} = (each for each in [len(x)] * {n})")
    notebook.ok("del g0, g1, g2")
    before = notebook["x"]
    notebook.session.undo()
    assert loads_of(notebook, "x") == 0
    assert notebook["x"] is before
    assert [list(notebook[f"g{n}"]) for n in range(3)] == [[], [2], [2, 2]]
    assert before == [[1], [2]]


def test_what_is_loaded_for_the_user_is_read_by_reruns(notebook: Notebook) -> None:
    notebook.ok("x = [[1], [2]]")
    notebook.ok("g = (each for each in [len(x)])")
    notebook.ok("h = (each for each in [len(x)])")
    notebook.ok("del x, g, h")
    notebook.session.undo()
    assert loads_of(notebook, "x") == 1
    assert (notebook["x"], list(notebook["g"]), list(notebook["h"])) == ([[1], [2]], [2], [2])


CHANGING = {
    "it changes its input": "x.append(3)\ng = (n for n in [len(x)])",
    "it has side effects": "open('/dev/null', 'w').close()\ng = (n for n in [len(x)])",
    "it raised": "g = (n for n in [len(x)])\n1 / 0",
}


@pytest.mark.parametrize("cell", CHANGING.values(), ids=CHANGING)
def test_a_cell_that_might_change_what_it_reads_gets_its_own(notebook: Notebook, cell: str) -> None:
    notebook.ok("x = [1, 2]")
    checkpoint = notebook.run(cell)
    assert checkpoint is not None
    notebook.ok("g = 0")
    before = notebook["x"]
    notebook.session.undo(replay="auto")
    assert loads_of(notebook, "x") == 1
    assert notebook["x"] is before
    assert list(notebook["g"]) == [len(before)]


FAILING = {
    "raises": "if math.kishu_runs[0] > 1: x.append(9); y[0] = 'new'; 1 / 0\ng = (n for n in (len(x), len(y)))",
    "gives another type": "g = (n for n in (len(x), len(y)))\nif math.kishu_runs[0] > 1: x.append(9); y.clear(); g = 5",
}


@pytest.mark.parametrize("cell", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("allow_lost", [False, True])
def test_what_a_rerun_damages_that_fails_is_as_it_was(
    notebook: Notebook, runs: list[int], cell: str, allow_lost: bool
) -> None:
    notebook.ok("x = [1]; y = [2]; same = y; z = [3]")
    notebook.ok(RUNS + cell)
    notebook.ok("g = 0")
    z = notebook["z"]
    if allow_lost:
        lost = notebook.session.undo(allow_lost=True).plan.lost
        assert [each.version.names for each in lost] == [("g",)]
    else:
        with pytest.raises(CheckoutError):
            notebook.session.undo()
        assert notebook["g"] == 0
    assert runs == [2]
    assert (notebook["x"], notebook["y"], notebook["z"]) == ([1], [2], [3])
    assert notebook["same"] is notebook["y"]
    assert notebook["z"] is z
    notebook.ok("w = 1")
    assert think(notebook).modified == ()


def test_what_an_interrupted_rerun_damages_is_as_it_was(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]; y = [2]")
    notebook.ok(RUNS + "g = (n for n in (len(x), len(y)))")
    notebook.ok("g = 0")
    y = notebook["y"]

    def interrupted(code: str, number: int | None) -> Rerun:
        notebook["x"].append(5)
        raise KeyboardInterrupt

    notebook.rerunner = interrupted
    with pytest.raises(KeyboardInterrupt):
        notebook.session.undo()
    assert (notebook["x"], notebook["y"], notebook["g"]) == ([1], [2], 0)
    assert notebook["y"] is y


def test_what_was_loaded_and_damaged_is_loaded_again(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]")
    notebook.ok(RUNS + "if math.kishu_runs[0] > 1: x.append(9); 1 / 0\ng = (n for n in [len(x)])")
    notebook.ok("del x, g")
    notebook.session.undo(allow_lost=True)
    assert notebook["x"] == [1]
    assert "g" not in notebook.live


def test_a_result_that_differs_is_told_and_what_was_lent_is_as_it_was(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]")
    notebook.ok(RUNS + "if math.kishu_runs[0] > 1: x.append(9)\nh = [len(x)]\ng = (n for n in [len(x)])")
    notebook.ok("del g, h")
    assert isinstance(notebook.store, FailingStore)
    notebook.store.unloadable = {"h"}
    notebook.session.undo()
    assert ["not the same as before: g, h" in each for each in notebook.warnings] == [True]
    assert notebook["x"] == [1]


UNSEEN = RUNS + "g = (n for n in [len(x)])\nif math.kishu_runs[0] == {}: x.append(9)"
"""It gives what it gave, and changes what it left as it was."""


def test_what_a_rerun_changes_unseen_is_as_it_was_at_the_reply(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]; y = [x, 2]; z = [3]")
    notebook.ok(UNSEEN.format(2) + "\nlen(z);")
    notebook.ok("g = 0")
    z = notebook["z"]
    notebook.session.undo()
    assert runs == [2]
    assert (notebook["x"], notebook["y"]) == ([1], [[1], 2])
    assert notebook["y"][0] is notebook["x"]
    assert notebook["z"] is z
    assert notebook.warnings == []
    notebook.ok("w = 1")
    assert think(notebook).modified == ()
    assert list(notebook["g"]) == [1]


def test_what_was_loaded_and_is_changed_unseen_is_loaded_again(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]")
    notebook.ok(UNSEEN.format(2))
    notebook.ok("del x, g")
    notebook.session.undo()
    assert runs == [2]
    assert (notebook["x"], list(notebook["g"]), notebook.warnings) == ([1], [1], [])


READERS = ["g = (n for n in [len(x)])", "h = (len(x), (n for n in ()))", "i = (h[0], (n for n in ()))"]


@pytest.mark.parametrize("lost", ["g, h, i", "g, h, i, x"])
def test_who_reads_what_another_rerun_has_changed_is_rerun_on_a_copy(
    notebook: Notebook, runs: list[int], lost: str
) -> None:
    notebook.ok("x = [1]")
    notebook.ok(RUNS + READERS[0] + "\nif math.kishu_runs[0] == 2: x.append(9)")
    for cell in READERS[1:]:
        notebook.ok(cell)
    notebook.ok(f"del {lost}")
    notebook.session.undo()
    assert runs == [2]
    assert notebook.reran[-2:] == READERS[1:]
    assert (notebook["x"], list(notebook["g"]), notebook["h"][0], notebook["i"][0]) == ([1], [1], 1, 1)
    assert notebook.warnings == []


def test_a_cell_that_fails_for_what_another_rerun_has_changed_is_rerun_on_a_copy(
    notebook: Notebook, runs: list[int]
) -> None:
    notebook.ok("x = [1]")
    notebook.ok(UNSEEN.format(2))
    notebook.ok("assert len(x) == 1\nh = (n for n in [len(x)])")
    notebook.ok("del g, h")
    assert notebook.session.undo().plan.lost == ()
    assert (notebook["x"], list(notebook["g"]), list(notebook["h"])) == ([1], [1], [1])


def test_what_would_take_side_effects_twice_is_told(notebook: Notebook, runs: list[int]) -> None:
    notebook.ok("x = [1]")
    notebook.ok(UNSEEN.format(2))
    notebook.ok("h = (len(x), (n for n in ()))")
    notebook.ok("open('/dev/null', 'w').close()\ni = (h[0], (n for n in ()))")
    notebook.ok("del g, h, i")
    notebook.session.undo(replay="auto")
    assert sum("open" in cell for cell in notebook.reran) == 1
    assert notebook["x"] == [1]
    assert [sorted(each.split(": ")[1].split(". ")[0].split(", ")) for each in notebook.warnings] == [["h", "i"]]


def test_what_takes_long_to_look_at_is_loaded(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lending, "LOOK_SECONDS", 0.0)
    notebook.ok("x = [[n] for n in range(20_000)]")
    notebook.ok("g = (n for n in [len(x)])")
    notebook.ok("g = 0")
    before = notebook["x"]
    notebook.session.undo()
    assert loads_of(notebook, "x") == 1
    assert notebook["x"] is before


def test_what_has_changed_unseen_before_is_not_read_by_reruns(notebook: Notebook) -> None:
    notebook.ok("x = [[n] for n in range(9)]")
    notebook.ok("g = (n for n in [len(x)])")
    notebook.ok("g = 0")
    think(notebook)
    notebook["x"].append("by a thread")
    notebook.session.undo()
    assert list(notebook["g"]) == [9]


def test_only_what_somebody_gets_is_compared(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    from kishu_kernel.session import rerun

    compared: list[tuple[str, ...]] = []
    digest_of = rerun.digest_of

    def counting(objects: Any, *arguments: Any, **named: Any) -> Any:
        compared.append(tuple(objects))
        return digest_of(objects, *arguments, **named)

    monkeypatch.setattr(rerun, "digest_of", counting)
    notebook.ok("h = [0, (n for n in ())]")
    for n in range(9):
        notebook.ok(f"h[0] += {n}")
    notebook.ok("h = None")
    notebook.session.undo()
    assert notebook["h"][0] == 36
    assert compared == [("h",)]
