"""xarray."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.classes import contents_of
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.registrations import Registrations, Registry, at, attributes_of


def _labelled(obj: Any) -> Reduction:
    # Who looks at its attributes, as a pickler does, makes them: then as now there are none.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if not (isinstance(state, tuple) and isinstance(state[1], dict)):
        return NotImplemented
    made: dict[str, dict[str, Any]] = {
        name: {} for name in ("_attrs", "_encoding") if name in state[1] and state[1][name] is None
    }
    return make, arguments, (state[0], {**state[1], **made}), *rest


_USUAL = {
    **{
        "arithmetic_broadcast": True,
        "arithmetic_compat": "minimal",
        "arithmetic_join": "inner",
        "keep_attrs": "default",
    },
    **{
        "cmap_divergent": "RdBu_r",
        "cmap_sequential": "viridis",
        "chunk_manager": "dask",
        "warn_for_unclosed_files": False,
    },
    **{"display_max_children": 12, "display_max_html_elements": 300, "display_max_rows": 12, "display_max_items": 20},
    **{"display_values_threshold": 200, "display_style": "html", "display_width": 80, "display_default_indexes": False},
    **{f"display_expand_{part}": "default" for part in ("attrs", "coords", "data_vars", "data", "groups", "indexes")},
    **{"file_cache_maxsize": 128, "use_flox": True, "use_numbagg": True, "use_opt_einsum": True},
}


def _option(name: str, usual: Any) -> Setting:
    def write(value: Any) -> None:
        sys.modules["xarray"].set_options(**{name: value})

    return Setting(lambda: sys.modules["xarray.core.options"].OPTIONS[name], write, lambda: usual)


def _accessors(path: str) -> Registry:
    def kind() -> Any:
        return vars(sys.modules["xarray.core.extensions"])["_CachedAccessor"]

    def names() -> set[str]:
        return {name for name, each in contents_of(at(path)).items() if type(each) is kind()}

    return attributes_of(path, names, lambda held: held._accessor, lambda name, each: kind()(name, each))


_REGISTRIES = {
    "accessors of datasets": _accessors("xarray:Dataset"),
    "accessors of arrays": _accessors("xarray:DataArray"),
    "accessors of trees": _accessors("xarray:DataTree"),
}


class Xarray(Library):
    """Of datasets and arrays."""

    reductions = {"xarray.core.dataset.Dataset": _labelled, "xarray.namedarray.core.NamedArray": _labelled}
    shapes = True
    data = True
    ambient = (
        Settings(
            "options of xarray", "xarray.core.options", {name: _option(name, usual) for name, usual in _USUAL.items()}
        ),
        Registrations("registrations with xarray", "xarray.core.extensions", _REGISTRIES),
    )
