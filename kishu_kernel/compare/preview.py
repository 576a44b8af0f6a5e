"""The beginning of a value in a few lines, for a person who looks at variables: rows of a table, items, lines.

Law: as in `looking`: no method of the user's runs, nothing is imported, and what is asked for is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from kishu_kernel.compare.looking import cut, label, state_of, text, type_name
from kishu_kernel.objects.classes import has_active_metaclass, module_name
from kishu_kernel.objects.questions import head_of

ROWS = 6
"""Rows of a table, and items of a container."""
COLUMNS = 8
LINES = 10
WIDEST = 24
"""Characters of a cell of a table."""


def preview(value: Any) -> str:
    """The beginning of a value. At most a few hundred characters in a few lines. Never raises for what it is."""
    try:
        return "\n".join(cut(line, 200) for line in islice(_lines(value), LINES))
    except KeyboardInterrupt:
        raise
    except BaseException:  # a library's, whose objects were taken apart by hand
        return text(value)


def table_head(value: Any) -> tuple[list[str] | None, list[list[str]]] | None:
    """The names of the columns of a table or an array, None where they have none, and its first rows, as texts.

    None of what is no table. Never raises for what it is.
    """
    try:
        head = None if has_active_metaclass(type(value)) else head_of(value, ROWS, COLUMNS)
        if head is None:
            return None
        rows = _rows(head)
        return (rows[0], rows[1:]) if _has_names(head) else (None, rows)
    except KeyboardInterrupt:
        raise
    except BaseException:  # as above
        return None


def _lines(value: Any) -> Iterable[str]:
    kind = type(value)
    if has_active_metaclass(kind):
        return [type_name(kind)]
    if kind is str:
        return list(value[: 200 * LINES].split("\n"))
    if kind is dict:
        return _items(f"{text(key)}: {text(held)}" for key, held in value.items())
    if kind in (list, tuple, set, frozenset):
        return _items(map(text, value))
    head = head_of(value, ROWS, COLUMNS)
    if head is not None:
        return _table(_rows(head))
    if module_name(kind) == "__main__" and not issubclass(kind, type):
        return [type_name(kind), *_items(f"  {name} = {text(held)}" for name, held in state_of(value).items())]
    return [text(value)]


def _items(lines: Iterable[str]) -> Iterator[str]:
    shown = iter(lines)
    yield from islice(shown, LINES - 1)
    if next(shown, None) is not None:
        yield "..."


def _rows(columns: Sequence[tuple[object, Sequence[object]]]) -> list[list[str]]:
    """Columns beside each other, the first row their names, if they have any."""
    pairs = columns[:COLUMNS]
    first = 0 if _has_names(columns) else 1
    cells = [[label(name) if name is not None else "", *map(text, islice(held, ROWS))] for name, held in pairs]
    shown = [[cut(cell, WIDEST) for cell in column] for column in cells]
    height = max(map(len, shown), default=0)
    return [[column[row] if row < len(column) else "" for column in shown] for row in range(first, height)]


def _has_names(columns: Sequence[tuple[object, Sequence[object]]]) -> bool:
    return any(name is not None for name, _ in columns[:COLUMNS])


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


__all__ = ["preview", "table_head"]
