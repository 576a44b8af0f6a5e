"""What a store tells of itself: its size, and what a collection removed; how long one stays that nobody uses."""

from __future__ import annotations

from kishu_kernel.model.dataclass import dataclass

DAY = 86400.0
MAX_AGE = 30 * DAY
"""Seconds since a store was last used, after which it may go."""


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """How large a store is.

    Attributes:
        path: None for a store in memory.
        bytes: size of the pages in use on the disk, not of the sparse memory map.
    """

    path: str | None
    bytes: int
    checkpoints: int
    chunks: int


@dataclass(frozen=True, slots=True)
class StoreShare:
    """How much of a store: checkpoints with payloads, chunks, and the bytes that these occupy."""

    checkpoints: int
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, or would remove, and what it kept."""

    removed: StoreShare
    kept: StoreShare
