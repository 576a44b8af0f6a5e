"""What there is to bring back when a notebook has a new kernel: where its last session ended, and how much that left.

Law: it is only looked at; nothing is brought back unless a person asks for it.
Neighbours: `timeline` knows the other sessions; `frontend` offers this to a person.
"""

from __future__ import annotations

from itertools import islice

from kishu_kernel.history.graph import ancestry, has_no_variables, state_at
from kishu_kernel.model import Checkpoint
from kishu_kernel.model.amounts import joined
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.session.checkpointing import KERNEL_ENDED
from kishu_kernel.session.namespace import is_result
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.write_behind.placeholders import is_unwritten

MAX_CHECKPOINTS = 1000
"""Checkpoints that are read to say how much there is; where there are more, it is not said."""

MAX_NAMES = 10
"""Variables that a sentence names at most."""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """Where an earlier session ended.

    Attributes:
        last: its last checkpoint.
        variables: how many there were, results of cells left out; None where that is not said.
        bytes: what they weigh; None where that is not said.
        unwritten: what its kernel could not write before it ended, in words; None if it wrote everything.
        running: it has not ended: another kernel has it, and is at this checkpoint.
    """

    last: Checkpoint
    variables: int | None
    bytes: int | None
    unwritten: str | None
    running: bool = False


def ended_session(timeline: Timeline) -> EndedSession | None:
    """Returns the session that `resume` would go to; None if there is none. O(checkpoints), bounded."""
    last = timeline.resumable()
    if last is None:
        return None
    running = last.id in timeline.running_heads()
    unwritten = None if running else unwritten_work(timeline, last)
    path = list(islice(ancestry(timeline.lookup, last.id), MAX_CHECKPOINTS + 1))
    if len(path) > MAX_CHECKPOINTS:
        return EndedSession(last, None, None, unwritten, running)
    records = [timeline.lookup(made).record(names) for names, made in state_at(timeline.lookup, last.id).items()]
    names = [name for record in records for name in record.names if not is_result(name)]
    return EndedSession(last, len(names), sum(record.size for record in records), unwritten, running)


def begins_empty(timeline: Timeline) -> bool:
    """Whether the session of this timeline has no variables of its own yet, which a resume would take away."""
    return timeline.head is None or has_no_variables(timeline.lookup, timeline.head)


def unwritten_work(timeline: Timeline, last: Checkpoint) -> str | None:
    """Says what a session could not write before its kernel ended; None where it wrote everything.

    Args:
        timeline: of the new session.
        last: the checkpoint that the earlier session ended at.
    """
    sentences = []
    path = list(islice(ancestry(timeline.lookup, last.id), MAX_CHECKPOINTS))
    if (count := last.execution_count) is not None and last.incomplete == KERNEL_ENDED:
        sentences.append(f"Its kernel ended while In[{count}] ran: what that cell did is not stored.")
    state = state_at(timeline.lookup, last.id) if len(path) < MAX_CHECKPOINTS else {}
    names = [
        each for names, made in state.items() if is_unwritten(timeline.lookup(made).record(names)) for each in names
    ]
    told = joined(sorted(names), MAX_NAMES)
    if names and timeline.await_handed_over(0):
        sentences.append(
            f"Its kernel ended before {told} {'was' if len(names) == 1 else 'were'} written: "
            "resuming re-runs the cells that made them, where that gives them back."
        )
    elif names:
        verb = "is" if len(names) == 1 else "are"
        sentences.append(f"{told} {verb} still being written: resuming waits for that.")
    return " ".join(sentences) or None
