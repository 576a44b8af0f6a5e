"""Python's garbage collector paused while a kernel is made, a state taken, a value loaded. Imports nothing of ours.

All make many objects that stay, and hardly any cycles. A collection in between would walk everything that the session
holds: half a second for a million objects, and nothing found. What a load has made, and what a kernel begins with, is
counted as old at once, lest the first collection after the pause does just that.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MANY = 10_000
"""New objects. As many are worth the pains to count them as old."""

FROZEN_BY_PYTHON = 1000
"""At most: 3.12 freezes what never dies. Whoever freezes what there is freezes many more."""

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


@contextmanager
def making_what_stays() -> Iterator[None]:
    """As `collector_paused`, of what makes a kernel: all that there is in the end counts as old.

    For code before the user's: of that, nothing may count so unseen (`count_as_old`).
    """
    with collector_paused():
        yield
        if collector_enabled() and gc.get_freeze_count() <= FROZEN_BY_PYTHON:
            gc.freeze()
            gc.unfreeze()


class NewObjects:
    """The objects that are made from here on and still live, of those that the collector tracks.

    In a pause of the collector: after a collection none is found.
    """

    def __init__(self) -> None:
        self._at_most = len(gc.get_objects(generation=0))
        self._last: list[None] = []

    def found(self) -> list[Any]:
        """Returns them, the oldest first."""
        young = gc.get_objects(generation=0)
        for place in range(min(self._at_most, len(young) - 1), -1, -1):  # some of those before may be gone
            if young[place] is self._last:
                return young[place + 1 :]
        return []


class _CountedAsOld:
    """Objects that were counted as old since the collector last went through all that there is.

    Attributes:
        objects: how many.
        passes: how often it had done so then.
        at_most: how many objects there were when the first were counted; as many more may be.
        piled_up: there are more.
    """

    def __init__(self) -> None:
        self.objects = 0
        self.passes = -1
        self.at_most = 0
        self.piled_up = False

    def renewed(self, new: int) -> bool:
        """Counts those that are still there: mostly what is loaded takes the place of what was, which is gone.

        Args:
            new: how many more are to be counted.

        Returns:
            Whether they may be.
        """
        if not self.piled_up:
            self.objects = max(0, len(gc.get_objects()) - new - self.at_most)
            self.piled_up = self.objects + new > self.at_most
        return not self.piled_up


_counted = _CountedAsOld()


def count_as_old() -> None:
    """Many new objects are there to stay: no collection walks them before one walks all that there is.

    Takes no time, but now and then it counts what there is: some ms for a million objects.

    Cycles that a cell has just left behind are found by that one, too. It comes when there are many objects that the
    collector itself has found to be old, and of these it knows nothing: so there are at most twice as many objects
    until the next one as there were. Else what is loaded time and again, and dropped in cycles, would never be found.
    What the user has frozen stays frozen, and one who has disabled the collector collects by hand, maybe only new ones.
    """
    new = gc.get_count()[0]
    if new <= MANY or not collector_enabled() or gc.get_freeze_count() > FROZEN_BY_PYTHON:
        return
    passes = gc.get_stats()[-1]["collections"]
    is_first = passes != _counted.passes
    if is_first:
        _counted.objects, _counted.passes, _counted.piled_up = 0, passes, False
    elif _counted.objects + new > _counted.at_most and not _counted.renewed(new):
        return
    gc.freeze()
    if is_first:
        _counted.at_most = gc.get_freeze_count()
    gc.unfreeze()
    _counted.objects += new


def collector_enabled() -> bool:
    """Whether the user has the collector enabled, also while it is paused."""
    return _to_enable[-1] if _to_enable else gc.isenabled()


def places_of_collector() -> list[Any]:
    """Where `collector_enabled` looks, for `process.native.watch`."""
    return [(gc.isenabled, ()), _to_enable]


def enable_collector(on: bool) -> None:
    """Enables or disables it, as the user had it; where it is paused, from the end of the pause on."""
    if _to_enable:
        _to_enable[-1] = on
    elif on:
        gc.enable()
    else:
        gc.disable()
