"""Objects that are let go of end without doing anything; those that somebody holds stay as they are."""

from __future__ import annotations

import contextlib
import gc
import io
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.objects.codec import disarming as copies
from kishu_kernel.objects.codec.disarming import UnclaimedObjects, disarm

gone: list[str] = []


@pytest.fixture(autouse=True)
def nobody_gone() -> None:
    gc.collect()
    gone.clear()


class Target:
    """What can be waited for."""


class Plain:
    def __init__(self, name: str = "it") -> None:
        self.name = name

    def __del__(self) -> None:
        gone.append("Plain")


class Slots:
    __slots__ = ("__weakref__", "name")

    def __del__(self) -> None:
        gone.append("Slots")


class Bare:
    __slots__ = ()

    def __del__(self) -> None:
        gone.append("Bare")


class Derived(Plain):
    def __init_subclass__(cls) -> None:
        gone.append("subclassed")


class InDict(dict):  # type: ignore[type-arg]
    def __del__(self) -> None:
        gone.append("InDict")


class InError(Exception):
    def __del__(self) -> None:
        gone.append("InError")


class InDeque(deque):  # type: ignore[type-arg]
    def __del__(self) -> None:
        gone.append("InDeque")


class Meta(type):
    def __setattr__(cls, name: str, value: object) -> None:
        gone.append("set")


class OfMeta(metaclass=Meta):
    def __del__(self) -> None:
        gone.append("OfMeta")


KINDS = (Plain, Slots, Bare, Derived, InDict, InError, InDeque, OfMeta)

WAYS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda obj: obj,
    "in a list": lambda obj: [obj],
    "twice": lambda obj: [obj, {"again": obj}],
    "in a closure": lambda obj: lambda: obj,
    "as a default": lambda obj: lambda it=obj: it,
    "bound": lambda obj: types.MethodType(len, obj),
    "in a set of tuples": lambda obj: {(1, id(obj)): (obj,)},
    "in a cycle": lambda obj: _cycle(obj),
    "behind an iterator": lambda obj: iter([obj]),
}


def _cycle(obj: Any) -> Any:
    held: list[Any] = [obj]
    held.append(held)
    return held


def ended(roots: list[Any], since: int = 0) -> list[str]:
    """What is heard when all of it is let go of."""
    kept = disarm(roots, since)
    assert roots == []
    del kept
    gc.collect()
    return list(gone)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_they_end_without_doing_anything(kind: type, way: str) -> None:
    assert ended([WAYS[way](kind())]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_holds_stays_as_it_is(kind: type) -> None:
    live = kind()
    assert ended([[live], {"a": live}]) == []
    assert type(live) is kind
    del live
    assert gone == [kind.__mro__[kind is Derived].__name__]


def test_what_leads_from_something_held_stays_as_it_is() -> None:
    holder = [[Plain()]]
    assert ended([holder[0], [holder[0][0]]]) == []
    assert type(holder[0][0]) is Plain


def test_in_an_array() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([[Plain(), Slots()], [None, 1]], dtype=object)
    held = array[0, 1]
    view = array[:, 0]
    roots = [{"a": array, "b": view}]
    del array, view
    assert ended(roots) == []
    assert type(held) is Slots


def test_a_class_of_the_notebook_and_what_it_holds() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "gone": gone}
    exec(
        "class C:\n    def __del__(self): gone.append('C')\n"
        "class D:\n    held = C()\n    def __init__(self): self.c = C()\nd = D()",
        namespace,
    )
    roots = [namespace.pop("d"), namespace.pop("D")]
    assert ended(roots) == []


def test_finalizers_of_what_goes_are_called_off() -> None:
    since = copies._finalizers_so_far()
    going, staying = Plain(), Plain()
    weakref.finalize(going, gone.append, "going")
    weakref.finalize(staying, gone.append, "staying")
    roots = [[going], staying]
    del going
    assert ended(roots, since) == []
    del staying
    assert sorted(gone) == ["Plain", "staying"]


def test_what_a_finalizer_would_be_called_with_goes_too() -> None:
    since = copies._finalizers_so_far()
    target = Target()
    weakref.finalize(target, gone.append, Plain())
    roots = [target]
    del target
    assert ended(roots, since) == []


def test_finalizers_of_others_are_left_alone() -> None:
    target = Target()
    weakref.finalize(target, gone.append, "earlier")
    since = copies._finalizers_so_far()
    roots = [target]
    del target
    assert ended(roots, since) == ["earlier"]


def test_to_ask_for_the_number_of_finalizers_counts_none() -> None:
    since = copies._finalizers_so_far()
    assert copies._finalizers_so_far() == since
    weakref.finalize(gone_soon(), int)
    assert copies._finalizers_so_far() == since + 1


def gone_soon() -> Any:
    return Target()


def test_files_are_closed_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    files = [open(path), open(path, "rb"), io.FileIO(path)]  # noqa: SIM115
    numbers = [file.fileno() for file in files]
    roots: list[Any] = [files]
    del files
    assert ended(roots) == []  # an unclosed one would warn, and warnings are errors here
    assert len(set(numbers)) == 3


def generating() -> Iterator[int]:
    try:
        yield 1
    finally:
        gone.append("generator")


def test_what_cannot_be_disarmed_is_kept_for_good() -> None:
    first = generating()
    next(first)
    never_begun = generating()
    context = contextlib.contextmanager(generating)()
    context.__enter__()
    roots: list[Any] = [first, never_begun, [context]]
    del first, never_begun, context
    kept = disarm(roots)
    assert [type(each) for each in kept] == [types.GeneratorType] * 2
    del kept
    gc.collect()
    assert gone == []


def test_a_callback_of_a_weak_reference_is_not_called() -> None:
    target = Target()
    reference = weakref.ref(target, lambda _: gone.append("called"))
    roots: list[Any] = [{"r": reference, "t": target}]
    del reference, target
    assert ended(roots) == []


def test_it_is_told_what_is_kept() -> None:
    told: list[str] = []
    taken = UnclaimedObjects(told.append)
    generator = generating()
    next(generator)
    taken.note([generator])
    del generator
    taken.let_go()
    assert told == [
        "Copies that nobody needs (generator) stay in memory until this kernel ends: to free them would run code of "
        "yours."
    ]


def test_what_calls_held_that_an_error_has_ended() -> None:
    taken = UnclaimedObjects()
    taken.hand_over()
    taken.note([])

    def inner(it: Any) -> None:
        also = Slots()
        raise ValueError(it, also)

    def outer() -> None:
        try:
            inner(Plain())
        except ValueError as error:
            error.args = ()
            raise KeyError from error

    try:
        outer()
    except KeyError as error:
        taken.failed(error)
    gc.collect()
    assert gone == []


def test_classes_are_known_until_somebody_takes_their_objects() -> None:
    """What is held when others are let go of may go when all has failed, wherever it is held."""

    class Made:
        def __del__(self) -> None:
            gone.append("Made")

    taken = UnclaimedObjects()
    held = Made()
    taken.note([held], [Made])
    taken.let_go()
    assert type(held) is Made
    taken.failed(ValueError())
    del held
    assert gone == []


def test_what_was_taken_keeps_its_destructor() -> None:
    taken = UnclaimedObjects()
    found = Plain()
    taken.note([found])
    taken.hand_over()
    taken.let_go()
    del found
    assert gone == ["Plain"]


def test_a_generator_that_would_do_nothing_is_let_go_of() -> None:
    """It is in the middle of something, and has nothing to do where that ends."""

    def counting() -> Iterator[int]:
        for number in range(9):
            yield from (number, number)

    told: list[str] = []
    taken = UnclaimedObjects(told.append)
    generator = counting()
    next(generator)
    gone = weakref.ref(generator)
    taken.note([generator])
    del generator
    taken.let_go()
    assert gone() is None
    assert told == []


def test_a_metaclass_is_not_asked() -> None:
    """An error of its own would be the answer to whoever let go."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise NameError(name)

    class Made(metaclass=Meta):
        def __del__(self) -> None:
            gone.append("destructor")

    gone: list[str] = []
    Made.__module__ = "__main__"
    told: list[str] = []
    taken = UnclaimedObjects(told.append)
    made = object.__new__(Made)
    taken.note([made, Made])
    del made
    taken.let_go()
    assert gone == []
