"""Registrations of which nothing is known beforehand: found between cells, and told where a checkout leaves them."""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

PLUGINS = """
import functools, itertools, weakref
hooks, by_name, ordered, nested, cached = [], {}, (), {"deep": {"er": []}}, weakref.WeakKeyDictionary()
class Manager:
    current = None
    def __init__(self): self.plugins = {}
    def add(self, plugin): self.plugins[type(plugin).__name__] = plugin
class Known: pass
manager = Manager()
def hook(f): hooks.append(f); return f
def named(name): return lambda c: by_name.setdefault(name, c)
def put(x):
    global ordered
    ordered = (*ordered, x)
def wrapped(f): nested["deep"]["er"].append(functools.partial(f, 1))
def keep(x): Manager.current = [x]
@functools.singledispatch
def shown(x): return "?"
@functools.lru_cache
def seen(x): return 1
def uses(f): return f(1)
def copy(f): return [f]
"""


def found(kernel: Kernel, *cells: str) -> list[str]:
    """The effects that are kept of the last of these cells, once think time has looked at it."""
    for cell in cells:
        kernel.ok(cell)
        while not kernel.done("log", "control", limit=1)["checkpoints"][0]["audited"]:
            time.sleep(0.02)
    return list(kernel.done("log", limit=1)["checkpoints"][0]["effects"])


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("plugged")) as kernel:
        kernel.library("plugboard", PLUGINS)
        kernel.ok("import plugboard, sys\nfrom plugboard import hook")
        kernel.ok(
            "def given(x): return x\nclass Given: pass\ngiven_object = Given()\ndef plain(x): return x\nclass Plain: pass\nplain_object = Plain()\ndef make():\n    def inner(x): return x\n    return inner"
        )
        kernel.done("tag", name="begin")
        yield kernel


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("@hook\ndef f(x): return x", "f"),
        ("plugboard.hooks.append(given)", "given"),
        ("plugboard.hooks.append(lambda x: x)", "a function"),
        ("plugboard.hooks.append(make())", "inner"),
        ("@plugboard.named('h')\nclass H: pass", "H"),
        ("_d = plugboard.by_name.setdefault('g', Given)", "Given"),
        ("plugboard.by_name[Given] = 1", "Given"),
        ("class P: pass\np = P(); plugboard.manager.add(p)", "P, p"),
        ("plugboard.put(given_object)", "given_object"),
        ("plugboard.wrapped(given)", "given"),
        ("plugboard.keep(given)", "given"),
        ("deep = {'called': [given]}; plugboard.hooks.append(deep['called'])", "given"),
        ("class S: pass\n@plugboard.shown.register(S)\ndef _(x): return 'S'", "S"),
    ],
)  # fmt: skip
def test_what_a_library_holds(plugged: Kernel, cell: str, told: str) -> None:
    plugged.done("checkout", target="begin")
    effects = found(plugged, cell)
    registered = [each for each in effects if each.startswith("registers with plugboard")]
    assert len(registered) == 1, effects
    assert set(told.split(", ")) & set(registered[0].removeprefix("registers with plugboard (").rstrip(")").split(", "))


@pytest.mark.parametrize(
    "cell",
    [
        "y = plain(1)",
        "def f(x): return x\nys = [f, f]\nd = {'k': f}",
        "class C:\n    def m(self): return 1\nc = C(); cs = [c]; kind = type(c)",
        "n = plugboard.uses(plain); m = plugboard.uses(lambda x: x)",
        "fs = plugboard.copy(plain)",
        "plugboard.seen(plain)",
        "plugboard.cached[plain_object] = 1",
        "import functools\n@functools.lru_cache\ndef fast(x): return x\nfast(1)",
        "import dataclasses, typing\n@dataclasses.dataclass\nclass D:\n    n: int = 1\nds: typing.List[D] = [D()]",
        "import collections\nP = collections.namedtuple('P', 'x'); p = P(1)",
        "import enum\nclass E(enum.Enum):\n    A = 1",
        "import abc\nclass A(abc.ABC): pass\nclass B(A): pass\nisinstance(B(), A)",
        "class K(plugboard.Known): pass\nk = K()",
        "g = (plain(x) for x in range(3)); next(g)",
        "sorted([3, 1], key=lambda x: -x)",
        "import json\nclass Enc(json.JSONEncoder):\n    def default(self, o): return 1\ns = json.dumps(object(), cls=Enc)",
        "import functools\n@functools.singledispatch\ndef sd(x): return 1\n@sd.register\ndef _(x: int): return 2",
        "import threading\ndef job(): pass\nt = threading.Thread(target=job); t.start(); t.join()",
        "async def co(): return 1\nimport asyncio\ntask = asyncio.create_task(co()); await task",
        "import logging\nclass Hd(logging.Handler):\n    def emit(self, r): pass\nlogging.getLogger('q').addHandler(Hd())",
        "import weakref\nclass Nd: pass\nn1 = Nd(); wr = weakref.ref(n1); wd = weakref.WeakValueDictionary(a=n1)",
        "import re\nout = re.sub('a', lambda m: 'b', 'aa')",
    ],
)
def test_what_no_library_holds(plugged: Kernel, cell: str) -> None:
    plugged.done("checkout", target="begin")
    assert not [each for each in found(plugged, cell) if each.startswith("registers")]


def test_an_exit_function_is_told(kernel: Kernel) -> None:
    assert "registers with atexit" in found(kernel, "import atexit", "_f = atexit.register(print, 'bye')")


def test_an_exit_function_of_a_function_is_told(kernel: Kernel) -> None:
    cells = ("import atexit\ndef at_end(): return atexit.register(print, 'bye')\ndef go(): at_end()", "go()")
    assert "registers with atexit" in found(kernel, *cells)


def test_a_search_for_encodings_is_told(kernel: Kernel) -> None:
    assert "registers with codecs (search)" in found(
        kernel, "import codecs\ndef search(name): return None", "codecs.register(search)"
    )


def test_an_undo_tells_that_it_stays(kernel: Kernel) -> None:
    kernel.library("plugboard", PLUGINS)
    kernel.ok("import plugboard")
    found(kernel, "@plugboard.hook\ndef f(x): return x")
    note = (
        "What In[2] registered with plugboard (f) is still registered: what a cell registers there is not taken back."
    )
    for _ in range(2):
        assert kernel.done("undo", dry_run=True)["plan"]["notes"] == [note]
        assert note in kernel.run("%kishu undo --dry-run").text
        assert kernel.done("undo")["plan"]["notes"] == [note]
        assert note in kernel.done("status")["warnings"]
        assert kernel.done("redo")["plan"]["notes"] == []
    kernel.ok("x = 1")
    assert kernel.done("undo")["plan"]["notes"] == []


def test_a_resume_tells_that_it_is_gone(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=notebook)
    kernel.library("plugboard", PLUGINS)
    kernel.ok("import plugboard\nclass H: n = 1\nh = H()")
    found(kernel, "plugboard.by_name['h'] = H")
    kernel.ok("h.n = 2")
    kernel.done("log")
    kernel.close()
    again = start(environment=notebook)
    again.library("plugboard", PLUGINS)
    plan = again.done("resume")["plan"]
    assert plan["lost"] == []
    assert plan["notes"] == [
        "What In[2] registered with plugboard (H) is not registered in this kernel: run the cell again where it is needed."
    ]
    again.ok("h.n = 3")
    assert again.done("undo")["plan"]["notes"] == []
    assert again.value("h.n") == 2
