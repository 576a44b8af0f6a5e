"""Functions with `functools.lru_cache`, with what they had cached."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

MOST_COUNTED = 100_000
"""Hits and misses are counted again, one by one, up to here."""

GIVEN_BY_MAKING = frozenset({"__wrapped__", "__annotate__", "cache_parameters"})
"""Attributes that `make_filled_cache` gives."""


def make_filled_cache(function: Any, maxsize: int | None, typed: bool) -> Any:
    """`functools.lru_cache` around a function of the notebook; `set_cached_calls` fills it."""
    relay = functools.partial(_given, None)
    cached: Any = functools.lru_cache(maxsize, typed)(relay)
    functools.update_wrapper(cached, function)
    _lead(relay, function)
    return cached


def set_cached_calls(cached: Any, state: tuple[list[tuple[Any, ...]], int, int, dict[str, Any]]) -> None:
    """The calls, how often one was answered from the cache, how often not, and attributes. Runs none of the calls."""
    calls, hits, misses, own = state
    relay = next(each for each in gc.get_referents(cached) if type(each) is functools.partial)
    last: Callable[[], Any] = bool
    try:
        for arguments, named, result in calls:
            _lead(relay, functools.partial(_given, result))
            last = functools.partial(cached, *arguments, **named)
            last()
        _lead(relay, {}.__getitem__)
        for _ in range(misses - cached.cache_info().misses):
            try:
                cached(object())
            except LookupError:
                continue
        for _ in range(hits if last is not bool else 0):
            last()
    finally:
        _lead(relay, cached.__wrapped__)
    attributes = cached.__dict__
    for name in attributes.keys() - own.keys() - GIVEN_BY_MAKING:
        del attributes[name]
    attributes.update(own)


def _lead(relay: Any, function: Any) -> None:
    relay.__setstate__((function, (), {}, None))


def _given(result: Any, *arguments: Any, **named: Any) -> Any:
    return result
