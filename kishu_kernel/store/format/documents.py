"""The cells of a notebook as they are stored: in groups, so that what did not change is in the store already.

A document is a payload: its stream is `STREAM`, and each of its buffers a JSON array of cells, [id, type, source].
Where a group ends is told by the ids of its cells alone: a cell that was edited makes one new group, and so does one
that was put in. Nothing of it is a pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import get_args

from kishu_kernel.errors import LoadError
from kishu_kernel.model import DOCUMENT, Buffer, CellType, NotebookCell, Payload
from kishu_kernel.store.format.schema import dump_json, load_json

STREAM = b"kishu document 1"

_ENDS = 8
"""One cell in so many ends a group."""
_MOST = 32
"""Cells of a group."""


def encode_document(cells: Sequence[NotebookCell]) -> Payload:
    """The payload of a document. O(bytes)."""
    groups: list[list[NotebookCell]] = [[]]
    for cell in cells:
        groups[-1].append(cell)
        if len(groups[-1]) == _MOST or _ends_group(cell):
            groups.append([])
    encoded = (dump_json([[each.id, each.type, each.source] for each in group]) for group in groups if group)
    buffers = tuple(Buffer(memoryview(data), copied=True) for data in encoded)
    return Payload(DOCUMENT, "cloudpickle", STREAM, buffers)


def decode_document(stream: bytes, groups: Iterable[bytes]) -> tuple[NotebookCell, ...]:
    """The cells of a document.

    Args:
        groups: its buffers.

    Raises:
        LoadError: it is damaged, or a newer kishu-kernel wrote it.
    """
    try:
        if stream != STREAM:
            raise ValueError(f"it begins with {stream[:40]!r}")
        cells = [NotebookCell(*cell) for group in groups for cell in load_json(group)]
        if not all(_fits(cell) for cell in cells):
            raise ValueError("a cell in it is none")
    except (ValueError, TypeError, RecursionError) as error:
        raise LoadError(f"the cells of a notebook are damaged ({error})") from error
    return tuple(cells)


def _ends_group(cell: NotebookCell) -> bool:
    return hashlib.sha256(cell.id.encode("utf-8", "surrogatepass")).digest()[0] % _ENDS == 0


def _fits(cell: NotebookCell) -> bool:
    return isinstance(cell.id, str) and isinstance(cell.source, str) and cell.type in get_args(CellType)
