"""What objects know beside their values: who observes them, what they have cached, which module made them.

Each scenario is undone twice on a real kernel, and brought back in one that was started anew after a kill.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import Kernel

_TRAITS = "from traitlets import *\n"

TRAITS = {
    "a function that observes": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\nseen = []; x = T(); x.observe(lambda change: seen.append(change.new), 'n')",
        "x.unobserve_all(); x.n = 4",
        "x.n = 9; assert seen == [9]",
    ),
    "a method of the class that observes": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\n    def __init__(self):\n        super().__init__(); self.seen = []\n    @observe('n')\n    def _noted(self, change): self.seen.append(change.new)\nx = T()",
        "x.n = 4",
        "x.n = 9; assert x.seen == [9] and x._trait_notifiers['n']['change'] == [T.__dict__['_noted']]",
    ),
    "one of both, and in order": (
        _TRAITS
        + "log = []\nclass T(HasTraits):\n    n = Int(1)\n    @observe('n')\n    def _noted(self, change): log.append('class')\nx = T(); x.observe(lambda change: log.append('function'))\n_ = x.observe(lambda change: log.append('n'), 'n')",
        "x.n = 4",
        "x.n = 9; assert log == ['class', 'n', 'function'], log",
    ),
    "a class's observer that was taken away": (
        _TRAITS
        + "log = []\nclass T(HasTraits):\n    n = Int(1)\n    @observe('n')\n    def _noted(self, change): log.append('class')\nx = T(); x.unobserve_all('n')",
        "x.n = 4",
        "assert x.n == 1; x.n = 9; assert log == []",
    ),
    "a link": (
        _TRAITS + "class T(HasTraits):\n    n = Int(1)\na, b = T(), T(); both = link((a, 'n'), (b, 'n'))",
        "a.n = 4",
        "assert b.n == 1; b.n = 7; assert a.n == 7; both.unlink(); a.n = 8; assert b.n == 7",
    ),
    "a link without a name": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\na, b = T(), T(); _ = dlink((a, 'n'), (b, 'n'), lambda n: 10 * n); _ = None",
        "a.n = 4",
        "assert b.n == 10; a.n = 7; assert b.n == 70",
    ),
    "a method of another object": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\nclass Log:\n    def __init__(self): self.lines = []\n    def note(self, change): self.lines.append(change.new)\nlog = Log(); x = T(); x.observe(log.note, 'n')",
        "x.n = 4",
        "x.n = 9; assert log.lines == [9]; x.unobserve(log.note, 'n'); x.n = 3; assert log.lines == [9]",
    ),
    "what validates": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\n    @validate('n')\n    def _even(self, proposal): return proposal.value // 2 * 2\nx = T(n=4)",
        "x.n = 9",
        "assert x.n == 4; x.n = 7; assert x.n == 6",
    ),
    "a default that nobody has asked for": (
        _TRAITS
        + "made = []\nclass T(HasTraits):\n    l = List()\n    @default('l')\n    def _first(self): made.append(1); return [7]\nx = T(); x.tag = 1",
        "x.l = [8]",
        "assert made == [] and x.l == [7] and made == [1]",
    ),
    "configured": (
        "from traitlets.config import Config, Configurable\nfrom traitlets import Int\nclass A(Configurable):\n    n = Int(1).tag(config=True)\nc = Config(); c.A.n = 5; x = A(config=c); x.observe(lambda change: x.__dict__.setdefault('seen', []).append(change.new), 'n')",
        "x.n = 6",
        "assert x.n == 5; x.n = 8; assert x.seen == [8] and x.config.A.n == 5",
    ),
    "instances that share a list": (
        _TRAITS + "class T(HasTraits):\n    l = List()\n    o = Any()\nkept = [1]; a, b = T(o=kept), T(o=kept)",
        "kept.append(2)",
        "assert a.o is b.o is kept == [1]",
    ),
    "traits added to an instance": (
        _TRAITS
        + "class T(HasTraits):\n    n = Int(1)\nx = T(); x.add_traits(m=Int(3)); x.observe(lambda change: x.set_trait('n', change.new), 'm')",
        "x.m = 4",
        "assert (x.n, x.m) == (1, 3) and isinstance(x, T); x.m = 8; assert x.n == 8",
    ),
}

ELEMENTS = {
    "strings of any length in an array": (
        "import numpy as np; x = np.array(['a', 'long' * 20], dtype=np.dtypes.StringDType()); v = x[1:]",
        "x[1] = 'b'",
        "assert v[0] == 'long' * 20 and x.dtype == np.dtypes.StringDType()",
    ),
    "their dtype by itself": (
        "import numpy as np; x = np.dtypes.StringDType(na_object=np.nan); y = np.array(['a', np.nan], dtype=x)",
        "y[0] = 'b'",
        "assert y[0] == 'a' and y.dtype == x and np.isnan(y[1])",
    ),
}

TYPES = {
    "a type variable and a generic class": (
        "import typing\nT = typing.TypeVar('T', bound=int)\nclass Shelf(typing.Generic[T]):\n    held: list[T]\n    n = 1\nof = Shelf[int]; s = Shelf()",
        "Shelf.n = 2",
        "assert Shelf.n == 1 and T.__module__ == '__main__' and T.__bound__ is int and Shelf.__parameters__ == (T,)\n"
        "assert Shelf.__parameters__ is Shelf.__orig_bases__[0].__parameters__ and of.__origin__ is Shelf is type(s)",
    ),
    "an alias of two variables": (
        "import typing\nK = typing.TypeVar('K'); V = typing.TypeVar('V', int, str)\nclass Pair(typing.Generic[K, V]):\n    n = 1\nhalf = Pair[int, V]",
        "Pair.n = 2",
        "assert Pair.n == 1 and half[str] == Pair[int, str] and V.__constraints__ == (int, str) and half.__parameters__ == (V,)\n"
        "assert V.__module__ == K.__module__ == '__main__'",
    ),
    "combinations of flags": (
        "import enum\nclass Mood(enum.IntFlag):\n    WET = 1; SAD = 2; ODD = 4\nboth = Mood.WET | Mood.SAD; held = [both, ~Mood.WET]; Mood.note = 1",
        "held.append(Mood(7)); Mood.note = 2",
        "assert Mood.note == 1 and held == [Mood(3), ~Mood.WET] and held[0] is both is Mood(3) and type(both) is Mood",
    ),
}

_CACHED = "import functools\nruns = []\n"

CACHES = {
    "what a function has cached": (
        _CACHED
        + "@functools.lru_cache(maxsize=None)\ndef f(n):\n    runs.append(n)\n    return [n]\na = f(1); _ = f(2), f(1); _ = None",
        "f.cache_clear(); a.append(2); runs.clear()",
        "assert f.cache_info()[:2] == (1, 2) and f(1) is a == [1] and f(2) == [2] and runs == [1, 2] and f(3) == [3] and runs[-1] == 3",
    ),
    "and which it forgets first": (
        _CACHED
        + "@functools.lru_cache(maxsize=2)\ndef f(n):\n    runs.append(n)\n    return n\n_ = f(1), f(2), f(1); _ = None",
        "f(4); f(5); runs.clear()",
        "assert runs == [1, 2] and f(3) == 3; f(1); assert runs == [1, 2, 3]; f(2); assert runs[-1] == 2",
    ),
    "by name and by type": (
        _CACHED
        + "@functools.lru_cache(typed=True)\ndef f(a, b=0, *, c=0):\n    runs.append(a)\n    return [a, b, c]\nkept = f(1, c=2), f(1.0, c=2), f('x', b='y', c=3); info = f.cache_info()",
        "f.cache_clear(); runs.clear()",
        "assert f.cache_info() == info and kept[0] is f(1, c=2) and kept[1] is f(1.0, c=2) and kept[2] is f('x', b='y', c=3) and len(runs) == 3",
    ),
    "by classes and tuples": (
        _CACHED
        + "class Lamp: pass\n@functools.cache\ndef f(*of):\n    runs.append(of)\n    return [of]\nkept = f(Lamp), f((1, 'a'), None); Lamp.n = 1",
        "f.cache_clear(); Lamp.n = 2; runs.clear()",
        "assert f(Lamp) is kept[0] and f((1, 'a'), None) is kept[1] and len(runs) == 2 and kept[0] == [(Lamp,)]",
    ),
    "dictionaries, and a result that is another's key": (
        _CACHED
        + "@functools.lru_cache(maxsize=8)\ndef f(n):\n    runs.append(n)\n    return {'q': {'x': 1}, 'y': 'x'}.get(n, {'name': n})\n"
        "kept = f('q'), f('y'), f('a'), f(type(f)), f('q'); info = f.cache_info()",
        "f.cache_clear(); runs.clear(); kept[0]['x'] = 2",
        "assert f.cache_info() == info and [f('q') is kept[0], f('y') is kept[1], f('a') is kept[2], f(type(f)) is kept[3]] == [True] * 4\n"
        "assert kept[0] == {'x': 1} and f('x') == {'name': 'x'} and runs[-1] == 'x' and len(runs) == 5",
    ),
    "what is set on it": (
        _CACHED + "note = []\n@functools.lru_cache(None)\ndef f(n: int) -> list:\n    'doc'\n    return [n]\n"
        "f.note = note; f.more = f.tags = {'a'}; del f.__qualname__; _ = f(1); _ = None",
        "f.note.append(1); f.tags.add('b'); f.late = 1; del f.more",
        "assert f.note is note == [] and f.tags is f.more and f.more == {'a'} and not hasattr(f, 'late') and f.__doc__ == 'doc'\n"
        "assert '__qualname__' not in vars(f) and f.__annotations__ == {'n': int, 'return': list} and f.__wrapped__(2) == [2]\n"
        "f.note.append(2); assert note == [2] and f.cache_parameters() == {'maxsize': None, 'typed': False}",
    ),
    "its attributes by a name of their own": (
        _CACHED + "@functools.cache\ndef f(n): return [n]\nd = vars(f); d['note'] = [1]; kept = f(1)",
        "d['note'].append(2); d['late'] = 1",
        "assert d is vars(f) and f.note == [1] and not hasattr(f, 'late') and f(1) is kept and f(2) == [2]",
    ),
    "in a closure that it calls": (
        _CACHED
        + "def make():\n    @functools.lru_cache(64)\n    def f(n):\n        'doc'\n        runs.append(n)\n        return {'n': n, 'of': f(n - 1) if n else None}\n    f.itself = f\n    return f\n"
        "g = make(); kept = g(3)",
        "g.cache_clear(); g.itself = None; runs.clear()",
        "assert g(3) is kept and g(0) is kept['of']['of']['of'] and len(runs) == 4 and g.itself is g and g.__doc__ == g.__wrapped__.__doc__ == 'doc'",
    ),
    "more hits than are counted": (
        _CACHED + "@functools.lru_cache\ndef f(n): return [n]\nkept = f(1)\nfor _ in range(300_000): f(1)",
        "f.cache_clear()",
        "assert f.cache_info()[:2] == (100_000, 1) and f(1) is kept",
    ),
    "a method, and a recursion": (
        _CACHED
        + "class M:\n    @staticmethod\n    @functools.lru_cache\n    def fib(n):\n        runs.append(n)\n        return n if n < 2 else M.fib(n - 1) + M.fib(n - 2)\nm = M.fib(10)",
        "M.fib.cache_clear(); runs.clear()",
        "assert len(runs) == 11 and M.fib(10) == m == 55 and len(runs) == 11 and M.fib(11) == 89 and len(runs) == 12",
    ),
}

SCENARIOS = {**CACHES, **TRAITS, **ELEMENTS, **TYPES}


def ends_well(kernel: Kernel, code: str) -> None:
    """Runs a check, and takes back what it did."""
    told = kernel.run(code)
    assert told.status == "ok", told.reply.get("evalue") or told.reply
    kernel.done("undo", replay="auto")


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel, and the states that its scenarios have made."""
    with Kernel(tmp_path_factory.mktemp("observers"), environment={"KISHU_NOTEBOOK": "observers.ipynb"}) as kernel:
        kernel.ok("None")
        yield kernel, {"": kernel.done("status")["head"]}


def needed(name: str) -> None:
    for library in ("traitlets", "numpy"):
        if library in SCENARIOS[name][0] and importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    if "StringDType" in SCENARIOS[name][0] and not hasattr(importlib.import_module("numpy").dtypes, "StringDType"):
        pytest.skip("this NumPy has no such strings")


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: tuple[Kernel, dict[str, str]], name: str) -> None:
    needed(name)
    kernel, made = exact
    create, change, check = SCENARIOS[name]
    kernel.done("checkout", target=made[""], allow_lost=True)
    kernel.ok(create)
    made[name] = kernel.done("status")["head"]
    kernel.ok(change)
    assert kernel.run(check).status == "error", "the check sees nothing of the change"
    for _ in range(2):
        kernel.done("checkout", target=made[name], replay="auto")
        ends_well(kernel, check)
        kernel.ok(change)


def test_it_is_there_in_a_new_kernel(exact: tuple[Kernel, dict[str, str]]) -> None:
    kernel, made = exact
    while kernel.done("status")["pending"]:
        pass
    kernel.restart(kill=True)
    wrong = {}
    for name, state in made.items():
        if name:
            kernel.done("checkout", target=state, replay="auto")
            told = kernel.run(SCENARIOS[name][2])
            wrong.update({name: told.reply} if told.status != "ok" else {})
    assert wrong == {}


def test_a_cell_that_asks_for_the_class_of_what_listeners_know_is_no_change(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.ok(TRAITS["a method of another object"][0])
        kernel.ok("type(x), id(log)")
        assert kernel.done("log", limit=1)["checkpoints"][0]["modified"] == []
