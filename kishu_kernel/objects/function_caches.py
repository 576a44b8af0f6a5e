"""What a function with a cache of `functools` has cached: its calls and their results.

Law: asks nothing of what is cached. Calls whose arguments' hashes are somebody's code are left out: loads would run it.
Neighbours: `reducers`, which asks; `rebuild.caches`, the other way.
"""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Iterator
from typing import Any

Call = tuple[tuple[Any, ...], dict[str, Any], Any]
"""Arguments by position, those by name, and the result."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), types.FunctionType, types.BuiltinFunctionType)


def calls_of(cached: Any) -> list[Call]:
    """The calls that are cached: that which is first to be forgotten first."""
    typed = cached.cache_parameters()["typed"]
    own = cached.__dict__
    held = next((each for each in gc.get_referents(cached) if type(each) is dict and each is not own), {})
    bounded = cached.cache_parameters()["maxsize"] is not None
    found = []
    for key, result in list(_linked(cached, held) if bounded else held.items()):
        call = _arguments(key, typed)
        if all(map(_is_plain, (*call[0], *call[1].values()))):
            found.append((*call, result))
    return found


def _arguments(key: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of which a key was made."""
    if type(key) is not tuple:
        return (key,), {}
    marks = [place for place, each in enumerate(key) if each is _MARK]
    count = marks[0] if marks else len(key) // 2 if typed else len(key)
    if not marks:
        return key[:count], {}
    rest = len(key) - count - 1
    named = (rest - count) // 3 if typed else rest // 2
    pairs = key[count + 1 : count + 1 + 2 * named]
    return key[:count], dict(zip(pairs[::2], pairs[1::2], strict=True))


def _linked(cached: Any, held: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Keys and results of a cache that has a largest size: its list has them side by side, the oldest first."""
    keys = set(map(id, held))
    todo = iter(gc.get_referents(cached))
    for each in todo:
        if id(each) in keys:
            keys.remove(id(each))
            yield each, next(todo)


def _is_plain(argument: Any) -> bool:
    kind = type(argument)
    if kind is tuple:
        return all(map(_is_plain, argument))
    return kind in _PLAIN or (issubclass(kind, type) and kind.__hash__ is type.__hash__)


def _mark() -> Any:
    """What parts arguments by position from those by name in a key."""

    @functools.lru_cache(None)
    def call(**named: Any) -> None:
        return None

    call(name=1)
    [key] = next(each for each in gc.get_referents(call) if type(each) is dict and each is not call.__dict__)
    return key[0]


_MARK = _mark()
