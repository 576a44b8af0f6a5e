"""The beginning of a value in a few lines, for a person who looks at variables: rows of a table, items, lines.

Law: as in `looking`: no method of the user's runs, nothing is imported, and what is asked for is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        return _table(head)
    if module_name(kind) == "__main__" and not issubclass(kind, type):
        return [type_name(kind), *_items(f"  {name} = {text(held)}" for name, held in state_of(value).items())]
    return [text(value)]


def _items(lines: Iterable[str]) -> Iterator[str]:
    shown = iter(lines)
    yield from islice(shown, LINES - 1)
    if next(shown, None) is not None:
        yield "..."


def _table(columns: Mapping[object, Sequence[object]] | Sequence[tuple[object, Sequence[object]]]) -> Iterator[str]:
    """Columns beside each other, the first line their names, if they have any."""
    pairs = list(columns.items() if isinstance(columns, Mapping) else columns)[:COLUMNS]
    cells = [[label(name) if name is not None else "", *map(text, islice(held, ROWS))] for name, held in pairs]
    shown = [[cut(cell, WIDEST) for cell in column] for column in cells]
    height = max(map(len, shown), default=0)
    first = 0 if any(name is not None for name, _ in pairs) else 1
    widths = [max(map(len, column)) for column in shown]
    for row in range(first, height):
        line = (column[row] if row < len(column) else "" for column in shown)
        yield "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))


__all__ = ["preview"]
