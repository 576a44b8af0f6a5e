"""Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kishu_kernel.objects.library import Library


def _reader(reader: Any) -> tuple[Any, ...]:
    return reader.tell(), reader.read_at(reader.size(), 0)


_COMPARED = "kishu_kernel.compare.libraries.pyarrow"


def _head(table: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    names = table.schema.names[:columns]
    return [(name, table.column(at).slice(0, rows).to_pylist()) for at, name in enumerate(names)]


def _column_types(table: Any) -> Iterator[Any]:
    """And what they are made of: one that extends Arrow's has methods of its own."""
    todo = list(table.schema.types)
    while todo:
        kind = todo.pop()
        yield kind
        todo.extend(kind.field(at).type for at in range(kind.num_fields))


class Arrow(Library):
    """Arrays and tables cannot change."""

    values = {"pyarrow.lib.*"}
    visible_state = {"BufferReader": _reader}
    shapes = True
    guests = dict.fromkeys(("pyarrow.lib.Table", "pyarrow.lib.RecordBatch"), _column_types)
    heads = dict.fromkeys(("pyarrow.lib.Table", "pyarrow.lib.RecordBatch"), _head)
    comparisons = {
        **dict.fromkeys(("pyarrow.lib.Table", "pyarrow.lib.RecordBatch"), f"{_COMPARED}:tables"),
        **dict.fromkeys(("pyarrow.lib.Array", "pyarrow.lib.ChunkedArray"), f"{_COMPARED}:arrays"),
    }
    data = True
