"""What a fingerprint sees: content and sharing inside, never addresses; and who is linked with whom."""

from __future__ import annotations

import builtins
import copyreg
import gc
import itertools
import sys
import types
from collections.abc import Iterator
from typing import Any

import pandas
import pytest

from kishu_kernel.detect.detector import Detector
from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.model import EVERYTHING, Digest
from kishu_kernel.objects.reduction_table import ReductionTable

pytestmark = pytest.mark.usefixtures("both_twins")


class Namespace:
    """Variables made by code, as in a notebook."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.live = vars(self.module)
        self.live.clear()
        self.live.update(__name__="__main__", __builtins__=builtins)
        self.table = ReductionTable(self.live)

    def run(self, code: str) -> Namespace:
        exec(compile(code, "<cell>", "exec", dont_inherit=True), self.live)
        return self

    def digest(self, name: str = "x") -> Digest:
        return Fingerprinter(self.table).take(self.live[name]).digest

    def together(self, *names: str) -> Digest:
        prints = Fingerprinter(self.table)
        return combined_digest(names, {name: prints.take(self.live[name]) for name in names})

    def components(self) -> set[tuple[str, ...]]:
        variables = {name: obj for name, obj in self.live.items() if not name.startswith("__")}
        return set(Detector(self.table).judge(EVERYTHING, variables).known)


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    namespace = Namespace()
    monkeypatch.setitem(sys.modules, "__main__", namespace.module)
    yield namespace
    for obj in namespace.live.values():
        if isinstance(obj, types.CoroutineType):
            obj.close()  # else Python complains that nobody awaited it
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


# -- the digest ----------------------------------------------------------------------------------------

VALUES = [
    "x = None",
    "x = 5",
    "x = 10 ** 5000",
    "x = float('nan')",
    "x = 'text' * 100_000",
    "x = '\\ud800 alone'",
    "x = [1, 'a', None, 2.5, b'b', True, 1j, ..., NotImplemented]",
    "x = [10 ** 5000, {10 ** 5000: 1}, {10 ** 5000}]",
    "x = {'a': 1, 2: [3], (4, 5): {6}}",
    "x = {1, 'a', (2, 3), frozenset({4})}",
    "x = [[], [[]], {}, set(), ()]",
    "x = []\nx.append(x)",
    "x = {}\nx['self'] = [x]",
    "x = bytearray(b'abc')",
    "import collections\nx = [collections.deque([1], 5), collections.Counter('aab'), collections.OrderedDict(a=1)]",
    "import collections\nx = collections.defaultdict(list, a=[1])",
    "import datetime, decimal, uuid, pathlib, re, fractions\n"
    "x = [datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal('1.5'), uuid.UUID(int=7),\n"
    "     pathlib.Path('a/b'), re.compile('a+'), fractions.Fraction(1, 3), range(5), slice(1, 2)]",
    "import functools, operator\nx = functools.partial(operator.add, 1)",
    "import random\nx = random.Random(5)",
    "def x(a, b=[1], *, c={}):\n    return a",
    "def make():\n    n = [0]\n    return lambda: n\nx = make()",
    "def x(n):\n    return n and x(n - 1)",
    "class x:\n    a = [1]\n    def f(self):\n        return super().__repr__()",
    "class C:\n    pass\nx = C()\nx.a = [x]",
    "class C:\n    __slots__ = ('a', 'b')\nx = C()\nx.a = 1",
    "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = 1\n"
    "    b: list = dataclasses.field(default_factory=list)\n"
    "x = [C(), C(2)]",
    "import enum\nclass C(enum.Enum):\n    A = 1\n    B = [2]\nx = [C.A, C.B]",
    "import typing\nclass C(typing.NamedTuple):\n    a: int\n    b: str = 'b'\nx = C(1)",
    "import abc\nclass B(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\nclass C(B):\n"
    "    def f(self): ...\nx = C()",
    "class M(type):\n    pass\nclass x(metaclass=M):\n    pass",
    "x = [1].append",
    "x = len",
    "import math\nx = math",
    "x = int",
    "x = [ValueError('a'), KeyError(1)]",
    "class E(Exception):\n    pass\nx = E('a', 1)",
    "import numpy as np\nx = np.arange(10.0)",
    "import numpy as np\nx = np.arange(12).reshape(3, 4)[::2, ::-1]",
    "import numpy as np\nx = np.asfortranarray(np.arange(12).reshape(3, 4))",
    "import numpy as np\nx = np.array(['2020-01-01', 'NaT'], 'M8[D]')",
    "import numpy as np\nx = np.array([(1, 'a')], [('i', int), ('s', 'U3')])",
    "import numpy as np\nx = np.array([[1], 'a', None], object)",
    "import numpy as np\nx = [np.zeros((0, 3)), np.float32(1), np.dtype('i4'), np.ma.masked_array([1, 2], [0, 1])]",
    "import numpy as np\nx = np.random.default_rng(3)",
    "import numpy as np\nx = np.random.RandomState(3)",
    "import pandas as pd\nx = pd.DataFrame({'a': [1, 2], 'b': ['x', None], 'c': pd.Categorical(['u', 'v'])})",
    "import pandas as pd\nx = pd.Series([1.5, 2], index=pd.MultiIndex.from_tuples([(1, 'a'), (2, 'b')]))",
    "import pandas as pd\nx = pd.date_range('2020', periods=3, tz='UTC')",
    "import pandas as pd\nx = pd.DataFrame({'a': [1, 1, 2]}).groupby('a')",
    "from sklearn.linear_model import LogisticRegression\nx = LogisticRegression().fit([[0], [1]], [0, 1])",
    "from sklearn.tree import DecisionTreeClassifier\n"
    "x = DecisionTreeClassifier(random_state=0).fit([[0], [1]], [0, 1])",
]


@pytest.mark.parametrize("code", VALUES)
def test_the_same_object_has_the_same_digest(main: Namespace, code: str) -> None:
    main.run(code)
    first = main.digest()
    gc.collect()
    assert [main.digest() for _ in range(3)] == [first] * 3
    again = Fingerprinter(main.table)
    assert again.take(main.live["x"]).opaque == ()


FIGURE = "from matplotlib.figure import Figure\nx = Figure()\nx.subplots().plot([1, 2])"


def test_a_figure_has_the_same_digest(main: Namespace) -> None:
    main.run(FIGURE)
    first = main.digest()
    assert [main.digest() for _ in range(3)] == [first] * 3


CHANGES = [
    ("x = 1", "x = 2"),
    ("x = 1", "x = True"),
    ("x = 1", "x = 1.0"),
    ("x = 0.0", "x = -0.0"),
    ("x = 'a'", "x = b'a'"),
    ("x = [1]", "x = (1,)"),
    ("x = [1, 2]", "x[0] = 2"),
    ("x = [1, 2]", "x.reverse()"),
    ("x = [True]", "x[0] = 1"),
    ("x = [1.0, 2.0]", "x[1] = 2"),
    ("x = ['a'] * 50", "x[49] = 'b'"),
    ("x = ['a', 'b'] + ['c'] * 50", "x[:2] = ['a\\0b'] + ['']"),
    ("x = ['a\\0b', 'c'] + ['d'] * 50", "x[:2] = ['a', 'b\\0c']"),
    ("x = ['1', '2']", "x[:] = [1, 2]"),
    ("x = [[], []]", "x[0] = x[1]"),
    ("x = [[1], [1]]", "x[0] = x[1]"),
    ("x = [{}, {}]", "x[0] = x[1]"),
    ("x = {'a': 1}", "x['a'] = 2"),
    ("x = {'a': 1}", "x['b'] = 1"),
    ("x = {'a': 1, 'b': 2}", "x['a'] = x.pop('a')"),
    ("x = {'a': [1]}", "x['a'].append(2)"),
    ("x = {(1, 2): 3}", "x[(1, 3)] = x.pop((1, 2))"),
    ("x = {1, 2}", "x.add(3)"),
    ("x = {1, 2}", "x = frozenset(x)"),
    ("x = {(1, 2)}", "x.add((2, 1))"),
    ("x = [1, [2, [3, [4, {}]]]]", "x[1][1][1][1]['k'] = 1"),
    ("x = bytearray(b'ab')", "x[0] = 1"),
    ("import collections\nx = collections.deque([1, 2])", "x.rotate()"),
    ("import collections\nx = collections.deque([1])", "x = collections.deque(x, 5)"),
    ("class C:\n    pass\nx = C()\nx.a = [1]", "x.a.append(2)"),
    ("class C:\n    pass\nx = C()", "x.b = 1"),
    ("class C:\n    pass\nx = C()\nx.a = 1", "del x.a"),
    ("class C:\n    k = 1\nx = C()", "C.k = 2"),
    ("class C:\n    k = [1]\nx = C()", "C.k.append(2)"),
    ("class B:\n    k = [1]\nclass C(B):\n    pass\nx = C()", "B.k.append(2)"),
    ("class C:\n    def f(self):\n        return 1\nx = C()", "C.f = lambda self: 2"),
    ("class C:\n    pass\nclass D:\n    pass\nx = C()", "x.__class__ = D"),
    ("class C:\n    __slots__ = ('a',)\nx = C()\nx.a = [1]", "x.a.append(2)"),
    ("class C(list):\n    pass\nx = C([1])", "x.append(2)"),
    ("class C(dict):\n    pass\nx = C(a=1)", "x.own = 2"),
    ("def make():\n    n = [0]\n    return lambda: n\nx = make()", "x().append(1)"),
    (
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up\nx = make()",
        "x()",
    ),
    ("def x(a=[]):\n    a.append(1)", "x()"),
    ("def x(*, a={}):\n    a[1] = 2", "x()"),
    ("def x():\n    x.calls = 1", "x()"),
    ("def x():\n    return 1", "def x():\n    return 2"),
    ("def x():\n    return 1", "def x():\n    return True"),
    ("def x():\n    return 0.0", "def x():\n    return -0.0"),
    ("def x():\n    return lambda: 1", "def x():\n    return lambda: 2"),
    ("def x(a: int):\n    pass", "x.__annotations__['a'] = str"),
    ("def x():\n    pass", "x.__doc__ = 'now'"),
    ("def f(a=[]):\n    a.append(1)\nx = [f]", "f()"),
    ("import functools\ndef f(a):\n    a.append(1)\nx = functools.partial(f, [])", "x()"),
    ("class C:\n    seen = 0\n    def see(self):\n        self.seen += 1\nx = C().see", "x()"),
    ("x = [1].append", "x(2)"),
    ("import random\nx = random.Random(5)", "x.random()"),
    ("x = iter([1, 2])", "next(x)"),
    ("import itertools\nx = itertools.count()", "next(x)"),
    ("x = zip([1, 2], [3, 4])", "next(x)"),
    ("import io\nx = io.BytesIO(b'abc')", "x.read(1)"),
    ("x = ValueError([1])", "x.args[0].append(2)"),
    ("x = ValueError()", "x.note = 1"),
    ("import types\nx = types.SimpleNamespace(a=[1])", "x.a.append(1)"),
    ("d = {}\nx = d.values()", "d[1] = 2"),
    ("import numpy as np\nx = np.zeros(5000)", "x[4999] = 1"),
    ("import numpy as np\nx = np.zeros((50, 50))[::2, ::2]", "x[3, 3] = 1"),
    ("import numpy as np\nx = np.zeros(5)", "x = x.reshape(1, 5)"),
    ("import numpy as np\nx = np.zeros(4)", "x = x.astype('f4')"),
    ("import numpy as np\nx = np.zeros(4)", "x.flags.writeable = False"),
    ("import numpy as np\nx = np.zeros((2, 3))", "x = np.asfortranarray(x)"),
    ("import numpy as np\nx = np.array([[1], 2], object)", "x[0].append(2)"),
    ("import numpy as np\nx = np.zeros(2, [('a', int)])", "x['a'][1] = 5"),
    ("import numpy as np\na = np.zeros(9); x = [a[:5], a[4:]]", "x[1] = x[1].copy()"),
    ("import numpy as np\nx = [np.zeros(3), np.zeros(3)]", "x[1] = x[0][:]"),
    ("import numpy as np\nx = np.ma.masked_array([1, 2])", "x[0] = np.ma.masked"),
    ("import numpy as np\nx = np.random.default_rng(3)", "x.random()"),
    ("import numpy as np\nx = np.random.RandomState(3)", "x.rand()"),
    ("import numpy as np\nx = np.float64(1)", "x = np.float32(1)"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.loc[0, 'a'] = 5"),
    ("import pandas as pd\nx = pd.DataFrame({'a': ['u', 'v']})", "x.loc[0, 'a'] = 'w'"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [[1], [2]]})", "x.loc[0, 'a'].append(5)"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x['b'] = 1"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.index = [5, 6]"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.index.name = 'n'"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.columns.name = 'n'"),
    ("import pandas as pd\nx = pd.DataFrame({'a': [1, 2]})", "x.attrs['k'] = 1"),
    ("import pandas as pd\nx = pd.Series([1, 2])", "x.name = 'n'"),
    ("import pandas as pd\nx = pd.Series([1, 2])", "x.iloc[1] = 7"),
    ("import pandas as pd\nx = pd.Series(['a', 'b'], dtype='category')", "x = x.cat.add_categories('c')"),
    ("import pandas as pd\nx = pd.Index([1, 2])", "x.name = 'n'"),
    (
        "from sklearn.linear_model import LinearRegression\nx = LinearRegression()",
        "x.fit([[0], [1]], [0, 1])",
    ),
    ("from sklearn.linear_model import LinearRegression\nx = LinearRegression()", "x.set_params(copy_X=False)"),
    (FIGURE, "x.axes[0].set_title('t')"),
    (FIGURE, "x.axes[0].lines[0].set_ydata([3, 4])"),
    (FIGURE, "x.axes[0].plot([1])"),
]


@pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy:DeprecationWarning")  # itertools, 3.12 and 3.13
@pytest.mark.parametrize(("before", "change"), CHANGES)
def test_a_change_on_any_way_changes_the_digest(main: Namespace, before: str, change: str) -> None:
    was = main.run(before).digest()
    assert main.run(change).digest() != was


def test_addresses_do_not_matter(main: Namespace) -> None:
    code = "x = [{'a': [1, 2]}, {3, (4, 5)}, bytearray(b'abc')]\nclass C:\n    pass\nx.append(C())\nx.append(x)"
    first = main.run(code).digest()
    alive = [main.live.pop("x"), main.live.pop("C")]
    assert main.run(code).digest() == first
    del alive


def test_sharing_between_variables_is_in_their_common_digest(main: Namespace) -> None:
    main.run("inner = [1]; x = [inner, [1]]; y = [inner]")
    shared_first = main.together("x", "y")
    main.run("y[0] = x[1]")
    assert main.together("x", "y") != shared_first
    main.run("y[0] = [1]")
    assert main.together("x", "y") != shared_first


def test_overlap_between_variables_is_in_their_common_digest(main: Namespace) -> None:
    main.run("import numpy as np\nx = np.zeros(10); y = x[2:5]")
    was = main.together("x", "y")
    main.run("y = x[3:6]")
    assert main.together("x", "y") != was


# -- what cannot be walked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "x = (i for i in [1])",
        "x = [(i for i in [1])]",
        "import sys\nx = sys._getframe()",
        "class C:\n    def __reduce_ex__(self, protocol):\n        raise ValueError\nx = [C()]",
        "class C:\n    def __getstate__(self):\n        raise ValueError\nx = C()",
    ],
)
def test_what_cannot_be_walked_says_so(main: Namespace, code: str) -> None:
    main.run(code)
    assert Fingerprinter(main.table).take(main.live["x"]).opaque


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nfor _ in range(200_000):\n    x = [x]",
        "class C:\n    pass\nx = None\nfor _ in range(50_000):\n    c = C(); c.next = x; x = c",
    ],
)
def test_depth_is_no_limit(main: Namespace, code: str) -> None:
    main.run(code)
    assert Fingerprinter(main.table).take(main.live["x"]).opaque == ()
    main.live.pop("c", None)
    nested: Any = main.live.pop("x")
    while isinstance(nested, list) and nested:  # the interpreter's own way to free it is recursive
        nested = nested.pop()


def test_objects_of_a_library_that_refer_to_each_other(main: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants of a module that know each other: the walk comes to an end."""
    library = types.ModuleType("kishu_test_library")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    code = (
        "class Node:\n    pass\n"
        "LEFT, RIGHT = Node(), Node()\nLEFT.other, RIGHT.other = RIGHT, LEFT\n"
        "def make():\n    node = Node()\n    node.other = LEFT\n    return node"
    )
    exec(code, vars(library))
    main.run("import kishu_test_library\nx = [kishu_test_library.make(), kishu_test_library.RIGHT]")
    first = main.digest()
    assert main.digest() == first


# -- links -----------------------------------------------------------------------------------------------

UNRELATED = [
    "a = 1; b = a",
    "a = b = 'the same text'",
    "a = b = ('a', 1)",
    "a = [1]; b = [1]",
    "a = ['shared ' * 9]; b = [a[0]]",
    "a = []; b = []",
    "a = [()]; b = [()]",
    "a = {'key': 1}; b = {'key': 2}",
    "import datetime\na = [datetime.date(2020, 1, 1)]; b = [a[0]]",
    "import datetime\na = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)\nb = [a]",
    "import decimal\na = decimal.Decimal(1); b = {'k': a}",
    "import pathlib, uuid, re\na = [pathlib.Path('x'), uuid.UUID(int=1), re.compile('a')]; b = a[:]",
    "a = [int, len, str.upper]; b = [int, len, str.upper]",
    "import math\na = [math]; b = [math.pi, math]",
    "import logging\na = [logging.getLogger('l')]; b = [logging.getLogger('l')]",
    "import dataclasses\n@dataclasses.dataclass\nclass a:\n    n: int = 1\n@dataclasses.dataclass\nclass b:\n"
    "    n: int = 1",
    "import dataclasses\n@dataclasses.dataclass\nclass a:\n    n: list = dataclasses.field(default_factory=list)\n"
    "@dataclasses.dataclass(frozen=True, order=True)\nclass b:\n    n: list = dataclasses.field(default_factory=list)",
    "import typing\nclass a(typing.NamedTuple):\n    n: int\nclass b(typing.NamedTuple):\n    n: int",
    "import collections\na = collections.namedtuple('a', 'x y'); b = collections.namedtuple('b', 'x y')",
    "import enum\nclass a(enum.Enum):\n    N = 1\nclass b(enum.Enum):\n    N = 1",
    "import enum\nclass a(enum.IntFlag):\n    N = 1\nclass b(enum.IntFlag):\n    M = 2",
    "import abc\nclass a(abc.ABC):\n    pass\nclass b(abc.ABC):\n    pass",
    "import typing\nclass a(typing.Generic[typing.TypeVar('T')]):\n    pass\nclass b(typing.Protocol):\n    pass",
    "import typing\nclass a(typing.TypedDict):\n    n: int\nclass b(typing.TypedDict):\n    n: int",
    "class a:\n    def f(self): ...\nclass b:\n    def f(self): ...",
    "def a(x: int = 1) -> str:\n    'doc'\ndef b(x: int = 1) -> str:\n    'doc'",
    "def a():\n    return b\ndef b():\n    return a",
    "def make(n):\n    return lambda: n\na = make(1); b = make(1)",
    "def make():\n    def inner():\n        return 1\n    return inner\na = make(); b = make()",
    "import functools, operator\na = functools.partial(operator.add, 1); b = functools.partial(operator.add, 1)",
    "import collections\na = collections.defaultdict(list); b = collections.defaultdict(list)",
    "import functools\n@functools.lru_cache\ndef a():\n    pass\n@functools.lru_cache\ndef b():\n    pass",
    "import random\na = random.Random(1); b = random.Random(1)",
    "import threading\na = threading.Lock(); b = threading.Lock()",
    "a = (i for i in [1]); b = (i for i in [1])",
    "a = ValueError('x'); b = ValueError('x')",
    "a = len; b = [len]",
    "import numpy as np\na = np.zeros(5); b = np.zeros(5)",
    "import numpy as np\na = np.zeros(5); b = np",
    "import numpy as np\na = np.zeros(5)[:]; b = a.copy()",
    "import numpy as np\nbase = np.zeros(10); a = base[:5].copy(); b = base[5:].copy(); del base",
    "import numpy as np\na = np.zeros(0); b = np.zeros(0)",
    "import numpy as np\na = np.float64(1); b = [a]",
    "import numpy as np\na = np.dtype('i4'); b = np.zeros(3, a)",
    "import numpy as np\na = np.dtype([('x', int)]); b = np.zeros(3, a)",
    "import numpy as np\na = np.array(['u', 'v'], object); b = np.array(['u', 'v'], object)",
    "import numpy as np\na = np.ma.masked_array([1], [0]); b = np.ma.masked_array([1], [1])",
    "import numpy as np\na = np.random.default_rng(1); b = np.random.default_rng(2)",
    "import pandas as pd\na = pd.DataFrame({'n': [1, 2]}); b = pd.DataFrame({'n': [1, 2]})",
    "import pandas as pd\na = pd.DataFrame({'n': ['u', 'v']}); b = pd.DataFrame({'n': ['u', 'v']})",
    "import pandas as pd\na = pd.DataFrame({'n': [1, 2]}); b = a.copy()",
    "import pandas as pd\na = pd.DataFrame({'n': [1, 2], 'm': ['u', 'v']}); b = a.head()",
    "import pandas as pd\na = pd.DataFrame({'n': [1, 2], 'm': ['u', 'v']}); b = a['n']",
    "import pandas as pd\na = pd.Series([1, 2]); b = a + 1",
    "import pandas as pd\na = pd.Timestamp('2020'); b = pd.Series([a, a])",
    "import pandas as pd\na = pd.Series(['u'], dtype='category'); b = pd.Series(['u'], dtype='category')",
    "import pandas as pd\na = pd.date_range('2020', periods=2, tz='UTC'); "
    "b = pd.date_range('2021', periods=2, tz='UTC')",
    "from sklearn.linear_model import LinearRegression as L\na = L().fit([[0], [1]], [0, 1]); "
    "b = L().fit([[0], [1]], [1, 0])",
    "from sklearn.tree import DecisionTreeRegressor as T\na = T().fit([[0], [1]], [0, 1]); "
    "b = T().fit([[0], [1]], [1, 0])",
    "from sklearn.ensemble import RandomForestClassifier as F\n"
    "a = F(2).fit([[0], [1]], [0, 1]); b = F(2).fit([[0], [1]], [0, 1])",
    "from matplotlib.figure import Figure\na = Figure(); a.subplots().plot([1]); b = Figure(); b.subplots().plot([1])",
    "import matplotlib\nmatplotlib.use('agg')\nfrom matplotlib import pyplot as plt\n"
    "a = plt.figure(); a.subplots().plot([1]); b = plt.figure(); b.subplots().hist([1])",
]


@pytest.mark.parametrize("code", UNRELATED)
def test_unrelated_variables_are_not_linked(main: Namespace, code: str) -> None:
    if ("a.head()" in code or "a['n']" in code) and int(pandas.__version__.partition(".")[0]) < 3:
        pytest.skip("without copy-on-write they are views of each other")
    components = main.run(code).components()
    assert {("a",), ("b",)} <= components


LINKED = [
    "a = []; b = a",
    "a = []; b = [a]",
    "a = {}; b = {'k': (1, [a])}",
    "a = set(); b = (a, 1)",
    "a = [1]; b = {1: ([],), 2: ((a,),)}",
    "c = [1]; a = [c]; b = [c]; del c",
    "class a:\n    pass\nb = a()",
    "class a:\n    pass\nclass b(a):\n    pass",
    "import enum\nclass a(enum.Enum):\n    N = 1\nb = [a.N]",
    "class C:\n    def f(self): ...\na = C(); b = a.f; del C",
    "a = []; b = a.append",
    "def f():\n    n = []\n    return (lambda: n), (lambda: n)\na, b = f()",
    "def f():\n    n = 1\n    def up():\n        nonlocal n\n        n += 1\n    return up, lambda: n\na, b = f()",
    "def a(x=[]):\n    return x\nb = a()",
    "def a():\n    pass\na.seen = b = []",
    "def a():\n    pass\nb = [a]",
    "import functools\ndef a():\n    pass\nb = functools.partial(a)",
    "import functools\ndef wrap(f):\n    @functools.wraps(f)\n    def g():\n        return f()\n    return g\n"
    "def a():\n    pass\nb = wrap(a)",
    "a = [1]; b = (i for i in a)",
    "def g(x):\n    yield x\na = [1]; b = g(a)",
    "def g(x):\n    yield x\na = [1]; b = g(a); next(b)",
    "async def g(x):\n    return x\na = [1]; b = g(a)",
    "a = [1]; b = iter(a)",
    "a = {}; b = a.items()",
    "a = [1]; b = zip(a, [2])",
    "a = [1]; b = map(str, a)",
    "import itertools\na = [1]; b = itertools.chain(a, [2])",
    "import weakref\nclass C:\n    pass\na = C(); b = weakref.WeakSet([a]); del C",
    "import weakref\nclass C:\n    pass\na = C(); b = [weakref.ref(a)]; del C",
    "import weakref\nclass C:\n    pass\na = C(); b = weakref.WeakValueDictionary(k=a); del C",
    "a = bytearray(b'abc'); b = memoryview(a)",
    "import numpy as np\na = np.zeros(5); b = a",
    "import numpy as np\na = np.zeros(5); b = a[2:]",
    "import numpy as np\na = np.zeros(5); b = a[::-1]",
    "import numpy as np\na = np.zeros((3, 4)); b = a.T",
    "import numpy as np\na = np.zeros((3, 4)); b = [a[1]]",
    "import numpy as np\nc = np.zeros(9); a = c[:6]; b = c[3:]; del c",
    "import numpy as np\na = bytearray(16); b = np.frombuffer(a)",
    "import numpy as np\na = [1]; b = np.array([a, None], object)",
    "import numpy as np\na = np.ma.masked_array([1, 2]); b = a.data",
    "import pandas as pd\na = []; b = pd.DataFrame({'n': [a]})",
    "import numpy as np, pandas as pd\na = np.zeros((3, 2)); b = pd.DataFrame(a, copy=False)",
    "import pandas as pd\na = pd.DataFrame({'n': [1]}); b = a",
    "import pandas as pd\na = pd.DataFrame({'n': [1]}); b = a.groupby('n')",
    "from sklearn.pipeline import make_pipeline\nfrom sklearn.linear_model import Ridge\na = Ridge(); "
    "b = make_pipeline(a)",
    "from matplotlib.figure import Figure\na = Figure(); b = a.subplots()",
    "from matplotlib.figure import Figure\na = Figure().subplots(); b, = a.plot([1])",
    "import types\na = types.SimpleNamespace(); b = [a]",
    "try:\n    1 / 0\nexcept Exception as e:\n    a = e\nb = [a]",
    "import contextvars\na = contextvars.ContextVar('v'); b = [a]",
]


def test_members_of_an_enum_are_told_once_a_member(main: Namespace) -> None:
    main.run(
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\n    C = [3]\nE.A.n = 4\nx = [E.A, E.B] * 500 + [E.C]"
    )
    asked: list[type] = []

    def bound(cls: type) -> bytes | None:
        asked.append(cls)
        return b"token" if cls is main.live["E"] else None

    def taken() -> Digest:
        return Fingerprinter(main.table, bound=bound).take(main.live["x"]).digest

    before = taken()
    assert len(asked) < 10
    main.run("y = x; x = x[:-2] + [E.A, E.C]")
    assert taken() != before
    main.run("x = y")
    assert taken() == before


@pytest.mark.parametrize("code", LINKED)
def test_related_variables_are_linked(main: Namespace, code: str) -> None:
    components = main.run(code).components()
    assert any({"a", "b"} <= set(names) for names in components), components


def test_generators_share_what_their_frames_hold(main: Namespace) -> None:
    main.run("def g(x):\n    total = [0]\n    for i in x:\n        yield total\na = g([1, 2]); b = next(a)")
    assert any({"a", "b"} <= set(names) for names in main.components())


def test_modules_and_functions_of_the_notebook_stand_alone(main: Namespace) -> None:
    main.run("import numpy as np, pandas as pd, math\nfrom math import sin\ndef f():\n    return np.zeros(1), sin")
    assert main.components() == {("np",), ("pd",), ("math",), ("sin",), ("f",)}


def test_a_way_that_was_registered_meanwhile_is_heard() -> None:
    table, counter = ReductionTable({}), itertools.count(5)
    before = Fingerprinter(table).take(counter).digest
    copyreg.pickle(itertools.count, lambda _: (itertools.count, (0,)))
    try:
        assert (
            Fingerprinter(table).take(counter).digest
            == Fingerprinter(ReductionTable({})).take(counter).digest
            != before
        )
    finally:
        del copyreg.dispatch_table[itertools.count]
    assert Fingerprinter(table).take(counter).digest == before
