"""Jupyter widgets."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.library import Library, functions_at


def _widget(widget: Any) -> tuple[Any, ...]:
    """Its traits, its other attributes, and whom it calls: nothing that leads into the kernel."""
    traits = {name: value for name, value in widget._trait_values.items() if name not in _OWN}
    called = [each.__code__ for each in functions_at(widget, _CALLS)]  # not themselves: they are not its own
    return traits, _instance_attributes(widget), called


def _instance_attributes(widget: Any) -> dict[str, Any]:
    """Attributes that are no traits: what code alone changes."""
    return {name: value for name, value in vars(widget).items() if name not in _OWN}


_CALLS = (
    "_trait_notifiers",
    *("_click_handlers", "_click_handlers.callbacks"),  # a list of functions, or what keeps one
    *("_submission_callbacks", "_submission_callbacks.callbacks"),
    "f",
)

_OWN = frozenset(
    {
        *("comm", "keys", "_property_lock", "_cross_validation_lock", "_trait_values", "_trait_notifiers"),
        *("_trait_validators", "_msg_callbacks", "_click_handlers", "_submission_callbacks", "_display_callbacks"),
    }
)


class Widgets(Library):
    """They lead into the kernel; a person moves them on the screen."""

    untraversable = {"ipywidgets.*", "ipywidgets.widgets.widget.LoggingHasTraits", "ipywidgets.widgets.widget.Widget"}
    observers = {"Widget": _CALLS}
    visible_state = {"Widget": _widget}
    setup = {"Widget": _instance_attributes}

    def owners_of_comms(self) -> dict[str, Any]:
        """All widgets that are open: else the last reference to one would end it while a frontend shows it."""
        module = sys.modules.get("ipywidgets.widgets.widget")
        open_ones = getattr(module, "_instances", None)
        if open_ones is None:  # in earlier versions; in later ones it warns
            open_ones = getattr(getattr(module, "Widget", None), "widgets", None)
        return open_ones if type(open_ones) is dict else {}
