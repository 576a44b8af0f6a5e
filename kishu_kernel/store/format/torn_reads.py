"""Torn reads: payloads whose memory changed while a store read it.

Buffers are the user's live memory. Code that nobody watches (a thread of a library, a signal handler) may write to it
while a store reads.

Law: a version holds the bytes of one moment, or is not stored, and its record says so. After the last byte of a payload
was read, all live memory is compared with what was read: what is equal was there when the second look began. (That the
bytes stored under a digest are those that were hashed, is ensured by `chunks`.)
Neighbours: every store that writes payloads calls it.
"""

from __future__ import annotations

from collections.abc import Iterable

from kishu_kernel.model import Checkpoint, Payload
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.format import chunks
from kishu_kernel.store.format.schema import Manifest

CHANGED = "it changed while it was being stored"
"""The reason in the records of versions that are not stored."""


def is_unchanged(payload: Payload, manifest: Manifest) -> bool:
    """Whether the live memory of a payload still has the digests in its manifest. O(bytes of live memory)."""
    for buffer, piece in zip(payload.buffers, manifest.buffers, strict=True):
        if not chunks.is_live(buffer):
            continue
        data = chunks.flat_bytes(buffer.data)
        for view, expected in zip(chunks.buffer_chunks(buffer, data), piece.digests, strict=True):
            if chunks.digest(view) != expected:
                return False
    return True


def without_payloads(checkpoint: Checkpoint, changed: Iterable[Payload]) -> Checkpoint:
    """The checkpoint's record to store where these payloads changed while they were read."""
    lost = {payload.names: payload.size for payload in changed}
    if not lost:
        return checkpoint
    records = tuple(
        replace(record, size=0, stored=False, reason=CHANGED) if record.stored and record.names in lost else record
        for record in checkpoint.versions
    )
    weight = max(0, checkpoint.payload_bytes - sum(lost.values()))
    return replace(checkpoint, versions=records, payload_bytes=weight)
