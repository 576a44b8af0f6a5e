"""Polars."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _tables(context: Any) -> tuple[Any, ...]:
    return ({name: context.execute(f'SELECT * FROM "{name}"', eager=False) for name in context.tables()},)


_COMPARED = "kishu_kernel.compare.libraries.polars"


class Polars(Library):
    """What a context for SQL knows is seen."""

    visible_state = {"SQLContext": _tables}
    shapes = True
    comparisons = {
        "DataFrame": f"{_COMPARED}:frames",
        "Series": f"{_COMPARED}:series",
    }
    data = True
