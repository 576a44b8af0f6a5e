"""The checkpoint graph (paper 5.1): a forest of checkpoints, each with the delta of one cell run.

Law: these functions take a lookup, never a store. `None` stands for the empty state before any cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Delta, Names, State, Version
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.model.pattern import pattern

UNTRUSTED = "somebody else may have written it: `jupyter kishu trust` accepts this store, with --key who wrote it"
"""Why nothing of an untrusted checkpoint is used, as a clause."""

RESULT = pattern(r"_[0-9]+\Z")
"""IPython's name for the result of a cell."""

SEVERED = "the record of state {} was damaged: which variables it had, and what its cell changed, is not known any more"
TAKEN_FROM = "the record of the state from which state {} took it was damaged"
UNKNOWN_CHANGES = "what the cell of state {} changed is not known: {}"

Lookup = Callable[[CheckpointId], Checkpoint]
"""Gives a checkpoint. Raises KeyError if there is none."""


def ancestry(lookup: Lookup, start: CheckpointId | None) -> Iterator[Checkpoint]:
    """The checkpoints from `start`, itself included, back to its root.

    Raises:
        KeyError: there is no checkpoint `start`.
        StoreError: a later one is missing, or the parents form a circle.
    """
    at = start
    passed: set[CheckpointId] = set()
    while at is not None:
        if at in passed:
            raise StoreError(f"state {at} is its own ancestor: repair the store with `jupyter kishu fsck --repair`")
        try:
            checkpoint = lookup(at)
        except KeyError:
            if at == start:
                raise
            raise StoreError(
                f"state {at}, on which later ones build, is missing: repair the store with "
                "`jupyter kishu fsck --repair`"
            ) from None
        passed.add(at)
        yield checkpoint
        at = checkpoint.parent


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not known of a session state.

    Attributes:
        at: the checkpoint whose record lacks it.
        names: variables that may exist, or may differ from what is known of them. Sorted. There may be more.
        reason: a clause for a person.
        all_uncertain: every variable of the state may have been changed.
    """

    at: CheckpointId
    names: tuple[str, ...]
    reason: str
    all_uncertain: bool


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the history knows of a session state (Definition 5).

    Attributes:
        versions: each co-variable with the checkpoint that made it.
        gap: what is not known; None if `versions` is complete.
    """

    versions: dict[Names, CheckpointId]
    gap: Gap | None

    def lacks(self, names: Collection[str]) -> bool:
        """Whether the values of some of these variables are not known."""
        if self.gap is None or not names:
            return False
        return self.gap.all_uncertain or not set(names) <= {name for each in self.versions for name in each}


def state_at(lookup: Lookup, at: CheckpointId | None) -> dict[Names, CheckpointId]:
    """The session state at a checkpoint, as far as it is known: each co-variable with the checkpoint that made it.

    O(checkpoints to the root). A co-variable is always superseded as a whole: a later delta that touches one of its
    names touches all of them.
    """
    state: dict[Names, CheckpointId] = {}
    overridden: set[str] = set()
    for checkpoint in _contributing(lookup, at):
        for record in checkpoint.versions:
            if overridden.isdisjoint(record.names):
                state[record.names] = checkpoint.id
        for version in checkpoint.taken:
            if overridden.isdisjoint(version.names) and _is_recorded(lookup, version):
                state[version.names] = version.checkpoint
        overridden |= changed_names(checkpoint)
    return state


def known_state_at(lookup: Lookup, at: CheckpointId | None) -> KnownState:
    """The session state at a checkpoint, and what is not known of it. O(checkpoints to the root)."""
    state = state_at(lookup, at)
    return KnownState(state, _gap(lookup, at, state))


def severed_at(lookup: Lookup, at: CheckpointId | None) -> CheckpointId | None:
    """The nearest ancestor (or `at` itself) before which nothing is known any more; None if there is none."""
    return next((each.id for each in ancestry(lookup, at) if each.severed is not None), None)


def has_no_variables(lookup: Lookup, at: CheckpointId) -> bool:
    """Whether a state certainly has no variables but results of cells. O(checkpoints since it had one)."""
    gone: set[str] = set()
    for checkpoint in ancestry(lookup, at):
        made = {name for names in checkpoint.covariables for name in names}
        if checkpoint.incomplete or checkpoint.severed is not None or any(not RESULT.match(n) for n in made - gone):
            return False
        gone.update(*checkpoint.dropped)
    return True


def _contributing(lookup: Lookup, at: CheckpointId | None) -> Iterator[Checkpoint]:
    """The checkpoints from `at` to the root whose deltas make up the state at it.

    An incomplete one is left out if a complete one follows, which tells its changes, too: it was compared with the
    state before the incomplete one.
    """
    complete = False
    for checkpoint in ancestry(lookup, at):
        if checkpoint.incomplete and checkpoint.severed is None:
            if complete:
                continue
        else:
            complete = True
        yield checkpoint


def changed_names(checkpoint: Checkpoint) -> set[str]:
    """Names whose earlier versions are no part of the state after this checkpoint."""
    overridden = {name for names in checkpoint.covariables for name in names}
    overridden.update(*checkpoint.dropped)
    if _changes_unknown(checkpoint):
        overridden.update(checkpoint.accessed)
    return overridden


def _is_recorded(lookup: Lookup, version: Version) -> bool:
    """Whether the checkpoint that made a version still says so: a record can be damaged."""
    try:
        lookup(version.checkpoint).record(version.names)
    except KeyError:
        return False
    return True


def _changes_unknown(checkpoint: Checkpoint) -> bool:
    """Whether not even the names are known of what its cell changed."""
    return bool(checkpoint.incomplete) and checkpoint.population is None


def _gap(lookup: Lookup, at: CheckpointId | None, state: State) -> Gap | None:
    if at is None:
        return None
    contributing = list(_contributing(lookup, at))
    lacking = {each.id: _lacking(lookup, each) for each in contributing if each.taken}
    source = next(
        (each for each in contributing if each.severed is not None or _changes_unknown(each) or lacking.get(each.id)),
        None,
    )
    there = {name for names in state for name in names}
    if source is None or contributing[0].population == len(there):  # what is known is certain, and it is all
        return None
    unsure: set[str] = set()
    overridden: set[str] = set()
    for checkpoint in contributing:
        unsure |= lacking.get(checkpoint.id, set()) - overridden
        overridden |= changed_names(checkpoint)
        unsure.update({*checkpoint.inputs, *(checkpoint.severed or ())} - overridden)  # what a cell read was there
        if _changes_unknown(checkpoint):
            unsure.update(checkpoint.accessed)
    names = tuple(sorted(unsure - there))
    if source.severed is not None:
        return Gap(source.id, names, SEVERED.format(source.id), False)
    if lacking.get(source.id):
        return Gap(source.id, names, TAKEN_FROM.format(source.id), False)
    return Gap(source.id, names, UNKNOWN_CHANGES.format(source.id, source.incomplete), not source.accessed)


def _lacking(lookup: Lookup, checkpoint: Checkpoint) -> set[str]:
    """Names of what a checkpoint took from others whose records have it no more."""
    return {name for each in checkpoint.taken if not _is_recorded(lookup, each) for name in each.names}


def ambient_at(lookup: Lookup, at: CheckpointId | None) -> dict[str, CheckpointId]:
    """The ambient state at a checkpoint: for each kind the checkpoint that recorded it. O(checkpoints to the root)."""
    found: dict[str, CheckpointId] = {}
    for checkpoint in _contributing(lookup, at):
        for name in checkpoint.ambient:
            found.setdefault(name, checkpoint.id)
    return found


def common_ancestor(lookup: Lookup, one: CheckpointId | None, other: CheckpointId | None) -> CheckpointId | None:
    """The lowest common ancestor of two checkpoints; None where only the empty state is."""
    # In turns, so that the cost is that of the shorter distance, not of the whole history.
    paths = (ancestry(lookup, one), ancestry(lookup, other))
    seen: tuple[set[CheckpointId], set[CheckpointId]] = (set(), set())
    ended = 0
    turn = 0
    while ended < 2:
        checkpoint = next(paths[turn], None)
        if checkpoint is None:
            ended += 1
        else:
            seen[turn].add(checkpoint.id)
            if checkpoint.id in seen[1 - turn]:
                return checkpoint.id
            ended = 0
        turn = 1 - turn
    return None


def state_after(state: State, delta: Delta, made_by: CheckpointId) -> dict[Names, CheckpointId]:
    """The session state after a delta that this checkpoint makes."""
    after = dict(state)
    for names in delta.dropped:
        after.pop(names, None)
    for change in delta.changes:
        after[change.names] = made_by
    for version in delta.taken:
        after[version.names] = version.checkpoint
    return after
