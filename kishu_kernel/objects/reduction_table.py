"""The table of reductions: what was found out of each type, for as long as it is right.

Law: it is made when a kernel starts, and costs next to nothing until the first object is taken apart: plain values
never are. Who takes them apart looks here first, and is imported then (`reducers`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kishu_kernel.objects.class_tokens import ClassTokens
from kishu_kernel.objects.classes import is_users_own
from kishu_kernel.objects.library import Reduction, holds_statics
from kishu_kernel.objects.moment import Moment, Unchanged
from kishu_kernel.objects.refusals import Refusals
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.native import type_version

if TYPE_CHECKING:  # imported when the first object is taken apart
    from kishu_kernel.objects.lasting_references import LastingReferences
    from kishu_kernel.objects.library_statics import LibraryStatics

Entry = Callable[[Any, Any], Reduction]
"""Takes an instance apart: takes the `Reducer` and the instance."""


class ReductionTable:
    """What is known of each type, worked out once.

    Args:
        namespace: the live namespace of the notebook; functions whose globals it is are the notebook's.

    Attributes:
        class_tokens: under which tokens classes of the notebook are stored apart.
        moment: the one that lasts now; None: nobody says that no code of the user's runs.
        lasting, ways, lasting_references: who walks, stores instances, what for what goes by its name; refused: none.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._entries: weakref.WeakKeyDictionary[type, tuple[int, Entry | None]] = weakref.WeakKeyDictionary()
        self._generation = registry.generation
        self.refused = weakref.WeakSet[type]()
        self._hiding, self._told_by_state = weakref.WeakSet[type](), weakref.WeakSet[type]()
        self.refusals, self.class_tokens = Refusals(), ClassTokens()
        self.moment: Moment | None = None
        self.lasting, self._usual, self.ways = Unchanged(), Unchanged(), Unchanged()

    @cached_property
    def lasting_references(self) -> LastingReferences:
        """See above."""
        from kishu_kernel.objects.lasting_references import LastingReferences

        return LastingReferences()

    @cached_property
    def statics(self) -> LibraryStatics:
        """What libraries hold, whoever refers to it."""
        from kishu_kernel.objects.library_statics import LibraryStatics

        return LibraryStatics()

    def statics_of(self, kind: type) -> list[set[int]]:
        """What the libraries that a class is of hold, as of `LibraryStatics`."""
        return self.statics.of(kind) if any(map(holds_statics, registry.of(kind))) else []

    def look_again(self) -> None:
        """A walk begins: what libraries hold may be other things by now. A session with none of them does nothing."""
        if "statics" in vars(self):
            self.statics.look_again()

    def known(self, kind: type) -> tuple[bool, Entry | None, int]:
        """Whether it is known of this type, and what; and the type's version, for `note`."""
        if self._generation != registry.generation:  # another library is known
            for each in (self._entries, self._hiding, self._told_by_state, self.lasting, self._usual, self.ways):
                each.clear()
            self._generation = registry.generation
        version, (known, found) = type_version(kind), self._entries.get(kind, (0, None))
        if version and known == version:
            return True, found, version
        if self._usual.get(kind):
            return True, None, version
        for each in (self._hiding, self._told_by_state):
            each.discard(kind)
        return False, None, version

    def note(self, kind: type, found: Entry | None, version: int) -> None:
        """Notes what was found out of a type that was of this version before."""
        if found is None and is_users_own(kind):
            self._usual.put(kind, True)
        elif version:  # else nobody tells when it is changed
            self._entries[kind] = version, found

    def refuse(self, kind: type) -> None:
        """Instances of this type are not stored from here on."""
        self.refused.add(kind)
        self._told_by_state.discard(kind)
        for each in (self._entries, self.lasting, self._usual, self.ways):
            each.pop(kind, None)

    def note_hiding(self, kind: type) -> None:
        """Instances are taken apart by code of a library's, or of Python's, which may hide what attributes show."""
        self._hiding.add(kind)

    def note_told_by_state(self, kind: type) -> None:
        """What `told_state` gives of instances, where it gives anything, is what their entry gives."""
        self._told_by_state.add(kind)

    def is_hiding(self, kind: type) -> bool:
        """It was noted, and the type is what it was."""
        return kind in self._hiding

    def is_told_by_state(self, kind: type) -> bool:
        """It was noted, and the type is what it was."""
        return kind in self._told_by_state
