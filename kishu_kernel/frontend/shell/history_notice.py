"""The notice that a new kernel shows once, where its notebook has a history: what there is, and how to resume it.

Law: nothing is brought back unless the user asks for it.
"""

from __future__ import annotations

import html
import time
from collections.abc import Mapping

from kishu_kernel.model import Checkpoint
from kishu_kernel.model.amounts import ago, counted, size
from kishu_kernel.session.ended_session import EndedSession, ended_session
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.catalog.assignment import StoreAssignment

Commands = tuple[tuple[str, str], ...]
"""Commands, each with what it does."""

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
    ended = ended_session(timeline)
    if ended is not None:
        return _bundle(*_of_earlier(ended, timeline.other_heads(), place, time.time() if now is None else now))
    if place is not None and place.resembles is not None:
        command = f"%kishu attach {place.resembles.name}"
        return _bundle(
            "This notebook looks like a copy of one that has a history.", ((command, "gives it the same history"),)
        )
    return None


def _of_earlier(
    ended: EndedSession, earlier: list[Checkpoint], place: StoreAssignment | None, now: float
) -> tuple[str, Commands]:
    last = ended.last
    others = [each for each in earlier if each.id != last.id]
    when = f"{ago(now - last.timestamp)}{_extent(ended)}"
    text = f"This notebook has a history: its last session ended {when}"
    if ended.running:
        text = f"This notebook runs in another kernel, whose last cell was run {when}"
    text += f", and there {'was one' if len(others) == 1 else f'were {len(others)}'} before it." if others else "."
    if place is not None and place.previous:
        text += f" The notebook was called {place.previous} then."
    if ended.unwritten:
        text += f" {ended.unwritten}"
    if not last.trusted:
        text += " Nothing shows that you wrote that history, so you can read it but not resume it."
        return text, (_LOG, _trust_command(place))
    where = "here, too" if ended.running else "back"
    return text, (("%kishu resume", f"brings its variables {where}"), _LOG)


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


def _extent(ended: EndedSession) -> str:
    """Says how much there would be to bring back."""
    text = f" after In[{ended.last.execution_count}]" if ended.last.execution_count is not None else ""
    if ended.variables is None or ended.bytes is None:
        return text
    return f"{text}, with {counted(ended.variables, 'variable')} ({size(ended.bytes)})"
