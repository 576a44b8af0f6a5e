"""Functions with `functools.lru_cache`, with what they had cached."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_MOST = 1_000_000
"""Hits and misses are counted again, one by one, up to here."""


def make_filled_cache(function: Any, maxsize: int | None, typed: bool) -> Any:
    """`functools.lru_cache` around a function of the notebook; `set_cached_calls` fills it."""
    relay = functools.partial(_nothing)
    cached: Any = functools.lru_cache(maxsize, typed)(relay)
    functools.update_wrapper(cached, function)
    _lead(relay, function)
    return cached


def set_cached_calls(cached: Any, state: tuple[list[tuple[Any, ...]], int, int]) -> None:
    """The calls, how often one was answered from the cache, and how often not. Runs none of them."""
    calls, hits, misses = state
    relay = next(each for each in gc.get_referents(cached) if type(each) is functools.partial)
    last: Callable[[], Any] | None = None
    try:
        for arguments, named, result in calls:
            _lead(relay, functools.partial(_given, result))
            last = functools.partial(cached, *arguments, **named)
            last()
        _lead(relay, _nothing)
        for _ in range(min(misses - cached.cache_info().misses, _MOST)):
            with suppress(LookupError):
                cached(object())
        for _ in range(min(hits, _MOST)):
            if last is not None:
                last()
    finally:
        _lead(relay, cached.__wrapped__)


def _lead(relay: Any, function: Any) -> None:
    relay.__setstate__((function, (), {}, None))


def _given(result: Any, *arguments: Any, **named: Any) -> Any:
    return result


def _nothing(*arguments: Any) -> Any:
    raise LookupError
