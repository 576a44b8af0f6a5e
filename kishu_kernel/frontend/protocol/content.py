"""Model values as the JSON content that PROTOCOL fixes. Fields may be added; none is renamed or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from math import isfinite
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import Checkpoint, CheckpointId, Outcome, Plan

if TYPE_CHECKING:  # the command line compares nothing
    from kishu_kernel.compare import Comparison

PROTOCOL = 1
"""The version that each reply names."""

Json = dict[str, Any]


def checkpoint_content(
    checkpoint: Checkpoint,
    branches: Mapping[CheckpointId, Sequence[str]],
    tags: Mapping[CheckpointId, Sequence[str]],
) -> Json:
    """A Checkpoint of the protocol."""
    return {
        "id": checkpoint.id,
        "parent": checkpoint.parent,
        "session": checkpoint.session,
        "timestamp": moment(checkpoint.timestamp),
        "execution_count": checkpoint.execution_count,
        "code": checkpoint.code,
        "status": checkpoint.status,
        "error": checkpoint.error,
        "duration": checkpoint.duration,
        "created": list(checkpoint.created),
        "modified": list(checkpoint.modified),
        "deleted": list(checkpoint.deleted),
        "accessed": list(checkpoint.accessed),
        "covariables": [list(record.names) for record in checkpoint.versions],
        "payload_bytes": checkpoint.payload_bytes,
        "written_bytes": checkpoint.written_bytes,
        "not_stored": [
            {"names": list(record.names), "reason": record.reason or ""}
            for record in checkpoint.versions
            if not record.stored
        ],
        "message": checkpoint.message,
        "branches": list(branches.get(checkpoint.id, ())),
        "tags": list(tags.get(checkpoint.id, ())),
        "ambient": sorted(checkpoint.ambient),
        "effects": None if checkpoint.effects is None else list(checkpoint.effects),
        "audited": checkpoint.audited,
        "incomplete": checkpoint.incomplete,
        "trusted": checkpoint.trusted,
    }


def plan_content(plan: Plan) -> Json:
    """A Plan of the protocol."""
    return {
        "keep": [list(version.names) for version in plan.keep],
        "load": [{"names": list(step.version.names), "bytes": step.size} for step in plan.load],
        "delete": list(plan.delete),
        "replay": [
            {
                "checkpoint": step.checkpoint,
                "code": step.code,
                "seconds": step.seconds,
                "gives": sorted(name for version in step.gives for name in version.names),
                "side_effects": list(step.side_effects),
            }
            for step in plan.replay
        ],
        "ambient": list(plan.ambient),
        "lost": [{"names": list(lost.version.names), "reason": lost.reason} for lost in plan.lost],
    }


def outcome_content(outcome: Outcome) -> Json:
    """The reply to checkout, undo and redo."""
    return {
        "head": outcome.head,
        "from": outcome.previous,
        "plan": plan_content(outcome.plan),
        "applied": outcome.applied,
        "seconds": outcome.seconds,
    }


def comparison_content(comparison: Comparison) -> Json:
    """In what way a variable differs."""
    return {
        "aspects": [asdict(each) for each in comparison.aspects],
        "cells": [asdict(each) for each in comparison.cells],
        "note": comparison.note,
    }


def moment(timestamp: float) -> str:
    """A time as ISO 8601 in UTC. What no clock can have said (a store may be hostile) is the beginning of time."""
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, timezone.utc).isoformat()


def sendable(value: Any) -> Any:
    """What JSON can hold: lone surrogates of Python's texts come out escaped, numbers that are none as null."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {sendable(key): sendable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [sendable(each) for each in value]
    return value
