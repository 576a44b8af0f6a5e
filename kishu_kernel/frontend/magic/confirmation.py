"""What is asked before a checkout re-runs cells that may do more than compute."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.wording import Reply, first_line, fitted, lasted
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted


def prompt(steps: Sequence[Reply]) -> str:
    """The plan, and the question."""
    lines = [f"Going there runs {counted(len(steps), 'cell')} again{_cost(steps)}:"]
    for step in steps:
        effects = ", ".join(map(printable, step["side_effects"]))
        told = f"{lasted(step['seconds'])} at first" + (f"; {effects}" if effects else "")
        lines.append(f"  {fitted(first_line(step['code']), 60)}  ({told})")
    return "\n".join([*lines, "Run them again? [y/N] "])


def refusal(steps: Sequence[Reply]) -> str:
    """The sentence where nobody can be asked."""
    first = next(step for step in steps if step["side_effects"])
    effects = ", ".join(map(printable, first["side_effects"]))
    return (
        f"going there runs {counted(len(steps), 'cell')} again{_cost(steps)}, and "
        f"`{fitted(first_line(first['code']), 60)}` {effects}: add --yes to allow it, or --dry-run to see the plan"
    )


def _cost(steps: Sequence[Reply]) -> str:
    seconds = sum(step["seconds"] for step in steps)
    return f" (about {lasted(seconds)})" if seconds >= 1 else ""
