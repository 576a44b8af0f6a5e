"""The cells of a notebook, as a frontend had them at one moment."""

from __future__ import annotations

from typing import Literal

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.model.identity import Names

CellType = Literal["code", "markdown", "raw"]

DOCUMENT: Names = ("notebook document",)
"""The names under which a store keeps a notebook's cells beside the versions of a checkpoint. No variable has them."""


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """A cell of a notebook.

    Attributes:
        id: as the notebook's file has it.
    """

    id: str
    type: CellType
    source: str
