"""Matplotlib: figures, colormaps, settings."""

from __future__ import annotations

import copyreg
import functools
import gc
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings, lacking_references
from kishu_kernel.objects.ambient_state import Provider, differs
from kishu_kernel.objects.arrays import array_type
from kishu_kernel.objects.classes import derives, is_of_a_person, seen_attributes
from kishu_kernel.objects.libraries.matplotlib_inline import formats, is_inline, set_formats
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.library_globals import ModuleAttribute
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.native_rules import Rule, with_rule
from kishu_kernel.objects.registrations import Registrations, mapping
from kishu_kernel.objects.shell_objects import running_shell
from kishu_kernel.process.native import WALKER

_DEEPEST = 5
_MOST = 200
"""Steps from a variable to the figure that it leads to, and objects that are looked at on the way, at most."""

_LEAD_NOWHERE = (type, types.ModuleType, types.FunctionType, str, int, float, complex, bytes, bool, type(None))
_LEADING_NOWHERE = frozenset(map(id, _LEAD_NOWHERE))  # the hash of a class may be the user's


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


def _rule_without_callbacks(kind: type) -> Rule | None:
    own = getattr(sys.modules.get("matplotlib.cbook"), "CallbackRegistry", None)
    return _NO_CALLBACKS if kind is own and kind.__getstate__ is _without_callbacks.own_way else None


@with_rule(_rule_without_callbacks)
def _callbacks(registry: Any) -> Reduction:
    # Its own reduction takes a number from a counter, so that no two are alike.
    if type(registry).__getstate__ is _without_callbacks.own_way and (state := _state_without_callbacks(registry)):
        return copyreg.__newobj__, (type(registry),), state  # type: ignore[attr-defined]
    make, arguments, state = registry.__reduce_ex__(5)[:3]
    del state["_cid_gen"]  # a load puts it last
    used = [number for callbacks in state["callbacks"].values() for number in callbacks] if state["callbacks"] else ()
    state["_cid_gen"] = max(used) + 1 if used else 0
    _without_callbacks.compare(registry, state)
    return make, arguments, state


class _WithoutCallbacks:
    """Each artist has a registry, and hardly one a callback: it is told without asking it, once that gave the same.

    Attributes:
        own_way: the `__getstate__` that gave the same.
    """

    own_way: Any = None

    def compare(self, registry: Any, state: dict[str, Any]) -> None:
        """`state` is what its own way gave of a registry."""
        known = _state_without_callbacks(registry)
        if list(known) == list(state) and all(known[key] is state[key] for key in known if key != "callbacks"):
            self.own_way = type(registry).__getstate__


def _state_without_callbacks(registry: Any) -> dict[str, Any]:
    """Empty where it has some, or is not as it is known."""
    own = seen_attributes(registry) or {}
    if type(own.get("callbacks")) is not dict or own["callbacks"] or not {"_func_cid_map", "_cid_gen"} <= own.keys():
        return {}
    state = {**own, "callbacks": {}, "_func_cid_map": None}
    del state["_cid_gen"]  # a load puts it last
    state["_cid_gen"] = 0
    return state


_without_callbacks = _WithoutCallbacks()
_NO_CALLBACKS = Rule("callbacks", {"callbacks": {}, "_func_cid_map": None, "_cid_gen": 0}, "_cid_gen")


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
            dict.__ne__(matplotlib.rcParams, self._seen) or self._inline != is_inline()
        ):  # (its own way settles on a backend)
            self._inline = is_inline()
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
    if name == "interactive" and is_inline():
        return True
    return dict.get(sys.modules["matplotlib"].rcParamsDefault, name, _frozen)


class _Backend(Provider):
    """Whether figures are shown in the notebook. Once they are, they are for good."""

    name = "figures in the notebook"
    module = "matplotlib"

    def read(self) -> Any:
        return is_inline()

    def write(self, value: Any) -> None:
        shell = running_shell()
        if value and shell is not None and not is_inline():
            shell.enable_matplotlib("inline")


class _Figures(Provider):
    """The figures that are open, the current one last: by the variable that leads to one, or the live one itself.

    Law: what a figure shows is its variable's. Of one that no variable leads to only the live one comes back.
    """

    name = "figures of pyplot"
    module = "matplotlib._pylab_helpers"
    refers = True
    imports = True

    def __init__(self) -> None:
        self._places: dict[int, tuple[str, int]] = {}

    def read(self) -> Any:
        figures = {number: each.canvas.figure for number, each in _managers().items()}
        if not all(map(self._is_in_place, figures.values())):
            self._look_for(figures.values())
        return tuple((number, self._reference(each)) for number, each in figures.items())

    def write(self, value: Any) -> None:
        managers = _managers()
        open_now = {id(each.canvas.figure): each for each in managers.values()}
        wanted = {}
        for number, reference in value:
            with suppress(LookupError):  # told before
                figure = _resolved(reference)
                manager = (
                    open_now.get(id(figure)) or getattr(figure.canvas, "manager", None) or _new_manager(figure, number)
                )
                manager.num = number
                wanted[number] = manager
        managers.clear()
        managers.update(wanted)

    def initial(self) -> Any:
        return ()

    def obstacle(self, value: Any) -> str | None:
        return "they are windows" if value and _backend_shows_windows() else None

    def lacking(self, value: Any) -> str | None:
        return lacking_references([reference for _, reference in value])

    def _is_in_place(self, figure: Any) -> bool:
        place = self._places.get(live_objects.key(figure)[1])
        return place is not None and _is_at(live_objects.variables(), place, figure)

    def _look_for(self, figures: Iterable[Any]) -> None:
        """Each variable is looked into once, however many figures there are. A place that still leads there stays."""
        moved = {id(each): live_objects.key(each)[1] for each in figures if not self._is_in_place(each)}
        for number in moved.values():
            self._places.pop(number, None)
        for name, value in list(live_objects.variables().items()):
            if not moved:
                return
            if not is_of_a_person(name):
                continue
            for at_most, each in enumerate(_figures_in(value)):
                if id(each) in moved:
                    self._places[moved.pop(id(each))] = name, at_most

    def _reference(self, figure: Any) -> tuple[Any, ...]:
        key = live_objects.key(figure)
        place = self._places.get(key[1])
        return ("held", *key, b"") if place is None else ("figure of", *place)


class _Accesses:
    """Counts calls into pyplot's registry of figures: who draws in one that is not named gets it from there."""

    _ASKED = ("get_active", "get_fig_manager", "get_all_fig_managers", "destroy", "destroy_fig", "destroy_all")

    def __init__(self) -> None:
        self._count = 0
        self._counting: list[object] = []

    def of(self, registry: Any) -> int:
        """The number so far; another one than before where they were not counted, which they are from now on."""
        asked = {name: vars(registry).get(name) for name in self._ASKED}
        others = {name: each for name, each in asked.items() if not any(each is known for known in self._counting)}
        for name, each in others.items():
            if type(each) is classmethod:
                self._counting.append(counting := classmethod(self._counted(each.__func__)))
                setattr(registry, name, counting)
        self._count += bool(others)
        return self._count

    def _counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **keywords: Any) -> Any:
            self._count += 1
            return function(*args, **keywords)

        return functools.update_wrapper(counted, function)


_accesses = _Accesses()


def _managers() -> dict[int, Any]:
    managers: dict[int, Any] = sys.modules["matplotlib._pylab_helpers"].Gcf.figs
    return managers


def _resolved(reference: tuple[Any, ...]) -> Any:
    if reference[0] != "figure of":
        return live_objects.resolve(reference)
    _, name, number = reference
    found = _figures_in(live_objects.variables().get(name))
    if number >= len(found):
        raise LookupError(f"the variable {name} leads to no figure")
    return found[number]


def _is_at(variables: Mapping[str, Any], place: tuple[str, int], figure: Any) -> bool:
    name, number = place
    found = _figures_in(variables.get(name))
    return number < len(found) and found[number] is figure


def _figures_in(value: Any) -> list[Any]:
    """Figures that a value leads to: what is drawn in one, also in lists, arrays and attributes. Nearest first."""
    figures, artists = sys.modules.get("matplotlib.figure"), sys.modules.get("matplotlib.artist")
    if figures is None or artists is None:
        return []
    found: dict[int, Any] = {}
    drawn = figures.FigureBase, artists.Artist
    for each in _met_near(value, drawn, _LEAD_NOWHERE, _DEEPEST, _MOST, array_type(), _held_in):
        figure = each.get_figure()
        while figure is not None and derives(type(figure), figures.SubFigure):
            figure = figure._parent
        if figure is not None:
            found.setdefault(id(figure), figure)
    return list(found.values())


def _met_in_python(value: Any, wanted: tuple[type, ...], *_: Any) -> list[Any]:
    """The objects of these types that a value leads to, nearest first. Beyond them nothing is looked for."""
    found: list[Any] = []
    seen: dict[int, Any] = {}
    level = [value]
    for _step in range(_DEEPEST):
        held: list[Any] = []
        for each in level:
            if id(type(each)) in _LEADING_NOWHERE or id(each) in seen or len(seen) > _MOST:
                continue
            seen[id(each)] = each
            if any(derives(type(each), kind) for kind in wanted):
                found.append(each)
            else:
                held.extend(_held_in(each))
        level = held
    return found


_met_near: Callable[..., list[Any]] = _met_in_python if WALKER is None else WALKER.met_near


def _held_in(value: Any) -> Iterable[Any]:
    """What a value holds, the first of it. Runs no code of the user's, and makes no dictionary of attributes."""
    kind = type(value)
    if kind is array_type():
        return list(islice(value.flat, _MOST)) if value.dtype == object else ()
    if kind is list or kind is tuple:
        held: list[Any] = [*value[:_MOST]]
    elif kind is dict:
        held = [*islice(value.values(), _MOST), *islice(value, _MOST)]
    else:
        held = gc.get_referents(value)[:_MOST]
    return () if _LEADING_NOWHERE.issuperset(map(id, map(type, held))) else held


def _backend() -> Any:
    return getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None)


def _backend_shows_windows() -> bool:
    canvas = getattr(_backend(), "FigureCanvas", None)
    return getattr(canvas, "required_interactive_framework", None) is not None


def _new_manager(figure: Any, number: int) -> Any:
    """Makes a loaded figure one of those that are open. Shows nothing."""
    bases = sys.modules["matplotlib.backend_bases"]
    backend = _backend()
    canvas = getattr(backend, "FigureCanvas", bases.FigureCanvasBase)(figure)
    manager = getattr(backend, "FigureManager", bases.FigureManagerBase)(canvas, number)
    gcf = sys.modules["matplotlib._pylab_helpers"].Gcf
    manager._cidgcf = canvas.mpl_connect("button_press_event", lambda event: gcf.set_active(manager))
    return manager


def _frozen(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _is_users_colormap(name: Any, _: Any) -> bool:
    return name not in sys.modules["matplotlib"].colormaps._builtin_cmaps


_REGISTRIES = {
    "colormaps": mapping("matplotlib:colormaps._cmaps", _is_users_colormap),
    "units": mapping("matplotlib.units:registry"),
    "scales": mapping("matplotlib.scale:_scale_mapping"),
    "projections": mapping("matplotlib.projections:projection_registry._all_projection_types"),
}


class Matplotlib(Library):
    """Figures are hubs: whatever is drawn in one leads to it, and so to all the rest."""

    packages = ("matplotlib", "matplotlib_inline", "mpl_toolkits")
    hubs = {"matplotlib.figure.Figure"}
    reductions = {"matplotlib.figure.Figure": _figure}
    exact_reductions = {
        "matplotlib.cbook.CallbackRegistry": _callbacks,
        "matplotlib.colors.ListedColormap": _colormap,
    }
    whole = {"matplotlib.*", "mpl_toolkits.mplot3d.*"}
    harmless = True
    ambient = (
        _Backend(),
        _Settings(),
        _Figures(),
        Settings(
            "formats of figures",
            "matplotlib_inline.backend_inline",
            {"all": Setting(formats, set_formats, lambda: None)},
        ),
        Registrations("registrations with matplotlib", "matplotlib", _REGISTRIES),
    )
    registers_once = True

    def current(self) -> Iterable[object]:
        """Figures that are open: whatever plots may draw in one of them."""
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        managers = () if helpers is None else list(helpers.Gcf.figs.values())
        return [each.canvas.figure for each in managers]

    def accesses_of_current(self) -> int | None:
        """Who draws in a figure that no code names has asked pyplot for it."""
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        return None if helpers is None else _accesses.of(helpers.Gcf)

    def statics(self) -> Iterable[object]:
        """The settings, which objects refer to as they are."""
        return _settings().values()
