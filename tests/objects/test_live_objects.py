"""Objects that ambient state refers to: the very ones come back, and memory that only we would hold is let go."""

from __future__ import annotations

import functools
import gc
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from kishu_kernel.objects.live_objects import HELD_AT_MOST, LiveObjects, live_objects
from kishu_kernel.objects.registrations import referred, resolved


class Made:
    """Something of a user's that a hook holds."""


class _Caller:
    """What can be bound, and has no name."""

    def __call__(self, owner: Made) -> None: ...


class Slotted:
    """What no weak reference leads to."""

    __slots__ = ("held",)


def _live_objects(namespace: dict[str, Any], stream: bytes = b"stream") -> LiveObjects:
    found = LiveObjects()
    found.serve(namespace, lambda _: stream, lambda _: eval("lambda x: x + 1", namespace))
    return found


def _closure(held: Any) -> Callable[[], Any]:
    return lambda: held


def _slotted(held: Any) -> Any:
    made = Slotted()
    made.held = held
    return made


def _cyclic(held: Any) -> Any:
    def again() -> Any:
        return again, held

    return again


@pytest.mark.parametrize("register", [_closure, _slotted, _cyclic])
@pytest.mark.parametrize("stream", [b"", b"stream"])
def test_what_nobody_else_holds_is_kept_for_the_last_states_only(register: Callable[..., Any], stream: bytes) -> None:
    live = _live_objects({}, stream)
    watched: list[weakref.ref[Made]] = []
    references = []
    for _ in range(2 * HELD_AT_MOST):
        held = Made()
        watched.append(weakref.ref(held))
        references.append(live.reference(register(held)))
        del held
        live.end_turn()
    gc.collect()
    kept = [each() is not None for each in watched]
    assert sum(kept) <= (HELD_AT_MOST if stream else 40) + 2
    assert all(kept[-30:])
    assert live.resolve(references[-1]) is live.resolve(references[-1])
    if not stream:
        assert "nobody but Kishu held it" in str(live.obstacle(references[0]))
        with pytest.raises(LookupError, match="nobody but Kishu held it"):
            live.resolve(references[0])


def test_what_was_taken_out_at_once_is_kept_as_one() -> None:
    live = _live_objects({}, b"")
    objects = [_closure(number) for number in range(HELD_AT_MOST)]
    references = [live.reference(each) for each in objects]
    live.end_turn()
    numbers = list(map(id, objects))
    del objects
    for _ in range(20):
        live.reference(_closure(0))
        live.end_turn()
    assert [id(live.resolve(each)) for each in references] == numbers


def test_what_somebody_else_holds_stays_the_very_one() -> None:
    live = _live_objects({}, b"")
    library = [_closure(1), _slotted(1)]
    references = [live.reference(each) for each in library]
    for _ in range(2 * HELD_AT_MOST):
        live.reference(_closure(0))
        live.end_turn()
    assert [live.resolve(each) for each in references] == library
    assert [live.reference(each) for each in library] == references


def test_a_function_without_a_state_is_let_go_and_made_again() -> None:
    namespace: dict[str, Any] = {}
    live = _live_objects(namespace)
    function = eval("lambda x: x + 1", namespace)
    with_state = eval("lambda x: x + 1", namespace)
    with_state.count = 1
    reference, other, number = live.reference(function), live.reference(with_state), id(with_state)
    gone = weakref.ref(function)
    live.end_turn()
    live.end_turn()
    assert gone() is function  # the library has it
    assert live.reference(function) == reference
    del function, with_state
    live.end_turn()
    live.end_turn()
    assert gone() is None
    again = live.resolve(reference)
    assert again(1) == 2
    assert live.resolve(reference) is again
    assert live.reference(again) == reference
    assert id(live.resolve(other)) == number


def test_what_a_variable_holds_is_the_variables() -> None:
    namespace: dict[str, Any] = {"f": _closure(1)}
    live = _live_objects(namespace)
    gone = weakref.ref(namespace["f"])
    assert live.reference(namespace["f"]) == ("variable", "f")
    live.end_turn()
    del namespace["f"]
    live.end_turn()
    assert gone() is None


def test_what_the_session_began_with_is_kept() -> None:
    live = _live_objects({}, b"")
    at_first, usual = _closure(1), _closure(2)
    reference, kept = live.reference(at_first), live.reference(live.keep(usual))
    numbers = id(at_first), id(usual)
    live.keep_all()
    del at_first, usual
    for _ in range(2 * HELD_AT_MOST):
        live.reference(_closure(0))
        live.end_turn()
    assert (id(live.resolve(reference)), id(live.resolve(kept))) == numbers


def test_another_object_in_the_place_of_one_that_is_gone_is_not_known() -> None:
    live = _live_objects({}, b"")
    known = set()
    for _ in range(200):
        made = Made()
        known.add(live.knows(made))
        live.variable(made)
        live.end_turn()
        del made
        live.end_turn()
    assert known == {False}


@pytest.mark.parametrize("function", [_Caller(), functools.partial(len)])
def test_what_is_bound_without_a_name_is_an_object_like_others(function: Any) -> None:
    live = _live_objects({})
    bound = types.MethodType(function, Made())
    reference = live.reference(bound)
    assert reference[0] == "held"
    assert live.reference(bound) == reference
    assert live.resolve(reference) is bound


def test_no_metaclass_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_objects, "_encode", lambda _: b"")  # else that of the last session there was
    asked: list[str] = []

    class Asked(type):
        __module__ = "__main__"  # of the notebook's

        def __eq__(cls, other: object) -> bool:
            asked.append("eq")
            return cls is other

        def __hash__(cls) -> int:
            asked.append("hash")
            return 1

    class Registered(metaclass=Asked):
        pass

    obj = Registered()
    assert resolved(referred(obj)) is obj
    assert resolved(referred(("key", obj))) == ("key", obj)
    assert asked == []
