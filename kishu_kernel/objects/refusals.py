"""What people read of why an object cannot be stored."""

from __future__ import annotations

import weakref

from kishu_kernel.objects.classes import qualified_name
from kishu_kernel.objects.library import HeldOutsideError


class Refusals:
    """What libraries last said of objects that they have refused to take apart, by the types of these."""

    def __init__(self) -> None:
        self._reasons: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()

    def note(self, obj: object, error: TypeError) -> None:
        """A library's file has refused this object."""
        self._reasons[type(obj)] = str(error)

    def told(self, error: Exception) -> str:
        """Of an error that storing ended with: a library's own sentence, else what error it is."""
        refused = isinstance(error, TypeError) and str(error) in self._reasons.values()
        return str(error) if refused or isinstance(error, HeldOutsideError) else f"{type(error).__name__}: {error}"

    def reason(self, kinds: tuple[type, ...]) -> str:
        """Why instances of these types cannot be stored: what a library last said of one, else that it is so."""
        said = [self._reasons[kind] for kind in kinds if kind in self._reasons]
        names = ", ".join(dict.fromkeys(map(qualified_name, kinds)))
        return said[0] if said else f"{names} objects cannot be stored"
