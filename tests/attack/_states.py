"""Values in words, so that a state that a kernel had can be compared with what another process has of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

_SHELL = {"exit", "quit", "open", "get_ipython"}
"""What a shell binds itself."""


def words_of(namespace: Mapping[str, Any]) -> dict[str, str]:
    """What the names of small letters are bound to: the type, and a digest of the content."""
    names = [name for name in namespace if name.islower() and name[0] != "_" and name not in _SHELL]
    return {name: _word(namespace[name]) for name in names}


def _word(value: Any) -> str:
    kind = type(value).__name__
    if kind == "module" or kind == "generator":
        return kind
    if kind == "function":
        content = value.__code__.co_code + repr(value.__defaults__).encode()
    elif kind == "ndarray":
        content = value.tobytes() + repr((value.shape, value.dtype)).encode()
    elif kind == "DataFrame":
        content = value.to_csv().encode() + repr(value.dtypes).encode()
    elif hasattr(value, "__dict__"):
        content = repr(sorted((name, _word(each)) for name, each in vars(value).items())).encode()
    else:
        content = repr(value).encode()
    return f"{kind} {hashlib.sha256(content).hexdigest()[:16]}"
