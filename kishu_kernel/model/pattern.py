"""`pattern` is `re.compile`, done when the pattern is first used: that takes 0.2 ms, and most cells use few of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from re import compile as pattern
else:

    class pattern:
        """As of `re.compile`."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._said = text, flags

        def __getattr__(self, name: str) -> Any:
            found = getattr(re.compile(*self._said), name)
            setattr(self, name, found)  # so that it is not asked again
            return found


__all__ = ["pattern"]
