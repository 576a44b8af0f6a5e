"""What a notebook registers with libraries, and sets on their modules and classes: taken back, made again, or told.

The rows are those of `test_exactness_ambient`: changed, undone, redone, undone, redone; then the kernel is killed, and
another one takes the notebook up.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel
from .test_exactness_ambient import Way, walked

PYTHON: dict[str, Way] = {
    "an abstract number": (
        "import numbers",
        "class Rational: pass\n_r = numbers.Number.register(Rational)",
        "'Rational' in globals() and (isinstance(Rational(), numbers.Number), issubclass(Rational, numbers.Number))",
    ),
    "an abstract collection, of a class that was there": (
        "from collections import abc\nclass Sized0: pass\nkept = Sized0()",
        "_r = abc.Sequence.register(Sized0)",
        "isinstance(kept, abc.Sequence), issubclass(Sized0, abc.Collection), issubclass(tuple, abc.Sequence)",
    ),
    "a way to pickle": (
        "import copyreg\nclass P: pass",
        "def to_text(p): return str, ('p',)\ncopyreg.pickle(P, to_text)",
        "copyreg.dispatch_table.get(P) is globals().get('to_text', 0)",
    ),
    "an adapter": (
        "import sqlite3\nclass Money: pass",
        "sqlite3.register_adapter(Money, lambda m: 7)",
        "sqlite3.connect(':memory:').execute('select ?', (Money(),)).fetchone() if (Money, sqlite3.PrepareProtocol) in sqlite3.adapters else None",
    ),
    "an adapter in the place of Python's": (
        "import sqlite3, datetime",
        "def day(d): return 'a day'\nsqlite3.register_adapter(datetime.date, day)",
        "sqlite3.adapters[datetime.date, sqlite3.PrepareProtocol](datetime.date(2020, 1, 2))",
    ),
    "a converter": (
        "import sqlite3",
        "sqlite3.register_converter('flag', lambda raw: raw == b'1')",
        "sorted(sqlite3.converters)",
    ),
    "a finder of modules": (
        "import sys",
        "class Finder:\n    def find_spec(self, name, path, target=None): return None\nfinder = Finder()\nsys.meta_path.insert(0, finder)",
        "type(sys.meta_path[0]).__name__, sys.meta_path[0] is globals().get('finder')",
    ),
    "a finder that no variable holds": (
        "import sys\nclass Last:\n    def find_spec(self, name, path, target=None): return None",
        "sys.meta_path.append(Last())",
        "type(sys.meta_path[-1]) is Last",
    ),
    "an archive format": (
        "import shutil",
        "def pack(*arguments, **how): return 'packed'\nshutil.register_archive_format('mine', pack, [], 'mine')",
        "[name for name, _ in shutil.get_archive_formats()]",
    ),
    "a dialect": (
        "import csv",
        "csv.register_dialect('pipes', delimiter='|', quoting=csv.QUOTE_NONE)",
        "'pipes' in csv.list_dialects() and (csv.get_dialect('pipes').delimiter, csv.get_dialect('pipes').quoting)",
    ),
    "a factory of log records": (
        "import logging",
        "def record(*arguments, **how): return logging.LogRecord(*arguments, **how)\nlogging.setLogRecordFactory(record)",
        "logging.getLogRecordFactory() is globals().get('record')",
    ),
}

PANDAS: dict[str, Way] = {
    "an accessor of frames": (
        "import pandas as pd",
        "@pd.api.extensions.register_dataframe_accessor('shop')\nclass Shop:\n    def __init__(self, df): self.df = df\n    def total(self): return int(self.df.a.sum())",
        "hasattr(pd.DataFrame, 'shop') and (pd.DataFrame({'a': [1, 2]}).shop.total(), pd.DataFrame.shop is Shop, 'shop' in dir(pd.DataFrame()))",
    ),
    "an accessor of series, in a new version": (
        "@pd.api.extensions.register_series_accessor('units')\nclass Units:\n    def __init__(self, s): pass\n    n = 1",
        "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    @pd.api.extensions.register_series_accessor('units')\n    class Units:\n        def __init__(self, s): pass\n        n = 2",
        "pd.Series([1]).units.n, pd.Series.units is Units",
    ),
    "an accessor whose class is no variable": (
        "def accessor():\n    class Hidden:\n        def __init__(self, index): self.n = len(index)\n    return Hidden",
        "_a = pd.api.extensions.register_index_accessor('hidden')(accessor())\ndel _a",
        "hasattr(pd.Index, 'hidden') and pd.Index([1, 2]).hidden.n",
    ),
    "a type of columns": (
        "from pandas.api.extensions import ExtensionDtype, register_extension_dtype",
        "@register_extension_dtype\nclass Meters(ExtensionDtype):\n    name = 'meters'; type = float\n    @classmethod\n    def construct_array_type(cls): return None",
        "type(pd.api.types.pandas_dtype('meters')) is Meters if 'Meters' in globals() else [t.__name__ for t in pd.core.dtypes.base._registry.dtypes]",
    ),
}

MATPLOTLIB: dict[str, Way] = {
    "a colormap": (
        "import matplotlib; from matplotlib.colors import ListedColormap",
        "matplotlib.colormaps.register(ListedColormap(['red', 'blue'], name='two'))",
        "'two' in matplotlib.colormaps and matplotlib.colormaps['two'](0)",
    ),
    "a unit": (
        "import matplotlib.units\nclass Length:\n    def __init__(self, n): self.n = n",
        "class Converter(matplotlib.units.ConversionInterface):\n    @staticmethod\n    def convert(value, unit, axis): return value.n\nmatplotlib.units.registry[Length] = Converter()",
        "type(matplotlib.units.registry.get_converter(Length(1))).__name__",
    ),
    "a scale": (
        "import matplotlib.scale",
        "class Twice(matplotlib.scale.LinearScale): name = 'twice'\nmatplotlib.scale.register_scale(Twice)",
        "'twice' in matplotlib.scale.get_scale_names() and matplotlib.scale._scale_mapping['twice'] is Twice",
    ),
    "a projection": (
        "import matplotlib.projections, matplotlib.axes",
        "class Plain(matplotlib.axes.Axes): name = 'plain'\nmatplotlib.projections.register_projection(Plain)",
        "'plain' in matplotlib.projections.get_projection_names() and matplotlib.projections.get_projection_class('plain') is Plain",
    ),
}

YAML: dict[str, Way] = {
    "a representer": (
        "import yaml\nclass Celsius:\n    def __init__(self, n): self.n = n\nwarm = Celsius(30)",
        "yaml.add_representer(Celsius, lambda dumper, c: dumper.represent_int(c.n))",
        "yaml.dump({'t': warm})[:5], Celsius in yaml.representer.Representer.yaml_representers",
    ),
    "a constructor": (
        "import yaml",
        "yaml.SafeLoader.add_constructor('!twice', lambda loader, node: 2 * int(node.value))",
        "yaml.safe_load('!twice 3') if '!twice' in yaml.SafeLoader.yaml_constructors else None",
    ),
}

XARRAY: dict[str, Way] = {
    "an accessor of datasets": (
        "import xarray as xr",
        "@xr.register_dataset_accessor('geo')\nclass Geo:\n    def __init__(self, ds): self.ds = ds\n    def count(self): return len(self.ds)",
        "hasattr(xr.Dataset, 'geo') and (xr.Dataset({'a': 1}).geo.count(), xr.Dataset.geo is Geo)",
    ),
    "an accessor of arrays, of a class that was there": (
        "class Norm:\n    def __init__(self, array): self.n = int(array.sum())",
        "_r = xr.register_dataarray_accessor('norm')(Norm)",
        "hasattr(xr.DataArray, 'norm') and (xr.DataArray([1, 2]).norm.n, xr.DataArray.norm is Norm)",
    ),
}

POLARS: dict[str, Way] = {
    "a namespace": (
        "import polars as pl",
        "@pl.api.register_dataframe_namespace('split')\nclass Split:\n    def __init__(self, df): self._df = df\n    def halves(self): return self._df.height // 2",
        "hasattr(pl.DataFrame, 'split') and (pl.DataFrame({'a': [1, 2]}).split.halves(), pl.DataFrame.split is Split)",
    ),
}

ATTRIBUTES: dict[str, Way] = {
    "a new one of a module": ("import numpy as np", "np.tau = 6.28", "getattr(np, 'tau', None)"),
    "another one of a module": ("import math", "math.pi = 3", "math.pi"),
    "a function of a module": (
        "import os.path",
        "def samefile(one, other): return 'perhaps'\nos.path.samefile = samefile",
        "os.path.samefile('/', '/'), os.path.samefile is globals().get('samefile', 0)",
    ),
    "one that is gone": ("import string", "del string.digits", "getattr(string, 'digits', None)"),
    "a method of a class": (
        "import pandas as pd",
        "def total(df): return int(df.a.sum())\npd.DataFrame.total = total",
        "hasattr(pd.DataFrame, 'total') and (pd.DataFrame({'a': [1, 2]}).total(), pd.DataFrame.total is total)",
    ),
    "a method that no variable holds": (
        "import pathlib",
        "pathlib.Path.shout = lambda self: str(self).upper()",
        "hasattr(pathlib.Path, 'shout') and pathlib.Path('a').shout()",
    ),
    "a property, in the place of another": (
        "import fractions",
        "fractions.Fraction.numerator = property(lambda self: 7)",
        "fractions.Fraction(1, 3).numerator",
    ),
    "a function around the library's own": (
        "import shlex",
        "original = shlex.join\nshlex.join = lambda words: 'joined ' + original(words)",
        "shlex.join(['a']), 'original' in globals() and original(['a'])",
    ),
    "the library's own in its place again": (
        "import tokenize; own = tokenize.untokenize\ntokenize.untokenize = lambda *_: 'mine'",
        "tokenize.untokenize = own",
        "tokenize.untokenize([]), own([]), own is tokenize.untokenize",
    ),
    "builtins": ("import builtins", "builtins.shared = [1, 2]", "getattr(builtins, 'shared', None)"),
    "mock.patch": (
        "from unittest import mock; import os",
        "_p = mock.patch('os.getlogin', lambda: 'nobody').start()",
        "os.getlogin.__name__",
    ),
    "mock.patch.object": (
        "import statistics, unittest.mock as m",
        "def mean(xs): return 'patched'\np = m.patch.object(statistics, 'mean', mean); _s = p.start(); del p",
        "statistics.mean([1, 3])",
    ),
    "setattr with a computed name": (
        "import operator",
        "for n in range(2): setattr(operator, f'plus_{n}', n)",
        "[getattr(operator, f'plus_{n}', None) for n in range(2)]",
    ),
    "by its dictionary": ("import keyword", "vars(keyword)['extra'] = 'x'", "getattr(keyword, 'extra', None)"),
    "by a function of the notebook": (
        "import calendar\ndef patch(): calendar.weekstart = 6",
        "patch()",
        "getattr(calendar, 'weekstart', None)",
    ),
    "by a method": (
        "import colorsys\nclass Patcher:\n    def go(self): colorsys.seen = 'yes'\np = Patcher()",
        "p.go()",
        "getattr(colorsys, 'seen', None)",
    ),
    "through another module": (
        "import xml.dom.minidom",
        "xml.dom.minidom.Document.kind = 'doc'",
        "getattr(xml.dom.minidom.Document, 'kind', None)",
    ),
    "json's default": (
        "import json\nclass J: pass",
        "json.JSONEncoder.default = lambda self, o: 'an object'",
        "json.dumps(J()) if json.JSONEncoder.default.__name__ != 'default' else 0",
    ),
    "by a text that is run": ("import math", "exec('math.tau2 = 3')", "getattr(math, 'tau2', None)"),
    "what a library sets, too": ("import mimetypes", "setattr(mimetypes, 'inited', 7)", "mimetypes.inited"),
    "by a module beside the notebook": (
        "import setter; import stat",
        "setter.install()",
        "getattr(stat, 'by_module', 0) is setter.install",
    ),
    "by a function that comes from there": (
        "from setter import deeper",
        "deeper(5)",
        "getattr(__import__('glob'), 'deep', None)",
    ),
    "by an instance that comes from there": (
        "from setter import Setter; s = Setter()",
        "s.go()",
        "getattr(__import__('netrc'), 'gone', None)",
    ),
    "a class of the notebook's on a module": (
        "import types",
        "class Shape:\n    sides = 4\ntypes.Shape = Shape",
        "hasattr(types, 'Shape') and (types.Shape is Shape, types.Shape.sides)",
    ),
}


def test_with_python(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, PYTHON)


def test_with_pandas(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    walked(start, tmp_path, PANDAS)


def test_with_matplotlib(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    walked(start, tmp_path, MATPLOTLIB)


def test_with_yaml(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    walked(start, tmp_path, YAML)


def test_with_xarray(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    walked(start, tmp_path, XARRAY)


def test_with_polars(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    walked(start, tmp_path, POLARS)


SETTER = """import stat, glob as g, netrc
def install(): stat.by_module = install
def inner(n): g.deep = n
def deeper(n): inner(n)
class Setter:
    def go(self): netrc.gone = 1
"""


def test_attributes(start: Start, tmp_path: Path) -> None:
    (tmp_path / "setter.py").write_text(SETTER)
    walked(start, tmp_path, ATTRIBUTES)


TOGETHER: dict[str, Way] = {
    "in the cell that imports the library": (
        "import importlib.util",
        "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('one')\nclass One:\n    def __init__(self, df): self.n = len(df)",
        "'pd' in globals() and (pd.DataFrame.one is One, pd.DataFrame({'a': [1]}).one.n)",
    ),
    "a class that changed": (
        "@pd.api.extensions.register_series_accessor('two')\nclass Two:\n    n = 1\n    def __init__(self, s): pass",
        "Two.n = 2",
        "pd.Series.two is Two, pd.Series([1]).two.n",
    ),
    "beside what is re-run": (
        "from itertools import count",
        "@pd.api.extensions.register_index_accessor('three')\nclass Three:\n    def __init__(self, s): pass\nrun = (n for n in range(9))",
        "hasattr(pd.Index, 'three') and pd.Index.three is Three",
    ),
    "a mock": (
        "import os; from unittest import mock",
        "m = mock.patch('os.getlogin').start()",
        "os.getlogin is globals().get('m'), type(os.getlogin).__name__",
    ),
}


def test_what_a_library_does_by_itself_is_left_alone(kernel: Kernel) -> None:
    """The cell could set any attribute; but these are set by the library's own functions."""
    kernel.ok("import mimetypes, argparse; args = argparse.Namespace(n=1)")
    kernel.ok("kw = vars(args); t = mimetypes.guess_type('a.png'); mimetypes.mine = kw")
    assert kernel.done("log", limit=1)["checkpoints"][0]["ambient"] == ["attributes of libraries"]
    assert kernel.value("mimetypes.inited") is True
    kernel.done("undo")
    assert kernel.value("mimetypes.inited, hasattr(mimetypes, 'mine')") == (True, False)


def test_a_library_that_cannot_be_imported_any_more_hinders_nothing(start: Start, tmp_path: Path) -> None:
    """And one whose import draws numbers does not change those of the session."""
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=notebook)
    libraries = {
        "draws": "import random\nrandom.random()\n",
        "breaks": "import os\nif 'BREAK' in os.environ: raise OSError('no driver')\n",
    }
    for each in libraries.items():
        kernel.library(*each)
    kernel.ok("import draws, breaks, random; random.seed(3); x = [1]")
    kernel.ok("draws.n = 1; breaks.n = 1")
    kernel.ok("del draws, breaks")
    drawn = kernel.value("random.getstate()")
    kernel.done("log")
    kernel.close()
    again = start(environment=notebook | {"BREAK": "1"})
    for each in libraries.items():
        again.library(*each)
    again.done("resume")
    assert again.value("x, random.getstate() == " + repr(drawn)) == ([1], True)
    assert again.value("__import__('draws').n") == 1
    again.ok("y = 1")
    assert any("breaks" in each and "no driver" in each for each in again.done("status")["warnings"])


def test_a_re_run_with_a_magic_leaves_no_attribute(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=notebook)
    kernel.ok("import math")
    kernel.ok("%precision 4\nmath.tau3 = 6; g = (n for n in range(9))")
    kernel.ok("del math.tau3")
    kernel.done("log")
    kernel.close()
    again = start(environment=notebook)
    again.done("resume", replay="auto")
    assert again.value("next(g), hasattr(math, 'tau3')") == (0, False)


def test_with_what_is_not_easy(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    walked(start, tmp_path, TOGETHER)


def test_a_re_run_leaves_the_registration_as_it_is(kernel: Kernel) -> None:
    kernel.ok("import copyreg")
    kernel.ok("class P: pass\ndef reduce(p): return str, ('p',)\ncopyreg.pickle(P, reduce); g = (n for n in range(9))")
    kernel.ok("next(g)")
    for _ in range(2):
        assert kernel.done("undo")["plan"]["replay"]
        assert kernel.value("copyreg.dispatch_table[P] is reduce") is True
        kernel.done("redo")


def test_what_a_new_kernel_lacks_is_told_by_name(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=notebook)
    kernel.ok("import builtins, copyreg\nclass P: pass\nxs = [1]\ndef make(xs):\n    return lambda p: (list, (xs,))")
    kernel.ok("builtins.letters = (x for x in 'ab'); builtins.tau = 6.28")
    kernel.ok("copyreg.pickle(P, make(xs))")
    for step in ("undo", "redo", "undo", "redo"):
        assert kernel.done(step)["plan"]["lost"] == []
    assert kernel.value("copyreg.dispatch_table[P](0)[1][0] is xs, tau") == (True, 6.28)
    kernel.done("log")
    kernel.close()
    again = start(environment=notebook)
    lost = {each["names"][0]: each["reason"] for each in again.done("resume")["plan"]["lost"]}
    assert lost == {
        "attributes of libraries": "builtins.letters: a part of it could not be stored",
        "registrations with Python": "ways to pickle: what it holds of xs will be a copy",
    }
    assert again.value("copyreg.dispatch_table[P](0)[1][0] == xs, tau") == (True, 6.28)


_AGAIN = """
import sys
def make(big=None):
    held = Big(), (x for x in "ab")  # no generator can be stored
    return lambda *a: held
sys.unraisablehook = make()
"""
_COUNTED = "__import__('gc').collect() and 0 or sum(type(o) is Big for o in __import__('gc').get_objects())"


def test_what_a_cell_registers_again_and_again_does_not_fill_the_memory(kernel: Kernel) -> None:
    kernel.ok("class Big: pass")
    kernel.ok(_AGAIN)
    first = kernel.done("log", limit=1)["checkpoints"][0]["id"]
    made = [kernel.ok(_AGAIN) and kernel.value("id(sys.unraisablehook)") for _ in range(50)]
    assert kernel.value(_COUNTED) <= 40
    for steps in (1, 2):
        for _ in range(steps):
            kernel.done("undo")
        assert kernel.value("id(sys.unraisablehook)") == made[-1 - steps]
        for _ in range(steps):
            kernel.done("redo")
        assert kernel.value("id(sys.unraisablehook)") == made[-1]
    lost = kernel.done("checkout", target=first, dry_run=True)["plan"]["lost"]
    assert [each["reason"] for each in lost] == [
        "nobody but Kishu held it any more, and only the last such objects are kept"
    ]


def test_a_class_that_a_cell_made_anew_ends_though_it_was_registered(kernel: Kernel) -> None:
    kernel.ok("import gc, numbers")
    for _ in range(4):
        kernel.ok("class K: pass\nnumbers.Number.register(K) and None")
    kernel.ok("del K")
    kernel.ok("gc.collect()")
    kernel.ok("x = 1")
    assert kernel.value("[gc.collect(), sum(each.__name__ == 'K' for each in object.__subclasses__())][1]") <= 1
    kernel.done("undo", steps=3)
    assert kernel.value("isinstance(K(), numbers.Number)")
    kernel.done("undo")
    assert kernel.value("isinstance(K(), numbers.Number)")


def test_the_equality_of_registered_classes_is_not_asked(kernel: Kernel) -> None:
    kernel.ok(
        "import numbers\nasked = []\nclass Kind(type):\n    def __eq__(self, other): asked.append(1); return self is other\n"
        "    __hash__ = type.__hash__\nclass K(metaclass=Kind): pass\nclass L(metaclass=Kind): pass"
    )
    kernel.ok("numbers.Number.register(K)")
    kernel.ok("numbers.Number.register(L); asked.clear()")
    for step, expected in (("undo", (True, False)), ("redo", (True, True)), ("undo", (True, False))):
        kernel.done(step)
        assert kernel.value("issubclass(K, numbers.Number), issubclass(L, numbers.Number)") == expected, step
