"""Whose instances are not tried: what is said to come back whole is looked at, and whoever could leave something out
is tried."""

from __future__ import annotations

import copyreg
import gc
import sys
import weakref
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter, digest_of
from kishu_kernel.detect.walk.result import Census
from kishu_kernel.objects import moment
from kishu_kernel.objects.whole_classes import WholeClasses
from tests.matrix.entry import Entry, entries_of
from tests.objects.test_library_reductions import Cells

SAID = ("", "numpy", "pandas", "scipy", "sklearn", "matplotlib")
"""Libraries of which something is said to be whole, and that the tests' environment may have; empty: Python."""
LEFT_TO_TRIALS = {"argparse.ArgumentParser", "email.message.EmailMessage", "statistics.NormalDist", "ast.Module"}

ENTRIES = {
    library: list(entries)
    for library, entries in groupby(
        sorted(
            (each for group in ("core", "data", "plots", "learning") for each in entries_of(group)),
            key=lambda each: each.library,
        ),
        key=lambda each: each.library,
    )
    if library in SAID
}


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cells:
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    monkeypatch.chdir(tmp_path)
    return made


def is_tried(cells: Cells) -> bool:
    kinds = Fingerprinter(cells.table).take(cells.live["x"]).kinds
    return WholeClasses(cells.table).doubtful(kinds) != frozenset()


def census(cells: Cells) -> Census:
    found: Census = Counter()
    digest_of({"x": cells.live["x"]}, cells.table, census=found)
    return found


def missing(cells: Cells) -> list[tuple[str, str, str]]:
    """Attributes that objects lack when they were stored and loaded."""
    before = census(cells)
    cells.reload()
    after = census(cells)
    return [key for key in before if key[2] and after[key] < before[key]]


@pytest.mark.parametrize("library", ENTRIES)
@pytest.mark.filterwarnings("ignore")
def test_what_is_said_to_be_whole_is(cells: Cells, library: str) -> None:
    """All classes of the matrix that can be stored."""
    pytest.importorskip(library or "sys")
    stored: list[Entry] = []
    for each in ENTRIES[library]:
        cells.live.pop("x", None)
        cells.run(each.create)
        try:
            tried = is_tried(cells)
            assert missing(cells) == [] or tried, each.name
        except AssertionError as error:
            if "NotStored" not in str(error):
                raise
        else:
            stored.append(each)
            assert not tried or each.name in LEFT_TO_TRIALS or each.name.startswith("ipaddress"), each.name
    assert stored


LIBRARY = """
import abc, enum
class Plain:
    def __init__(self): self.a = [1]
class Slots:
    __slots__ = ("a",)
    def __init__(self): self.a = 1
class Filled(Plain):
    def __setstate__(self, state): pass
class Answering(Plain):
    def __getattr__(self, name): return lambda *_: None
class Setting(Plain):
    def __setattr__(self, name, value): pass
class Telling(Plain):
    def __getstate__(self): return {}
class Reduced(Plain):
    def __reduce__(self): return Reduced, ()
class Making(Plain):
    def __new__(cls): return object.__new__(cls)
class Shown(Plain):
    def __getattribute__(self, name): return object.__getattribute__(self, name)
class Number(enum.Enum):
    ONE = 1
class Own(enum.Enum):
    ONE = 1
    def __reduce_ex__(self, protocol): return Own, (1,)
def emptied(plain): return Plain, ()
"""

WHOLE = {
    "of a library, its attributes": "x = [lib.Plain(), lib.Slots(), lib.Number.ONE]",
    "of the notebook, whatever it says": "class C:\n    def __getstate__(self): return {}\nx = C(); x.a = 1",
    "of a class that makes it its own way": "class M(type):\n    def __call__(cls): return object.__new__(cls)\n"
    "class C(metaclass=M): pass\nx = C(); x.a = 1",
    "a frozen one with slots": "import dataclasses\n@dataclasses.dataclass(frozen=True, slots=True)\nclass C:\n"
    "    a: int\nx = C(1)",
    "a named tuple": "import typing\nclass C(typing.NamedTuple):\n    a: int\nx = [C(1)]",
    "a member with more": "import enum\nclass C(enum.Enum):\n    A = 1\n    def __init__(self, n): self.a = n\nx = C.A",
    "a handler": "import logging\nclass C(logging.Handler):\n    pass\nx = C(); x.kept = [1]",
    "a thread": "import threading\nclass C(threading.Thread):\n    pass\nx = C(); x.kept = [1]",
    "a function": "def outer():\n    held = [1]\n    def inner(): return held\n    return inner\nx = outer()",
    "an array": "import numpy as np\nclass C(np.ndarray):\n    pass\nx = np.arange(3).view(C); x.kept = [1]",
    "an estimator": "from sklearn.base import BaseEstimator\nclass C(BaseEstimator):\n    pass\nx = C(); x.kept = [1]",
    "values of a column": "from pandas.api.extensions import ExtensionArray\nclass C(ExtensionArray):\n    pass\n"
    "x = C(); x.kept = [1]",
}


@pytest.mark.parametrize("case", WHOLE)
def test_what_comes_back_whole_is_not_tried(cells: Cells, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    library(cells, monkeypatch)
    cells.run(WHOLE[case])
    assert not is_tried(cells)
    assert missing(cells) == []


@pytest.mark.parametrize(
    "of", ["Filled", "Answering", "Setting", "Telling", "Reduced", "Making", "Shown", "Own.ONE", "made", "frame"]
)
def test_who_has_a_say_is_tried(cells: Cells, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    library(cells, monkeypatch)
    if of == "made":
        cells.run("class M(type):\n    def more(cls): pass\nclass C(metaclass=M): pass\nx = C()")
    elif of == "frame":
        cells.run("import pandas as pd\nclass C(pd.DataFrame):\n    pass\nx = C()")
    else:
        cells.run(f"x = lib.{of}" + ("" if "." in of else "()"))
    assert is_tried(cells)


LATER = {
    "the class says it": "lib.Plain.__setstate__ = lib.Filled.__setstate__",
    "it is registered": "import copyreg\ncopyreg.pickle(lib.Plain, lib.emptied)",
}


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("case", LATER)
def test_a_class_that_is_given_a_way_later_is_tried_from_then_on(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, case: str, pure: bool
) -> None:
    if pure:
        monkeypatch.setattr(moment, "type_version", lambda _: 0)
    library(cells, monkeypatch)
    cells.run("x = lib.Plain()")
    kind = type(cells.live["x"])
    whole = WholeClasses(cells.table)
    assert whole.doubtful({kind}) == frozenset()
    try:
        cells.run(LATER[case])
        assert whole.doubtful({kind}) == {kind}
    finally:
        copyreg.dispatch_table.pop(kind, None)


def test_classes_are_not_kept(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the named tuples that pandas makes at each `itertuples`."""
    library(cells, monkeypatch)
    kind = type("Row", (), {"__module__": "lib"})
    whole, there = WholeClasses(cells.table), weakref.ref(kind)
    assert whole.doubtful({kind}) == frozenset()
    del kind
    gc.collect()
    assert there() is None


def library(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that nothing is known of."""
    module = type(sys)("lib")
    exec(LIBRARY, vars(module))
    monkeypatch.setitem(sys.modules, "lib", module)
    cells.live["lib"] = module
