"""The package's `dataclass` makes what the standard library's makes: each test runs over both."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from kishu_kernel.model import dataclass as light

Decorator = Callable[..., Any]


def classes(decorator: Decorator) -> dict[str, type]:
    """Of each kind that the package has."""

    @decorator(frozen=True, slots=True)
    class Value:
        a: int
        b: str = "b"
        c: tuple[int, ...] = ()
        d: dict[str, int] = dataclasses.field(default_factory=dict, hash=False)
        hidden: list[int] = dataclasses.field(default_factory=list, repr=False, compare=False)

        def doubled(self) -> int:
            return self.a * 2

    @decorator(frozen=True, slots=True)
    class Derived(Value):
        e: float = 0.5

    @decorator
    class Record:
        a: int
        xs: list[Any] = dataclasses.field(default_factory=list)

    @decorator(slots=True, eq=False)
    class Worked:
        a: int
        twice: int = dataclasses.field(init=False)
        noted: list[int] = dataclasses.field(init=False, default_factory=list)
        fixed: int = dataclasses.field(init=False, default=7)

        def __post_init__(self) -> None:
            self.twice = self.a * 2

    @decorator
    class Failure(Exception):
        """That has fields."""

        a: int

    @decorator(frozen=True)
    class Nothing:
        pass

    @decorator(frozen=True)
    class Own:
        a: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    made = {name: each for name, each in locals().items() if isinstance(each, type)}
    for name, each in made.items():
        each.__qualname__, each.__module__ = name, __name__  # to be pickled
    return made


@pytest.fixture(params=["standard", "light", "light, compiled"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "light, compiled":
        monkeypatch.setattr(light, "_INTERPRETED", 0)
    found = classes(dataclasses.dataclass if request.param == "standard" else light.dataclass)
    for name, each in found.items():
        monkeypatch.setattr(sys.modules[__name__], name, each, raising=False)
    return found


def test_instances_are_made_compared_and_shown(made: dict[str, Any]) -> None:
    value, derived, record = made["Value"], made["Derived"], made["Record"]
    one = value(1, c=(2,))
    assert (one.a, one.b, one.c, one.d, one.doubled()) == (1, "b", (2,), {}, 2)
    assert one.d is not value(1).d
    assert one == value(1, "b", (2,), {}, [5])
    assert hash(one) == hash(value(1, "b", (2,), {"other": 1}))
    assert one != value(1, "b", (2,), {"other": 1})
    assert one != value(1)
    assert one != derived(1, c=(2,))
    assert one != 1
    assert len({one, value(1, c=(2,)), value(2)}) == 2
    assert repr(one) == "Value(a=1, b='b', c=(2,), d={})"
    assert repr(derived(1)) == "Derived(a=1, b='b', c=(), d={}, e=0.5)"
    with pytest.raises(TypeError, match=r"Value\.__init__\(\) missing 1 required positional argument: 'a'"):
        value()
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        value(1, z=1)
    worked = made["Worked"](3)
    assert (worked.twice, worked.noted, worked.fixed) == (6, [], 7)
    assert worked != made["Worked"](3)
    assert made["Nothing"]() == made["Nothing"]()
    assert len({made["Nothing"]()}) == 1
    assert repr(made["Own"](1)) == "own"
    assert made["Own"](1) == made["Own"](2)
    assert hash(made["Own"](1)) == 1
    with pytest.raises(made["Failure"]) as caught:
        raise made["Failure"](5)
    assert caught.value.a == 5
    endless = record(1)
    endless.xs.append(endless)
    assert repr(endless) == "Record(a=1, xs=[...])"
    match one:
        case value(a, b):
            assert (a, b) == (1, "b")


def test_what_is_frozen_and_what_can_be_hashed(made: dict[str, Any]) -> None:
    value, record = made["Value"](1), made["Record"](1)
    for change in (lambda: setattr(value, "a", 2), lambda: setattr(value, "new", 2), lambda: delattr(value, "a")):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            change()
    assert value.a == 1
    assert not hasattr(value, "__dict__")
    record.a, record.new = 2, 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(record)
    assert len({made["Worked"](1), made["Worked"](1)}) == 2


def test_copies(made: dict[str, Any]) -> None:
    value = made["Derived"](1, "x", hidden=[1])
    assert light.replace(value, a=5, hidden=[2]) == made["Derived"](5, "x")
    assert light.replace(value, a=5, hidden=[2]).hidden == [2]
    assert light.replace(value).hidden == [1]
    assert (light.replace(made["Worked"](3)).twice, light.replace(made["Record"](1), a=2).a) == (6, 2)
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert other == value
        assert other.hidden == [1]
        assert type(other) is type(value)
    assert dataclasses.replace(value, a=5) == made["Derived"](5, "x")
    assert dataclasses.asdict(made["Record"](1, [value]))["xs"][0]["b"] == "x"
    assert [each.name for each in dataclasses.fields(made["Derived"])] == ["a", "b", "c", "d", "hidden", "e"]


@pytest.mark.parametrize("decorator", [dataclasses.dataclass, light.dataclass])
def test_what_is_kept_of_the_fields_is_there_for_whoever_asks(decorator: Decorator) -> None:
    @decorator(frozen=True)
    class Base:
        a: int = 1
        b: list[int] = dataclasses.field(default_factory=list, metadata={"unit": "m"})

    asked = dataclasses.fields(Base)  # of the base before the other is made

    @decorator(frozen=True, slots=True)
    class Other(Base):
        a: int = 2
        c: int = 3

    plain = type("Plain", (Other,), {})  # no data class of its own
    assert (asked[0].name, asked[0].type, asked[0].default) == ("a", "int", 1)
    assert asked[1].metadata == {"unit": "m"}
    assert dataclasses.is_dataclass(plain)
    assert [(each.name, each.default) for each in dataclasses.fields(plain(b=[4]))][::2] == [("a", 2), ("c", 3)]
    assert dataclasses.asdict(plain(b=[4])) == {"a": 2, "b": [4], "c": 3}
    assert (Base.a, Other(b=[]).a, dataclasses.fields(Base)[0].default) == (1, 2, 1)
    assert Base.__match_args__ == ("a", "b")  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        plain(d=1)


def test_what_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="knows fields alone"):
        light.dataclass(type("Odd", (), {"__annotations__": {"a": "ClassVar[int]"}}))
