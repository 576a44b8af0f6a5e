"""Classes of the notebook, on a real kernel: one that did not change stays the very class, whoever knows it.

A scenario is that of `test_exactness`: it is undone twice, and brought back in a kernel that was started anew. What a
library holds of a class is gone there; so these have a second check, of what the state itself holds.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .driver import Kernel
from .test_exactness import begun, holds, make

H = "class H:\n    def __init__(self, n): self.n = n\nh = H(3)\n"
N = "assert type(h) is H and h.n == 3 and isinstance(h, H)"

Known = tuple[str, str, str, str]
"""What makes it, what changes it, what checks it, and what checks it in a new kernel."""

KNOWN_TO_OTHERS: dict[str, Known] = {
    "numbers": (
        f"import numbers\n{H}_ = numbers.Number.register(H)",
        "h.n = 4",
        f"{N}; assert isinstance(h, numbers.Number)",
        N,
    ),
    "collections.abc": (
        f"from collections import abc\n{H}_ = abc.Sized.register(H)",
        "h.n = 4",
        f"{N}; assert issubclass(H, abc.Sized)",
        N,
    ),
    "singledispatch of a module": (
        f"import pprint, functools, types\n{H}m = types.ModuleType('dispatching'); m.__dict__['f'] = None\n"
        "import sys; sys.modules['dispatching'] = m; exec('import functools\\n@functools.singledispatch\\ndef f(x): return 0', vars(m))\n"
        "_r = m.f.register(H, len)\nimport dispatching",
        "h.n = 4",
        f"{N}; assert dispatching.f.dispatch(type(h)) is len",
        "",
    ),
    "IPython's formatters": (
        f"{H}_f = get_ipython().display_formatter.formatters['text/plain']\n_o = _f.for_type(H, len); del _f, _o",
        "h.n = 4",
        f"{N}; assert get_ipython().display_formatter.formatters['text/plain'].lookup(h) is len",
        N,
    ),
    "sqlite3": (
        f"import sqlite3\n{H}sqlite3.register_adapter(H, id)\n_c = None",
        "h.n = 4",
        f"{N}; assert sqlite3.adapters[type(h), sqlite3.PrepareProtocol] is id",
        N,
    ),
    "copyreg": (
        f"import copyreg\n{H}copyreg.pickle(H, str)",
        "h.n = 4",
        f"{N}; assert copyreg.dispatch_table[type(h)] is str",
        N,
    ),
    "a cache of a module's": (
        f"import typing, functools\n{H}_g = typing.List[H]",
        "h.n = 4",
        f"{N}; assert typing.List[H].__args__[0] is type(h)",
        N,
    ),
    "json's encoder by a table of a library's": (
        f"import pickle, sys\n{H}pickle._Pickler.dispatch[H] = len",
        "h.n = 4",
        f"{N}; assert pickle._Pickler.dispatch.get(type(h)) is len",
        N,
    ),
    "yaml": (
        f"import yaml\n{H}yaml.add_representer(H, len)",
        "h.n = 4",
        f"{N}; assert yaml.Dumper.yaml_representers[type(h)] is len",
        N,
    ),
    "matplotlib's units": (
        f"import matplotlib.units\n{H}matplotlib.units.registry[H] = matplotlib.units.ConversionInterface()",
        "h.n = 4",
        f"{N}; assert type(h) in matplotlib.units.registry",
        N,
    ),
    "subclasses": (
        f"{H}class K(H): pass\nk = K(3)\nimport numbers\n_ = numbers.Number.register(H)",
        "k.n = 4",
        f"{N}; assert type(k) is K and k.n == 3 and K.__mro__[1] is H and isinstance(k, numbers.Number)",
        f"{N}; assert type(k) is K and k.n == 3 and K.__mro__[1] is H",
    ),
    "in a list only": (
        f"import numbers\n{H}hs = [H(1), H(2)]\n_ = numbers.Number.register(H)\ndel H",
        "hs[0].n = 4",
        "assert hs[0].n == 1 and type(hs[0]) is type(hs[1]) is type(h); assert isinstance(hs[0], numbers.Number)",
        "assert hs[0].n == 1 and type(hs[0]) is type(hs[1]) is type(h)",
    ),
    "of a function": (
        "import numbers\ndef make():\n    class L:\n        n = 1\n    return L\nl = make()(); l.n = 2\n_ = numbers.Number.register(type(l))",
        "l.n = 3",
        "assert l.n == 2 and isinstance(l, numbers.Number)",
        "assert l.n == 2 and type(l).n == 1",
    ),
    "two names": (
        f"import numbers\n{H}G = H\n_ = numbers.Number.register(G)",
        "h.n = 4",
        f"{N}; assert G is H and isinstance(h, numbers.Number)",
        f"{N}; assert G is H",
    ),
    "a dataclass": (
        "import dataclasses, numbers\nfrom typing import Optional\n"
        "@dataclasses.dataclass\nclass D:\n    n: Optional[int] = None\n    xs: list = dataclasses.field(default_factory=list)\n"
        "d = D(1)\n_ = numbers.Number.register(D)",
        "d.xs.append(2)",
        "assert d == D(1) and dataclasses.replace(d, n=2).n == 2 and isinstance(d, numbers.Number)",
        "assert d == D(1) and dataclasses.replace(d, n=2).n == 2",
    ),
    "two dataclasses": (
        "import dataclasses, numbers\nfrom typing import Optional\n"
        "@dataclasses.dataclass\nclass D:\n    n: Optional[int] = None\n"
        "@dataclasses.dataclass\nclass E:\n    n: Optional[int] = None\n"
        "d, e = both = [D(1), E(2)]\n_ = numbers.Number.register(D)",
        "d.n = 2",
        "assert d == D(1) and e == E(2) and both[0] is d and isinstance(d, numbers.Number)",
        "assert d == D(1) and e == E(2) and both[0] is d",
    ),
    "a dataclass with slots": (
        "import dataclasses, numbers\n@dataclasses.dataclass(slots=True)\nclass D:\n    n: int\nd = D(1)\n_ = numbers.Number.register(D)",
        "d.n = 2",
        "assert d == D(1) and not hasattr(d, '__dict__') and isinstance(d, numbers.Number)",
        "assert d == D(1) and not hasattr(d, '__dict__')",
    ),
    "a named tuple": (
        "import collections, numbers\nP = collections.namedtuple('P', 'a b')\nps = [P(1, [])]\n_ = numbers.Number.register(P)",
        "ps[0].b.append(1)",
        "assert ps == [P(1, [])] and type(ps[0]) is P and isinstance(ps[0], numbers.Number)",
        "assert ps == [P(1, [])] and type(ps[0]) is P",
    ),
    "an enum": (
        "import enum, numbers\nclass Color(enum.Enum):\n    RED = 1; BLUE = 2\nx = [Color.RED]\n_ = numbers.Number.register(Color)",
        "x[0] = Color.BLUE",
        "assert x[0] is Color.RED and isinstance(x[0], numbers.Number)",
        "assert x[0] is Color.RED and Color(2) is Color.BLUE",
    ),
    "an exception": (
        "import numbers\nclass Bad(Exception): pass\nbad = Bad('a'); bad.n = 1\n_ = numbers.Number.register(Bad)",
        "bad.n = 2",
        "assert type(bad) is Bad and bad.args == ('a',) and bad.n == 1 and isinstance(bad, numbers.Number)",
        "assert type(bad) is Bad and bad.args == ('a',) and bad.n == 1",
    ),
    "an abstract class of the notebook's": (
        "import abc\nclass Shape(abc.ABC):\n    @abc.abstractmethod\n    def area(self): ...\n"
        "class Square(Shape):\n    def area(self): return 1\nclass Other: n = 1\n_ = Shape.register(Other)\no = Other(); s = Square(); o.n = 2\n"
        "import numbers; _ = numbers.Number.register(Square)",
        "o.n = 3; s.n = 3",
        "assert isinstance(o, Shape) and isinstance(s, Shape) and o.n == 2 and isinstance(s, numbers.Number) and not hasattr(s, 'n')",
        "assert isinstance(o, Shape) and isinstance(s, Shape) and o.n == 2",
    ),
    "a generic class": (
        "import typing, numbers\nT = typing.TypeVar('T')\nclass Page(typing.Generic[T]):\n    n = 0\np = Page[int]()\np.n = 1\n_ = numbers.Number.register(Page)\nalias = Page[int]",
        "p.n = 2",
        "assert p.n == 1 and alias.__origin__ is Page is type(p) and isinstance(p, numbers.Number)",
        "assert p.n == 1 and alias.__origin__ is Page is type(p)",
    ),
    "a metaclass": (
        "import numbers\nclass Meta(type):\n    def hello(cls): return cls.__name__\nclass M(metaclass=Meta): n = 1\nm = M(); m.n = 2\n_ = numbers.Number.register(M)",
        "m.n = 3",
        "assert type(m) is M and type(M) is Meta and M.hello() == 'M' and m.n == 2 and isinstance(m, numbers.Number)",
        "assert type(m) is M and type(M) is Meta and M.hello() == 'M' and m.n == 2",
    ),
    "with a destructor": (
        "import numbers\ngone = []\nclass Dtor:\n    def __del__(self): gone.append(1)\nd = Dtor(); d.n = 1\n_ = numbers.Number.register(Dtor)",
        "d.n = 2",
        "assert type(d) is Dtor and d.n == 1 and isinstance(d, numbers.Number)",
        "assert type(d) is Dtor and d.n == 1",
    ),
    "a class deleted while instances live": (
        f"import numbers\n{H}_ = numbers.Number.register(H)",
        "del H; h.n = 4",
        f"{N}; assert isinstance(h, numbers.Number)",
        N,
    ),
    "a class made anew while instances live": (
        f"import numbers\n{H}old = H; _ = numbers.Number.register(H)",
        "class H:\n    other = 1\nh.n = 4",
        f"{N}; assert old is H and isinstance(h, numbers.Number)",
        f"{N}; assert old is H",
    ),
}

CHANGED: dict[str, tuple[str, str, str]] = {
    "an attribute of the class": (f"{H}H.x = 1", "H.x = 2", f"{N}; assert h.x == H.x == 1"),
    "a counter that instances share": (
        "class C:\n    made = 0\n    def __init__(self): type(self).made += 1\nc = C()",
        "d = C()",
        "assert C.made == c.made == 1 and type(c) is C; C(); assert C.made == 2",
    ),
    "a method": (f"{H}H.twice = lambda self: 2 * self.n", "H.twice = lambda self: 0", f"{N}; assert h.twice() == 6"),
    "a list that the class shares with a variable": (
        f"{H}H.xs = xs = [1]",
        "xs.append(2)",
        f"{N}; assert h.xs is xs is H.xs; xs.append(3); assert H.xs == [1, 3]",
    ),
    "a list that was shared and is not": (
        f"{H}H.xs = xs = [1]",
        "H.xs = [1]; h.n = 4",
        f"{N}; xs.append(3); assert H.xs == [1, 3]",
    ),
    "a list that was not shared and is": (
        f"{H}xs = [1]; H.xs = [1]",
        "H.xs = xs; h.n = 4",
        f"{N}; xs.append(3); assert H.xs == [1]",
    ),
    "the only instance": (
        "class One:\n    it = None\nOne.it = one = One(); one.n = 1",
        "one.n = 2",
        "assert One.it is one and one.n == 1 and type(one) is One",
    ),
    "instances of which the class keeps a list": (
        "class C:\n    all = []\n    def __init__(self): self.all.append(self)\na = C(); b = C(); a.n = 1",
        "a.n = 2; c = C()",
        "assert C.all == [a, b] and a.n == 1 and type(a) is C",
    ),
    "two classes that name each other": (
        "class A: n = 1\nclass B: n = 1\nA.other = B; B.other = A\na = A(); b = B(); a.n = 2",
        "a.n = 3",
        "assert a.other is B and b.other is A is type(a) and a.n == 2",
    ),
    "a base of a class": (
        f"{H}class K(H): pass\nk = K(3); H.x = 1",
        "H.x = 2; k.n = 4",
        f"{N}; assert k.x == 1 and k.n == 3 and K.__mro__[1] is H is type(h)",
    ),
    "a method that caches": (
        "import functools\nxs = [1]\nclass C:\n    @staticmethod\n    @functools.lru_cache\n    def first(): return xs[0]\nc = C(); c.n = 1",
        "xs[0] = 2; c.n = 2; C.first()",
        "assert C.first() == c.first() == 1 == c.n",
    ),
    "a method that is a variable": (
        f"{H}H.m = m = lambda self: self.n",
        "h.n = 4; m.x = 1",
        f"{N}; assert H.m is m and not hasattr(m, 'x')",
    ),
    "a closure of a method": (
        "def make():\n    xs = [1]\n    class C:\n        def get(self): return xs\n    return C, lambda: xs\nC, get = make(); c = C(); c.n = 1",
        "get().append(2); c.n = 2",
        "assert c.get() is get() and get() == [1] and c.n == 1",
    ),
    "an array of the class": (
        "import numpy as np\nclass C: data = np.arange(3)\nc = C(); view = C.data[1:]",
        "view[0] = 9",
        "assert C.data[1] == 1; view[0] = 7; assert c.data[1] == 7",
    ),
    "what two classes share": (
        "xs = [1]\nclass A: held = xs\nclass B: held = xs\na = A(); b = B(); a.n = 1\ndel xs",
        "a.n = 2; A.held.append(2)",
        "assert A.held == [1] and A.held is B.held is a.held and a.n == 1",
    ),
    "a `__class__` for its instances": (
        "class P:\n    n = 1\n    __class__ = property(lambda self: list)\np = P(); p.a = [1]",
        "P.n = 2; p.a.append(2)",
        "assert p.__class__ is list and type(p) is P and isinstance(p, list) and type(P) is type and P.n == p.n == 1 and p.a == [1]",
    ),
    "a `__class__` that leads to the class": (
        "def make():\n    class P:\n        n = 1\n        @property\n        def __class__(self): return P, __class__\n    return P()\np = make()",
        "type(p).n = 2",
        "assert p.__class__ == (type(p), type(p)) and type(p).n == 1",
    ),
    "a `__name__` and a `__mro__` for its instances": (
        "class P:\n    n = 1\n    __mro__ = 'mine'\n    @property\n    def __name__(self): return 'name of ' + str(self.n)\np = P()",
        "P.n = 2",
        "assert p.__name__ == 'name of 1' and p.__mro__ == 'mine' and P.__name__ == 'P' and P.__mro__ == (P, object)",
    ),
    "a name that its metaclass has a property of": (
        "told = []\nclass M(type):\n    @property\n    def kind(cls): return 'of M'\n    @kind.setter\n    def kind(cls, value): told.append(value)\n"
        "class P(metaclass=M):\n    n = 1\n    kind = 'own'\np = P()",
        "P.n = 2",
        "assert p.kind == 'own' and P.kind == 'of M' and P.n == 1 and told == []",
    ),
    "an enum with a `__name__` for its members": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    __name__ = property(lambda self: self.name * 2)\nE.n = 1; e = [E.A]",
        "E.n = 2",
        "assert e[0] is E.A and e[0].__name__ == 'AA' and E.__name__ == 'E' and E.n == 1",
    ),
}

SCENARIOS = {f"known: {name}": each for name, each in KNOWN_TO_OTHERS.items()} | {
    f"changed: {name}": (*each, each[2]) for name, each in CHANGED.items()
}
RE_RUN = ("known: copyreg",)
"""What is not loaded in a new kernel: its own way to be pickled gives something else."""
NEEDS = ("yaml", "matplotlib", "pydantic", "numpy")


def needed(scenario: Known) -> None:
    """Skips where the kernel's environment, which is this one, has not got it."""
    for library in NEEDS:
        if f"import {library}" in scenario[0]:
            pytest.importorskip(library)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("classes")) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    scenario = _, change, check, _ = SCENARIOS[name]
    needed(scenario)
    made = make(exact, scenario[:3])
    assert holds(exact, check), exact.run(check).reply
    exact.run(change)
    changed = exact.done("status")["head"]
    assert changed != made
    assert not holds(exact, check), "the change does not matter to the check"
    for _ in range(2):
        assert exact.done("undo")["head"] == made
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check)


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
            if scenario[3]:
                made[name] = make(kernel, scenario[:3])
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario[3]])
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    """And what is told of a class there is not lost by an undo."""
    kernel, made = anew
    needed(SCENARIOS[name])
    check = SCENARIOS[name][3]
    reply = kernel.done("checkout", target=made[name])
    assert reply["plan"]["lost"] == []
    assert bool(reply["plan"]["replay"]) == (name in RE_RUN)
    assert holds(kernel, check), kernel.run(check).reply


def test_a_class_that_was_loaded_stays_the_class(tmp_path: Path) -> None:
    """In a new kernel: registered there, it is still known after an undo."""
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}) as kernel:
        kernel.ok(f"import numbers\n{H}class K(H):\n    'a text'\n    xs = ['n', 'a text']\nk = K(3)")
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        kernel.done("resume")
        kernel.ok("_ = numbers.Number.register(H)")
        for _ in range(2):
            kernel.ok("h.n = k.n = 4")
            kernel.done("undo")
            kernel.ok("assert isinstance(h, numbers.Number) and isinstance(k, numbers.Number) and h.n == k.n == 3")
            kernel.done("undo")
