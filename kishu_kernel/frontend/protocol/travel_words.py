"""What a travel did, in sentences that every frontend shows: which cells were taken back, and where one is now.

An undo goes to the state before, whatever the last cell did. So it says where that cell changed nothing, and which one
made the last change.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile
from typing import Any

from kishu_kernel.frontend.protocol.taken_words import take_content
from kishu_kernel.history.graph import ancestry, common_ancestor
from kishu_kernel.model import Checkpoint, CheckpointId, Outcome
from kishu_kernel.model.amounts import joined
from kishu_kernel.session.namespace import is_result
from kishu_kernel.session.timeline import Timeline

Json = dict[str, Any]

MOST = 1000
"""States that are looked at for the last change, at most."""
_NAMED = 4
"""States that a sentence names, at most."""


def travel_words(
    operation: str, timeline: Timeline, outcome: Outcome, *, resumed: str = "the last session", branch: str = ""
) -> Json:
    """Returns `told`, the sentences, and `undone`, the states that an undo takes back, newest first.

    Args:
        operation: "undo", "redo", "checkout", "promote" or "resume".
        resumed: which session is resumed.
        branch: whose end the state becomes.
    """
    there = outcome.head if outcome.applied else outcome.plan.target
    now = "" if not outcome.applied else f"now {_place(timeline, there)}"
    if operation == "undo":
        undone = _between(timeline, outcome.previous, there)
        verb = "Took back" if outcome.applied else "Would take back"
        told = [_sentence(f"{verb} {_names(undone)}{_unchanged(undone)}", now), *_last_change(timeline, undone, there)]
        return {"told": told, "undone": [_content(each) for each in undone]}
    if operation == "redo":
        verb = "Brought back" if outcome.applied else "Would bring back"
        names = _names(_between(timeline, there, outcome.previous)[::-1])
        return {"told": [_sentence(f"{verb} {names}", now)]}
    if operation == "resume":
        verb = "Brought back" if outcome.applied else "Would bring back"
        return {"told": [_sentence(f"{verb} {resumed}", now)]}
    if operation == "promote":
        how = "goes on" if outcome.applied else "would go on"
        return {"told": [_sentence(f"{branch} {how} from {_place(timeline, there).removeprefix('at ')}", now)]}
    return {"told": [f"N{now[1:]}." if now else f"Would go to {_place(timeline, there).removeprefix('at ')}."]}


def changed_something(each: Checkpoint) -> bool:
    """Whether a state differs from the one before it in more than a result that was only displayed."""
    names = (*each.created, *each.modified, *each.deleted)
    return bool(each.ambient or each.incomplete or [name for name in names if not is_result(name)])


def _sentence(first: str, second: str) -> str:
    return f"{first}: {second}." if second else f"{first}."


def _between(timeline: Timeline, newer: CheckpointId | None, older: CheckpointId | None) -> list[Checkpoint]:
    """Returns the states on the path to one that are not on the path to the other, newest first."""
    ancestor = common_ancestor(timeline.lookup, newer, older)
    return list(takewhile(lambda each: each.id != ancestor, ancestry(timeline.lookup, newer)))


def _place(timeline: Timeline, at: CheckpointId | None) -> str:
    if at is None:
        return "before the first cell"
    checkpoint = timeline.lookup(at)
    is_named = checkpoint.execution_count is not None or take_content(checkpoint.code, None) is not None
    return f"at {_name(checkpoint)}" if is_named else f"at state {at[:8]}"


def _name(each: Checkpoint) -> str:
    if each.execution_count is not None:
        return f"In [{each.execution_count}]"
    if take := take_content(each.code, None):
        taken = ", ".join(take["as"].get(name, name) for name in take["names"])
        return f"the take of {taken} from {take['target'].replace('In[', 'In [')}"
    return "a cell" if each.code else "what had changed between cells"


def _names(states: Sequence[Checkpoint]) -> str:
    """Returns the names of states, oldest last, as in `In [6], In [5] and 7 more`."""
    return joined([_name(each) for each in states], _NAMED) or "nothing"


def _unchanged(undone: Sequence[Checkpoint]) -> str:
    idle = [each for each in undone if not changed_something(each)]
    if not idle:
        return ""
    if len(idle) == len(undone):
        return ", which changed no variable"
    return f" ({_names(idle)} changed no variable)"


def _last_change(timeline: Timeline, undone: Sequence[Checkpoint], there: CheckpointId | None) -> list[str]:
    """Says which state made the last change, where the undo has reached none."""
    if not undone or any(map(changed_something, undone)):
        return []
    for steps, each in enumerate(islice(ancestry(timeline.lookup, there), MOST), 1):
        if changed_something(each):
            how = "one more undo takes" if steps == 1 else f"{steps} more undos take"
            return [f"The last change is that of {_name(each)}: {how} it back."]
    return []


def _content(each: Checkpoint) -> Json:
    return {
        "checkpoint": each.id,
        "execution_count": each.execution_count,
        "code": each.code,
        "changed": changed_something(each),
    }
