"""Undo in place, in a real kernel: arrays stay the objects that they are, and come back in a kernel of a later day."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from .driver import Kernel

IMPORTS = "import numpy as np, pandas as pd, sys, types"
SCENARIOS = {
    "a list": ("x = [np.full(1_000_000, n) for n in range(4)]", "x[2][-1] = 77", "[int(a.sum()) for a in x]"),
    "a view": ("x = np.arange(3_000_000); v = x[10:]", "v[0] = -1", "int(x.sum()), int(v[0]), v.base is x"),
    "shown": ("x = np.ones(3_000_000); x", "x[3] = 5", "float(x.sum()), Out[2] is x is _2"),
    "a frame": (
        "x = pd.DataFrame(np.ones((500_000, 10)), columns=list('abcdefghij'))",
        "x.loc[:, 'c'] = 0.5",
        "float(x.to_numpy().sum()), list(x.columns)",
    ),
    "a frame in a dictionary": (
        "x = {'f': pd.DataFrame(np.ones((500_000, 10))), 'a': np.zeros(1_000_000)}",
        "x['f'].iloc[7, 7] = 9; x['a'][5] = 3",
        "float(x['f'].iloc[7, 7]), float(x['a'].sum())",
    ),
}


@pytest.mark.parametrize("case", SCENARIOS)
def test_it_stays_what_it_is(case: str, tmp_path: Path) -> None:
    begins, changes, seen = SCENARIOS[case]
    if "pd." in begins and version("pandas") < "3":
        pytest.skip("frames of an older pandas are loaded anew")
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok(IMPORTS)
        kernel.ok(begins)
        for _ in range(3):  # the last three results IPython holds in places of its own
            kernel.ok("0")
        states = [str(kernel.done("status")["head"])]
        before, known = kernel.value(seen), kernel.value("id(x)")
        kernel.ok(changes)
        after = kernel.value(seen)
        states.append(str(kernel.done("status")["head"]))
        assert before != after
        kernel.done("undo")
        assert (kernel.value(seen), kernel.value("id(x)")) == (before, known)
        kernel.done("redo")
        assert (kernel.value(seen), kernel.value("id(x)")) == (after, known)
        kernel.done("undo")
        assert (kernel.value(seen), kernel.value("id(x)")) == (before, known)
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        kernel.ok("import sys")
        kernel.done("checkout", target=states[0])
        assert kernel.value(seen) == before
        known = kernel.value("id(x)")
        kernel.done("checkout", target=states[1])
        assert (kernel.value(seen), kernel.value("id(x)")) == (after, known)
        kernel.done("checkout", target=states[0])
        assert (kernel.value(seen), kernel.value("id(x)")) == (before, known)


def test_what_the_process_holds_is_made_anew(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.ok(IMPORTS)
        kernel.ok("x = np.ones(3_000_000)")
        kernel.ok("sys.modules['cache'] = types.ModuleType('cache'); sys.modules['cache'].of = x[2:5]")
        kernel.ok("x[3] = 5")
        known = kernel.value("id(x)")
        kernel.done("undo")
        assert kernel.value("float(x.sum()), float(sys.modules['cache'].of[1])") == (3_000_000, 5)
        assert kernel.value("id(x)") != known
