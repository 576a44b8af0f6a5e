"""What an artist tells of itself is read the short way where that is all of it: the same digest, the same stream."""

from __future__ import annotations

import collections
import enum
import gc
import random
import sys
from collections import OrderedDict
from collections.abc import Callable
from types import MethodType
from typing import Any

import matplotlib.figure
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib._enums import CapStyle, JoinStyle
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.detect.walk import twins
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.model import Payload
from kishu_kernel.objects import hidden_links
from kishu_kernel.objects.codec import pickling, usual_instances
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.libraries import matplotlib as matplotlib_file
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process import native

TABLE = ReductionTable({})

pytestmark = pytest.mark.skipif(native.WALKER is None, reason="there is no native module here")


def _figure() -> Any:
    figure = matplotlib.figure.Figure()
    axes = figure.subplots(2)
    axes[0].plot(np.linspace(0, 1, 40), label="a")
    axes[0].legend()
    axes[1].scatter([1, 2], [3, 4], c=[0.1, 0.2])
    axes[1].imshow(np.eye(3, dtype="u1"))
    axes[0].set_title("a title")
    FigureCanvasAgg(figure).draw()
    return figure


def _with(change: Callable[[Any], object]) -> Any:
    figure = _figure()
    held = change(figure)
    return [figure, held]


def _told_by_itself(figure: Any) -> None:
    figure.axes[0].title.__dict__["__getstate__"] = lambda: {"a": 1}


def _linked(figure: Any) -> Any:
    figure.axes[0].lines[0].note = figure.axes[0].title._renderer = {"kept": figure}
    return figure.axes[0].title._renderer


CASES: dict[str, Callable[[], Any]] = {
    "figure": _figure,
    "attributes that something else holds": lambda: _with(lambda figure: vars(figure.axes[0].lines[0])),
    "a state of its own": lambda: _with(_told_by_itself),
    "what a state hides is stored anyway": lambda: _with(_linked),
    "callbacks": lambda: _with(lambda figure: figure.axes[0].callbacks.connect("xlim_changed", print)),
    "data that others hold": lambda: _with(lambda figure: figure.axes[0].lines[0]._xy[3:]),
    "arrays that cannot be written": lambda: _with(lambda figure: figure.axes[0].lines[0]._xy.setflags(write=False)),
}
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype="i2").reshape(2, 3)),
    np.arange(6)[::2],
    np.arange(6)[::-1],
    np.array(3.5),
    np.empty((0, 2)),
    np.zeros((1, 1, 1, 1, 2), "c16"),
    np.array(["a", "b"]),
    np.array([None, {}], object),
    np.array(["2020-01-01"], "M8[D]"),
    np.broadcast_to(np.arange(3), (2, 3)),
    np.zeros(2, np.dtype("f8", metadata={"unit": "m"})),
    np.zeros(2, [("x", "f8")]),
    np.zeros(3, ">f4"),
    np.frombuffer(bytearray(b"12345678"), "i4"),
    np.arange(40_000.0),
]


class Wheel(enum.Enum):
    BIG = 1
    SMALL = "s"


class Rider:
    def turn(self) -> None:
        """Is asked of an instance."""

    @classmethod
    def made(cls) -> None:
        """Is asked of the class."""


RIDER = Rider()
AGAIN: dict[str, Callable[[], list[Any]]] = {
    "members": lambda: [CapStyle.round, JoinStyle.round, Wheel.BIG, Wheel.SMALL],
    "numbers": lambda: [
        *(np.float64(1.5), np.float32(-0.0), np.int8(-2), np.uint64(3), np.bool_(True), np.complex128(2j)),
        *(np.longdouble(1), np.clongdouble(1), np.str_("a"), np.bytes_(b"b"), np.datetime64("2020-01-01")),
        *(np.timedelta64(3, "s"), np.void(b"ab"), np.zeros(1, [("x", "f8")])[0], np.array([None])[0]),
    ],
    "methods": lambda: [RIDER.turn, Rider.made, RIDER.made, [].append, Wheel.BIG.__reduce__, MethodType(print, RIDER)],
}
"""What is met time and again, and asked of Python once."""


@pytest.fixture(params=list(CASES))
def value(request: pytest.FixtureRequest) -> Any:
    return CASES[request.param]()


def _told_of(taken: Fingerprint) -> Any:
    links = sorted(number for _, number in taken.links.items())
    return taken.digest, links, taken.hidden, taken.opaque, taken.ranges


def _both(obj: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found = [_told_of(Fingerprinter(TABLE).take(obj))]
    monkeypatch.setattr(twins, "NATIVE", None)
    return [*found, _told_of(Fingerprinter(TABLE).take(obj))]


def test_both_twins_write_the_same_of_artists(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = _both(value, monkeypatch)
    assert short == long


@pytest.mark.parametrize("number", range(len(ARRAYS)))
def test_both_twins_write_the_same_of_arrays(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = _both([ARRAYS[number], {"again": ARRAYS[number]}], monkeypatch)
    assert short == long


def _payloads(value: Any) -> tuple[Payload, Payload]:
    """Written natively, and by its twin in Python."""
    with pytest.MonkeyPatch.context() as patched:
        short = encode(("value",), {"value": value}, TABLE)
        patched.setattr(usual_instances, "WALKER", None)
        long = encode(("value",), {"value": value}, TABLE)
    assert isinstance(short, Payload)
    assert isinstance(long, Payload)
    return short, long


def test_the_stream_of_arrays_without_elements_is_the_same() -> None:
    rows, numbers = np.empty((0, 2)), np.zeros(3)
    value = [rows, rows[:, 0], np.empty((3, 0), "i2", "F"), numbers, numbers[:0], np.empty(0, "M8[s]"), rows, b""]
    short, long = _payloads(value)
    assert short.stream == long.stream


@given(seed=st.integers(0, 1 << 30))
def test_the_stream_of_arrays_that_share_memory_is_the_same(seed: int) -> None:
    draw = random.Random(seed)
    arrays: list[Any] = [np.arange(draw.choice([1, 6, 600])).astype(draw.choice(["i4", "f8", "M8[s]"])) for _ in "abc"]
    for _ in range(draw.randrange(8)):
        of = draw.choice(arrays)
        arrays.append(of[draw.randrange(2) : draw.choice([None, -1])])
        flat = of.view("u1") if of.flags.c_contiguous else of[::-1]
        arrays.append(draw.choice([of[::2], of.reshape(1, -1), flat, of.copy(), np.asfortranarray([of, of])]))
    draw.shuffle(arrays)
    value = [arrays[: draw.randrange(1, len(arrays))], (draw.choice(arrays), np.arange(3)[:2])]
    short, long = _payloads(value)
    assert short.stream == long.stream
    assert [bytes(each.data) for each in short.buffers] == [bytes(each.data) for each in long.buffers]


@pytest.mark.parametrize("kind", list(AGAIN))
def test_both_twins_write_the_same_of_what_is_met_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met = [AGAIN[kind]() for _ in range(3)]
    short, long = _both([*met, {"again": [*met[0]]}], monkeypatch)
    assert short == long


@given(seed=st.integers(0, 1 << 30))
def test_both_twins_find_the_same_that_a_reduction_does_not_tell(seed: int) -> None:
    draw = random.Random(seed)
    objects = [object() for _ in range(12)]
    kinds: list[Callable[[list[Any]], Any]] = [
        *(list, tuple, set, frozenset, OrderedDict.fromkeys, lambda items: dict(enumerate(items)), collections.deque),
        lambda items: OrderedDict(enumerate(items)),
    ]

    def some(depth: int) -> Any:
        if not depth or draw.random() < 0.4:
            return draw.choice(objects)
        kind = draw.choice(kinds)
        hashable = kind in (set, frozenset, OrderedDict.fromkeys)
        return kind([some(0 if hashable else depth - 1) for _ in range(draw.randrange(3))])

    reduction = [some(3) for _ in range(draw.randrange(5))]
    keys = set(map(id, draw.sample(objects, draw.randrange(12))))
    expected = hidden_links._not_told_by(reduction, {*keys})
    for each in (reduction, tuple(reduction)):
        assert native.not_told_by(each, keys) == expected


def test_a_registry_of_callbacks_is_asked_again_when_its_class_tells_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = _figure().axes[0].lines[0]
    usual, twice = (_told_of(Fingerprinter(TABLE).take(line))[0] for _ in range(2))
    kind = type(line._callbacks)
    own_way = kind.__getstate__
    monkeypatch.setattr(kind, "__getstate__", lambda self: {**own_way(self), "told": 1})
    assert usual == twice != _told_of(Fingerprinter(TABLE).take(line))[0]


def test_registries_without_callbacks_come_apart_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    """As their own way and Python's have it, whatever else they hold; one with callbacks is asked."""
    figure = _figure()
    told = Fingerprinter(TABLE).take(figure).digest
    asked: list[Any] = []
    whole = matplotlib_file._state_without_callbacks
    monkeypatch.setattr(
        matplotlib_file, "_state_without_callbacks", lambda registry: asked.append(registry) or whole(registry)
    )
    assert Fingerprinter(TABLE).take(figure).digest == told
    assert isinstance(encode(("figure",), {"figure": figure}, TABLE), Payload)
    assert all(each.callbacks for each in asked)
    registry = figure.axes[0].lines[0]._callbacks
    registry.new = 1
    changed = Fingerprinter(TABLE).take(figure).digest
    stream = encode(("registry",), {"registry": registry}, TABLE)
    monkeypatch.setattr(matplotlib_file, "_NO_CALLBACKS", None)
    assert told != changed == Fingerprinter(TABLE).take(figure).digest
    assert stream == encode(("registry",), {"registry": registry}, TABLE)


def test_the_stream_is_the_same(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    whole = pickling._override
    monkeypatch.setattr(pickling, "_override", lambda *asking: asked.append(asking[2]) or whole(*asking))
    native_one, told = encode(("value",), {"value": value}, TABLE), len(asked)
    monkeypatch.setattr(usual_instances, "WALKER", None)
    short = encode(("value",), {"value": value}, TABLE)
    assert told < (len(asked) - told) / 2
    monkeypatch.setattr(usual_instances, "told_state", lambda obj: None)
    long = encode(("value",), {"value": value}, TABLE)
    if isinstance(short, Payload) and isinstance(long, Payload) and isinstance(native_one, Payload):
        assert native_one.stream == short.stream == long.stream
        for one, other in zip(native_one.buffers, long.buffers, strict=True):
            assert bytes(one.data) == bytes(other.data)
    assert type(native_one) is type(short) is type(long)


def test_a_state_that_leaves_something_out_is_asked_for_in_full() -> None:
    title = _figure().axes[0].title
    state = native.told_state(title)
    assert type(state) is tuple  # it may hide who draws it
    assert state[0]["_renderer"] is None
    assert ("_renderer", title._renderer) in state[1]
    assert native.told_state(_figure().axes[0].xaxis.get_transform()) is not None
    shared = vars(title)
    assert native.told_state(title) is None
    del shared


def test_what_a_state_raises_is_met_by_who_asks_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any) -> Any:
        raise ValueError("not now")

    figure = _figure()
    monkeypatch.setattr(type(figure.axes[0].title), "__getstate__", fail)
    assert native.told_state(figure.axes[0].title) is None
    [text] = {*Fingerprinter(ReductionTable({})).take(figure).opaque}
    assert text.__name__ == "Text"


def collected_next(then: Callable[[], object]) -> None:
    """Lets the next object that the collector is told of start a collection, in which this is called."""

    class Garbage:
        def __del__(self) -> None:
            gc.disable()
            then()

    garbage = Garbage()
    garbage.itself = garbage  # type: ignore[attr-defined]
    del garbage
    gc.set_threshold(1)
    gc.enable()


@pytest.mark.parametrize("in_dict", [False, True])
def test_what_a_collection_takes_away_meanwhile_is_held(in_dict: bool) -> None:
    freed = []

    class Value:
        def __del__(self) -> None:
            freed.append(1)

    class Drawn:
        def __init__(self) -> None:
            self.a, self.b, self.c = Value(), Value(), Value()

        def take_away(self) -> None:
            self.a = self.b = self.c = None  # type: ignore[assignment]

        def __getstate__(self) -> dict[str, Any]:
            gc.disable()
            state = {name: [] for name in "abc"}
            used_up.extend((each, state) for each in range(3000))  # no tuple is at hand that would not be new
            collected_next(self.take_away)
            return state

    used_up: list[Any] = []
    drawn, before = Drawn(), gc.get_threshold()
    if in_dict:
        vars(drawn)
    try:
        found = native.told_state(drawn)
        freed_meanwhile = len(freed)
    finally:
        gc.set_threshold(*before)
        gc.enable()
    assert drawn.a is None or sys.version_info >= (3, 12)  # there, none starts before Python code goes on
    held = [value for _, value in found[1]]
    assert len(freed) == freed_meanwhile == 3 - sum(type(value) is Value for value in held)
