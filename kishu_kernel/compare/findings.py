"""What is found while two values are compared: collected in one place, within limits of length and time.

A part of a value (an attribute, an item) is examined in the same way, and what differs there is told with the way to
it: `steps[1].C`.
"""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterable, Iterator

from kishu_kernel.compare.facts import Aspect, CellDifference, Comparison
from kishu_kernel.compare.looking import SHOWN, cut, same, text

PATIENCE = 3.0
"""Seconds that a comparison may take; a single step of it (a digest of a large part) is not cut short."""

_ASPECTS = 40
_DEEPEST = 4

Examine = Callable[[object, object, "Findings"], None]


class Findings:
    """Differences found so far.

    Args:
        examine: compares two parts, and adds what it finds.
        path: the way to the part that is compared.

    Attributes:
        all_compared: there is no value in it that was not looked at.
        hurried: the time was up before all was looked at.
    """

    def __init__(self, examine: Examine, path: str = "", depth: int = 0, whole: Findings | None = None) -> None:
        self._examine = examine
        self.path = path
        self.depth = depth
        self.all_compared = False
        self._whole = whole or self
        if whole is None:
            self.aspects: list[Aspect] = []
            self.cells: list[CellDifference] = []
            self.notes: dict[str, None] = {}
            self.ends = time.monotonic() + PATIENCE
            self.hurried = False
            self.pairs: dict[tuple[int, int], object] = {}

    @property
    def late(self) -> bool:
        """The time is up: say what is known, and that it is not all."""
        return time.monotonic() > self._whole.ends

    @property
    def told(self) -> int:
        """How many aspects there are by now, of the whole."""
        return len(self._whole.aspects)

    def add(self, aspect: str, before: str, after: str) -> None:
        """Says what a property is on both sides, unless that is the same."""
        aspects = self._whole.aspects
        if before == after:
            return
        path = self.path.removeprefix(".").strip()
        name = f"{path}: {aspect}" if path and aspect else path or aspect or "value"
        if len(aspects) < _ASPECTS:
            aspects.append(Aspect(cut(name, 120), cut(before, 200), cut(after, 200)))
        else:
            self.note("There is more that differs.")

    def cell(self, row: str, column: str, before: str, after: str) -> None:
        """Shows a place of a table that differs. Of parts of a value only the whole's table has room."""
        if not self.path and len(self._whole.cells) < SHOWN:
            self._whole.cells.append(CellDifference(cut(row), cut(column), cut(before), cut(after)))

    def note(self, sentence: str) -> None:
        """Says something besides, once."""
        self._whole.notes[sentence] = None

    def cut_short(self, number: int, what: str) -> None:
        """Says how far the comparison came when the time was up."""
        self._whole.all_compared = False
        self._whole.hurried = True
        if number:
            self.note(f"Only the first {number:,} {what} were compared.")
        else:
            self.note("There was no time to compare all of it.")

    def part(self, step: str, before: object, after: object) -> bool:
        """Looks into two parts whose digests differ. False where all values in them are the same."""
        one, other = text(before), text(after)
        if one != other and (self.depth >= _DEEPEST or (_tells_all(before, one) and _tells_all(after, other))):
            self.at(step).add("", one, other)
            return True
        if self.depth >= _DEEPEST or self.seen(before, after):
            return True
        found = self.told
        part = self.at(step)
        self._examine(before, after, part)
        if self.told == found and not part.all_compared:  # nothing that shows
            self.at(step).add("", one, other if one != other else f"{other}, with other contents")
        return self.told > found or not part.all_compared

    def parts(self, pairs: Iterable[tuple[str, object, object]], what: str) -> bool:
        """Looks into the first of many parts that differ, and counts the others. False where all are the same.

        Args:
            pairs: for each part the step to it, and what it is on both sides; they may be the same.
        """
        told = more = 0
        for step, before, after in self._in_time(pairs):
            if not same(before, after):
                if told >= max(1, SHOWN >> self.depth):
                    more += 1
                elif self.part(step, before, after):
                    told += 1
        if more:
            self.add(f"more {what} that differ", "", f"{more:,}")
        return bool(told or more or self._whole.hurried)

    def seen(self, before: object, after: object) -> bool:
        """They were looked into on another way to them, or are being looked into."""
        key = id(before), id(after)
        if key in self._whole.pairs:
            return True
        self._whole.pairs[key] = (before, after)  # kept, so that their ids stay theirs
        return False

    def at(self, step: str) -> Findings:
        """The same findings, for a part."""
        return Findings(self._examine, f"{self.path}{step}", self.depth + 1, self._whole)

    def fresh(self) -> Findings:
        """An empty one, with what is left of the time."""
        found = Findings(self._examine)
        found.ends = self._whole.ends
        return found

    def comparison(self) -> Comparison:
        """All of it."""
        return Comparison(tuple(self.aspects), tuple(self.cells), " ".join(self.notes) or None)

    def _in_time(self, pairs: Iterable[tuple[str, object, object]]) -> Iterator[tuple[str, object, object]]:
        for number, pair in enumerate(pairs):
            if self.late:
                self.cut_short(number, f"parts{self._of()}")
                return
            yield pair

    def _of(self) -> str:
        return f" of {self.path.removeprefix('.')}" if self.path else ""


def _tells_all(value: object, line: str) -> bool:
    """A short line that shows a value, and not only its type and size."""
    return len(line) <= 40 and " of " not in line and not issubclass(type(value), (types.FunctionType, type))
