"""What a new kernel says, once, where a notebook has a history: that there is one, and how to return to it.

Law: nothing is brought back that nobody asked for.
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from itertools import islice

from kishu_kernel.history.graph import ancestry, state_at
from kishu_kernel.model import Checkpoint
from kishu_kernel.model.amounts import ago, counted, size
from kishu_kernel.session.session import CUT_OFF
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.places.finding import Place
from kishu_kernel.store.promise import is_unwritten

Ways = tuple[tuple[str, str], ...]
"""Commands, and what they do."""

FAR = 1000
"""Checkpoints that are looked at to say how much there is; where there are more, it is not said."""


NAMED = 10
"""Variables that a sentence names at most."""


def notice(timeline: Timeline, place: Place | None = None, now: float | None = None) -> Mapping[str, str] | None:
    """What to show as a mimebundle; None where there is nothing to say. O(checkpoints), bounded.

    Args:
        place: how the store was found.
    """
    earlier = timeline.earlier()
    if earlier:
        return _bundle(*_of_earlier(timeline, earlier, place, time.time() if now is None else now))
    if place is not None and place.resembles is not None:
        ways = ((f"%kishu attach {place.resembles.name}", "gives this one the same history"),)
        return _bundle("This notebook looks like a copy of one that has a history.", ways)
    return None


def cut_short(timeline: Timeline, last: Checkpoint) -> str | None:
    """What the session that stood there last could not write before its kernel ended, in a sentence or two."""
    told = []
    way = list(islice(ancestry(timeline.lookup, last.id), FAR))
    if (name := last.execution_count) is not None and last.incomplete == CUT_OFF:
        told.append(f"Its kernel was ended while In[{name}] ran: what that cell did is not stored.")
    state = state_at(timeline.lookup, last.id) if len(way) < FAR else {}
    names = [
        each for names, made in state.items() if is_unwritten(timeline.lookup(made).record(names)) for each in names
    ]
    if names and timeline.await_arrivals(0):
        told.append(
            f"Its kernel ended before {_listed(sorted(names))} {'was' if len(names) == 1 else 'were'} written: "
            "resuming runs the cells again that made them, where that gives them back."
        )
    elif names:
        told.append(
            f"{_listed(sorted(names))} {'is' if len(names) == 1 else 'are'} still being written: resuming waits."
        )
    return " ".join(told) or None


def _listed(names: list[str]) -> str:
    shown = names[:NAMED] + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _of_earlier(timeline: Timeline, earlier: list[Checkpoint], place: Place | None, now: float) -> tuple[str, Ways]:
    last = timeline.resumable() or earlier[0]
    others = [each for each in earlier if each.id != last.id]
    told = f"This notebook has a history: its last session ended {ago(now - last.timestamp)}{_extent(timeline, last)}"
    told += f", and there {'was one' if len(others) == 1 else f'were {len(others)}'} before it." if others else "."
    if place is not None and place.previous:
        told += f" It was called {place.previous} then."
    if short := cut_short(timeline, last):
        told += f" {short}"
    if not last.trusted:
        told += " It cannot be shown that you wrote that history, so it is only to be read."
        return told, (("%kishu log --all", "shows what was done"), _trusting(place))
    return told, (("%kishu resume", "brings its variables back"), ("%kishu log --all", "shows what was done"))


def _trusting(place: Place | None) -> tuple[str, str]:
    return f"jupyter kishu trust {place.path.name if place else 'STORE'}", "in a terminal, accepts it as yours"


def _bundle(told: str, ways: Ways) -> Mapping[str, str]:
    width = max(len(command) for command, _ in ways)
    plain = f"[kishu] {told}\n" + "\n".join(f"        {command:{width}}  {what}" for command, what in ways)
    rows = "".join(
        f'<div><code style="font-weight: 600">{html.escape(command)}</code>&ensp;{html.escape(what)}</div>'
        for command, what in ways
    )
    return {
        "text/plain": plain,
        "text/html": (
            '<div style="border-left: 3px solid #7c6ae0; padding: 1px 12px; margin: 4px 0; line-height: 1.55">'
            f"{html.escape(told)}{rows}</div>"
        ),
    }


def _extent(timeline: Timeline, last: Checkpoint) -> str:
    """How much there would be to bring back."""
    told = f" after In[{last.execution_count}]" if last.execution_count is not None else ""
    way = list(islice(ancestry(timeline.lookup, last.id), FAR + 1))
    if len(way) > FAR:
        return told
    records = [timeline.lookup(made).record(names) for names, made in state_at(timeline.lookup, last.id).items()]
    variables = sum(len(record.names) for record in records)
    return f"{told}, with {counted(variables, 'variable')} ({size(sum(each.size for each in records))})"
