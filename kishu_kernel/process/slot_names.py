"""What Python notes on a class when the first of its instances is taken apart: which slots these have.

Law 9: the class shows it to whoever lists its attributes, so it is not noted because of us.
"""

from __future__ import annotations

import copyreg
import threading
import weakref
from types import SimpleNamespace
from typing import Any


class _Unnoted:
    """The context, which may be within itself, and on several threads. What others take apart meanwhile is right."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._own: Any = None
        self._known: dict[int, tuple[weakref.ref[type], list[str]]] = {}

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._own = copyreg._slotnames  # type: ignore[attr-defined]
                copyreg._slotnames = self._names  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                copyreg._slotnames = self._own  # type: ignore[attr-defined]
                self._known.clear()

    def _names(self, cls: type) -> list[str]:
        known = self._known.get(id(cls))
        if known is None or known[0]() is not cls:
            slots: dict[str, Any] = {"__slots__": ()} if hasattr(cls, "__slots__") else {}
            stand_in = SimpleNamespace(__mro__=cls.__mro__, **slots)  # on which it is noted
            known = self._known[id(cls)] = weakref.ref(cls), self._own(stand_in)
        return known[1]


unnoted = _Unnoted()
"""`with unnoted`: instances are taken apart, and nothing is noted on their classes."""
