"""Which live class is which of the stored ones: each class that is stored apart has a token, in every process the same.

Law: a token names a class, not what it was like. Nothing is noted on the class itself, and no class is kept alive.
Neighbours: `codec.class_streams`, which stores and finds classes by their tokens.
"""

from __future__ import annotations

import secrets
import weakref

from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.moment import Unchanged

TOKEN_SIZE = 8
"""Random bytes of a token."""


@dataclass(slots=True)
class _Known:
    """A live class.

    Attributes:
        loaded_from: digest of its stream right after it was loaded -> digests of the streams that it was loaded from.
            The two can differ, as texts that were one object may be two afterwards.
    """

    cls: weakref.ref[type]
    token: bytes
    loaded_from: dict[Digest, set[Digest]] = field(default_factory=dict)


class ClassTokens:
    """The tokens of a session's classes. A token has several classes where a changed one was made anew.

    Attributes:
        apart: classes that could be stored apart, each with the digest of what was in it.
    """

    def __init__(self) -> None:
        self.apart = Unchanged()
        self._known: dict[int, _Known] = {}  # by id: a metaclass may have a hash of its own
        self._ids: dict[bytes, list[int]] = {}

    def token_of(self, cls: type) -> bytes:
        """The token of a class, made when it is first asked for."""
        known = self._of(cls)
        return known.token if known is not None else self._note(cls, secrets.token_bytes(TOKEN_SIZE)).token

    def classes_of(self, token: bytes) -> list[type]:
        """The live classes with this token. The one that came last is the first."""
        found = (self._known[key].cls() for key in reversed(self._ids.get(token, ())) if key in self._known)
        return [cls for cls in found if cls is not None]

    def note_loaded(self, cls: type, token: bytes) -> None:
        """A class was loaded, or made by a re-run, that has this token."""
        known = self._of(cls)
        if known is None or known.token != token:
            self._note(cls, token)

    def note_stream(self, cls: type, now: Digest, stored: Digest) -> None:
        """What a class that was just loaded is stored as now, and what it was loaded from."""
        known = self._of(cls)
        if known is not None:
            known.loaded_from.setdefault(now, set()).add(stored)

    def is_as_stored(self, cls: type, now: Digest, stored: Digest) -> bool:
        """Whether a class whose stream has this digest now is what was stored under that one."""
        known = self._of(cls)
        return now == stored or (known is not None and stored in known.loaded_from.get(now, ()))

    def _of(self, cls: type) -> _Known | None:
        known = self._known.get(id(cls))
        return known if known is not None and known.cls() is cls else None

    def _note(self, cls: type, token: bytes) -> _Known:
        key = id(cls)

        def forget(gone: weakref.ref[type]) -> None:
            known = self._known.get(key)
            if (
                known is not None and known.cls is gone
            ):  # else the id is another class's by now, or it has another token
                self._drop(key)

        self._drop(key)
        known = self._known[key] = _Known(weakref.ref(cls, forget), token)
        self._ids.setdefault(token, []).append(key)
        return known

    def _drop(self, key: int) -> None:
        known = self._known.pop(key, None)
        if known is None:
            return
        ids = self._ids[known.token]
        ids.remove(key)
        if not ids:
            del self._ids[known.token]
