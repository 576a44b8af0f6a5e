"""Turns model values into the JSON content of the protocol. Fields may be added; none is renamed or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from math import isfinite
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from kishu_kernel.frontend.protocol.taken_words import take_content
from kishu_kernel.model import Checkpoint, CheckpointId, Outcome, Plan, ShownPlan

if TYPE_CHECKING:  # the command line does not import it
    from kishu_kernel.compare import Comparison
    from kishu_kernel.session.ended_session import EndedSession

PROTOCOL = 1
"""The version that each reply names."""

Json = dict[str, Any]


def checkpoint_content(
    checkpoint: Checkpoint,
    branches: Mapping[CheckpointId, Sequence[str]],
    tags: Mapping[CheckpointId, Sequence[str]],
) -> Json:
    """Returns a Checkpoint of the protocol.

    Args:
        branches: the branches at each checkpoint.
        tags: the tags at each checkpoint.
    """
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
        "take": take_content(checkpoint.code, checkpoint.execution_count),
        "taken": [{"names": list(each.names), "checkpoint": each.checkpoint} for each in checkpoint.taken],
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
        "by": checkpoint.by or None,
    }


def plan_content(plan: Plan) -> Json:
    """Returns a Plan of the protocol."""
    return {
        "target": plan.target,
        "keep": [list(version.names) for version in plan.keep],
        "load": [{"names": list(step.version.names), "bytes": step.size} for step in plan.load],
        "delete": list(plan.delete),
        "replay": [
            {
                "checkpoint": step.checkpoint,
                "execution_count": step.execution_count,
                "code": step.code,
                "seconds": step.seconds,
                "gives": sorted(name for version in step.gives for name in version.names),
                "side_effects": list(step.side_effects),
            }
            for step in plan.replay
        ],
        "ambient": list(plan.ambient),
        "lost": [{"names": list(lost.version.names), "reason": lost.reason} for lost in plan.lost],
        "notes": list(plan.notes),
    }


def shown_content(plan: Json) -> Json:
    """Returns what a request says of a Plan that was shown to a person."""
    return {"target": plan["target"], "replay": [step["checkpoint"] for step in plan["replay"]]}


def shown_plan(content: Json) -> ShownPlan:
    """Returns what `shown` of a request says.

    Raises:
        ValueError: it does not say that.
    """
    target, replay = content.get("target"), content.get("replay")
    ids = replay if isinstance(replay, list) else [None]
    fits = content.keys() == {"target", "replay"} and isinstance(target, str | None)
    if not fits or not all(isinstance(each, str) for each in ids):
        raise ValueError('{"target": an id or null, "replay": [ids of the cells to re-run]}, as of the plan')
    return ShownPlan(target and CheckpointId(target), frozenset(map(CheckpointId, ids)))


def outcome_content(outcome: Outcome) -> Json:
    """Returns the reply to checkout, undo, redo and resume."""
    return {
        "head": outcome.head,
        "from": outcome.previous,
        "plan": plan_content(outcome.plan),
        "applied": outcome.applied,
        "seconds": outcome.seconds,
    }


def ended_content(ended: EndedSession) -> Json:
    """Returns where an earlier session ended."""
    last = ended.last
    return {
        "session": last.session,
        "head": last.id,
        "execution_count": last.execution_count,
        "timestamp": moment(last.timestamp),
        "variables": ended.variables,
        "bytes": ended.bytes,
        "trusted": last.trusted,
        "note": ended.unwritten,
        "running": ended.running,
    }


def remote_content(found: Json | None) -> Json | None:
    """Returns where a history is pushed to by itself, and how that stands."""
    if found is None:
        return None
    return {**found, "pushed": None if found["pushed"] is None else moment(found["pushed"])}


def texts(value: list[Any]) -> list[str]:
    """Returns a list of strings.

    Raises:
        ValueError: it is none.
    """
    if not all(isinstance(each, str) for each in value):
        raise ValueError("a list of strings")
    return value


def numbers(value: list[Any]) -> list[int]:
    """Returns a list of whole numbers.

    Raises:
        ValueError: it is none.
    """
    if not all(type(each) is int for each in value):
        raise ValueError("a list of whole numbers")
    return value


def new_names(value: Json) -> dict[str, str]:
    """Returns new names by the old ones, each as Python binds it when code says it: in NFKC.

    Raises:
        ValueError: it is no object, or has values that are no strings.
    """
    if not all(isinstance(each, str) for each in value.values()):
        raise ValueError("an object whose values are strings")
    return {old: normalize("NFKC", new) for old, new in value.items()}


def comparison_content(comparison: Comparison) -> Json:
    """Returns in what way two values of a variable differ."""
    return {
        "aspects": [asdict(each) for each in comparison.aspects],
        "cells": [asdict(each) for each in comparison.cells],
        "note": comparison.note,
    }


def moment(timestamp: float) -> str:
    """Returns a time as ISO 8601 in UTC. A number that is no time (a store may be hostile) becomes 1970."""
    try:
        return datetime.fromtimestamp(timestamp, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, timezone.utc).isoformat()


def sendable(value: Any) -> Any:
    """Returns a value that JSON can hold: lone surrogates are escaped, numbers that are not finite become null."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {sendable(key): sendable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [sendable(each) for each in value]
    return value
