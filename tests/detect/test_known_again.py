"""What has not changed since it was walked is known again; what has changed in any way, is walked."""

from __future__ import annotations

import gc
import itertools
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.detect.known_again import KnownAgain
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.objects.codec.bound_classes import BoundClasses
from kishu_kernel.objects.own_modules import held_since_import, tracked_modules
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import WALKER, shape_of

SOURCE = """
import abc, collections, enum, functools, threading, types, typing, weakref
from dataclasses import dataclass, field

class Way(enum.Enum):
    NORTH = "n"
    SOUTH = "s"
    @property
    def back(self): return self.value

class Base(abc.ABC):
    known = {}
    def __init_subclass__(cls): Base.known[cls.__name__] = cls

class Lamp(Base):
    __slots__ = ("oil", "other")
    def __init__(self): self.oil = 5

class Cage:
    limits = [1, {"a": 2}]
    step = property(lambda self: 1, lambda self, value: None)
    @classmethod
    def make(cls, size={"x": 1}): return cls()
    @staticmethod
    def help(): return help

class Cell(Cage):
    pass

@dataclass
class Room:
    name: str
    things: list = field(default_factory=list)
    exits: dict = field(default_factory=dict)

def counter(start=(1, [2])):
    count = [start]
    def step(by: int = 1, *, much={"k": 1}):
        return count, by, much
    step.note = {"b": 2}
    return step

class Hinted:
    some: int
Hinted.__annotations__ = {
    "some": list[int], "one": int | None, "kept": typing.ClassVar[dict[str, Room]], "any": typing.Any,
    "first": typing.Optional["Hinted"], "way": typing.Literal["n"], "call": typing.Callable[[int], Room | None],
    "many": typing.List[Room], "held": dict[str, Cage], "items": tuple[int, ...], "said": typing.Annotated[int, [1]],
}
def hinted(some): return some
hinted.__annotations__ = {"some": typing.Union[Room, int], "return": typing.Iterable[Room]}

step = counter()
hall, attic = Room("hall"), Room("attic")
hall.exits[Way.NORTH] = attic
lamp = Lamp()
hall.things.append(lamp)
cages = (Cage(), {1, 2}, frozenset({3}), Cage.make, [1.5, None, b"x", 2j])

recent = collections.deque([1, [2], {"a": 3}], 5)
table = collections.defaultdict(list, {"a": [1], 2: {"b": 3}})
locks = [threading.RLock(), threading.Lock()]
seen = [weakref.ref(cages[0]), weakref.ref(Cage()), weakref.ref(cages[0], hinted)]
fields = [collections.namedtuple("Pair", "one other").one]
behind = {"k": [1], "lamp": lamp}
proxy = types.MappingProxyType(behind)
@functools.lru_cache(maxsize=None)
def cached(number): return [number]
@functools.lru_cache(maxsize=2)
def bounded(number): return [number]
for each in (1, 2): cached(each), bounded(each)
shown, Prison, calls = hall, Cage, [cached, bounded]

class Mood(enum.IntFlag):
    HUNGRY = 1
    WET = 2
class Rank(str, enum.Enum):
    FIRST = "one"
class Point(typing.NamedTuple):
    x: object
    y: int = 0
class Noted(collections.namedtuple("Noted", "text")):
    pass
class Walked(collections.namedtuple("Walked", "text")):
    __slots__ = ()
    def __iter__(self): return iter(Cage.limits)
class Degree(float):
    pass
class Label(str):
    pass
class Wide(int):
    pass
moods = [Mood.WET, Mood.WET | Mood.HUNGRY, Rank.FIRST]
where = {Point(0, 0): [1], Point(0, 1): attic}
tuples = [Point([1], 2), Noted([2]), cached.cache_info(), Walked([3])]
numbers = [Degree(2.5), Label("über"), Wide(7)]
numbers[0].unit, numbers[1].note, numbers[2].note = ["C"], [1], [2]
tuples[1].note = [3]
@functools.singledispatch
def use(thing, who): return 1
@use.register
def use_lamp(thing: Lamp, who): return who
use(3, 4)
class Single(type):
    made = {}
    def __call__(cls, *args):
        return Single.made.setdefault(cls, super().__call__(*args))
class World(metaclass=Single):
    def __init__(self): self.turn = [0]
class Registered(abc.ABCMeta): level = [1]
class Listed(metaclass=Registered): data = [1]
class Unnamed(type): level = [1]
worlds = [World(), Listed(), Unnamed("Made", (), {"size": [1]})]
del Unnamed
def with_modules(one=types, other=enum): return one, other
"""
NAMES = ("Way", "Base", "Lamp", "Cage", "Cell", "Room", "Hinted", "hinted", "step", "hall", "attic", "lamp", "cages")
NAMES += (
    "recent",
    "table",
    "locks",
    "seen",
    "fields",
    "behind",
    "proxy",
    "cached",
    "bounded",
    "shown",
    "Prison",
    "calls",
    "Mood",
    "Rank",
    "Point",
    "Noted",
    "moods",
    "where",
    "tuples",
    "numbers",
    "use",
    "with_modules",
    "Single",
    "World",
    "Listed",
    "worlds",
)

CHANGES = r"""
Way.NORTH.note = 1
Way.back.fget.__defaults__ = (1,)
Base.known["more"] = 1
del Base.known["Lamp"]
Base.register(Cage)
Lamp.brand = "Aladdin"
lamp.oil = 6
lamp.other, lamp.oil = lamp.oil, lamp.other if hasattr(lamp, "other") else 5
Cage.limits[1]["a"] = 3
Cage.limits.append(4)
Cage.step = property(lambda self: 1, lambda self, value: 1)
Cage.step.__init__(None, Cage.step.fget)
Cage.make.__func__.__defaults__[0]["x"] = 2
Cage.make.__func__.__code__ = counter.__code__
Cage.help.__doc__ = "helps"
Cage.help.__annotations__["return"] = int
Cage.__name__ = "Prison"
Cage.__qualname__ = "Prison"
Cell.__bases__ = (Room,)
Room.__init__.__kwdefaults__ = {"name": "x"}
Room.__dataclass_fields__["things"].metadata = {"a": 1}
Room.join = counter
step.__closure__[0].cell_contents[0][1].append(3)
step.__closure__[0].cell_contents = [(1, [2])] * 2
step.__kwdefaults__["much"]["k"] = 2
step.note["b"] = 3
step.__dict__ = {"note": {"b": 2}, "other": 1}
step.__qualname__ = "other"
hall.name = "cellar"
hall.exits.clear()
del hall.things; hall.things = [lamp]; hall.exits = hall.exits
hall.more = None
attic.__class__ = Cage
attic.exits[Way.SOUTH] = hall
hall.exits[Way.NORTH] = Room("attic")
attic.things = hall.things
cages[0].kept = vars(hall)
cages[1].add(7)
cages[4][0] = 2.5
cages[4].append(cages[4])
Hinted.__annotations__["some"] = list[str]
Hinted.__annotations__["some"] = typing.List[int]
Hinted.__annotations__["one"] = int | str
Hinted.__annotations__["said"].__metadata__[0].append(2)
Hinted.__annotations__["kept"].__args__ = (int,)
Hinted.__annotations__["call"]._name = "Sized"
hinted.__annotations__["some"] = typing.Union[Room, str]
Cage.more = list[int]; list[int].__parameters__; Hinted.__annotations__["some"].__parameters__
def __reduce__(self): return Cage, ()\nCage.__reduce__ = __reduce__
recent.rotate(1)
recent.append(recent.popleft())
recent[1].append(3)
recent[2]["b"] = recent
recent = collections.deque(recent, 4)
recent = collections.deque([1])
table["b"]
table["a"].append(2)
table[2]["b"] = table.pop("a")
table.default_factory = dict
table = dict(table)
locks[0].acquire()
locks[1].acquire()
locks.append(locks.pop(0))
cages[0].more = 1
seen[0]().more = seen[1:]
cages = ()
hinted.note = [1]
fields[0].__doc__ = "said"
behind["k"].append(2)
behind["more"] = behind["k"]
proxy = types.MappingProxyType(dict(behind))
cached(1)
cached(3)
cached(1).append(2)
cached.cache_clear()
cached.note = [1]
cached.__wrapped__.__defaults__ = (1,)
bounded(1)
bounded(3)
bounded(1), bounded(2)
bounded(2).append(bounded(2))
bounded.__dict__["kept"] = vars(bounded)
moods[0] = Mood.HUNGRY
moods[1] &= Mood.WET
moods[1].note = [1]
Mood.WET.note = [1]
Rank.FIRST._value_ = "two"
Mood.__reduce_ex__ = lambda self, protocol: (Cage, ())
where[Point(0, 0)].append(2)
where[Point(0, 2)] = where.pop(Point(0, 1))
Point._field_defaults["y"] = 1
Point.__new__.__defaults__ = (1,)
tuples[0].x.append(2)
tuples[0] = tuples[0]._replace(y=3)
tuples[1].note.append(4)
tuples[1].more = vars(hall)
del tuples[1].note; tuples[1].note = [3]
tuples[1].text.append(tuples)
tuples[2] = cached.cache_info()._replace(hits=1)
Cage.limits[0] = 9
Noted.__getnewargs__ = lambda self: (1,)
Noted.__iter__ = lambda self: iter(Cage.limits)
numbers[0].unit.append("F")
numbers[0] = Degree(2.0)
numbers[1] = Label("uber")
numbers[2].note = vars(numbers[2])
numbers[2] = Wide(1 << 80)
use(lamp, 3)
use.register(Room, hinted)
use.registry[int] if int in use.registry else use.register(int)(hinted)
worlds[0].turn.append(1)
worlds[0].more = vars(worlds[0])
World.size = 1
Single.made.clear()
Single.made[World] = worlds
Single.level = 1
Single.__getattribute__ = lambda cls, name: type.__getattribute__(cls, name)
Single.__getattr__ = lambda cls, name: ()
Registered.level.append(2)
Listed.data.append(2)
Listed.register(Cage)
Listed.__class__ = abc.ABCMeta
type(worlds[2]).level.append(2)
type(worlds[2]).more = 3
worlds[2].size.append(2)
with_modules.__defaults__ = (enum, types)
with_modules.__defaults__ = (types, type(types)("enum"))
shown = Room("hall")
Prison = Cell
step = counter()
lamp = Lamp()
"""


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A notebook's namespace."""
    main = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(SOURCE, vars(main))
    return vars(main)


class Judge:
    """Takes the fingerprints of all, cell after cell."""

    def __init__(self, session: dict[str, Any], *more: str) -> None:
        self.session = session
        self.names = (*NAMES, *more)
        self.table = ReductionTable(session)
        self.again = KnownAgain(self.table)
        self.walked: list[str] = []

    def prints(self, again: KnownAgain | None) -> dict[str, Fingerprint]:
        variables = {name: self.session[name] for name in self.names}
        while True:
            bound = BoundClasses(self.table, variables, trust=again is not None)
            asked = None if again is None else lambda: again
            of = Fingerprinter(self.table, bound=bound.token_of, again=asked)
            found = {name: of.take(obj) for name, obj in variables.items()}
            if bound.are_so(of.certain_digest):
                return found

    def cell(self) -> dict[str, Fingerprint]:
        self.again.begin()
        return self.prints(self.again)


def told(prints: dict[str, Fingerprint]) -> Iterator[object]:
    """All that a judgement reads of fingerprints."""
    for name, each in prints.items():
        yield name, each.digest, each.codes, each.dynamic, each.modules, each.classes, each.kinds, each.token
    for pair in itertools.combinations(prints, 2):
        yield pair, combined_digest(pair, prints)


@pytest.mark.parametrize("change", [each.replace("\\n", "\n") for each in CHANGES.strip().splitlines()])
def test_a_change_is_seen(session: dict[str, Any], change: str) -> None:
    judge = Judge(session)
    for _ in range(3):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))
    exec(change, session)
    for _ in range(2):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))


OWN = """
import collections, queue, threading
CONF = {"a": [1]}
class Recipe: pass
def cook(what=CONF): return what
def maker():
    return lambda: CONF
soup, made, lock, waiting = Recipe(), maker(), threading.Lock(), queue.SimpleQueue()
def rows(): yield CONF
stream = rows()
"""
OF_OWN = {
    "data": ("more = own.CONF", "own.CONF['a'].append(2)"),
    "an instance": ("more = [own.soup]", "own.soup.salt = 1"),
    "a class": ("class more(own.Recipe): pass", "own.Recipe.salt = 1"),
    "a function": ("def more(one=own.cook): return one", "own.cook = hinted"),
    "a closure": ("more = [own.made]", "own.CONF = own.made = 1"),
    "a lock": ("more = [own.lock, own.waiting]", "own.lock = own.waiting = 1"),
    "a lock that is taken": ("more = [own.lock]", "own.lock.acquire()"),
    "what gives something up": ("more = [own.stream]", "next(own.stream)"),
    "what it holds no more": ("more = [own.lock, Cage, step]", "vars(own).clear()"),
    "what it holds since it was loaded anew": ("more = locks, step", "hold(own)"),
    "what is its own now": (
        "more = [collections.OrderedDict, collections.UserList()]",
        "tracked_modules.add('collections')",
    ),
    "what is its own no more": ("more = [own.Recipe, own.cook]", "tracked_modules.clear()"),
    "nothing of it": ("more = [hall, {'a': 1}]", "hall.things.append(1)"),
}


@pytest.fixture
def own(session: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A module of the user's, which holds things of Python's own."""
    module = type(sys)("own")
    monkeypatch.setitem(sys.modules, "own", module)
    exec(OWN, vars(module))

    def hold(own: Any) -> None:
        own.locks, own.step = session["locks"], session["step"]
        held_since_import.update({id(each): ("own", name) for name, each in list(vars(own).items())})

    hold(module)
    tracked_modules.add("own")
    session["own"] = module
    return {"own": module, "hold": hold, "tracked_modules": tracked_modules}


@pytest.mark.parametrize(("setup", "change"), OF_OWN.values(), ids=OF_OWN)
def test_a_change_is_seen_beside_a_module_of_the_users(
    session: dict[str, Any], own: dict[str, Any], setup: str, change: str
) -> None:
    exec(setup, session)
    judge = Judge(session, "more", "own")
    for _ in range(3):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))
    exec(change, session, own)
    for _ in range(2):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))


ELSEWHERE = {
    "a metaclass that no variable is bound to": (
        "class Made(type): level = 1\nclass more(metaclass=Made): pass\ndel Made",
        "type(more).level = 2",
    ),
    "a class that is registered with another": (
        "class Told: data = [1]\nBase.register(Told)\nmore = Told()\ndel Told",
        "more.data.append(2)",
    ),
    "what goes by the name that its library has for it": (
        "import calendar\nmore = [calendar.c]",
        "patch.setattr(calendar, 'c', calendar.TextCalendar())",
    ),
    "what is imported under the name of a module": (
        "import calendar as more",
        "patch.setitem(sys.modules, 'calendar', type(sys)('calendar'))",
    ),
    "how types are told": (
        "import typing\nmore = typing.Optional[int]",
        "patch.setattr(typing._GenericAlias, '__reduce__', lambda self: (list, ()))",
    ),
    "the name of a module that a function holds": (
        "import calendar\ndef more(one=calendar): return one",
        "patch.setattr(more.__defaults__[0], '__name__', 'colorsys')",
    ),
    "a module under its name that a function holds": (
        "import calendar\ndef more(one=calendar): return one",
        "patch.setitem(sys.modules, 'calendar', type(sys)('calendar'))",
    ),
    "how named tuples of a library are told": (
        "import functools\nmore = [functools._CacheInfo(1, 2, 3, 4)]",
        "patch.setattr('functools._CacheInfo.__reduce__', lambda self: (list, ()), raising=False)",
    ),
    "a class of a library under its name": (
        "from calendar import TextCalendar as more",
        "patch.setattr('calendar.TextCalendar', sys)",
    ),
    "a function of a library under its name": (
        "from calendar import monthrange as more",
        "patch.setattr('calendar.monthrange', sys)",
    ),
    "the name of a module": (
        "import calendar as more",
        "patch.setattr(more, '__name__', 'colorsys')",
    ),
    "what belongs to the library of an instance": (
        "import argparse\nmore = argparse.Namespace(room=hall)\nhall.more = argparse.Namespace(things=hall.things)",
        "patch.setattr(argparse, 'shared', hall.things, raising=False)",
    ),
    "what belongs to the library of a metaclass": (
        "more = Base.all = [1]",
        "patch.setattr(abc, 'shared', more, raising=False)",
    ),
}


@pytest.mark.parametrize(("setup", "change"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_change_elsewhere_is_seen(
    session: dict[str, Any], monkeypatch: pytest.MonkeyPatch, setup: str, change: str
) -> None:
    exec(setup, session)
    judge = Judge(session, "more")
    for _ in range(3):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))
    exec(change, session, {"patch": monkeypatch, "sys": sys})
    for _ in range(2):
        assert list(told(judge.cell())) == list(told(judge.prints(None)))


VERSIONS = WALKER is not None and sys.version_info[:2] in ((3, 11), (3, 12))


@pytest.mark.skipif(not VERSIONS, reason="nothing is known there")
def test_what_has_not_changed_is_not_walked(session: dict[str, Any]) -> None:
    judge = Judge(session)
    for _ in range(3):
        judge.cell()
    judge.again.begin()
    bound = BoundClasses(judge.table, {name: session[name] for name in NAMES}, trust=True).token_of
    assert [name for name in NAMES if judge.again.find(session[name], bound) is None] == []


LETTING_GO: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a class": lambda session: session["Cage"],
    "a function": lambda session: session["step"],
    "its code": lambda session: session["step"].__code__,
    "an instance": lambda session: session["hall"],
    "a set": lambda session: session["cages"][1],
    "a queue": lambda session: session["recent"],
    "a lock": lambda session: session["locks"][0],
    "a function with a cache": lambda session: session["cached"],
}


@pytest.mark.parametrize("find", LETTING_GO.values(), ids=LETTING_GO)
def test_nothing_is_kept_alive(session: dict[str, Any], find: Callable[[dict[str, Any]], Any]) -> None:
    judge = Judge(session)
    for _ in range(2):
        judge.cell()
    reference = weakref.ref(find(session))
    for name in (*NAMES, "counter"):
        del session[name]
    gc.collect()
    assert reference() is None
    session.update(dict.fromkeys(NAMES, 1))
    judge.cell()


@pytest.mark.skipif(WALKER is None, reason="nothing is known there")
@pytest.mark.parametrize("make", [list, tuple, set, dict.fromkeys], ids=["list", "tuple", "set", "dict"])
def test_large_containers_are_not_read(make: Callable[[range], Any]) -> None:
    few, many = make(range(100)), make(range(100_000))
    assert shape_of([few], lambda cls: True) is not None
    gc.collect()
    tracemalloc.start()
    try:
        assert shape_of(many, lambda cls: True) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 17
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not VERSIONS, reason="nothing is known there")
def test_what_changes_no_more_is_known_again_soon(session: dict[str, Any]) -> None:
    judge = Judge(session)
    for number in range(6):
        session["hall"].reads = number
        judge.cell()
    for _ in range(3):
        judge.cell()
    judge.again.begin()
    bound = BoundClasses(judge.table, {name: session[name] for name in NAMES}, trust=True).token_of
    assert judge.again.find(session["hall"], bound) is not None


@pytest.mark.skipif(not VERSIONS, reason="nothing is known there")
@pytest.mark.parametrize("changes", [False, True], ids=["it holds what cannot be read", "each cell changes it"])
def test_what_cannot_be_known_again_is_not_always_looked_at(session: dict[str, Any], changes: bool) -> None:
    looks = 0

    def bound(cls: type) -> None:
        nonlocal looks
        looks += 1

    again, room = KnownAgain(ReductionTable(session)), session["hall"]
    room.reads = 0 if changes else iter([])
    for number in range(30):
        again.begin()
        if changes:
            room.reads = number
        if again.find(room, bound) is None:
            again.walked(room, lambda obj: (Fingerprinter(ReductionTable(session)).take(obj), False), bound)
    assert 0 < looks < 30
