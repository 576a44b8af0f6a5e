"""No code of the notebook's runs because we look, and what reading brings about is no change. On real kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harm.driving import thought
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

BEGIN = """
import collections, datetime, decimal, enum, array, types, functools
called = []

def spied(*names, **more):
    "A dictionary of methods that note that they were called, and do what they should."
    def method(name):
        def noted(self, *arguments, **named):
            called.append(name)
            for base in type(self).__mro__:
                found = base.__dict__.get(name)
                if found is not None and not getattr(found, 'spying', False):
                    return found.__get__(self, type(self))(*arguments, **named)
            return {'__len__': 1, '__bool__': True, '__hash__': 7}.get(name)
        noted.spying = True
        return noted
    return {name: method(name) for name in names}

def made(*bases, names=(), metaclass=type, **more):
    return metaclass('Spied', bases, {'__module__': '__main__', **spied(*names), **more})
PICKLING = ('__reduce__', '__reduce_ex__', '__getstate__', '__setstate__', '__getnewargs__')
LOOKS = ('__len__', '__bool__', '__eq__', '__repr__', '__iter__', '__contains__', '__dir__', '__sizeof__')
"""


@dataclass(frozen=True)
class Case:
    """Something delicate.

    Attributes:
        make: makes `x`.
        change: the next cell.
        state: an expression that tells all of `x`, as it was made; it may call methods, whose notes are then dropped.
        stored: it is stored; else it comes back by a re-run.
    """

    name: str
    make: str
    change: str
    state: str
    stored: bool = True


ATTRIBUTE = "object.__getattribute__(x, 'a') == [1]"
SET = "object.__setattr__(x, 'a', 5)"
MADE = "x = made({0}, names={1})({2}); object.__setattr__(x, 'a', [1])"


def derived(base: str, value: str, state: str, names: str = "PICKLING + LOOKS", change: str = SET) -> Case:
    """An instance of a class that derives from one of Python's, with ways of its own."""
    return Case(f"a {base}", MADE.format(base, names, value), change, f"{state} and {ATTRIBUTE}")


CASES = [
    Case("ways of pickling", MADE.format("object", "PICKLING", ""), SET, ATTRIBUTE),
    Case("looks", MADE.format("object", "LOOKS", ""), SET, ATTRIBUTE),
    Case("__getattr__", MADE.format("object", "('__getattr__',)", ""), SET, ATTRIBUTE),
    Case(
        "__getattribute__",
        "class S:\n    def __getattribute__(self, name):\n        called.append(name)\n"
        "        return object.__getattribute__(self, name)\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case("__setattr__", MADE.format("object", "('__setattr__',)", ""), SET, ATTRIBUTE),
    Case(
        "__setattr__ and slots",
        "class S:\n    __slots__ = ('a', 'b')\n    def __setattr__(self, name, value):\n        called.append(name)\n"
        "        object.__setattr__(self, name, value)\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "__class__ that lies",
        "class S:\n    @property\n    def __class__(self):\n        called.append('__class__')\n        return list\n"
        "x = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "properties",
        "class S:\n    def __getattr__(self, name):\n        called.append(name)\n        raise AttributeError\n"
        "    shape = dtype = name = values = property(lambda self: called.append('property'))\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a property called __dict__",
        "class S:\n    __slots__ = 'a'\n    __dict__ = property(lambda self: called.append('__dict__') or {})\n"
        "x = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a descriptor called __reduce_ex__",
        "class D:\n    def __get__(self, obj, kind=None):\n        called.append('get')\n"
        "        return lambda protocol: (S, ())\n"
        "class S:\n    __reduce_ex__ = D()\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "__getstate__ of the instance",
        "class S: pass\nx = S(); x.a = [1]; x.__getstate__ = lambda: called.append('getstate')",
        SET,
        ATTRIBUTE,
        stored=False,
    ),
    Case(
        "__getstate__ that closes a file",
        "class S:\n    def __init__(self): self.closed = False\n"
        "    def __getstate__(self):\n        called.append('close'); self.closed = True; return {}\n"
        "x = S(); x.a = [1]",
        SET,
        f"{ATTRIBUTE} and x.closed is False",
    ),
    Case(
        "__reduce__ that raises where it is open",
        "class S:\n    def __reduce__(self):\n        called.append('reduce')\n"
        "        if self.a: raise TypeError('open')\n        return S, ()\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "__reduce__ that only raises",
        "class S:\n    def __reduce__(self):\n        called.append('reduce')\n        raise TypeError('open')\n"
        "x = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
        stored=False,
    ),
    Case(
        "__reduce__ that is None", "class S:\n    __reduce__ = None\nx = S(); x.a = [1]", SET, ATTRIBUTE, stored=False
    ),
    Case(
        "copyreg",
        "import copyreg\nclass S: pass\ncopyreg.pickle(S, lambda obj: called.append('copyreg') or (S, ()))\n"
        "x = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a way of pickling that was put into a class later",
        "class S: pass\nS.__reduce__ = lambda self: called.append('reduce') or (S, ())\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a class that says that it is NumPy's",
        "x = made(__module__='numpy', names=PICKLING, shape=property(lambda self: called.append('shape')))()\n"
        "x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    derived("dict", "{'k': [1]}", "list(dict.items(x)) == [('k', [1])]", "PICKLING + LOOKS + ('items', '__setitem__')"),
    derived(
        "collections.OrderedDict", "[(2, 1), (1, 2)]", "list(collections.OrderedDict.items(x)) == [(2, 1), (1, 2)]"
    ),
    derived(
        "collections.defaultdict",
        "list, {'k': [1]}",
        "list(dict.items(x)) == [('k', [1])] and x.default_factory is list",
    ),
    derived("collections.Counter", "'aab'", "dict(dict.items(x)) == {'a': 2, 'b': 1}", "PICKLING"),
    derived("list", "[1, 2]", "list.__getitem__(x, slice(None)) == [1, 2]", "PICKLING + LOOKS + ('append', 'extend')"),
    derived("tuple", "[1, 2]", "tuple.__getitem__(x, slice(None)) == (1, 2)"),
    derived("set", "[1, 2]", "set() | x == {1, 2}", "PICKLING + ('__iter__', '__len__', 'add', 'update', '__init__')"),
    derived("frozenset", "[1, 2]", "frozenset() | x == {1, 2}", "PICKLING + ('__iter__', '__len__')"),
    derived("str", "'text'", "str.__str__(x) == 'text'", "PICKLING + ('__str__', '__repr__', '__hash__', '__len__')"),
    derived("int", "7", "int.__int__(x) == 7", "PICKLING + ('__int__', '__index__', '__repr__', '__hash__')"),
    derived("float", "0.5", "float.__float__(x) == 0.5", "PICKLING + ('__float__', '__repr__')"),
    derived("complex", "2j", "complex.__pos__(x) == 2j", "PICKLING + ('__complex__',)"),
    derived("bytes", "b'ab'", "bytes.__getitem__(x, slice(None)) == b'ab'"),
    derived(
        "bytearray", "b'ab'", "bytearray.__getitem__(x, slice(None)) == b'ab'", "PICKLING + ('__iter__', 'extend')"
    ),
    derived("collections.deque", "[1, 2], 5", "collections.deque.maxlen.__get__(x) == 5 and x[1] == 2", "PICKLING"),
    derived("array.array", "'i', [1, 2]", "array.array.tolist(x) == [1, 2]", "PICKLING + ('__len__',)"),
    derived("datetime.datetime", "2020, 1, 2", "x.date() == datetime.date(2020, 1, 2)", "PICKLING + ('__repr__',)"),
    derived("datetime.timedelta", "3", "x.days == 3", "PICKLING + ('__repr__',)"),
    derived("decimal.Decimal", "'1.50'", "decimal.Decimal.__str__(x) == '1.50'", "PICKLING + ('__str__', '__hash__')"),
    derived("types.SimpleNamespace", "b=2", "x.b == 2", "PICKLING"),
    derived("ValueError", "'wrong', 2", "x.args == ('wrong', 2)", "PICKLING + ('__str__', '__repr__')"),
    derived("OSError", "2, 'gone', 'file'", "(x.errno, x.filename) == (2, 'file')", "PICKLING + ('__str__',)"),
    Case(
        "an exception that takes other arguments",
        "class S(Exception):\n    def __init__(self, code, *, text):\n        called.append('init')\n"
        "        super().__init__(text)\n        self.code = code\nx = S(3, text='gone'); x.a = [1]",
        SET,
        f"(x.code, x.args) == (3, ('gone',)) and {ATTRIBUTE}",
    ),
    Case(
        "a subclass of an array",
        "import numpy\nclass S(numpy.ndarray):\n    def __reduce__(self):\n        called.append('reduce')\n"
        "        return S, ((0,),)\n    def __getattr__(self, name):\n        called.append(name)\n"
        "        raise AttributeError(name)\nx = numpy.arange(3).view(S); x.a = [1]",
        SET + "; x[0] = 9",
        f"x.tolist() == [0, 1, 2] and {ATTRIBUTE}",
    ),
    Case(
        "a subclass of a library's class made in C",
        "import random\nclass S(random.Random):\n    def __getstate__(self):\n        called.append('getstate')\n"
        "        return super().__getstate__()\nx = S(1); x.a = [1]",
        SET,
        ATTRIBUTE,
        stored=False,
    ),
    Case(
        "a metaclass that counts everything",
        "M = made(type, names=('__hash__', '__eq__', '__getattribute__', '__instancecheck__', '__subclasscheck__'))\n"
        "x = M('S', (), {'__module__': '__main__'})(); x.a = [1]; y = [x, {x.a[0]: x}]",
        SET,
        ATTRIBUTE,
        stored=False,
    ),
    Case(
        "a metaclass, of what others hold",
        "import functools, logging, random\nM = made(type, names=('__hash__', '__eq__'))\n"
        "x = M('S', (), {'__module__': '__main__'})(); x.a = [1]; m = functools.lru_cache(lambda n: n); m(x)\n"
        "p = random.Random(1); p.b = [x]; t = logging.NullHandler(); t.held = x\n"
        "logging.getLogger('looking').held = x",
        SET,
        ATTRIBUTE,
        stored=False,
    ),
    Case(
        "a metaclass that makes and sets",
        "class M(type):\n    def __call__(cls, *arguments):\n        called.append('call')\n"
        "        return super().__call__(*arguments)\n    def __setattr__(cls, name, value):\n"
        "        called.append('set')\n        super().__setattr__(name, value)\n"
        "    @classmethod\n    def __prepare__(cls, name, bases): return called.append('prepare') or {}\n"
        "class S(metaclass=M):\n    b = 2\n    def __init_subclass__(cls): called.append('subclass')\n"
        "class T(S): pass\nx = T(); x.a = [1]",
        SET,
        f"{ATTRIBUTE} and T.b == 2",
    ),
    Case(
        "a descriptor that is told its name",
        "class D:\n    def __set_name__(self, owner, name): called.append('set_name')\n"
        "    def __get__(self, obj, kind=None):\n        called.append('get')\n        return 1\n"
        "class S:\n    d = D()\nx = S(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a buffer's owner",
        "import numpy\nclass S:\n    def __getattr__(self, name):\n        called.append(name)\n"
        "        raise AttributeError(name)\n"
        "    def __init__(self): self.data = numpy.arange(3); "
        "self.__array_interface__ = self.data.__array_interface__\n"
        "x = S(); x.a = [1]; y = numpy.asarray(x)",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a function's attributes and a bound method",
        "x = made(names=LOOKS + ('__getattr__',), m=lambda self: 1)(); object.__setattr__(x, 'a', [1])\n"
        "m = types.MethodType(lambda self: 1, x); p = functools.partial(print, x)",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a bound method of Python's own",
        "x = made(list, names=LOOKS)([1]); x.a = [1]; m = list.append.__get__(x)",
        SET,
        ATTRIBUTE,
    ),
    Case(
        "a thread's target",
        "import threading\nx = made(names=('__call__', '__getattr__', '__bool__'))(); x.a = [1]; "
        "t = x.t = threading.Thread(target=x)",
        SET,
        f"{ATTRIBUTE} and x.t._target is x",
    ),
    Case(
        "names that are no plain strings",
        "class N(str):\n    def __str__(self): called.append('str'); return 'other'\n"
        "    def __getitem__(self, at): called.append('item'); return str(self)[at]\n"
        "globals()[N('x')] = made()(); x.a = [1]",
        SET,
        ATTRIBUTE,
    ),
]

TABLE = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("watched")) as kernel:
        kernel.ok(BEGIN)
        yield kernel


def clean(kernel: Kernel) -> None:
    kernel.ok("called.clear(); x = y = m = p = t = S = T = M = D = N = None")


@pytest.mark.parametrize("name", TABLE)
def test_nothing_of_it_is_called(watched: Kernel, name: str) -> None:
    """Made, looked at in every way that we have, changed, undone."""
    kernel, case = watched, TABLE[name]
    clean(kernel)
    made = kernel.ok(f"{case.make}\ncalled.clear(); near = [1]")
    assert (made.stdout, made.stderr) == ("", "")
    newest = thought(kernel)
    kernel.done("variable", name="x")
    kernel.done("show", target="HEAD")
    assert kernel.value("called") == []
    stored = not any("x" in each["names"] for each in newest["not_stored"])
    assert stored == case.stored, newest["not_stored"]
    kernel.ok(f"{case.change}\ncalled.clear(); near.append(2)")
    kernel.done("diff", target="HEAD", base="HEAD~1", values=True)
    assert kernel.value("called") == []
    kernel.done("undo", allow_lost=True, replay="auto")
    assert kernel.value("near") == [1]
    if case.stored:
        assert kernel.value("called") == []
    assert kernel.value(case.state) is True


def test_all_of_them_come_back_in_another_process(start: Start, tmp_path: Path) -> None:
    environment = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=environment)
    kernel.ok(BEGIN)
    kept = [case for case in CASES if case.stored and "names that are" not in case.name]
    for number, case in enumerate(kept):
        kernel.ok(f"def make():\n    global S, T, M, D\n{indented(case.make)}\n    return x\nx{number} = make()")
    kernel.ok("called.clear()")
    kernel.close(gracefully=True)
    kernel = start(environment=environment)
    plan = kernel.done("resume")["plan"]
    assert plan["lost"] == []
    assert kernel.value("called") == []
    for number, case in enumerate(kept):
        assert kernel.value(f"(lambda x: {case.state})(x{number})") is True, case.name


def indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.split("\n"))


# -- reading is no change ------------------------------------------------------------------------------

OPAQUE = (
    "import logging\nfh = logging.FileHandler('a.log'); g = iter(map(str, [1, 2, 3])); "
    "f = (n for n in [1, 2]); xs = [1]"
)

LOOKING = [
    "vars(fh)",
    "fh.level, fh.stream, f.gi_frame",
    "print(fh, f'{fh!r} {g}')",
    "len(vars(fh)); dir(g); type(f)",
    "[name for name in vars(fh)]",
    "for name in dir(fh): getattr(fh, name)",
    "repr(fh); isinstance(fh, object); id(g), hash(f)",
    "import sys; sys.getsizeof(fh), fh is g, fh == f",
    "{name: type(value) for name, value in vars(fh).items()}",
]
CHANGING = {
    "next(f)": ["f"],
    "fh.close()": ["fh"],
    "xs.append(2)": ["xs"],
    "fh.level = 10": ["fh"],
    "1 in f": ["f"],
    "a, *b = f": ["f"],  # the names that it binds are nobody's
    "print(*f)": ["f"],
    "sum(map(int, f))": ["f"],
}


@pytest.fixture(scope="module")
def opaque(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("opaque")) as kernel:
        yield kernel


@pytest.mark.parametrize("code", LOOKING)
def test_a_hidden_cell_that_looks_changes_nothing(opaque: Kernel, code: str) -> None:
    opaque.ok(OPAQUE)
    thought(opaque)
    opaque.ok(code, silent=True)
    opaque.ok("1 + 1")
    assert thought(opaque)["modified"] == []
    plan = opaque.done("undo")["plan"]
    assert plan["lost"] == []


@pytest.mark.parametrize("code", CHANGING)
def test_a_hidden_cell_that_changes_something_does(opaque: Kernel, code: str) -> None:
    opaque.ok(OPAQUE)
    thought(opaque)
    opaque.ok(code, silent=True)
    opaque.ok("1 + 1")
    newest = thought(opaque)
    assert sorted({*newest["modified"], *newest["created"]} & {"f", "fh", "xs", "a", "b"}) == CHANGING[code]
    opaque.ok("del xs, f, fh, g")


def test_a_function_that_has_the_name_of_a_look_is_none(opaque: Kernel) -> None:
    opaque.ok(OPAQUE + "\ndef repr(it): return next(it)")
    thought(opaque)
    opaque.ok("repr(f)", silent=True)
    opaque.ok("1 + 1")
    assert thought(opaque)["modified"] == ["f"]
    opaque.ok("del repr")


@pytest.mark.parametrize(
    "read",
    [
        "vars(x)",
        "x.__dict__",
        "__import__('copy').copy(vars(x))",
        "__import__('pprint').pformat(vars(x))",
    ],
)
def test_attributes_that_somebody_asked_for_are_the_same(opaque: Kernel, read: str) -> None:
    """The interpreter makes a `__dict__` then: of what cannot be stored, too."""
    opaque.ok(
        "import threading\nclass C:\n    pass\nx = C(); x.lock = threading.Lock(); x.lock.acquire(); x.own = {'a': [1]}"
    )
    thought(opaque)
    opaque.ok(read, silent=True)
    opaque.ok("1 + 1")
    assert thought(opaque)["modified"] == []
