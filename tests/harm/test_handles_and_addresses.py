"""What is an address or a handle is never stored and never loaded: a copy would be a second owner. On real kernels."""

from __future__ import annotations

import ctypes
import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.objects.codec.load_guard import LoadGuard
from kishu_kernel.objects.codec.pickling import _Unpickler
from tests.harm.driving import thought
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

LIBRARY = '''
"""As bindings of a library written in C are: they own memory by its address, and free it."""
import ctypes

freed = []
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

class Address(ctypes.c_void_p): pass

class Wrapper:
    """As z3's."""
    def __init__(self):
        self.ast = Address(libc.malloc(64))
    def __del__(self):
        freed.append(self.ast.value)
        libc.free(self.ast)

class Owner(ctypes.Structure):
    _fields_ = [('size', ctypes.c_int), ('memory', Address)]
    def __del__(self):
        freed.append(self.size)

class Numbers(ctypes.Structure):
    _fields_ = [('n', ctypes.c_int), ('b', ctypes.c_int, 3), ('p', Address)]

class Swig:
    """As SWIG makes them, around an address that is a number."""
    thisown = property(lambda self: True)
    def __init__(self): self.this = libc.malloc(64)
    __swig_destroy__ = staticmethod(lambda it: freed.append(it.this))
    def __del__(self): self.__swig_destroy__(self)

class Lazy:
    """As lazy proxies are: looking at one makes what it stands for."""
    __slots__ = ('make', 'made')
    def __init__(self, make): object.__setattr__(self, 'make', make)
    def _made(self):
        try:
            return object.__getattribute__(self, 'made')
        except AttributeError:
            object.__setattr__(self, 'made', object.__getattribute__(self, 'make')())
            return object.__getattribute__(self, 'made')
    __class__ = property(lambda self: type(self._made()))
    __len__ = lambda self: len(self._made())
    __repr__ = lambda self: repr(self._made())
    def __reduce_ex__(self, protocol): return list, (self._made(),)

class Forwarding:
    """As those that answer for another whatever they are asked."""
    def __init__(self, make): object.__setattr__(self, 'make', make)
    def __getattribute__(self, name): return getattr(object.__getattribute__(self, 'make')(), name)
    def __setattr__(self, name, value): setattr(object.__getattribute__(self, 'make')(), name, value)
    def __delattr__(self, name): delattr(object.__getattribute__(self, 'make')(), name)
'''


@dataclass(frozen=True)
class Case:
    """Something that holds an address, or looks as if it did.

    Attributes:
        make: makes `x`.
        check: an expression that is true of it, whenever it is there.
        stored: it is a value, and stored.
    """

    name: str
    make: str
    check: str
    stored: bool = False


CASES = [
    Case("a wrapper that frees", "x = bound.Wrapper()", "bool(x.ast.value)"),
    Case("a subclass of c_void_p", "x = bound.Address(4096)", "x.value == 4096"),
    Case("one of the notebook's", "class A(ctypes.c_void_p): pass\nx = A(4096)", "x.value == 4096"),
    Case("one that is null", "x = bound.Address()", "x.value is None", stored=True),
    Case("c_void_p", "x = ctypes.c_void_p(4096)", "x.value == 4096"),
    Case("c_char_p", "x = ctypes.c_char_p(b'text')", "x.value == b'text'"),
    Case("a subclass of c_char_p", "class A(ctypes.c_char_p): pass\nx = A(b'text')", "x.value == b'text'"),
    Case("a subclass of c_wchar_p", "class A(ctypes.c_wchar_p): pass\nx = A('text')", "x.value == 'text'"),
    Case("a subclass of py_object", "class A(ctypes.py_object): pass\nx = A([1])", "x.value == [1]"),
    Case("a structure that owns", "x = bound.Owner(3, bound.Address(4096))", "x.size == 3"),
    Case("a structure with null in it", "x = bound.Numbers(4, 2)", "(x.n, x.b) == (4, 2)", stored=True),
    Case(
        "a structure in a structure",
        "class A(ctypes.Structure): _fields_ = [('n', ctypes.c_int), ('o', bound.Owner)]\n"
        "x = A(1, bound.Owner(3, bound.Address(4096)))",
        "x.o.size == 3",
    ),
    Case("an array of addresses", "x = (bound.Address * 3)(bound.Address(), bound.Address(4096))", "len(x) == 3"),
    Case(
        "a union with an address",
        "class A(ctypes.Union): _fields_ = [('n', ctypes.c_size_t), ('p', bound.Address)]\nx = A(n=4096)",
        "x.n == 4096",
    ),
    Case("a pointer to a structure", "s = bound.Owner(3); x = ctypes.pointer(s)", "x.contents.size == 3"),
    Case("a function of C", "x = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)", "x() == 3"),
    Case("a function of a library", "x = bound.libc.abs", "x(-3) == 3"),
    Case("a library", "x = ctypes.CDLL(None)", "x.abs(-3) == 3"),
    Case("a capsule", "import datetime; x = datetime.datetime_CAPI", "type(x).__name__ == 'PyCapsule'"),
    Case("what byref gives", "x = ctypes.byref(ctypes.c_int(3))", "type(x).__name__ == 'CArgObject'"),
    Case(
        "somebody else's memory", "s = ctypes.c_int(3); x = ctypes.c_int.from_address(ctypes.addressof(s))", "x.value"
    ),
    Case("a number", "x = ctypes.c_int(3)", "x.value == 3", stored=True),
    Case("a string buffer", "x = ctypes.create_string_buffer(b'text', 9)", "x.raw == b'text' + bytes(5)", stored=True),
    Case("Python's own functions", "x = ctypes.pythonapi", "x is ctypes.pythonapi", stored=True),
    Case(
        "a type of functions", "x = ctypes.CFUNCTYPE(ctypes.c_int)", "x is ctypes.CFUNCTYPE(ctypes.c_int)", stored=True
    ),
    Case("a type of pointers", "x = ctypes.POINTER(ctypes.c_int)", "x is ctypes.POINTER(ctypes.c_int)", stored=True),
    Case("an object of SWIG's", "x = bound.Swig()", "bool(x.this)"),
    Case("a subclass of one", "class A(bound.Swig): pass\nx = A()", "bool(x.this)"),
    Case("a lazy proxy", "x = bound.Lazy(make)", "type(x) is bound.Lazy"),
    Case("a proxy that forwards everything", "x = bound.Forwarding(make)", "type(x) is bound.Forwarding"),
    Case("proxies in a list", "x = [bound.Lazy(make), {'a': bound.Forwarding(make)}]", "len(x) == 2"),
    Case(
        "proxies that a library is given",
        "import json; json.kept = x = bound.Lazy(make); json.other = bound.Forwarding(make)",
        "type(x) is bound.Lazy",
    ),
    Case(
        "a module that is loaded when it is asked",
        "import importlib.util, sys; sys.modules.pop('sndhdr_', None)\n"
        "spec = importlib.util.spec_from_file_location('lazy_one', 'lazy_one.py')\n"
        "spec.loader = importlib.util.LazyLoader(spec.loader); x = importlib.util.module_from_spec(spec)\n"
        "sys.modules['lazy_one'] = x; spec.loader.exec_module(x); del spec",
        "type(x).__name__ == '_LazyModule'",
        stored=True,
    ),
]
TABLE = {case.name: case for case in CASES}
BEGIN = "import ctypes, bound\nmade = []\ndef make():\n    made.append(1); print('made')\n    return [1]"


def prepare(home: Path) -> None:
    (home / "bound.py").write_text(f"__file__ = 'site-packages/bound.py'\n{LIBRARY}")  # as one that is installed
    (home / "lazy_one.py").write_text("print('loaded')")


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    home = tmp_path_factory.mktemp("bound")
    prepare(home)
    with Kernel(home) as kernel:
        kernel.ok(BEGIN)
        yield kernel


@pytest.mark.parametrize("name", TABLE)
def test_it_is_never_copied(bound: Kernel, name: str) -> None:
    kernel, case = bound, TABLE[name]
    kernel.ok("x = s = A = None; made.clear(); import gc; _n = gc.collect()")
    ran = kernel.ok(f"{case.make}\nnear = [1]; bound.freed.clear()")
    assert (ran.stdout, ran.stderr) == ("", "")
    newest = thought(kernel)
    stored = not any("x" in each["names"] for each in newest["not_stored"])
    assert stored == case.stored, newest["not_stored"]
    assert all(each["reason"] for each in newest["not_stored"])
    kernel.ok("near.append(2)")
    thought(kernel)
    kernel.done("undo", allow_lost=True, replay="auto")
    assert kernel.value("(near, bound.freed, made)") == ([1], [], [])
    assert kernel.value(f"bool({case.check})")


GIVEN = {  # and taken back
    "what is named as a function's class": ("A = x; s = [lambda: 1]; s[0].__qualname__ = 'A.f'", "s = A = None"),
    "an attribute of a module": ("import colorsys; colorsys.kept = x", "del colorsys.kept"),
    "an attribute of a class": ("import fractions; fractions.Fraction.kept = x", "del fractions.Fraction.kept"),
    "a printer": (
        "p = get_ipython().display_formatter.formatters['text/html'].type_printers; p[complex] = x",
        "get_ipython().display_formatter.formatters['text/html'].type_printers.pop(complex)",
    ),
    "an adapter": (
        "import sqlite3; sqlite3.adapters[complex, sqlite3.PrepareProtocol] = x",
        "sqlite3.adapters.pop((complex, sqlite3.PrepareProtocol))",
    ),
    "a method of it": (
        "import sys, types; sys.unraisablehook = types.MethodType(print, x)",
        "sys.unraisablehook = sys.__unraisablehook__",
    ),
    "what a handler holds": (
        "import logging; h = logging.NullHandler(); h.kept = x; logging.getLogger('a').addHandler(h)",
        "logging.getLogger('a').removeHandler(h); h = None",
    ),
}


@pytest.mark.parametrize("kind", ["Lazy", "Forwarding"])
@pytest.mark.parametrize("given", GIVEN)
def test_a_proxy_is_asked_nothing_wherever_it_was_given(bound: Kernel, given: str, kind: str) -> None:
    give, take = GIVEN[given]
    bound.ok(f"made.clear(); x = bound.{kind}(make)\n{give}\nnear = [1]")
    thought(bound)
    bound.ok("near.append(2)")
    thought(bound)
    bound.done("undo", allow_lost=True, replay="auto")
    assert bound.value("(near, made)") == ([1], [])
    bound.ok(f"{take}; x = None")


def test_all_of_them_in_another_process(start: Start, tmp_path: Path) -> None:
    """What can be told by its address alone is made again; the process lives, and frees only what it made."""
    prepare(tmp_path)
    environment = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=environment)
    kernel.ok(BEGIN)
    for number, case in enumerate(CASES):
        if "lazy_one" not in case.make:
            kernel.ok(f"{case.make}\nx{number} = x; globals().update(s{number}=globals().get('s'))")
    kernel.ok("del x; import gc; gc.collect()")
    kernel.close(gracefully=True)
    kernel = start(environment=environment)
    kernel.done("resume", allow_lost=True, replay="auto")
    kernel.ok("import gc; gc.collect()")
    for number, case in enumerate(CASES):
        if case.stored and "lazy_one" not in case.make:
            assert kernel.value(f"(lambda x: {case.check})(x{number})"), case.name
    assert kernel.value("made") == []


class Address(ctypes.c_void_p):
    """Of before: such a payload may stand in a store."""


def test_what_an_older_store_holds_is_not_loaded() -> None:
    unpickle = ctypes.c_int(3).__reduce__()[0]

    class Old:
        def __reduce__(self) -> object:
            return unpickle, (Address, ({}, bytes([1] * ctypes.sizeof(Address))))

    def load(stream: bytes) -> object:
        loader = _Unpickler(io.BytesIO(stream))
        loader.bound, loader.packages, loader.admission = {}, set(), LoadGuard()
        return loader.load()

    with pytest.raises(TypeError, match="address"):
        load(pickle.dumps(Old()))
    assert load(pickle.dumps(ctypes.c_int(3))).value == 3  # type: ignore[attr-defined]
    capsule = b"\x80\x04cdill._dill\n_create_capsule\n(K\x01NNNtR."
    with pytest.raises(LoadError, match="address"):
        load(capsule)
