"""Placeholders: records of checkpoints that are written before their payloads.

Law: whatever ends the process while payloads are written, whoever opens the store next knows the cell, and which of
its versions are missing. A placeholder is an ordinary record in which those versions count as not stored, so that
they are re-run or reported. The commit of the payloads replaces it.
"""

from __future__ import annotations

from collections.abc import Collection

from kishu_kernel.model import Checkpoint, Names, VersionRecord
from kishu_kernel.model.dataclass import replace

UNWRITTEN = "the kernel ended before this was written"
"""The reason in a placeholder's records. It is stored, so it must not change."""


def placeholder(checkpoint: Checkpoint, names: Collection[Names], reason: str = UNWRITTEN) -> Checkpoint:
    """The record to write while the payloads of these co-variables are not written.

    Args:
        names: the co-variables.
        reason: why they are not stored.
    """

    def not_stored(record: VersionRecord) -> VersionRecord:
        return replace(record, size=0, stored=False, reason=reason) if record.names in names else record

    versions = tuple(map(not_stored, checkpoint.versions))
    return replace(checkpoint, versions=versions, payload_bytes=sum(record.size for record in versions))


def unwritten_names(checkpoint: Checkpoint) -> tuple[Names, ...]:
    """The co-variables whose payloads were never written; empty where the record is no placeholder."""
    return tuple(record.names for record in checkpoint.versions if is_unwritten(record))


def is_unwritten(record: VersionRecord) -> bool:
    """Whether the payload of a version was to be written, and never was."""
    return not record.stored and record.reason == UNWRITTEN
