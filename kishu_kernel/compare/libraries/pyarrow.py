"""Tables and arrays of Arrow. Rows are compared in their order."""

from __future__ import annotations

from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import same
from kishu_kernel.compare.tables import LISTED_AT_ONCE, Column, Table, rows_by_lists
from kishu_kernel.compare.tables import tables as compare_tables


def tables(before: Any, after: Any, findings: Findings) -> None:
    """Shape, columns, types, values, metadata."""
    findings.add("shape", str((before.num_rows, before.num_columns)), str((after.num_rows, after.num_columns)))
    sides = [
        Table([_column(field.name, each.column(at)) for at, field in enumerate(each.schema)])
        for each in (before, after)
    ]
    compare_tables(sides, rows_by_lists(min(before.num_rows, after.num_rows), _equal, _values), findings)
    if before.num_rows != after.num_rows and before.num_rows and after.num_rows:
        findings.note("Rows are compared in their order.")
    if not same(before.schema.metadata, after.schema.metadata):
        findings.part(".schema.metadata", before.schema.metadata, after.schema.metadata)


def arrays(before: Any, after: Any, findings: Findings) -> None:
    """Length, type, values."""
    findings.add("length", f"{len(before):,}", f"{len(after):,}")
    sides = [Table([_column("", each, named=False)]) for each in (before, after)]
    compare_tables(sides, rows_by_lists(min(len(before), len(after)), _equal, _values), findings)


def _column(name: str, array: Any, *, named: bool = True) -> Column:
    return Column(name, str(array.type), lambda start, stop: array.slice(start, stop - start), LISTED_AT_ONCE, named)


def _equal(here: Any, there: Any) -> bool:
    return bool(here.type == there.type and here.equals(there))


def _values(block: Any) -> list[Any]:
    values: list[Any] = block.to_pylist()
    return values
