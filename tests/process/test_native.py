"""Storing and loading leave instances as fast as their class makes them: no `__dict__` is made for them."""

from __future__ import annotations

import gc
import pickle
import sys
import types
import weakref
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.model import Payload
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import WALKER, peek, settle, untouched
from tests.support.harness import Notebook

INLINE = WALKER is not None and sys.version_info[:2] in ((3, 11), (3, 12))
pytestmark = pytest.mark.skipif(not INLINE, reason="attributes are no faster in an instance here, or cannot be seen")

CELL = """
class Plain:
    def __init__(self, number):
        self.number, self.held, self.name = number, [number], str(number)
    def __del__(self):
        pass
class Guarded(Plain):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
x = [Plain(number) for number in range(50)]
y = [Guarded(number) for number in range(50)]
"""


def test_checkpoints_and_checkouts_leave_no_dict_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok(CELL)
    x, y = notebook["x"], notebook["y"]
    for _ in range(3):
        notebook.ok("x[0].number, y[0].number")
    notebook.ok("x[0].number = 'changed'; y[1].number = 5")
    assert all(map(untouched, [*x, *y]))
    notebook.session.undo()
    x, y = notebook["x"], notebook["y"]
    assert (x[0].number, y[1].number) == (0, 1)
    assert all(map(untouched, [*x, *y]))
    assert [vars(each) for each in x] == [{"number": n, "held": [n], "name": str(n)} for n in range(50)]


def test_a_checkout_looks_at_nothing_but_what_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok(CELL)
    notebook.ok("x[0].number = 'changed'")
    gc.disable()  # from here on all is new to the collector
    try:
        others = [Loaded(a=number) for number in range(50)]
        assert all(map(vars, others))
        notebook.session.undo()
        assert notebook["x"][0].number == 0
        assert not any(map(untouched, others))
    finally:
        gc.enable()


HIDING = """
class Hider:
    def __init__(self, *held):
        self.held = list(held)
    def __reduce__(self):
        return Hider, ()
"""


def test_what_a_reduction_hides_is_read_without_making_a_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("hiders_made_up")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    exec(HIDING, vars(library))
    digests, streams = set(), set()
    for touched in (False, True):
        shared = [1]
        hiders = [library.Hider(shared, number) for number in range(5)]
        for each in hiders:
            each.added = [5]
        live: dict[str, Any] = {"__name__": "__main__", "hiders": hiders, "shared": shared}
        assert all(vars(each) for each in hiders if touched)
        for _ in range(2):
            digests.add(Fingerprinter(ReductionTable(live)).take(live).digest)
            payload = encode(("hiders", "shared"), live, ReductionTable(live))
            assert isinstance(payload, Payload)
            streams.add(payload.stream)
        assert [untouched(each) for each in hiders] == [not touched] * 5
    assert len(digests) == len(streams) == 1


class Loaded:
    deleted = 0

    def __init__(self, **own: Any) -> None:
        for name, value in own.items():
            setattr(self, name, value)

    def __del__(self) -> None:
        Loaded.deleted += 1


class Propertied:
    @property
    def size(self) -> int:
        raise RuntimeError("no code of a class's runs")

    @size.setter
    def size(self, value: int) -> None:
        raise RuntimeError("no code of a class's runs")


def test_loaded_instances_have_their_attributes_as_new_ones_do() -> None:
    made = [Loaded(), Loaded(b=[1], a=2), Loaded(a=1, b=2, c=3)]
    loaded = pickle.loads(pickle.dumps(made))
    shared = loaded[2].__dict__
    counts = [sys.getrefcount(each) for each in loaded]
    before = Loaded.deleted
    settle(loaded)
    assert [sys.getrefcount(each) for each in loaded] == counts
    assert [untouched(each) for each in loaded[1:]] == [True, False]
    assert loaded[2].__dict__ is shared
    assert list(vars(loaded[1]).items()) == [("b", [1]), ("a", 2)]
    loaded[1].c = 5
    del loaded[1].b
    assert vars(loaded[1]) == {"a": 2, "c": 5}
    gc.collect()
    assert Loaded.deleted == before
    alive = weakref.ref(loaded[1])
    del loaded
    assert alive() is None
    assert Loaded.deleted == before + 3


def test_what_would_run_code_stays_as_it_is() -> None:
    obj = Propertied()
    vars(obj)["size"] = 5
    many = Loaded(**{f"a{number}": number for number in range(40)})
    odd = Loaded()
    vars(odd)[5] = 6
    settle([obj, many, odd, 5, "x", Loaded, [], settle])
    assert vars(obj) == {"size": 5}
    assert len(vars(many)) == 40
    assert vars(odd) == {5: 6}


def test_instances_of_classes_with_something_else_in_them() -> None:
    class Listed(list[int]):
        pass

    class Failed(Exception):
        pass

    listed, failed = Listed([1, 2]), Failed("a", "b")
    listed.own, failed.own = [1], [2]  # type: ignore[attr-defined]
    for obj in (listed, failed):
        vars(obj)
        settle([obj])
        assert vars(obj)["own"] in ([1], [2])
    assert listed == [1, 2]
    assert failed.args == ("a", "b")


def test_peek_gives_what_there_is() -> None:
    obj = Loaded(a=1, b=[2])
    assert peek(obj) == {"a": 1, "b": [2]}
    assert vars(obj) == {"a": 1, "b": [2]}
    assert peek(obj) is None
