"""What is behind an object's attributes, on a real kernel: who else holds their dictionary, and what they lead to.

A scenario is that of `test_exactness`: it is undone twice, and brought back in a kernel that was started anew.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import Kernel
from .test_exactness import Scenario, begun, holds, make

S = "class D(dict):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)\n        self.__dict__ = self\n"
C = "class C:\n    def __init__(self, n): self.n = n\n"
B = "class B:\n    shared = {}\n    def __init__(self): self.__dict__ = self.shared\n"

ATTRIBUTES: dict[str, Scenario] = {
    "its own": (
        f"{S}d = D(a=1); d.b = [2]",
        "d.b.append(3); d.c = 1",
        "assert d.__dict__ is d == {'a': 1, 'b': [2]}; d.x = 1; assert d['x'] == 1; d['y'] = 2; assert d.y == 2",
    ),
    "its own, one in another": (
        f"{S}d = D(a=D(b=1)); e = d.a",
        "e.b = 2",
        "assert e.__dict__ is e is d['a'] and d.a.b == 1 and d.__dict__ is d; e.x = 1; assert d['a']['x'] == 1",
    ),
    "its own, and a cycle": (
        f"{S}d = D(a=1); d.me = d; d.all = [d]",
        "d.all.append(1)",
        "assert d.me is d is d['me'] is d.__dict__ is d.all[0] and len(d.all) == 1",
    ),
    "its own, of a class that acts": (
        "class D(dict):\n    def __init__(self, **k):\n        dict.__init__(self, k); self.__dict__ = self\n"
        "    def __setitem__(self, k, v): dict.__setitem__(self, k, [v])\nd = D(a=1)",
        "d['b'] = 2",
        "assert d == {'a': 1} and d.__dict__ is d; d['x'] = 1; assert d.x == [1]",
    ),
    "its own, pickled by hand": (
        "class D(dict):\n    def __init__(self, **k):\n        dict.__init__(self, k); self.__dict__ = self\n"
        "    def __getstate__(self): return dict(self)\n    def __setstate__(self, s): self.update(s); self.__dict__ = self\nd = D(a=1)",
        "d['b'] = 2",
        "assert d == {'a': 1} and d.__dict__ is d; d['x'] = 1; assert d.x == 1",
    ),
    "its own, of a class of a module": (
        "import exact_bunches; d = exact_bunches.Bunch(a=1)",
        "d.b = 2",
        "assert d == {'a': 1} and d.__dict__ is d and type(d) is exact_bunches.Bunch; d.x = 1; assert d['x'] == 1",
    ),
    "a borg": (
        f"{B}a = B(); b = B(); a.n = 1",
        "b.n = 2",
        "assert a.n == b.n == 1 and vars(a) is vars(b) is B.shared; B().m = 3; assert a.m == b.m == 3",
    ),
    "borgs in a list": (
        f"{B}bs = [B(), B()]; bs[0].xs = [1]",
        "bs[1].xs.append(2)",
        "assert bs[0].xs == [1] and vars(bs[0]) is vars(bs[1]) is B.shared; bs[0].m = 3; assert bs[1].m == 3",
    ),
    "an empty borg": (f"{B}a = B(); b = B()", "b.n = 2", "assert not hasattr(a, 'n'); a.m = 3; assert b.m == 3"),
    "a name": (
        f"{C}x = C(1); v = vars(x)",
        "v['n'] = 2",
        "assert x.n == 1 and vars(x) is v; x.m = 2; assert v['m'] == 2",
    ),
    "a name that is parted": (f"{C}x = C(1); v = vars(x)", "v = dict(v)", "v['n'] = 7; assert x.n == 7"),
    "a name that is joined": (f"{C}x = C(1); v = dict(vars(x))", "v = vars(x)", "v['n'] = 7; assert x.n == 1"),
    "an item": (
        f"{C}a = [C(1), None]; a[1] = vars(a[0])",
        "a[0].n = 2",
        "assert a[1] is vars(a[0]) and a[0].n == 1; a[1]['n'] = 5; assert a[0].n == 5",
    ),
    "an item before it": (
        f"{C}a = [None, C(1)]; a[0] = vars(a[1])",
        "a[0] = dict(a[0])",
        "assert a[0] is vars(a[1]) and a[1].n == 1; a[1].n = 5; assert a[0]['n'] == 5",
    ),
    "one of two that are equal": (
        f"{C}a = [C(1), C(1), None]; a[2] = vars(a[0])",
        "a[2] = vars(a[1])",
        "assert a[2] is vars(a[0]) and a[2] is not vars(a[1])",
    ),
    "another instance": (
        f"{C}x = C(1); y = C(2); y.__dict__ = x.__dict__",
        "y.n = 3",
        "assert x.n == y.n == 1; x.m = 2; assert y.m == 2",
    ),
    "of a class of its own": (
        f"{C}class W(dict):\n    seen = 0\n    def __setitem__(self, k, v): W.seen += 1; super().__setitem__(k, v)\n"
        "x = C(0); x.__dict__ = w = W(n=1)",
        "w['n'] = 2",
        "assert x.n == 1 and vars(x) is w and type(w) is W and W.seen == 0; w['m'] = 1; assert x.m == 1 and W.seen == 1",
    ),
    "with defaults": (
        f"{C}import collections; x = C(0); x.__dict__ = collections.defaultdict(list, n=1)",
        "x.n = 2",
        "assert x.n == 1 and vars(x)['m'] == []",
    ),
    "arguments": (
        "import argparse; args = argparse.Namespace(n=1, xs=[1]); options = vars(args)",
        "options['n'] = 2",
        "assert args.n == 1 and options is vars(args); args.m = 2; assert options['m'] == 2",
    ),
    "a simple namespace": (
        "import types; x = types.SimpleNamespace(n=1); v = vars(x)",
        "v['n'] = 2",
        "assert x.n == 1 and v is vars(x); x.m = 2; assert v['m'] == 2",
    ),
    "a frozen dataclass": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass P:\n    n: int\nx = P(1); v = vars(x)",
        "v['n'] = 2",
        "assert x == P(1) and v is vars(x); v['n'] = 5; assert x.n == 5",
    ),
    "a list": (
        "class L(list): pass\nx = L([1]); x.n = 1; v = vars(x)",
        "v['n'] = 2",
        "assert x == [1] and x.n == 1; v['n'] = 5; assert x.n == 5 and type(x) is L",
    ),
    "an error": (
        "class E(Exception):\n    def __init__(self, n): self.n = n\nx = E(1); v = vars(x)",
        "v['n'] = 2",
        "assert x.n == 1 and type(x) is E; v['n'] = 5; assert x.n == 5",
    ),
    "functions": (
        "def f(): return f.n\ndef g(): pass\nf.n = 1; g.__dict__ = v = vars(f)",
        "v['n'] = 2",
        "assert f() == g.n == 1; g.n = 5; assert f() == v['n'] == 5",
    ),
    "beside slots": (
        "class S:\n    __slots__ = ('a', '__dict__')\nx = S(); x.a = 1; x.n = 1; v = vars(x)",
        "v['n'] = 2",
        "assert x.n == x.a == 1; v['n'] = 5; assert x.n == 5",
    ),
    "with a state of its own": (
        "class R:\n    def __init__(self, n): self.n = n; self.k = 1\n    def __getstate__(self): return {'n': self.n}\nx = R(1); v = vars(x)",
        "v['n'] = 2",
        "assert x.n == 1 == x.k and vars(x) is v; v['n'] = 5; assert x.n == 5",
    ),
    "an estimator": (
        "from sklearn.linear_model import LinearRegression; x = LinearRegression(); v = vars(x)",
        "v['fit_intercept'] = False",
        "assert x.fit_intercept and vars(x) is v; v['m'] = 1; assert x.m == 1",
    ),
    "a bunch": (
        "from sklearn.utils import Bunch; x = Bunch(a=[1]); v = vars(x)",
        "x.b = 2; v['_n'] = 1",
        "assert list(x) == ['a'] and vars(x) is v and '_n' not in v; x.c = 1; assert x['c'] == 1 and x.a is x['a']",
    ),
    "an array": (
        "import numpy as np\nclass A(np.ndarray): pass\nx = np.arange(3.).view(A); x.n = 1; v = vars(x)",
        "v['n'] = 2",
        "assert x.n == 1 and vars(x) is v; v['n'] = 5; assert x.n == 5 and x[2] == 2",
    ),
    "a module": (
        "import types; m = types.ModuleType('made'); m.n = 1; v = vars(m)",
        "v['n'] = 2",
        "assert m.n == 1 and vars(m) is v; v['n'] = 5; assert m.n == 5",
    ),
    "a frame": (
        "import pandas as pd; df = pd.DataFrame({'n': [1, 2]}); v = vars(df)",
        "v['_attrs'] = {'k': 1}; df['n'] = 0",
        "assert vars(df) is v and df['n'].tolist() == [1, 2] and df.attrs == {}",
    ),
}
"""What else holds the dictionary of somebody's attributes."""

L = "from exact_hiding import *\nr = Root()\n"

LINKS: dict[str, Scenario] = {
    "that a state leaves out": (
        f"{L}x = ByState(r)",
        "r.n = 1",
        "assert x.root is r and not hasattr(r, 'n') and x.n == 1; r.m = 2; assert x.root.m == 2",
    ),
    "that arguments leave out": (
        f"{L}x = ByArguments(1, r); y = ByArguments(2, r)",
        "x.n = 2",
        "assert x.root is y.root is r and (x.n, y.n) == (1, 2)",
    ),
    "in slots": (
        f"{L}x = WithSlots(1, r); y = [WithSlots(2, r)]",
        "x.n = 2",
        "assert x.root is y[0].root is r and (x.n, y[0].n) == (1, 2); r.m = 2; assert x.root.m == 2",
    ),
    "to what a state copies": (
        f"{L}x = ByCopy(r)",
        "r.n = 1",
        "assert x.root is r and not hasattr(r, 'n'); r.m = 2; assert x.root.m == 2",
    ),
    "within one variable": (
        f"{L}x = [ByState(r), r]; del r",
        "x[1].n = 1",
        "assert x[0].root is x[1] and not hasattr(x[1], 'n')",
    ),
    "within one variable, the other first": (
        f"{L}x = {{'root': r, 'x': ByArguments(1, r)}}; del r",
        "x['root'].n = 1",
        "assert x['x'].root is x['root'] and not hasattr(x['root'], 'n')",
    ),
    "by a list": (
        f"{L}x = ByState([r, None])",
        "r.n = 1",
        "assert x.root[0] is r and x.root[1] is None and not hasattr(r, 'n')",
    ),
    "to a list of atoms": (
        f"{L}xs = [1, 2]; x = ByState(xs)",
        "xs.append(3)",
        "assert x.root is xs == [1, 2]; xs.append(4); assert x.root[2] == 4",
    ),
    "to an array": (
        f"{L}import numpy as np; a = np.arange(4.); x = ByState(a)",
        "a[0] = 9",
        "assert x.root is a and a[0] == 0; a[1] = 7; assert x.root[1] == 7",
    ),
    "to another one now": (
        f"{L}s = Root(); x = ByState(r)",
        "x.root = s",
        "assert x.root is r and x.root is not s",
    ),
    "to none now": (f"{L}x = ByState(r)", "x.root = Root()", "assert x.root is r"),
    "back": (
        f"{L}x = ByState(r); r.x = x",
        "x.n = 2",
        "assert x.root is r and r.x is x and x.n == 1",
    ),
    "of an instance of the notebook": (
        f"{L}class C: pass\nc = C(); c.x = ByState(r); d = C(); d.r = r",
        "d.r.n = 1",
        "assert c.x.root is d.r is r and not hasattr(r, 'n')",
    ),
    "of a tag": (
        "import bs4; soup = bs4.BeautifulSoup('<p><b>x</b></p>', 'html.parser'); b = soup.b",
        "b['k'] = '1'",
        "assert soup.b is b and not b.attrs and b.parent.parent is soup; b['z'] = '1'; assert 'z=' in str(soup)",
    ),
    "of a text": (
        "import bs4; soup = bs4.BeautifulSoup('<p><b>x</b></p>', 'html.parser'); t = soup.b.string",
        "t.replace_with('y')",
        "assert soup.b.string is t and t.parent is soup.b; t.replace_with('z'); assert 'z' in str(soup)",
    ),
    "of what was found": (
        "import bs4; soup = bs4.BeautifulSoup('<p><b>x</b><b>y</b></p>', 'html.parser'); found = soup.find_all('b')",
        "found[0]['k'] = 1",
        "assert [*soup.find_all('b')][1] is found[1] and not found[0].attrs; found[1].decompose(); assert 'y' not in str(soup)",
    ),
    "of a document, in a dictionary": (
        "import bs4; pages = {'a': bs4.BeautifulSoup('<p>x</p>', 'html.parser')}; p = pages['a'].p",
        "pages['a'].p.name = 'q'",
        "assert pages['a'].p is p; p.append('z'); assert str(pages['a']) == '<p>xz</p>'",
    ),
    "of a place in code": (
        "try:\n    1 / 0\nexcept Exception as error:\n    e = error; where = e.__traceback__",
        "e.n = 1",
        "assert e.__traceback__ is where and not hasattr(e, 'n')",
    ),
}
"""What a library's own reduction hides, and attributes show."""

SCENARIOS = {f"attributes: {name}": each for name, each in ATTRIBUTES.items()} | {
    f"links: {name}": each for name, each in LINKS.items()
}
BY_RERUN = {"attributes: a simple namespace", "attributes: a module", "links: of a place in code"}
"""Nobody can give these another dictionary than their own; nobody can store a traceback."""

_BUNCHES = (
    "class Bunch(dict):\n    def __init__(self, **k):\n        dict.__init__(self, k)\n        self.__dict__ = self\n"
)
_HIDING = """
import copy
class Root: pass
class ByState:
    def __init__(self, root): self.root, self.n = root, 1
    def __getstate__(self): return {"n": self.n}
    def __setstate__(self, state): self.n, self.root = state["n"], Root()
class ByArguments:
    def __init__(self, n, root=None): self.n, self.root = n, root or Root()
    def __reduce__(self): return ByArguments, (self.n,)
class WithSlots:
    __slots__ = ("n", "root")
    def __init__(self, n, root=None): self.n, self.root = n, root or Root()
    def __reduce__(self): return WithSlots, (self.n,)
class ByCopy:
    def __init__(self, root): self.root = root
    def __getstate__(self): return copy.deepcopy(self.__dict__)
"""


def needed(scenario: Scenario) -> None:
    """Skips where the kernel's environment, which is this one, has not got it."""
    for library in re.findall(r"(?:^|; )(?:import|from) (\w+)", scenario[0], re.MULTILINE):
        if not library.startswith("exact_"):
            pytest.importorskip(library)


def with_libraries(home: Path) -> dict[str, str | None]:
    """The environment of a kernel that finds two libraries."""
    place = home / "site-packages"
    place.mkdir()
    (place / "exact_bunches.py").write_text(_BUNCHES, "utf-8")
    (place / "exact_hiding.py").write_text(_HIDING, "utf-8")
    path = os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "JPY_SESSION_NAME": str(home / "book.ipynb")}


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("exact")
    with Kernel(home, environment=with_libraries(home)) as kernel:
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
        reply = exact.done("checkout", target=made)
        assert bool(reply["plan"]["replay"]) == (name in BY_RERUN)
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check), "the change does not matter to the check"


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = tmp_path_factory.mktemp("anew")
    with Kernel(home, environment=with_libraries(home)) as kernel:
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
