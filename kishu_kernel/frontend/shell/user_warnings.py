"""Sentences for the user that belong to no request: printed in the output of a cell, and repeated by `status`."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserWarnings:
    """The warnings of one session.

    Args:
        cell_prints: whether what is printed now goes to the output of a cell, and disturbs nothing.
        stopped: whether nothing is to be printed any more.

    Attributes:
        all: every sentence, the newest last.
    """

    def __init__(self, cell_prints: Callable[[], bool], stopped: Callable[[], bool]) -> None:
        self._cell_prints = cell_prints
        self._stopped = stopped
        self._unprinted: list[str] = []
        self.all: list[str] = []

    def add(self, sentence: str) -> None:
        """Prints a sentence in the output of this cell, else of the next. Twice in a row it is printed once."""
        if self.all[-1:] != [sentence]:
            if sentence in self.all:
                self.all.remove(sentence)
            self.all.append(sentence)
            self._unprinted.append(sentence)
        if self._cell_prints():
            self.print()

    @property
    def unprinted(self) -> bool:
        """Whether a sentence waits to be printed."""
        return bool(self._unprinted)

    def print(self) -> None:
        """Prints what waits, in the output of the cell that runs."""
        while self._unprinted and not self._stopped():
            print(f"[kishu] {self._unprinted.pop(0)}", file=sys.stderr)
