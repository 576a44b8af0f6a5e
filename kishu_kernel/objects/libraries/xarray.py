"""xarray."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Mapping
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.classes import contents_of
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.places import Place
from kishu_kernel.objects.registrations import Registrations, Registry, attributes_of


def _labelled(obj: Any) -> Reduction:
    # Who looks at its attributes, as a pickler does, makes them: then as now there are none.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if not (isinstance(state, tuple) and isinstance(state[1], dict)):
        return NotImplemented
    made: dict[str, dict[str, Any]] = {
        name: {} for name in ("_attrs", "_encoding") if name in state[1] and state[1][name] is None
    }
    return make, arguments, (state[0], {**state[1], **made}), *rest


def _options() -> Mapping[str, Setting]:
    return _settings_of(*sys.modules[_OPTIONS].OPTIONS)


@functools.cache
def _settings_of(*names: str) -> Mapping[str, Setting]:
    return {name: _option(name) for name in names}


def _option(name: str) -> Setting:
    def write(value: Any) -> None:
        sys.modules["xarray"].set_options(**{name: value})

    return Setting(lambda: sys.modules[_OPTIONS].OPTIONS[name], write, lambda: _as_it_comes()[name])


@functools.cache
def _as_it_comes() -> dict[str, Any]:
    """What its source says that they are: each version has others, and a cell may set one when it imports it."""
    spec = importlib.util.find_spec(_OPTIONS)
    source = spec.loader.get_source(_OPTIONS)  # type: ignore[union-attr]
    for each in ast.parse(source).body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id == "OPTIONS":
            told: dict[str, Any] = ast.literal_eval(each.value)  # type: ignore[arg-type]
            return told
    return {}


_OPTIONS = "xarray.core.options"


def _accessors(path: str) -> Registry:
    def kind() -> Any:
        return vars(sys.modules["xarray.core.extensions"])["_CachedAccessor"]

    def names() -> set[str]:
        return {name for name, each in contents_of(Place(path).get()).items() if type(each) is kind()}

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
    guests = {"DataArray": lambda array: (array.variable._data,), "NamedArray": lambda array: (array._data,)}
    data = True
    ambient = (
        Settings("options of xarray", _OPTIONS, _options),
        Registrations("registrations with xarray", "xarray.core.extensions", _REGISTRIES),
    )
