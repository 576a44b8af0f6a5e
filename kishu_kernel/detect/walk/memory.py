"""How memory is written: by its content, which is hashed where it lies, once a judgement."""

from __future__ import annotations

from kishu_kernel.detect.atoms import digest
from kishu_kernel.detect.walk.result import WalkAbandoned
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.process.memory import LARGE_BYTES, UntouchedPages, memory_at, zeros

_PART = 1 << 20
_OFTEN = (1 << 26) - 1


def write_memory(walk: Walk, start: int, size: int, *, private: bool) -> None:
    """Memory at an address, by its content."""
    walk.ranges.append((start, start + size, private))
    walk.parts.append(b"%d:" % size + memory_digest(walk, start, size))


def memory_digest(walk: Walk, start: int, size: int) -> bytes:
    """The digest of memory, taken once a judgement."""
    key = (start, size)
    if key not in walk.hashes:
        walk.hashes[key] = digest(memory_at(start, size)) if size < LARGE_BYTES else _large_digest(walk, start, size)
    return walk.hashes[key]


def _large_digest(walk: Walk, start: int, size: int) -> bytes:
    """The same of large memory: what was never touched is zeros, and is not read."""
    untouched_pages = UntouchedPages(start, size)
    parts = []
    for place in range(0, size, _PART):
        if not place & _OFTEN and walk.shared.should_stop is not None and walk.shared.should_stop():
            raise WalkAbandoned
        length = min(_PART, size - place)
        parts.append(
            digest(zeros(length) if untouched_pages.covers(place, length) else memory_at(start + place, length))
        )
    return digest(b"".join(parts))
