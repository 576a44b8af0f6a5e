"""What was found out of a library's classes lasts while they are what they were; after any change all is asked anew."""

from __future__ import annotations

import copyreg
import gc
import pickletools
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.model import NotStored, Payload
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.lasting_answers import LastingAnswers
from kishu_kernel.objects.own_modules import held_since_import, tracked_modules
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.whole_classes import WholeClasses
from kishu_kernel.process.native import WALKER

LIBRARY = """
import abc, enum
class Meta(type): pass
class Base: pass
class Box(Base):
    def __init__(self, **held): self.__dict__.update(held)
class Slim:
    __slots__ = ("a", "b")
class Made(metaclass=Meta): pass
class Mood(enum.Enum):
    GLAD = 1
class Sized(abc.ABC): pass
def rebuilt(*held): return Box()
class Told:
    def __init__(self, value): self.value = value
    def __reduce__(self): return rebuilt, (self.value,)
shared = [0]
"""
VALUES = """
box, slim, made, told = Box(a=1, own=[1]), Slim(), Made(), Told([2])
slim.a, made.b = [1], 2
items, both = [Box, Mood.GLAD, Sized, Made, rebuilt], [shared, Mood]
"""
VERSIONS = WALKER is not None and sys.version_info[:2] in ((3, 11), (3, 12))

CHANGES = r"""
Box.__reduce__ = lambda self: (Box, ())
Base.__reduce_ex__ = lambda self, protocol: (Box, ())
Box.__getstate__ = lambda self: {"own": self.own}
Base.__setattr__ = lambda self, name, value: None
Slim.__getstate__ = lambda self: (None, {})
Box.__bases__ = (Told,)
Meta.__call__ = lambda cls, *held: None
made.__class__ = type("Other", (Made,), {})
Box.__qualname__ = "Chest"
Box.__module__ = "elsewhere"
Told.__reduce__ = lambda self: (rebuilt, ())
lib.rebuilt.__qualname__ = "made_again"
del lib.rebuilt
lib.rebuilt = lambda *held: 1
lib.Box = Base
lib.own = box.own
lib.shared = [0]
del lib.shared
sys.modules["lib"] = type(sys)("lib")
copyreg.pickle(Box, lambda obj: (Box, ()))
copyreg.pickle(Slim, lambda obj: (Slim, ()))
Sized.register(Box)
tracked_modules.add("lib")
tracked_modules.add("elsewhere")
held_since_import[id(Box)] = "mine", "Box"
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    module = types.ModuleType("lib")
    monkeypatch.setitem(sys.modules, "lib", module)
    exec(LIBRARY, vars(module))
    ways = dict(copyreg.dispatch_table)
    yield module
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(ways)


@pytest.fixture
def values(library: types.ModuleType) -> dict[str, Any]:
    """What a session holds of the library."""
    made: dict[str, Any] = {}
    exec(VALUES, vars(library), made)
    return made


def told(table: ReductionTable, values: dict[str, Any]) -> list[object]:
    """What a judgement reads of the values, and what is stored of them."""
    prints = Fingerprinter(table)
    found = {name: prints.take(obj) for name, obj in values.items()}
    kinds = frozenset().union(*(each.kinds for each in found.values()))
    shared = [id(values["both"][0]) in each.links for each in found.values()]
    stored = [_stored(encode((name,), values, table)) for name in values]
    return [combined_digest(found, found), shared, WholeClasses(table).doubtful(kinds), stored]


def _stored(found: Payload | NotStored) -> object:
    """Without what differs from time to time: cloudpickle gives classes numbers that it draws."""
    if isinstance(found, NotStored):
        return found
    return [each.name for each, _, _ in pickletools.genops(found.stream)], found.left_out


@pytest.mark.parametrize("change", CHANGES.strip().splitlines())
def test_after_a_change_all_is_asked_anew(library: types.ModuleType, values: dict[str, Any], change: str) -> None:
    table = ReductionTable({})
    answers = LastingAnswers(table)
    for code in ("", "", change, ""):
        exec(code, {**globals(), "lib": library, **vars(library), **values})
        with answers.at_one_moment():
            assert told(table, values) == told(ReductionTable({}), values)


@pytest.mark.parametrize("change", CHANGES.strip().splitlines())
def test_it_is_so_beside_modules_of_the_users(
    library: types.ModuleType, values: dict[str, Any], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = types.ModuleType("own")
    own.Box, own.handle = library.Box, iter([])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own", own)
    tracked_modules.add("own")
    held_since_import.update({id(own.Box): ("own", "Box"), id(own.handle): ("own", "handle")})  # type: ignore[attr-defined]
    test_after_a_change_all_is_asked_anew(library, values, change)


@pytest.mark.skipif(not VERSIONS, reason="nothing lasts there")
def test_what_has_not_changed_is_not_asked_again(library: types.ModuleType, values: dict[str, Any]) -> None:
    table = ReductionTable({})
    answers = LastingAnswers(table)
    for _ in range(2):
        with answers.at_one_moment():
            assert table.moment is not None
            known = table.moment.values.keys() | table.moment.walkers.keys() | table.moment.references.keys()
            told(table, values)
    assert {library.Box, library.Slim, library.Made, library.Told, library.rebuilt} <= known


@pytest.mark.parametrize("name", ["Box", "rebuilt", "Made"])
def test_nothing_is_kept_alive(library: types.ModuleType, values: dict[str, Any], name: str) -> None:
    table = ReductionTable({})
    answers = LastingAnswers(table)
    with answers.at_one_moment():
        told(table, values)
    reference = weakref.ref(getattr(library, name))
    values.clear()
    vars(library).clear()
    with answers.at_one_moment():
        pass
    gc.collect()
    assert reference() is None


def test_nothing_of_the_notebooks_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    exec("class Box: pass\nboxes = [Box()]", vars(notebook))
    answers = LastingAnswers(table := ReductionTable(vars(notebook)))
    with answers.at_one_moment():
        Fingerprinter(table).take(notebook.boxes)
    reference = weakref.ref(notebook.Box)
    vars(notebook).clear()
    gc.collect()
    assert reference() is None
