"""Functions with a cache of `functools`: how one comes apart, with what it has cached. Part of the table.

Law: asks nothing of what is cached. Calls whose arguments' hashes are somebody's code are left out: loads would run it.
Neighbours: `reducers`, which asks; `rebuild.caches`, the other way.
"""

from __future__ import annotations

import functools
import gc
import types
from collections.abc import Iterable
from typing import Any

from kishu_kernel.objects.classes import is_one_of
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.caches import GIVEN_BY_MAKING, MOST_COUNTED, make_filled_cache, set_cached_calls

Call = tuple[tuple[Any, ...], dict[str, Any], Any]
"""Arguments by position, those by name, and the result."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), types.FunctionType, types.BuiltinFunctionType)


def reduction_of_cached(cached: Any) -> Reduction:
    """The function that it is around, what is cached, hits and misses as far as they are counted, and its attributes.

    Raises:
        TypeError: what is cached is not to be found.
    """
    parameters, info = cached.cache_parameters(), cached.cache_info()
    own = {name: value for name, value in cached.__dict__.items() if name not in GIVEN_BY_MAKING}
    state = calls_of(cached), min(info.hits, MOST_COUNTED), min(info.misses, MOST_COUNTED), own
    how = cached.__wrapped__, parameters["maxsize"], parameters["typed"]
    return make_filled_cache, how, state, None, None, set_cached_calls


def calls_of(cached: Any) -> list[Call]:
    """The calls that are cached: that which is first to be forgotten first.

    Raises:
        TypeError: they are not to be found.
    """
    parameters = cached.cache_parameters()
    bounded, typed = parameters["maxsize"] is not None, parameters["typed"]
    found = []
    for key, result in _entries(cached, bounded):
        call = _arguments(key, typed)
        if all(map(_is_plain, (*call[0], *call[1].values()))):
            found.append((*call, result))
    return found


def _entries(cached: Any, bounded: bool) -> Iterable[tuple[Any, Any]]:
    """Keys and results: the oldest first."""
    own, held = cached.__dict__, gc.get_referents(cached)
    # It refers to its type; where it has a largest size to each key, its result, and their link; then to the cache.
    # So that is the last dictionary: results may be dictionaries, too.
    places = [place for place, each in enumerate(held) if type(each) is dict and each is not own]
    cache = held[places[-1]] if places else {}
    if not bounded and len(places) == 1:
        return list(cache.items())
    links = held[1 : places[-1]] if bounded and places else []
    step = len(links) // len(cache) if cache else 1
    keys, results = links[::step], links[1::step]
    if not places or len(cache) * step != len(links) or set(map(id, keys)) != set(map(id, cache)):
        raise TypeError("what a function has cached cannot be stored while it is being called")
    return zip(keys, results, strict=True)


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


def _is_plain(argument: Any) -> bool:
    kind = type(argument)
    if kind is tuple:
        return all(map(_is_plain, argument))
    return is_one_of(kind, _PLAIN) or (issubclass(kind, type) and kind.__hash__ is type.__hash__)


def _mark() -> Any:
    """What parts arguments by position from those by name in a key."""

    @functools.lru_cache(None)
    def call(**named: Any) -> None:
        return None

    call(name=1)
    [key] = next(each for each in gc.get_referents(call) if type(each) is dict and each is not call.__dict__)
    return key[0]


_MARK = _mark()
