"""What a person is told of a checkout: before it in the plan's notes, and after it, of what is not as it was.

Neighbour: `checkout`, which finds it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from kishu_kernel.history.graph import Lookup, state_at
from kishu_kernel.history.left_out import left_out_notes
from kishu_kernel.history.registered import registration_notes
from kishu_kernel.model import CheckpointId, Delta, Names, Plan, VersionRecord
from kishu_kernel.model.amounts import counted
from kishu_kernel.model.dataclass import replace
from kishu_kernel.session.checkpointing import KERNEL_ENDED
from kishu_kernel.session.edited_modules import edited_notes
from kishu_kernel.session.timeline import Timeline

DIFFERENT = (
    "Re-run, and not the same as before: {}. What their cells do depends on more than variables, random numbers and "
    "settings."
)
AS_IT_IS = "{}: as in the module now, and not as it was in this state: it cannot be stored."
INCOMPLETE = "State {} is incomplete: {}. You are in the state before it, without what its cell changed."
KEPT_WITH_NEXT = "what its cell changed is part of the next state"
CHANGED_BY_DESTRUCTORS = (
    "{}: not as it was in this state. Code that ran as objects of the last state went (a destructor, a generator's "
    "finally) has changed it, and what is stored does not bring it back."
)

NOT_LOOKED_INTO = (
    "{}: perhaps not as it was in this state. Code ran as objects of the last state went (a destructor, a generator's "
    "finally), and whether it has changed this cannot be seen."
)


def with_notes(plan: Plan, here: CheckpointId | None, timeline: Timeline) -> Plan:
    """The plan, and what is to be known of the state to which it leads.

    Args:
        here: the state that the session is in.
    """
    lookup, target = timeline.lookup, plan.target
    registered = registration_notes(lookup, here, target, timeline.session)
    edited = () if target is None else edited_notes(lookup(target), names_at(lookup, target))
    return replace(plan, notes=registered + edited + left_out_notes(loaded_records(plan, lookup)))


def loaded_records(plan: Plan, lookup: Lookup) -> Iterator[VersionRecord]:
    """Of what the plan loads."""
    return (lookup(step.version.checkpoint).record(step.version.names) for step in plan.load)


def names_at(lookup: Lookup, target: CheckpointId | None) -> Iterator[str]:
    """The names that a state has."""
    return (name for names in state_at(lookup, target) for name in names)


def too_few(what: str, there: int, steps: int) -> str:
    """That there are not so many cells to undo, or to redo."""
    only = f"there {'is' if there == 1 else 'are'} only {counted(there, 'cell')} to {what}, not {steps}"
    return only if there else f"there is nothing to {what}"


def tell_differences(
    warn: Callable[[str], None], plan: Plan, rerun: Collection[Names], held_by_modules: Sequence[str]
) -> None:
    """In what that came is not what it was.

    Args:
        rerun: what a re-run made otherwise.
        held_by_modules: names of what stays as it is in a module.
    """
    for note in plan.notes:
        warn(note)
    if rerun:
        warn(DIFFERENT.format(", ".join(dict.fromkeys(name for each in rerun for name in each))))
    if held_by_modules:
        warn(AS_IT_IS.format(", ".join(held_by_modules)))


def tell_incomplete(warn: Callable[[str], None], lookup: Lookup, target: CheckpointId | None) -> None:
    """That the state lacks what its cell changed, if it does."""
    at = lookup(target) if target is not None else None
    if at is not None and at.incomplete and at.severed is None:
        warn(INCOMPLETE.format(target, KERNEL_ENDED if at.incomplete == KERNEL_ENDED else KEPT_WITH_NEXT))


def tell_changed_by_destructors(warn: Callable[[str], None], delta: Delta) -> None:
    """What objects that went have changed in the state that came."""
    warn(CHANGED_BY_DESTRUCTORS.format(", ".join(sorted({*delta.created, *delta.modified, *delta.deleted}))))


def tell_not_looked_into(warn: Callable[[str], None], opaque: Collection[Names]) -> None:
    """What objects that went may have changed, and nobody can compare."""
    if opaque:
        warn(NOT_LOOKED_INTO.format(", ".join(sorted(name for names in opaque for name in names))))
