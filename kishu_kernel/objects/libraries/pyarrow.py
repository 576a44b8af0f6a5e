"""Arrow."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _reader(reader: Any) -> tuple[Any, ...]:
    return reader.tell(), reader.read_at(reader.size(), 0)


_COMPARED = "kishu_kernel.compare.libraries.pyarrow"


class Arrow(Library):
    """Arrays and tables cannot change."""

    values = {"pyarrow.lib.*"}
    visible_state = {"BufferReader": _reader}
    shapes = True
    comparisons = {
        **dict.fromkeys(("pyarrow.lib.Table", "pyarrow.lib.RecordBatch"), f"{_COMPARED}:tables"),
        **dict.fromkeys(("pyarrow.lib.Array", "pyarrow.lib.ChunkedArray"), f"{_COMPARED}:arrays"),
    }
    data = True
