"""The question that is asked before a checkout re-runs cells with side effects, and its answers.

One of these is to go there without what only such a re-run gives. What that is says a plan of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kishu_kernel.frontend.pages.wording import (
    Reply,
    cell,
    first_line,
    fitted,
    joined,
    lasted,
    lost_names,
    variables_of,
)
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted

WITHOUT: Mapping[str, Any] = {"replay": "harmless", "allow_lost": True}
"""What a request says that leaves out what only a re-run with side effects gives."""

OPTIONS = (
    ("Ask with allow_lost to", "Add --allow-lost to"),
    ('Ask with replay "auto" to', "Add --yes to"),
    ('with replay "harmless" and allow_lost to', "--without to"),
)
"""What sentences of error replies say of the request, and the options of a command line that stand for it."""


class Question:
    """What a person is asked about a plan.

    Args:
        plan: of a reply.
        without: the plan of the same request with `WITHOUT`; None: that is not offered.
    """

    def __init__(self, plan: Reply, without: Reply | None = None) -> None:
        self._plan = plan
        self._without = without if without is not None and plan["replay"] and without["lost"] else None

    @property
    def consequences(self) -> str:
        """The cells to re-run, with what they make, their side effects and their cost."""
        steps = self._plan["replay"]
        if not steps:
            return "Going there re-runs no cell."
        lines = [f"Going there re-runs {counted(len(steps), 'cell')}{_cost(steps)}:"]
        for step in steps:
            effects = ", ".join(map(printable, step["side_effects"]))
            details = f"took {lasted(step['seconds'])} when it first ran" + (f"; {effects}" if effects else "")
            lines.append(f"  {made_by(step)}: {fitted(first_line(step['code']), 60)}  ({details})")
        return "\n".join(lines)

    @property
    def text(self) -> str:
        """What is to be answered."""
        steps = self._plan["replay"]
        ask = "Go there?" if not steps else "Re-run it?" if len(steps) == 1 else "Re-run them?"
        if self._without is None:
            return f"{ask} [y/N] "
        return f"{ask} [y]es, [w]ithout {joined(lost_names(self._without), 4)}, or [N]o: "

    def accepted(self, answer: str) -> tuple[Mapping[str, Any], Reply] | None:
        """What the request says after this answer, and the plan that was accepted; None: nothing is to be done."""
        word = answer.strip().lower()
        if word in ("y", "yes"):
            return {"replay": "auto"}, self._plan
        if self._without is not None and word in ("w", "without"):
            return WITHOUT, self._without
        return None


def made_by(step: Reply) -> str:
    """Returns `In[9] makes con and g`.

    Args:
        step: of `plan.replay`.
    """
    names = variables_of(step.get("gives", ()))
    return cell(step) + (f" makes {joined(names)}" if names else "")


def with_options(sentence: str, options: Sequence[tuple[str, str]] = OPTIONS) -> str:
    """Returns the sentence of an error reply, with what a caller can add in the place of what a request has."""
    for parameter, option in options:
        sentence = sentence.replace(parameter, option)
    return sentence


def _cost(steps: Sequence[Reply]) -> str:
    seconds = sum(step["seconds"] for step in steps)
    return f" (about {lasted(seconds)})" if seconds >= 1 else ""
