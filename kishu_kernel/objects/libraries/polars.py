"""Polars."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, Registry, attribute, attributes_of


def _tables(context: Any) -> tuple[Any, ...]:
    return ({name: context.execute(f'SELECT * FROM "{name}"', eager=False) for name in context.tables()},)


def _namespaces(path: str) -> Registry:
    def wrap(name: str, registered: Any) -> Any:
        return vars(sys.modules["polars.api"])["NameSpace"](name, registered)

    return attributes_of(path, attribute(f"{path}._accessors"), lambda held: getattr(held, "_ns", held), wrap)


_REGISTRIES = {
    f"namespaces of {each}": _namespaces(f"polars:{each}") for each in ("DataFrame", "LazyFrame", "Series", "Expr")
}

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
    ambient = (Registrations("registrations with polars", "polars.api", _REGISTRIES),)
