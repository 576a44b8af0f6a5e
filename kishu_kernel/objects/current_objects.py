"""What calls into libraries may touch though no code names it: the current figure, where is logged to.

Apart from the other `questions`, since it is asked after every cell: a session with plain values asks no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.registry import UnknownError, registry


@dataclass(frozen=True, slots=True)
class CurrentObjects:
    """What calls into libraries may touch though no code names it: the current figure, where is logged to.

    Attributes:
        objects: library -> those of its.
        accesses: library -> how often somebody has asked for one of them. None: that is not known.
    """

    objects: Mapping[object, Sequence[Any]] = field(default_factory=dict)
    accesses: Mapping[object, int | None] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[int]:
        """The ids of all objects."""
        return frozenset(id(each) for objects in self.objects.values() for each in objects)

    def untouched_since(self, before: Mapping[object, int | None]) -> frozenset[int]:
        """The ids of the objects that nobody has asked for since `accesses` were these."""
        return frozenset(
            id(each)
            for library, objects in self.objects.items()
            for each in objects
            if self.accesses[library] is not None and self.accesses[library] == before.get(library)
        )


def current_objects() -> CurrentObjects:
    """What calls into libraries may touch now."""
    objects: dict[object, Sequence[Any]] = {}
    accesses: dict[object, int | None] = {}
    for library in registry.with_current_objects():
        with suppress(UnknownError):
            found = [*library.current()]
            objects[library], accesses[library] = found, library.accesses_of_current()
    return CurrentObjects(objects, accesses)
