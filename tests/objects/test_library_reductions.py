"""What libraries would have stored otherwise, or not at all; named after what it once came back as."""

from __future__ import annotations

import builtins
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, NotStored, SessionId, Version
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.store import MemoryStore

ID = CheckpointId("0123456789abcdef")


class Cells:
    """Variables made by code, as in a notebook."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.live = vars(self.module)
        self.live.update(__name__="__main__", __builtins__=builtins)
        self.table = ReductionTable(self.live)

    def run(self, code: str) -> None:
        exec(compile(code, "<cell>", "exec", dont_inherit=True), self.live)

    def look(self, expression: str) -> Any:
        return eval(expression, self.live)

    def digest(self) -> Digest:
        taken = Fingerprinter(self.table).take(self.live["x"])
        assert taken.opaque == ()
        return taken.digest

    def reload(self) -> None:
        """From here on `x` is what was stored of it."""
        opaque = Fingerprinter(self.table).take(self.live["x"]).opaque
        payload = encode(("x",), self.live, self.table, opaque)
        assert not isinstance(payload, NotStored), payload
        store = MemoryStore()
        checkpoint = Checkpoint(ID, None, SessionId("s"), 0.0, 1, "", "ok", None, 0.0, (), (), (), (), (), (), ())
        store.commit(checkpoint, [payload], {})
        self.live["x"] = decode(store.load(Version(payload.names, ID)), self.live)["x"]


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    return made


STORED = {
    "a marker that is known by its identity": (
        "",
        "import argparse; x = argparse.ArgumentParser(prog='p'); _ = x.add_argument('--n', type=int)",
        "x.parse_args(['--n', '5'])",
    ),
    "a sentinel that a module holds": (
        "",
        "import configparser; x = {'marker': configparser._UNSET}",
        "x['marker'] is configparser._UNSET",
    ),
    "a match of a pattern": ("", "import re; x = re.search('(b+)(c)?', 'abbd')", "(x.span(), x.groups(), x.regs)"),
    "a format of bytes": ("", "import struct; x = struct.Struct('<hd')", "(x.format, x.size)"),
    "attributes of what was written in C": (
        "scipy",
        "from scipy.spatial import KDTree; x = KDTree([[1.0, 2], [3, 4]]); x.tag = 'mine'",
        "(x.tag, x.n)",
    ),
    "an array of a derived class that cannot be written to": (
        "numpy",
        "import numpy as np; x = np.rec.array([(1, 2.5)], names='a,b'); x.flags.writeable = False",
        "(x.flags.writeable, x.a.tolist(), type(x).__name__)",
    ),
    "attributes of an array of a derived class": (
        "numpy",
        "import numpy as np\nclass Named(np.ndarray): pass\nx = np.arange(3.0).view(Named); x.name = 'n'",
        "(x.name, x.tolist())",
    ),
    "a list that makes something of each item": (
        "",
        "class Words(list):\n    def append(self, word):\n        super().append(word.upper() + '!')\n"
        "    def extend(self, words):\n        for word in words: self.append(word)\n"
        "x = Words(); x.append('a'); x.tag = [1]",
        "(list(x), x.tag, type(x).__name__)",
    ),
    "a dict that counts what is put into it": (
        "",
        "class Counted(dict):\n    puts = 0\n    def __setitem__(self, key, value):\n        self.puts += 1\n"
        "        super().__setitem__(key, value)\nx = Counted(); x['a'] = 1; x['a'] = 2",
        "(dict(x), x.puts)",
    ),
    "a polynomial": (
        "numpy",
        "import numpy as np; x = np.polynomial.Polynomial([1, 2])",
        "(sorted(vars(x)), x(3))",
    ),
    "a figure of plotly's": (
        "plotly",
        "import plotly.graph_objects as go, numpy as np; x = go.Figure(go.Scatter(y=np.arange(3), mode='lines'))",
        "(x.to_json(), type(x.data[0].y).__name__)",
    ),
    "an image of a file": (
        "PIL",
        "import io; from PIL import Image; f = io.BytesIO(); Image.new('L', (3, 2), 7).save(f, 'png')\n"
        "x = Image.open(io.BytesIO(f.getvalue())); _ = x.load()",
        "(x.n_frames, x.format, x.text, x.tobytes())",
    ),
    "groups that have summed a frame, which has changed since": (
        "pandas",
        "import pandas as pd; d = pd.DataFrame({'k': [1, 1, 2], 'n': [1, 2, 3]}); x = d.groupby('k'); _ = x.sum()\n"
        "d.loc[0] = [2, 9]",
        "x.sum().to_dict()",
    ),
    "a window over a frame that has changed since": (
        "pandas",
        "import pandas as pd; d = pd.DataFrame({'n': [1.0, 2, 3]}); x = d.rolling(2)['n']; _ = x.mean()\n"
        "d.loc[0] = 9.0",
        "x.mean().to_dict()",
    ),
    "samples of a frame that has changed since": (
        "pandas",
        "import pandas as pd; d = pd.DataFrame({'t': pd.date_range('2024-01-01', periods=3), 'n': [1.0, 2, 3]})\n"
        "x = d.resample('2D', on='t'); _ = x.sum(); d.loc[0, 'n'] = 9.0",
        "x.sum().to_dict()",
    ),
    "what somebody notes on a type of pandas that has worked something out": (
        "pandas",
        "import pandas as pd; x = pd.StringDtype(); x.note = ['mine']; _ = x.index_class",
        "(x, x.note)",
    ),
}


@pytest.mark.parametrize("case", STORED, ids=str)
def test_it_comes_back_as_it_was(cells: Cells, case: str) -> None:
    library, make, look = STORED[case]
    if library:
        pytest.importorskip(library)
    cells.run(make)
    was = cells.look(f"repr({look})")
    cells.reload()
    assert cells.look(f"repr({look})") == was


_TIMES = "x.t.dt.year, x.t.max(), x.set_index('t'), x.sort_values('t').t.isna()"
READ = {  # how it is made, how it is read, and a frame or a series of it that tells whether it came back
    "moments": ("x = pd.DataFrame({'t': pd.date_range('2024-01-01', periods=3, tz='Europe/Oslo')})", _TIMES, "x"),
    "spans": ("x = pd.DataFrame({'t': pd.to_timedelta([1, 2, 3], 'h')})", _TIMES.replace("year", "days"), "x"),
    "months": ("x = pd.DataFrame({'t': pd.period_range('2024-01', periods=3, freq='M')})", _TIMES, "x"),
    "texts": (
        "x = pd.DataFrame({'s': ['a', 'b', None]})",
        "x.set_index('s'), x.s.str.upper(), x.merge(x, on='s')",
        "x",
    ),
    "numbers some of which are missing": (
        "x = pd.DataFrame({'i': pd.array([1, 2, None], 'Int64'), 'b': pd.array([True, None, False], 'boolean')})",
        "x.i.sum(), x.describe(), x.set_index('i'), x.b.any(), x.groupby('b').size()",
        "x",
    ),
    "categories": (
        "x = pd.DataFrame({'c': pd.Categorical(['a', 'b', 'a'])})",
        "x.set_index('c'), x.c.value_counts()",
        "x",
    ),
    "intervals": ("x = pd.DataFrame({'n': pd.interval_range(0, 3)})", "x.set_index('n'), x.sort_values('n')", "x"),
    "mostly zeros": (
        "x = pd.Series(pd.arrays.SparseArray([0, 0, 1]))",
        "x.sum(), x.sparse.density, x.to_frame('n')",
        "x",
    ),
}
"""Objects of pandas that keep what they worked out when they were first asked."""


@pytest.mark.parametrize("case", READ, ids=str)
def test_who_reads_changes_nothing(cells: Cells, case: str) -> None:
    pandas = pytest.importorskip("pandas")
    make, read, told = READ[case]
    cells.run(f"import pandas as pd; {make}")
    was, before = cells.digest(), cells.look(told)
    cells.run(read)
    assert cells.digest() == was
    cells.reload()
    equal = (
        pandas.testing.assert_frame_equal
        if isinstance(before, pandas.DataFrame)
        else pandas.testing.assert_series_equal
    )
    equal(cells.look(told), before)
    assert cells.digest() == was


SEEN = {
    "a hash": ("", "import hashlib; x = hashlib.sha256(b'a')", "x.update(b'b')"),
    "memory of somebody else's": ("", "b = bytearray(b'abc'); x = memoryview(b)[1:]", "b[2] = 0"),
    "one of several matches": ("", "import re; x = [*re.finditer('a', 'aaa')][1]", "x = [*re.finditer('a', 'aaa')][2]"),
    "a variable of a context": (
        "",
        "import contextvars; x = contextvars.ContextVar('x'); _ = x.set([1])",
        "x.get().append(2)",
    ),
    "a frame that SQL is asked of": (
        "polars",
        "import polars as pl; x = pl.SQLContext(t=pl.DataFrame({'a': [1]}))",
        "x.register('t', pl.DataFrame({'a': [2]}))",
    ),
    "rows for trees": (
        "xgboost",
        "import numpy as np, xgboost; x = xgboost.DMatrix(np.eye(3), label=[1, 2, 3])",
        "x.set_info(label_lower_bound=[0, 1, 2])",
    ),
    "rows for other trees": (
        "lightgbm",
        "import numpy as np, lightgbm\n"
        "x = lightgbm.Dataset(np.eye(30), label=[1] * 30, params={'verbose': -1}).construct()",
        "x.set_field('weight', [2.0] * 30)",
    ),
}


@pytest.mark.parametrize("case", SEEN, ids=str)
def test_it_is_seen_though_it_is_not_stored(cells: Cells, case: str) -> None:
    library, make, change = SEEN[case]
    if library:
        pytest.importorskip(library)
    cells.run(make)
    was = cells.digest()
    assert cells.digest() == was
    assert isinstance(encode(("x",), cells.live, cells.table, ()), NotStored)
    cells.run(change)
    assert cells.digest() != was


def test_a_sentinel_of_a_module_that_took_the_place_of_another(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("kept_before", "kept_after"):
        (tmp_path / f"{name}.py").write_text("MARK = object()")
    cells.run("import kept_before, sys; x = [kept_before.MARK]")
    cells.reload()
    monkeypatch.delitem(sys.modules, "kept_before")
    cells.run("import kept_after; x = [kept_after.MARK]")
    cells.reload()
    assert cells.look("x[0] is kept_after.MARK")


def test_a_sentinel_of_the_notebook_is_no_module_s(cells: Cells) -> None:
    cells.run("missing = object(); x = [missing, missing]")
    cells.reload()
    assert cells.look("x[0] is x[1]")
    assert not cells.look("x[0] is missing")
