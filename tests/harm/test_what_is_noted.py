"""To look at objects, to store them and to go back writes nothing on their classes, modules and functions."""

from __future__ import annotations

import pytest

from kishu_kernel.process import native
from tests.support.harness import Notebook

THINGS = """
import abc, collections, dataclasses, enum, functools, types, typing
class Plain: pass
class Slotted:
    __slots__ = ("x", "__weakref__")
class Derived(Slotted):
    __slots__ = ("y",)
@dataclasses.dataclass
class Data:
    x: int = 1
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int = 1
class Abstract(abc.ABC):
    __slots__ = ("x",)
class Of(typing.Generic[typing.TypeVar("T")]): pass
class Told:
    __slots__ = ("x",)
    def __getstate__(self): return None, {"x": 1}
class List(list):
    __slots__ = ("x",)
class Dict(dict): pass
class Deque(collections.deque): pass
class Error(Exception): pass
class Pair(typing.NamedTuple):
    x: int
class Number(enum.IntFlag):
    ONE = 1
class Meta(type): pass
class Made(metaclass=Meta):
    __slots__ = ("x",)
class Method:
    @functools.cached_property
    def it(self): return 1
    @staticmethod
    def s(): pass
def function(): pass
def generator():
    yield 1
module = types.ModuleType("module")
module.value = [1]
made = [Plain(), Slotted(), Derived(), Data(), Frozen(), Abstract(), Of(), Told(), List([1]), Dict(a=1), Deque([1]),
        Error("e"), Pair(1), Number.ONE, Made(), Method(), function, generator, functools.partial(function), module]
made[1].x = made[2].y = made[5].x = made[8].x = made[14].x = [1]
"""
LOOK = """
kinds = [each for each in [*map(type, made), module] if getattr(each, "__module__", "__main__") == "__main__"]
seen = [sorted(vars(each)) for each in kinds], [dir(each) for each in made]
"""
CHANGE = "made[0].y = [2]\nmade[1].x.append(2); made[8].append(2); module.value.append(2)"
ALL_AT_ONCE = "made.append(1)"


@pytest.mark.parametrize("pure", [False, True])
def test_nothing_is_written_on_them(pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if pure:
        monkeypatch.setattr(native, "WALKER", None)
    notebook = Notebook()
    notebook.ok(THINGS + LOOK + "first = seen")
    for code in (ALL_AT_ONCE, CHANGE, "made.pop()"):
        notebook.ok(code)
    notebook.session.undo(2)
    notebook.ok("made.pop();" + LOOK)
    assert notebook["seen"] == notebook["first"]


def test_what_the_user_has_noted_is_noted() -> None:
    notebook = Notebook()
    notebook.ok("import copy\nclass A:\n    __slots__ = ('x',)\na = A(); a.x = [1]")
    notebook.ok("b = copy.copy(a); noted = A.__slotnames__")
    assert notebook["noted"] == ["x"]
