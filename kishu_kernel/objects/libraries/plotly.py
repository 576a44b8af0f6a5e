"""Plotly: figures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.class_shape import as_it_is
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, mapping


def _default(of: str, usual: Callable[[Any], str]) -> Setting:
    """Its module is imported by the first who asks for it, and so it is where a default is to be set."""
    module = f"plotly.io._{of}"

    def write(value: str) -> None:
        getattr(import_module(module), of).default = value

    return Setting(lambda: getattr(sys.modules[module], of).default, write, lambda: usual(sys.modules[module]))


def _is_added(name: Any, _: Any) -> bool:
    return name not in _TEMPLATES


_TEMPLATES = frozenset(
    {"ggplot2", "seaborn", "simple_white", "plotly", "plotly_white", "plotly_dark", "presentation", "none"}
    | {"xgridoff", "ygridoff", "gridon"}
)
_REGISTRIES = {
    "templates": mapping("plotly.io._templates:templates._templates", _is_added),
    "renderers": mapping("plotly.io._renderers:renderers._renderers"),
}


class Plotly(Library):
    """Stored as they are: in their own reduction arrays become text, and what was first comes last."""

    reductions = {"plotly.basedatatypes.BaseFigure": as_it_is, "plotly.basedatatypes.BasePlotlyType": as_it_is}
    ambient = (
        Registrations("registrations with plotly", "plotly.io", _REGISTRIES),  # first: a default may be one of them
        Settings(
            "defaults of Plotly",
            "plotly.io",
            {
                "template": _default("templates", lambda _: "plotly"),
                "renderer": _default("renderers", lambda module: module.default_renderer or ""),
            },
        ),
    )
