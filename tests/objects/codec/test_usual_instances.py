"""What a pickler takes apart in its usual way is passed over; what is not usual about an object is still seen."""

from __future__ import annotations

import copyreg
import datetime
import gc
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.model import Payload
from kishu_kernel.objects.codec import encoding, pickling
from kishu_kernel.process import python_gc
from tests.support.harness import Notebook


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """As in a user's process: the tests freeze what there is before them."""
    gc.unfreeze()
    yield
    gc.freeze()


MADE = {
    "plain": ("class C:\n    pass\nx = [C() for _ in range(50)]\nfor n, c in enumerate(x): c.n = n", 1),
    "slots": ("class C:\n    __slots__ = ('n',)\nx = [C() for _ in range(50)]\nfor n, c in enumerate(x): c.n = n", 1),
    "dates": ("import datetime\nx = [datetime.datetime(2020, 1, 1 + n % 28, n % 24) for n in range(50)]", 1),
    "hooked": (
        "class C:\n    def __getattr__(self, name): raise AttributeError(name)\n"
        "x = [C() for _ in range(50)]\nfor n, c in enumerate(x): c.n = n",
        1,
    ),
}


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Objects for which the whole way was gone."""
    found: list[Any] = []
    whole = pickling._override

    def noting(reducer: Any, arrays: Any, obj: Any, classes: Any) -> Any:
        found.append(obj)
        return whole(reducer, arrays, obj, classes)

    monkeypatch.setattr(pickling, "_override", noting)
    monkeypatch.setattr(pickling, "native_stream", lambda *_: None)  # which asks for none
    yield found
    found.clear()


@pytest.mark.parametrize("kind", MADE)
def test_one_of_each_kind_is_asked_for_at_most(notebook: Notebook, asked: list[Any], kind: str) -> None:
    code, most = MADE[kind]
    notebook.ok(code)
    of_kind = [each for each in asked if type(each) is type(notebook["x"][0])]
    assert len(of_kind) <= most
    before = notebook.describe()
    notebook.ok("x.pop()")
    notebook.session.undo(1)
    assert notebook.describe() == before
    assert len({id(each) for each in notebook["x"]}) == 50


SHARED = {
    "a name for them": ("v = vars(x[20])", "assert vars(x[20]) is v; v['n'] = -1; assert x[20].n == -1"),
    "another instance": (
        "x[20].__dict__ = x[30].__dict__",
        "x[30].n = -1; assert x[20].n == -1; assert vars(x[20]) is vars(x[30])",
    ),
    "its own attribute": ("x[20].me = vars(x[20])", "assert vars(x[20]) is x[20].me"),
    "a dictionary of a class of its own": (
        "import collections\nx[20].__dict__ = collections.OrderedDict(n=20)",
        "assert type(vars(x[20])) is collections.OrderedDict; assert x[20].n == 20",
    ),
    "an instance of its kind": ("x[20].friend = x[21]; x[21].friend = x[20]", "assert x[20].friend.friend is x[20]"),
}


@pytest.mark.parametrize("how", SHARED)
def test_attributes_that_something_shares_are_still_seen(notebook: Notebook, how: str) -> None:
    share, check = SHARED[how]
    notebook.ok(MADE["plain"][0])
    notebook.ok(share)
    before = notebook.describe()
    for _ in range(2):
        notebook.ok("x.append(1)")
        notebook.session.undo(1)
        assert notebook.describe() == before
    notebook.ok(check)
    notebook.session.undo(1)
    assert notebook.describe() == before


def test_what_is_registered_for_a_type_is_asked(notebook: Notebook) -> None:
    class Far:
        pass

    def reduce_far(_: Any) -> Any:
        return datetime.timezone, (datetime.timedelta(0),)

    copyreg.pickle(Far, reduce_far)
    try:
        payload = encoding.encode(("x",), {"x": [Far(), Far()]}, notebook.session._ledger._table)
        assert isinstance(payload, Payload)
        [first, second] = pickle.loads(payload.stream)["x"]
        assert type(first) is type(second) is datetime.timezone
    finally:
        del copyreg.dispatch_table[Far]


def test_what_a_checkout_loads_is_not_walked_by_a_collection(notebook: Notebook, unfrozen: None) -> None:
    notebook.ok("class C:\n    pass")
    notebook.ok("x = [[C()] for _ in range(20_000)]")
    notebook.ok("x.pop()")
    gc.collect()
    notebook.session.undo(1)
    assert len(notebook["x"]) == 20_000
    made = notebook["x"][-1]
    assert any(each is made for each in gc.get_objects(generation=2))
    assert gc.isenabled()
    assert gc.get_freeze_count() < python_gc.FROZEN_BY_PYTHON


def test_what_the_user_has_frozen_stays_frozen(notebook: Notebook, unfrozen: None) -> None:
    notebook.ok("x = [[] for _ in range(20_000)]")
    notebook.ok("x.pop()")
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        notebook.session.undo(1)
        assert 0 < gc.get_freeze_count() <= frozen
        assert gc.get_freeze_count() > frozen / 2
    finally:
        gc.unfreeze()


def test_a_load_does_not_look_at_all_that_is_new_where_that_is_much(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gets its attributes in pickle's usual way, since its class has a say in that, is looked at once more."""
    notebook.ok("class C:\n    def __getattr__(self, name): raise AttributeError(name)\nx = C(); x.n = 0")
    notebook.ok("x.n = 1")
    looked_at: list[list[Any]] = []
    monkeypatch.setattr(pickling, "settle", lambda made: looked_at.append([*map(type, made)]))
    gc.disable()
    try:
        kept = [[] for _ in range(20_000)]
        notebook.session.undo(1)
    finally:
        gc.enable()
    [kinds] = looked_at
    assert type(notebook["x"]) in kinds
    assert len(kinds) < len(kept) / 100
