"""Frames and series of polars, tables and arrays of Arrow. Rows are compared in their order."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.compare.arrays import objects_differ
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import is_kind, same, text
from kishu_kernel.compare.tables import Column, Rows, Table, tables

_ROWS = 1 << 14
"""Rows that are compared at once: where a block differs, its values are looked at one by one."""


def is_polars_frame(kind: type) -> bool:
    """A DataFrame of polars."""
    return is_kind(kind, "polars", "DataFrame")


def is_polars_series(kind: type) -> bool:
    """A Series of polars."""
    return is_kind(kind, "polars", "Series")


def is_arrow_table(kind: type) -> bool:
    """A Table or a RecordBatch of Arrow."""
    return is_kind(kind, "pyarrow", "Table", "RecordBatch")


def is_arrow_array(kind: type) -> bool:
    """An array of Arrow, in chunks or not."""
    return is_kind(kind, "pyarrow", "Array", "ChunkedArray")


def polars_frames(before: Any, after: Any, findings: Findings) -> None:
    """Shape, columns, dtypes, values."""
    findings.add("shape", str(before.shape), str(after.shape))
    sides = [Table([_polars_column(each.to_series(at)) for at in range(each.width)]) for each in (before, after)]
    tables(sides, Rows(min(before.height, after.height), _places, _element), findings)
    if before.height != after.height and before.height and after.height:
        findings.note("Rows are compared in their order.")


def polars_series(before: Any, after: Any, findings: Findings) -> None:
    """Length, name, dtype, values."""
    findings.add("length", f"{before.len():,}", f"{after.len():,}")
    findings.add("name", text(before.name), text(after.name))
    sides = [Table([_polars_column(each, named=False)]) for each in (before, after)]
    tables(sides, Rows(min(before.len(), after.len()), _places, _element), findings)


def arrow_tables(before: Any, after: Any, findings: Findings) -> None:
    """Shape, columns, types, values, metadata."""
    findings.add("shape", str((before.num_rows, before.num_columns)), str((after.num_rows, after.num_columns)))
    sides = [
        Table([_arrow_column(field.name, each.column(at)) for at, field in enumerate(each.schema)])
        for each in (before, after)
    ]
    tables(sides, Rows(min(before.num_rows, after.num_rows), _places, _element), findings)
    if before.num_rows != after.num_rows and before.num_rows and after.num_rows:
        findings.note("Rows are compared in their order.")
    if not same(before.schema.metadata, after.schema.metadata):
        findings.part(".schema.metadata", before.schema.metadata, after.schema.metadata)


def arrow_arrays(before: Any, after: Any, findings: Findings) -> None:
    """Length, type, values."""
    findings.add("length", f"{len(before):,}", f"{len(after):,}")
    sides = [Table([_arrow_column("", each, named=False)]) for each in (before, after)]
    tables(sides, Rows(min(len(before), len(after)), _places, _element), findings)


def _polars_column(series: Any, *, named: bool = True) -> Column:
    return Column(series.name, str(series.dtype), lambda start, stop: series.slice(start, stop - start), _ROWS, named)


def _arrow_column(name: str, array: Any, *, named: bool = True) -> Column:
    return Column(name, str(array.type), lambda start, stop: array.slice(start, stop - start), _ROWS, named)


def _places(here: Any, there: Any) -> list[int]:
    if _equal(here, there):
        return []
    one, other = _values(here), _values(there)
    return [place for place, differs in enumerate(objects_differ(one, other)) if differs]


def _equal(here: Any, there: Any) -> bool:
    """All of it, for certain: what is no number may differ from itself here."""
    if is_polars_series(type(here)):
        polars = sys.modules["polars"]
        if here.dtype == polars.Object or here.dtype != there.dtype:
            return False
        return bool(here.equals(there))
    return bool(here.type == there.type and here.equals(there))


def _element(block: Any, place: int) -> str:
    return text(_values(block.slice(place, 1))[0])


def _values(block: Any) -> list[Any]:
    values: list[Any] = block.to_list() if is_polars_series(type(block)) else block.to_pylist()
    return values
