"""Long sequences of atoms are known again by the objects that they hold, and every change in them is seen."""

from __future__ import annotations

import builtins
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kishu_kernel.detect.detector import Detector
from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.detect.sequence_cache import LONG, TUPLES_HAVE_KEYS, SequenceCache, key_of_array, key_of_tuple
from kishu_kernel.detect.walk import sequences, twins
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.model import EVERYTHING
from kishu_kernel.objects.reduction_table import ReductionTable

pytestmark = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="a tuple's memory is not read without the lock"
)
TABLE = ReductionTable({"__name__": "__main__", "__builtins__": builtins})
MANY = 3 * LONG


def texts(count: int = MANY) -> list[str]:
    return [f"text {number}" for number in range(count)]


def look(obj: Any, before: Fingerprint | None = None) -> Fingerprint:
    return Fingerprinter(TABLE, before.sequences if before else ()).take(obj)


LONG_ONES: dict[str, Callable[[], Any]] = {
    "list": texts,
    "tuple": lambda: tuple(texts()),
    "list of numbers": lambda: list(range(MANY)),
    "list of floats": lambda: [number / 7 for number in range(MANY)],
    "list of all kinds": lambda: [1, "a", None, 2.5, b"b", True, 1j] * LONG,
    "with NULs": lambda: ["a\0b", "c"] * LONG,
    "keys and values": lambda: dict(zip(texts(), range(MANY), strict=True)),
    "array of objects": lambda: np.array(texts(), object),
    "array of two dimensions": lambda: np.asfortranarray(np.array(texts(), object).reshape(3, -1)),
    "Series": lambda: pd.Series(texts()),
    "Series with gaps": lambda: pd.Series([None, *texts()]),
    "labels": lambda: pd.Series(1, index=texts()),
}


@pytest.mark.parametrize("make", LONG_ONES.values(), ids=LONG_ONES)
def test_a_second_look_gives_the_same_digest(make: Callable[[], Any]) -> None:
    obj = make()
    first = look(obj)
    again = look(obj, first)
    assert again.digest == first.digest
    assert look(make()).digest == first.digest  # of other objects with the same content: no addresses in it


def test_the_memory_of_a_tuple_is_read() -> None:
    """Else all is right, and slow."""
    assert TUPLES_HAVE_KEYS is True, sys.implementation
    items = tuple(texts())
    assert key_of_tuple(items) == key_of_array(np.array(items, object))
    assert key_of_tuple(items) != key_of_tuple(items[::-1])


class Text(str):
    __slots__ = ()


CHANGES: dict[str, Callable[[list[Any]], object]] = {
    "one replaced": lambda items: items.__setitem__(7, "other"),
    "two swapped": lambda items: items.__setitem__(slice(0, 2), items[1::-1]),
    "one more": lambda items: items.append("one"),
    "one less": lambda items: items.pop(),
    "an equal one of a subclass": lambda items: items.__setitem__(7, Text(items[7])),
    "an equal one of NumPy's": lambda items: items.__setitem__(7, np.str_(items[7])),
    "None": lambda items: items.__setitem__(-1, None),
    "a list": lambda items: items.__setitem__(-1, [1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("hold", [lambda items: items, lambda items: np.array(items, object)], ids=["list", "array"])
def test_a_change_is_seen(change: Callable[[list[Any]], object], hold: Callable[[list[Any]], Any]) -> None:
    items = texts()
    first = look(hold(items))
    change(items)
    assert look(hold(items), first).digest != first.digest


def test_equal_numbers_of_other_types_are_other_content() -> None:
    items: list[Any] = [1] * MANY
    first = look(items)
    for other in (True, 1.0, 1 + 0j):
        assert look([*items[:-1], other], first).digest != first.digest


def test_new_objects_in_the_place_of_freed_ones_are_seen() -> None:
    """Memory of a freed string is used again at once: an address alone would not tell them apart."""
    detector = Detector(TABLE)
    variables: dict[str, Any] = {"x": texts(LONG)}
    for turn in range(50):
        judgement = detector.judge(EVERYTHING, variables)
        assert judgement.delta.changes, turn
        detector.adopt(judgement)
        variables["x"][:] = [f"turn {turn} {number}" for number in range(LONG)]


edits = st.lists(
    st.tuples(st.sampled_from(["set", "append", "pop", "swap"]), st.integers(0, LONG - 1), st.integers(0, 3)),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(edits, max_size=6))
def test_what_is_known_never_hides_a_change(cells: list[list[tuple[str, int, int]]]) -> None:
    detector = Detector(TABLE)
    items: list[Any] = texts(LONG + 8)
    variables = {"x": items}
    detector.adopt(detector.judge(EVERYTHING, variables))
    for cell in cells:
        before = [*items]
        for kind, place, value in cell:
            match kind:
                case "set":
                    items[place] = ("text 1", f"text {place}", 5, None)[value]
                case "append":
                    items.append("".join(["text ", str(value)]))
                case "pop" if len(items) > LONG:
                    items.pop(place)
                case _:
                    items[0], items[place] = items[place], items[0]
        judgement = detector.judge(EVERYTHING, variables)
        same = [(type(each), each) for each in before] == [(type(each), each) for each in items]
        assert bool(judgement.delta.changes) == (not same)
        detector.adopt(judgement)


def test_variables_that_hold_the_same_objects_are_not_joined() -> None:
    items = texts()
    variables = {"a": pd.Series(items, dtype=object), "b": pd.Series(items, dtype=object), "c": items, "d": [*items]}
    detector = Detector(TABLE)
    detector.adopt(detector.judge(EVERYTHING, variables))
    assert set(detector.judge(EVERYTHING, variables).known) == {("a",), ("b",), ("c",), ("d",)}


def test_objects_are_let_go_with_the_variable() -> None:
    items = texts()
    witness = items[5]
    free = sys.getrefcount(witness)
    detector = Detector(TABLE)
    detector.adopt(detector.judge(EVERYTHING, {"x": items}))
    assert sys.getrefcount(witness) == free + 1
    detector.adopt(detector.judge(EVERYTHING, {"x": 1}))
    assert sys.getrefcount(witness) == free


def test_a_snapshot_of_what_was_known_keeps_no_objects_alive() -> None:
    """The writer may need it for long, and the user does not hold what it is of any more."""
    items = texts()
    gone = items[5]
    free = sys.getrefcount(gone) - 1
    detector = Detector(TABLE)
    detector.adopt(detector.judge(EVERYTHING, {"x": items}))
    before = detector.snapshot()
    del items[5]
    detector.adopt(detector.judge(EVERYTHING, {"x": items}))
    assert sys.getrefcount(gone) == free
    detector.restore(before)
    assert detector.judge(EVERYTHING, {"x": items}).delta.changes


def test_without_room_nothing_is_kept_alive() -> None:
    objects = tuple(texts())
    key = key_of_tuple(objects)
    assert SequenceCache(room=1000).add(key, objects, b"") is None
    kept = SequenceCache(room=10_000_000).add(key, objects, b"")
    assert kept is not None
    assert SequenceCache([kept], room=10_000_000).get(key) is kept
    assert SequenceCache([kept], room=kept.weight).add(key_of_tuple(objects[1:]), objects[1:], b"") is None


def test_a_heavy_atom_in_many_places_is_written_by_its_content() -> None:
    """All its places together are more than the memory of any machine."""
    heavy = "a" * 100_000
    equal = "".join(["a"] * 100_000)
    for last in (0.5, float("nan"), 1 << 200_000, None):
        one = look([heavy] * 1_000_000 + [last]).digest
        assert look([heavy, equal] * 500_000 + [last]).digest == one
        assert look([heavy] * 999_999 + ["b", last]).digest != one
    zeros = [look([heavy] * 2_000 + [zero]).digest for zero in (0.0, -0.0, 0, False)]
    assert len(set(zeros)) == 4


@pytest.mark.parametrize("place", [0, 1, 7000, 2 * MANY - 1])
@pytest.mark.parametrize("text", ["\0", "a\0", "\0b", "c\0\0d"])
def test_a_nul_inside_of_a_text_is_no_end_of_it(place: int, text: str) -> None:
    """Wherever it stands among so many texts that they are hashed in pieces."""
    items = [f"a text that is longer than others, with number {number}" for number in range(2 * MANY)]
    items[place] = text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins, "NATIVE", None)
        expected = look(items).digest
    assert look(items).digest == expected
    before, _, behind = text.partition("\0")
    assert look([*items[:place], before, behind, *items[place + 1 :]]).digest != expected


def test_long_numbers_are_not_written_in_digits() -> None:
    number = 7**100_000
    before = sys.get_int_max_str_digits()
    try:
        for held in ([number], {number}, {"a": number}, (number, 0.5)):
            sys.set_int_max_str_digits(before)
            refused = look(held).digest
            sys.set_int_max_str_digits(0)
            assert look(held).digest == refused
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("different", [10_000, 10_001, 40_000])
def test_long_texts_are_written_by_their_content(different: int) -> None:
    """However many of them are different, and whether equal ones are one object."""
    known = [f"{number:02000}" for number in range(different)]
    one = look([known[number % different] for number in range(40_000)]).digest
    assert look([f"{number % different:02000}" for number in range(40_000)]).digest == one
    known[7] = known[8]
    assert look([known[number % different] for number in range(40_000)]).digest != one


@pytest.mark.parametrize("missing", ["", None, np.nan, float("nan"), 1, b"a"])
@pytest.mark.parametrize("different", [100, 1_001, 12_500, 50_000])
def test_many_short_texts_are_written_by_their_content(
    monkeypatch: pytest.MonkeyPatch, different: int, missing: Any
) -> None:
    """Though only some are looked at, and in a regular order few can look like many. Others stand between them."""
    monkeypatch.setattr(sequences, "LARGE_BYTES", 1 << 20)
    known = [f"a text with number {number}" for number in range(different)]
    items: list[Any] = [known[number % different] for number in range(50_000)]
    same: list[Any] = [f"a text with number {number % different}" for number in range(50_000)]
    items[7::11] = [missing] * len(items[7::11])
    same[7::11] = [float("nan") if missing != missing else missing for _ in same[7::11]]
    one = look(items).digest
    assert look(same).digest == one
    for place in (0, 1, 7, 33_333, 49_999):
        assert look([*items[:place], "another text", *items[place + 1 :]]).digest != one
