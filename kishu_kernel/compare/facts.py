"""What a comparison says. A leaf: knows nobody."""

from __future__ import annotations

from kishu_kernel.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Aspect:
    """One property, and what it is on both sides.

    A side can be empty: what was added had nothing before, and a count of differences stands in `after` alone.
    """

    aspect: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A place in a table or an array where the two sides differ. An array of one dimension has rows only."""

    row: str
    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two values differ.

    Attributes:
        aspects: what differs, the most telling first.
        cells: the first places where tables or arrays differ.
        note: what there is to say besides, in whole sentences: that they were not compared, and why.
    """

    aspects: tuple[Aspect, ...] = ()
    cells: tuple[CellDifference, ...] = ()
    note: str | None = None
