"""Ways to reach an object that neither code nor containers show. Each was once a wrong state after an undo."""

from __future__ import annotations

import logging

import pytest

from tests.support.harness import Notebook

pytestmark = pytest.mark.usefixtures("both_twins")

CASES = {
    "a name that is no string": (["x = 1", "globals()[5] = 1", "x = 2"], "x == 1"),
    "names that are no strings, of what libraries hold": (
        [
            "import logging, matplotlib; matplotlib.use('agg'); from matplotlib import pyplot as plt; plt.close('all')",
            "x = plt.figure(); globals()[5] = x; globals()[6] = logging.NullHandler(); y = logging.NullHandler()",
            "logging.getLogger('odd').addHandler(globals()[6])",
            "plt.figure(); logging.getLogger('odd').addHandler(y)",
        ],
        "plt.get_fignums() == [1] and globals()[5] is x and y not in logging.getLogger('odd').handlers",
    ),
    "a name of a subclass of str": (
        ["import numpy as np", "for n in np.array(['aa', 'bb']): globals()[n] = [1]", "aa.append(2)"],
        "aa == [1]",
    ),
    "a bound method of a module's generator": (
        ["from random import choice, seed; import random", "seed(1); a = choice([1, 2, 3])", "choice = 5"],
        "choice.__self__ is random._inst",
    ),
    "the environment of the process": (
        ["from os import environ; import os", "environ = 4"],
        "environ is os.environ",
    ),
    "a stream over a buffer": (
        ["import io; b = io.BytesIO()", "w = io.TextIOWrapper(b)", "w.write('x'); w.flush()"],
        "not b.closed and b.getvalue() == b''",
    ),
    "a writer over a buffer": (
        ["import csv, io; b = io.StringIO()", "w = csv.writer(b)", "w.writerow([1]);"],
        "b.getvalue() == ''",
    ),
    "a record of a structured array": (
        ["import numpy as np; a = np.zeros(3, [('n', 'i4')])", "r = a[0]", "r['n'] = 7"],
        "a['n'].tolist() == [0, 0, 0]",
    ),
    "an iterator over an array": (
        ["import numpy as np; a = np.zeros(3)", "i = a.flat", "i[0] = 5"],
        "a.tolist() == [0, 0, 0]",
    ),
    "an array over a Python array": (
        ["import array, numpy as np; b = array.array('d', [1, 2])", "a = np.frombuffer(b)", "a[0] = 7"],
        "b[0] == 1 and bool(np.shares_memory(a, np.frombuffer(b)))",
    ),
    "an array over C memory": (
        ["import ctypes, numpy as np; b = (ctypes.c_double * 2)(1, 2)", "a = np.ctypeslib.as_array(b)", "a[0] = 7"],
        "b[0] == 1",
    ),
    "a pandas array in a Series": (
        [
            "import pandas as pd; a = pd.array(pd.to_datetime(['2020', '2021']))",
            "s = pd.Series(a, copy=False)",
            "a[0] = pd.Timestamp('1999')",
        ],
        "s[0] == pd.Timestamp('2020')",
    ),
    "a read-only view of a dict": (
        ["import types; d = {}; m = types.MappingProxyType(d)", "z = 1", "d['a'] = 1"],
        "dict(m) == {} and d.update(b=2) is None and m['b'] == 2",
    ),
    "what a cached function returned": (
        ["import functools\n@functools.lru_cache\ndef get(): return {'a': 1}", "x = get()", "get()['a'] = 2"],
        "x == {'a': 1}",
    ),
    "an attribute of a date with a class of its own": (
        ["import datetime\nclass Day(datetime.date): pass\nd = Day(2020, 1, 1)", "d.note = 'a'", "d.note = 'b'"],
        "d.note == 'a'",
    ),
    "a name of IPython's that the user bound": (["__file__ = 'a'", "__file__ = 'b'"], "__file__ == 'a'"),
    "labels that a frame shares": (
        [
            "import pandas as pd; a = pd.DataFrame({'n': [1, 2]}); b = a.head()",
            "same = a.columns is b.columns",
            "a.columns.name = 'k'",
        ],
        "b.columns.name is None and a.columns.name is None",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_undo_reaches_it(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    cells, expected = CASES[case]
    for cell in cells:
        assert notebook.ok(cell).incomplete is None
    notebook.session.undo()
    assert eval(expected, notebook.live) is True
    assert notebook.warnings == []
    logging.getLogger("odd").handlers.clear()


def test_an_undo_opens_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import matplotlib; matplotlib.use('agg'); from matplotlib import pyplot as plt")
    notebook.ok("plt.close('all'); figure, axes = plt.subplots()")
    notebook.ok("axes.set_title('late')")
    for _ in range(2):
        notebook.session.undo()
        notebook.session.redo()
    notebook.session.undo()
    assert notebook["axes"].get_title() == ""
    assert notebook["plt"].get_fignums() == [1]
    notebook["plt"].close("all")
