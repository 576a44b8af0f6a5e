"""What the source of the user's own modules put there, and what stands for what a cell has deleted of it.

Neighbours: `own_modules`, which fills it; `rebuild.code`, which looks there when a stream is loaded.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any


class _Absent:
    """Stands for what one of the user's modules held, and a cell has deleted."""

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()

module_originals: dict[str, tuple[types.ModuleType, Mapping[str, Any]]] = {}
"""The user's own modules by name, and what their source put there and in their classes, by paths: a cell may have put
something else in its place."""

held_within: dict[str, Callable[[str], Any]] = {}
"""The user's own modules by name, and what says what a class or a function of theirs holds, by its path."""
