"""What libraries hold besides what stands in their modules and classes (`Library.statics`), whoever refers to it.

Law: ids of living objects are good for as long as no code of the user's runs. Who begins to walk looks again.
Neighbours: `library_globals` knows what modules and classes hold. What lasts of a class refers to the sets here
(`detect.walk.dispatch`), and not to what is in them: what it is walked with need not be found out again.
"""

from __future__ import annotations

from contextlib import suppress

from kishu_kernel.objects.library import Library, holds_statics
from kishu_kernel.objects.library_globals import ids_of_held
from kishu_kernel.objects.registry import UnknownError, registry


class LibraryStatics:
    """One set of ids a library, and always the same one."""

    def __init__(self) -> None:
        self._held: dict[Library, set[int]] = {}

    def look_again(self) -> None:
        """The sets that were asked for have what the libraries hold now."""
        for library in self._held:
            self._fill(library)

    def of(self, kind: type) -> list[set[int]]:
        """The sets of the libraries that a class is of. What `look_again` does shows in them."""
        found = [library for library in registry.of(kind) if holds_statics(library)]
        for library in found:
            if library not in self._held:
                self._held[library] = set()
                self._fill(library)
        return [self._held[library] for library in found]

    def _fill(self, library: Library) -> None:
        held = self._held[library]
        held.clear()
        with suppress(UnknownError):
            held |= ids_of_held(library.statics())
