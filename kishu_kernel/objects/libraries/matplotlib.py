"""Matplotlib: figures, colormaps, settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from kishu_kernel.objects.ambient_state import Provider, differs
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.library_globals import ModuleAttribute
from kishu_kernel.objects.registrations import Registrations, at, mapping


def _figure(figure: Any) -> Reduction:
    # Left in, a load would open a window, and register a figure that nobody asked for.
    make, arguments, state = figure.__reduce_ex__(5)[:3]
    return make, arguments, {key: value for key, value in state.items() if key != "_restore_to_pylab"}


def _colormap(colormap: Any) -> Reduction:
    # All colormaps of a name hold the one list of its module: not the user's, and no link between figures.
    make, arguments, state, *_ = colormap.__reduce_ex__(5)
    for module in [sys.modules[name] for name in ("matplotlib._cm_listed", "seaborn.cm") if name in sys.modules]:
        for name, value in vars(module).items():
            if value is colormap.colors and type(value) is list:
                return make, arguments, {**state, "colors": ModuleAttribute(module.__name__, name)}
    return NotImplemented


def _callbacks(registry: Any) -> Reduction:
    # Its own reduction takes a number from a counter, so that no two are alike.
    make, arguments, state = registry.__reduce_ex__(5)[:3]
    used = [number for callbacks in state["callbacks"].values() for number in callbacks]
    del state["_cid_gen"]  # a load puts it last
    return make, arguments, {**state, "_cid_gen": max(used, default=-1) + 1}


def _settings() -> dict[str, Any]:
    # Its own way to go through them changes the filters of warnings, and sets a backend.
    return dict(dict.items(getattr(sys.modules.get("matplotlib"), "rcParams", {})))


class _Settings(Provider):
    name = "settings of matplotlib"
    module = "matplotlib"

    _OWN = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "webagg.port", "webagg.open_in_browser"})
    """Follow from where the kernel runs; to set them can open windows."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}
        self._value: dict[str, Any] = {}

    def read(self) -> Any:
        matplotlib = sys.modules["matplotlib"]
        if dict.__ne__(matplotlib.rcParams, self._seen):  # its own way would settle on a backend
            usual = matplotlib.rcParamsDefault
            self._seen = {name: _frozen(value) for name, value in _settings().items()}
            self._value = {
                name: value
                for name, value in self._seen.items()
                if name not in self._OWN and differs(dict.get(usual, name, _frozen), value)
            }
        return self._value

    def write(self, value: Any) -> None:
        matplotlib = sys.modules["matplotlib"]
        usual = dict(dict.items(matplotlib.rcParamsDefault))
        now = self.read()
        # They were valid once; asked again, matplotlib would warn of those that are deprecated.
        for name in now.keys() - value.keys():
            dict.__setitem__(matplotlib.rcParams, name, _frozen(usual[name]))
        for name, each in value.items():
            if name in usual:
                dict.__setitem__(matplotlib.rcParams, name, _frozen(each))

    def initial(self) -> Any:
        matplotlib = sys.modules["matplotlib"]
        usual, own = matplotlib.rcParamsDefault, matplotlib.rcParamsOrig  # as the user's `matplotlibrc` has it
        return {
            name: _frozen(value)
            for name, value in dict.items(own)
            if name not in self._OWN and differs(dict.get(usual, name, _frozen), value)
        }


def _frozen(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _is_users_colormap(name: Any, _: Any) -> bool:
    # Other packages register theirs when they are imported, which happens once.
    theirs = vars(sys.modules["seaborn.cm"]) if "seaborn.cm" in sys.modules else {}
    package = name.replace(".", "_").partition("_")[0]
    return name not in at("matplotlib:colormaps._builtin_cmaps") and name not in theirs and package not in _PREFIXES


_PREFIXES = frozenset({"cmo", "cmr", "cmc", "cet", "vlag", "icefire", "rocket", "mako", "crest", "flare"})
"""Of the names that packages of colormaps register."""

_REGISTRIES = {
    "colormaps": mapping("matplotlib:colormaps._cmaps", _is_users_colormap),
    "units": mapping("matplotlib.units:registry"),
    "scales": mapping("matplotlib.scale:_scale_mapping"),
    "projections": mapping("matplotlib.projections:projection_registry._all_projection_types"),
}


class Matplotlib(Library):
    """Figures are hubs: whatever is drawn in one leads to it, and so to all the rest."""

    hubs = {"matplotlib.figure.Figure"}
    reductions = {"matplotlib.figure.Figure": _figure}
    exact_reductions = {
        "matplotlib.cbook.CallbackRegistry": _callbacks,
        "matplotlib.colors.ListedColormap": _colormap,
    }
    harmless = True
    ambient = (_Settings(), Registrations("registrations with matplotlib", "matplotlib", _REGISTRIES))

    def statics(self) -> Iterable[object]:
        """The settings, which objects refer to as they are."""
        return _settings().values()
