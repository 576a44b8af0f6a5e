"""State outside the namespace goes back with the variables; a cell that runs again finds what it first had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

WAYS = {
    "random numbers": ("import random", "random.random()", "random.random()"),
    "a seed": ("import random; random.seed(1)", "random.random(); random.seed(2)", "random.random()"),
    "numpy": ("import numpy as np", "np.random.rand(3)", "np.random.rand(3).tolist()"),
    "working directory": ("import os", "os.mkdir('sub'); os.chdir('sub')", "os.getcwd()"),
    "environment, added": ("import os", "os.environ['KISHU_TRY'] = 'a'", "os.environ.get('KISHU_TRY')"),
    "environment, removed": ("import os", "del os.environ['PATH']", "os.environ.get('PATH')"),
    "matplotlib": ("import matplotlib.pyplot as plt", "plt.rcParams['figure.dpi'] = 42", "plt.rcParams['figure.dpi']"),
    "matplotlib, a style": (
        "import matplotlib.pyplot as plt",
        "plt.style.use('ggplot')",
        "plt.rcParams['axes.edgecolor']",
    ),
    "pandas": ("import pandas as pd", "pd.options.display.max_rows = 7", "pd.options.display.max_rows"),
    "pandas, a function": (
        "import pandas as pd",
        "pd.options.display.float_format = lambda x: f'<{x}>'",
        "pd.Series([0.5]).to_string()",
    ),
    "warnings": (
        "import warnings",
        "class Mine(UserWarning): pass\nwarnings.filterwarnings('ignore', 'x', Mine)",
        "[(each[0], each[2].__name__) for each in warnings.filters]",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_there_and_back(kernel: Kernel, way: str) -> None:
    """What is asked is no part of the history, also where it draws a number."""
    prepare, change, look = WAYS[way]
    kernel.ok(prepare)
    before = kernel.done("log", limit=1)["head"]
    first = kernel.value(f"repr({look})")
    kernel.done("checkout", target=before)
    kernel.ok(change)
    after = kernel.done("log", limit=1)["head"]
    second = kernel.value(f"repr({look})")
    assert first != second
    for target, expected in ((before, first), (after, second), (before, first)):
        reply = kernel.done("checkout", target=target)
        assert reply["applied"], reply
        assert kernel.value(f"repr({look})") == expected


NEW = ["a seed", "numpy", "environment, added", "matplotlib", "pandas, a function", "warnings"]


@pytest.mark.parametrize("way", NEW)
def test_in_a_new_kernel(start: Start, tmp_path: Path, way: str) -> None:
    prepare, change, look = WAYS[way]
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok(prepare)
        kernel.ok(change)
        kernel.done("log")  # what was taken is written
        expected = kernel.value(f"repr({look})")
    again = start(environment=notebook)
    again.done("resume")
    assert again.value(f"repr({look})") == expected


def test_what_did_not_change_is_not_stored_again(kernel: Kernel) -> None:
    kernel.ok("import random")
    kernel.ok("x = 1")
    kernel.ok("x = random.random()")
    drawn, plain, first = kernel.done("log")["checkpoints"]
    assert drawn["ambient"] == ["random numbers"]
    assert plain["ambient"] == []
    assert {"random numbers", "working directory", "environment variables"} <= set(first["ambient"])


def test_the_plan_tells(kernel: Kernel) -> None:
    kernel.ok("import os; x = 1")
    kernel.ok("os.environ['KISHU_TRY'] = 'a'")
    planned = kernel.done("undo", dry_run=True)
    assert planned["plan"]["ambient"] == ["environment variables"]
    assert kernel.value("os.environ['KISHU_TRY']") == "a"
    assert "restored: environment variables" in str(kernel.ok("%kishu undo").outputs)


def test_undoing_everything(kernel: Kernel) -> None:
    """Before the first cell it was as the kernel began."""
    before = kernel.value("__import__('os').getcwd()")
    kernel.ok("import os, tempfile; os.chdir(tempfile.mkdtemp()); os.environ['KISHU_TRY'] = 'a'")
    kernel.done("undo")
    assert kernel.value("__import__('os').getcwd()") == before
    assert kernel.value("__import__('os').environ.get('KISHU_TRY')") is None


def test_settings_of_before_the_import(kernel: Kernel) -> None:
    """Whoever takes back the cell that imported it, and imports it again, finds it as it comes."""
    kernel.ok("x = 1")
    kernel.ok("import matplotlib as mpl; mpl.rcParams['figure.dpi'] = 42")
    kernel.done("undo")
    kernel.ok("import matplotlib as mpl")
    assert kernel.value("mpl.rcParams['figure.dpi']") != 42


def test_a_directory_that_is_gone(kernel: Kernel) -> None:
    """Told before anything is applied; and there is a way without it."""
    kernel.ok("import os, tempfile; here = os.getcwd(); x = [1]; os.chdir(tempfile.mkdtemp())")
    kernel.ok("there = os.getcwd(); os.chdir(here); os.rmdir(there); x.append(2)")
    refused = kernel.request("undo")
    assert refused["ename"] == "LostError"
    assert "working directory" in refused["evalue"]
    assert kernel.value("x") == [1, 2]
    reply = kernel.done("undo", allow_lost=True)
    assert [lost["names"] for lost in reply["plan"]["lost"]] == [["working directory"]]
    assert kernel.value("x") == [1]
    assert kernel.value("os.getcwd() == here")
    kernel.ok("x.append(3)")
    kernel.done("undo", allow_lost=True)
    assert kernel.value("x") == [1]


def test_the_kernels_own_environment(kernel: Kernel) -> None:
    """What the kernel sets for itself when it starts is none of the notebook's doing."""
    before = kernel.value("__import__('os').environ.get('MPLBACKEND')")
    assert before is not None
    kernel.ok("x = 1")
    kernel.done("undo")
    assert kernel.value("__import__('os').environ.get('MPLBACKEND')") == before


def test_a_matplotlibrc_of_the_users(start: Start, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7")
    kernel = start()
    kernel.ok("x = 1")
    kernel.ok("import matplotlib as mpl; mpl.rcParams['lines.linewidth'] = 3")
    kernel.done("undo")
    kernel.ok("import matplotlib as mpl")
    assert kernel.value("mpl.rcParams['lines.linewidth']") == 7


def test_a_librarys_own_variables_stay_with_its_process(start: Start, tmp_path: Path) -> None:
    (tmp_path / "settinglib.py").write_text("import os\nos.environ['SETTINGLIB_TOKEN'] = os.environ['OTHER'] = 'a'")
    look = "[__import__('os').environ.get(name) for name in ('SETTINGLIB_TOKEN', 'SETTINGLIB_LEVEL', 'OTHER')]"
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("import os; x = 1")
        kernel.ok("__import__('settinglib'); os.environ['SETTINGLIB_LEVEL'] = '3'")
        kernel.done("undo")
        assert kernel.value(look) == [None, None, None]
        kernel.done("redo")
        assert kernel.value(look) == ["a", "3", "a"]
        kernel.ok("x = 2")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    again.done("resume")
    assert again.value(look) == [None, "3", "a"]


# --- cells that run again


def test_a_replay_draws_the_same(kernel: Kernel) -> None:
    """Nobody gave a seed."""
    kernel.ok("import random")
    kernel.ok("g = (x for x in [random.random(), random.random()])")
    kernel.ok("drawn = list(g); then = random.random()")
    expected = kernel.value("drawn, then")
    reply = kernel.done("undo")
    assert [step["gives"] for step in reply["plan"]["replay"]] == [["g"]]
    assert kernel.value("list(g), random.random()") == expected


def test_a_replay_in_a_new_kernel_draws_the_same(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("import random; g = (x for x in [random.random(), random.random()])")
        target = kernel.done("log")["head"]
        kernel.ok("drawn = list(g)")
        expected = kernel.value("drawn")
    again = start(environment=notebook)
    again.done("checkout", target=target)
    assert again.value("list(g)") == expected


def test_a_replay_in_the_directory_of_then(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    kernel.ok("import os; os.chdir('one')")
    kernel.ok("g = (x for x in [os.getcwd()])")
    kernel.ok("os.chdir('..'); list(g)")
    here = kernel.value("os.getcwd()")
    kernel.done("undo")
    assert kernel.value("list(g)") == [os.path.join(here, "one")]


def test_a_replay_that_draws_other_numbers_is_an_error(kernel: Kernel) -> None:
    """A seed from the clock: nobody would see that it is not what it was."""
    kernel.ok("import random")
    kernel.ok("random.seed(); g = (x for x in [random.random()])")
    kernel.ok("list(g)")
    refused = kernel.request("undo")
    assert refused["ename"] == "ReplayError"
    assert "drew other random numbers when it was re-run" in refused["evalue"]


def test_where_others_draw_too_a_replay_is_compared_or_refused(kernel: Kernel) -> None:
    """Threads of a library's may have drawn: other numbers show nothing. Then the value has to."""
    kernel.library(
        "beside",
        "from kishu_kernel.objects import Library, register\n"
        "class Beside(Library):\n    packages = ('beside',)\n    def draws_beside(self): return True\nregister(Beside)",
    )
    kernel.ok("import beside, hashlib, random")
    kernel.ok("random.seed(); seen = hashlib.sha256(str(random.random()).encode())")
    kernel.ok("del seen")
    assert "not the same as before: seen." in kernel.done("undo")["warnings"][0]
    kernel.ok("random.seed(); hidden = (x for x in [random.random()])")
    kernel.ok("list(hidden)")
    refused = kernel.request("undo")
    assert refused["ename"] == "ReplayError"
    assert "drew other random numbers when it was re-run" in refused["evalue"]


def test_an_import_may_draw_numbers(kernel: Kernel, tmp_path: Path) -> None:
    """It does so once in a process: that it does not the second time is no reason to refuse."""
    (tmp_path / "drawing.py").write_text("import random\nrandom.random()")
    kernel.ok("import drawing; g = (x for x in 'ab')")
    kernel.ok("list(g)")
    kernel.done("undo")
    assert kernel.value("list(g)") == ["a", "b"]


def test_a_replay_whose_directory_is_gone_is_an_error(kernel: Kernel, tmp_path: Path) -> None:
    """In another one it would read other files, and nobody would know."""
    kernel.ok("import os, tempfile; here = os.getcwd(); os.chdir(tempfile.mkdtemp())")
    kernel.ok("g = (x for x in [os.getcwd()])")
    kernel.ok("there = os.getcwd(); os.chdir(here); os.rmdir(there)")
    kernel.ok("list(g)")
    refused = kernel.request("undo")
    assert refused["ename"] == "ReplayError"
    assert "working directory" in refused["evalue"]


def test_a_replay_after_the_import_was_undone(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("import numpy as np; y = np.random.rand()")
    kernel.done("undo")
    kernel.ok("import numpy as np; g = (i for i in np.random.rand(3).tolist())")
    kernel.ok("drawn = list(g)")
    expected = kernel.value("drawn")
    kernel.done("undo")
    assert kernel.value("list(g)") == expected


def test_what_a_replay_does_to_it_is_undone(kernel: Kernel) -> None:
    kernel.ok("import os, random; x = [1]")
    kernel.ok("os.environ['KISHU_TRY'] = 'a'; g = (i for i in x)")
    kernel.ok("os.environ['KISHU_TRY'] = 'b'; list(g)")
    kernel.done("branch", name="b")
    kernel.ok("del g")
    kernel.done("checkout", target="HEAD~2")
    assert kernel.value("os.environ['KISHU_TRY']") == "a"
    kernel.done("checkout", target="b")
    assert kernel.value("os.environ['KISHU_TRY']") == "b"


def test_what_changed_between_cells_is_what_the_next_cell_found(kernel: Kernel) -> None:
    kernel.ok("import random")
    kernel.ok("random.random()", store_history=False)
    kernel.ok("g = (x for x in [random.random()])")
    kernel.ok("drawn = list(g)")
    expected = kernel.value("drawn")
    kernel.done("undo")
    assert kernel.value("list(g)") == expected


# --- providers of one's own


PROVIDER = """
import decimal
from kishu_kernel.ambient import Provider, register

class Precision(Provider):
    name = "precision of decimal"
    module = "decimal"
    def read(self):
        return decimal.getcontext().prec
    def write(self, value):
        decimal.getcontext().prec = value

register(Precision())
"""


def test_a_provider_of_the_users(kernel: Kernel) -> None:
    kernel.ok("import decimal; prec = lambda: decimal.getcontext().prec")
    kernel.ok(PROVIDER)
    kernel.ok("decimal.getcontext().prec = 5")
    assert kernel.done("log", limit=1)["checkpoints"][0]["ambient"] == ["decimal context", "precision of decimal"]
    kernel.done("undo")
    assert kernel.value("decimal.getcontext().prec") == 28


@pytest.mark.parametrize("broken", ["read", "write"])
def test_a_provider_that_fails(kernel: Kernel, broken: str) -> None:
    """What it keeps is not kept; all else is."""
    kernel.ok(PROVIDER.replace(f"def {broken}(self", f"def {broken}(self, *_): 1 / 0\n    def other_{broken}(self"))
    kernel.ok("x = [1]")
    kernel.ok("decimal.getcontext().prec = 5; x.append(2)")
    if broken == "read":
        kernel.done("undo")
        assert kernel.value("x") == [1]
    else:
        refused = kernel.request("undo")
        assert "the precision of decimal cannot be set (ZeroDivisionError" in refused["evalue"]
        assert kernel.value("x") == [1, 2]


def test_a_replay_that_gives_something_else_is_told(kernel: Kernel) -> None:
    """Of the same type, so that it is given; but nobody is to take it for what it was."""
    kernel.ok("import time, threading")
    kernel.ok("x = [time.time_ns(), (i for i in 'ab')]; y = [1, (i for i in 'ab')]")
    kernel.ok("x = y = None")
    kernel.done("undo")
    [warning] = kernel.done("status")["warnings"]
    assert warning.startswith("Re-run, and not the same as before: x.")
