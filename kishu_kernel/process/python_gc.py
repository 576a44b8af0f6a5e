"""Python's garbage collector paused while a checkpoint is taken or a value is loaded. Imports nothing of ours.

Both make many objects that stay, and hardly any cycles. A collection in between would walk everything that the session
holds: half a second for a million objects, and nothing found. What a load has made is counted as old at once, lest the
first collection after the pause does just that.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 10_000
"""New objects. As many are worth the pains to count them as old."""

_to_enable: list[bool] = []
"""Of the pause that is under way, whether its end enables the collector; empty where there is none."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """No automatic collection within this context. A collector that the user has disabled stays disabled."""
    if _to_enable or not gc.isenabled():
        yield
        return
    gc.disable()
    _to_enable.append(True)
    try:
        yield
    finally:
        if _to_enable.pop():
            gc.enable()


def count_as_old() -> None:
    """Many new objects are there to stay: no collection walks them before one walks all that there is. O(1).

    Cycles that a cell has just left behind are found by that one, too. What the user has frozen stays frozen: that is
    all that there was. Few are Python's own: 3.12 freezes what never dies.
    """
    if gc.get_count()[0] > MANY > gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def collector_enabled() -> bool:
    """Whether the user has the collector enabled, also while it is paused."""
    return _to_enable[-1] if _to_enable else gc.isenabled()


def enable_collector(on: bool) -> None:
    """Enables or disables it, as the user had it; where it is paused, from the end of the pause on."""
    if _to_enable:
        _to_enable[-1] = on
    elif on:
        gc.enable()
    else:
        gc.disable()
