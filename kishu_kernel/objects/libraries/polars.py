"""Polars."""

from __future__ import annotations

import json
import sys
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, Registry, attribute, attributes_of


def _tables(context: Any) -> tuple[Any, ...]:
    return ({name: context.execute(f'SELECT * FROM "{name}"', eager=False) for name in context.tables()},)


_DIRECT = {
    **{"set_fmt_float": "mixed", "set_float_precision": None, "set_thousands_separator": ""},
    **{"set_decimal_separator": ".", "set_trim_decimal_zeros": False},
}


def _options() -> Any:
    """As the library says them, None where all are as it comes. Most are environment variables of its own."""
    said: str = sys.modules["polars"].Config.save()
    options = json.loads(said)
    direct = options.get("direct", {})
    unusual = any(options.get("environment", {}).values()) or any(
        value != _DIRECT.get(name, value) for name, value in direct.items()
    )
    return said if unusual else None


def _set_options(options: Any) -> None:
    config = sys.modules["polars"].Config
    config.restore_defaults()
    if options is not None:
        config.load(options)


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
    ambient = (
        Settings("options of Polars", "polars", {"all": Setting(_options, _set_options, lambda: None)}),
        Registrations("registrations with polars", "polars.api", _REGISTRIES),
    )
