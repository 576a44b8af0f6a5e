"""Which cell of the history bore a file name, for `cell_sources`.

ipykernel names a cell's code after its text: `.../ipykernel_PROCESS/HASH.py`. So the cell is the one that would get the
same last part here, and nothing need be recorded for it.
"""

from __future__ import annotations

import ntpath
from collections.abc import Callable
from typing import Any

from kishu_kernel.model import CheckpointId
from kishu_kernel.session.timeline import History


class CellFinder:
    """Finds cells by the names that their code has. Asked first, it names each cell of the history: O(code).

    Args:
        shell: knows how cells are named, and what it makes of their magics.
    """

    def __init__(self, shell: Any, history: Callable[[], History]) -> None:
        self._shell = shell
        self._history = history
        self._named: set[CheckpointId] = set()
        self._codes: dict[str, str] = {}

    def __call__(self, file: str) -> str | None:
        """What the cell was compiled from; None where none bore this name, or names do not tell cells apart."""
        if self._name("a") == self._name("b"):
            return None
        store = self._history().store
        for each in store.checkpoints(outputs=False):
            if each.id not in self._named:
                self._named.add(each.id)
                self._codes[self._name(each.code)] = each.code
        code = self._codes.get(_last(file))
        return None if code is None else str(self._shell.input_transformer_manager.transform_cell(code))

    def _name(self, code: str) -> str:
        return _last(self._shell.compile.get_code_name(code, code, 0))


def _last(file: str) -> str:
    return ntpath.basename(file)  # of either system
