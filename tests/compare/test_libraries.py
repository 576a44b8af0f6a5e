"""What a library says for people: summaries, shapes, comparisons, parts, single values."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, ClassVar

import pandas as pd
import pytest

from kishu_kernel.compare import compare
from kishu_kernel.compare.looking import is_valued, text
from kishu_kernel.objects import Library
from kishu_kernel.objects.registry import Registry
from kishu_kernel.objects.summaries import describe


class Unit:
    """Of the toy library, as all that follows."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unit) and self.number == other.number

    def __hash__(self) -> int:
        return self.number

    def __str__(self) -> str:
        return f"{self.number} toys"


class Grid:
    shape = (2, 3)
    dtype = "toy"


class Model:
    def __init__(self, number: int) -> None:
        self.weights = [number]


class Network:
    def __init__(self, **layers: int) -> None:
        self.layers = layers


class Broken:
    def __init__(self, number: int) -> None:
        self.number = number


KINDS = (Unit, Grid, Model, Network, Broken)


def models(before: Any, after: Any, findings: Any) -> None:
    """Named by the library."""
    findings.add("all weights", str(before.weights), str(after.weights))


def fails(*_: object) -> Any:
    raise ValueError("not so")


class Toy(Library):
    """As somebody writes it."""

    packages = ("toy",)
    summaries: ClassVar = {"Network": lambda network: f"{len(network.layers)} layers", "Broken": fails}
    shapes = True
    comparisons: ClassVar = {"Model": "toy.comparisons:models", "Broken": fails}
    parts: ClassVar = {"Network": lambda network: network.layers}
    scalars = ("Unit",)
    texts: ClassVar = {"Model": lambda model: f"a model of {model.weights[0]}"}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """The library is known, and imported."""
    module, comparisons = types.ModuleType("toy"), types.ModuleType("toy.comparisons")
    for kind in KINDS:
        monkeypatch.setattr(kind, "__module__", "toy")
        setattr(module, kind.__name__, kind)
    comparisons.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setitem(sys.modules, "toy.comparisons", comparisons)
    registry = Registry()
    registry.register(Toy())
    monkeypatch.setattr("kishu_kernel.objects.questions.registry", registry)
    yield registry
    assert not registry.complaints()


def told(before: object, after: object) -> dict[str, tuple[str, str]]:
    return {each.aspect: (each.before, each.after) for each in compare(before, after).aspects}


@pytest.mark.usefixtures("toy")
def test_summaries_and_shapes() -> None:
    assert describe("x", Network(a=1, b=2)).summary == "2 layers"
    assert describe("x", Grid()).summary == "2 x 3 toy"
    assert describe("x", Unit(1)).summary == "Unit"


@pytest.mark.usefixtures("toy")
def test_a_class_that_says_it_is_the_library_s_is_not_believed() -> None:
    pretends = type("Grid", (), {"__module__": "toy", "shape": property(fails)})
    assert describe("x", pretends()).summary == "Grid"
    assert text(type("Unit", (), {"__module__": "toy", "__str__": fails})()) == "Unit"


@pytest.mark.usefixtures("toy")
def test_a_comparison_is_found_by_its_name() -> None:
    assert told(Model(1), Model(2)) == {"all weights": ("[1]", "[2]")}
    derived = type("Derived", (Model,), {"__module__": "__main__"})
    assert told(derived(1), derived(2)) == {"all weights": ("[1]", "[2]")}
    assert text(Model(1)) == "a model of 1"


@pytest.mark.usefixtures("toy")
def test_parts() -> None:
    assert told(Network(a=1, b=2), Network(b=3, c=4)) == {
        "parts removed": ("a", ""),
        "parts added": ("", "c"),
        "b": ("2", "3"),
    }


@pytest.mark.usefixtures("toy")
def test_single_values() -> None:
    assert told([Unit(1)], [Unit(2)]) == {"[0]": ("1 toys", "2 toys")}
    assert is_valued([Unit(1), Unit(2)])
    assert not is_valued([type("Own", (Unit,), {"__module__": "__main__"})(1)])


def test_what_fails_is_told_once_and_changes_nothing(toy: Registry) -> None:
    assert describe("x", Broken(1)).summary == "Broken"
    assert told(Broken(1), Broken(2)) == {"number": ("1", "2")}
    [sentence] = toy.complaints()
    assert "ValueError: not so" in sentence


def test_a_comparison_that_is_not_there_is_told(toy: Registry) -> None:
    del sys.modules["toy.comparisons"].models  # type: ignore[attr-defined]
    assert told(Model(1), Model(2)) == {"weights": ("[1]", "[2]")}
    [sentence] = toy.complaints()
    assert "toy.comparisons:models" in sentence


def test_a_dtype_has_a_summary() -> None:
    assert describe("x", pd.CategoricalDtype(["u"])).summary == "CategoricalDtype"
