"""Python's garbage collector, kept waiting while a checkpoint is taken or a value loaded. A leaf: knows nobody.

Both make many objects that stay, or hardly any cycles. A collection in between would go through all that the session
holds: half a second for a million objects, and nothing found.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_waiting() -> Iterator[None]:
    """No collection meanwhile. One that the user has switched off stays off."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
