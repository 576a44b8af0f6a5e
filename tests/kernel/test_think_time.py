"""What the kernel finds in the user's think time: changes that no code shows, and what does not come back as it was."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.soak import often

from .conftest import Start
from .driver import Kernel


def thought(kernel: Kernel) -> dict[str, Any]:
    """The newest checkpoint, when there is nothing more to find out about it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        [newest] = kernel.done("log", channel="control", limit=1)["checkpoints"]
        if newest["audited"]:
            return dict(newest)
        time.sleep(0.05)
    raise AssertionError("nobody looked")


WAYS = {
    "what a module holds": ("import collections; x = [1]; collections.held = x", "collections.held.append(2)"),
    "a handler": (
        "import logging\nx = [1]\nclass H(logging.Handler):\n    def emit(self, record): x.append(2)\n"
        "logging.getLogger('try').addHandler(H()); del H",
        "logging.getLogger('try').error('now')",
    ),
    "a method that was put into a library": (
        "import fractions; x = [1]\ndef add(self): x.append(2)\nfractions.Fraction.add = add; del add",
        "fractions.Fraction(1).add()",
    ),
    "a hook": (
        "import sys\nx = [1]\nsys.audit_me = lambda: x.append(2)",
        "getattr(sys, 'audit' + '_me')()",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_change_that_no_code_shows(kernel: Kernel, way: str) -> None:
    """It belongs to the cell that made it, and goes with it."""
    prepare, change = WAYS[way]
    kernel.ok(prepare)
    before = thought(kernel)["id"]
    kernel.ok(change)
    newest = thought(kernel)
    assert newest["modified"] == ["x"]
    assert newest["code"] == change
    kernel.done("undo")
    assert kernel.value("x") == [1]
    assert kernel.done("log", limit=1)["head"] == before
    kernel.done("redo")
    assert kernel.value("x") == [1, 2]


@pytest.mark.parametrize("way", WAYS)
def test_an_undo_at_once(kernel: Kernel, way: str) -> None:
    """Before anybody had time to think."""
    prepare, change = WAYS[way]
    kernel.ok(prepare)
    kernel.ok(change)
    kernel.done("undo")
    assert kernel.value("x") == [1]


def test_what_was_found_is_there_in_a_new_kernel(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    prepare, change = WAYS["what a module holds"]
    with start(environment=notebook) as kernel:
        kernel.ok(prepare)
        kernel.ok(change)
        thought(kernel)
    again = start(environment=notebook)
    again.done("resume")
    assert again.value("x") == [1, 2]


def test_nothing_is_found_where_nothing_changed(kernel: Kernel) -> None:
    kernel.ok(
        "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n"
        "a = np.arange(9); b = a[2:5]; df = pd.DataFrame({'x': a}); fig, ax = plt.subplots(); ax.plot(a)\n"
        "class C:\n    def __init__(self): self.others = [self]\nc = C(); g = (i for i in a); f = lambda: c"
    )
    [lost] = thought(kernel)["not_stored"]
    assert "generator" in lost["reason"]
    kernel.ok("1 + 1")
    newest = thought(kernel)
    assert (newest["modified"], newest["deleted"]) == ([], [])
    kernel.ok("z = 1")
    assert thought(kernel)["modified"] == []
    assert kernel.done("status")["warnings"] == []


# --- what does not come back as it was


LIBRARY = """
import time

class Lossy(dict):
    def __init__(self, own=None): pass
    def __reduce__(self):
        return Lossy, (vars(self).get('own'),), None, None, iter(self.items())

class Opening(dict):
    def __reduce__(self): return Opening, (), {}
    def __setstate__(self, state): open('precious.txt', 'w').close()

class Slow(dict):
    def __reduce__(self): return Slow, (), {}
    def __setstate__(self, state): time.sleep(600)
"""
LOSSY = """
from library import Lossy
x = Lossy()
x.own = [1, 2]
y = [1]
"""


def test_what_loses_something_on_the_way_is_run_again(kernel: Kernel) -> None:
    kernel.library("library", LIBRARY)
    kernel.ok(LOSSY)
    newest = thought(kernel)
    [lost] = newest["not_stored"]
    assert "x" in lost["names"]
    assert "Lossy objects do not come back from storage as they were" in lost["reason"]
    assert any("Lossy" in warning for warning in kernel.done("log")["untold"])
    assert kernel.ok("pass").outputs == []  # no cell has to do with it
    assert any("Lossy" in warning for warning in kernel.done("status")["warnings"])
    kernel.ok("x.own.append(3); x[3] = 3")
    [lost] = kernel.done("log", limit=1)["checkpoints"][0]["not_stored"]
    assert "Lossy" in lost["reason"], "from now on it is not even stored"
    plan = kernel.done("undo")["plan"]
    assert [step["code"] for step in plan["replay"]] == [LOSSY]
    assert kernel.value("x.own") == [1, 2]
    assert kernel.value("y") == [1]


@pytest.mark.parametrize("then", ["x = 0", "x.own.append(3)", "%kishu undo"])
def test_an_undo_before_there_was_a_pause_does_not_bring_back_less(kernel: Kernel, then: str) -> None:
    """What was not tried yet is looked at when it is loaded."""
    kernel.library("library", LIBRARY)
    kernel.ok(LOSSY)
    if then == "%kishu undo":
        kernel.ok("x = 0")
        kernel.ok(then)
    else:
        kernel.ok(then)
        plan = kernel.done("undo")["plan"]
        assert [step["code"] for step in plan["replay"]] == [LOSSY]
    assert kernel.value("(x.own, y)") == ([1, 2], [1])


def test_what_cannot_be_re_run_comes_back_as_it_can_and_is_told(kernel: Kernel) -> None:
    kernel.library("library", LIBRARY)
    kernel.ok(f"# kishu: no-replay{LOSSY}")
    kernel.ok("x = 0")
    reply = kernel.done("undo")
    assert kernel.value("type(x).__name__") == "Lossy"
    told = [*reply.get("warnings", []), *kernel.done("status")["warnings"]]
    assert any("Lossy objects do not come back from storage as they were" in each for each in told), told


def test_a_trial_touches_nothing(kernel: Kernel, tmp_path: Path) -> None:
    """What opens a file when it is loaded is not loaded to be looked at."""
    (tmp_path / "precious.txt").write_text("precious")
    kernel.library("library", LIBRARY)
    kernel.ok("from library import Opening\nx = Opening()")
    thought(kernel)
    assert (tmp_path / "precious.txt").read_text() == "precious"


def test_what_hangs_when_it_is_tried_holds_up_no_cell(kernel: Kernel) -> None:
    kernel.library("library", LIBRARY)
    kernel.ok("from library import Slow\nx = Slow()")
    time.sleep(2)  # it is being tried
    kernel.ok("1 + 1")
    assert kernel.value("x") == {}


def test_cells_that_leave_no_pause_are_tried_in_the_next_one(kernel: Kernel) -> None:
    """As in "Run All": also what has changed again since."""
    kernel.library("library", LIBRARY)
    running = [kernel.begin(LOSSY), kernel.begin("x.own.append(3); x[3] = 3"), kernel.begin("1 + 1")]
    for each in running:
        kernel.end(each)
    thought(kernel)
    _, changed, made = kernel.done("log")["checkpoints"]
    assert "Lossy" in made["not_stored"][0]["reason"]
    assert "Lossy" in changed["not_stored"][0]["reason"]


@often(20, 60)
def test_cells_are_never_interrupted_by_thinking(kernel: Kernel, times: int) -> None:
    """Whenever they come: before a piece, in it, after it."""
    kernel.ok("import time, matplotlib.pyplot as plt\nfig, ax = plt.subplots(); ax.plot([1, 2]); n = 0")
    for number in range(times):
        time.sleep(0.28 + number % 10 * 0.01)
        kernel.ok("for _ in range(20000): n += 1")
    assert kernel.value("n") == times * 20000


def test_a_look_between_does_not_hide_what_was_undone(kernel: Kernel) -> None:
    """A property that keeps what it was asked is changed by who looks at it."""
    kernel.ok("class L:\n    @property\n    def n(self):\n        self.kept = 1\n        return 1\nl = L(); v = []")
    for number in range(1, 4):
        kernel.ok(f"v.append({number})")
    for operation, there in [("undo", [1, 2]), ("undo", [1]), ("undo", []), ("redo", [1]), ("redo", [1, 2])]:
        kernel.done(operation)
        assert kernel.value("(l.n, v)") == (1, there)
    kernel.done("redo")
    assert kernel.value("v") == [1, 2, 3]


def test_a_large_frame_is_compared(kernel: Kernel) -> None:
    """Its bytes are read from our own store, which is no doing of what is loaded."""
    kernel.ok("import numpy as np, pandas as pd\ndf = pd.DataFrame({'c': np.arange(3_000_000.)})")
    kernel.ok("df['d'] = df['c'] * 2")
    thought(kernel)
    [detail] = kernel.done("diff", target="HEAD", base="HEAD~1", values=True)["details"]
    assert "Not compared" not in str(detail["change"])
    assert detail["change"]["aspects"]
