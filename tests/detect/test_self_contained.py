"""Which cells run nothing but their own code, on plain data; and the tables of names, by both twins."""

from __future__ import annotations

import builtins
import collections
import gc
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kishu_kernel.detect import name_tables, self_contained
from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.self_contained import is_self_contained
from kishu_kernel.detect.walk.twins import chosen


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Meta(type):
    def __hash__(cls) -> int:
        raise RuntimeError("asked")


class Tricky(metaclass=Meta):
    pass


def late() -> None:
    """A function of the notebook's."""


CIRCLE: list[Any] = [1]
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _ in range(1000):
    DEEP = [DEEP]

DATA: dict[str, Any] = {
    "n": 5,
    "xs": [1, 2.0, "a", None, True, b"b", 1j, range(3)],
    "d": {"k": [1, (2, frozenset({3}))], 4: {5, 6}},
    "empty": [],
}
OTHER: dict[str, Any] = {
    "f": late,
    "lambdas": [lambda: 0],
    "text": Text("a"),
    "number": Number(1),
    "default": collections.defaultdict(late),
    "ordered": collections.OrderedDict(a=1),
    "cls": Text,
    "mixed": [1, [2, {"k": [late]}]],
    "key": {(1, late): 2},
    "module": random,
    "method": random.seed,
    "thread": [threading.Thread(target=late)],
    "generator": (each for each in "ab"),
    "mapped": map(late, ()),
    "tricky": [Tricky()],
    "circle": CIRCLE,
    "deep": DEEP,
    "many": [list(range(100)) for _ in range(1000)],
    "Out": {},
    "_": 5,
    "__name__": "__main__",
}
NAMESPACE = DATA | OTHER

CONTAINED = [
    *("x = 1", "n", "xs", "xs.append(4)", "len(xs) + 3", "d['k'][0] += 1", "x, y = n, xs", "print(n, *xs, sep='-')"),
    *("sum(i * i for i in range(n))", "[each for each in xs if each]", "del n", "x = {**d}", "'{}'.format(n)", "pass"),
    "def g(a):\n    return a + n\ng(3)",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)",
    "sorted(xs, key=lambda each: -each)",
    "if n > 3:\n    xs.clear()",
    "f'{n!r:>10}'",
]
NOT = [
    *("f()", "lambdas[0]()", "text.upper()", "number + 1", "default['x']", "ordered", "cls('a')", "mixed[1]", "key"),
    *(
        "module.seed(1)",
        "method(1)",
        "thread[0].start()",
        "next(generator)",
        "list(mapped)",
        "tricky",
        "circle",
    ),
    *("many", "Out", "_", "__name__", "import os", "from os import path", "exec('1')", "globals()", "open('x')"),
    *("input()", "x = type(n)", "getattr(n, 'real')", "().__class__.__base__.__subclasses__()", "n.__class__"),
    *("__import__('os')", "xs.y = 1", "get_ipython().run_line_magic('env', 'K=1')", "f = 3", "del thread", "vars()"),
    *(
        "await g()",
        "async def g(): pass",
        "f'{f}'",
        "print(text)",
        "for default in xs: pass",
        "super()",
        "breakpoint()",
    ),
    "def g():\n    return f()\n",
    "@f\ndef g(): pass",
    "display(n)",
    "class C:\n    x = 1\n",  # it reads `__name__`
    "class C(cls): pass",
    "class C(metaclass=module.M): pass",
    "with thread[0]: pass",
    "g = (each for each in xs)\ng.gi_frame.f_back.f_back.f_globals['sys']",
    "def g():\n    yield 1\nfor each in xs: g().gi_frame.clear()",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    error.with_traceback(None).tb_frame",
]


@pytest.fixture(params=[self_contained._is_data, self_contained.is_data], ids=["in Python", "as chosen"])
def is_data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, int], bool]:
    twin: Callable[[Any, int], bool] = request.param
    monkeypatch.setattr(self_contained, "is_data", twin)
    return twin


def contained(cell: str) -> bool:
    return is_self_contained(cell, cell_access(cell), NAMESPACE)


@pytest.mark.usefixtures("is_data")
@pytest.mark.parametrize("cell", CONTAINED)
def test_a_cell_that_is(cell: str) -> None:
    assert contained(cell)


@pytest.mark.usefixtures("is_data")
@pytest.mark.parametrize("cell", NOT)
def test_a_cell_that_may_run_something_else(cell: str) -> None:
    assert not contained(cell)


@pytest.mark.usefixtures("is_data")
def test_a_builtin_that_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = len
    monkeypatch.setattr(builtins, "len", lambda each: real(each))
    assert not contained("len(xs)")


def test_what_is_data(is_data: Callable[[Any, int], bool]) -> None:
    for name, value in NAMESPACE.items():
        if name != "deep":  # it is, and need not be known as such
            assert is_data(value, 10_000) == (name in DATA or name in ("Out", "_", "__name__")), name
    assert is_data(list(range(100)), 100)
    assert not is_data(list(range(101)), 100)


def test_it_is_asked_without_a_trace(is_data: Callable[[Any, int], bool]) -> None:
    """No hash, no equality, no iteration of the user's."""

    class Loud:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("asked")

    assert not is_data({Loud(): 1}, 100)
    assert not is_data({Loud()}, 100)


# -- tables of names ---------------------------------------------------------------------------------


def test_both_twins_find_the_same_names_bound_anew() -> None:
    chance = random.Random(1)
    for _ in range(200):
        objects: list[Any] = [[each] for each in range(10)]
        before = {f"v{each}": chance.choice(objects) for each in range(chance.randrange(20))}
        after = {f"v{each}": chance.choice(objects) for each in range(chance.randrange(20))}
        bindings = {name: id(each) for name, each in before.items()}
        expected = {
            name
            for name in before.keys() | after.keys()
            if before.get(name) is not after.get(name) or name not in after
        }
        assert name_tables.rebound(after, bindings) == name_tables._rebound(after, bindings) == expected


def test_both_twins_find_the_same_names_among_links() -> None:
    objects: list[Any] = [[each] for each in range(10)]
    variables = {f"v{each}": objects[each % 10] for each in range(30)} | {"n": None}
    links, others = chosen().memo(), chosen().memo()
    for each in objects[::3]:
        links[id(each)] = 1
    others[id(objects[1])] = 5
    expected = [name for name, each in variables.items() if any(each is other for other in objects[::3])]
    assert list(name_tables.bound_among(variables, [links])) == expected
    assert name_tables._bound_among(variables, links) == expected
    with_others = [name for name, each in variables.items() if each is objects[1] or name in expected]
    assert list(name_tables.bound_among(variables, [links, others])) == with_others
    assert name_tables._bound_among(variables, name_tables._merged([links, others])) == with_others
    assert not name_tables.bound_among(variables, [])


def test_both_twins_sort_out_names() -> None:
    for twin in (name_tables._unsorted, name_tables.unsorted):
        assert twin({"a": 1, "b": 2, "c": 3}, {"b"}) == ["a", "c"]
        assert twin({"a": 1, Text("b"): 2}, {"b"}) is None
        assert twin({"a": 1, 3: 2}, set()) is None


@pytest.mark.skipif(self_contained.WALKER is None, reason="there is no native module here")
def test_nothing_is_collected_while_data_is_looked_at() -> None:
    data: list[Any] = [{1, 2}, *(str(each) * 3 for each in range(1000))]

    class Garbage:
        def __del__(self) -> None:
            data.clear()

    garbage, before = Garbage(), gc.get_threshold()
    garbage.itself = garbage  # type: ignore[attr-defined]
    gc.disable()
    del garbage
    gc.set_threshold(1)
    gc.enable()
    try:
        found = self_contained.is_data(data, 10_000)
        size = len(data)
    finally:
        gc.disable()
        gc.set_threshold(*before)
        gc.enable()
    assert found
    assert size == 1001
