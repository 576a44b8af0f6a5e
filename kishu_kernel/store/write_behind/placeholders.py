"""A record before its payloads: that a cell ran is on the disk before the bytes of what it made are.

Law: whatever ends the process while bytes are written, who opens the store next knows the cell, and which of its
versions are missing. A promise is an ordinary record: what it promises counts as not stored, so that it is re-run, or
told. The commit that keeps it replaces the record.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from kishu_kernel.model import Checkpoint, Names, VersionRecord

UNWRITTEN = "the kernel ended before this was written"


def placeholder(checkpoint: Checkpoint, names: Collection[Names], reason: str = UNWRITTEN) -> Checkpoint:
    """The checkpoint as its record is to be while the payloads of these co-variables are not written."""

    def promised(record: VersionRecord) -> VersionRecord:
        return replace(record, size=0, stored=False, reason=reason) if record.names in names else record

    versions = tuple(map(promised, checkpoint.versions))
    return replace(checkpoint, versions=versions, payload_bytes=sum(record.size for record in versions))


def unwritten_names(checkpoint: Checkpoint) -> tuple[Names, ...]:
    """The co-variables whose payloads were promised, and are not there."""
    return tuple(record.names for record in checkpoint.versions if is_unwritten(record))


def is_unwritten(record: VersionRecord) -> bool:
    """Whether its payload was promised, and is not there."""
    return not record.stored and record.reason == UNWRITTEN
