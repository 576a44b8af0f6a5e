"""Tables of any library: which columns and rows there are, which differ, and the first cells that do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kishu_kernel.compare.arrays import ALONE, BLOCK, element, objects_differ
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import SHOWN, cut, key_of, label, listed, text
from kishu_kernel.compare.plain import order_of
from kishu_kernel.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        block: its values from one row to another.
        at_once: rows that are compared at once.
        named: it has a name: else it is the only one.
    """

    name: object
    dtype: str
    block: Callable[[int, int], Any]
    at_once: int = BLOCK
    named: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        row_name: what a row is called.
    """

    columns: Sequence[Column]
    row_name: Callable[[int], object] = int


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows both tables have in common, and how two blocks of a column are compared.

    Attributes:
        differ: the places, in order, where two blocks differ, as a list or an array.
        element: an element of a block, in a few words.
    """

    count: int
    differ: Callable[[Any, Any], Sequence[int]]
    element: Callable[[Any, int], str] = element


LISTED_AT_ONCE = 1 << 14
"""Rows that are compared at once where a block that differs is looked at value by value."""


def rows_by_lists(count: int, equal: Callable[[Any, Any], bool], values: Callable[[Any], list[Any]]) -> Rows:
    """Of columns whose blocks are compared whole, and value by value where they differ.

    Args:
        equal: two blocks are the same, for certain: what is no number may differ from itself here.
        values: a block as a list. Blocks have `slice(start, length)`.
    """

    def places(here: Any, there: Any) -> list[int]:
        if equal(here, there):
            return []
        return [place for place, differs in enumerate(objects_differ(values(here), values(there))) if differs]

    return Rows(count, places, lambda block, place: text(values(block.slice(place, 1))[0]))


@dataclass(frozen=True, slots=True)
class _Difference:
    count: int
    first: list[tuple[int, str, str]]


def tables(sides: Sequence[Table], rows: Rows, findings: Findings) -> None:
    """Columns that were added, removed, renamed or put elsewhere; dtypes; cells. Rows are told by who knows them."""
    before, after = sides
    pairs = _columns(before, after, rows, findings)
    dtypes = [(one, other) for one, other in pairs if one.dtype != other.dtype]
    for one, other in dtypes[:SHOWN]:
        findings.add(f"dtype{_of(other)}", one.dtype, other.dtype)
    if len(dtypes) > SHOWN:
        findings.add("more dtypes that differ", "", f"{len(dtypes) - SHOWN:,}")
    cells: list[tuple[int, int, str, str, str]] = []
    told = 0
    for number, (one, other) in enumerate(pairs):
        if findings.late:
            findings.cut_short(number, f"of {len(pairs):,} columns")
            break
        found = _differing(one, other, rows, findings)
        if not found.count:
            continue
        told += 1
        if told <= SHOWN:
            findings.add(f"values{_of(other)}", "", f"{found.count:,} of {rows.count:,} differ")
        cells += [(row, number, _column_name(other), here, there) for row, here, there in found.first]
        cells = sorted(cells)[:SHOWN]
    else:
        findings.all_compared = not told
    if told > SHOWN:
        findings.add("more columns that differ", "", f"{told - SHOWN:,}")
    for row, _, column, here, there in cells:
        findings.cell(label(before.row_name(row)), column, here, there)


def _columns(before: Table, after: Table, rows: Rows, findings: Findings) -> list[tuple[Column, Column]]:
    """Columns that are on both sides, in the order after."""
    one = {key_of(each.name): each for each in before.columns}
    other = {key_of(each.name): each for each in after.columns}
    if len(one) != len(before.columns) or len(other) != len(after.columns):
        findings.note("Some columns have the same name: they are compared in their order.")
        names = [[each.name for each in side.columns] for side in (before, after)]
        findings.add("columns", *(listed(side, len(side), label) for side in names))
        return list(zip(before.columns, after.columns, strict=False))
    removed, added = one.keys() - other.keys(), other.keys() - one.keys()
    if len(one) == len(other):
        for key, new in zip(one, other, strict=True):
            if key in removed and new in added and _same(one[key], other[new], rows, findings):
                removed.remove(key)
                added.remove(new)
                findings.add("column renamed", _named(one[key]), _named(other[new]))
    _told("columns removed", [one[key].name for key in one if key in removed], findings, after=False)
    _told("columns added", [other[key].name for key in other if key in added], findings, after=True)
    kept, order = [key for key in one if key in other], [key for key in other if key in one]
    if kept != order:
        findings.add("order of columns", *order_of([one[key].name for key in kept], [one[key].name for key in order]))
    return [(one[key], other[key]) for key in order]


def _told(aspect: str, names: Sequence[object], findings: Findings, *, after: bool) -> None:
    if names:
        line = listed(names, len(names), label)
        findings.add(aspect, *(("", line) if after else (line, "")))


def _same(one: Column, other: Column, rows: Rows, findings: Findings) -> bool:
    """It is the same column under another name, for certain."""
    if one.dtype != other.dtype or not rows.count:
        return False
    found = _differing(one, other, rows, findings, most=1)
    return not found.count and not findings.late


def _differing(one: Column, other: Column, rows: Rows, findings: Findings, most: int | None = None) -> _Difference:
    """How many values of a column differ, and the first of them.

    Args:
        most: stop when so many are found.
    """
    count = 0
    first: list[tuple[int, str, str]] = []
    step = min(one.at_once, other.at_once) if one.dtype == other.dtype else ALONE
    for start in range(0, rows.count, step):
        if findings.late:
            findings.cut_short(start, f"of {rows.count:,} rows{_of(other)}")
            break
        stop = min(start + step, rows.count)
        here, there = one.block(start, stop), other.block(start, stop)
        places = rows.differ(here, there)
        count += len(places)
        for place in map(int, places[: SHOWN - len(first)]):
            first.append((start + place, rows.element(here, place), rows.element(there, place)))
        if most is not None and count >= most:
            break
    return _Difference(count, first)


def _of(column: Column) -> str:
    return f" of {_named(column)}" if column.named else ""


def _column_name(column: Column) -> str:
    return label(column.name) if column.named else ""


def _named(column: Column) -> str:
    return cut(label(column.name), 40)
