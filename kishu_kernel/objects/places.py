"""Attributes of modules, and of what these hold, by their paths."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


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

    def set(self, value: Any) -> None:
        """Puts something there."""
        setattr(self.owner(imported=True), self.name, value)
