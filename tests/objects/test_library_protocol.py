"""What a library's file may say, tried with a library that is made up here."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import types
import weakref
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.model import NotStored
from kishu_kernel.objects import libraries
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.load_guard import LoadGuard, NotHarmlessError
from kishu_kernel.objects.installed import modules_of
from kishu_kernel.objects.libraries import standard
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registry import Registry, UnknownError, registry
from tests.objects.test_library_reductions import Cells

CODE = """
class Scale:
    def __init__(self, refused=False):
        self.itself, self.refused = [self], refused
        self.Length = type("Length", (Length,), {"scale": self})

class Length:
    scale = None
    def __init__(self, number):
        self.number = number

class Held:
    def __init__(self, scale):
        self.scale = scale

asked = []

class Slow:
    def __reduce__(self):
        asked.append(1)
        raise KeyboardInterrupt
"""

REASON = "this scale hangs on a wall"
LIVING: dict[str, Any] = {}


def find_length() -> Any:
    """Called by streams."""
    return LIVING["scale"].Length


def _scale(scale: Any) -> Any:
    if scale.refused:
        raise TypeError(REASON)
    return types.SimpleNamespace, (), {"itself": scale.itself}


def _class(cls: Any) -> Any:
    if cls.scale is None:
        return NotImplemented
    if cls.scale.refused:
        raise TypeError(REASON)
    return find_length, ()


class Scales(Library):
    packages = ("scales_made_up",)

    def __init__(self) -> None:
        self.labels = {"Scale"}
        self.reductions = {"Scale": _scale}
        self.classes = {"Length": _class}
        self.private_memory = {"Slow": lambda slow: ()}


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Cells:
    module = types.ModuleType("scales_made_up")
    exec(CODE, vars(module))
    monkeypatch.setitem(sys.modules, "scales_made_up", module)
    monkeypatch.setattr(registry, "_registered", [])
    registry.register(Scales())
    made = Cells()
    monkeypatch.setitem(sys.modules, "__main__", made.module)
    made.live["scales"] = module
    return made


def test_a_label_that_leads_back_to_itself(cells: Cells) -> None:
    cells.run("x = [scales.Scale()]")
    assert cells.digest() == cells.digest()


@pytest.mark.parametrize(
    "code",
    [
        "x = scales.Scale(refused=True)",
        "x = [scales.Scale(refused=True)]",
        "x = [scales.Held(scales.Scale(refused=True))]",
        "x = scales.Scale(refused=True).Length",
        "x = [scales.Scale(refused=True).Length(3)]",
    ],
)
def test_what_is_refused_is_opaque_and_tells_why(cells: Cells, code: str) -> None:
    cells.run(code)
    found = Fingerprinter(cells.table).take(cells.live["x"])
    assert found.opaque
    assert encode(("x",), cells.live, cells.table, found.opaque) == NotStored(("x",), REASON)


def test_a_class_that_a_library_makes_comes_back_as_the_one_that_lives(cells: Cells) -> None:
    cells.run("s = scales.Scale(); x = [s.Length, s.Length(3)]; y = [s.Length(4)]")
    LIVING["scale"] = cells.look("s")
    cells.reload()
    assert cells.look("x[0] is s.Length and type(x[1]) is s.Length and x[1].number == 3")
    x, y = (Fingerprinter(cells.table).take(cells.live[name]) for name in ("x", "y"))
    assert not set(x.links) & set(y.links)


def test_a_class_that_derives_from_it_in_the_notebook_is_the_notebooks(cells: Cells) -> None:
    cells.run("s = scales.Scale()\nclass Mine(s.Length):\n    unit = 'm'\nx = [Mine, Mine(3)]")
    LIVING["scale"] = cells.look("s")
    cells.reload()
    assert cells.look("x[0] is not Mine and x[0].__bases__ == (s.Length,) and type(x[1]) is x[0]")


def test_a_reduction_that_hangs_is_asked_once(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a library says that its memory is private."""
    monkeypatch.setattr("kishu_kernel.objects.reducers.HANGS", -1)  # any interrupt comes late enough
    cells.run("x = scales.Slow()")
    with pytest.raises(KeyboardInterrupt):
        cells.digest()
    assert Fingerprinter(cells.table).take(cells.live["x"]).opaque
    assert cells.look("scales.asked == [1]")


def test_functions_of_our_files_are_as_harmless_as_their_libraries() -> None:
    pytest.importorskip("numpy")
    list(registry.libraries())
    ours = "kishu_kernel.objects.libraries"
    function = next(name for name, each in vars(sys.modules[f"{ours}.numpy"]).items() if _is_of_it(each))
    LoadGuard(only_harmless=True).name_requested(f"{ours}.numpy", function)
    other = next(name for name, each in vars(sys.modules[f"{ours}.standard.modules"]).items() if _is_of_it(each))
    for module, name in ((f"{ours}.numpy", "sys"), (f"{ours}.numpy", "sys.exit"), (f"{ours}.standard.modules", other)):
        with pytest.raises(NotHarmlessError):
            LoadGuard(only_harmless=True).name_requested(module, name)


def _is_of_it(obj: Any) -> bool:
    return type(obj) is types.FunctionType and obj.__module__.startswith("kishu_kernel.objects.libraries")


def _fail(scale: Any) -> Any:
    return 1 / 0


class _Broken(Library):
    packages = ("scales_made_up",)

    def __init__(self) -> None:
        self.summaries = self.reductions = {"Scale": _fail}


def test_errors_of_our_own_files_are_told_once(cells: Cells) -> None:
    known = Registry()
    known._add(_Broken(), theirs=False)
    kind = cells.look("scales.Scale")
    summary, reduction = known.find("summaries", kind), known.find("reductions", kind)
    assert summary is not None
    assert reduction is not None
    with pytest.raises(UnknownError):
        summary.answer(kind())
    with pytest.raises(TypeError, match="ZeroDivisionError"):  # ours know why the usual way is not good: not stored
        reduction.answer(kind())
    [told] = known.complaints()
    assert "_Broken" in told
    assert "ZeroDivisionError" in told
    assert known.complaints() == []


class _Meta(type):
    """As that of widgets: none of Python's own."""


def test_what_is_said_of_a_class_goes_by_what_it_is_now_and_keeps_no_class() -> None:
    known = Registry()
    known.register(type("Mine", (Library,), {"packages": ("mine",), "observers": {"Base": ("a",), "mine.*": ("b",)}})())
    bases = [_Meta(name, (), {"__module__": "mine"}) for name in ("Base", "Other")]
    kind = _Meta("Sub", (bases[0],), {"__module__": "elsewhere"})

    def asked(of: type) -> list[tuple[str, ...]]:
        return [entry.answer for entry in known.all("observers", of)]

    assert asked(kind) == asked(kind) == [("a",)]
    assert known.exactly("observers", kind) is None
    kind.__bases__ = (bases[1],)
    assert asked(kind) == []
    kind.__module__ = "mine"
    assert asked(kind) == [("b",)]
    gone = weakref.ref(kind)
    del kind
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("folder", [libraries, standard], ids=["others", "standard"])
def test_files_that_wait_for_a_question_about_a_class_answer_nothing_else(folder: Any) -> None:
    assert set(modules_of(folder)) >= folder.LATE
    for module in (importlib.import_module(f"{folder.__name__}.{name}") for name in folder.LATE):
        kinds = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
        said = {name for each in kinds if isinstance(each, type) and issubclass(each, Library) for name in vars(each)}
        assert said.isdisjoint({"ambient", "current", "accesses_of_current", "registers_once"}), module


def test_a_library_is_known_where_as_many_modules_are_imported_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Registry()
    monkeypatch.setitem(sys.modules, "made_up", types.ModuleType("made_up"))
    assert not known.has_file_of_ours("spacy")
    assert not known.has_file_of_ours("spacy")
    monkeypatch.delitem(sys.modules, "made_up")
    monkeypatch.setitem(sys.modules, "spacy", types.ModuleType("spacy"))
    assert known.has_file_of_ours("spacy")


def test_the_first_question_about_a_class_has_all_files_read() -> None:
    known = Registry()
    assert "random numbers" in known.providers()  # which asks about none
    assert known.exactly("exact_reductions", type(threading.Lock())) is not None
    assert known.has_file_of_ours("socket")
