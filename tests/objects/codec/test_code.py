"""Code objects keep where they come from, whatever cloudpickle would make of them."""

from __future__ import annotations

import sys
import types
from collections import ChainMap
from collections.abc import Iterator

import cloudpickle.cloudpickle as cloud
import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Payload, Version
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.rebuild.code import make_code
from kishu_kernel.objects.reducers import Reducer
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.store import MemoryStore
from tests.objects.codec.test_pickling import ID, Cells, empty_checkpoint

MADE = {
    "a function": "def v():\n    return 1",
    "what is in it": "def v():\n    def inner():\n        return [lambda: i for i in range(3)]\n    return inner",
    "a lambda": "v = lambda: 1",
    "code itself": "v = compile('def f():\\n    return 1', '<mine>', 'exec')",
    "a class": "class v:\n    def m(self): return 1\n    @property\n    def p(self): return [x for x in ()]",
    "a dataclass": "import dataclasses\n@dataclasses.dataclass(order=True)\nclass v:\n    a: int = 1",
    "a named tuple": "import collections\nv = collections.namedtuple('v', 'a b')",
    "an enum": "import enum\nclass v(enum.Enum):\n    A = 1\n    def m(self): return 1",
    "made by exec": "exec(compile('def v():\\n    return 1', '<made up>', 'exec'))",
    "of another namespace": "made = {}\nexec(compile('def f():\\n    return 1', '<own>', 'exec'), made)\nv = made['f']",
    "wrapped by a library": "import functools\n@functools.singledispatch\ndef g(x): return 1\nv = g.__wrapped__",
    "a context manager": "import contextlib\n@contextlib.contextmanager\ndef v():\n    yield",
    "default arguments": "def v(x=lambda: 1, *, y=lambda: 2): return x, y",
    "try": "def v():\n    try:\n        return 1\n    except OSError:\n        raise\n    finally:\n        print()",
}


def codes(obj: object, seen: set[int] | None = None) -> Iterator[types.CodeType]:
    """All code that is in it, in order."""
    seen = set() if seen is None else seen
    if id(obj) in seen:
        return
    seen.add(id(obj))
    if isinstance(obj, types.CodeType):
        yield obj
        parts: list[object] = list(obj.co_consts)
    elif isinstance(obj, types.FunctionType):
        parts = [obj.__code__, obj.__defaults__, obj.__kwdefaults__, *(obj.__closure__ or ())]
    elif isinstance(obj, types.CellType):
        parts = [obj.cell_contents]
    elif isinstance(obj, type) and obj.__module__ == "__main__":
        parts = [vars(obj)[name] for name in sorted(vars(obj))]
    elif isinstance(obj, property):
        parts = [obj.fget]
    else:
        parts = list(obj) if isinstance(obj, tuple) else list(obj.values()) if isinstance(obj, dict) else []
    for part in parts:
        yield from codes(part, seen)


def facts(code: types.CodeType) -> list[object]:
    fields = [name for name in dir(code) if name.startswith("co_") and name not in ("co_consts", "co_lnotab")]
    plain = [getattr(code, name) for name in fields if not callable(getattr(code, name))]
    return [*plain, *code.co_lines()]


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    """Where cloudpickle's own way gives no file name at all."""
    own = cloud._code_reduce
    without = {types.CodeType: lambda code: own(code.replace(co_filename="<gone>"))}
    monkeypatch.setattr(cloud.Pickler, "dispatch_table", ChainMap(without, cloud.Pickler.dispatch_table))
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    return made


@pytest.mark.parametrize("what", MADE)
def test_it_is_the_same_code(cells: Cells, what: str) -> None:
    cells.run(MADE[what])
    before = list(codes(cells.live["v"]))
    assert before
    after = list(codes(cells.back("v")["v"]))
    assert [facts(each) for each in after] == [facts(each) for each in before]


def test_code_of_another_python_does_not_load(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its instructions would mean something else: the interpreter would crash when the function is called."""
    cells.run("def v(): return 1")
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-39")
    payload = cells.encode("v")
    assert isinstance(payload, Payload)
    monkeypatch.undo()
    store = MemoryStore()
    store.commit(empty_checkpoint(), [payload], {})
    with pytest.raises(LoadError, match="compiled by cpython-39"):
        decode(store.load(Version(payload.names, ID)), cells.live)


def test_what_older_versions_stored_loads() -> None:
    """They left code to cloudpickle."""

    def f() -> int:
        return 1

    kind, fields = cloud._code_reduce(f.__code__)
    assert kind is types.CodeType
    made = make_code(sys.implementation.cache_tag or "", *fields)
    assert made.co_code == f.__code__.co_code
    _, ours = Reducer(ReductionTable({})).reduce(f.__code__)
    assert len(ours) == len(fields) + 1


@pytest.mark.parametrize("names", [("ns", "f", "g"), ("g", "f", "ns"), ("f",)], ids="-".join)
def test_functions_run_in_the_dictionary_that_somebody_else_has(cells: Cells, names: tuple[str, ...]) -> None:
    """As `exec(code, ns)` makes them; alone, one takes along what its code names."""
    cells.run(
        "ns = {'y': [1], 'unused': print}\nexec('def f(): y.append(len(y)); return y\\ndef g(): return f()', ns)\n"
        "f, g = ns['f'], ns['g']"
    )
    back = cells.back(*names)
    if names == ("f",):
        assert back["f"]() == [1, 1]
        assert "unused" not in back["f"].__globals__
        return
    assert back["f"].__globals__ is back["g"].__globals__ is back["ns"]
    assert back["ns"]["f"] is back["f"]
    back["ns"]["y"] = [5]
    assert back["g"]() == [5, 1]
