"""Frames, series and indexes of pandas, 2 and 3. Rows with the same label are compared, where labels can tell.

Law: a derived class of the user's is seen as the class of pandas that it is derived from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.libraries.pandas.blocks import differing_places, labels_block, rows_at_once, values_block
from kishu_kernel.compare.libraries.pandas.rows import Pairing, names_of, paired
from kishu_kernel.compare.looking import is_kind, same, state_of, text
from kishu_kernel.compare.tables import Column, Rows, Table, tables
from kishu_kernel.model.amounts import size


def frames(before: Any, after: Any, findings: Findings) -> None:
    """Shape, rows, columns, dtypes, values."""
    make = sys.modules["pandas"].DataFrame
    one, other = make(before, copy=False), make(after, copy=False)
    findings.add("shape", str(one.shape), str(other.shape))
    pairing = paired(one.index, other.index, findings)
    findings.add("name of the index", names_of(one.index), names_of(other.index))
    findings.add("name of the columns", names_of(one.columns), names_of(other.columns))
    sides = (_table(one, pairing.before), _table(other, pairing.after))
    tables(sides, Rows(pairing.count, differing_places), findings)
    _besides(before, after, pairing, findings)
    findings.add("memory", *(size(_weight(each)) for each in (one, other)))


def series(before: Any, after: Any, findings: Findings) -> None:
    """Length, name, rows, dtype, values."""
    make = sys.modules["pandas"].Series
    one, other = make(before, copy=False), make(after, copy=False)
    findings.add("length", f"{len(one):,}", f"{len(other):,}")
    findings.add("name", text(one.name), text(other.name))
    pairing = paired(one.index, other.index, findings)
    findings.add("name of the index", names_of(one.index), names_of(other.index))
    sides = [
        Table([_column("", each.dtype, _itself(each), places, named=False)], _row_name(each.index, places))
        for each, places in ((one, pairing.before), (other, pairing.after))
    ]
    tables(sides, Rows(pairing.count, differing_places), findings)
    _besides(before, after, pairing, findings)
    findings.add("memory", *(size(_weight(each)) for each in (one, other)))


def indexes(before: Any, after: Any, findings: Findings) -> None:
    """Length, names, dtype, labels."""
    findings.add("length", f"{len(before):,}", f"{len(after):,}")
    findings.add("levels", str(before.nlevels), str(after.nlevels))
    findings.add("name", names_of(before), names_of(after))
    pairing = paired(before, after, findings)
    if pairing.before is not None:  # all is said
        findings.add("dtype", text(before.dtype), text(after.dtype))
        return
    sides = [
        Table(
            [
                Column(
                    f"level {level}",
                    text(each.dtype),
                    labels_block(each, level),
                    rows_at_once(each.dtype),
                    named=each.nlevels > 1,
                )
                for level in range(each.nlevels)
            ]
        )
        for each in (before, after)
    ]
    tables(sides, Rows(pairing.count, differing_places), findings)


def _table(frame: Any, places: Any) -> Table:
    columns = [
        _column(name, dtype, _nth(frame, at), places)
        for at, (name, dtype) in enumerate(zip(list(frame.columns), list(frame.dtypes), strict=True))
    ]
    return Table(columns, _row_name(frame.index, places))


def _nth(frame: Any, at: int) -> Callable[[], Any]:
    return lambda: frame.iloc[:, at]


def _itself(series: Any) -> Callable[[], Any]:
    return lambda: series


def _column(name: object, dtype: Any, get: Callable[[], Any], places: Any, *, named: bool = True) -> Column:
    return Column(name, text(dtype), values_block(get, places), rows_at_once(dtype), named)


def _row_name(index: Any, places: Any) -> Callable[[int], object]:
    return lambda at: index[at if places is None else int(places[at])]


def _besides(one: Any, other: Any, pairing: Pairing, findings: Findings) -> None:
    if pairing.guessed and pairing.count:
        findings.note("Rows are compared in their order: their labels do not tell which belong together.")
    attrs = [state_of(each).get("_attrs") for each in (one, other)]
    if any(attrs) and not same(*attrs):
        findings.part(".attrs", *attrs)


def _weight(held: Any) -> int:
    """Bytes of the values. What hangs on the labels changes with each look at them."""
    weight = held.memory_usage(index=False, deep=False)
    return int(weight.sum() if is_kind(type(weight), "pandas", "Series") else weight)
