"""How objects of particular libraries come apart, where what they themselves tell will not do. Part of the table.

Each is found by the names of its class: nothing is imported that the session has not imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kishu_kernel.libraries import module_name, mro_of, qualified_name
from kishu_kernel.rebuild import module_attribute, set_tensor_state

Reduction = Any


def library_entry(kind: type) -> Callable[[Any], Reduction] | None:
    """The reduction for this type, or None. It may answer NotImplemented, or raise where nothing can be stored."""
    for base in mro_of(kind):
        entry = _OF_SUBCLASSES.get((module_name(base), qualified_name(base)))
        if entry is not None:
            return entry
    return _reference if is_reference(kind) else _ENTRIES.get((module_name(kind), qualified_name(kind)))


def is_reference(kind: type) -> bool:
    """It names what other processes hold, for as long as somebody there needs it."""
    return (module_name(kind).partition(".")[0], qualified_name(kind)) == ("ray", "ObjectRef")


def known_elsewhere(reference: Any) -> Reduction:
    """For the fingerprint: the same reference is the same. Never stored."""
    return _elsewhere, (reference.binary(),)


def _figure(figure: Any) -> Reduction:
    # Left in, a load would open a window, and register a figure that nobody asked for.
    make, arguments, state = figure.__reduce_ex__(5)[:3]
    return make, arguments, {key: value for key, value in state.items() if key != "_restore_to_pylab"}


def _colours(colormap: Any) -> Reduction:
    # All colormaps of a name hold the one list of its module: not the user's, and no link between figures.
    make, arguments, state, *_ = colormap.__reduce_ex__(5)
    for module in [sys.modules[name] for name in _COLOURS if name in sys.modules]:
        for name, value in vars(module).items():
            if value is colormap.colors and type(value) is list:
                return make, arguments, {**state, "colors": ModuleAttribute(module.__name__, name)}
    return NotImplemented


def _callbacks(registry: Any) -> Reduction:
    # Its own reduction takes a number from a counter, so that no two are alike.
    make, arguments, state = registry.__reduce_ex__(5)[:3]
    used = [number for callbacks in state["callbacks"].values() for number in callbacks]
    return make, arguments, {**state, "_cid_gen": max(used, default=-1) + 1}


def _tensor(tensor: Any) -> Reduction:
    if not tensor.is_leaf:
        # Its history cannot be stored: what comes back is the value, and says so when gradients are asked of it.
        return tensor.detach().__reduce_ex__(5)
    if tensor.grad is None:
        return NotImplemented
    # Its own reduction leaves the gradient out.
    make, arguments, *rest = tensor.__reduce_ex__(5)
    return make, arguments, (rest[0] if rest else None, tensor.grad), None, None, set_tensor_state


def _reference(reference: Any) -> Reduction:
    # It would come back, and what it refers to be gone: other processes hold that, and count who needs it.
    raise TypeError(f"what a {type(reference).__name__} refers to is held by other processes")


class ModuleAttribute:
    """Stands for what a library's module holds: goes by reference."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __reduce__(self) -> Reduction:
        return module_attribute, self._where


def _elsewhere(name: bytes) -> None:
    """Stands for what other processes hold."""


_COLOURS = ("matplotlib._cm_listed", "seaborn.cm")

_ENTRIES: dict[tuple[str, str], Callable[[Any], Reduction]] = {
    ("matplotlib.cbook", "CallbackRegistry"): _callbacks,
    ("matplotlib.colors", "ListedColormap"): _colours,
}

_OF_SUBCLASSES: dict[tuple[str, str], Callable[[Any], Reduction]] = {
    ("matplotlib.figure", "Figure"): _figure,
    ("torch", "Tensor"): _tensor,
}
