"""Frames and series of polars. Rows are compared in their order."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import text
from kishu_kernel.compare.tables import LISTED_AT_ONCE, Column, Table, rows_by_lists
from kishu_kernel.compare.tables import tables as compare_tables


def frames(before: Any, after: Any, findings: Findings) -> None:
    """Shape, columns, dtypes, values."""
    findings.add("shape", str(before.shape), str(after.shape))
    sides = [Table([_column(each.to_series(at)) for at in range(each.width)]) for each in (before, after)]
    compare_tables(sides, rows_by_lists(min(before.height, after.height), _equal, _values), findings)
    if before.height != after.height and before.height and after.height:
        findings.note("Rows are compared in their order.")


def series(before: Any, after: Any, findings: Findings) -> None:
    """Length, name, dtype, values."""
    findings.add("length", f"{before.len():,}", f"{after.len():,}")
    findings.add("name", text(before.name), text(after.name))
    sides = [Table([_column(each, named=False)]) for each in (before, after)]
    compare_tables(sides, rows_by_lists(min(before.len(), after.len()), _equal, _values), findings)


def _column(series: Any, *, named: bool = True) -> Column:
    def block(start: int, stop: int) -> Any:
        return series.slice(start, stop - start)

    return Column(series.name, str(series.dtype), block, LISTED_AT_ONCE, named)


def _equal(here: Any, there: Any) -> bool:
    polars = sys.modules["polars"]
    if here.dtype == polars.Object or here.dtype != there.dtype:
        return False
    return bool(here.equals(there))


def _values(block: Any) -> list[Any]:
    values: list[Any] = block.to_list()
    return values
