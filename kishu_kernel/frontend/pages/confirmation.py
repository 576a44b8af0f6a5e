"""The question that is asked before a checkout re-runs cells with side effects."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.wording import Reply, first_line, fitted, lasted
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted


def prompt(steps: Sequence[Reply]) -> str:
    """Returns the cells to re-run, and the question. The argument is that of `consequences`."""
    return f"{consequences(steps)}\n{question(steps)} [y/N] "


def question(steps: Sequence[Reply]) -> str:
    """Returns what is to be answered with yes or no. The argument is that of `consequences`."""
    return "Re-run them?" if steps else "Go there?"


def consequences(steps: Sequence[Reply]) -> str:
    """Returns the cells to re-run, with their side effects and cost.

    Args:
        steps: `plan.replay` of a reply.
    """
    if not steps:
        return "Going there re-runs no cell."
    lines = [f"Going there re-runs {counted(len(steps), 'cell')}{_cost(steps)}:"]
    for step in steps:
        effects = ", ".join(map(printable, step["side_effects"]))
        details = f"took {lasted(step['seconds'])} when it first ran" + (f"; {effects}" if effects else "")
        lines.append(f"  {fitted(first_line(step['code']), 60)}  ({details})")
    return "\n".join(lines)


def with_options(sentence: str) -> str:
    """Returns the sentence of an error reply, with options of a command line in the place of what a request has."""
    for parameter, option in (("allow_lost", "--allow-lost"), ('replay "auto"', "--yes")):
        sentence = sentence.replace(f"Ask with {parameter} to", f"Add {option} to")
    return sentence


def _cost(steps: Sequence[Reply]) -> str:
    seconds = sum(step["seconds"] for step in steps)
    return f" (about {lasted(seconds)})" if seconds >= 1 else ""
