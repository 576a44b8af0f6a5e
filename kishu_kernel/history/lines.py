"""On which line a session goes on from a checkpoint, and which ends would be left without a name. Pure.

A line is the way from a checkpoint without children back to its root. Its branch names it, and moves on with each
checkpoint; a line without a branch is a side line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from kishu_kernel.errors import StoreError
from kishu_kernel.history.graph import Lookup, ancestry
from kishu_kernel.model import CheckpointId

MAIN = "main"
"""The branch on which a notebook's first session works, and every other one that is alone."""

SIDE = "side/"
"""Refs to the ends of side lines, by their ids."""


def branch_at(
    lookup: Lookup, to: CheckpointId | None, branches: Mapping[str, CheckpointId], current: str | None, home: str
) -> str:
    """The branch that the next checkpoint moves, of a session that has gone to a checkpoint.

    Where branches end it is one of them, unless the session has a `home` of its own, beside others that may work on
    these. On states that the present branch has to itself the session stays on it. Everywhere else `home` goes along:
    a name that a person gave to other work stays where it is.

    Args:
        branches: name -> where it ends.
        current: the branch on which the session was; None before the first checkpoint.
        home: the branch on which this session works where nothing else is said.
    """
    ending = sorted(name for name, id in branches.items() if id == to)
    if found := [name for name in (current, home) if name in ending] or (ending if home == MAIN else []):
        return found[0]
    if current is None or current == home or to is None:
        return home
    own = _leads_to(lookup, branches.get(current), to) and not _leads_to(lookup, branches.get(home), to)
    return current if own else home


def left_behind(
    lookup: Lookup, left: Iterable[CheckpointId | None], ends: Collection[CheckpointId | None]
) -> list[CheckpointId]:
    """Those of some checkpoints to which none of the ends leads.

    O(checkpoints) at worst; quick where they are ends themselves.
    """
    nowhere = [id for id in left if id is not None and id not in ends]
    return [id for id in nowhere if not any(_leads_to(lookup, end, id) for end in ends)]


def _leads_to(lookup: Lookup, end: CheckpointId | None, id: CheckpointId) -> bool:
    with suppress(KeyError, StoreError):  # a damaged store: what is not known leads nowhere
        return any(each.id == id for each in ancestry(lookup, end))
    return False
