"""Payloads whose memory changes while a store reads it: noticed, and told.

Buffers are the user's live memory, and code that nobody noticed (a thread of a library, a signal handler) may write to
it while a store reads.

Law: a version holds the bytes of one moment, or is not stored, and its record says so. After the last byte of a payload
was read, all that is live is compared with what was read: what is the same at both times was there when the second
look began. (That what stands under a digest are the bytes that were hashed is the affair of `chunks`.)
Neighbours: both stores call it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kishu_kernel.model import Checkpoint, Payload
from kishu_kernel.store.format import chunks
from kishu_kernel.store.format.schema import Manifest

CHANGED = "it changed while it was being stored"


def is_unchanged(payload: Payload, manifest: Manifest) -> bool:
    """Whether its memory still holds what the manifest says. O(bytes of live memory), hashed chunk by chunk."""
    for buffer, piece in zip(payload.buffers, manifest.buffers, strict=True):
        if not chunks.is_live(buffer):
            continue
        data = chunks.flat_bytes(buffer.data)
        for view, expected in zip(chunks.buffer_chunks(buffer, data), piece.digests, strict=True):
            if chunks.digest(view) != expected:
                return False
    return True


def without_payloads(checkpoint: Checkpoint, changed: Iterable[Payload]) -> Checkpoint:
    """The checkpoint as it is to be kept where these payloads of it were not steady."""
    lost = {payload.names: payload.size for payload in changed}
    if not lost:
        return checkpoint
    records = tuple(
        replace(record, size=0, stored=False, reason=CHANGED) if record.stored and record.names in lost else record
        for record in checkpoint.versions
    )
    weight = max(0, checkpoint.payload_bytes - sum(lost.values()))
    return replace(checkpoint, versions=records, payload_bytes=weight)
