"""What functions of the user's own modules hold: found under paths, and set there."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.objects.function_data import FunctionData, set_held
from kishu_kernel.objects.module_originals import ABSENT
from kishu_kernel.objects.own_modules import classes_within
from kishu_kernel.objects.rebuild.code import held_attribute

SOURCE = """
import dataclasses, enum, functools
@dataclasses.dataclass
class Order:
    items: list = dataclasses.field(default_factory=list)
class Colour(enum.Enum):
    RED = 1
def add(x, acc=[], *, named={}, plain=1): acc.append(x)
def plain(a=1, b=(2, ("x",)), c=None, colour=Colour.RED, key=len, *, k=3): return a, b, c, k
def count(): pass
count.calls = 0
def counted(f):
    n = 0
    given = []
    @functools.wraps(f)
    def inner(*args):
        nonlocal n
        n += 1
        return given, n, f
    return inner
@counted
def double(x, past=[]): return x
@functools.singledispatch
def by_library(x, log=[]): return x
class Account:
    def pay(self, log=[]): return log
    @staticmethod
    def all(log=[]): return log
    @classmethod
    def of(cls, log=[]): return log
    @property
    def calls(self, log=[]): return log
def imported_later(x, y): pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's."""
    (tmp_path / "own_functions.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    yield importlib.import_module("own_functions")
    del sys.modules["own_functions"]


def data_of(own: Any) -> FunctionData:
    return FunctionData(own, dict(classes_within("own_functions", vars(own))))


def test_what_is_data(own: Any) -> None:
    """What can be another without being another object; no plain default, and no code."""
    given, _, inner = own.double()
    assert data_of(own).data() == {
        "add(acc)": own.add.__defaults__[0],
        "add(named)": own.add.__kwdefaults__["named"],
        "count.calls": 0,
        "double.<locals>.given": given,
        "double.<locals>.n": 1,
        "double.__wrapped__(past)": inner.__defaults__[0],
        "by_library.__wrapped__(log)": own.by_library.__wrapped__.__defaults__[0],
        "Account.pay(log)": own.Account.pay.__defaults__[0],
        "Account.all(log)": own.Account.all.__defaults__[0],
        "Account.of(log)": own.Account.of.__func__.__defaults__[0],
        "Account.calls.fget(log)": own.Account.calls.fget.__defaults__[0],
    }


def test_each_is_found_and_set_where_it_is(own: Any) -> None:
    """By a path, and by what a stored stream calls."""
    data = data_of(own)
    found = data.data()
    for path, value in found.items():
        assert data.holds(path)
        assert data.get(path) is value
        assert held_attribute("own_functions", path) is value
    new = {path: object() for path in found}
    data.set_held({**data.held(), **new})
    assert {path: data.get(path) for path in found} == new == data.data()
    assert own.count.calls is new["count.calls"]
    assert own.add.__defaults__ == (new["add(acc)"],)
    assert own.add.__kwdefaults__ == {"named": new["add(named)"], "plain": 1}
    data.set_held({})
    left = data.data()
    assert left.pop("by_library.registry") == {}
    assert set(left.values()) == {ABSENT}
    assert not vars(own.count)
    assert own.add.__defaults__ is own.add.__kwdefaults__ is None
    data.set_held(new)
    assert own.count.calls is new["count.calls"]


@pytest.mark.parametrize("turn", [1, -1], ids=["first to last", "last to first"])
def test_defaults_are_set_in_any_order(own: Any, turn: int) -> None:
    """One before another that has none yet waits for it."""
    data, function = data_of(own), own.plain
    function.__defaults__ = None
    assert list(data.data().values()).count(ABSENT) == 5
    for path in [f"plain({name})" for name in ("a", "b", "c", "colour", "key")][::turn]:
        place = data.place(path)
        assert place is not None
        set_held(*place, data.original(path))
    assert function.__defaults__ == (1, (2, ("x",)), None, own.Colour.RED, len)
    assert not any(path.startswith("plain") for path in data.data())


def _sets_a_default(own: Any) -> None:
    own.plain.__defaults__ = (5, *own.plain.__defaults__[1:])


def _sets_a_named_default(own: Any) -> None:
    own.plain.__kwdefaults__["k"] = 5


def _sets_an_attribute(own: Any) -> None:
    own.plain.seen = 5


def _gives_a_default_to_one_without(own: Any) -> None:
    own.imported_later.__defaults__ = (5,)


CHANGES: dict[Callable[[Any], None], str] = {
    _sets_a_default: "plain(a)",
    _sets_a_named_default: "plain(k)",
    _sets_an_attribute: "plain.seen",
    _gives_a_default_to_one_without: "imported_later(y)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_cell_has_set_is_data_until_it_is_as_it_was(own: Any, change: Callable[[Any], None]) -> None:
    data = data_of(own)
    before = data.data()
    change(own)
    path = CHANGES[change]
    assert data.data() == {**before, path: 5}
    place = data.place(path)
    assert place is not None
    set_held(*place, data.original(path))
    assert data.data() == before


def test_a_source_that_was_edited_counts(own: Any) -> None:
    """A parameter that there is no more has no place; one that was moved has its default."""
    own.add = types.FunctionType(
        own.add.__code__.replace(co_varnames=("acc", "other", "named", "plain")), vars(own), "add"
    )
    own.add.__qualname__ = "add"
    data = data_of(own)
    assert data.place("add(x)") is None
    assert data.place("gone(x)") is None
    assert data.place("double.<locals>.gone") is None
    assert data.original("add(acc)") is ABSENT


def test_what_an_older_kernel_did_not_store_is_left_as_it_is(own: Any) -> None:
    """What a state does not name is what the source has put there: of lists and counts that is what is there."""
    data = data_of(own)
    for path, value in data.data().items():
        assert data.original(path) is value


def test_nothing_is_kept_alive(own: Any) -> None:
    """Law 9: what the user gives up is gone at once."""

    class Thing:
        pass

    data = data_of(own)
    own.plain.__defaults__ = (Thing(),)
    own.count.calls = Thing()
    data.data()
    things = [weakref.ref(own.plain.__defaults__[0]), weakref.ref(own.count.calls)]
    own.plain.__defaults__ = own.count.calls = None
    gc.collect()
    assert [thing() for thing in things] == [None, None]
