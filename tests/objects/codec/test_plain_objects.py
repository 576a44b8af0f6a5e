"""What the native module pickles is what the pickler pickles, byte for byte."""

from __future__ import annotations

import pickle
import random
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.model import Payload
from kishu_kernel.objects.codec import encoding, pickling, plain_objects
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import WALKER
from tests.objects.codec.test_pickling import Cells
from tests.objects.codec.test_plain_values import plain

pytestmark = pytest.mark.skipif(WALKER is None, reason="there is no native module")

POINTS = "class P:\n    def __init__(self, *a): self.x, self.y, self.z = a\n"


def streams(cells: Cells, *names: str) -> tuple[bytes, bytes, bool]:
    """The stream as it is, the pickler's, and whether the native module made the first."""
    made = []

    def noting(*arguments: Any) -> Any:
        found = native_stream(*arguments)
        made.append(found is not None)
        return found

    native_stream = pickling.native_stream
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "plain_stream", lambda *_: None)
        patch.setattr(pickling, "native_stream", noting)
        one = cells.encode(*names)
        patch.setattr(pickling, "native_stream", lambda *_: None)
        other = cells.encode(*names)
    if not (isinstance(one, Payload) and isinstance(other, Payload)):
        assert one == other  # neither can
        return b"", b"", made == [True]
    assert one.left_out == other.left_out
    return one.stream, other.stream, made == [True]


NATIVE = {
    "a list and a dict of the same": POINTS
    + "x = [P(i, str(i), i * .5) for i in range(3000)]; y = {p.y: p for p in x}",
    "with parts": POINTS + "x = [P([i], (i, str(i)), {'k': {i}}) for i in range(300)]",
    "no attributes": "class P: pass\nx = [P(), P()]; x[1].a = 1",
    "many attributes": "class P: pass\nx = P()\nfor i in range(1500): setattr(x, f'a{i}', i)",
    "one attribute": "class P:\n    def __init__(self, a): self.a = a\nx = [P(i) for i in range(10)]",
    "deleted and set again": POINTS + "x = P(1, 2, 3); del x.y; x.y = 4; y = P(1, 2, 3); del y.x",
    "its dictionary was looked at": POINTS + "x = [P(1, 2, 3), P(4, 5, 6)]; vars(x[0])['new'] = 7",
    "in cycles": POINTS + "x = P(1, 2, 3); x.x = x; y = [x]; x.y = y; x.z = (x, y)",
    "two classes, one derived": POINTS + "class Q(P): pass\nx = [P(1, 2, 3), Q(4, 5, 6), P, Q][:2]",
    "of a library": "import string\nx = string.Formatter(); x.mine = [1]; y = [x, string.Formatter(), x]",
    "of a data class": "from dataclasses import *\n@dataclass\nclass D:\n    a: int\nx = [D(i) for i in (1, 2)]",
    "a class that leads to another": POINTS + "class Q:\n    of = P\nx = [Q(), P(1, 2, 3)]",
    "tuples of three hundred thousand": "x = [(i, str(i)) for i in range(30000)]",
    "a set": "x = {str(i) for i in range(5000)}; y = frozenset(range(3000))",
    "long texts": "x = ['a' * n for n in (255, 256, 65535, 65536, 70000)] + ['é' * 40000, b'b' * 65536, b'c' * 256]",
    "numbers": "x = [s * 2**k + d for k in range(62) for d in (-1, 0, 1) for s in (1, -1)] + [0.1, float('nan'), -0.0]",
    "large": "x = [s * 2**k + d for k in (*range(62, 99), 2039, 2040, 9000) for d in (-1, 0, 1) for s in (1, -1)]",
    "surrogates": "x = ['\\ud800', 'é', '日本', 'x' * 300, '\\U0001f600' * 100]",
}
if sys.version_info >= (3, 11):  # before, an empty dictionary is written, too
    NATIVE["attributes were looked at, and there are none"] = (
        "class P: pass\nx = [P(), P()]; vars(x[0]); x[1].a = 1; del x[1].a"
    )


@pytest.mark.parametrize("case", NATIVE)
def test_the_streams_are_the_same(case: str) -> None:
    cells = Cells()
    cells.run(NATIVE[case])
    names = [name for name in ("x", "y") if name in cells.live]
    native, usual, made = streams(cells, *names)
    assert made
    assert native == usual
    cells.back(*names)


OTHERS = {
    "says itself how": "class P:\n    def __reduce__(self): return (list, ())\nx = [P()]",
    "has a state of its own": "class P:\n    __getstate__ = lambda _: 5\n    __setstate__ = print\nx = [P()]",
    "slots": "class P:\n    __slots__ = ('a',)\nx = [P()]; x[0].a = 1",
    "an own way in the instance": "class P: pass\nx = [P()]; x[0].__reduce_ex__ = lambda p: (list, ())",
    "attributes that two hold": "class P: pass\nx, y = P(), P(); x.a = 1; y.__dict__ = x.__dict__",
    "a list of a class of its own": "class L(list): pass\nx = [L([1, 2])]; x[0].a = 1",
    "a metaclass": "class M(type):\n    def __hash__(cls): raise ValueError\nclass P(metaclass=M): pass\nx = [P()]",
    "a function": "def f(): return 1\nx = [f]",
    "an exception": "x = [ValueError(1)]",
    "an enum": "import enum\nclass E(enum.Enum):\n    A = 1\nx = [E.A]",
    "an array": "import numpy as np\nx = [np.arange(3), {'a': 1}]",
}


@pytest.mark.parametrize("case", OTHERS)
def test_all_else_is_the_pickler_s(case: str) -> None:
    cells = Cells()
    cells.run(OTHERS[case])
    names = [name for name in ("x", "y") if name in cells.live]
    native, usual, made = streams(cells, *names)
    assert not made
    assert native == usual


def test_what_is_nested_deep_is_the_pickler_s() -> None:
    cells = Cells()
    cells.run("x = []\nfor _ in range(300): x = [x]")
    assert streams(cells, "x")[2] is False
    cells.run("x = []\nfor _ in range(150): x = [x]")
    native, usual, made = streams(cells, "x")
    assert made
    assert native == usual


def test_a_class_that_shares_something_with_the_rest() -> None:
    cells = Cells()
    cells.run("class P:\n    known = []\nx = P(); x.known = P.known")
    native, usual, _ = streams(cells, "x")
    assert native == usual
    back = cells.back("x")["x"]
    assert back.known is type(back).known


@given(values=st.lists(plain, min_size=1, max_size=4), seed=st.integers())
def test_random_objects(values: list[Any], seed: int) -> None:
    cells = Cells()
    cells.run(POINTS)
    draw, kind = random.Random(seed), cells.live["P"]
    pool: list[Any] = list(values)
    for _ in range(10):
        made = kind(*draw.choices(pool, k=3))
        draw.choice([vars, id])(made)
        pool.append(draw.choice([made, [made, made], (made,), {"k": made}]))
    cells.live["x"] = pool
    cells.live["y"] = pool[-1]
    native, usual, _ = streams(cells, "x", "y")
    assert native == usual


def test_nothing_is_kept_and_nothing_is_made() -> None:
    table = ReductionTable({})
    cells = Cells()
    cells.run(POINTS + "x = [P(1, 'é' * 10, 3)]")
    before = WALKER.untouched(cells.live["x"][0])
    assert isinstance(encoding.encode(("x",), cells.live, table), Payload)
    assert WALKER.untouched(cells.live["x"][0]) == before


def test_what_an_own_module_holds_is_the_pickler_s(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells()
    cells.run(POINTS + "x = [P(1, 2, 3), P(4, 5, 6)]; held = x[1]; y = [P(7, 8, 9)]")
    monkeypatch.setitem(plain_objects.held_since_import, id(cells.live["held"]), ("own", "held"))
    assert streams(cells, "x")[2] is False
    assert streams(cells, "y")[2] is True


def test_what_is_kept_to_be_known_again_changes_nothing() -> None:
    """Somebody holds tuples of the same objects; or the user does, and then they are met again."""
    texts = [f"{number} é" for number in range(3000)]
    twice = [*texts[:1500], *texts[:1500]]
    users = tuple(texts)
    own = [f"own {number}" for number in range(2100)], [str(number).encode() for number in range(2100)]
    keys = dict(zip(*own, strict=True))
    objects = {"x": texts, "y": twice, "z": [texts, users], "keys": keys, "again": [keys, own[0]], "own": [*own[1]]}
    holder = [(*texts,), (*twice,), users, (*own[0],), (*own[1],)]
    for names in (["x"], ["y"], ["x", "y"], ["z"], ["keys"], ["again"], ["own"], ["keys", "own"], list(objects)):
        some = {name: objects[name] for name in names}
        stream, met = WALKER.pickle(some, {}, tuple(holder))
        assert stream == pickle.dumps(some, 5)
        assert (stream, met) == WALKER.pickle(some, {})
    alone = [str(number) for number in range(3000)]
    holder = [(*alone,)]
    _, usual = WALKER.pickle({"x": alone}, {})
    _, met = WALKER.pickle({"x": alone}, {}, tuple(holder))
    assert len(usual) >= 3000
    assert len(met) < 20  # those of one digit, which Python has once
    alone += ["new", alone[2000]]
    alone[1] = "another"
    holder.append((*alone,))  # beside what it was before
    stream, met = WALKER.pickle({"x": alone}, {}, tuple(holder))
    assert stream == pickle.dumps({"x": alone}, 5)
    assert len(met) < 20


def test_what_is_large_is_not_copied_once_more() -> None:
    large = [bytes(5_000_000) + bytes([number]) for number in range(8)]
    tracemalloc.start()
    try:
        stream, _ = WALKER.pickle({"x": large}, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pickle.loads(stream) == {"x": large}
    assert peak < 1.7 * len(stream)
