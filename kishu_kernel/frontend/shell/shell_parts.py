"""Tells whether the shell and its kernel are as they were made: nobody's function stands in, listens or is called.

Law: doubt means no. It looks at what runs a cell and shows its results: attributes that cover methods, methods of
classes, observers of traits, hooks on messages, printers. It runs no code of the user's.
Neighbours: `contained_cells` asks; the ambient state knows what is registered elsewhere (`is_usual`).
"""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Iterable
from operator import is_
from typing import Any

from kishu_kernel.frontend.shell.notebook_code import is_kernels
from kishu_kernel.objects.classes import attributes, module_name

_RUN_CELLS = ("IPython.", "ipykernel.", "jupyter_client.", "kishu_kernel.")
"""Packages whose classes run cells and show results. What they inherit from traitlets is not looked at."""

_PARTS = (
    "displayhook",
    "display_pub",
    "display_formatter",
    "compile",
    "history_manager",
    "events",
    "input_transformer_manager",
)


class ShellParts:
    """Knows the classes of the shell's parts as they are when it is made.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._known: dict[type, tuple[Any, ...]] = {}
        """The attributes of their classes, where all that run are the kernel's."""
        self._covering: dict[type, frozenset[str]] = {}
        for part in self._parts():
            for each in _own_classes(type(part)):
                self._known[each] = tuple(vars(each).values())

    def are_as_made(self) -> bool:
        """Whether nothing but the kernel's code runs with a cell that shows plain data. Some 100 microseconds."""
        parts = self._parts()
        formatters = self._formatters()
        return (
            all(map(self._is_as_made, parts))
            and all(map(self._is_class_as_made, self._known))
            and all(map(is_kernels, _hooks((self._shell.displayhook, self._shell.display_pub, sys.stdout, sys.stderr))))
            and all(map(is_kernels, (printer for each in formatters for printer in each.singleton_printers.values())))
            and all(map(_echoes_nowhere, (sys.stdout, sys.stderr)))
        )

    def _formatters(self) -> list[Any]:
        return list(self._shell.display_formatter.formatters.values())

    def _parts(self) -> list[Any]:
        shell = self._shell
        parts = [shell, *(getattr(shell, name, None) for name in _PARTS)]
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            parts += [kernel, kernel.session, kernel.shell_handlers.get("execute_request")]
        return [*parts, *self._formatters(), sys.stdout, sys.stderr]

    def _is_as_made(self, part: Any) -> bool:
        """Whether a part is the kernel's, and what covers its methods and observes its traits is, too."""
        if type(part) not in self._known and not _is_handler(part):
            return False
        own = {} if type(part) is types.MethodType else attributes(part) or {}
        covered = self._methods_of(type(part)).intersection(own)
        return all(is_kernels(own[name]) for name in covered) and all(map(is_kernels, _observers(own)))

    def _methods_of(self, kind: type) -> frozenset[str]:
        found = self._covering.get(kind)
        if found is None:
            names = {name for each in kind.__mro__ for name, value in vars(each).items() if callable(value)}
            found = self._covering[kind] = frozenset(names)
        return found

    def _is_class_as_made(self, kind: type) -> bool:
        now, known = tuple(vars(kind).values()), self._known.get(kind, ())
        if len(now) == len(known) and all(map(is_, now, known)):
            return True
        before = set(map(id, known))
        if not all(is_kernels(each) for each in now if callable(each) and id(each) not in before):
            return False
        self._known[kind] = now
        return True


def _is_handler(part: Any) -> bool:
    """Whether it is a method of the kernel's, which is called with a message."""
    return type(part) is types.MethodType and is_kernels(part)


def _own_classes(kind: type) -> Iterable[type]:
    return [each for each in kind.__mro__ if module_name(each).startswith(_RUN_CELLS)]


def _observers(own: dict[str, Any]) -> Iterable[Any]:
    notifiers = own.get("_trait_notifiers") or {}
    return (each for kinds in notifiers.values() for observers in kinds.values() for each in observers)


def _hooks(parts: Iterable[Any]) -> Iterable[Any]:
    return (each for part in parts for each in getattr(part, "_hooks", None) or ())


def _echoes_nowhere(stream: Any) -> bool:
    return type(getattr(stream, "echo", None)) in (type(None), io.TextIOWrapper)
