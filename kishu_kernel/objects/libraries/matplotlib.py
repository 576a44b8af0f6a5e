"""Matplotlib: figures, colormaps, settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
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

    _OWN = frozenset({"backend", "backend_fallback", "toolbar", "webagg.port", "webagg.open_in_browser"})
    """Follow from where the kernel runs; to set them can open windows."""

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}
        self._inline = False
        self._value: dict[str, Any] = {}

    def read(self) -> Any:
        matplotlib = sys.modules["matplotlib"]
        if (
            dict.__ne__(matplotlib.rcParams, self._seen) or self._inline != _is_inline()
        ):  # (its own way settles on a backend)
            self._inline = _is_inline()
            self._seen = {name: _frozen(value) for name, value in _settings().items()}
            self._value = {
                name: value
                for name, value in self._seen.items()
                if name not in self._OWN and differs(_usual(name), value)
            }
        return self._value

    def write(self, value: Any) -> None:
        matplotlib = sys.modules["matplotlib"]
        now = self.read()
        # They were valid once; asked again, matplotlib would warn of those that are deprecated.
        for name in now.keys() - value.keys():
            dict.__setitem__(matplotlib.rcParams, name, _frozen(_usual(name)))
        for name, each in value.items():
            if _usual(name) is not _frozen:
                dict.__setitem__(matplotlib.rcParams, name, _frozen(each))

    def initial(self) -> Any:
        matplotlib = sys.modules["matplotlib"]
        own = {
            **dict(dict.items(matplotlib.rcParamsOrig)),
            "interactive": _usual("interactive"),
        }  # as `matplotlibrc` has it
        return {
            name: _frozen(value)
            for name, value in own.items()
            if name not in self._OWN and differs(_usual(name), value)
        }


def _usual(name: str) -> Any:
    """What a setting is as matplotlib comes, and as the notebook's backend makes it."""
    if name == "interactive" and _is_inline():
        return True
    return dict.get(sys.modules["matplotlib"].rcParamsDefault, name, _frozen)


def _is_inline() -> bool:
    """Figures are shown in the notebook: the backend has been set up, which it is once in a process."""
    module = sys.modules.get("matplotlib_inline.backend_inline")
    return getattr(getattr(module, "configure_inline_support", None), "current_backend", None) == "inline"


class _Backend(Provider):
    """Whether figures are shown in the notebook. Once they are, they are for good."""

    name = "figures in the notebook"
    module = "matplotlib"

    def read(self) -> Any:
        return _is_inline()

    def write(self, value: Any) -> None:
        shell = _shell()
        if value and shell is not None and not _is_inline():
            shell.enable_matplotlib("inline")


def _shell() -> Any:
    core = sys.modules.get("IPython.core.interactiveshell")
    return None if core is None else core.InteractiveShell._instance


def _printers() -> dict[str, Any]:
    """By the type of output, what makes it of a figure, as far as IPython's own functions do."""
    figure = sys.modules["matplotlib.figure"].Figure
    found = {}
    for mime, formatter in _shell().display_formatter.formatters.items():
        how = formatter.type_printers.get(figure)
        if isinstance(how, partial) and how.func.__module__ == "IPython.core.pylabtools":
            found[mime] = how.func.__name__, dict(how.keywords)
    return found


_USUAL_PRINTERS = {"image/png": ("print_figure", {"fmt": "png", "base64": True, "bbox_inches": "tight"})}


def _formats() -> Any:
    """None where they are as the backend has set them."""
    found = _printers() if _is_inline() else _USUAL_PRINTERS
    return None if found == _USUAL_PRINTERS else found


def _set_formats(formats: Any) -> None:
    figure = sys.modules["matplotlib.figure"].Figure
    formatters = _shell().display_formatter.formatters
    for mime in _printers():
        del formatters[mime].type_printers[figure]
    for mime, (name, keywords) in (formats or _USUAL_PRINTERS).items():
        formatters[mime].type_printers[figure] = partial(
            getattr(sys.modules["IPython.core.pylabtools"], name), **keywords
        )


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

    packages = ("matplotlib", "matplotlib_inline")
    hubs = {"matplotlib.figure.Figure"}
    reductions = {"matplotlib.figure.Figure": _figure}
    exact_reductions = {
        "matplotlib.cbook.CallbackRegistry": _callbacks,
        "matplotlib.colors.ListedColormap": _colormap,
    }
    harmless = True
    ambient = (
        _Backend(),
        _Settings(),
        Settings(
            "formats of figures",
            "matplotlib_inline.backend_inline",
            {"all": Setting(_formats, _set_formats, lambda: None)},
        ),
        Registrations("registrations with matplotlib", "matplotlib", _REGISTRIES),
    )
    registers_once = True

    def statics(self) -> Iterable[object]:
        """The settings, which objects refer to as they are."""
        return _settings().values()
