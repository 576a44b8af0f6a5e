"""In what way two values of a variable differ, told to a person.

Law: looking changes nothing. No user code runs but `__repr__`, and no library is imported that the session has not.
"""

from __future__ import annotations

from dataclasses import dataclass

from kishu_kernel.summaries import describe


@dataclass(frozen=True, slots=True)
class Aspect:
    """One property, and what it is on both sides."""

    aspect: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CellDifference:
    """A place in a table or an array where the two sides differ."""

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
        note: what there is to say besides, as a sentence: that they were not compared, and why.
    """

    aspects: tuple[Aspect, ...] = ()
    cells: tuple[CellDifference, ...] = ()
    note: str | None = None


def compare(before: object, after: object) -> Comparison:
    """How `after` differs from `before`. Never raises."""
    one, other = describe("", before), describe("", after)
    aspects = [("type", one.type, other.type), ("value", one.summary, other.summary)]
    return Comparison(tuple(Aspect(*each) for each in aspects if each[1] != each[2]))
