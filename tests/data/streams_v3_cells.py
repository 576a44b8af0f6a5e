"""The cells that `make_streams_v3.py` ran; what they made is looked at in `store/stream_looks.py`.

Law: no line of it is changed, as the store that it made is not made again.
"""

from __future__ import annotations

FUNCTIONS = (
    """
import abc, array, collections, ctypes, dataclasses, datetime, decimal, enum, functools, http.cookies
import io, os, re, statistics, types, typing, weakref
import numpy as np
import pandas as pd
from ctypes import wintypes
""",
    """
LIMIT = 10
def plain(a, b=2, *rest: int, key="k", **more) -> str:
    "Its text."
    return f"{a} {b} {rest} {key} {more} {LIMIT}"
plain.tag = ["of the function"]
""",
    """
kept = []
def keep(item, into=kept):
    into.append(item)
    return into
""",
    """
def make_counter():
    count = 0
    def up():
        nonlocal count
        count += 1
        return count
    def down():
        nonlocal count
        count -= 1
        return count
    return up, down
up, down = make_counter()
reached = up()
""",
    """
def make_factorial():
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)
    return factorial
factorial = make_factorial()
def make_early():
    def early():
        return late
    return early
    late = 1
early = make_early()
""",
    "cell = types.CellType([1, 2])\nempty_cell = types.CellType()",
    """
@functools.lru_cache(maxsize=3, typed=True)
def square(n):
    return n * n
squared = square(5)
""",
    "middle = types.FunctionType((lambda values: fmean(values)).__code__, vars(statistics), 'middle')",
    "expression = compile('6 * 7', '<mine>', 'eval')",
    "half = functools.partial(lambda a, b: a / b, b=2)",
)

CLASSES = (
    """
class Account:
    "An account."
    opened = 0
    def __init__(self, balance):
        self.balance = balance
        Account.opened += 1
    def deposit(self, amount):
        self.balance += amount
        return self.balance
    @property
    def double(self):
        return 2 * self.balance
    @classmethod
    def empty(cls):
        return cls(0)
    @staticmethod
    def rate():
        return 0.5
    class Entry:
        pass
class Savings(Account):
    def deposit(self, amount):
        return super().deposit(amount) + 1000
account = same_account = Account(5)
deposit = account.deposit
savings = [Savings(1), Account.Entry()]
""",
    """
class Spot:
    __slots__ = ("x", "y")
spot = Spot()
spot.x = 1
class Guarded:
    __slots__ = ("held", "empty", "__dict__")
    def __setattr__(self, name, value):
        raise AttributeError(name)
guarded = Guarded()
object.__setattr__(guarded, "held", [1])
object.__setattr__(guarded, "besides", guarded.held)
""",
    """
@dataclasses.dataclass(order=True)
class Item:
    name: str
    tags: list = dataclasses.field(default_factory=list)
@dataclasses.dataclass(frozen=True)
class Key:
    a: int
    b: str = "b"
item = Item("one", ["tag"])
keys = [Key(1), Key(2, "c")]
""",
    """
class Planet(enum.Enum):
    EARTH = (5, 6)
    HOME = (5, 6)
    MARS = (1, 3)
    def __init__(self, mass, radius):
        self.mass = mass
    def weigh(self):
        return self.mass * 10
Planet.MARS.note = "red"
planet = Planet.EARTH
class Colour(enum.Enum):
    RED = 1
    ROT = 1
    BLUE = 2
colours = [Colour.RED, Colour.BLUE]
""",
    """
class Pair(typing.NamedTuple):
    left: int
    right: str = "r"
pair = Pair(1)
Corner = collections.namedtuple("Corner", "x y")
corner = Corner(1, y=2)
""",
    """
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...
class Square(Shape):
    def __init__(self, side):
        self.side = side
    def area(self):
        return self.side ** 2
class Circle:
    pass
registered = Shape.register(Circle)
shapes = [Square(3), Circle()]
""",
    """
class Meta(type):
    made = []
    def __new__(meta, name, bases, namespace):
        cls = super().__new__(meta, name, bases, namespace)
        Meta.made.append(cls)
        return cls
    def __setattr__(cls, name, value):
        super().__setattr__(name, [value])
class Widget(metaclass=Meta):
    size = 3
Widget.colour = "red"
widget = Widget()
""",
    """
class Plugin:
    plugins = {}
    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        Plugin.plugins[cls.__name__] = cls
class Csv(Plugin):
    pass
""",
    """
T = typing.TypeVar("T")
class Box(typing.Generic[T]):
    def __init__(self, content):
        self.content = content
box = Box[int](3)
""",
)

INSTANCES = (
    """
class Words(list):
    def append(self, word):
        super().append(word.upper())
class Counted(dict):
    puts = 0
    def __setitem__(self, key, value):
        self.puts += 1
        super().__setitem__(key, value)
class Ordered(collections.OrderedDict):
    def items(self):
        return [("no", "items")]
class Grouped(collections.defaultdict):
    def __setitem__(self, key, value):
        super().__setitem__(key, [value])
class Unique(set):
    def __iter__(self):
        return iter("none")
class Octets(bytearray):
    def append(self, number):
        super().append(number + 1)
class Queue(collections.deque):
    def append(self, item):
        super().append((item,))
words, counted, ordered, grouped = Words(), Counted(), Ordered(b=1, a=2), Grouped(list)
words.append("a"); words.tag = words
counted["a"] = 1; counted["a"] = 2
ordered.move_to_end("b")
grouped["x"] = 1
unique, octets, queue = Unique([1, 2]), Octets(b"ab"), Queue(maxlen=3)
octets.append(99)
queue.append(1)
""",
    """
def made(base, *arguments):
    kind = type("Own" + base.__name__, (base,), {"__new__": lambda cls, *given: base.__new__(cls, *given)})
    value = kind(*arguments)
    value.tag = [base.__name__]
    return value
values = [
    made(int, 5), made(float, 0.5), made(complex, 1j), made(str, "text"), made(bytes, b"raw"), made(tuple, (1, 2)),
    made(frozenset, {1}), made(decimal.Decimal, "1.50"), made(datetime.date, 2024, 2, 29),
    made(datetime.datetime, 2024, 2, 29, 12), made(datetime.time, 12, 30), made(datetime.timedelta, 3),
    made(array.array, "d", [1.5]), made(types.SimpleNamespace),
]
""",
    """
class Settings(dict):
    pass
settings = Settings(a=1)
settings.source = settings
""",
    """
class Problem(OSError):
    def __init__(self, code, hint):
        super().__init__(code, f"problem {code}", "file")
        self.hint = hint
try:
    try:
        {}["a"]
    except KeyError as error:
        raise Problem(2, "try again") from error
except Problem as error:
    problem = error
""",
    """
try:
    try:
        {}["b"]
    except KeyError:
        raise ValueError("outer", 3)
except ValueError as error:
    failure = error
try:
    raise RuntimeError("alone") from None
except RuntimeError as error:
    alone = error
""",
    """
class Target:
    pass
target = Target()
alive, proxy = weakref.ref(target), weakref.proxy(target)
""",
    "dead = weakref.ref(type('Gone', (), {})())",
    """
class Watched:
    pass
heard, watched = [], Watched()
watching = weakref.ref(watched, lambda reference, into=heard: into.append("gone"))
""",
    """
table = {"a": 1}
views = [table.keys(), table.values(), table.items(), types.MappingProxyType(table)]
""",
    "sentinels = [dataclasses.MISSING, dataclasses.KW_ONLY]",
    "number, numbers, point = ctypes.c_int(7), (ctypes.c_int * 3)(1, 2, 3), wintypes.POINT(3, 4)",
    """
with open("closed.txt", "w", encoding="latin-1") as text_file:
    written = text_file.write("x")
with open("closed.txt", "rb") as binary_file: pass
with open("closed.txt", "rb", buffering=0) as raw_file: pass
""",
    """
cookie = http.cookies.SimpleCookie("a=1; b=2")
cookie["a"]["path"] = "/x"
""",
    "polynomial = np.polynomial.Polynomial([1, 2])",
    """
class Lower:
    def name(self):
        return "lower"
class Upper(Lower):
    def name(self):
        return "upper"
above = super(Upper, Upper())
""",
)

ARRAYS = (
    """
small = np.arange(10)
large = np.arange(5000) / 4
fortran = np.asfortranarray(np.arange(6000.0).reshape(60, 100))
frozen = np.arange(4)
frozen.flags.writeable = False
dates = np.array(["2024-02-29", "NaT"], "M8[D]")
records = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
gaps = np.arange(20)[::2]
""",
    "owner = np.arange(1000)\nwindow = owner[10:20]\ntable_of_it = owner[:100].reshape(10, 10).T",
    "left, right = (lambda whole: (whole[:700], whole[300:]))(np.zeros(1000))",
    "backwards = np.arange(5)[::-1]",
    "text = np.array([f'line {n}: {n * n % 7919}' for n in range(3000)], object)\nsome_text = text[5:8]",
    """
few_words = np.array([["red", "green", None, np.nan][n % 4] for n in range(4096)], object)
odd_words = np.array(["a", np.nan, None], object)
odd_words.flags.writeable = False
""",
    "things = np.empty(2, object)\nthings[:] = [{'a': 1}, [2]]\nthe_same = things[1]",
    """
matrix = np.matrix([[1, 2], [3, 4]])
matrix.tag = "mine"
still = np.matrix([[1, 2]])
still.flags.writeable = False
masked = np.ma.masked_array([1, 2, 3], [False, True, False])
still_masked = np.ma.masked_array([4, 5], [True, False])
still_masked.flags.writeable = False
""",
    """
class Labelled(np.ndarray):
    def __new__(cls, values, label):
        made = np.asarray(values).view(cls)
        made.label = label
        return made
labelled, sealed = Labelled([1.0, 2.0], "metres"), Labelled([3], "kilos")
sealed.flags.writeable = False
""",
    "frame = pd.DataFrame({'n': [1, 2, 3], 'x': [0.5, None, 2.5]}, index=[10, 20, 30])",
    """
by_na, by_nan, by_objects = (lambda names: (
    pd.DataFrame({"name": pd.array([*names, pd.NA], "string[python]")}),
    pd.DataFrame({"name": pd.Series([*names, np.nan], dtype="str")}),
    pd.DataFrame({"name": pd.Series([*names, None], dtype=object), "n": range(3000)}),
))([f"name {n}" for n in range(2999)])
""",
    """
from matplotlib.figure import Figure
figure = Figure()
axes = figure.add_subplot(title="A title")
shown = axes.imshow([[1, 2], [3, 4]], cmap="viridis")
""",
)

BY_HAND = (
    "by_hand = __import__('loan').lend('tensor', 'optimizer', 'name')",
    "storage = __import__('loan').lend('storage')[0]",
)
"""What only large libraries have written: the maker lends the objects."""

OPEN = """
with open("lines.txt", "w") as made_for_it:
    made_for_it.writelines(f"line {n}\\n" for n in range(5))
del made_for_it
reader = open("lines.txt", encoding="utf-8")
first_line = reader.readline()
where, identity = os.path.abspath("lines.txt"), (os.stat("lines.txt").st_dev, os.stat("lines.txt").st_ino)
"""
END = "reader.close()\ndel reader, storage"
"""No state that anybody goes to holds what cannot be loaded everywhere."""

ALL = (*FUNCTIONS, *CLASSES, *INSTANCES, *ARRAYS, *BY_HAND, OPEN, END)
