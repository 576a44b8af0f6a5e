"""What one checkout asks for, the plans that it leads to, and whether it accepts them.

Law: nothing is done that was not accepted. That is a plan, not the request: what was shown to a person, or the first
plan that the request leads to. Cells with side effects that only a later plan has are asked about again.
Neighbours: `history.plan` makes plans, `restore` carries them out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kishu_kernel.ambient.values import Move
from kishu_kernel.detect.sequence_cache import CheckoutReuse
from kishu_kernel.errors import LostError, PlanChangedError, SideEffectsError
from kishu_kernel.history.graph import Lookup
from kishu_kernel.history.plan import make_plan
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Lost,
    Plan,
    ReplayMode,
    ReplayStep,
    Selection,
    ShownPlan,
    State,
    Version,
)
from kishu_kernel.model.amounts import counted
from kishu_kernel.model.dataclass import dataclass, field, replace
from kishu_kernel.session.in_place import InPlace
from kishu_kernel.session.progress import ProgressReporter
from kishu_kernel.session.timeline import Timeline


@dataclass
class UnloadableError(Exception):
    """A version did not load."""

    version: Version
    reason: str
    trusted: bool


@dataclass
class LoadFailures:
    """What turned out to be unloadable, in the place of the session where that was asked for.

    A plan that was refused because of it is asked for again: the next one must say what this one found out, and what it
    says is what is then accepted. The loads are tried again all the same: what they lacked may have been installed.

    Attributes:
        asked: HEAD and the target.
        unloadable: versions whose load failed, and why.
        untrusted: checkpoints whose payloads turned out to be forged.
    """

    asked: tuple[CheckpointId | None, CheckpointId | None] | None = None
    unloadable: dict[Version, str] = field(default_factory=dict)
    untrusted: set[CheckpointId] = field(default_factory=set)

    def retried(self) -> LoadFailures:
        """What need not be tried again: a forged payload stays one."""
        forged = {version: why for version, why in self.unloadable.items() if version.checkpoint in self.untrusted}
        return LoadFailures(self.asked, forged, set(self.untrusted))

    def note(self, failed: UnloadableError) -> None:
        """A load has failed."""
        self.unloadable[failed.version] = failed.reason
        if not failed.trusted:
            self.untrusted.add(failed.version.checkpoint)


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """What one checkout asks for; the arguments are those of `Restorer.obtain`."""

    timeline: Timeline
    here: State
    target: CheckpointId | None
    replay: ReplayMode
    ambient: Move
    allow_lost: bool
    progress: ProgressReporter
    reuse: CheckoutReuse
    shown: ShownPlan | None = None
    in_place: InPlace | None = None
    selection: Selection | None = None

    def plan(self, failures: LoadFailures, unobtainable: Mapping[Version, str]) -> Plan:
        """The plan, given what has failed so far."""
        lookup = _distrusting(self.timeline.lookup, failures.untrusted)
        plan = make_plan(lookup, self.here, self.target, self.replay, failures.unloadable, unobtainable, self.selection)
        ambient = self.ambient
        return replace(plan, ambient=tuple(sorted(ambient.values)), lost=(*plan.lost, *ambient.lost))

    def accepted(self, plan: Plan) -> set[CheckpointId]:
        """The cells with side effects that may be re-run.

        Args:
            plan: the first one, which counts as shown where the request does not say what was.
        """
        if self.replay != "auto":
            return set()
        return set(self.shown.replay) if self.shown else {step.checkpoint for step in plan.with_side_effects}

    def check(self, plan: Plan, accepted: Collection[CheckpointId]) -> None:
        """Whether the request accepts the plan.

        Args:
            accepted: the cells with side effects that may be re-run.

        Raises:
            PlanChangedError: it is not what was shown.
            LostError: versions are lost, and may not be.
            SideEffectsError: another cell would be re-run.
        """
        if self.shown is not None and plan.target != self.shown.target:
            raise PlanChangedError(_ELSEWHERE, plan)
        if plan.lost and not self.allow_lost:
            raise LostError(_lost_sentence(plan, self.selection), plan)
        if any(step.checkpoint not in accepted for step in plan.with_side_effects):
            raise SideEffectsError(_effects_sentence(plan, self.selection), plan)
        if self.shown is not None and (
            new := [each for each in plan.replay if each.checkpoint not in self.shown.replay]
        ):
            raise PlanChangedError(_also_sentence(new), plan)


def _distrusting(lookup: Lookup, untrusted: Collection[CheckpointId]) -> Lookup:
    """The history, in which these checkpoints are not trusted either: their payloads turned out to be forged."""

    def distrusting(id: CheckpointId) -> Checkpoint:
        checkpoint = lookup(id)
        return replace(checkpoint, trusted=False) if id in untrusted else checkpoint

    return distrusting


_MAX_CELLS = 3
"""Cells that a sentence names, at most."""
_LINE = 60
"""Characters of a cell's line, at most."""
_ELSEWHERE = (
    "a cell has run since the plan was shown, and this leads to another state: look at the new plan, and ask again"
)
_WITHOUT = "Ask with allow_lost to go there without them"


def _lost_sentence(plan: Plan, selection: Selection | None) -> str:
    if selection is not None:
        return f"this cannot be taken: {_reasons(plan.lost)}. Ask with allow_lost to take the rest"
    return f"this state cannot be brought back completely: {_reasons(plan.lost)}. {_WITHOUT}"


def _also_sentence(new: Sequence[ReplayStep]) -> str:
    told = "; ".join(f"`{_first_line(step)}`" for step in new[:_MAX_CELLS])
    more = f"; and {len(new) - _MAX_CELLS} more" if len(new) > _MAX_CELLS else ""
    return f"going there now also re-runs {told}{more}: look at the new plan, and ask again"


def _effects_sentence(plan: Plan, selection: Selection | None) -> str:
    steps = plan.with_side_effects
    told = "; ".join(f"{_called(step)} {', '.join(step.side_effects)}" for step in steps[:_MAX_CELLS])
    more = f"; and {len(steps) - _MAX_CELLS} more" if len(steps) > _MAX_CELLS else ""
    cells = counted(len(plan.replay), "cell")
    what = "going there" if selection is None else "taking this"
    allow = 'Ask with replay "auto" to allow it'
    allow += "" if selection else ', or with replay "harmless" and allow_lost to go there without what only that gives'
    return f"{what} re-runs {cells}, with side effects: {told}{more}. {allow}"


def _called(step: ReplayStep) -> str:
    number = "" if step.execution_count is None else f"In[{step.execution_count}] "
    return f"{number}`{_first_line(step)}`"


def _first_line(step: ReplayStep) -> str:
    lines = [line.strip() for line in step.code.splitlines()]
    line = next((line for line in lines if line and not line.startswith("#")), "")
    return line if len(line) <= _LINE else f"{line[: _LINE - 3]}..."


def failed_sentence(reasons: Mapping[Version, str]) -> str:
    """What re-runs did not give back, as a sentence.

    The reasons are about cells; several versions can come from one.
    """
    told = "; ".join(dict.fromkeys(reasons.values()))
    names = ", ".join(name for version in reasons for name in version.names)
    return f"{told}: {names} cannot be brought back. {_WITHOUT}"


def _reasons(lost: Sequence[Lost]) -> str:
    """Each reason once, after the names that it is about."""
    names: dict[str, list[str]] = {}
    for each in lost:
        names.setdefault(each.reason, []).extend(each.version.names or ("other variables",))
    return "; ".join(f"{', '.join(of)} ({reason})" for reason, of in names.items())
