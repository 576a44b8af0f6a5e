"""Model values as the JSON content that PROTOCOL fixes. Fields may be added; none is renamed or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from kishu_kernel.model import Checkpoint, CheckpointId, Outcome, Plan

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
        "timestamp": datetime.fromtimestamp(checkpoint.timestamp, timezone.utc).isoformat(),
        "execution_count": checkpoint.execution_count,
        "code": _sendable(checkpoint.code),
        "status": checkpoint.status,
        "error": checkpoint.error,
        "duration": checkpoint.duration,
        "created": _all_sendable(checkpoint.created),
        "modified": _all_sendable(checkpoint.modified),
        "deleted": _all_sendable(checkpoint.deleted),
        "accessed": _all_sendable(checkpoint.accessed),
        "covariables": [_all_sendable(record.names) for record in checkpoint.versions],
        "payload_bytes": checkpoint.payload_bytes,
        "written_bytes": checkpoint.written_bytes,
        "not_stored": [
            {"names": _all_sendable(record.names), "reason": _sendable(record.reason or "")}
            for record in checkpoint.versions
            if not record.stored
        ],
        "message": checkpoint.message,
        "branches": list(branches.get(checkpoint.id, ())),
        "tags": list(tags.get(checkpoint.id, ())),
        "incomplete": checkpoint.incomplete,
    }


def plan_content(plan: Plan) -> Json:
    """A Plan of the protocol."""
    return {
        "keep": [_all_sendable(version.names) for version in plan.keep],
        "load": [{"names": _all_sendable(step.version.names), "bytes": step.size} for step in plan.load],
        "delete": _all_sendable(plan.delete),
        "replay": [
            {
                "checkpoint": step.checkpoint,
                "code": _sendable(step.code),
                "seconds": step.seconds,
                "gives": sorted(_sendable(name) for version in step.gives for name in version.names),
                "side_effects": list(step.side_effects),
            }
            for step in plan.replay
        ],
        "lost": [{"names": _all_sendable(lost.version.names), "reason": _sendable(lost.reason)} for lost in plan.lost],
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


def _sendable(text: str) -> str:
    """Python text may hold lone surrogates, which JSON in UTF-8 cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def _all_sendable(names: Sequence[str]) -> list[str]:
    return [_sendable(name) for name in names]
