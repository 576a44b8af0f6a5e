"""The memory that arrays share, on a real kernel: stored once, loaded once, and shared as it was.

A scenario is undone twice, and brought back in a kernel that was started anew. That arrays show the same memory is seen
by a write, and how they lie by a table of it that is made with them.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import COPIES, Kernel
from .test_exactness import Scenario, begun, holds, make

VIEWS: dict[str, Scenario] = {
    "broadcast, base named": (
        "a = np.arange(4.)",
        "b = np.broadcast_to(a, (3, 4))",
        "a[1] = 9; assert b[:, 1].tolist() == [9] * 3",
    ),
    "broadcast, two of one that is gone": (
        "_a = np.arange(4.)",
        "b = np.broadcast_to(_a, (3, 4)); a = _a[1:]; del _a",
        "a[0] = 9; assert b[2, 1] == 9",
    ),
    "broadcast of a scalar": (
        "",
        "b = np.broadcast_to(1.5, (5, 5))",
        "assert b.sum() == 37.5",
    ),
    "broadcast arrays": (
        "x = np.arange(3); y = np.arange(2)[:, None]",
        "a, b = np.broadcast_arrays(x, y)",
        "x[0] = 9; assert a[:, 0].tolist() == [9, 9]; y[1] = 7; assert b[1].tolist() == [7] * 3",
    ),
    "a window": (
        "a = np.arange(10.)",
        "b = sliding_window_view(a, 4)",
        "a[3] = 50; assert b[0, 3] == b[1, 2] == b[3, 0] == 50",
    ),
    "a window over a reversed": (
        "a = np.arange(10.)",
        "b = sliding_window_view(a[::-1], 4)",
        "a[9] = 50; assert b[0, 0] == 50",
    ),
    "a window of columns": (
        "a = np.arange(12.).reshape(3, 4)",
        "b = sliding_window_view(a, (2, 2))",
        "a[1, 1] = 50; assert b[0, 0, 1, 1] == b[1, 1, 0, 0] == 50",
    ),
    "a window of strings": (
        "a = np.array(['a', 'b', 'c', 'd'])",
        "b = sliding_window_view(a, 2)",
        "a[1] = 'z'; assert b[0, 1] == b[1, 0] == 'z'",
    ),
    "a window of objects": (
        "a = np.array([[1], 'b', 3, None], object)",
        "b = sliding_window_view(a, 2)",
        "a[1] = 'z'; assert b[0, 1] == b[1, 0] == 'z' and b[0, 0] is a[0]",
    ),
    "a window of objects, gone": (
        "",
        "b = sliding_window_view(np.array([[1], 'b', 3, None], object), 2)",
        "assert b[0, 1] is b[1, 0] and b[0, 0] == [1]",
    ),
    "a window of a frame": (
        "import pandas as pd; df = pd.DataFrame({'p': np.arange(20.), 'q': 1})",
        "b = sliding_window_view(df['p'].to_numpy(), 5)",
        "assert np.shares_memory(b, df['p'].to_numpy()) and b[3, 2] == 5; df['p'] = 7; assert b[3, 2] == 5",
    ),
    "a window of a frame, gone": (
        "import pandas as pd",
        "b = sliding_window_view(pd.Series(np.arange(20.)).to_numpy(), 5)",
        "assert b[3, 2] == 5 and b.strides == (8, 8)",
    ),
    "two windows": (
        "a = np.arange(10.)",
        "b = sliding_window_view(a, 3, writeable=True); c = sliding_window_view(a, 5); del a",
        "b[0, 2] = 50; assert c[0, 2] == c[2, 0] == 50",
    ),
    "a window with steps": (
        "a = np.arange(20.)",
        "b = sliding_window_view(a, 8)[::4, ::2]",
        "a[4] = 50; assert b[0, 2] == b[1, 0] == 50",
    ),
    "backwards": (
        "a = np.arange(10.)",
        "b = a[::-2]",
        "b[0] = 50; assert a[9] == 50",
    ),
    "strided, base gone": (
        "",
        "b = np.arange(10.)[::3]; c = b[1:]",
        "b[1] = 50; assert c[0] == 50",
    ),
    "a diagonal": (
        "a = np.arange(9.).reshape(3, 3)",
        "b = a.diagonal()",
        "a[1, 1] = 50; assert b[1] == 50",
    ),
    "strides of zero": (
        "a = np.arange(4.)",
        "b = as_strided(a, (3, 2), (0, 8))",
        "b[0, 1] = 50; assert a[1] == 50 == b[2, 1]",
    ),
    "rows that overlap": (
        "a = np.arange(10.)",
        "b = as_strided(a, (4, 4), (16, 8))",
        "b[0, 2] = 50; assert a[2] == b[1, 0] == 50",
    ),
    "as_strided, gone": (
        "",
        "b = as_strided(np.arange(10.), (4, 4), (16, 8))",
        "b[0, 2] = 50; assert b[1, 0] == 50",
    ),
    "read-only and not": (
        "a = np.arange(10.)",
        "b = as_strided(a, (4, 4), (16, 8), writeable=False); c = b.view()",
        "a[2] = 50; assert b[1, 0] == c[0, 2] == 50",
    ),
    "a field broadcast": (
        "a = np.zeros(3, [('n', 'i4'), ('f', 'f8')])",
        "b = np.broadcast_to(a['f'], (2, 3))",
        "a['f'][1] = 50; assert b[1, 1] == 50",
    ),
    "records, broadcast": (
        "a = np.zeros(3, [('n', 'i4'), ('o', object)])",
        "b = np.broadcast_to(a, (2, 3))",
        "a['n'][1] = 50; assert b['n'][1, 1] == 50",
    ),
    "a record array's column": (
        "a = np.rec.fromarrays([[1, 2], [3., 4.]], names='n,f')",
        "b = a.f",
        "b[0] = 50; assert a[0].f == 50",
    ),
    "a transposed part": (
        "a = np.arange(24.).reshape(2, 3, 4)",
        "b = a.transpose(2, 0, 1)[1:, ::-1]",
        "b[0, 0, 0] = 50; assert a[1, 0, 1] == 50",
    ),
    "a swapped axis of a broadcast": (
        "a = np.arange(4.)",
        "b = np.broadcast_to(a, (3, 4)).T",
        "a[1] = 9; assert b[1].tolist() == [9] * 3",
    ),
    "a masked view": (
        "a = np.arange(6.)",
        "b = np.ma.masked_array(a, a > 3, copy=False)",
        "a[1] = 50; assert b[1] == 50 and b.mask.tolist() == [False] * 4 + [True] * 2",
    ),
    "a masked window": (
        "a = np.arange(6.)",
        "b = np.ma.array(sliding_window_view(a, 2), copy=False)",
        "a[1] = 50; assert b[0, 1] == 50",
    ),
    "a view of a mask": (
        "m = np.ma.array([1., 2., 3.], mask=[0, 1, 0])",
        "b = m.mask[::2]; a = m.data",
        "a[0] = 50; assert m[0] == 50",
    ),
    "a matrix": (
        "a = np.arange(4.).reshape(2, 2)",
        "b = np.asmatrix(a).T",
        "a[0, 1] = 50; assert b[1, 0] == 50",
    ),
    "over bytes": (
        "a = b'abcdefgh'",
        "b = sliding_window_view(np.frombuffer(a, 'u1'), 3)",
        "assert b[1].tobytes() == b'bcd'",
    ),
    "over a bytearray": (
        "a = bytearray(b'abcdefgh')",
        "b = sliding_window_view(np.frombuffer(a, 'u1'), 3)",
        "a[1] = 0; assert b[0, 1] == b[1, 0] == 0",
    ),
    "over Python's array": (
        "import array; a = array.array('d', range(8))",
        "b = np.frombuffer(a)[::-1]",
        "a[7] = 50; assert b[0] == 50",
    ),
    "over ctypes": (
        "import ctypes; a = (ctypes.c_double * 4)(1, 2, 3, 4)",
        "b = np.ctypeslib.as_array(a)[::-1]",
        "a[3] = 50; assert b[0] == 50",
    ),
    "an interface": (
        "class I:\n    def __init__(self, a): self.kept = a; self.__array_interface__ = a.__array_interface__\na = np.arange(4.)",
        "b = np.asarray(I(a))[::2]",
        "a[2] = 50; assert b[1] == 50",
    ),
    "a sub-array": (
        "a = np.zeros(3, [('v', 'f8', (2,))])",
        "b = a['v'][:, 1]",
        "b[0] = 50; assert a['v'][0, 1] == 50",
    ),
    "zero dimensions": (
        "a = np.array(1.5)",
        "b = np.broadcast_to(a, ())",
        "a[...] = 2; assert b == 2",
    ),
    "a flat iterator's base": (
        "a = np.arange(6).reshape(2, 3)",
        "b = a.ravel(); c = a.reshape(3, 2)[1:]",
        "c[0, 0] = 50; assert a.flat[2] == b[2] == 50",
    ),
    "meshgrid": (
        "x = np.arange(3); y = np.arange(2)",
        "a, b = np.meshgrid(x, y, copy=False)",
        "x[1] = 50; assert a[:, 1].tolist() == [50, 50]",
    ),
    "images": (
        "a = np.arange(27, dtype='u1').reshape(3, 3, 3)",
        "b = a[..., ::-1]; c = a[::-1, :, 0]",
        "a[0, 0, 2] = 200; assert b[0, 0, 0] == 200; a[2, 0, 0] = 7; assert c[0, 0] == 7",
    ),
    "halves of a complex": (
        "a = np.zeros(3, complex)",
        "b = a.imag; c = a.view(float)[::2]",
        "b[1] = 3; c[1] = 4; assert a[1] == 4 + 3j",
    ),
    "in a class": (
        "class C: pass\na = np.arange(4.)",
        "b = C(); b.w = sliding_window_view(a, 2); b.r = np.broadcast_to(a, (2, 4))",
        "a[1] = 50; assert b.w[0, 1] == b.r[1, 1] == 50",
    ),
    "in a dictionary": (
        "a = np.arange(4.)",
        "b = {'w': sliding_window_view(a, 2), 'r': [np.broadcast_to(a, (2, 4))]}",
        "a[1] = 50; assert b['w'][0, 1] == b['r'][0][1, 1] == 50",
    ),
    "of another byte order": (
        "a = np.arange(4, dtype='>i4')",
        "b = sliding_window_view(a, 2)",
        "a[1] = 50; assert b[0, 1] == 50 and b.dtype == '>i4'",
    ),
    "not aligned": (
        "a = np.zeros(33, 'u1')",
        "b = a[1:].view('f8'); c = b[::2]",
        "b[2] = 1.5; assert c[1] == 1.5 and a.any()",
    ),
    "an array of one of two frames": (
        f"{COPIES}; df = pd.DataFrame({{'p': np.arange(20.)}}); other = df.copy(deep=False)",
        "b = df['p'].to_numpy()[::-1]",
        "df.loc[0, 'p'] = 50; assert other['p'][0] == 0 == b[-1]",
    ),
    "what copies on write": (
        f"{COPIES}; i = pd.Index([1, 2, 3]); s = pd.Series([1, 2, 3]); t = pd.DataFrame({{'m': pd.array(s, 'Int64'), 'f': [1., 2., 3.]}})",
        "b = [(pd.Series(i, index=i), i), (s, pd.Index(s)), (s.astype('int64'), s), (t['m'], t), (t.copy(deep=False)['f'], t)]",
        "for one, other in b:\n    was = other.to_numpy().tolist(); one.iloc[0] = 50; assert one.iloc[0] == 50 and other.to_numpy().tolist() == was",
    ),
}
"""What makes the base, what makes the views, and a check of what they show, which may write."""

_LOOK = (
    "def look():\n    held = {k: globals().get(k) for k in 'abc'}\n"
    "    return {k: (v.shape, v.strides, v.dtype.str, v.flags.num & 0x400) for k, v in held.items() if isinstance(v, np.ndarray)}"
)


def _scenario(base: str, views: str, check: str) -> Scenario:
    made = f"import numpy as np\nfrom numpy.lib.stride_tricks import as_strided, sliding_window_view\n{_LOOK}\n{base}\n---\n{views}\n---\nlay = look()"
    return made, "lay = b = None", f"assert lay == look()\n{check}"


SCENARIOS = {name: _scenario(*each) for name, each in VIEWS.items()}


def needed(scenario: Scenario) -> None:
    """Skips where the kernel's environment, which is this one, has not got it."""
    for library in re.findall(r"(?:^|; )(?:import|from) (\w+)", scenario[0], re.MULTILINE):
        pytest.importorskip(library)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("exact")) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    scenario = _, change, check = SCENARIOS[name]
    needed(scenario)
    made = make(exact, scenario)
    assert holds(exact, check), exact.run(check).reply
    exact.ok(change)
    changed = exact.done("status")["head"]
    for _ in range(2):
        assert exact.done("checkout", target=made)["plan"]["replay"] == []
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check), "the change does not matter to the check"


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = tmp_path_factory.mktemp("anew")
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        made = {}
        for name, scenario in SCENARIOS.items():
            try:
                needed(scenario)
            except pytest.skip.Exception:
                continue
            made[name] = make(kernel, scenario)
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    kernel, made = anew
    needed(SCENARIOS[name])
    reply = kernel.done("checkout", target=made[name])
    assert reply["plan"]["lost"] == []
    assert holds(kernel, SCENARIOS[name][2]), kernel.run(SCENARIOS[name][2]).reply


def test_what_becomes_no_view_is_parted_from_no_other_views(exact: Kernel) -> None:
    """The two others share a piece of memory that none of them owns; that is made again, and told."""
    exact.done("checkout", target="begin")
    exact.ok("import numpy as np\nclass Mine(np.ndarray): pass")
    exact.ok("_base = np.arange(1000.); x = _base[:600]; y = _base[300:900]; d = _base[:600].view(Mine); del _base")
    exact.ok("x[5] = y[5] = 7")
    for _ in range(2):
        assert exact.done("undo", replay="auto")["plan"]["replay"]
        exact.ok("x[5] = -1; y[0] = -2; assert d[5] == -1 and d[300] == x[300] == -2 and type(d) is Mine")
        exact.done("undo", replay="auto")
        exact.ok("assert x[5] == d[5] == 5 and y[5] == 305; x[5] = 8")


_FLOATS = "np.random.default_rng(0).random(4_000_000)"
WINDOWS = {
    "of a column": (f"df = pd.DataFrame({{'p': {_FLOATS}}})", "w = sliding_window_view(df['p'].to_numpy(), 365)"),
    "of a column that is gone": ("", f"w = sliding_window_view(pd.Series({_FLOATS}).to_numpy(), 365)"),
    "two": (f"a = {_FLOATS}", "w = sliding_window_view(a, 365); v = sliding_window_view(a, 30)[::-1]"),
    "masked": (f"a = {_FLOATS}", "w = np.ma.array(sliding_window_view(a, 365), copy=False)"),
}
_SEEN = "print(w.shape, w.strides, w.flags.writeable, type(w).__name__, w[5, :3], w[-1, -1])"
_RESIDENT = "next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmRSS')) * 1024"
_IMPORTS = "import numpy as np, pandas as pd\nfrom numpy.lib.stride_tricks import sliding_window_view\ndf = a = v = w = buf = None"


def test_windows_are_stored_and_loaded_once(tmp_path: Path) -> None:
    """32 MB, and nothing beside it: the windows alone seem to be 11.7 GB."""
    pytest.importorskip("pandas")
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok(_IMPORTS)
        kernel.done("tag", name="begin")
        made, seen = {}, {}
        for number, (case, (base, views)) in enumerate(WINDOWS.items()):
            kernel.done("checkout", target="begin")
            kernel.ok(base.replace("rng(0)", f"rng({number})"))
            kernel.ok(views.replace("rng(0)", f"rng({number})"))
            made[case] = kernel.done("status")["head"]
            seen[case] = kernel.ok(_SEEN).text
            while kernel.done("status")["pending"]:
                pass
            written = sum(each["written_bytes"] for each in kernel.done("log")["checkpoints"])
            assert 28_000_000 < written < 33_000_000, case
        kernel.restart(kill=True)
        kernel.ok(_IMPORTS)
        for case, head in made.items():
            kernel.done("checkout", target="begin")
            before = kernel.value(_RESIDENT)
            assert not kernel.done("checkout", target=head)["plan"]["replay"], case
            assert kernel.value(_RESIDENT) - before < 50_000_000, case
            assert kernel.ok(_SEEN).text == seen[case]
