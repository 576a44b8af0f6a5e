"""Python's garbage collector paused while a checkpoint is taken or a value is loaded. Imports nothing of ours.

Both make many objects that stay, and hardly any cycles. A collection in between would walk everything that the session
holds: half a second for a million objects, and nothing found.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No automatic collection within this context. A collector that the user has disabled stays disabled."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
