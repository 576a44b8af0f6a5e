"""Sentences for the user that no request has asked for, and where they are shown.

Law: each is shown once, where it belongs. What a request leads to is part of its reply. A panel or a sidebar shows the
rest, and `%kishu` with what it displays; `status` repeats all. Only where nobody does, what matters to somebody who has
none of these is printed in the output of a cell: the store is lost, and the like.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress


class UserWarnings:
    """The warnings of one session.

    Args:
        cell_prints: whether what is printed now goes to the output of a cell, and disturbs nothing.
        stopped: whether nothing is to be printed any more.

    Attributes:
        all: every sentence, the newest last.
        untold: those that nobody has been shown.
    """

    def __init__(self, cell_prints: Callable[[], bool], stopped: Callable[[], bool]) -> None:
        self._cell_prints = cell_prints
        self._stopped = stopped
        self._quiet: set[str] = set()
        """Of `untold`, those that no cell prints."""
        self._gathered: list[str] | None = None
        self._is_watched = False
        """A frontend shows them, and has said so."""
        self.all: list[str] = []
        self.untold: list[str] = []

    def add(self, sentence: str, *, quiet: bool = False) -> None:
        """A sentence, to be shown where it belongs. Twice in a row, or before it was shown, it is shown once.

        Args:
            quiet: no cell prints it.
        """
        is_new = self.all[-1:] != [sentence]
        if is_new:
            if sentence in self.all:
                self.all.remove(sentence)
            self.all.append(sentence)
        if self._gathered is not None:
            self._gathered += [] if sentence in self._gathered else [sentence]
            return
        if is_new and sentence not in self.untold:
            self.untold.append(sentence)
            self._quiet |= {sentence} if quiet else set()
        if self._cell_prints() and not self._is_watched:
            self.print()

    @contextmanager
    def gathered(self) -> Iterator[list[str]]:
        """What is added within this context belongs to a reply, which has it. If it fails, they are as any others."""
        outer, self._gathered = self._gathered, []
        found = self._gathered
        try:
            yield found
        except BaseException:
            self.untold += found
            raise
        finally:
            self._gathered = outer

    @property
    def waits_for_cell(self) -> bool:
        """Whether the cell that has just ended is to print a sentence."""
        return not self._is_watched and any(each not in self._quiet for each in self.untold)

    def print(self) -> None:
        """Prints what waits for that, in the output of the cell that runs."""
        for sentence in [each for each in self.untold if each not in self._quiet]:
            if self._stopped():
                return
            try:
                self.untold.remove(sentence)
            except ValueError:  # a frontend has shown it meanwhile, and said so on another thread
                continue
            print(f"[kishu] {sentence}", file=sys.stderr)

    def note_told(self, sentences: Sequence[str]) -> None:
        """A frontend that shows these has shown them: what is new is for it."""
        self._is_watched = True
        for sentence in [each for each in self.untold if each in sentences]:  # in place: one may be added meanwhile
            with suppress(ValueError):
                self.untold.remove(sentence)

    def take(self) -> list[str]:
        """Returns what nobody has been shown: who asks shows it."""
        taken, self.untold = self.untold, []
        return taken
