"""Attributes of modules, and of what these hold, by their paths."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from kishu_kernel.objects.classes import contents_of, seen_attributes


class Place:
    """Where an attribute stands: "module:attribute.attribute"."""

    def __init__(self, path: str) -> None:
        self._module, _, way = path.partition(":")
        *self._steps, self.name = way.split(".")

    def owner(self, *, imported: bool = False) -> Any:
        """What has the attribute. KeyError where the module is not imported, unless that is asked for."""
        found: Any = import_module(self._module) if imported else sys.modules[self._module]
        for each in self._steps:
            found = getattr(found, each)
        return found

    def get(self, *, imported: bool = False) -> Any:
        """What stands there."""
        return getattr(self.owner(imported=imported), self.name)

    def parts(self, *, content: bool = False) -> list[Any]:
        """What `get` goes by, for `process.native.watch`; nothing where the module is not imported.

        Args:
            content: of a container that is none of Python's own, with what it holds; those are entered by themselves.

        Raises:
            LookupError: that cannot be told.
        """
        found: Any = sys.modules.get(self._module)
        parts: list[Any] = []
        for name in () if found is None else (*self._steps, self.name):
            is_class = issubclass(type(found), type)
            held = contents_of(found) if is_class else seen_attributes(found)
            if held is None:
                raise LookupError
            parts.append((found, name))
            if name not in held and not hasattr(found, name):
                return parts
            found = getattr(found, name)
            if held.get(name) is not found:
                raise LookupError
        return [*parts, found] if parts and content and type(found) not in (dict, list) else parts

    def set(self, value: Any) -> None:
        """Puts something there."""
        setattr(self.owner(imported=True), self.name, value)
