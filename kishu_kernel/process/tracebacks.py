"""Frames removed from exceptions that are kept, so that they do not keep the user's memory alive.

An exception holds its traceback, that holds the frames, and those hold every local variable, often the exception
itself: a cycle that keeps the user's arrays alive until some collection. That collection may be the one in which
CPython before 3.13 crashes (it clears a view of a `PickleBuffer`). So an error that is reported on another thread, or
kept to be reported later, becomes text (`StoreError(str(error))`), and the original loses its frames here.
"""

from __future__ import annotations

import traceback


def drop_frames(error: BaseException) -> None:
    """Remove the traceback and all locals of an exception that was handled, and of its causes and contexts."""
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is None:
            continue
        traceback.clear_frames(each.__traceback__)  # frames that still run stay as they are
        chain += [each.__cause__, each.__context__]
        each.__traceback__ = each.__cause__ = each.__context__ = None
