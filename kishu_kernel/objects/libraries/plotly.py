"""Plotly: figures."""

from __future__ import annotations

from kishu_kernel.objects.ambient_settings import Settings, attribute
from kishu_kernel.objects.class_shape import as_it_is
from kishu_kernel.objects.library import Library


class Plotly(Library):
    """Stored as they are: in their own reduction arrays become text, and what was first comes last."""

    reductions = {"plotly.basedatatypes.BaseFigure": as_it_is, "plotly.basedatatypes.BasePlotlyType": as_it_is}
    ambient = (
        Settings(
            "defaults of Plotly",
            "plotly.io",
            {
                "template": attribute("plotly.io._templates", "templates.default", usual="plotly"),
                "renderer": attribute("plotly.io._renderers", "renderers.default"),
            },
        ),
    )
