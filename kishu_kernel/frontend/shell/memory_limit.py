"""How much a history may occupy in memory."""

from __future__ import annotations

import psutil

MAX_BYTES = 2 * 10**9
SHARE = 10


def memory_limit() -> int:
    """Returns the bytes that a history may occupy in memory: 2 GB, or a tenth of all memory where that is less."""
    return min(MAX_BYTES, int(psutil.virtual_memory().total) // SHARE)
