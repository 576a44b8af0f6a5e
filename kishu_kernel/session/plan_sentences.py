"""Why a checkout is refused, in sentences that name the way out.

Neighbour: `restore`, which refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kishu_kernel.model import Lost, Plan, ReplayStep, Version
from kishu_kernel.model.amounts import counted

_MAX_CELLS = 3
"""Cells that a sentence names, at most."""
_LINE = 60
"""Characters of a cell's line, at most."""
_WITHOUT = "Ask with allow_lost to go there without them"


def lost_sentence(plan: Plan) -> str:
    """Why a state cannot be had."""
    return f"this state cannot be brought back completely: {_reasons(plan.lost)}. {_WITHOUT}"


def effects_sentence(plan: Plan) -> str:
    """What re-runs would do to the world."""
    steps = plan.with_side_effects
    told = "; ".join(f"`{_first_line(step)}` {', '.join(step.side_effects)}" for step in steps[:_MAX_CELLS])
    more = f"; and {len(steps) - _MAX_CELLS} more" if len(steps) > _MAX_CELLS else ""
    cells = counted(len(plan.replay), "cell")
    return f'going there re-runs {cells}, with side effects: {told}{more}. Ask with replay "auto" to allow it'


def _first_line(step: ReplayStep) -> str:
    lines = [line.strip() for line in step.code.splitlines()]
    line = next((line for line in lines if line and not line.startswith("#")), "")
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def failed_sentence(reasons: Mapping[Version, str]) -> str:
    """The reasons are about cells; several versions can come from one."""
    told = "; ".join(dict.fromkeys(reasons.values()))
    names = ", ".join(name for version in reasons for name in version.names)
    return f"{told}: {names} cannot be brought back. {_WITHOUT}"


def _reasons(lost: Sequence[Lost]) -> str:
    """Each reason once, after the names that it is about."""
    names: dict[str, list[str]] = {}
    for each in lost:
        names.setdefault(each.reason, []).extend(each.version.names or ("other variables",))
    return "; ".join(f"{', '.join(of)} ({reason})" for reason, of in names.items())
