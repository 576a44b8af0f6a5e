"""Objects to bytes and back, through the store in memory."""

from __future__ import annotations

import builtins
import io
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, CheckpointId, NotStored, Payload, SessionId, Version
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.store import MemoryStore

ID = CheckpointId("0123456789abcdef")


class Cells:
    """Variables made by code, as in a notebook; `back` is what they are after a round trip."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.live = vars(self.module)
        self.live.clear()
        self.live.update(__name__="__main__", __builtins__=builtins)
        self.table = ReductionTable(self.live)
        self.payload: Payload | None = None

    def run(self, code: str) -> None:
        exec(compile(code, "<cell>", "exec", dont_inherit=True), self.live)

    def encode(self, *names: str) -> Payload | NotStored:
        prints = Fingerprinter(self.table)
        opaque = tuple(kind for name in names for kind in prints.take(self.live[name]).opaque)
        return encode(tuple(sorted(names)), self.live, self.table, opaque)

    def back(self, *names: str) -> dict[str, Any]:
        """Fresh objects for these names, which must be storable."""
        payload = self.encode(*names)
        assert isinstance(payload, Payload), payload
        self.payload = payload
        store = MemoryStore()
        store.commit(empty_checkpoint(), [payload], {})
        return decode(store.load(Version(payload.names, ID)), self.live)

    def reason(self, *names: str) -> str:
        """Why these are not stored."""
        result = self.encode(*names)
        assert isinstance(result, NotStored), "stored"
        return result.reason


def empty_checkpoint() -> Checkpoint:
    return Checkpoint(ID, None, SessionId("s"), 0.0, 1, "", "ok", None, 0.0, (), (), (), (), (), (), ())


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    return made


# -- containers and sharing ----------------------------------------------------------------------------


def test_values_come_back_equal(cells: Cells) -> None:
    cells.run("x = [1, 'a', None, 2.5, b'b', {1: (2, {3})}, bytearray(b'c'), ..., float('inf'), 10 ** 5000]")
    x = cells.back("x")["x"]
    assert x == cells.live["x"]
    assert x is not cells.live["x"]
    assert [type(item) for item in x] == [type(item) for item in cells.live["x"]]


def test_sharing_comes_back(cells: Cells) -> None:
    cells.run("c = [1]\nx = [c, c]\ny = {'k': c}\nx.append(x)")
    back = cells.back("x", "y", "c")
    assert back["x"][0] is back["x"][1] is back["y"]["k"] is back["c"]
    assert back["x"][2] is back["x"]


def test_the_order_of_a_dict_comes_back(cells: Cells) -> None:
    cells.run("x = {'b': 1, 'a': 2}")
    assert list(cells.back("x")["x"]) == ["b", "a"]


# -- arrays --------------------------------------------------------------------------------------------

SIZES = [6, 60_000]
"""In the stream; out of band."""


@pytest.mark.parametrize("size", SIZES)
def test_a_view_writes_into_the_array_that_owns_the_memory(cells: Cells, size: int) -> None:
    cells.run(f"import numpy as np\na = np.arange({size}.0)\nb = a[2:]\nc = a[::-2]\nd = a.reshape(2, -1)")
    back = cells.back("a", "b", "c", "d")
    for name in "abcd":
        np.testing.assert_array_equal(back[name], cells.live[name])
        assert (back[name].shape, back[name].strides) == (cells.live[name].shape, cells.live[name].strides)
    assert back["a"].base is None
    assert back["a"].flags.owndata
    assert back["b"].base is back["a"]
    back["b"][0] = 77
    assert back["a"][2] == back["d"].flat[2] == 77
    back["a"][-1] = 55
    assert back["c"][0] == 55
    assert cells.live["a"][2] == 2  # nothing of the live session was touched


@pytest.mark.parametrize("size", SIZES)
def test_views_of_which_none_owns_the_memory(cells: Cells, size: int) -> None:
    cells.run(
        f"import numpy as np\nwhole = np.arange({size})\na, b = whole[:{size} // 2 + 1], whole[{size} // 2:]\ndel whole"
    )
    back = cells.back("a", "b")
    assert np.shares_memory(back["a"], back["b"])
    back["a"][-1] = -1
    assert back["b"][0] == -1
    np.testing.assert_array_equal(back["b"][1:], cells.live["b"][1:])


def test_an_array_that_only_shows_a_part_comes_back_small(cells: Cells) -> None:
    cells.run("import numpy as np\nx = np.zeros(1_000_000)[:500]")
    cells.back("x")
    assert cells.payload is not None
    assert cells.payload.size < 10_000


def test_neighbours_in_memory_share_nothing(cells: Cells) -> None:
    cells.run("import numpy as np\nwhole = np.arange(20)\na, b = whole[:10], whole[10:]\ndel whole")
    back = cells.back("a", "b")
    np.testing.assert_array_equal(back["a"], range(10))
    np.testing.assert_array_equal(back["b"], range(10, 20))
    assert not np.shares_memory(back["a"], back["b"])


@pytest.mark.parametrize("size", [3, 300])
@pytest.mark.parametrize(
    "expression",
    [
        "np.asfortranarray(np.arange({n}.0 * 4).reshape({n}, 4))",
        "np.arange({n}.0 * 4).reshape({n}, 4)",
        "np.arange({n}.0 * 4).reshape({n}, 4)[::2, ::-1]",
        "np.arange({n}.0 * 4).reshape({n}, 4).T",
        "np.arange({n}, dtype='>i2')",
        "np.arange('2020-01-01', {n}, dtype='M8[D]')",
        "np.arange({n}).astype('m8[ns]')",
        "np.array([(i, str(i), [i, i]) for i in range({n})], [('i', int), ('s', 'U5'), ('p', float, 2)])",
        "np.zeros({n}, np.dtype({{'names': ['a', 'b'], 'formats': ['u1', 'f8'], 'offsets': [3, 8], 'itemsize': 20}}))",
        "np.array(['a\\0b', 'ccc'] * {n})",
        "np.array([b'a', b'ccc'] * {n})",
        "np.array([True, False] * {n})",
        "np.array([1 + 2j] * {n})",
        "np.float16([1.5] * {n})",
        "np.zeros((0, {n}))",
        "np.zeros(({n}, 0, 3), 'M8[s]')",
        "np.array(5.0)",
        "np.array({n})",
        "np.broadcast_to(np.arange(3), ({n}, 3))",
        "np.array([[1], 'a', None, {n}], object)",
        "np.array([[1, 2], [[3], 4]], object).T",
        "np.zeros((0, 2), object)",
        "np.zeros({n}, [('a', object), ('b', int)])",
        "np.rec.array([(1, 'a')], names='n,s')",
        "np.ma.masked_array([1.0, {n}], [True, False], fill_value=7)",
    ],
)
def test_an_array_comes_back_as_it_was(cells: Cells, expression: str, size: int) -> None:
    cells.run("import numpy as np\nx = " + expression.format(n=size))
    was, now = cells.live["x"], cells.back("x")["x"]
    assert type(now) is type(was)
    assert (now.dtype, now.shape) == (was.dtype, was.shape)
    assert now.flags.writeable == was.flags.writeable
    if was.flags.forc:
        assert (now.flags.c_contiguous, now.flags.f_contiguous) == (was.flags.c_contiguous, was.flags.f_contiguous)
    np.testing.assert_array_equal(now, was)


def test_a_reversed_array_stays_reversed(cells: Cells) -> None:
    """Alone, without the array that it is a view of: its elements still lie as they lay."""
    cells.run("import numpy as np\nx = np.arange(1000.0)[::-1]\ny = np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)")
    back = cells.back("x", "y")
    for name in "xy":
        assert back[name].strides == cells.live[name].strides
        np.testing.assert_array_equal(back[name], cells.live[name])
    back["x"][0] = 5
    assert cells.live["x"][0] == 999


def test_read_only_stays_read_only(cells: Cells) -> None:
    cells.run("import numpy as np\na = np.arange(5000)\nb = a[:]\nb.flags.writeable = False\nc = np.arange(9)")
    cells.run("c.flags.writeable = False")
    back = cells.back("a", "b", "c")
    assert [back[name].flags.writeable for name in "abc"] == [True, False, False]
    back["a"][0] = 5
    assert back["b"][0] == 5


def test_an_array_of_objects_that_is_read_only_stays_so(cells: Cells) -> None:
    cells.run("import numpy as np\na = np.array([None, [1]], object)\nb = np.array([['x', 1.5]] * 3000, object).T")
    cells.run("c = np.array([(1, [2])], [('n', int), ('o', object)])\nd = np.empty(1, object)\nd[0] = d")
    cells.run("e = np.array(['x', None] * 3000, object)\nf = a[:1]\nall = [a, b, c, d, e, f]")
    cells.run("for each in all: each.flags.writeable = False")
    back = cells.back("all", "a")
    assert [each.flags.writeable for each in back["all"]] == [False] * 6
    assert [each.tolist() for each in back["all"][:3]] == [[None, [1]], [["x"] * 3000, [1.5] * 3000], [(1, [2])]]
    assert back["all"][3][0] is back["all"][3]
    assert back["all"][0] is back["a"]


def test_objects_in_arrays_are_shared(cells: Cells) -> None:
    cells.run("import numpy as np\nc = [1]\na = np.array([c, None, c], object)\nb = a[1:]")
    back = cells.back("a", "b", "c")
    assert back["a"][0] is back["a"][2] is back["c"] is back["b"][1]
    back["b"][0] = "new"
    assert back["a"][1] == "new"


def test_an_array_with_itself_inside(cells: Cells) -> None:
    cells.run("import numpy as np\nx = np.empty(2, object)\nx[0] = x")
    x = cells.back("x")["x"]
    assert x[0] is x


@pytest.mark.parametrize("kind", ["M8[s]", "m8[ms]", "f8", "S3", "i4, f8"])
def test_views_of_every_kind(cells: Cells, kind: str) -> None:
    cells.run(f"import numpy as np\na = np.zeros(1000, {kind!r})\nb = a[5:9]\nc = a.view('u1')")
    back = cells.back("a", "b", "c")
    back["c"][...] = 1
    assert back["b"].tobytes() == back["a"][5:9].tobytes() == b"\x01" * back["b"].nbytes
    assert back["a"].dtype == cells.live["a"].dtype


def test_a_fortran_array_and_its_views(cells: Cells) -> None:
    cells.run("import numpy as np\na = np.asfortranarray(np.arange(600.0).reshape(20, 30))\nb = a[3]\nc = a.T")
    back = cells.back("a", "b", "c")
    assert back["a"].flags.f_contiguous
    np.testing.assert_array_equal(back["b"], cells.live["b"])
    back["b"][:] = -1
    assert (back["a"][3] == -1).all()
    assert (back["c"][:, 3] == -1).all()


def test_big_arrays_are_out_of_band(cells: Cells) -> None:
    cells.run("import numpy as np\nx = [np.zeros(100_000), np.zeros((300, 1000))]")
    cells.back("x")
    assert cells.payload is not None
    assert len(cells.payload.stream) < 2000
    assert [buffer.data.nbytes for buffer in cells.payload.buffers] == [800_000, 2_400_000]
    assert [buffer.row_bytes for buffer in cells.payload.buffers] == [0, 8000]
    assert all(buffer.direct for buffer in cells.payload.buffers)


def test_an_array_and_a_bytearray_behind_it(cells: Cells) -> None:
    cells.run("import numpy as np\na = bytearray(8)\nb = np.frombuffer(a, 'u1')")
    result = cells.encode("a", "b")
    if isinstance(result, Payload):
        back = cells.back("a", "b")
        back["b"][0] = 7
        assert back["a"][0] == 7
    else:
        assert result.reason


def test_a_masked_array_and_its_data(cells: Cells) -> None:
    """Shared, or said not to be stored: never two where there was one."""
    cells.run("import numpy as np\na = np.ma.masked_array([1, 2, 3])\nb = a.data")
    result = cells.encode("a", "b")
    if isinstance(result, Payload):
        back = cells.back("a", "b")
        back["b"][0] = 7
        assert back["a"][0] == 7
    else:
        assert result.reason


def test_random_generators_go_on_as_they_would_have(cells: Cells) -> None:
    cells.run("import numpy as np, random\nx = [np.random.default_rng(1), np.random.RandomState(2), random.Random(3)]")
    cells.run("[g.random() for g in x]")
    back = cells.back("x")["x"]
    assert [g.random() for g in back] == [g.random() for g in cells.live["x"]]


# -- pandas --------------------------------------------------------------------------------------------

FRAME = """
import pandas as pd
df = pd.DataFrame({
    'i': range(1000), 'f': [0.5] * 1000, 's': ['a', None] * 500, 'c': pd.Categorical(['u', 'v'] * 500),
    't': pd.date_range('2020', periods=1000, tz='Europe/Berlin'), 'o': [[1]] * 1000, 'n': pd.array([1, None] * 500),
})
df.attrs['about'] = {'k': 1}
s = df['f']
"""


def test_a_frame_comes_back(cells: Cells) -> None:
    import pandas as pd

    cells.run(FRAME)
    back = cells.back("df", "s")
    pd.testing.assert_frame_equal(back["df"], cells.live["df"])
    pd.testing.assert_series_equal(back["s"], cells.live["s"])
    assert back["df"].attrs == {"about": {"k": 1}}
    assert back["df"].loc[0, "o"] is back["df"].loc[1, "o"]


def test_a_frame_can_be_written_to(cells: Cells) -> None:
    cells.run(FRAME)
    back = cells.back("df", "s")
    back["df"].loc[0, "f"] = 7.0
    back["df"].loc[0, "s"] = "new"
    back["df"]["i"] += 1
    assert (back["df"].loc[0, "f"], back["df"].loc[0, "s"], back["df"].loc[0, "i"]) == (7.0, "new", 1)
    assert back["s"][0] == 0.5  # copy on write, as before
    del back["df"]["i"]
    assert "i" not in back["df"]


def test_a_frame_over_a_users_array(cells: Cells) -> None:
    """The array is the user's: what it shares with a frame is kept, or nothing is stored."""
    cells.run("import numpy as np, pandas as pd\na = np.zeros((300, 2))\ndf = pd.DataFrame(a, copy=False)")
    back = cells.back("a", "df")
    np.testing.assert_array_equal(back["df"].to_numpy(), back["a"])
    assert back["a"].flags.writeable


# -- functions -----------------------------------------------------------------------------------------


def test_a_function_sees_the_live_namespace(cells: Cells) -> None:
    cells.run("n = 1\ndef f():\n    return n\ndef put(value):\n    global n\n    n = value")
    back = cells.back("f", "put")
    cells.live["n"] = 5
    assert back["f"]() == 5
    back["put"](9)
    assert cells.live["n"] == 9
    assert back["f"].__globals__ is cells.live
    assert cells.payload is not None
    assert len(cells.payload.stream) < 2000


def test_a_function_keeps_all_that_it_has(cells: Cells) -> None:
    cells.run(
        "d = [0]\n"
        "def f(a: int, b=d, /, c='c', *rest: str, k={}, **more) -> float:\n    'doc'\n    return a, b, c, k\n"
        "f.own = [d]\nf.__name__ = 'renamed'\nf.__qualname__ = 'Where.it_is'\nf.__module__ = 'elsewhere'"
    )
    was, now = cells.live["f"], cells.back("f")["f"]
    for attribute in ("__defaults__", "__kwdefaults__", "__annotations__", "__doc__", "__name__", "__qualname__"):
        assert getattr(now, attribute) == getattr(was, attribute)
    assert now.__module__ == "elsewhere"
    assert now.__defaults__[0] is now.own[0]
    assert now(1) == ([1] and (1, [0], "c", {}))


def test_defaults_are_shared(cells: Cells) -> None:
    cells.run("d = []\ndef f(x=d):\n    x.append(1)\n    return x\ndef g(y=d):\n    return y")
    back = cells.back("d", "f", "g")
    assert back["f"]() is back["g"]() is back["d"]
    assert back["d"] == [1]


def test_recursion(cells: Cells) -> None:
    cells.run(
        "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\ndef make():\n    def g(n):\n"
        "        return n and g(n - 1)\n    return g\ng = make()"
    )
    back = cells.back("f", "g")
    assert back["f"](5) == 120
    assert back["g"](3) == 0
    assert back["g"].__closure__[0].cell_contents is back["g"]


def test_closures_share_their_cells(cells: Cells) -> None:
    cells.run(
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n"
        "    return up, lambda: n\nup, now = make()\nup()"
    )
    back = cells.back("up", "now")
    assert back["up"]() == 2
    assert back["now"]() == 2
    assert cells.live["now"]() == 1


def test_empty_and_deleted_cells(cells: Cells) -> None:
    cells.run("def make():\n    def f():\n        return later\n    return f\n    later = 1\nf = make()")
    f = cells.back("f")["f"]
    with pytest.raises(NameError, match="later"):
        f()


def test_a_closure_over_a_container_of_itself(cells: Cells) -> None:
    cells.run(
        "def make():\n    table = {}\n    def f():\n        return table\n    table['f'] = f\n    return f\nf = make()"
    )
    f = cells.back("f")["f"]
    assert f()["f"] is f


def test_lambdas_partials_and_decorators(cells: Cells) -> None:
    cells.run(
        "import functools\nk = 2\ntwice = lambda x: k * x\npart = functools.partial(twice, 4)\n"
        "def deco(f):\n    @functools.wraps(f)\n    def wrapped(*a):\n        return [f(*a)]\n    return wrapped\n"
        "@deco\ndef f(x):\n    return x + k"
    )
    back = cells.back("twice", "part", "f")
    assert (back["twice"](3), back["part"](), back["f"](1)) == (6, 8, [3])
    assert back["part"].func is back["twice"]
    assert back["f"].__wrapped__.__globals__ is cells.live


def test_a_cached_function(cells: Cells) -> None:
    cells.run(
        "import functools\nruns = []\n@functools.lru_cache(maxsize=7, typed=True)\ndef f(n):\n    runs.append(n)\n"
        "    return n if n < 2 else f(n - 1) + f(n - 2)\nf(10)\ng = f.__wrapped__"
    )
    back = cells.back("f", "g")
    assert back["f"].cache_parameters() == {"maxsize": 7, "typed": True}
    assert back["f"].__wrapped__ is back["g"]
    assert back["f"].__name__ == "f"
    assert back["f"](1) == 1


def test_coroutines_and_generator_functions(cells: Cells) -> None:
    cells.run("def g(n):\n    yield from range(n)\nasync def c():\n    return 5")
    back = cells.back("g", "c")
    assert list(back["g"](3)) == [0, 1, 2]
    awaiting = back["c"]()
    with pytest.raises(StopIteration):
        awaiting.send(None)


def test_functions_of_a_library_go_by_reference(cells: Cells) -> None:
    cells.run("import json, os.path\nx = [json.dumps, len, os.path.join, str.upper, [].append, dict.fromkeys]")
    x = cells.back("x")["x"]
    assert x[:4] == cells.live["x"][:4]
    assert x[0] is cells.live["json"].dumps


def test_a_bound_method_and_its_object(cells: Cells) -> None:
    cells.run("class C:\n    def f(self):\n        return self\no = C()\nm = o.f")
    back = cells.back("C", "o", "m")
    assert back["m"]() is back["o"]
    assert back["m"].__func__ is back["C"].f


# -- classes -------------------------------------------------------------------------------------------


def test_a_class_is_one_for_all_its_instances(cells: Cells) -> None:
    cells.run("class C:\n    n = [1]\na, b = C(), C()\nx = [a, C, {'b': b}]")
    back = cells.back("C", "a", "b", "x")
    assert type(back["a"]) is type(back["b"]) is back["C"] is back["x"][1]
    assert back["C"] is not cells.live["C"]
    assert back["x"][0] is back["a"]
    back["C"].n.append(2)
    assert back["a"].n == [1, 2]
    assert cells.live["C"].n == [1]


def test_loading_leaves_the_live_class_alone(cells: Cells) -> None:
    cells.run("class C:\n    n = 1\nlive = C")
    payload = cells.encode("C")
    cells.run("C.n = 2")
    assert isinstance(payload, Payload)
    store = MemoryStore()
    store.commit(empty_checkpoint(), [payload], {})
    loaded = [decode(store.load(Version(("C",), ID)), cells.live)["C"] for _ in range(2)]
    assert cells.live["C"].n == 2
    assert [each.n for each in loaded] == [1, 1]
    assert loaded[0] is not loaded[1]


def test_super_and_inheritance(cells: Cells) -> None:
    cells.run(
        "class A:\n    def f(self):\n        return ['A']\nclass B(A):\n    def f(self):\n"
        "        return super().f() + [__class__]\n"
        "class M(type):\n    def __call__(cls, *a):\n        return super().__call__(*a)\n"
        "class D(B, metaclass=M):\n    pass\nd = D()"
    )
    back = cells.back("A", "B", "D", "M", "d")
    assert back["d"].f() == ["A", back["B"]]
    assert back["D"].__mro__[:3] == (back["D"], back["B"], back["A"])
    assert type(back["D"]) is back["M"]


def test_properties_slots_and_methods(cells: Cells) -> None:
    cells.run(
        "import functools\nclass C:\n    __slots__ = ('a', '_b', '__dict__')\n    @property\n    def b(self):\n"
        "        return self._b\n"
        "    @b.setter\n    def b(self, value):\n        self._b = value\n    @classmethod\n    def make(cls):\n"
        "        return cls()\n"
        "    @staticmethod\n    def s():\n        return 's'\n    @functools.cached_property\n"
        "    def late(self):\n        return [1]\n"
        "    def __eq__(self, other):\n        return True\n    __hash__ = None\no = C.make()\no.a = [1]\n"
        "o.b = o.a\no.late"
    )
    back = cells.back("C", "o")
    o = back["o"]
    assert o.b is o.a
    o.b = 5
    assert o._b == 5
    assert type(back["C"].make()) is back["C"]
    assert back["C"].s() == "s"
    assert o.__dict__ == {"late": [1]}
    assert back["C"].__hash__ is None
    assert not hasattr(back["C"].make(), "a")


def test_dataclasses(cells: Cells) -> None:
    import dataclasses

    cells.run(
        "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int\n"
        "    y: list = field(default_factory=list)\n"
        "@dataclass(frozen=True, slots=True)\nclass Q:\n    z: int = 1\np, q = P(1), Q()"
    )
    back = cells.back("P", "Q", "p", "q")
    assert dataclasses.is_dataclass(back["p"])
    assert [f.name for f in dataclasses.fields(back["P"])] == ["x", "y"]
    assert dataclasses.fields(back["P"])[0].default is dataclasses.MISSING
    assert dataclasses.replace(back["p"], x=2) == back["P"](2)
    assert dataclasses.asdict(back["p"]) == {"x": 1, "y": []}
    assert back["P"](1) < back["P"](2)
    assert back["P"](1).y is not back["P"](1).y
    assert dataclasses.replace(back["q"], z=3).z == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        back["q"].z = 2


def test_enums(cells: Cells) -> None:
    cells.run(
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = [2]\n    ALIAS = 1\n    def f(self):\n"
        "        return self.name\n"
        "class F(enum.IntFlag):\n    X = 1\n    Y = 2\ne, f = [E.A, E.B], F.X | F.Y"
    )
    back = cells.back("E", "F", "e", "f")
    E, F = back["E"], back["F"]
    assert back["e"] == [E.A, E.B]
    assert back["e"][0] is E(1) is E["A"] is E.ALIAS
    assert E.B.f() == "B"
    assert back["f"] == F.X | F.Y
    assert list(E) == [E.A, E.B]
    assert E["ALIAS"] is E.A
    assert list(E.__members__) == ["A", "B", "ALIAS"]


def test_enums_with_attributes_of_their_own(cells: Cells) -> None:
    cells.run(
        "import enum\nclass Planet(enum.Enum):\n    EARTH = (5.97, [6.37])\n    MARS = (0.64, [3.39])\n"
        "    def __init__(self, mass, radius):\n        self.mass, self.radius = mass, radius\n"
        "class Coded(str, enum.Enum):\n    def __new__(cls, code, text):\n        made = str.__new__(cls, code)\n"
        "        made._value_, made.text = code, text\n        return made\n    A = 'a', 'first'\n"
        "    B = 'b', 'second'\n"
        "x = [Planet.MARS, Coded.A]"
    )
    back = cells.back("Planet", "Coded", "x")
    mars, a = back["x"]
    assert mars is back["Planet"].MARS
    assert (mars.mass, mars.radius, mars.value) == (0.64, [3.39], (0.64, [3.39]))
    assert (a, a.value, a.text) == ("a", "a", "first")
    assert a is back["Coded"]("a")


def test_loading_a_class_runs_none_of_the_users_code(cells: Cells) -> None:
    """A registry kept by `__init_subclass__`, by a metaclass or by `__set_name__` is the live one's."""
    cells.run(
        "seen = []\nclass Base:\n    registry = {}\n    def __init_subclass__(cls, tag=None, **more):\n"
        "        super().__init_subclass__(**more)\n        seen.append(cls)\n"
        "        Base.registry[cls.__name__] = cls\n"
        "class Child(Base, tag=1):\n    pass\nclass Grandchild(Child):\n    pass\n"
        "class Meta(type):\n    made = []\n    def __new__(mcs, name, bases, ns, **kw):\n        seen.append(name)\n"
        "        return super().__new__(mcs, name, bases, ns)\n    def __init__(cls, *a, **kw):\n"
        "        Meta.made.append(cls)\n"
        "class Named:\n    def __set_name__(self, owner, name):\n        seen.append(name)\n        self.name = name\n"
        "class Made(metaclass=Meta):\n    field = Named()\n"
        "o = Grandchild(); m = Made()"
    )
    was = list(cells.live["seen"])
    names = ["Base", "Child", "Grandchild", "o", "Meta", "Named", "Made", "m"]
    live = {name: cells.live[name] for name in names}
    payload = cells.encode(*names)
    for name in names:
        del cells.live[name]
    assert isinstance(payload, Payload)
    store = MemoryStore()
    store.commit(empty_checkpoint(), [payload], {})
    back = decode(store.load(Version(payload.names, ID)), cells.live)
    assert cells.live["seen"] == was
    assert live["Base"].registry == {"Child": live["Child"], "Grandchild": live["Grandchild"]}
    assert back["Base"].registry == {"Child": back["Child"], "Grandchild": back["Grandchild"]}
    assert back["Meta"].made == [back["Made"]]
    assert type(back["Made"]) is back["Meta"]
    assert back["Made"].field.name == "field"
    cells.live.update(back)
    cells.run("class Later(Base):\n    pass")
    assert cells.live["seen"][-1] is back["Base"].registry["Later"]


def test_abstract_classes(cells: Cells) -> None:
    cells.run(
        "import abc, collections.abc\nclass B(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\n"
        "class C(B):\n    def f(self):\n        return 1\n@B.register\nclass R:\n    pass\nc = C()\n"
        "class S(collections.abc.Sequence):\n    def __len__(self):\n        return 0\n"
        "    def __getitem__(self, i):\n        raise IndexError\n"
        "s = S()"
    )
    back = cells.back("B", "C", "R", "c", "S", "s")
    assert isinstance(back["c"], back["B"])
    assert issubclass(back["R"], back["B"])
    with pytest.raises(TypeError, match="abstract"):
        back["B"]()
    assert list(back["s"]) == []


def test_tuples_with_names(cells: Cells) -> None:
    cells.run(
        "import typing, collections\nclass N(typing.NamedTuple):\n    x: int\n    y: str = 'y'\n"
        "T = collections.namedtuple('T', 'a b', defaults=[5])\nn, t = N(1), T(2)"
    )
    back = cells.back("N", "T", "n", "t")
    assert back["n"] == (1, "y")
    assert back["n"]._replace(x=2).x == 2
    assert type(back["n"]) is back["N"]
    assert back["t"]._asdict() == {"a": 2, "b": 5}
    assert back["N"].__annotations__ == cells.live["N"].__annotations__


def test_generic_classes_protocols_and_typed_dicts(cells: Cells) -> None:
    cells.run(
        "import typing\nT = typing.TypeVar('T')\nclass G(typing.Generic[T]):\n    def f(self) -> T: ...\n"
        "class I(G[int]):\n    pass\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    def f(self): ...\n"
        "class D(typing.TypedDict, total=False):\n    n: int\ni, d = I(), D(n=1)"
    )
    back = cells.back("G", "I", "P", "D", "i", "d", "T")
    assert isinstance(back["i"], back["P"])
    assert back["I"].__orig_bases__[0].__origin__ is back["G"]
    assert back["G"].__parameters__ == (back["T"],)
    assert back["D"].__optional_keys__ == {"n"}


def test_subclasses_of_builtins(cells: Cells) -> None:
    cells.run(
        "import collections\nclass L(list):\n    pass\nclass D(dict):\n    def __missing__(self, key):\n"
        "        return key\n"
        "class S(str):\n    pass\nclass E(Exception):\n    def __init__(self, a, b):\n"
        "        super().__init__(a)\n        self.b = b\n"
        "class O(collections.OrderedDict):\n    pass\nl, d, s, o = L([1]), D(a=1), S('s'), O(z=1)\nl.own = s.own = l\n"
        "try:\n    raise E(1, [2])\nexcept E as error:\n    e = error"
    )
    result = cells.encode("L", "D", "S", "O", "l", "d", "s", "o")
    assert isinstance(result, Payload)
    back = cells.back("L", "D", "S", "O", "l", "d", "s", "o")
    assert (type(back["l"]), type(back["s"])) == (back["L"], back["S"])
    assert back["l"] == [1]
    assert back["l"].own is back["s"].own is back["l"]
    assert back["d"]["new"] == "new"
    assert list(back["o"]) == ["z"]


def test_an_instance_comes_back_as_it_was_whatever_it_says_of_itself(cells: Cells) -> None:
    """What only pickling leaves out was there, and is there again; none of the class's code makes it."""
    cells.run(
        "class C:\n    def __init__(self, n):\n        self.n, self.cache = n, 'full'\n"
        "    def __getstate__(self):\n        return {'n': self.n}\n    def __setstate__(self, state):\n"
        "        self.n, self.cache = state['n'], None\n"
        "class R:\n    def __init__(self, n):\n        self.n = n\n    def __reduce__(self):\n"
        "        return R, (self.n,)\n"
        "class S:\n    __slots__ = ('n', 'm', '__weakref__')\n"
        "    def __new__(cls, n):\n        return object.__new__(cls)\n"
        "    def __init__(self, n):\n        self.n = n\n    def __getstate__(self):\n        return None\n"
        "    def __setattr__(self, name, value):\n        object.__setattr__(self, name, value * 2)\n"
        "c, r, s = C(1), R(2), S(3)\nr.more = c"
    )
    back = cells.back("C", "R", "S", "c", "r", "s")
    assert (back["c"].n, back["c"].cache, back["r"].n, back["s"].n) == (1, "full", 2, 6)
    assert back["r"].more is back["c"]
    assert not hasattr(back["s"], "m")
    assert (type(back["r"]), type(back["s"])) == (back["R"], back["S"])


def test_an_instance_that_says_that_it_cannot_be_stored(cells: Cells) -> None:
    cells.run("class C:\n    def __reduce__(self):\n        raise TypeError('not me')\nc = C()")
    result = cells.encode("C", "c")
    assert isinstance(result, NotStored)
    assert "C objects cannot be stored" in result.reason


def test_a_class_in_a_function(cells: Cells) -> None:
    cells.run(
        "def make(n):\n    class C:\n        k = n\n        def f(self):\n            return n, C\n"
        "    return C\nC = make(3)\no = C()"
    )
    back = cells.back("C", "o")
    assert back["o"].f() == (3, back["C"])


# -- what is not stored ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "x = (i for i in [1])",
        "x = [1, (i for i in [1])]",
        "x = memoryview(b'abc')",
        "x = [memoryview(bytearray(b'abc'))]",
        "import sys\nx = sys._getframe()",
        "import sys\nx = sys.stdout",
        "import socket\nx = socket.socket()",
        "import threading\nx = threading.Thread(target=threading.Event().wait, args=(1,), daemon=True); x.start()",
        "async def f():\n    pass\nx = f()",
        "async def f():\n    yield 1\nx = f()",
        "import subprocess, sys\nx = subprocess.Popen([sys.executable, '-c', ''], stdin=subprocess.PIPE)",
        "class C:\n    def __reduce_ex__(self, protocol):\n        raise TypeError('not me')\nx = C()",
        "import sqlite3\nx = sqlite3.connect(':memory:')",
        "import contextvars\nx = contextvars.ContextVar('v')",
        "import asyncio\nx = asyncio.new_event_loop()",
        "import tempfile\nx = tempfile.TemporaryFile()",
        "globals_now = globals()\nx = [globals_now]",
    ],
)
def test_what_cannot_be_stored_says_why(cells: Cells, code: str) -> None:
    cells.run(code)
    reason = cells.reason("x")
    assert reason
    assert "\n" not in reason or len(reason) <= 500
    dispose(cells.live["x"])


def dispose(obj: Any) -> None:
    if isinstance(obj, types.CoroutineType) or (hasattr(obj, "close") and obj is not sys.stdout):
        if isinstance(obj, types.AsyncGeneratorType):
            return
        obj.close()
    if hasattr(obj, "wait") and hasattr(obj, "stdin"):
        obj.stdin.close()
        obj.wait()


@pytest.mark.parametrize("mode", ["r", "rb", "w", "r+", "ab"])
@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: [f], lambda f: {"log": (f,)}])
def test_the_users_file_is_not_touched(
    cells: Cells, tmp_path: Path, mode: str, wrap: Callable[[io.IOBase], object]
) -> None:
    path = tmp_path / "data.txt"
    path.write_text("some text")
    if mode == "w":
        path.unlink()
    with open(path, mode) as file:
        before = path.read_bytes(), path.stat().st_mtime_ns, file.tell()
        cells.live["x"] = wrap(file)
        assert isinstance(cells.encode("x"), NotStored if mode == "r+" else Payload)
        assert (path.read_bytes(), path.stat().st_mtime_ns, file.tell()) == before
        assert not file.closed


def test_locks_that_nobody_holds(cells: Cells) -> None:
    cells.run(
        "import threading\nx, y, z = threading.Lock(), threading.RLock(), threading.Event()\n"
        "class C:\n    def __init__(self):\n        self.lock = x\no = C()"
    )
    back = cells.back("x", "y", "z", "o", "C")
    assert back["o"].lock is back["x"]
    assert type(back["y"]) is type(cells.live["y"])
    assert back["x"].acquire(timeout=1)
    assert back["y"].acquire(timeout=1)
    assert back["y"].acquire(timeout=1)
    back["z"].set()
    assert back["z"].wait(1)
    assert not cells.live["x"].locked()
    assert not cells.live["z"].is_set()


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_lock_that_somebody_holds_is_not_stored(cells: Cells, kind: str) -> None:
    cells.run(f"import threading\nx = threading.{kind}()\nx.acquire()")
    assert cells.reason("x")


def test_a_weak_reference_stays_weak(cells: Cells) -> None:
    cells.run("import weakref\nclass C:\n    pass\no = C()\nx = weakref.ref(o)")
    result = cells.encode("o", "x", "C")
    if isinstance(result, Payload):
        back = cells.back("o", "x", "C")
        assert back["x"]() is back["o"]


def test_dict_views(cells: Cells) -> None:
    cells.run("d = {'a': 1}\nx = [d.keys(), d.values(), d.items()]")
    back = cells.back("d", "x")
    back["d"]["b"] = 2
    assert [list(view) for view in back["x"]] == [["a", "b"], [1, 2], [("a", 1), ("b", 2)]]
    assert [type(view) for view in back["x"]] == [type(view) for view in cells.live["x"]]


def test_iterators_go_on_where_they_were(cells: Cells) -> None:
    cells.run("l = [1, 2, 3]\nx = iter(l)\nnext(x)\ny = enumerate('abc')\nnext(y)")
    back = cells.back("l", "x", "y")
    back["l"].append(4)
    assert list(back["x"]) == [2, 3, 4]
    assert next(back["y"]) == (1, "b")
    assert next(cells.live["x"]) == 2


@pytest.mark.parametrize(
    "making",
    [
        *("iter([1])", "reversed([1])", "iter((1,))", "iter(range(1))", "iter('a')", "iter('\u1234')", "iter(b'a')"),
        *("iter(bytearray(b'a'))", "iter(array.array('i', [1]))", "iter(np.arange(1))", "iter(int, 0)"),
        pytest.param("iter(list[int])", marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="there is none")),
    ],
)
def test_an_iterator_that_is_at_its_end_is_what_it_was(cells: Cells, making: str) -> None:
    cells.run(f"import array, numpy as np\nx = {making}\n[*x]")
    back = cells.back("x")["x"]
    assert type(back) is type(cells.live["x"])
    assert [*back] == []


def test_buffers_in_memory_and_queues(cells: Cells) -> None:
    cells.run("import io, collections\nx = io.BytesIO(b'abc')\nx.read(1)\ny = io.StringIO('text')\ny.read(2)")
    back = cells.back("x", "y")
    assert (back["x"].read(), back["y"].read()) == (b"bc", "xt")


def test_nothing_runs_when_a_reduction_raises_anything(cells: Cells) -> None:
    cells.run("class C:\n    def __reduce_ex__(self, p):\n        raise RecursionError('deep')\nx = C()")
    assert "C" in cells.reason("x")


def test_deep_nesting_is_stored_or_said_not_to_be(cells: Cells) -> None:
    cells.run("x = []\nfor _ in range(100_000):\n    x = [x]")
    assert isinstance(cells.encode("x"), (Payload, NotStored))
    nested = cells.live.pop("x")
    while nested:
        nested = nested.pop()


def test_what_does_not_load_says_why(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("kishu_test_library")
    exec("class Thing:\n    pass", vars(library))
    monkeypatch.setitem(sys.modules, library.__name__, library)
    cells.live["x"] = library.Thing()  # type: ignore[attr-defined]
    payload = cells.encode("x")
    assert isinstance(payload, Payload)
    store = MemoryStore()
    store.commit(empty_checkpoint(), [payload], {})
    monkeypatch.delitem(sys.modules, library.__name__)
    with pytest.raises(LoadError, match="x: the stored value does not load"):
        decode(store.load(Version(("x",), ID)), cells.live)


def test_encoding_takes_no_copy_of_big_memory(cells: Cells) -> None:
    cells.run("import numpy as np\nx = np.zeros(2_000_000)")
    started = time.perf_counter()
    payload = cells.encode("x")
    assert isinstance(payload, Payload)
    assert payload.buffers[0].data.obj is not None
    address = np.frombuffer(payload.buffers[0].data, "B").__array_interface__["data"][0]
    assert address == cells.live["x"].__array_interface__["data"][0]
    assert time.perf_counter() - started < 5
