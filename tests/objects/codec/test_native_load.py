"""What the native module loads is what the unpickler loads, and damaged streams harm nobody."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.model import Digest
from kishu_kernel.objects.codec import pickling
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import WALKER
from tests.objects.codec.test_pickling import Cells
from tests.objects.codec.test_plain_objects import NATIVE, OTHERS, POINTS
from tests.objects.codec.test_plain_values import plain

pytestmark = pytest.mark.skipif(WALKER is None, reason="there is no native module")

MORE = {
    "a property of the name of an attribute": (
        "class P:\n    @property\n    def a(self): return 7\n    @a.setter\n    def a(self, _): raise ValueError\n"
        "x = [P(), P()]; x[0].__dict__['a'] = 1; x[1].b = 2"
    ),
    "a method is hidden": "class P:\n    def a(self): pass\nx = P(); x.a = 1",
    "setting is watched": "class P:\n    def __setattr__(self, *_): raise ValueError\nx = P(); vars(x)['a'] = 1",
    "getting is watched": "class P:\n    def __getattr__(self, name): raise AttributeError(name)\nx = P(); x.a = 1",
    "a way back of its own": "class P:\n    def __setstate__(self, state): self.back = state\nx = P(); x.a = 1",
    "made in a way of its own": (
        "class P:\n    def __new__(cls): o = object.__new__(cls); o.b = 3; return o\nx = P(); x.a = 1"
    ),
    "slots and attributes": "class P:\n    __slots__ = ('a', '__dict__')\nx = P(); x.a = 1; x.b = 2",
    "names that are none": "class P: pass\nx = P(); vars(x).update({'a b': 1, 'é': 2, '': 3})",
    "names in other orders": POINTS + "x = [P(1, 2, 3), P(4, 5, 6)]; del x[1].x; x[1].x = 7; x.append(P(8, 9, 0))",
    "hashed by their attributes": (
        "class P:\n    def __init__(self, a): self.a = a\n    def __hash__(self): return hash(self.a)\n"
        "    def __eq__(self, other): return self.a == other.a\nx = {P(1), P(2)}; y = {P(3): [x]}"
    ),
    "derived containers": (
        "class L(list): pass\nclass D(dict): pass\nclass S(set): pass\n"
        "x = [L([1]), L(range(1500)), D(a=1), D({1: 2, 3: 4}), S('abc')]; x[0].a = 1"
    ),
    "an ordered dictionary": "import collections\nx = collections.OrderedDict(a=[1], b=2)",
    "with a weak reference": "import weakref\nclass P: pass\nx = P(); y = weakref.WeakSet([x])",
}


def found(cells: Cells, names: list[str], natively: bool) -> tuple[Digest, dict[str, Any]]:
    """The digest of what comes back, and that."""
    with pytest.MonkeyPatch.context() as patch:
        if not natively:
            patch.setattr(pickling, "WALKER", None)
        back = cells.back(*names)
    return digest_of(back, ReductionTable(cells.live)), back


@pytest.mark.parametrize("case", [*NATIVE, *OTHERS, *MORE])
def test_the_same_comes_back(case: str) -> None:
    cells = Cells()
    cells.run((NATIVE | OTHERS | MORE)[case])
    names = [name for name in ("x", "y") if name in cells.live]
    if not isinstance(cells.encode(*names), pickling.Payload):
        pytest.skip("it is not stored")
    assert found(cells, names, True)[0] == found(cells, names, False)[0]


@given(values=st.lists(plain, min_size=1, max_size=4), seed=st.integers())
def test_random_objects_come_back_alike(values: list[Any], seed: int) -> None:
    cells = Cells()
    cells.run(POINTS)
    draw, kind = random.Random(seed), cells.live["P"]
    pool: list[Any] = list(values)
    for _ in range(10):
        made = kind(*draw.choices(pool, k=3))
        pool.append(draw.choice([made, [made, made], (made,), {"k": made}]))
    cells.live["x"], cells.live["y"] = pool, pool[-1]
    assert found(cells, ["x", "y"], True)[0] == found(cells, ["x", "y"], False)[0]


def test_instances_are_as_new_ones_are() -> None:
    """None has a `__dict__` of its own, by which every access would be slower."""
    cells = Cells()
    cells.run(POINTS + "x = [P(n, str(n), [n]) for n in range(100)]")
    new = WALKER.untouched(cells.live["x"][0])
    _, back = found(cells, ["x"], True)
    assert all(WALKER.untouched(each) == new for each in back["x"])
    assert [vars(each) for each in back["x"]] == [vars(each) for each in cells.live["x"]]


def test_what_is_known_is_loaded_natively() -> None:
    for obj in (
        list(range(5000)),
        {"a": [(1, 2.5, None, True), "é" * 300, b"x" * 300]},
        {1, 2},
        frozenset("ab"),
        1 << 99,
    ):
        assert WALKER.load(pickle.dumps(obj, 5), None, None, []) == (obj,)
    for other in (pickle.dumps([1], 4), pickle.dumps(bytearray(5), 5), b"", b"\x80\x05", pickle.dumps("x", 5)[:-1]):
        assert WALKER.load(other, None, None, []) is None


class _Told:
    number: int
    __setstate__: Any


class _Teller:
    """The second one changes a class, and so does the second list that is filled."""

    made = 0

    def __new__(cls) -> _Teller:
        _Teller.made += 1
        if _Teller.made == 2:
            _Told.__setstate__ = lambda self, state: vars(self).update(told=state)
        return super().__new__(cls)


class _Tellers(list[int]):
    def extend(self, items: Any) -> None:
        _Teller()


@pytest.mark.parametrize("kind", [_Teller, _Tellers])
def test_what_a_stream_calls_may_change_a_class(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Told, "__setstate__", None, raising=False)  # to be undone
    told = kind(), _Told(), kind(), _Told()
    told[1].number, told[3].number = 1, 3
    if kind is _Tellers:
        list.append(told[0], 1), list.append(told[2], 2)
    del _Told.__setstate__
    stream = pickle.dumps(told, 5)
    monkeypatch.setattr(_Teller, "made", 0)
    usual = pickle.Unpickler(io.BytesIO(pickle.dumps(None, 5)))
    usual.load()

    def build(obj: Any, state: dict[str, Any]) -> None:
        obj.__setstate__(state)

    ((_, first, _, last),) = WALKER.load(stream, usual.find_class, build, [])
    assert (vars(first), vars(last)) == ({"number": 1}, {"told": {"number": 3}})


class _Counting(list[int]):
    """Of a library, say: to append an item needs what is given back last."""

    def append(self, item: int) -> None:
        self.count += 1
        super().append(item)


def test_a_derived_list_is_filled_as_the_unpickler_does_it() -> None:
    for items in ([1], [1, 2]):
        counting = _Counting(items)
        counting.count = 5
        usual = pickle.Unpickler(io.BytesIO(pickle.dumps(None, 5)))
        usual.load()
        stream = pickle.dumps(counting, 5)
        (found,) = WALKER.load(stream, usual.find_class, lambda obj, state: vars(obj).update(state), [])
        assert (found, vars(found)) == (items, {"count": 5})


STREAM = pickle.dumps(
    [(), [], {}, {"a": [1, 2.5, (3, "b"), ("a", "b", 4, 5)]}, {1, 2}, frozenset("cd"), 1 << 70, b"e"], 5
)


@example(stream=STREAM, changes=[(42, 128)])  # another protocol in the middle
@given(
    stream=st.one_of(plain.map(lambda obj: pickle.dumps(obj, 5)), st.just(STREAM)),
    changes=st.lists(st.tuples(st.integers(2, 400), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_damaged_stream_is_refused_or_read_alike(stream: bytes, changes: list[tuple[int, int]]) -> None:
    class Usual(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return SimpleNamespace if name < "m" else len

    damaged = bytearray(stream)
    for place, byte in changes:
        damaged[2 + place % (len(damaged) - 2)] = byte
    usual = Usual(io.BytesIO(damaged))
    try:
        natively = WALKER.load(bytes(damaged), usual.find_class, lambda obj, state: vars(obj).update(state), [])
    except Exception:
        return
    with contextlib.suppress(pickle.UnpicklingError):  # it looks at the frames, too
        assert natively is None or repr(natively[0]) == repr(usual.load())
