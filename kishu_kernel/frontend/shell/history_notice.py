"""The notice that a new kernel shows once, where its notebook has a history: what there is, and how to resume it.

Law: nothing is brought back unless the user asks for it.
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from itertools import islice

from kishu_kernel.history.graph import ancestry, state_at
from kishu_kernel.model import Checkpoint
from kishu_kernel.model.amounts import ago, counted, size
from kishu_kernel.session.checkpointing import KERNEL_ENDED
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.catalog.assignment import StoreAssignment
from kishu_kernel.store.write_behind.placeholders import is_unwritten

Commands = tuple[tuple[str, str], ...]
"""Commands, each with what it does."""

MAX_CHECKPOINTS = 1000
"""Checkpoints that are read to say how much there is; where there are more, it is not said."""

MAX_NAMES = 10
"""Variables that a sentence names at most."""

_LOG = ("%kishu log --all", "lists the cells that were run")


def notice(
    timeline: Timeline, place: StoreAssignment | None = None, now: float | None = None
) -> Mapping[str, str] | None:
    """Returns the notice as a mimebundle; None where there is nothing to say. O(checkpoints), bounded.

    Args:
        timeline: of the new session.
        place: how the store was found.
        now: seconds of the epoch; None: the present time.
    """
    earlier = timeline.other_heads()
    if earlier:
        return _bundle(*_of_earlier(timeline, earlier, place, time.time() if now is None else now))
    if place is not None and place.resembles is not None:
        command = f"%kishu attach {place.resembles.name}"
        return _bundle(
            "This notebook looks like a copy of one that has a history.", ((command, "gives it the same history"),)
        )
    return None


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
    if names and timeline.await_handed_over(0):
        sentences.append(
            f"Its kernel ended before {_listed(sorted(names))} {'was' if len(names) == 1 else 'were'} written: "
            "resuming re-runs the cells that made them, where that gives them back."
        )
    elif names:
        verb = "is" if len(names) == 1 else "are"
        sentences.append(f"{_listed(sorted(names))} {verb} still being written: resuming waits for that.")
    return " ".join(sentences) or None


def _listed(names: list[str]) -> str:
    shown = names[:MAX_NAMES] + ([f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else [])
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _of_earlier(
    timeline: Timeline, earlier: list[Checkpoint], place: StoreAssignment | None, now: float
) -> tuple[str, Commands]:
    last = timeline.resumable() or earlier[0]
    others = [each for each in earlier if each.id != last.id]
    text = f"This notebook has a history: its last session ended {ago(now - last.timestamp)}{_extent(timeline, last)}"
    text += f", and there {'was one' if len(others) == 1 else f'were {len(others)}'} before it." if others else "."
    if place is not None and place.previous:
        text += f" The notebook was called {place.previous} then."
    if unwritten := unwritten_work(timeline, last):
        text += f" {unwritten}"
    if not last.trusted:
        text += " Nothing shows that you wrote that history, so you can read it but not resume it."
        return text, (_LOG, _trust_command(place))
    return text, (("%kishu resume", "brings its variables back"), _LOG)


def _trust_command(place: StoreAssignment | None) -> tuple[str, str]:
    return f"jupyter kishu trust {place.path.name if place else 'STORE'}", "in a terminal, accepts it as yours"


def _bundle(text: str, commands: Commands) -> Mapping[str, str]:
    width = max(len(command) for command, _ in commands)
    plain = f"[kishu] {text}\n" + "\n".join(f"        {command:{width}}  {what}" for command, what in commands)
    rows = "".join(
        f'<div><code style="font-weight: 600">{html.escape(command)}</code>&ensp;{html.escape(what)}</div>'
        for command, what in commands
    )
    return {
        "text/plain": plain,
        "text/html": (
            '<div style="border-left: 3px solid #7c6ae0; padding: 1px 12px; margin: 4px 0; line-height: 1.55">'
            f"{html.escape(text)}{rows}</div>"
        ),
    }


def _extent(timeline: Timeline, last: Checkpoint) -> str:
    """Says how much there would be to bring back."""
    text = f" after In[{last.execution_count}]" if last.execution_count is not None else ""
    path = list(islice(ancestry(timeline.lookup, last.id), MAX_CHECKPOINTS + 1))
    if len(path) > MAX_CHECKPOINTS:
        return text
    records = [timeline.lookup(made).record(names) for names, made in state_at(timeline.lookup, last.id).items()]
    variables = sum(len(record.names) for record in records)
    return f"{text}, with {counted(variables, 'variable')} ({size(sum(each.size for each in records))})"
