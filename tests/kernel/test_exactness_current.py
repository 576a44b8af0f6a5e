"""What code touches without naming it: the current figure goes back, forwards and on as the variable that leads to it."""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

AGG = {"MPLBACKEND": "agg"}
PLOT = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()"

DRAWN = {
    "a title": (PLOT, "_ = plt.title('late')", "ax.get_title(), plt.gca() is ax"),
    "a line": (PLOT, "_ = plt.plot([1, 2])", "len(ax.lines), plt.gcf() is fig"),
    "histograms": (
        "import matplotlib.pyplot as plt, pandas as pd; df = pd.DataFrame({'a': [1, 2], 'b': [3, 4]}); h = df.hist()",
        "_ = plt.title('late')",
        "h.flat[-1].get_title(), plt.gcf() is h.flat[0].figure",
    ),
    "by pandas": (
        f"{PLOT}\nimport pandas as pd; s = pd.Series([1, 2])",
        "_ = s.plot()",
        "len(ax.lines), plt.gcf() is fig",
    ),
    "by a function": (
        f"{PLOT}\ndef late():\n    import matplotlib.pyplot as elsewhere\n    elsewhere.title('late')\ndel plt",
        "late()",
        "ax.get_title()",
    ),
    "by a method": (
        f"{PLOT}\nclass Painter:\n    def __init__(self): self.tool = plt\n    def late(self): self.tool.title('late')\np = Painter()",
        "p.late()",
        "ax.get_title(), plt.gcf() is fig",
    ),
    "by a closure": (
        f"{PLOT}\ndef make(tool):\n    def late(): tool.title('late')\n    return late\nlate = make(plt); del plt",
        "late()",
        "ax.get_title()",
    ),
    "by a default": (
        f"{PLOT}\ndef late(text, *, tool=plt): tool.title(text)\ndel plt",
        "late('late')",
        "ax.get_title()",
    ),
    "by an attribute of a class": (
        f"{PLOT}\nclass Painter:\n    tool = plt\n    @classmethod\n    def late(cls): cls.tool.title('late')\ndel plt",
        "Painter.late()",
        "ax.get_title()",
    ),
    "by a wrapper of a library's": (
        f"{PLOT}\nimport contextlib\n@contextlib.contextmanager\ndef titled(*_, tool=[plt]):\n    yield tool[0].title('late')\ndel plt",
        "with titled(): pass",
        "ax.get_title()",
    ),
    "by what an array holds": (
        f"{PLOT}\nimport numpy as np\ntools = np.array([plt.title, None], object); del plt",
        "tools[0]('late') and None",
        "ax.get_title()",
    ),
    "in a dictionary": (
        "import matplotlib.pyplot as plt; boards = {'one': [plt.figure()]}",
        "_ = plt.suptitle('late')",
        "boards['one'][0].get_suptitle(), plt.gcf() is boards['one'][0]",
    ),
    "in an attribute": (
        "import matplotlib.pyplot as plt\nclass Board: pass\nboard = Board(); board.axes = plt.subplot()",
        "_ = plt.xlabel('late')",
        "board.axes.get_xlabel(), plt.gca() is board.axes",
    ),
    "by bars": (
        "import matplotlib.pyplot as plt; bars = plt.bar([1, 2], [3, 4])",
        "_ = plt.ylim(0, 9)",
        "[int(end) for end in bars[0].axes.get_ylim()], plt.gca() is bars[0].axes",
    ),
    "in the first of two": (
        "import matplotlib.pyplot as plt; one, two = plt.figure(), plt.figure(); _ = plt.figure(1)",
        "_ = plt.suptitle('late')",
        "one.get_suptitle(), two.get_suptitle(), plt.gcf() is one, plt.get_fignums()",
    ),
    "another one is current": (
        "import matplotlib.pyplot as plt; one, two = plt.figure(), plt.figure()",
        "_ = plt.figure(1)",
        "plt.gcf() is one, plt.gcf() is two",
    ),
    "without a name": (
        PLOT,
        "_ = __import__('matplotlib.pyplot').pyplot.title('late')",
        "ax.get_title(), plt.gcf() is fig",
    ),
    "by a magic": (PLOT, "%time _ = plt.title('late')", "ax.get_title(), plt.gcf() is fig"),
    "one is closed": (PLOT, "plt.close()", "plt.get_fignums(), fig.number"),
    "one is cleared": (f"{PLOT}\n_ = plt.plot([1])", "plt.clf()", "len(fig.axes), plt.gcf() is fig"),
}


@pytest.mark.parametrize("case", DRAWN)
def test_drawn_in_the_current_figure(start: Start, tmp_path: Path, case: str) -> None:
    prepare, change, look = DRAWN[case]
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb"), **AGG}
    with start(environment=notebook) as kernel:
        kernel.ok(prepare)
        before = kernel.value(look)
        kernel.ok(change)
        after = kernel.value(look)
        assert before != after
        for step, told in (("undo", before), ("redo", after), ("undo", before), ("redo", after)):
            kernel.done(step)
            assert kernel.value(look) == told, step
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    assert not again.done("resume")["plan"]["lost"]
    assert again.value(look) == after


def test_drawn_by_any_library(start: Start) -> None:
    """As seaborn does: nobody knows of all libraries what they call."""
    kernel = start(environment=AGG)
    kernel.library("painter", "def late():\n    import matplotlib.pyplot as p\n    p.title('late')")
    kernel.library("talker", "import logging\ndef late(): logging.getLogger('talker').error('late')")
    kernel.ok(PLOT)
    kernel.ok(
        "import logging, io, painter, talker; text = io.StringIO(); logging.getLogger().addHandler(logging.StreamHandler(text))"
    )
    kernel.ok("painter.late()")
    kernel.ok("talker.late()")
    look = "ax.get_title(), plt.gcf() is fig, text.getvalue()"
    for step, told in (
        ("undo", ("late", "")),
        ("undo", ("", "")),
        ("redo", ("late", "")),
        ("redo", ("late", "late\n")),
    ):
        kernel.done(step)
        title, logged = told
        assert kernel.value(look) == (title, True, logged)


def test_drawn_on_after_an_undo(start: Start) -> None:
    """Not in the figure that was there before."""
    kernel = start(environment=AGG)
    kernel.ok(PLOT)
    kernel.ok("_ = plt.title('late')")
    kernel.done("undo")
    kernel.ok("_ = plt.xlabel('other'); _ = plt.plot([1])")
    assert kernel.value("ax.get_title(), ax.get_xlabel(), len(ax.lines), plt.get_fignums()") == ("", "other", 1, [1])
    kernel.done("undo")
    assert kernel.value("ax.get_xlabel(), len(ax.lines), plt.gca() is ax") == ("", 0, True)


def test_who_calls_no_library_costs_no_figure(start: Start) -> None:
    kernel = start(environment=AGG)
    kernel.ok(PLOT)
    kernel.ok("x = 1")
    kernel.ok("y = x + 2\ndef f(): return y")
    kernel.ok("z = f()")
    kernel.ok("def count(start):\n    seen = [start]\n    return lambda: seen.append(len(seen))\nmore = count(3)")
    kernel.ok("more()")
    kernel.ok("import numpy as np, csv; numbers = np.arange(3)")
    kernel.ok("rows = list(csv.reader(['a,b'])); numbers = np.sort(numbers)")  # a library, which asks for no figure
    for each in kernel.done("log", limit=7)["checkpoints"]:
        assert not {"fig", "ax"} & {*each["accessed"]}, each


def test_a_figure_that_no_variable_leads_to_is_told(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb"), **AGG}
    with start(environment=notebook) as kernel:
        kernel.ok("import matplotlib.pyplot as plt")
        kernel.ok("_ = plt.plot([1]); del _")
        kernel.ok("x = 1")
        for step in ("undo", "redo", "undo", "redo"):
            kernel.done(step)
        assert kernel.value("len(plt.gca().lines)") == 1
        kernel.done("log")  # what was taken is written
    [lost] = start(environment=notebook).done("resume")["plan"]["lost"]
    assert lost["names"] == ["figures of pyplot"]


def test_figures_that_stay_open_in_the_notebook(kernel: Kernel) -> None:
    kernel.ok(f"%config InlineBackend.close_figures = False\n{PLOT}")
    kernel.ok("_ = plt.title('late')")
    for step, told in (("undo", ""), ("redo", "late"), ("undo", ""), ("redo", "late")):
        kernel.done(step)
        assert kernel.value("ax.get_title(), plt.gcf() is fig") == (told, True)


def test_an_image_that_a_cell_shows_is_shown_as_ever(kernel: Kernel) -> None:
    """A figure that was open, and closed at the end of its cell, is open no more."""
    kernel.ok(PLOT)
    kernel.ok("_ = plt.plot([1])")
    kernel.done("undo")
    kernel.done("redo")
    ran = kernel.ok("_ = plt.plot([1, 2, 3])")
    assert sum("image/png" in each.get("data", {}) for each in ran.outputs) == 1
    assert kernel.value("len(ax.lines), plt.get_fignums()") == (0, [])


def test_got_from_a_library_that_had_kept_it(start: Start, tmp_path: Path) -> None:
    """No code of the cell names the variable whose object it gets."""
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    shelf = "KEPT = []\ndef last(): return KEPT[-1]"
    with start(environment=notebook) as kernel:
        kernel.library("shelf", shelf)
        kernel.ok("import shelf; xs = [1]; shelf.KEPT.append(xs)")
        kernel.ok("ys = {'of': shelf.last()}")
        kernel.ok("z = 1")
        for _ in range(2):
            kernel.done("undo", steps=2)
            kernel.done("redo", steps=2)
            assert kernel.value("ys['of'] is xs")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    again.library("shelf", shelf)
    again.done("resume")
    assert again.value("ys['of'] is xs, xs") == (True, [1])
