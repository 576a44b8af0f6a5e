"""The checkpoint graph (paper 5.1): a forest of checkpoints, each with the delta of one cell run.

Law: these functions take a lookup, never a store. `None` stands for the empty state before any cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Delta, Names, State

UNTRUSTED = "somebody else may have written it: `jupyter kishu trust` accepts this store"
"""Why nothing of a checkpoint is used."""

Lookup = Callable[[CheckpointId], Checkpoint]
"""Gives a checkpoint. KeyError where there is none."""


def ancestry(lookup: Lookup, start: CheckpointId | None) -> Iterator[Checkpoint]:
    """The way from a checkpoint, itself included, to its root.

    Raises:
        KeyError: there is no such checkpoint.
        StoreError: the way is broken, or goes in circles.
    """
    at = start
    passed: set[CheckpointId] = set()
    while at is not None:
        if at in passed:
            raise StoreError(f"checkpoint {at} is its own ancestor: mend the store with `jupyter kishu fsck --repair`")
        try:
            checkpoint = lookup(at)
        except KeyError:
            if at == start:
                raise
            raise StoreError(
                f"checkpoint {at}, which others descend from, is missing: mend the store with "
                "`jupyter kishu fsck --repair`"
            ) from None
        passed.add(at)
        yield checkpoint
        at = checkpoint.parent


def state_at(lookup: Lookup, at: CheckpointId | None) -> dict[Names, CheckpointId]:
    """The session state at a checkpoint (Definition 5): each co-variable with the checkpoint that made it.

    O(checkpoints on the way to the root). A co-variable is always superseded whole: where one of its names
    is touched by a later delta, all of them are.
    """
    state: dict[Names, CheckpointId] = {}
    settled: set[str] = set()
    for checkpoint in ancestry(lookup, at):
        for record in checkpoint.versions:
            if settled.isdisjoint(record.names):
                state[record.names] = checkpoint.id
        for record in checkpoint.versions:
            settled.update(record.names)
        for names in checkpoint.dropped:
            settled.update(names)
    return state


def ambient_at(lookup: Lookup, at: CheckpointId | None) -> dict[str, CheckpointId]:
    """For each kind of ambient state the checkpoint that holds what it was at this one.

    O(checkpoints on the way to the root).
    """
    found: dict[str, CheckpointId] = {}
    for checkpoint in ancestry(lookup, at):
        for name in checkpoint.ambient:
            found.setdefault(name, checkpoint.id)
    return found


def common_ancestor(lookup: Lookup, one: CheckpointId | None, other: CheckpointId | None) -> CheckpointId | None:
    """The lowest common ancestor of two checkpoints; None where only the empty state is."""
    # In turns, so that the cost is that of the shorter distance, not of the whole history.
    ways = (ancestry(lookup, one), ancestry(lookup, other))
    seen: tuple[set[CheckpointId], set[CheckpointId]] = (set(), set())
    ended = 0
    turn = 0
    while ended < 2:
        checkpoint = next(ways[turn], None)
        if checkpoint is None:
            ended += 1
        else:
            seen[turn].add(checkpoint.id)
            if checkpoint.id in seen[1 - turn]:
                return checkpoint.id
            ended = 0
        turn = 1 - turn
    return None


def advanced(state: State, delta: Delta, by: CheckpointId) -> dict[Names, CheckpointId]:
    """The session state after a delta."""
    made = dict.fromkeys((change.names for change in delta.changes), by)
    return {names: at for names, at in state.items() if names not in delta.dropped} | made
