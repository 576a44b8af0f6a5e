"""An error outlives what went wrong: it must not keep that alive.

Law: what is told on another thread, or kept to be told later, is words. An exception holds its traceback, that the
frames, those all that the functions had in hand, of which one is often the exception: a cycle that holds the user's
memory until some collection, which may be the one that CPython does not survive (a view of a `PickleBuffer`, < 3.13).
Neighbours: leaves like this one; the writer and the loader ask.
"""

from __future__ import annotations

import traceback


def let_go(error: BaseException) -> None:
    """Take from an error that was dealt with, and from all that led to it, every frame that it passed through."""
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is None:
            continue
        traceback.clear_frames(each.__traceback__)  # those that still run stay as they are
        chain += [each.__cause__, each.__context__]
        each.__traceback__ = each.__cause__ = each.__context__ = None
