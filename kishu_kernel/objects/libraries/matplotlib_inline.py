"""matplotlib_inline: how IPython's shell shows figures, as this backend in the notebook has set it, or otherwise.

The backend sets it when it begins, and whenever its own settings change, which `libraries.IPython` brings back.
Neighbour: `libraries.matplotlib`, which knows the package, and among whose settings this is.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

from kishu_kernel.objects.ambient_state import copied
from kishu_kernel.objects.shell_objects import running_shell

Printers = dict[str, tuple[str, dict[str, Any]]]
"""By the type of output: the name of IPython's function, and what it is called with."""


def is_inline() -> bool:
    """Figures are shown in the notebook: the backend has been set up, which it is once in a process."""
    module = sys.modules.get("matplotlib_inline.backend_inline")
    return getattr(getattr(module, "configure_inline_support", None), "current_backend", None) == "inline"


def formats() -> Any:
    """None where they are as the backend has set them."""
    if not is_inline():
        return None
    found = _printers()
    return None if found == _usual() else found


def set_formats(wanted: Any) -> None:
    """Makes them what `formats` gave."""
    figure = sys.modules["matplotlib.figure"].Figure
    formatters = running_shell().display_formatter.formatters
    for mime in _printers():
        del formatters[mime].type_printers[figure]
    for mime, (name, keywords) in (wanted or _usual()).items():
        formatters[mime].type_printers[figure] = partial(
            getattr(sys.modules["IPython.core.pylabtools"], name), **keywords
        )


def _printers() -> Printers:
    figure = sys.modules["matplotlib.figure"].Figure
    held = running_shell().display_formatter.formatters.items()
    return _as_kept({mime: formatter.type_printers.get(figure) for mime, formatter in held})


def _usual() -> Printers:
    """What IPython makes of the backend's own settings."""
    kind = getattr(sys.modules.get("matplotlib_inline.config"), "InlineBackend", None)
    if kind is None or not kind.initialized():  # to ask for it would make one, of no shell
        return _AS_IT_COMES
    backend = kind.instance()
    return _made_of(backend.figure_formats, backend.print_figure_kwargs)


_AS_IT_COMES: Printers = {"image/png": ("print_figure", {"fmt": "png", "base64": True, "bbox_inches": "tight"})}
_last: list[Any] = [None, None]  # settings, and what was made of them: asked after each cell


def _made_of(wanted: set[str], keywords: dict[str, Any]) -> Printers:
    if _last[0] != (wanted, keywords):
        set_up: dict[str, Any] = {}
        with suppress(Exception):  # another version, or formats that it does not know
            sys.modules["IPython.core.pylabtools"].select_figure_formats(_Recording(set_up), wanted, **keywords)
        _last[:] = copied((wanted, keywords)), _as_kept(set_up) or _AS_IT_COMES
    made: Printers = _last[1]
    return made


def _as_kept(printers: dict[str, Any]) -> Printers:
    return {
        mime: (how.func.__name__, dict(how.keywords))
        for mime, how in printers.items()
        if isinstance(how, partial) and how.func.__module__ == "IPython.core.pylabtools"
    }


class _Recording:
    """Stands for a shell: notes what is set up, by type of output."""

    def __init__(self, set_up: dict[str, Any]) -> None:
        self.display_formatter = SimpleNamespace(formatters=_Formatters(set_up), ipython_display_formatter=_Formatter())


class _Formatters(dict[str, Any]):
    def __init__(self, set_up: dict[str, Any]) -> None:
        super().__init__()
        self._set_up = set_up

    def __missing__(self, mime: str) -> Any:
        return _Formatter(self._set_up, mime)


class _Formatter:
    def __init__(self, set_up: dict[str, Any] | None = None, mime: str = "") -> None:
        self._set_up, self._mime = {} if set_up is None else set_up, mime

    def for_type(self, _: Any, how: Any) -> None:
        """As of IPython's formatters."""
        self._set_up[self._mime] = how
