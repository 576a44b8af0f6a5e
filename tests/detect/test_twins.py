"""Both twins of the walk write the same bytes and find the same links, whatever the objects are like."""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import dataclasses
import datetime
import decimal
import email.message
import fractions
import functools
import gc
import importlib
import io
import ipaddress
import itertools
import operator
import os
import pathlib
import random
import string
import sys
import threading
import types
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import pandas
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from kishu_kernel.detect.connections import connected_names
from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.detect.walk import twins
from kishu_kernel.detect.walk.result import Fingerprint, TokenOf, WalkAbandoned
from kishu_kernel.objects.own_modules import held_since_import, tracked_modules
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import peek
from tests.support.soak import often

pytestmark = pytest.mark.skipif(twins.NATIVE is None, reason="there is no native twin here")

CLASSES = """
import collections, enum, dataclasses
class Plain:
    def __init__(self, *values):
        for number, value in enumerate(values):
            setattr(self, f"a{number}", value)
class Other(Plain): pass
class Slotted:
    __slots__ = ("a", "b", "__weakref__")
    def __init__(self, *values): self.a = values
class Both(Slotted):
    def __init__(self, *values): self.a = values; self.c = values
class Grudging:
    def __init__(self, *values): self.values = values
    def __eq__(self, other): raise RuntimeError("no")
    def __hash__(self): return 7
    def __getattr__(self, name): raise RuntimeError("no")
    def __repr__(self): raise RuntimeError("no")
class Rude:
    def __init__(self, *values): self.values = values
    def __getattribute__(self, name): raise RuntimeError("no")
class Told:
    def __init__(self, *values): self.values = values
    def __reduce__(self): return Told, self.values
class Listed(list):
    def __init__(self, *values): super().__init__(values); self.own = values
class Worded(dict):
    def __init__(self, *values): super().__init__(enumerate(values))
class Paired(tuple):
    def __new__(cls, *values): return tuple.__new__(cls, values)
class Meta(type):
    def __hash__(cls): return 3
    def __eq__(cls, other): return cls is other
class Made(metaclass=Meta):
    def __init__(self, *values): self.values = values
class Colour(enum.Enum):
    RED = 1
def Coloured(*values): return [Colour.RED, *values]
Point = collections.namedtuple("Point", "x y")
def Pointed(*values): return Point(values, 1)
def Named(*values):
    made = Plain(*values); vars(made)["__getstate__"] = 1; return made
def Numbered(*values):
    made = Plain(*values); vars(made)[1] = 2; return made
def Shared(*values):
    made, other = Plain(*values), Plain(); other.__dict__ = made.__dict__; return [made, other, made.__dict__]
def Function(*values):
    def inner(): return values
    return inner
MAKERS = [Plain, Other, Slotted, Both, Grudging, Rude, Told, Listed, Worded, Paired, Made, Coloured, Pointed, Named,
          Numbered, Shared, Function]
"""

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.text(alphabet="ab'\"\\\0\n\ud800\U0001f600", max_size=20),
    st.binary(),
    st.sampled_from([..., NotImplemented, "x" * 70_000, b"y" * 70_000, 10**5000, "é" * 300, -0.0, int, len, "a" * 256]),
)


@pytest.fixture(scope="module")
def classes() -> Iterator[dict[str, Any]]:
    """Classes of a notebook, and what makes instances of them."""
    module, before = types.ModuleType("__main__"), sys.modules["__main__"]
    sys.modules["__main__"] = module
    exec(CLASSES, vars(module))
    yield vars(module)
    sys.modules["__main__"] = before


def prints_of(objects: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Fingerprint]:
    """Fingerprints of one judgement, by the twin that is chosen now."""
    table = ReductionTable(namespace)
    fingerprinter = Fingerprinter(table, bound=_bound_to(namespace, table))
    return {name: fingerprinter.take(obj) for name, obj in objects.items()}


def _bound_to(namespace: dict[str, Any], table: ReductionTable) -> TokenOf | None:
    """The classes that variables of a namespace are bound to, if it says that classes have versions of their own."""
    if not namespace.get("CLASSES_APART"):
        return None
    tokens = {id(value): name.encode() for name, value in namespace.items() if isinstance(value, type)}
    return lambda cls: tokens.get(id(cls))


def by_both(objects: dict[str, Any], namespace: dict[str, Any]) -> list[Any]:
    """What is found of these objects, by the native twin and by the one in Python."""
    found = []
    for twin in (twins.NATIVE, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(twins, "NATIVE", twin)
            prints = prints_of(objects, namespace)
            told = {name: told_of(each) for name, each in prints.items()}
            found.append((told, connected_names(prints), combined_digest(list(objects), prints)))
    return found


def told_of(taken: Fingerprint) -> tuple[Any, ...]:
    """All of a fingerprint but ids of what is made on the way."""
    of_links = sorted(number for _, number in taken.links.items())
    rest = taken.labels, taken.ranges, taken.codes, taken.opaque, taken.dynamic, taken.modules, taken.classes
    return (taken.digest.hex(), of_links, sorted(taken.hidden.values()), *rest)


def make(choices: st.DataObject, makers: list[Any]) -> dict[str, Any]:
    """A graph of objects, shared and cyclic."""
    draw, made = choices.draw, list[Any]()
    for _ in range(draw(st.integers(1, 12))):
        parts = [
            made[draw(st.integers(0, len(made) - 1))] if made and draw(st.booleans()) else draw(ATOMS)
            for _ in range(draw(st.sampled_from([0, 1, 2, 3, 5, 20])))
        ]
        made.append(_made_of(parts, draw(st.integers(0, 11)), draw(st.sampled_from(makers))))
        target = made[draw(st.integers(0, len(made) - 1))]
        if type(target) is list:
            target.append(made[-1])
        elif type(target) is dict:
            target["later"] = made[-1]
    return {f"v{number}": made[draw(st.integers(0, len(made) - 1))] for number in range(draw(st.integers(1, 3)))}


def _made_of(parts: list[Any], kind: int, maker: Any) -> Any:
    hashable = _that_can_be_keys(parts)
    if kind < 4:
        return maker(*parts)
    return [
        lambda: list(parts),
        lambda: tuple(parts),
        lambda: dict(zip(map(str, range(len(parts))), parts, strict=True)),
        lambda: dict.fromkeys(hashable, parts),
        lambda: set(hashable),
        lambda: frozenset(hashable),
        lambda: collections.deque(parts),
        lambda: collections.OrderedDict(enumerate(parts)),
    ][kind - 4]()


def _that_can_be_keys(parts: list[Any]) -> list[Any]:
    """Of one dictionary: two of them may refuse to be compared."""
    keys = dict[Any, None]()
    for each in parts:
        with contextlib.suppress(Exception):
            keys[each] = None
    return [*keys]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_both_find_the_same_of_any_graph(classes: dict[str, Any], data: st.DataObject) -> None:
    objects = make(data, classes["MAKERS"])
    native, pure = by_both(objects, classes)
    assert native == pure


def test_what_was_met_before_does_not_say_how_an_instance_is_told(classes: dict[str, Any]) -> None:
    plain, named = classes["Plain"]([1]), classes["Named"](2)
    around = {"a": plain, "b": [named, plain], "c": [plain, named]}
    digests = []
    for order in ("abc", "bca", "cab"):
        native, pure = by_both({name: around[name] for name in order}, classes)
        assert native == pure
        again = prints_of({name: around[name] for name in order}, classes)
        digests.append(combined_digest("abc", again))
        digests.append(combined_digest("abc", prints_of(around, classes)))  # while what was made on the way is kept
    assert len(set(digests)) == 1


class Shown:
    """Its class makes up its attributes."""

    __dict__ = property(lambda self: {"shown": 1})  # type: ignore[assignment]

    def __init__(self, *values: object) -> None:
        self.values = values


class Hidden:
    def __init__(self, *values: object) -> None:
        self.values = values

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


@pytest.mark.parametrize("kind", [Shown, Hidden])
def test_an_instance_is_what_its_class_shows_of_it(kind: type) -> None:
    one, other = kind(1), kind([2])
    for _ in range(2):
        native, pure = by_both({"a": [one, other], "b": other}, {})
        assert native == pure


@settings(max_examples=300, deadline=None)
@given(st.lists(ATOMS, max_size=40))
def test_both_write_plain_sequences_alike(atoms: list[Any]) -> None:
    some = [each for each in atoms if type(each).__hash__]
    objects = {
        "a": atoms,
        "b": tuple(atoms),
        "c": dict(zip("abcde", atoms, strict=False)),
        "d": set(some),
        "e": frozenset(some),
    }
    native, pure = by_both(objects, {})
    assert native == pure


@pytest.mark.parametrize("size", [1023, 1024, 3000, 40_000])
@pytest.mark.parametrize("item", [lambda n: n, lambda n: str(n) * (n % 90), lambda n: (1 << 100) + n, lambda n: n / 7])
def test_both_write_large_sets_alike(size: int, item: Any) -> None:
    mixed = {item(number) for number in range(size)}
    gone = set(mixed)
    gone.discard(item(5))
    gone.add("another")
    others = {"a": mixed, "b": frozenset(mixed), "c": gone, "d": {*mixed, (1, 2)}}
    native, pure = by_both(others, {})
    assert native == pure
    assert len({told[0] for told in native[0].values()}) == 4


def test_a_large_set_has_the_same_digest_in_any_order() -> None:
    items = [f"item {number}" for number in range(5000)]
    turned = {*reversed(items)}
    turned |= {str(number) for number in range(20_000)}
    turned &= set(items)
    one, other = prints_of({"a": set(items), "b": turned}, {}).values()
    assert list(turned) != list(set(items))
    assert one.digest == other.digest


MESSAGE = email.message.Message()


@pytest.mark.parametrize(
    "obj",
    [
        [{"a": [1, "b"]}] * 3000,
        {(number, str(number)): number for number in range(3000)},
        {str(number): [number] for number in range(3000)},
        [float(number) for number in range(3000)],
        ["word"] * 100 + ["with \0 in it"],
        [datetime.datetime(2020, 1, 1), datetime.timedelta(1), decimal.Decimal("1.5"), range(3)],
        [bytearray(b"abc"), memoryview(b"abc"), slice(1, 2), collections.defaultdict(list, a=[1])],
        [collections.deque([number, [number]], maxlen=5) for number in range(9)] * 2,
        [collections.defaultdict(None), collections.Counter("aab"), fractions.Fraction(1, 7), iter([1]), object()] * 2,
        [datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)] * 2 + [itertools.count(3), enumerate("ab")],
        ["x" * (1 << 20)] * 100,
        [10**4000] * 3,
        (),
        [[], (), {}, set(), frozenset()],
        [functools.partial(len), functools.partial(int, base=2), operator.attrgetter("a")] * 2,  # no attributes yet
        [string.Formatter(), string.Formatter().format, MESSAGE, vars(MESSAGE), argparse.Namespace(a=[1]), copy.Error],
        [io.StringIO("a"), uuid.UUID(int=3), pathlib.PurePath("a"), dataclasses.MISSING, ipaddress.ip_address("::1")]
        * 2,
    ],
    ids=range(17),
)
def test_both_find_the_same(obj: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    native, pure = by_both({"a": obj, "b": [obj], "c": (obj, 1)}, {})
    assert native == pure
    hold([obj, *(obj if type(obj) is list else ())], monkeypatch)
    native, pure = by_both({"a": obj, "b": [obj], "c": (obj, 1)}, {})
    assert native == pure


def hold(objects: Iterable[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's has held these since its import: what cannot be taken apart goes by its place there."""
    module = types.ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", module)
    vars(module).update((f"n{number}", obj) for number, obj in enumerate(objects))
    tracked_modules.add("mine")
    held_since_import.update({id(obj): ("mine", name) for name, obj in vars(module).items()})


def test_what_goes_by_its_place_does_so_whoever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, when = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}), datetime.datetime(2020, 1, 1)
    monkeypatch.setattr(pandas.DataFrame, "__reduce_ex__", lambda self, protocol: 1 / 0, raising=False)
    objects = {"frame": [frame], "lock": [threading.Lock(), when], "view": [memoryview(b"a")], "handle": [sys.stdout]}
    apart, _ = by_both(objects, {})
    hold([frame, when, *(each[0] for each in objects.values())], monkeypatch)
    native, pure = by_both(objects, {})
    assert native == pure
    assert native != apart


LAST: list[Any] = ["é", "\ud800", "\0", "a\0b", 5, 2.5, True, None, b"b", 1j, 1 << 70, 10**5000, [], ..., "x" * 300_000]


@pytest.mark.parametrize("item", [str, float, int, lambda n: (n, str(n), None)[n % 3], lambda n: "é日"[n % 2] * n])
def test_both_write_long_sequences_alike(item: Any) -> None:
    """Natively nothing of the length of their content is made; which way they are written depends on all items."""
    items = [item(number) for number in range(2100)]
    variables = {f"v{number}": [*items, last] for number, last in enumerate(LAST)}
    variables |= {"plain": items, "keys": dict.fromkeys(items, 1), "first": [LAST[0], *items]}
    native, pure = by_both(variables, {})
    assert native == pure


# -- what happens meanwhile ----------------------------------------------------------------------------


@often(100, 3000)
def test_objects_may_change_while_they_are_walked(classes: dict[str, Any], times: int) -> None:
    """Whatever is found: the walk comes to an end, and the interpreter lives."""
    makers, done = classes["MAKERS"], threading.Event()
    before = sys.getswitchinterval()
    things: list[Any] = [[], {}, set(), {"a": []}, classes["Plain"]([], {}), classes["Plain"](1, 2)]

    def change() -> None:
        dice = random.Random(5)
        while not done.is_set():
            target = dice.choice(things)
            part = dice.choice([1, "s" * dice.randrange(300), dice.choice(makers)(1, [2]), list(range(50)), (1, [])])
            if type(target) is list:
                target[dice.randrange(len(target) + 1) :] = [part] * dice.randrange(40)
            elif type(target) is dict:
                target[dice.randrange(60)] = part
                target.pop(dice.randrange(60), None)
            elif type(target) is set:
                target.add(dice.randrange(3000))
                target.discard(dice.randrange(3000))
            else:
                setattr(target, f"a{dice.randrange(20)}", part)
                vars(target).pop(f"a{dice.randrange(20)}", None)

    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(times):
            assert prints_of({"x": things}, classes)["x"].digest
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(before)


def test_objects_that_are_freed_meanwhile_run_their_destructors_once(classes: dict[str, Any]) -> None:
    freed: list[int] = []

    class Loud:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            freed.append(self.number)
            things.clear()

    things: list[Any] = [Loud(number) for number in range(2000)]
    held = {"x": [things, [Loud(-1)]]}
    prints_of(held, classes)
    del held
    things.clear()
    gc.collect()
    assert sorted(freed) == list(range(-1, 2000))


def test_nothing_is_kept(classes: dict[str, Any]) -> None:
    class Leaf:
        pass

    leaf = Leaf()
    things = {"x": [leaf, (leaf,), {leaf: leaf}, {leaf}, collections.deque([leaf])]}
    things["x"] += [classes[name](leaf) for name in ("Plain", "Both", "Slotted")] * 3
    prints_of(things, classes)
    gc.collect()
    before = sys.getrefcount(leaf), sys.getrefcount(Leaf), sys.getrefcount(classes["Plain"]), sys.getrefcount(None)
    for _ in range(20):
        prints_of(things, classes)
    gc.collect()
    after = sys.getrefcount(leaf), sys.getrefcount(Leaf), sys.getrefcount(classes["Plain"])
    assert after == before[:3]
    assert abs(sys.getrefcount(None) - before[3]) < 200


def test_a_walk_that_is_to_stop_stops() -> None:
    asked = []

    def should_stop() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(WalkAbandoned):
        Fingerprinter(ReductionTable({}), should_stop=should_stop).take([[number] for number in range(100_000)])
    assert len(asked) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_a_walk_is_interrupted() -> None:
    import signal

    deep = [[[number]] for number in range(1_000_000)]
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    fingerprinter = Fingerprinter(ReductionTable({}))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(KeyboardInterrupt):
            fingerprinter.take(deep)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_what_a_signal_handler_of_the_users_raises_ends_no_walk() -> None:
    import signal

    def handler(*_: object) -> None:
        raise TimeoutError

    deep = [[[number]] for number in range(1_000_000)]
    before = signal.signal(signal.SIGVTALRM, handler)
    fingerprinter = Fingerprinter(ReductionTable({}))
    fingerprinter.take([[]])  # what is worked out once
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        taken = fingerprinter.take(deep)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert taken.opaque == (list,)


# -- the pieces ----------------------------------------------------------------------------------------


@given(st.binary(max_size=240))
def test_short_digests_are_those_of_xxhash(data: bytes) -> None:
    native: Any = importlib.import_module("kishu_kernel.native.walker")
    assert native.short_digest(data) == xxhash.xxh3_64_intdigest(data)


def test_short_digests_of_each_length() -> None:
    native: Any = importlib.import_module("kishu_kernel.native.walker")
    for length in range(241):
        data = os.urandom(length)
        assert native.short_digest(data) == xxhash.xxh3_64_intdigest(data)
    with pytest.raises(ValueError, match="xxhash"):
        native.short_digest(bytes(241))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("siprg"), st.integers(1, 2000), st.integers(-5, 5))))
def test_a_memo_is_as_a_dict(steps: list[tuple[str, int, int]]) -> None:
    memo, model = twins.NATIVE.memo(), dict[int, int]()
    for step, near, number in steps:
        key = near * 16 if near % 2 else (near << 40) + 16
        if step == "s":
            memo[key] = model[key] = number
        elif step == "i":
            assert memo.setdefault(key, number) == model.setdefault(key, number)
        elif step == "p":
            assert memo.pop(key, None) == model.pop(key, None)
        assert (key in memo, memo.get(key), len(memo)) == (key in model, model.get(key), len(model))
    assert memo == model == dict(memo.items())
    assert twins.NATIVE.memo(memo) == twins.NATIVE.memo(model) == memo
    assert sorted(memo) == sorted(model)


def test_attributes_are_read_and_none_is_made() -> None:
    class Fresh:
        def __init__(self, first: object, second: object) -> None:
            self.a0, self.a1 = first, second

    obj = Fresh(1, [2])
    obj.later = "x"
    del obj.a0
    seen = peek(obj)
    prints_of({"x": [obj]}, {})
    if sys.version_info[:2] in ((3, 11), (3, 12)):
        assert seen == {"a1": [2], "later": "x"}
        assert peek(obj) == seen  # the walk has made none either
        assert list(vars(obj).items()) == list(seen.items())
    assert peek(obj) is None
    assert peek(5) is peek("x") is peek(int) is None


FUNCTIONS = """
import functools
def bare(): pass
def told(a, b=[1], *, c={}) -> "int":
    "What it does."
def annotated(a: list, b: "str") -> dict: pass
annotated.note = [annotated, told]
def closed(value):
    def inner(): return value, inner
    return inner
one = closed([1]); two = closed(one)
def half():
    def inner(): return late
    return inner
    late = 1
empty = half()
def keeper(): pass
held = keeper.__dict__
def shared(): pass
shared.__dict__ = held
both = [keeper, shared]
cached = functools.lru_cache(told)
wrapped = functools.wraps(told)(bare)
@functools.singledispatch
def dispatched(a): pass
@dispatched.register
def _(a: int): pass
named = eval("lambda x: x")
named.__name__, named.__qualname__, named.__module__, named.__doc__ = "n", "q", "os", ["d"]
copy = type(told)(told.__code__, globals(), "copy", told.__defaults__)
foreign = type(told)(told.__code__, {"__name__": "no_module"}, "foreign")
"""

BOUND = """
import abc, enum
CLASSES_APART = True
class Way(enum.Enum):
    NORTH = "n"
    SOUTH = ["s"]
class Flags(enum.IntFlag):
    A = 1
    B = 2
class Base(abc.ABC):
    def look(self): return Way.NORTH
class Room(Base):
    way = Way.NORTH
    def __init__(self, *held): self.held = held
class Meta(type):
    def __hash__(cls): return 3
class Made(metaclass=Meta):
    kinds = [Room, Way]
hall = Room(Way.NORTH, Way.SOUTH, Flags.A | Flags.B, Flags.A, Room, Made, Base)
attic = Room(hall, Way.NORTH, Way, Made)
ways = list(Way), Way.__members__, Base.look, hall.look
made = Made()
"""


@pytest.mark.parametrize("held", [False, True], ids=["", "held by a module of the user's"])
@pytest.mark.parametrize("code", [FUNCTIONS, BOUND], ids=["functions", "classes that variables are bound to"])
def test_functions_and_classes_are_the_same_however_many_have_met_them(
    classes: dict[str, Any], code: str, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(classes)
    exec(code, classes)
    own = {name: classes[name] for name in classes.keys() - before if not isinstance(classes[name], types.ModuleType)}
    if held:
        hold(own.values(), monkeypatch)
    try:
        for objects in (own, dict(reversed(own.items())), {"all": list(own.values()), **own}):
            native, pure = by_both(objects, classes)
            assert native == pure
        for name, obj in own.items():  # what one walk has found tells nothing of where another one begins
            assert by_both({name: obj}, classes)[0][0][name] == native[0][name]
    finally:
        for name in own:
            del classes[name]
