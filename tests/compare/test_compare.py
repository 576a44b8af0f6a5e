"""In what way two values differ: what a person is told, whatever the values are and do."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import itertools
import linecache
import os
import pickle
import random
import subprocess
import sys
import time
import types
from collections import Counter, OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kishu_kernel.compare import Aspect, CellDifference, Comparison, compare
from kishu_kernel.compare.looking import fingerprint


def told(before: object, after: object) -> dict[str, tuple[str, str]]:
    """Aspect by aspect, what is said of both sides; the output keeps its limits."""
    comparison = limited(compare(before, after))
    return {each.aspect: (each.before, each.after) for each in comparison.aspects}


def cells(before: object, after: object) -> list[tuple[str, str, str, str]]:
    return [dataclasses.astuple(each) for each in limited(compare(before, after)).cells]


def limited(comparison: Comparison) -> Comparison:
    """The comparison, which is not too long for a screen."""
    assert len(comparison.aspects) <= 40
    assert len(comparison.cells) <= 8
    for each in (*comparison.aspects, *comparison.cells):
        for line in dataclasses.astuple(each):
            assert type(line) is str
            assert len(line) <= 200
    assert all(each.before != each.after for each in comparison.aspects)
    assert len({each.aspect for each in comparison.aspects}) == len(comparison.aspects)
    return comparison


# -- single values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "aspects"),
    [
        (1, 3, {"value": ("1", "3"), "difference": ("", "+2 (+200 %)")}),
        (2.0, 1.5, {"value": ("2.0", "1.5"), "difference": ("", "-0.5 (-25 %)")}),
        (0, 5, {"value": ("0", "5"), "difference": ("", "+5")}),
        (True, False, {"value": ("True", "False")}),
        (1, 1.5, {"type": ("int", "float"), "value": ("1", "1.5"), "difference": ("", "+0.5 (+50 %)")}),
        (1, None, {"type": ("int", "NoneType"), "value": ("1", "None")}),
        (1, "1", {"type": ("int", "str"), "value": ("1", "'1'")}),
        (0.0, -0.0, {"value": ("0.0", "-0.0")}),
        (1.0, float("nan"), {"value": ("1.0", "nan")}),
        (10**5000, 10**5000 + 1, {"difference": ("", "+1")}),
        (1j, 2j, {"value": ("1j", "2j")}),
        (np.float32(0.1), np.float32(0.2), {"value": ("0.1", "0.2"), "difference": ("", "+0.1 (+100 %)")}),
        (
            decimal.Decimal("1.10"),
            decimal.Decimal("1.2"),
            {"value": ("1.10", "1.2"), "difference": ("", "+0.1 (+9.09 %)")},
        ),
        (
            fractions.Fraction(1, 3),
            fractions.Fraction(2, 3),
            {"value": ("1/3", "2/3"), "difference": ("", "+0.333333 (+100 %)")},
        ),
        ("abc", "abd", {"value": ("'abc'", "'abd'")}),
        (b"abc", b"abd", {"value": ("b'abc'", "b'abd'")}),
        (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), {"value": ("2024-01-01", "2024-01-02")}),
        (pd.Timestamp("2024"), pd.Timestamp("2025"), {"value": ("2024-01-01 00:00:00", "2025-01-01 00:00:00")}),
        (Path("a"), Path("b"), {"value": ("a", "b")}),
        (range(3), range(4), {"value": ("range(0, 3)", "range(0, 4)")}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_single_values(before: object, after: object, aspects: dict[str, tuple[str, str]]) -> None:
    assert told(before, after) == aspects
    assert compare(before, after).note is None


@pytest.mark.parametrize(
    "value",
    [1, float("nan"), "text", [1, [2]], {"a": {1}}, np.arange(3.0), pd.DataFrame({"a": [1, None]}), int, len],
    ids=lambda value: type(value).__name__,
)
def test_the_same(value: object) -> None:
    comparison = compare(value, pickle.loads(pickle.dumps(value)))
    assert (comparison.aspects, comparison.cells) == ((), ())
    assert "the same" in (comparison.note or "")  # pandas 2 loads frames that lie otherwise in memory


def test_what_lies_in_memory_in_another_way() -> None:
    across = np.arange(6.0).reshape(2, 3)
    assert compare(across, np.asfortranarray(across)) == Comparison(
        note="All values are the same; only their layout in memory differs."
    )


def test_what_looks_the_same() -> None:
    note = compare(random.Random(1), random.Random(2)).note
    assert note == "They look the same, but their contents differ."


def test_texts() -> None:
    lines = [f"line {number}" for number in range(100)]
    changed = [*lines[:49], "LINE 49", "new", *lines[50:]]
    assert told("\n".join(lines), "\n".join(changed)) == {
        "length": ("789", "793"),
        "line 50": ("line 49", "LINE 49"),
        "line 51": ("", "new"),
    }
    gone = told("\n".join(lines), "\n".join(lines[:5] + lines[6:]))
    assert gone["line 6"] == ("line 5", "")
    # What is long and has no lines is shown where it differs.
    [(before, after)] = told("x" * 5000 + "a" + "y" * 50, "x" * 5000 + "b" + "y" * 50).values()
    assert before.strip("…xy") == "a"
    assert after.strip("…xy") == "b"


def test_bytes() -> None:
    assert told(bytes(100), bytes(50) + b"\1" + bytes(50)) == {
        "length": ("100", "101"),
        "from byte 50": (repr(bytes(16)), repr(b"\1" + bytes(15))),
    }
    assert told(bytearray(b"a"), bytearray(b"b")) == {"value": ("b'a'", "b'b'")}


# -- containers ----------------------------------------------------------------------------------------


Point = namedtuple("Point", "x y")


class Slotted:
    __slots__ = ("a", "b")


@pytest.mark.parametrize(
    ("before", "after", "aspects"),
    [
        ([1, 2, 3], [1, 5, 3], {"[1]": ("2", "5")}),
        ([1, 2], [1, 2, 3, 4], {"length": ("2", "4"), "added at [2]": ("", "3, 4")}),
        ([1, 2, 3, 4], [1, 4], {"length": ("4", "2"), "removed at [1]": ("2, 3", "")}),
        ([1, 1, 1], [1, 1], {"length": ("3", "2"), "removed at [2]": ("1", "")}),
        ([1, 2, 3], [9, 8], {"length": ("3", "2"), "[0]": ("1", "9"), "[1]": ("2", "8")}),
        ([True], [1], {"[0]": ("True", "1")}),
        ([[1, [2, 3]]], [[1, [2, 4]]], {"[0]": ("[1, [2, 3]]", "[1, [2, 4]]")}),
        ([list(range(50))], [[*range(49), 7]], {"[0][49]": ("49", "7")}),
        ((1,), (2,), {"[0]": ("1", "2")}),
        ([1], (2,), {"type": ("list", "tuple"), "[0]": ("1", "2")}),
        (Point(1, 2), Point(1, 3), {"y": ("2", "3")}),
        (deque([1, 2]), deque([1, 3]), {"[1]": ("2", "3")}),
        ({1, 2}, {2, "a"}, {"added": ("", "'a'"), "removed": ("1", "")}),
        (frozenset("ab"), frozenset("abc"), {"length": ("2", "3"), "added": ("", "'c'")}),
        ({1, float("nan")}, {2, float("nan")}, {"added": ("", "2"), "removed": ("1", "")}),
        (
            {"a": 1, "b": 2},
            {"a": 3, "c": 2},
            {"keys added": ("", "'c'"), "keys removed": ("'b'", ""), "['a']": ("1", "3")},
        ),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"order of keys": ("'a', 'b'", "'b', 'a'")}),
        (
            {"m": {"lr": 0.1, "layers": list(range(9))}},
            {"m": {"lr": 0.2, "layers": list(range(9))}},
            {"['m']['lr']": ("0.1", "0.2")},
        ),
        ({(1, "a"): 1}, {(1, "a"): 2}, {"[(1, 'a')]": ("1", "2")}),
        ({Slotted(): 1, Slotted(): 2}, {Slotted(): 1, Slotted(): 3}, {"[Slotted]": ("2", "3")}),
        (Counter("aab"), Counter("abb"), {"['a']": ("2", "1"), "['b']": ("1", "2")}),
        (OrderedDict(a=1), OrderedDict(a=2), {"['a']": ("1", "2")}),
        ({"a": np.zeros(9)}, {"a": np.ones(9)}, {"['a']": ("9 float64, norm 0", "9 float64, norm 3; 9 of 9 differ")}),
        ({"a": np.zeros(2)}, {"a": np.ones(2)}, {"['a']": ("[0, 0]", "[1, 1]")}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_containers(before: object, after: object, aspects: dict[str, tuple[str, str]]) -> None:
    assert told(before, after) == aspects


def test_of_many_the_first_are_shown_and_the_rest_is_counted() -> None:
    found = told(list(range(100)), list(range(1, 101)))
    assert found == {f"[{at}]": (str(at), str(at + 1)) for at in range(8)} | {"more places that differ": ("", "92")}
    found = told(dict.fromkeys(range(20)), {})
    assert found["keys removed"] == ("0, 1, 2, 3, 4, 5, 6, 7 and 12 more", "")


def test_what_is_its_own_part() -> None:
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [2]
    other.append(other)
    assert told(one, other) == {"[0]": ("1", "2")}
    looped: dict[str, Any] = {"n": 1, "long": "x" * 100}
    looped["self"] = looped
    again = {"n": 2, "long": "x" * 100}
    again["self"] = again
    assert told(looped, again)["['n']"] == ("1", "2")


def test_nested_beyond_all_measure() -> None:
    deep: list[Any] = []
    deeper: list[Any] = [1]
    for _ in range(100_000):
        deep, deeper = [deep], [deeper]
    limited(compare(deep, deeper))
    while deep:  # freed from outside: inside out would be too deep
        [deep], [deeper] = deep, deeper


# -- arrays ------------------------------------------------------------------------------------------


def test_an_array() -> None:
    before = np.array([[1.0, 2.0], [np.nan, 4.0]])
    after = np.array([[1.0, 2.5], [np.nan, np.nan]])
    assert told(before, after) == {
        "norm": ("4.58258", "2.69258"),
        "NaN": ("1", "2"),
        "elements that differ": ("", "2 of 4"),
        "largest difference": ("", "0.5"),
    }
    assert cells(before, after) == [("0", "1", "2.0", "2.5"), ("1", "1", "4.0", "nan")]
    assert cells(np.arange(3), np.array([0, 1, 5])) == [("2", "", "2", "5")]
    cube = np.zeros((2, 2, 2), int)
    changed = cube.copy()
    changed[1, 0, 1] = 7
    assert cells(cube, changed) == [("1, 0", "1", "0", "7")]
    assert cells(np.asfortranarray(cube), np.asfortranarray(changed)) == [("1, 0", "1", "0", "7")]
    assert cells(cube[::-1], changed[::-1]) == [("0, 0", "1", "0", "7")]
    assert cells(np.array(1), np.array(2)) == [("", "", "1", "2")]


def test_an_array_of_another_shape() -> None:
    before = np.arange(6).reshape(3, 2)
    assert told(before, before[:2])["shape"] == ("(3, 2)", "(2, 2)")
    assert compare(before, before[:2]).note == "The first 2 rows are the same."
    assert told(before, before.T)["shape"] == ("(3, 2)", "(2, 3)")
    assert cells(before, before.T) == []
    assert cells(np.arange(3), np.array([0, 7])) == [("1", "", "1", "7")]
    assert told(np.zeros((0, 3)), np.zeros((0, 4))) == {"shape": ("(0, 3)", "(0, 4)")}


@pytest.mark.parametrize(
    ("before", "after", "cell"),
    [
        (np.array(["a", "b"]), np.array(["a", "bc"]), ("1", "", "'b'", "'bc'")),
        (np.array([b"a"]), np.array([b"c"]), ("0", "", "b'a'", "b'c'")),
        (np.array([True, False]), np.array([True, True]), ("1", "", "False", "True")),
        (np.array([1 + 1j]), np.array([1 + 2j]), ("0", "", "(1+1j)", "(1+2j)")),
        (
            np.array(["2024-01-01", "NaT"], "M8[D]"),
            np.array(["2024-01-02", "NaT"], "M8[D]"),
            ("0", "", "2024-01-01", "2024-01-02"),
        ),
        (np.array([1, "NaT"], "m8[s]"), np.array([1, 2], "m8[s]"), ("1", "", "NaT", "2 seconds")),
        (np.array([1, "a", None], object), np.array([1, "b", None], object), ("1", "", "'a'", "'b'")),
        (np.array([{"a": 1}, 2], object), np.array([{"a": 2}, 2], object), ("0", "", "{'a': 1}", "{'a': 2}")),
        (np.array([(1, 0.5)], "i4,f4"), np.array([(1, 1.5)], "i4,f4"), ("0", "", "(1, 0.5)", "(1, 1.5)")),
        (
            np.array([(1, np.nan), (2, 0)], "i4,f4"),
            np.array([(1, np.nan), (3, 0)], "i4,f4"),
            ("1", "", "(2, 0.0)", "(3, 0.0)"),
        ),
        (np.array([b"ab"], "V2"), np.array([b"ac"], "V2"), ("0", "", "b'ab'", "b'ac'")),
        (np.array([2**63], "u8"), np.array([2**63 + 1], "u8"), ("0", "", str(2**63), str(2**63 + 1))),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_elements_of_all_kinds(before: Any, after: Any, cell: tuple[str, ...]) -> None:
    assert cells(before, after) == [cell]
    assert told(before, after)["elements that differ"] == ("", f"1 of {before.size}")


def test_derived_arrays() -> None:
    masked = np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, True])
    assert told(*masked) == {"masked": ("1", "2"), "mask: elements that differ": ("", "1 of 2")}

    class Loud(np.ndarray):
        def __getitem__(self, key: object) -> Any:
            raise AssertionError("asked")

        __eq__ = __ne__ = reshape = astype = __getitem__  # type: ignore[assignment]

    assert told(np.zeros(2).view(Loud), np.ones(2).view(Loud))["elements that differ"] == ("", "2 of 2")


# -- pandas ------------------------------------------------------------------------------------------


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, np.nan, 1.5, 2.5], "c": ["w", "x", "y", "z"]})


def seen(change: Callable[[pd.DataFrame], object], *, memory: bool = False) -> dict[str, tuple[str, str]]:
    """What is told of a change of the frame; of its memory only on request."""
    found = told(frame(), change(frame()))
    if not memory:
        found.pop("memory", None)
    return found


def test_a_frame_s_columns() -> None:
    assert seen(lambda df: df.drop(columns="b")) == {"shape": ("(4, 3)", "(4, 2)"), "columns removed": ("b", "")}
    assert seen(lambda df: df.assign(d=1)) == {"shape": ("(4, 3)", "(4, 4)"), "columns added": ("", "d")}
    assert seen(lambda df: df[["c", "a", "b"]]) == {"order of columns": ("a, b, c", "c, a, b")}
    assert seen(lambda df: df.rename(columns={"b": "B"})) == {"column renamed": ("b", "B")}
    assert seen(lambda df: df.astype({"a": float})) == {"dtype of a": ("int64", "float64")}
    assert seen(lambda df: df.drop(columns="b"), memory=True)["memory"][0].endswith(" B")


def test_a_frame_s_values() -> None:
    def change(df: pd.DataFrame) -> pd.DataFrame:
        df.loc[2, "a"] = 30
        df.loc[1, "b"] = 9.0
        df.loc[2, "c"] = None
        return df

    assert seen(change) == {
        "values of a": ("", "1 of 4 differ"),
        "values of b": ("", "1 of 4 differ"),
        "values of c": ("", "1 of 4 differ"),
    }
    found = cells(frame(), change(frame()))
    assert found[:2] == [("1", "b", "nan", "9.0"), ("2", "a", "3", "30")]
    assert found[2][:3] == ("2", "c", "'y'")
    assert compare(frame(), frame()).note == "They are the same."


def test_a_frame_s_rows() -> None:
    assert seen(lambda df: df[df.a > 2]) == {"shape": ("(4, 3)", "(2, 3)"), "rows removed": ("0, 1", "")}
    assert seen(lambda df: pd.concat([df, df[:1]])) == {"shape": ("(4, 3)", "(5, 3)"), "rows added": ("", "0")}
    assert seen(lambda df: df.sort_values("a", ascending=False)) == {"order of rows": ("0, 1, 2, 3", "3, 2, 1, 0")}
    assert seen(lambda df: df.rename_axis("row")) == {"name of the index": ("None", "'row'")}
    both = seen(lambda df: df[df.a > 1].replace({"a": {4: 40}}))
    assert both == {
        "shape": ("(4, 3)", "(3, 3)"),
        "rows removed": ("0", ""),
        "values of a": ("", "1 of 3 differ"),
    }
    assert cells(frame(), frame()[1:].replace({"a": {4: 40}})) == [("3", "a", "4", "40")]


def test_rows_whose_labels_do_not_tell() -> None:
    found = seen(lambda df: df.set_index("c"))
    assert (found["columns removed"], found["name of the index"]) == (("c", ""), ("None", "'c'"))
    assert "in their order" in (compare(frame(), frame().set_index("c")).note or "")
    twice = frame().set_axis([0, 0, 1, 1])
    changed = twice.copy()
    changed.iloc[3, 0] = 40
    assert cells(twice, changed) == [("1", "a", "4", "40")]


def test_labels_in_levels() -> None:
    labels = pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["n", "l"])
    before = pd.DataFrame({"v": range(4)}, index=labels)
    after = before.iloc[1:].copy()
    after.iloc[0, 0] = 9
    assert told(before, after)["rows removed"] == ("(1, 'a')", "")
    assert cells(before, after) == [("(1, 'b')", "v", "1", "9")]
    wide = before.unstack()
    assert told(wide, wide.rename(columns={"b": "c"}))["column renamed"] == ("('v', 'b')", "('v', 'c')")


def test_columns_of_one_name() -> None:
    before = pd.DataFrame([[1, 2]], columns=["a", "a"])
    after = pd.DataFrame([[1, 3]], columns=["a", "a"])
    assert told(before, after)["values of a"] == ("", "1 of 1 differ")
    assert "the same name" in (compare(before, after).note or "")


@pytest.mark.parametrize(
    ("before", "after", "cell"),
    [
        (pd.array([1, 2], "Int64"), pd.array([1, None], "Int64"), ("1", "2", "<NA>")),
        (pd.array([True, None], "boolean"), pd.array([False, None], "boolean"), ("0", "True", "False")),
        (pd.array(["a", None], "string"), pd.array(["a", "b"], "string"), ("1", "<NA>", "'b'")),
        (pd.Categorical(["a", "b"]), pd.Categorical(["a", "c"]), ("1", "'b'", "'c'")),
        (pd.Categorical(["a", "b"], ["a", "b"]), pd.Categorical(["a", "a"], ["a", "b"]), ("1", "'b'", "'a'")),
        (
            pd.date_range("2024", periods=2, tz="UTC"),
            pd.to_datetime(["2024-01-01", "2025-01-01"], utc=True),
            ("1", "2024-01-02 00:00:00+00:00", "2025-01-01 00:00:00+00:00"),
        ),
        (pd.to_timedelta([1, 2], "s"), pd.to_timedelta([1, 3], "s"), ("1", "0 days 00:00:02", "0 days 00:00:03")),
        (
            pd.period_range("2024", periods=2, freq="D"),
            pd.PeriodIndex(["2024-01-01", "2025-01-01"], freq="D"),
            ("1", "2024-01-02", "2025-01-01"),
        ),
        (pd.interval_range(0, 2), pd.IntervalIndex.from_breaks([0, 1, 3]), ("1", "(1, 2]", "(1, 3]")),
        (pd.arrays.SparseArray([0, 1]), pd.arrays.SparseArray([0, 2]), ("1", "1", "2")),
        (pd.Series([[1], [2]]), pd.Series([[1], [3]]), ("1", "[2]", "[3]")),
        (pd.Series([1, True], dtype=object), pd.Series([1, 1], dtype=object), ("1", "True", "1")),
        (pd.Series([1, 2]), pd.Series([1, "a"]), ("1", "2", "'a'")),
        (pd.Series([1.0, None]), pd.Series([1, 3], dtype="Int64"), ("1", "nan", "3")),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_values_of_all_dtypes(before: Any, after: Any, cell: tuple[str, str, str]) -> None:
    one, other = pd.Series(before), pd.Series(after)
    [(row, column, *sides)] = cells(one, other)
    assert ((row, *sides), column) == (cell, "")
    assert told(one, other)["values"] == ("", "1 of 2 differ")


def test_a_series() -> None:
    before = pd.Series([1, 2], name="x", index=["p", "q"])
    after = pd.Series([1, 3, 4], name="y", index=["p", "q", "r"])
    found = told(before, after)
    assert (found["length"], found["name"], found["rows added"]) == (("2", "3"), ("'x'", "'y'"), ("", "r"))
    assert cells(before, after) == [("q", "", "2", "3")]


def test_an_index() -> None:
    assert told(pd.Index([1, 2]), pd.Index([1, 2, 5])) == {"length": ("2", "3"), "rows added": ("", "5")}
    found = told(pd.Index(["a"]), pd.Index(["b"]))
    assert found["values"] == ("", "1 of 1 differ")


def test_derived_frames_are_not_asked() -> None:
    class Loud(pd.DataFrame):
        @property
        def shape(self) -> Any:
            raise AssertionError("asked")

        iloc = columns = index = dtypes = shape  # type: ignore[assignment]

        def __getattribute__(self, name: str) -> Any:
            if name in ("__array__", "__eq__", "_repr_html_"):
                raise AssertionError("asked")
            return super().__getattribute__(name)

    assert told(Loud({"a": [1]}), Loud({"a": [2]}))["values of a"] == ("", "1 of 1 differ")


# -- other tables and tensors ------------------------------------------------------------------------


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    before = polars.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], "c": ["x", None]})
    after = before.with_columns(a=polars.col("a").cast(float), c=polars.Series(["x", "y"]), d=1)
    assert told(before, after) == {
        "shape": ("(2, 3)", "(2, 4)"),
        "columns added": ("", "d"),
        "dtype of a": ("Int64", "Float64"),
        "values of a": ("", "2 of 2 differ"),
        "values of c": ("", "1 of 2 differ"),
    }
    assert ("1", "c", "None", "'y'") in cells(before, after)
    assert told(before["a"], before["a"] + 1)["values"] == ("", "2 of 2 differ")
    assert compare(before, before.clone()).note == "They are the same."


def test_arrow() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    before = pyarrow.table({"a": [1, 2], "b": ["x", None]})
    after = before.set_column(1, "b", pyarrow.array(["x", "y"]))
    assert told(before, after) == {"values of b": ("", "1 of 2 differ")}
    assert cells(before, after) == [("1", "b", "None", "'y'")]
    assert told(before, before.drop_columns(["a"]))["columns removed"] == ("a", "")
    assert cells(pyarrow.array([1, 2]), pyarrow.array([1, 3])) == [("1", "", "2", "3")]


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    before = torch.zeros(2, 3)
    after = before.clone()
    after[1, 2] = 2
    assert told(before, after) == {
        "norm": ("0", "2"),
        "elements that differ": ("", "1 of 6"),
        "largest difference": ("", "2"),
    }
    assert cells(before, after) == [("1", "2", "0.0", "2.0")]
    assert told(before, before.to(torch.bfloat16))["dtype"] == ("torch.float32", "torch.bfloat16")
    assert told(before, before.clone().requires_grad_())["requires_grad"] == ("False", "True")
    one = torch.nn.Sequential(torch.nn.Linear(9, 3), torch.nn.Dropout(0.5))
    other = pickle.loads(pickle.dumps(one))
    with torch.no_grad():
        other[0].bias[0] += 1
    other[1].p = 0.1
    other.eval()
    found = told(one, other)
    assert found["parameters that differ"] == ("", "1 of 2")
    assert "0.weight" not in found
    assert found["1.p"] == ("0.5", "0.1")
    assert found["training"] == ("True", "False")


# -- models, instances, code -----------------------------------------------------------------------------


def test_an_estimator() -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    y = (x[:, 0] > 0).astype(int)
    raw, one, other = LogisticRegression(), LogisticRegression().fit(x, y), LogisticRegression(C=0.1).fit(x, y)
    found = told(one, other)
    assert next(iter(found)) == "C"
    assert found["C"] == ("1.0", "0.1")
    assert found["coef_"][0].startswith("1 x 2 float64, norm ")
    assert "fit_intercept" not in found
    assert "coef_" in told(raw, one)["fitted attributes added"][1]


def test_a_pipeline() -> None:
    one = make_pipeline(StandardScaler(), LogisticRegression())
    other = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=3))
    assert told(one, other) == {"standardscaler__with_mean": ("True", "False"), "logisticregression__C": ("1.0", "3")}
    third = make_pipeline(LogisticRegression())
    assert told(one, third)["parameters removed"][0].startswith("standardscaler")


class Plain:
    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


@dataclasses.dataclass
class Data:
    n: int
    rows: list[int]


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def test_instances() -> None:
    assert told(Plain(a=1, b=[1], c=0), Plain(a=2, b=[1], d=0)) == {
        "attributes removed": ("c", ""),
        "attributes added": ("", "d"),
        "a": ("1", "2"),
    }
    one, other = Slotted(), Slotted()
    one.a, other.a, other.b = 1, 2, 3
    assert told(one, other) == {"attributes added": ("", "b"), "a": ("1", "2")}
    assert told(Data(1, [1]), Data(2, [1])) == {"n": ("1", "2")}
    assert told(Color.RED, Color.BLUE) == {"value": ("Color.RED", "Color.BLUE")}
    assert told(ValueError("a"), ValueError("b")) == {"args": ("('a',)", "('b',)")}
    assert told(Plain(a=1), Data(1, [])) == {
        "type": (f"{__name__}.Plain", f"{__name__}.Data"),
        "value": ("Plain", "Data"),
    }
    assert told(functools.partial(int, base=2), functools.partial(int, base=3)) == {
        "keywords": ("{'base': 2}", "{'base': 3}")
    }


def cell_of_a_notebook(source: str, number: int) -> dict[str, Any]:
    """What a cell defines, compiled as IPython does it."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), found)
    return found


@pytest.fixture
def cells_of_a_notebook(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], tuple[Any, Any]]:
    def define(*sources: str) -> tuple[Any, Any]:
        for number in range(2):
            monkeypatch.setitem(linecache.cache, f"<cell {number}>", (0, None, [], ""))
        one, other = (cell_of_a_notebook(source, number)["it"] for number, source in enumerate(sources))
        return one, other

    return define


def test_functions(cells_of_a_notebook: Callable[[str, str], tuple[Any, Any]]) -> None:
    before = "x = 1\ndef it(a, b=1, *more, key, **others):\n    c = a + b\n    return c\n"
    after = "def it(a, b=2, *more, key, **others):\n    c = a - b\n    return c\n"
    assert told(*cells_of_a_notebook(before, after)) == {
        "signature": ("(a, b=1, *more, key, **others)", "(a, b=2, *more, key, **others)"),
        "line 1": ("def it(a, b=1, *more, key, **others):", "def it(a, b=2, *more, key, **others):"),
        "line 2": ("    c = a + b", "    c = a - b"),
    }
    make = "def outer(n):\n    def it():\n        return n\n    return it\nit = outer({})\n"
    assert told(*cells_of_a_notebook(make.format(1), make.format(2))) == {"closes over n": ("1", "2")}


def test_functions_whose_source_is_gone() -> None:
    one, other = (eval(f"lambda a: a.{name}(7{zeros})") for name, zeros in (("up", ""), ("down", "0")))
    assert told(one, other) == {"constants": ("7", "70"), "names used": ("up", "down")}


def test_classes(cells_of_a_notebook: Callable[[str, str], tuple[Any, Any]]) -> None:
    before = "class it:\n    k = 1\n    def area(self):\n        return 1\n    def gone(self): pass\n"
    after = (
        "class it(dict):\n    k = 2\n    def area(self):\n        return 2\n    @property\n    def new(self): pass\n"
    )
    one, other = cells_of_a_notebook(before, after)
    assert told(one, other) == {
        "bases": ("object", "dict"),
        "members removed": ("gone", ""),
        "members added": ("", "new"),
        "k": ("1", "2"),
        "area: line 2": ("        return 1", "        return 2"),
    }


def test_a_class_that_was_made_anew_is_the_same_class(
    cells_of_a_notebook: Callable[[str, str], tuple[Any, Any]],
) -> None:
    """Each load makes classes of the notebook anew, so that no two instances have the same one."""
    made = "class C:\n    def m(self):\n        return {}\nit = C()\nit.a = {}\n"
    assert told(*cells_of_a_notebook(made.format(1, 1), made.format(1, 2))) == {"a": ("1", "2")}
    assert told(*cells_of_a_notebook(made.format(1, 1), made.format(2, 1))) == {
        "class C.m: line 2": ("        return 1", "        return 2")
    }


# -- hostile objects -------------------------------------------------------------------------------------


class Asked(BaseException):
    """Somebody's code ran."""


def asked(*_: object, **__: object) -> Any:
    raise Asked


HOOKS = (
    *("__repr__", "__str__", "__format__", "__eq__", "__ne__", "__hash__", "__bool__", "__len__", "__iter__"),
    *("__getitem__", "__contains__", "__lt__", "__getattr__", "__index__", "__float__", "__int__", "__array__"),
    *("__sub__", "__abs__", "__sizeof__", "__dir__", "__next__", "keys", "values", "items", "get", "copy", "shape"),
)


def loud(*bases: type) -> type:
    """A class all of whose methods raise."""
    return type("Loud", bases, dict.fromkeys(HOOKS, asked) | {"__module__": __name__})


def in_an_array(it: object) -> Any:
    array = np.empty(2, object)
    array[0] = it
    return array


def with_state(kind: type, *arguments: object, **attributes: object) -> Any:
    made = object.__new__(kind) if type(kind) is not type else kind.__new__(kind, *arguments)
    for name, value in attributes.items():
        object.__setattr__(made, name, value)
    return made


@pytest.mark.parametrize("base", [object, int, float, str, bytes, tuple, frozenset, list, dict, set, complex])
def test_no_method_of_the_user_s_is_called(base: type) -> None:
    kind = loud(base)
    one, other = with_state(kind, n=1), with_state(kind, n=2)
    assert told(one, other)["n"] == ("1", "2")
    for wrap in (
        lambda it: [it],
        lambda it: {"k": it},
        lambda it: Plain(it=it),
        in_an_array,
    ):
        limited(compare(wrap(one), wrap(other)))


def test_keys_and_elements_are_not_asked_either() -> None:
    class Key:
        def __init__(self, n: int) -> None:
            self.n = n

        def __hash__(self) -> int:
            if armed:
                raise Asked
            return 1

        def __eq__(self, other: object) -> bool:
            if armed:
                raise Asked
            return self is other

    armed: list[int] = []
    one, other = {Key(1): "a", Key(2): "b"}, {Key(1): "a", Key(3): "b"}
    some, others = set(one), set(other)
    armed.append(1)
    found = told(one, other)
    assert set(found) == {"keys added", "keys removed"}
    assert set(told(some, others)) == {"added", "removed"}
    assert told(pd.Series([*one], dtype=object), pd.Series([*other], dtype=object))["values"] == ("", "1 of 2 differ")
    assert told(pd.Index([*one], dtype=object), pd.Index([*other], dtype=object))
    armed.clear()


class Lies:
    """Says that it is another class, and has all that one asks for."""

    __class__ = dict  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return 7


class Arrayish:
    """As numpy's arrays: a comparison gives no truth."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> Any:
        return np.array([True, False])


class Metaclass(type):
    __eq__ = __hash__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = __repr__ = asked  # type: ignore


class Reduces:
    def __init__(self, n: int) -> None:
        self.n = n

    def __reduce_ex__(self, protocol: object) -> Any:
        raise Asked


HOSTILE: dict[str, Callable[[int], Any]] = {
    "lies": lambda n: with_state(Lies, n=n),
    "array-like": Arrayish,
    "cannot be reduced": Reduces,
    "odd class": lambda n: with_state(types.new_class("Odd", (), {"metaclass": Metaclass}), n=n),
    "module": lambda n: types.ModuleType(f"module{n}"),
    "iterator": lambda n: iter([n, n]),
    "endless": lambda n: itertools.count(n),
    "endless cycle": lambda n: itertools.cycle([n]),
    "generator": lambda n: (n for _ in itertools.count()),
    "memoryview": lambda n: memoryview(bytes([n])),
    "file": lambda n: open(os.devnull),  # noqa: SIM115
    "frame": lambda n: sys._getframe(),
    "cell": types.CellType,
    "proxy": lambda n: types.MappingProxyType({"n": n}),
    "namespace": lambda n: types.SimpleNamespace(n=n),
    "slice of loud": lambda n: slice(with_state(loud(object), n=n)),
    "surrogates": lambda n: {"\ud83d": "\ud83d" * n},
    "method": lambda n: Arrayish(n).__eq__,
    "lock": lambda n: __import__("threading").Lock(),
    "nan": lambda n: [float("nan")] * n,
    "empty frame": lambda n: pd.DataFrame(index=range(n)),
    "frame of loud": lambda n: pd.DataFrame({"a": [with_state(loud(object), n=n)], "b": [Arrayish(n)]}),
    "null dtype": lambda n: np.zeros(n, "V0"),
    "huge view": lambda n: np.broadcast_to(np.int8(n), (1 << 40,)),
}


@pytest.fixture
def collected() -> Iterator[None]:
    """What the test leaves open goes with the test, whose filters it needs."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_objects(kind: str) -> None:
    make = HOSTILE[kind]
    one, other = make(1), make(2)
    started = time.monotonic()
    limited(compare(one, other))
    limited(compare(one, one))
    limited(compare([one], {"a": other}))
    for wrap in (lambda it: [it, it], lambda it: {"k": it}, lambda it: Plain(it=it)):
        limited(compare(wrap(one), wrap(other)))
    assert time.monotonic() - started < 60
    for third in HOSTILE.values():
        limited(compare(one, third(1)))


def test_iterators_are_left_where_they_stand() -> None:
    def numbers() -> Iterator[int]:
        yield from range(5)

    for make in (numbers, lambda: iter([0, 1, 2]), lambda: map(int, range(3)), lambda: itertools.count()):
        one, other = make(), make()
        next(other)
        compare(one, other)
        compare([one], [other])
        assert (next(one), next(other)) == (0, 1)


def test_an_interrupt_gets_through() -> None:
    class Interrupts:
        __module__ = "library"  # of one's own class no method is called

        def __reduce_ex__(self, protocol: object) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare([Interrupts()], [Interrupts()])


# -- large values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda n: np.full(30_000_000, n, "f8"),
        lambda n: np.full((5000, 5000), n)[:, ::-1],
        lambda n: pd.DataFrame({"a": np.full(3_000_000, n), "s": pd.Series(["x" * n] * 3_000_000)}),
        lambda n: pd.DataFrame(np.full((2, 20_000), n)),
        lambda n: [[n, str(n)] for _ in range(1_000_000)],
        lambda n: {f"key {each}": {n} for each in range(300_000)},
        lambda n: "x" * 100_000_000 + str(n),
        lambda n: ("line\n" * 10_000_000) + str(n),
        lambda n: [Arrayish(n)] * 1_000_000,
        lambda n: np.array([Arrayish(n) for _ in range(300_000)], object),
    ],
    ids=["array", "strided", "frame", "wide", "lists", "dict", "text", "lines", "instances", "objects"],
)
def test_large_values_take_seconds(make: Callable[[int], Any]) -> None:
    one, other = make(1), make(2)
    started = time.monotonic()
    limited(compare(one, other))
    assert time.monotonic() - started < 30  # 3 on a machine that does nothing else


def test_the_time_that_was_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kishu_kernel.compare.findings.PATIENCE", -1.0)
    for one, other in (
        ([1, [2]], [1, [3]]),
        ({"a": 1}, {"a": 2}),
        ({Point(1, 2): 1}, {Point(1, 3): 2}),
        ({Point(1, 2)}, {Point(1, 3)}),
        (np.zeros(3), np.ones(3)),
        (frame(), frame() * 2),
        (Plain(a=1), Plain(a=2)),
    ):
        comparison = compare(one, other)
        assert "time" in (comparison.note or ""), one
        assert "same" not in (comparison.note or "")


# -- nothing is changed, and nothing is imported ---------------------------------------------------------


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=9),
    st.complex_numbers(),
)
ARRAYS = st.lists(st.one_of(st.integers(-9, 9), st.floats()), max_size=6).map(np.array)
FRAMES = st.dictionaries(
    st.text(max_size=3), st.lists(st.one_of(st.integers(-9, 9), st.none()), min_size=3, max_size=3), max_size=3
)
VALUES = st.recursive(
    st.one_of(ATOMS, ARRAYS, FRAMES.map(pd.DataFrame), FRAMES.map(lambda held: pd.DataFrame(held).stack())),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(ATOMS, inner, max_size=4),
        st.frozensets(ATOMS, max_size=4),
        st.sets(ATOMS, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), inner).map(lambda held: Plain(**held)),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_never_raises_and_never_changes_anything(one: object, other: object) -> None:
    before = fingerprint(one), fingerprint(other)
    there = limited(compare(one, other))
    back = limited(compare(other, one))
    assert (fingerprint(one), fingerprint(other)) == before
    assert (there.note == "They are the same.") == (back.note == "They are the same.")
    if not there.aspects and not there.cells:
        assert there.note
    again = compare(one, pickle.loads(pickle.dumps(one)))
    assert (again.aspects, again.cells) == ((), ())


def test_nothing_is_imported() -> None:
    """In a session without libraries; and torch and polars are not looked for."""
    code = (
        "import sys\n"
        "from kishu_kernel.compare import compare\n"
        "compare({'a': [1.5, 'x', {2}]}, {'a': [2.5, 'y', {3}]}); compare(compare, len); compare(sys, object())\n"
        "heavy = {'numpy', 'pandas', 'torch', 'polars', 'pyarrow', 'sklearn', 'dill', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_what_it_says_is_frozen() -> None:
    comparison = compare([1], [2])
    assert comparison == Comparison((Aspect("[0]", "1", "2"),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        comparison.note = "no"  # type: ignore[misc]
    assert hash(CellDifference("1", "a", "x", "y"))
