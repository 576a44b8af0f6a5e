"""Finds the cell of the history that was compiled under a file name, for `process.cell_sources`.

ipykernel names a cell's code after its text: `.../ipykernel_PROCESS/HASH.py`. So the cell is the one whose text gives
the same last part here, and nothing has to be recorded for it.
"""

from __future__ import annotations

import ntpath
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import CheckpointId

if TYPE_CHECKING:
    from kishu_kernel.session.timeline import StoredHistory


class CellFinder:
    """Finds cells by the file names of their code. The first call names each cell of the history: O(code).

    Args:
        shell: an IPython shell, which names cells and transforms them.
        history: returns the history to look in.
    """

    def __init__(self, shell: Any, history: Callable[[], StoredHistory]) -> None:
        self._shell = shell
        self._history = history
        self._named: set[CheckpointId] = set()
        self._codes: dict[str, str] = {}

    def __call__(self, file: str) -> str | None:
        """Returns the Python that the cell was compiled from.

        None where no cell had this file name, or where the shell gives all cells the same one.
        """
        if self._name("a") == self._name("b"):
            return None
        store = self._history().store
        for each in store.checkpoints(outputs=False):
            if each.id not in self._named:
                self._named.add(each.id)
                self._codes.update((self._name(code), code) for code in _compiled(each.code))
        code = self._codes.get(_last_part(file))
        return None if code is None else str(self._shell.input_transformer_manager.transform_cell(code))

    def _name(self, code: str) -> str:
        return _last_part(self._shell.compile.get_code_name(code, code, 0))


def _compiled(code: str) -> Iterator[str]:
    """The texts of which a cell's code may have been compiled: `%%capture` and its like run what stands below them."""
    yield code
    while code.startswith("%%"):
        code = code.partition("\n")[2].rstrip("\n") + "\n"  # as IPython passes it on
        yield code


def _last_part(file: str) -> str:
    return ntpath.basename(file)  # it splits the paths of Windows and of others
