"""The notebook at a checkpoint: what a frontend says of its cells, and what a reply tells of them, outputs included.

Law: a document is kept as long as its state is, and is never needed for anything: where it is missing, too large or
damaged, replies have null. The kernel writes no file of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, get_args

from kishu_kernel.frontend.protocol.content import Json, sendable
from kishu_kernel.frontend.protocol.notebook_export import as_notebook
from kishu_kernel.frontend.protocol.output_gate import shown
from kishu_kernel.history.graph import ancestry
from kishu_kernel.model import CellType, Checkpoint, CheckpointId, NotebookCell
from kishu_kernel.session.timeline import StoredHistory

MOST_CELLS = 5000
MOST_BYTES = 8 << 20
"""Of all sources of a document that is kept."""
MOST_OUTPUTS = 8 << 20
"""Bytes of outputs in a reply. What is older than the rest is left out."""
_LONGEST_ID = 200


def document_cells(value: list[Any]) -> list[NotebookCell]:
    """Returns the cells of a request.

    Raises:
        ValueError: it has no cells.
    """
    return [_cell(each) for each in value]


def _cell(value: Any) -> NotebookCell:
    if not isinstance(value, dict) or value.keys() != {"id", "type", "source"}:
        raise ValueError('a list of {"id", "type", "source"}')
    id, kind, source = value["id"], value["type"], value["source"]
    if not isinstance(id, str) or len(id) > _LONGEST_ID or not isinstance(source, str):
        raise ValueError('a list of {"id", "type", "source"}, which are strings')
    if kind not in get_args(CellType):
        raise ValueError(f"a list of cells whose type is one of {', '.join(get_args(CellType))}")
    return NotebookCell(id, kind, source)


def too_large(cells: Sequence[NotebookCell]) -> str | None:
    """Returns why a document is not kept, as a clause; None if it is."""
    if len(cells) > MOST_CELLS:
        return f"it has {len(cells):,} cells, and {MOST_CELLS:,} are kept at most"
    weight = sum(len(cell.source) for cell in cells)
    return f"its cells have {weight:,} characters, and {MOST_BYTES:,} are kept at most" if weight > MOST_BYTES else None


def document_content(history: StoredHistory, at: CheckpointId | None) -> list[Json] | None:
    """Returns the notebook's cells at a checkpoint, each with the outputs of its last run there; None if unknown."""
    cells = None if at is None else _document(history, at)
    if cells is None:
        return None
    ran = _last_runs(history, at, {cell.source for cell in cells if cell.type == "code"})
    outputs = _Outputs(history.store.checkpoint)
    newest_first = sorted(ran.values(), key=lambda each: each.timestamp, reverse=True)
    for each in newest_first:
        outputs.take(each)
    return [
        {
            "id": cell.id,
            "type": cell.type,
            "source": cell.source,
            "outputs": outputs.of.get(run.id, []) if run else [],
            "execution_count": run.execution_count if run else None,
            "checkpoint": run.id if run else None,
        }
        for cell, run in ((cell, ran.get(cell.source) if cell.type == "code" else None) for cell in cells)
    ]


def document_notebook(document: Sequence[Json]) -> Json:
    """Returns the cells of a reply as a notebook in nbformat 4.5."""
    notebook: Json = as_notebook(())
    notebook["cells"] = [_notebook_cell(number, cell) for number, cell in enumerate(document)]
    return notebook


def _notebook_cell(number: int, cell: Json) -> Json:
    id = cell["id"] if re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", cell["id"]) else f"cell-{number}"
    found = {"cell_type": cell["type"], "id": id, "metadata": {}, "source": cell["source"]}
    if cell["type"] == "code":
        found |= {"outputs": cell["outputs"], "execution_count": cell["execution_count"]}
    return found


def _document(history: StoredHistory, at: CheckpointId) -> tuple[NotebookCell, ...] | None:
    """The document of a checkpoint; of one that no cell made, that of the one before it."""
    for checkpoint in ancestry(history.lookup, at):
        found = history.document(checkpoint.id)
        if found is not None or (checkpoint.code and not checkpoint.taken):
            return found
    return None


def _last_runs(history: StoredHistory, at: CheckpointId | None, sources: set[str]) -> dict[str, Checkpoint]:
    """The newest checkpoint on the path of each of these sources."""
    found: dict[str, Checkpoint] = {}
    for checkpoint in ancestry(history.lookup, at):
        if len(found) == len(sources):
            break
        if checkpoint.code in sources:
            found.setdefault(checkpoint.code, checkpoint)
    return found


class _Outputs:
    """Collects outputs until there are too many."""

    def __init__(self, lookup: Callable[[CheckpointId], Checkpoint]) -> None:
        self._lookup = lookup
        self._left = MOST_OUTPUTS
        self.of: dict[CheckpointId, list[Json]] = {}

    def take(self, checkpoint: Checkpoint) -> None:
        if self._left > 0:
            outputs = sendable(shown(self._lookup(checkpoint.id)))
            self._left -= len(str(outputs))
            if self._left > 0:
                self.of[checkpoint.id] = outputs
