"""Classes of the notebook and their instances, on a real kernel: two variables of which one refers to the other.

A scenario is that of `test_exactness_classes`, with what the change is told to have modified: one instance that changed
is one instance, and a class that changed is the class. What did not change is the very object that it was.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from .driver import Kernel
from .test_exactness import begun, holds, make

H = "class H:\n    n = 0\n    tags = []\n    def __init__(self, n=1): self.n = n\n    def more(self): type(self).n += 1\n"
HG = f"{H}h = H(3); g = H(5); at = id(g), id(H)\n"
SAME = "assert type(h) is type(g) is H and (h.n, g.n) == (3, 5)"
STAYS = f"{SAME}; assert at == (id(g), id(H))"

Scenario = tuple[str, str, str, str, str]
"""What makes it, what changes it, what that modifies, what checks it, and what checks it in a new kernel."""

SCENARIOS: dict[str, Scenario] = {
    "one of two instances": (HG, "h.n = 4", "h", STAYS, SAME),
    "one of many, in a list": (
        f"{H}hs = [H(i) for i in range(9)]; h = H(3); at = id(hs[4]), id(H)",
        "h.n = 4",
        "h",
        "assert type(h) is type(hs[4]) is H and h.n == 3 and hs[8].n == 8 and at == (id(hs[4]), id(H))",
        "assert type(h) is type(hs[4]) is H and h.n == 3 and hs[8].n == 8",
    ),
    "the class alone": (HG, "H.n = 9", "H", f"{SAME}; assert H.n == 0", f"{SAME}; assert H.n == 0"),
    "what the class holds": (
        HG,
        "H.tags.append(1)",
        "H",
        f"{SAME}; assert h.tags is H.tags == []",
        f"{SAME}; assert h.tags is H.tags == []",
    ),
    "the class, by a method of an instance": (
        HG,
        "h.more()",
        "H",
        f"{SAME}; assert H.n == 0",
        f"{SAME}; assert H.n == 0",
    ),
    "the class, by the type of an instance": (
        HG,
        "type(g).tags.append(2)",
        "H",
        f"{SAME}; assert H.tags == []",
        f"{SAME}; assert H.tags == []",
    ),
    "the class and an instance": (
        HG,
        "H.n = 9; h.n = 8",
        "H h",
        f"{SAME}; assert H.n == 0",
        f"{SAME}; assert H.n == 0",
    ),
    "a method that is added": (
        f"{HG}\n---\nH.double = lambda self: self.n * 2\n---\nh.n = 3",
        "h.n = 1; H.double = None",
        "H h",
        f"{SAME}; assert h.double() == 6",
        f"{SAME}; assert h.double() == 6",
    ),
    "an instance, after its class has changed": (
        f"{HG}\n---\nH.x = 5",
        "h.n = 4",
        "h",
        f"{STAYS}; assert h.x == H.x == 5",
        f"{SAME}; assert h.x == H.x == 5",
    ),
    "a subclass": (
        f"{HG}class K(H): pass\nk = K(7); ids = id(K), id(H)",
        "k.n = 4",
        "k",
        f"{STAYS}; assert type(k) is K and K.__mro__[1] is H and k.n == 7 and ids == (id(K), id(H))",
        f"{SAME}; assert type(k) is K and K.__mro__[1] is H and k.n == 7",
    ),
    "the base of a subclass": (
        f"{HG}class K(H): pass\nk = K(7)",
        "H.n = 9",
        "H",
        f"{SAME}; assert type(k) is K and K.__mro__[1] is H and k.n == 7 and K.n == H.n == 0",
        f"{SAME}; assert type(k) is K and K.__mro__[1] is H and k.n == 7 and K.n == H.n == 0",
    ),
    "a subclass, from its base": (
        f"{HG}class K(H): pass\nk = K(7)",
        "H.__subclasses__()[-1].x = 4",
        "K",
        f"{SAME}; assert type(k) is K and not hasattr(K, 'x')",
        f"{SAME}; assert type(k) is K and not hasattr(K, 'x')",
    ),
    "the class, defined again": (HG, "class H: other = 1", "H g h", SAME, SAME),
    "the class, deleted": (HG, "del H; h.n = 4", "g h", SAME, SAME),
    "the class, under another name": (HG, "G = H; del H; h.n = 4", "h", SAME, SAME),
    "another class for an instance": (
        f"{HG}class G(H): pass",
        "h.__class__ = G",
        "h",
        STAYS,
        SAME,
    ),
    "a member of an enum": (
        "import enum\nclass C(enum.Enum):\n    RED = 1; BLUE = 2\nx = C.RED; y = [C.RED, C.BLUE]; at = id(y), id(C)",
        "x = C.BLUE",
        "x",
        "assert x is C.RED is y[0] and C(2) is y[1] and at == (id(y), id(C))",
        "assert x is C.RED is y[0] and C(2) is y[1]",
    ),
    "what a member holds": (
        "import enum\nclass C(enum.Enum):\n    RED = 1; BLUE = 2\nx = C.RED; y = [C.RED]; C.RED.note = ['a']",
        "x.note.append('b')",
        "C",
        "assert x is C.RED is y[0] and x.note == ['a']",
        "assert x is C.RED is y[0] and x.note == ['a']",
    ),
    "flags": (
        "import enum\nclass F(enum.IntFlag):\n    A = 1; B = 2\nx = F.A | F.B; y = [F.B, ~F.A & 3]",
        "x = F.A",
        "x",
        "assert x is F.A | F.B and y[0] is F.B and y[1] == F.B and type(x) is F",
        "assert x is F.A | F.B and y[0] is F.B and y[1] == F.B and type(x) is F",
    ),
    "members whose values are lists": (
        "import enum\nclass C(enum.Enum):\n    RED = [1]; BLUE = [2]\nx = C.RED; y = [C.BLUE]",
        "x.value.append(3)",
        "C x",
        "assert x is C.RED and x.value == [1] and y[0] is C.BLUE",
        "assert x is C.RED and x.value == [1] and y[0] is C.BLUE",
    ),
    "a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass D:\n    n: int\n    xs: list = dataclasses.field(default_factory=list)\nd = D(1); e = D(2); at = id(e), id(D)",
        "d.xs.append(3)",
        "d",
        "assert d == D(1) and e == D(2) and at == (id(e), id(D))",
        "assert d == D(1) and e == D(2) and dataclasses.replace(d, n=2) == e",
    ),
    "a named tuple": (
        "import collections\nP = collections.namedtuple('P', 'a b')\np = P(1, []); q = P(2, []); at = id(q), id(P)",
        "p.b.append(1)",
        "p",
        "assert p == P(1, []) and type(p) is type(q) is P and at == (id(q), id(P))",
        "assert p == P(1, []) and type(p) is type(q) is P",
    ),
    "slots": (
        "class S: __slots__ = 'one', 'two'\ns = S(); s.one = [1]; t = S(); t.two = s.one",
        "s.one.append(2)",
        "s t",
        "assert type(s) is type(t) is S and s.one is t.two and s.one == [1] and not hasattr(s, '__dict__')",
        "assert type(s) is type(t) is S and s.one is t.two and s.one == [1] and not hasattr(s, '__dict__')",
    ),
    "a class that holds its instance": (
        f"{HG}H.only = h",
        "h.n = 4",
        "H h",
        f"{SAME}; assert H.only is h",
        f"{SAME}; assert H.only is h",
    ),
    "a singleton": (
        "class One:\n    made = None\n    def __new__(cls):\n        cls.made = cls.made or super().__new__(cls)\n        return cls.made\na = One(); b = [One()]; a.n = 1",
        "b[0].n = 2",
        "One a b",
        "assert a is b[0] is One() is One.made and type(a) is One and a.n == 1",
        "assert a is b[0] is One() is One.made and type(a) is One and a.n == 1",
    ),
    "a class that lists its subclasses": (
        "class Base:\n    known = []\n    def __init_subclass__(cls): cls.known.append(cls)\nclass A(Base): pass\na = A(); a.n = 1",
        "a.n = 2",
        "a",
        "assert type(a) is A and Base.known == [A] and a.n == 1",
        "assert type(a) is A and Base.known == [A] and a.n == 1",
    ),
    "a list that class and instance share": (
        f"{HG}h.tags = H.tags",
        "H.tags.append(1)",
        "H h",
        f"{SAME}; assert h.__dict__['tags'] is H.tags == []",
        f"{SAME}; assert h.__dict__['tags'] is H.tags == []",
    ),
    "classes that name each other": (
        "class A: n = 1\nclass B: n = 2\nA.other = B; B.other = A\na = A(); b = B(); a.n = 3",
        "a.n = 4",
        "a",
        "assert type(a) is A and type(b) is B and A.other is B and B.other is A and a.n == 3",
        "assert type(a) is A and type(b) is B and A.other is B and B.other is A and a.n == 3",
    ),
    "classes that hold each other's instances": (
        "class A: tags = []\nclass B: tags = []\na = [A(), B.tags]; b = [B(), A.tags]",
        "a[0].n = 1; A.tags.append(1)",
        "A a b",
        "assert type(a[0]) is A and type(b[0]) is B and a[1] is B.tags and b[1] is A.tags == [] and not vars(a[0])",
        "assert type(a[0]) is A and type(b[0]) is B and a[1] is B.tags and b[1] is A.tags == [] and not vars(a[0])",
    ),
    "aliases, partials, annotations": (
        f"import functools, typing\n{HG}ls = list[H]; tl = typing.List[H]; new = functools.partial(H, 7)\ndef f(x: H = None) -> H: return x",
        "h.n = 4",
        "h",
        f"{STAYS}; assert ls.__args__[0] is tl.__args__[0] is new.func is f.__annotations__['x'] is H",
        f"{SAME}; assert ls.__args__[0] is tl.__args__[0] is new.func is f.__annotations__['x'] is H and type(new()) is H",
    ),
    "a table by classes": (
        f"{HG}by = {{H: [1], int: [2]}}",
        "by[H].append(3)",
        "by",
        f"{STAYS}; assert by == {{H: [1], int: [2]}} and by[type(h)] == [1]",
        f"{SAME}; assert by == {{H: [1], int: [2]}} and by[type(h)] == [1]",
    ),
    "a method of an instance": (
        f"{HG}more = h.more; h.extra = [h.more, H.more]; made = more.__func__",
        "h.n = 4",
        "h more",
        f"{SAME}; assert more.__self__ is h and more.__func__ is h.extra[0].__func__ is h.extra[1] is H.more is made",
        f"{SAME}; assert more.__self__ is h and more.__func__ is h.extra[0].__func__ is h.extra[1] is H.more is made",
    ),
    "an instance that holds methods of its own": (
        f"{HG}by = {{'h': h.more, 'g': g.more}}; h.handler = h.more; ids = id(H)",
        "h.n = 4",
        "by h",
        f"{SAME}; assert by['h'].__self__ is h and by['g'].__self__ is g and h.handler.__func__ is H.more and ids == id(H)",
        f"{SAME}; assert by['h'].__self__ is h and by['g'].__self__ is g and h.handler.__func__ is H.more and h.handler.__self__ is h",
    ),
    "a method that the class has no more": (
        f"{HG}more = h.more\n---\nH.more = lambda self: 7",
        "h.n = 4",
        "h more",
        f"{SAME}; assert h.more() == 7 and more.__func__.__qualname__ == 'H.more' and more.__self__ is h",
        f"{SAME}; assert h.more() == 7 and more.__func__.__qualname__ == 'H.more' and more.__self__ is h",
    ),
    "a method of the class": (
        "class C:\n    n = 0\n    @classmethod\n    def made(cls): return cls()\nmade = C.made; c = made(); c.n = 1; ids = id(C), id(made)",
        "c.n = 2",
        "c",
        "assert type(c) is C and made.__self__ is C and type(made()) is C and c.n == 1 and ids == (id(C), id(made))",
        "assert type(c) is C and made.__self__ is C and type(made()) is C and c.n == 1",
    ),
    "a cache by classes": (
        f"import functools\n{HG}@functools.lru_cache\ndef cost(kind): return [kind.__name__]\n_ = cost(H); ids = id(cost)",
        "h.n = 4",
        "h",
        f"{STAYS}; assert ids == id(cost)",
        SAME,
    ),
    "classes below it, once": (
        "class Base: pass\nclass A(Base): n = 1\na = A()\n---\nx = 1",
        "x = 2; a.n = 3; A.m = 4",
        "A a x",
        "assert [each.__name__ for each in Base.__subclasses__()].count('A') >= 1 and type(a) is A and not vars(a) and not hasattr(A, 'm') and Base.__subclasses__()[-1] is A",
        "assert type(a) is A and Base.__subclasses__() == [A]",
    ),
    "with a destructor": (
        "gone = []\nclass D:\n    def __del__(self): gone.append(1)\nd = D(); e = D(); d.n = 1; at = id(e), id(D)",
        "d.n = 2",
        "d",
        "assert type(d) is type(e) is D and d.n == 1 and at == (id(e), id(D))",
        "assert type(d) is type(e) is D and d.n == 1",
    ),
    "models of pydantic": (
        "import pydantic\nclass User(pydantic.BaseModel):\n    name: str = 'a'\n    tags: list[str] = []\nu = User(name='b'); v = User(); at = id(User), id(v)",
        "u.name = 'c'; u.tags.append('d')",
        "u",
        "assert type(u) is type(v) is User and u == User(name='b') and v == User() and at == (id(User), id(v))",
        "assert type(u) is type(v) is User and u == User(name='b') and v == User() and u.model_dump() == {'name': 'b', 'tags': []}",
    ),
    "generic models of pydantic": (
        "import typing, pydantic\nT = typing.TypeVar('T')\nclass Page(pydantic.BaseModel, typing.Generic[T]):\n    items: list[T] = []\n    n: int = 0\n"
        "class User(pydantic.BaseModel):\n    name: str = 'a'\nu = User(name='b')\n---\np = Page[int](items=[1], n=1)\nq = Page[User](items=[u]); at = id(User), id(type(p))",
        "p.n = 2; p.items.append(4); u.name = 'c'",
        "p q u",
        "assert type(p) is Page[int] and isinstance(p, Page) and p == Page[int](items=[1], n=1) and type(q) is Page[User] and q.items[0] is u and u.name == 'b' and at == (id(User), id(type(p)))",
        "assert type(p) is Page[int] and isinstance(p, Page) and p == Page[int](items=[1], n=1) and type(q) is Page[User] and q.items[0] is u and u.name == 'b'",
    ),
    "an array that a class holds": (
        "import numpy as np\nclass C:\n    a = np.arange(3.)\nc = C(); d = C(); c.n = 1; at = id(C), id(d)",
        "c.n = 2",
        "c",
        "assert type(c) is type(d) is C and c.n == 1 and C.a.sum() == 3 and C.a.flags.owndata and at == (id(C), id(d))",
        "assert type(c) is type(d) is C and c.n == 1 and C.a.sum() == 3 and C.a.flags.owndata and C.a.flags.writeable",
    ),
    "an array that a class holds, written": (
        "import numpy as np\nclass C:\n    a = np.arange(3.)\nc = C(); d = C()",
        "c.a[0] = 9",
        "C",
        "assert type(c) is type(d) is C and C.a is d.a and C.a.tolist() == [0, 1, 2]",
        "assert type(c) is type(d) is C and C.a is d.a and C.a.tolist() == [0, 1, 2]",
    ),
    "a view of an array that a class holds": (
        "import numpy as np\nclass C:\n    a = np.arange(3.)\nc = C(); v = C.a[:2]; c.n = 1",
        "c.n = 2; v[0] = 7",
        "C c v",
        "assert type(c) is C and c.n == 1 and np.shares_memory(v, C.a) and C.a.tolist() == [0, 1, 2]",
        "assert type(c) is C and c.n == 1 and np.shares_memory(v, C.a) and C.a.tolist() == [0, 1, 2]",
    ),
    "flags, turned round": (
        "import enum\nclass F(enum.IntFlag):\n    A = 1; B = 2\nx = F.A | F.B; at = id(F)",
        "x = x & ~F.A",
        "x",
        "assert x is F.A | F.B and type(x) is F and at == id(F)",
        "assert x is F.A | F.B and type(x) is F and ~F.A & 3 == F.B",
    ),
    "a nested tuple that a class shares": (
        "class C:\n    held = [(1, (2, 3))]\nx = C.held[0]; c = C()",
        "c.n = 1; x = None",
        "c x",
        "assert x is C.held[0] == (1, (2, 3)) and type(c) is C and not vars(c)",
        "assert x is C.held[0] == (1, (2, 3)) and type(c) is C and not vars(c)",
    ),
    "a metaclass": (
        "class Meta(type):\n    def hello(cls): return cls.__name__\nclass M(metaclass=Meta): n = 1\nm = M(); m.n = 2; at = id(M), id(Meta)",
        "m.n = 3",
        "m",
        "assert type(m) is M and type(M) is Meta and M.hello() == 'M' and m.n == 2 and at == (id(M), id(Meta))",
        "assert type(m) is M and type(M) is Meta and M.hello() == 'M' and m.n == 2",
    ),
    "what nobody can store": (
        f"import threading\n{HG}x = H(iter([1, 2])); y = H(threading.Lock())",
        "h.n = 4; del x, y",
        "h",
        f"{SAME}; assert type(x) is type(y) is H and list(x.n) == [1, 2]",
        f"{SAME}; assert type(x) is type(y) is H and list(x.n) == [1, 2]",
    ),
    "a way of its own to be loaded, given later": (
        f"ran = []\n{HG}",
        "H.__setstate__ = lambda self, state: ran.append(1)\nh.n = 4",
        "H g h",
        f"{SAME}; assert ran == [] and not hasattr(H, '__setstate__')",
        f"{SAME}; assert ran == []",
    ),
    "a property in an attribute's place": (
        f"{HG}\n---\nH.n = property(lambda self: 11)",
        "H.n = 1; h.extra = 2",
        "H h",
        "assert type(h) is type(g) is H and h.n == g.n == 11 and h.__dict__ == {'n': 3}",
        "assert type(h) is type(g) is H and h.n == g.n == 11 and h.__dict__ == {'n': 3}",
    ),
    "a dispatch of the notebook's": (
        f"import functools\n{HG}@functools.singledispatch\ndef show(x): return 0\nshow.register(H, lambda x: x.n)",
        "h.n = 4",
        "h",
        f"{STAYS}; assert show(h) == 3 and show(g) == 5 and show(1) == 0",
        f"{SAME}; assert show(h) == 3 and show(g) == 5 and show(1) == 0",
    ),
    "instances that a class knows weakly": (
        "import weakref\nclass W:\n    all = weakref.WeakSet()\n    def __init__(self): self.all.add(self)\nw = W(); w.n = 1",
        "w.n = 2",
        "W w",
        "assert type(w) is W and list(W.all) == [w] and w.n == 1",
        "assert type(w) is W and list(W.all) == [w] and w.n == 1",
    ),
    "a class in a class": (
        "class P:\n    class Inner:\n        n = 1\na = P.Inner(); b = P.Inner(); a.n = 2; p = P()",
        "a.n = 3",
        "a",
        "assert type(a) is type(b) is P.Inner and a.n == 2 and type(p) is P",
        "assert type(a) is type(b) is P.Inner and a.n == 2 and type(p) is P",
    ),
    "a class and its base, both changed": (
        f"{HG}class K(H): pass\nk = K(7)\n---\nK.x = 1\n---\nH.y = 2",
        "k.n = 1; K.x = 2; H.y = 3",
        "H K k",
        f"{SAME}; assert type(k) is K and k.x == K.x == 1 and k.y == H.y == 2 and k.n == 7 and K.__base__ is H",
        f"{SAME}; assert type(k) is K and k.x == K.x == 1 and k.y == H.y == 2 and k.n == 7 and K.__base__ is H",
    ),
}


def is_there(code: str) -> bool:
    """Whether the kernel's environment, which is this one, has the library that the code needs."""
    return "pydantic" not in code or importlib.util.find_spec("pydantic") is not None


def needed(code: str) -> None:
    if not is_there(code):
        pytest.skip("the library is not there")


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("instances")) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    made_by, change, modified, check, _ = SCENARIOS[name]
    needed(made_by)
    made = make(exact, (made_by, change, check))
    assert holds(exact, check), exact.run(check).reply
    exact.ok(change)
    changed = exact.done("status")["head"]
    [told] = exact.done("log", limit=1)["checkpoints"]
    assert sorted(told["modified"]) == modified.split()
    assert not holds(exact, check), "the change does not matter to the check"
    for _ in range(2):
        assert exact.done("undo", replay="auto")["head"] == made
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed, replay="auto")
        assert not holds(exact, check)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = tmp_path_factory.mktemp("anew")
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        made = {
            name: make(kernel, (each[0], each[1], each[3])) for name, each in SCENARIOS.items() if is_there(each[0])
        }
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    kernel, made = anew
    needed(SCENARIOS[name][0])
    check = SCENARIOS[name][4]
    reply = kernel.done("checkout", target=made[name], replay="auto")
    assert reply["plan"]["lost"] == []
    assert holds(kernel, check), kernel.run(check).reply
