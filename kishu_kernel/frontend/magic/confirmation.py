"""The question that is asked before a checkout re-runs cells with side effects."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.wording import Reply, first_line, fitted, lasted
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted


def prompt(steps: Sequence[Reply]) -> str:
    """Returns the cells to re-run, and the question.

    Args:
        steps: `plan.replay` of a reply.
    """
    lines = [f"Going there re-runs {counted(len(steps), 'cell')}{_cost(steps)}:"]
    for step in steps:
        effects = ", ".join(map(printable, step["side_effects"]))
        details = f"took {lasted(step['seconds'])} when it first ran" + (f"; {effects}" if effects else "")
        lines.append(f"  {fitted(first_line(step['code']), 60)}  ({details})")
    return "\n".join([*lines, "Re-run them? [y/N] "])


def refusal(steps: Sequence[Reply]) -> str:
    """Returns the sentence to show where the question cannot be asked."""
    first = next(step for step in steps if step["side_effects"])
    effects = ", ".join(map(printable, first["side_effects"]))
    return (
        f"going there re-runs {counted(len(steps), 'cell')}{_cost(steps)}, and "
        f"`{fitted(first_line(first['code']), 60)}` {effects}: add --yes to allow it, or --dry-run to see the plan"
    )


def _cost(steps: Sequence[Reply]) -> str:
    seconds = sum(step["seconds"] for step in steps)
    return f" (about {lasted(seconds)})" if seconds >= 1 else ""
