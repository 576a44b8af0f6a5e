"""What is worked out of a code object, remembered as long as that lives.

Law: nothing here keeps code of the user's alive, nor the constants in it. Neighbours: `access` and `atoms`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import CodeType
from typing import TypeVar

T = TypeVar("T")


def of_code(work_out: Callable[[CodeType], T]) -> Callable[[CodeType], T]:
    """A function of a code object that is called once for each. Safe from any thread: at worst it is called twice."""
    known: dict[int, tuple[weakref.ref[CodeType], T]] = {}

    def forget(key: int, _: object) -> None:
        known.pop(key, None)

    @functools.wraps(work_out)
    def remembered(code: CodeType) -> T:
        key = id(code)
        found = known.get(key)
        if found is not None and found[0]() is code:
            return found[1]
        result = work_out(code)
        known[key] = weakref.ref(code, functools.partial(forget, key)), result
        return result

    return remembered
