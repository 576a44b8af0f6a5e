"""What a checkout will do, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.model.identity import CheckpointId, Version

ReplayMode = Literal["auto", "ask", "harmless", "annotated", "never"]
"""Which cells a checkout may re-run: all; all, but a plan with side effects is refused, lest nobody was asked; those
that have no side effects; those of them that call themselves deterministic; none."""


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A version that a checkout loads.

    Attributes:
        size: in bytes.
        classes: tokens of classes that it refers to -> the names that these are bound to in the state that is made.
    """

    version: Version
    size: int
    classes: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """A cell that a checkout re-runs.

    Attributes:
        seconds: how long it took when it first ran.
        gives: the versions that are taken from what it leaves.
        loads: inputs that are loaded from the store, unless an earlier step has left them as they were; and handles
            that stay (`VersionRecord.unnamed`), which are read as they are.
        takes: its other inputs, which earlier steps give.
        in_between: those of `gives` that are for later steps only.
        side_effects: what re-running it may do to the world, a phrase each.
        execution_count: by which people know the cell; None where it was none of a notebook.
    """

    checkpoint: CheckpointId
    code: str
    seconds: float
    gives: tuple[Version, ...]
    loads: tuple[LoadStep, ...] = ()
    takes: tuple[Version, ...] = ()
    in_between: tuple[Version, ...] = ()
    side_effects: tuple[str, ...] = ()
    execution_count: int | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A version of the target that cannot be brought back.

    Attributes:
        version: without names it stands for variables whose names are unknown, too.
        reason: a clause for a person.
    """

    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Some variables of a state, where nothing else of it is wanted.

    Attributes:
        names: as they are called there.
        copies: those of them that are wanted under other names, as copies that share nothing -> these names.
    """

    names: tuple[str, ...]
    copies: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkout will do. It is made first, can be shown, and is then applied.

    Attributes:
        target: None stands for the empty state before the first cell.
        keep: versions that the present state and the target share; their objects are not touched.
        load: versions to load from the store.
        delete: names to unbind. Sorted.
        replay: cells to re-run, in this order.
        ambient: kinds of state outside the namespace that will be set. Sorted.
        lost: versions of the target that will be missing.
        notes: sentences about what will be otherwise than it was, outside of variables, and cannot be helped.
    """

    target: CheckpointId | None
    keep: tuple[Version, ...]
    load: tuple[LoadStep, ...]
    delete: tuple[str, ...]
    replay: tuple[ReplayStep, ...]
    lost: tuple[Lost, ...]
    ambient: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def with_side_effects(self) -> tuple[ReplayStep, ...]:
        """The re-runs that may do something to the world."""
        return tuple(step for step in self.replay if step.side_effects)


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """What somebody who saw a plan has seen of it. No more is to be done.

    Attributes:
        target: where it leads.
        replay: the cells that it re-runs.
    """

    target: CheckpointId | None
    replay: frozenset[CheckpointId]


@dataclass(frozen=True, slots=True)
class CheckoutOptions:
    """How to check out a state.

    Attributes:
        dry_run: only make the plan.
        replay: which cells may be re-run.
        allow_lost: go there even if some variables cannot be brought back.
        shown: the plan that somebody saw; None: nobody has seen one.
    """

    dry_run: bool = False
    replay: ReplayMode = "ask"
    allow_lost: bool = False
    shown: ShownPlan | None = None


class HowToTravel(TypedDict, total=False):
    """The fields of `CheckoutOptions`, as arguments."""

    dry_run: bool
    replay: ReplayMode
    allow_lost: bool
    shown: ShownPlan | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a checkout did, or would do.

    Attributes:
        head: where the session stands afterwards.
        previous: where it stood before.
        applied: false for a dry run.
        seconds: how long all of it took.
    """

    head: CheckpointId | None
    previous: CheckpointId | None
    plan: Plan
    applied: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Taking:
    """What it did to take some variables of another state, or would do.

    Attributes:
        taken: those that were asked for and are there now, as they are called in the other state.
        along: names that came with them, since they share objects with them.
    """

    outcome: Outcome
    taken: tuple[str, ...]
    along: tuple[str, ...]
