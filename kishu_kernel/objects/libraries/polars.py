"""Polars."""

from __future__ import annotations

import json
import sys
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.places import Place
from kishu_kernel.objects.registrations import Registrations, Registry, attributes_of


def _tables(context: Any) -> tuple[Any, ...]:
    return ({name: context.execute(f'SELECT * FROM "{name}"', eager=False) for name in context.tables()},)


_DIRECT = {
    **{"set_fmt_float": "mixed", "set_float_precision": None, "set_thousands_separator": ""},
    **{"set_decimal_separator": ".", "set_trim_decimal_zeros": False},
}


def _frame_head(frame: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    head = frame.head(rows)
    return [(name, head.to_series(at).to_list()) for at, name in enumerate(frame.columns[:columns])]


def _series_head(series: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    return [(series.name, series.head(rows).to_list())]


class _Options:
    """As the library says them, None where all are as it comes. Most are environment variables of its own."""

    def __init__(self) -> None:
        self._said = ""
        self._value: str | None = None

    def read(self) -> str | None:
        said: str = _config().save()
        if said != self._said:
            options = json.loads(said)
            direct = options.get("direct", {})
            unusual = any(options.get("environment", {}).values()) or any(
                value != _DIRECT.get(name, value) for name, value in direct.items()
            )
            self._said, self._value = said, said if unusual else None
        return self._value

    def write(self, options: str | None) -> None:
        # Those that differ: a reset would take away what the library does not say, as who gives credentials.
        now = json.loads(_config().save())
        wanted = {"direct": _DIRECT} if options is None else json.loads(options)
        changed = {}
        for kind, found in now.items():
            there = wanted.get(kind, {})
            changed[kind] = {name: there.get(name) for name, value in found.items() if there.get(name) != value}
        _config().load(json.dumps(changed))


def _config() -> Any:
    return sys.modules["polars"].Config


_OPTIONS = _Options()


def _namespaces(path: str) -> Registry:
    def wrap(name: str, registered: Any) -> Any:
        return vars(sys.modules["polars.api"])["NameSpace"](name, registered)

    return attributes_of(path, Place(f"{path}._accessors"), lambda held: getattr(held, "_ns", held), wrap)


_REGISTRIES = {
    f"namespaces of {each}": _namespaces(f"polars:{each}") for each in ("DataFrame", "LazyFrame", "Series", "Expr")
}

_COMPARED = "kishu_kernel.compare.libraries.polars"


class Polars(Library):
    """What a context for SQL knows is seen."""

    visible_state = {"SQLContext": _tables}
    shapes = True
    heads = {
        "DataFrame": _frame_head,
        "Series": lambda series, rows, columns: [(series.name, series.head(rows).to_list())],
    }
    comparisons = {
        "DataFrame": f"{_COMPARED}:frames",
        "Series": f"{_COMPARED}:series",
    }
    data = True
    ambient = (
        Settings("options of Polars", "polars", {"all": Setting(_OPTIONS.read, _OPTIONS.write, lambda: None)}),
        Registrations("registrations with polars", "polars.api", _REGISTRIES),
    )
