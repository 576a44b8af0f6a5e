"""`inspect`: variables of now and of other states, asked at any time, without running anything of the user's."""

from __future__ import annotations

from .conftest import Start
from .driver import Content, Kernel

ENTRY = {"name", "type", "summary", "bytes", "shape", "preview", "along", "changed_by", "stored"}


def inspect(kernel: Kernel, channel: str = "control", **how: object) -> dict[str, Content]:
    reply = kernel.done("inspect", channel, **how)
    assert all(each.keys() >= ENTRY for each in reply["variables"])
    return {each["name"]: each for each in reply["variables"]}


def test_variables_of_now(kernel: Kernel) -> None:
    kernel.ok("import pandas as pd, numpy as np")
    kernel.ok("df = pd.DataFrame({'a': [1, 2, 3], 'b': ['x', 'y', 'z']}); col = df['a']")
    head = kernel.done("status")["head"]
    kernel.ok("m = np.arange(6).reshape(2, 3); n = 5; xs = [1, [2]]; d = {'k': xs}; s = 'one\\ntwo'")
    found = inspect(kernel)
    assert [each["shape"] for each in map(found.__getitem__, ("df", "m", "xs", "n"))] == [[3, 2], [2, 3], [2], None]
    assert found["df"]["preview"].splitlines() == ["a    b", "1  'x'", "2  'y'", "3  'z'"]
    assert found["m"]["preview"].splitlines() == ["0  1  2", "3  4  5"]
    assert found["df"]["head"] == {"columns": ["a", "b"], "rows": [["1", "'x'"], ["2", "'y'"], ["3", "'z'"]]}
    assert found["m"]["head"] == {"columns": None, "rows": [["0", "1", "2"], ["3", "4", "5"]]}
    assert found["xs"]["head"] is None
    assert (found["df"]["changed_in"], found["m"]["changed_in"]) == (2, 3)
    assert found["d"]["preview"] == "'k': [1, [2]]"
    assert found["s"]["preview"] == "one\ntwo"
    assert found["xs"]["along"] == ["d"]
    assert found["df"]["changed_by"] == head
    assert found["df"]["bytes"] > 0
    assert all(each["stored"] for each in found.values())
    assert list(inspect(kernel, names=["n", "m"], preview=False)) == ["n", "m"]
    assert inspect(kernel, names=["n"], preview=False)["n"]["preview"] is None
    assert len(inspect(kernel, limit=2)) == 2
    assert "did you mean 'xs'?" in kernel.request("inspect", names=["xss"])["evalue"]


def test_another_state_is_told_by_its_records(kernel: Kernel) -> None:
    kernel.ok("x = [1, 2, 3]; y = 1")
    first = kernel.done("status")["head"]
    kernel.ok("x.append(4); del y")
    then = inspect(kernel, target=first)
    assert then["x"]["summary"] == "[1, 2, 3]" == then["x"]["preview"]
    assert then["y"]["changed_by"] == first
    assert set(inspect(kernel)) == {"x"}
    assert inspect(kernel)["x"]["summary"] == "[1, 2, 3, 4]"
    assert set(inspect(kernel, target="In[1]", names=["y"])) == {"y"}


def test_what_each_state_made_of_a_variable(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    first = kernel.done("status")["head"]
    kernel.ok("x = {'a': x}; y = 1")
    kernel.ok("del x")
    kernel.done("take", names=["x"], target=first)
    reply = kernel.done("variable", "control", name="x")
    made = [each and (each["type"], each["summary"]) for each in reply["values"]]
    assert made == [("list", "[1]"), None, ("dict", "dict of 1"), ("list", "[1]")]
    assert [each["take"] is None for each in reply["checkpoints"]] == [False, True, True, True]
    assert not reply["truncated"]
    assert len(kernel.done("variable", name="x", limit=1)["values"]) == 1


def test_it_answers_while_a_cell_runs(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    with kernel.hold("x.append(2)") as held:
        reply = kernel.done("inspect", "control")
        assert reply["now"] is False
        assert [each["summary"] for each in reply["variables"] if each["name"] == "x"] == ["[1]"]
        held.let_go()
    reply = kernel.done("inspect", "control")
    assert reply["now"] is True
    assert [each["summary"] for each in reply["variables"] if each["name"] == "x"] == ["[1, 2]"]


HOSTILE = """
ran = []
class Meta(type):
    def __getattribute__(cls, name): ran.append(name); return super().__getattribute__(name)
class H:
    def __repr__(self): ran.append('repr'); return 'H'
    __str__ = __len__ = __iter__ = __eq__ = __hash__ = __getattr__ = __repr__
    @property
    def shape(self): ran.append('shape')
class L(list):
    def __iter__(self): ran.append('iter'); return iter([])
    __len__ = __repr__ = __iter__
class M(metaclass=Meta): pass
h = H(); l = L([1]); m = M(); held = [h, {'k': l}]
import pandas as pd
class F(pd.DataFrame):
    def __getattribute__(self, name): ran.append(name); return super().__getattribute__(name)
f = pd.DataFrame({'a': [h, l]}); g = F({'a': [1]})
class Text(str):
    def __str__(self): ran.append('text'); return 'text'
    __repr__ = __len__ = __eq__ = __str__
    def __format__(self, how): ran.append('format'); return 'text'
    def __hash__(self): ran.append('hash of a text'); return str.__hash__(self)
def named(): pass
class Named: pass
named.__qualname__ = Named.__qualname__ = Named.__module__ = Text('other')
n = Named(); t = Text('x'); texts = [t, {t: t}]
class Eq(type):
    def __eq__(cls, other): ran.append('eq of a class'); return cls is other
    def __hash__(cls): ran.append('hash of a class'); return 1
    def __instancecheck__(cls, obj): ran.append('instance'); return True
class E(metaclass=Eq): pass
e = E(); es = [e]
import datetime, fractions, re, types
class Zone(datetime.tzinfo):
    def utcoffset(self, at): ran.append('zone'); return datetime.timedelta(0)
    def __str__(self): ran.append('str of a zone'); return 'Zone'
    dst = tzname = utcoffset
    __repr__ = __str__
z = datetime.datetime(2026, 1, 1, tzinfo=Zone()); zt = z.timetz(); zs = pd.Series([pd.Timestamp(z)]); zi = pd.Index(zs)
half = fractions.Fraction(1, 2); half._numerator = h
pattern = re.compile(t); utc = datetime.timezone(datetime.timedelta(0), t)
module = types.ModuleType('m'); module.__name__ = h
import numpy as np
record = np.zeros(1, dtype=[(t, int)]); kind = record.dtype
noted = pd.DataFrame({'a': [1]}); noted.attrs['by'] = h; columns = pd.DataFrame([[1]], columns=pd.Index([t]))
from pandas.api.extensions import ExtensionArray, ExtensionDtype
class Dtype(ExtensionDtype):
    name, type = 'mine', object
    def __str__(self): ran.append('str of a dtype'); return 'mine'
class Array(ExtensionArray):
    def __init__(self, items): self.items = items
    def _at(self, index): return self.items[index] if isinstance(index, int) else Array(self.items[index])
    def __getitem__(self, index): ran.append('item'); return self._at(index)
    def __len__(self): ran.append('length'); return len(self.items)
    @property
    def dtype(self): ran.append('dtype'); return Dtype()
    def copy(self): return Array(self.items)
own = Array([1, 2]); series = pd.Series(own); frame = pd.DataFrame({'a': series}); index = pd.Index(own)
"""


def test_no_code_of_the_users_runs(kernel: Kernel) -> None:
    kernel.ok(HOSTILE)
    kernel.ok("ran.clear()")
    found = inspect(kernel)
    assert found["h"]["type"] == "H"
    assert inspect(kernel, target="HEAD").keys() == found.keys()
    assert kernel.value("ran") == []
    for operation in ("show", "diff"):
        kernel.done(operation, target="HEAD~1")
    kernel.ok("%kishu show HEAD")
    assert kernel.value("ran") == []
    assert found["n"]["type"] == "other.other"
    assert found["z"]["preview"] == "2026-01-01 00:00:00 Zone"
    digest = kernel.done("status")["state"]
    inspect(kernel)
    assert kernel.done("status")["state"] == digest


def test_sizes_are_bounded(kernel: Kernel) -> None:
    kernel.ok("import numpy as np\nbig = ['x' * 10_000] * 10_000; text = 'y' * 10**7; wide = np.zeros((1000, 1000))")
    kernel.ok("many = {n: n for n in range(10**5)}; deep = []\nfor _ in range(1000): deep = [deep]")
    kernel.ok("import sys; sys.set_int_max_str_digits(0)")
    kernel.ok("number = 7 ** 1_000_000; numbers = [number]; keys = {number: number}; numerals = {number}")
    kernel.ok("share = __import__('fractions').Fraction(number, 2); until = range(number)")
    kernel.ok("heavy = [''.join(['a'] * 100_000)] * 1_000_000 + [0.5]")
    assert inspect(kernel)["numbers"]["summary"] == "[int of 2,807,355 bits]"
    assert inspect(kernel)["until"]["preview"] == "range(0, int of 2,807,355 bits)"
    for each in inspect(kernel).values():
        assert len(each["preview"]) < 2500
        assert each["preview"].count("\n") < 10
        assert len(each["summary"]) <= 200


def test_equal_states_have_equal_digests(start: Start) -> None:
    cells = [
        "a = [1, {'k': (2, 'x')}]; b = {3, 1, 'y'}; c = a",
        "def f(x): return x + b\nimport json",
        "import numpy as np; m = np.arange(5.0); v = m[1:]",
    ]
    one, other = start(), start()
    for cell in cells:
        one.ok(cell)
        other.ok("pass")
        other.ok(cell)
    assert one.done("status")["state"] == other.done("status")["state"]
    before = one.done("status")["state"]
    one.ok("v[0] = 7")
    assert one.done("status")["state"] != before
    one.done("undo")
    status = one.done("status")
    assert status["state"] == before
    assert {"take", "inspect", "status", "checkout"} <= set(status["operations"])
    assert status["kernel"]["resumed_from"] is None
    assert status["kernel"]["python"].startswith("3.")
