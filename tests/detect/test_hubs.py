"""Figures: what leads to one is walked with it, once, and every change in it is seen through every name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.harness import Notebook

pytestmark = pytest.mark.usefixtures("both_twins")

START = """
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
figure, axes = plt.subplots(1, 2)
left, right = axes
[line] = left.plot([1, 2, 3], label="line")
figure.canvas.draw()
"""
ALL = ("axes", "figure", "left", "line", "right")


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    notebook = Notebook()
    notebook.ok(START)
    assert ALL in notebook.covariables()
    yield notebook
    notebook["plt"].close("all")  # of too many open ones, those of other tests among them, matplotlib warns


def test_looking_changes_nothing(notebook: Notebook) -> None:
    assert notebook.ok("line.get_label(), right.get_title();").modified == ()
    assert notebook.ok("figure.axes;").modified == ()


@pytest.mark.parametrize(
    "change",
    [
        "right.set_title('t')",
        "line.set_ydata([3, 2, 1])",
        "figure.suptitle('t')",
        "axes[0].clear()",
        "line.remove()",
    ],
)
def test_a_change_is_seen_and_taken_back(notebook: Notebook, change: str) -> None:
    was = notebook.describe()
    assert set(notebook.ok(f"{change};").modified) >= {"axes", "figure", "left", "right"}
    notebook.session.undo()
    assert notebook.describe() == was


def test_what_a_figure_holds_joins_it_with_whatever_shares_it(notebook: Notebook) -> None:
    notebook.ok("del figure, axes, right, line")
    notebook.ok("tags = ['a']; left.tags = tags")
    assert ("left", "tags") in notebook.covariables()
    assert set(notebook.ok("tags.append('b')").modified) == {"left", "tags"}
    notebook.session.undo(2)
    assert ("left",) in notebook.covariables()


def test_two_figures_that_lead_to_each_other(notebook: Notebook) -> None:
    notebook.ok("other = plt.figure(); other.friend = figure; figure.friend = other")
    assert tuple(sorted((*ALL, "other"))) in notebook.covariables()
    notebook.ok("other.suptitle('t');")
    notebook.session.undo()
    notebook.ok("back = other.friend is figure and figure.friend is other, other._suptitle is None")
    assert notebook["back"] == (True, True)


def test_a_new_name_changes_no_other(notebook: Notebook) -> None:
    assert notebook.ok("a = figure").modified == ()
    assert notebook.ok("del figure").modified == ()
    assert notebook.ok("b = line.axes").modified == ()


def test_figures_that_lead_to_each_other_are_told_alike_wherever_one_begins(notebook: Notebook) -> None:
    notebook.ok("second = plt.figure(); third = second.add_subplot(sharex=left)")
    for look in ("second.axes;", "figure.axes;", "third.get_title();", "line.axes;"):
        assert notebook.ok(look).modified == ()
