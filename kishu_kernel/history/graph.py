"""The checkpoint graph (paper 5.1): a forest of checkpoints, each with the delta of one cell run.

Law: these functions take a lookup, never a store. `None` stands for the empty state before any cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Delta, Names, State

UNTRUSTED = "somebody else may have written it: `jupyter kishu trust` accepts this store"
"""Why nothing of a checkpoint is used."""

RESULT = re.compile(r"_[0-9]+\Z")
"""What IPython calls the result of a cell."""

SEVERED = "the record of checkpoint {} was damaged: what was there, and what it made of it, is not known any more"
CUT_SHORT = "what the cell of checkpoint {} did is not known: {}"

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


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not known of a session state.

    Attributes:
        at: the checkpoint that does not say it.
        names: variables that may be there, or be other than what is known of them. Sorted. There may be more.
        vague: of all that is known to be there, too, nobody can say whether it was changed.
    """

    at: CheckpointId
    names: tuple[str, ...]
    reason: str
    vague: bool


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the history knows of a session state (Definition 5).

    Attributes:
        versions: each co-variable with the checkpoint that made it.
        gap: what it does not know; None where `versions` is all.
    """

    versions: dict[Names, CheckpointId]
    gap: Gap | None

    def lacks(self, names: Collection[str]) -> bool:
        """Whether it is not known what some of these were."""
        if self.gap is None or not names:
            return False
        return self.gap.vague or not set(names) <= {name for each in self.versions for name in each}


def state_at(lookup: Lookup, at: CheckpointId | None) -> dict[Names, CheckpointId]:
    """The session state at a checkpoint, as far as it is known: each co-variable with the checkpoint that made it.

    O(checkpoints on the way to the root). A co-variable is always superseded whole: where one of its names
    is touched by a later delta, all of them are.
    """
    state: dict[Names, CheckpointId] = {}
    settled: set[str] = set()
    for checkpoint in _telling(lookup, at):
        for record in checkpoint.versions:
            if settled.isdisjoint(record.names):
                state[record.names] = checkpoint.id
        settled |= _settled_by(checkpoint)
    return state


def known_state_at(lookup: Lookup, at: CheckpointId | None) -> KnownState:
    """The session state at a checkpoint, and what is not known of it. O(checkpoints on the way to the root)."""
    state = state_at(lookup, at)
    return KnownState(state, _gap(lookup, at, state))


def severed_at(lookup: Lookup, at: CheckpointId | None) -> CheckpointId | None:
    """The checkpoint on the way to the root before which nothing is known any more, if there is one."""
    return next((each.id for each in ancestry(lookup, at) if each.severed is not None), None)


def is_bare(lookup: Lookup, at: CheckpointId) -> bool:
    """Whether nothing was there but results of cells, for certain. O(checkpoints since something was)."""
    gone: set[str] = set()
    for checkpoint in ancestry(lookup, at):
        made = {name for record in checkpoint.versions for name in record.names}
        if checkpoint.incomplete or checkpoint.severed is not None or any(not RESULT.match(n) for n in made - gone):
            return False
        gone.update(*checkpoint.dropped)
    return True


def _telling(lookup: Lookup, at: CheckpointId | None) -> Iterator[Checkpoint]:
    """The checkpoints whose deltas make up the state at one.

    What an incomplete one should have said is said by the next complete one, which compares with what was before it.
    """
    complete = False
    for checkpoint in ancestry(lookup, at):
        if checkpoint.incomplete and checkpoint.severed is None:
            if complete:
                continue
        else:
            complete = True
        yield checkpoint


def _settled_by(checkpoint: Checkpoint) -> set[str]:
    """Names of which an earlier version is no part of the state after this checkpoint."""
    settled = {name for record in checkpoint.versions for name in record.names}
    settled.update(*checkpoint.dropped)
    if _is_cut_short(checkpoint):
        settled.update(checkpoint.accessed)
    return settled


def _is_cut_short(checkpoint: Checkpoint) -> bool:
    """Whether not even the names are known of what its cell changed."""
    return bool(checkpoint.incomplete) and checkpoint.population is None


def _gap(lookup: Lookup, at: CheckpointId | None, state: State) -> Gap | None:
    if at is None:
        return None
    way = list(_telling(lookup, at))
    source = next((each for each in way if each.severed is not None or _is_cut_short(each)), None)
    there = {name for names in state for name in names}
    if source is None or way[0].population == len(there):  # what is known is certain: it is all, then
        return None
    unsure: set[str] = set()
    settled: set[str] = set()
    for checkpoint in way:
        settled |= _settled_by(checkpoint)
        unsure.update({*checkpoint.inputs, *(checkpoint.severed or ())} - settled)  # what a cell read was there
        if _is_cut_short(checkpoint):
            unsure.update(checkpoint.accessed)
    severed = source.severed is not None
    reason = SEVERED.format(source.id) if severed else CUT_SHORT.format(source.id, source.incomplete)
    return Gap(source.id, tuple(sorted(unsure - there)), reason, not severed and not source.accessed)


def ambient_at(lookup: Lookup, at: CheckpointId | None) -> dict[str, CheckpointId]:
    """For each kind of ambient state the checkpoint that holds what it was at this one.

    O(checkpoints on the way to the root).
    """
    found: dict[str, CheckpointId] = {}
    for checkpoint in _telling(lookup, at):
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
