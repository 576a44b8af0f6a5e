"""What a checkout leaves otherwise than the target was, outside of variables: registrations that libraries hold.

What is known of a library's registries is part of the ambient state, and goes back and forth with it. Of the rest the
record of a cell says that it was found, as a side effect of a kind of its own; here it becomes a sentence of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable

from kishu_kernel.history.effects import REGISTERS
from kishu_kernel.history.graph import Lookup, ancestry, common_ancestor
from kishu_kernel.model import Checkpoint, CheckpointId, SessionId

STAYS = "{} is still registered: what a cell registers there is not taken back."
GONE = "{} is not registered in this kernel: run the cell again where it is needed."
MOST_CELLS = 5
"""Cells that a sentence names, at most."""


def registration_notes(
    lookup: Lookup, here: CheckpointId | None, target: CheckpointId | None, session: SessionId
) -> tuple[str, ...]:
    """Sentences about registrations that a state has and the process has not, or the other way round.

    Args:
        session: that of this process.
    """
    meeting = common_ancestor(lookup, here, target)
    left = [each for each in _path(lookup, here, meeting) if each.session == session]
    entered = [each for each in _path(lookup, target, meeting) if each.session != session]
    sentences = ((STAYS, _told(left)), (GONE, _told(entered)))
    return tuple(sentence.format(told) for sentence, told in sentences if told)


def _path(lookup: Lookup, start: CheckpointId | None, end: CheckpointId | None) -> list[Checkpoint]:
    """The checkpoints from `start` back to `end`, which is none of them. Oldest first."""
    found = []
    for checkpoint in ancestry(lookup, start):
        if checkpoint.id == end:
            break
        found.append(checkpoint)
    return found[::-1]


def _told(checkpoints: Iterable[Checkpoint]) -> str:
    told = []
    for checkpoint in checkpoints:
        effects = [each for each in checkpoint.effects or () if each.startswith(REGISTERS)]
        if effects:
            cell = "a cell" if checkpoint.execution_count is None else f"In[{checkpoint.execution_count}]"
            told.append(f"what {cell} {', '.join(effects)}".replace(REGISTERS, "registered with"))
    more = [f"{len(told) - MOST_CELLS} more"] if len(told) > MOST_CELLS else []
    text = "; ".join([*told[:MOST_CELLS], *more])
    return text[:1].upper() + text[1:]
