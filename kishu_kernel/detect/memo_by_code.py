"""What is computed from a code object, kept as long as the code object lives.

Law: nothing here keeps the user's code alive, nor the constants in it. Neighbours: `access` and `atoms`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import CodeType
from typing import TypeVar

T = TypeVar("T")


def cached_by_code(compute: Callable[[CodeType], T]) -> Callable[[CodeType], T]:
    """Decorates a function of a code object so that it is called once for each.

    Safe from any thread: at worst it is called twice.
    """
    known: dict[int, tuple[weakref.ref[CodeType], T]] = {}

    def forget(key: int, _: object) -> None:
        known.pop(key, None)

    @functools.wraps(compute)
    def cached(code: CodeType) -> T:
        key = id(code)
        found = known.get(key)
        if found is not None and found[0]() is code:
            return found[1]
        result = compute(code)
        known[key] = weakref.ref(code, functools.partial(forget, key)), result
        return result

    return cached
