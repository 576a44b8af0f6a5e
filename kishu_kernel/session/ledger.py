"""What the history knows of the session: its co-variables and their versions, and how a change becomes a checkpoint.

Law: what was judged is remembered when its checkpoint is taken, and forgotten again if that could not be written.
Neighbours: `session`, which says when; `detect`, `codec` and `timeline`, which are joined here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kishu_kernel.ambient.keeper import AmbientState
from kishu_kernel.errors import StoreError
from kishu_kernel.history.graph import state_after
from kishu_kernel.model import NOTHING, Access, CellRun, Change, Checkpoint, CheckpointId, Delta, Plan, VersionRecord
from kishu_kernel.model.dataclass import replace
from kishu_kernel.model.identity import Digest, Names, State, Version
from kishu_kernel.model.payload import NotStored, Payload
from kishu_kernel.objects.classes import derives, has_active_metaclass
from kishu_kernel.objects.codec.bound_classes import BoundClasses
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.lasting_answers import LastingAnswers
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.session.keep_rules import KeepRules
from kishu_kernel.session.lazy_timeline import LazyTimeline
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.recomputation import Recomputation
from kishu_kernel.session.write_failures import SessionSnapshot, WriteFailures

if TYPE_CHECKING:  # imported for the first checkpoint
    from kishu_kernel.detect.detector import Detector, Judgement
    from kishu_kernel.detect.knowledge import KnownCovariable
    from kishu_kernel.detect.sequence_cache import CheckoutReuse
    from kishu_kernel.detect.walk.result import TokenOf
    from kishu_kernel.session.rerun import RestoredObjects
    from kishu_kernel.session.timeline import Timeline

NOT_APPENDED = CheckpointId("")
"""Stands for a checkpoint that has no id yet."""

Outputs = Sequence[Mapping[str, object]]


class Ledger:
    """Keeps a session's checkpoints, and knows which versions its variables are.

    Args:
        lazy_timeline: the history, opened on first use.
        rules: what is not to be stored.

    Attributes:
        state: the session state at the last checkpoint.
        judged: the co-variables that were compared for it, changed or not.
        ambient: the state outside the namespace.
    """

    def __init__(
        self, names: UserNamespace, table: ReductionTable, lazy_timeline: LazyTimeline, rules: KeepRules
    ) -> None:
        self._names = names
        self._table, self._answers = table, LastingAnswers(table)
        self._lazy_timeline = lazy_timeline
        self._rules = rules
        self._write_failures = WriteFailures()
        self._lazy_timeline.on_written = self._write_failures.drop_snapshot
        self._recomputation = Recomputation()
        self._distrusted: WeakKeyDictionary[type, str] = WeakKeyDictionary()
        """Types whose objects do not come back as they were stored -> why they are not stored."""
        self._lost: tuple[Names, ...] = ()
        """Co-variables that the last checkout could not bring back."""
        self.state: dict[Names, CheckpointId] = {}
        self.judged: frozenset[Names] = frozenset()
        self.ambient = AmbientState(table, lambda: self.timeline.session)

    @cached_property
    def _detector(self) -> Detector:
        from kishu_kernel.detect.detector import Detector

        return Detector(self._table, partial(BoundClasses, self._table), self._names.modules)

    @property
    def timeline(self) -> Timeline:
        """The history. Safe to read from any thread."""
        return self._lazy_timeline.get()

    @property
    def bindings(self) -> tuple[Mapping[Any, Any], ...]:
        """What holds the variables, as in `UserNamespace.bindings`."""
        return self._names.bindings

    @property
    def is_writing(self) -> bool:
        """Something that was taken is not on the disk."""
        return self._lazy_timeline.opened is not None and self._lazy_timeline.opened.store.pending

    # -- what has changed ------------------------------------------------------------------------

    def variables(self) -> Mapping[str, Any]:
        """The user's variables as they are now."""
        return self._names.variables()

    def at_one_moment(self) -> AbstractContextManager[None]:
        """No code of the user's runs while a checkpoint is judged and taken: each class is looked at once."""
        return self._answers.at_one_moment()

    def judge(
        self,
        access: Access,
        variables: Mapping[str, Any],
        outside: Access = NOTHING,
        running: Access = NOTHING,
        contained: bool = False,
    ) -> Judgement:
        """What has changed since the last checkpoint, as in `Detector.judge`."""
        return self._detector.judge(access, variables, outside=outside, running=running, contained=contained)

    def narrow_to_changed(self, outside: Access, variables: Mapping[str, Any]) -> Access:
        """Of what something else than a cell may have touched, what has changed."""
        judgement = self.judge(NOTHING, variables, outside)
        delta = judgement.delta
        if not delta:
            self._detector.adopt(judgement)
            return NOTHING
        names = frozenset(name for each in delta.changes for name in each.names)
        return Access(names.union(*delta.dropped))

    def state_after(self, delta: Delta) -> State:
        """The session state with this delta, as if a checkpoint without an id had made it."""
        return state_after(self.state, delta, NOT_APPENDED)

    def await_buffers(self, access: Access) -> None:
        """Code with this access is about to run: waits until the writer has read the buffers that it may overwrite.

        What the code may free is not kept alive any longer.
        """
        timeline = self._lazy_timeline.opened
        if timeline is None:  # nothing is known yet
            return
        self._detector.release_sequences(access)
        if not timeline.store.in_flight():
            return
        touched = None if access.dynamic else self._detector.names_reached(access)
        timeline.store.wait_until_read(lambda names: touched is None or not touched.isdisjoint(names))

    # -- changes become checkpoints --------------------------------------------------------------

    def take_checkpoint(
        self,
        run: CellRun,
        judgement: Judgement,
        variables: Mapping[str, Any],
        outputs: Outputs = (),
        message: str | None = None,
        contained: bool = False,
    ) -> Checkpoint:
        """Stores what was judged, and remembers it afterwards.

        Args:
            contained: as of `FinishedCell`.

        Raises:
            StoreError: the store takes nothing. Nothing is remembered then.
        """
        from kishu_kernel.session.records import version_records

        delta = judgement.delta
        encoded = [self._encoded(change, judgement, variables) for change in delta.changes]
        told = self._names.modules.told(delta, variables)
        costs = self._recomputation.leave_out(run, delta, encoded, self.state, self._payload_size)
        payloads = [each for each in encoded if isinstance(each, Payload)]
        ambient = self.ambient.records(contained)
        id = self.timeline.new_id()
        after = state_after(self.state, delta, id)
        checkpoint = self._blank(
            run,
            id,
            created=told.created,
            modified=told.modified,
            deleted=told.deleted,
            accessed=delta.accessed,
            inputs=delta.inputs,
            versions=version_records(judgement, encoded, variables, run.code, self._table),
            dropped=(*delta.dropped, *self._lost),
            population=_count_names(after),
            taken=delta.taken,
            aliases=self._names.aliases(),
            ambient=ambient.after,
            ambient_before=ambient.before,
            imported=ambient.imported,
            payload_bytes=sum(payload.size for payload in payloads),
            message=message,
            outputs=tuple(outputs),
        )
        kept = self._append(checkpoint, payloads)

        def remember() -> None:
            self._detector.adopt(judgement)
            self._lost = ()
            self.state = after
            self.judged = frozenset(judgement.known)
            self.ambient.remember(kept.id, ambient)
            self._recomputation.remember(kept.id, costs)

        uninterrupted(remember)
        return kept

    def note_incomplete(self, run: CellRun, reason: str, access: Access) -> Checkpoint:
        """Appends a checkpoint that says that the cell ran and what it may have touched, but not what it did.

        Raises:
            StoreError: the store takes nothing; it is appended before the next checkpoint.
        """
        touched = self._may_have_touched(access)
        id, aliases = self.timeline.new_id(), self._names.aliases()
        incomplete = self._blank(run, id, aliases=aliases, accessed=touched, incomplete=reason)
        try:
            return self._append(incomplete, [])
        except StoreError:
            self._write_failures.add_lost_cell(incomplete)
            raise

    def _blank(self, run: CellRun, id: CheckpointId, **found: Any) -> Checkpoint:
        timeline = self.timeline
        from kishu_kernel.session.records import checkpoint_of

        return checkpoint_of(run, id, timeline.head, timeline.session, **found)

    def _may_have_touched(self, access: Access) -> tuple[str, ...]:
        there = {name for names in self.state for name in names} | self._names.variables().keys()
        if access.dynamic:
            return tuple(sorted(there))
        try:
            reached = self._detector.names_reached(access)
        except (Exception, KeyboardInterrupt):  # what interrupted the checkpoint may do so again
            return tuple(sorted(there))
        return tuple(sorted(there & {*reached, *access.names}))

    def _encoded(self, change: Change, judgement: Judgement, variables: Mapping[str, Any]) -> Payload | NotStored:
        from kishu_kernel.detect.sequence_cache import array_lookup, kept_tuples

        if refusal := self._rules.refusal(change.names, variables) or self._distrust_of(change.names, variables):
            return NotStored(change.names, refusal, self._rules.secret_in(change.names, variables) is not None)
        known, opaque = judgement.known[change.names], judgement.opaque[change.names]
        recognised, kept = array_lookup(known.sequences), kept_tuples(self._detector.sequences_of(known, change.names))
        encoded = encode(change.names, variables, self._table, opaque, recognised, known.requires, kept)
        if isinstance(encoded, NotStored) and (held := self._names.modules.by_reference(change.names, variables)):
            encoded = encode(change.names, held, self._table)
        refusal = self._rules.refusal(change.names, variables, encoded.size) if isinstance(encoded, Payload) else None
        return NotStored(change.names, refusal) if refusal else encoded

    def _distrust_of(self, names: Names, variables: Mapping[str, Any]) -> str | None:
        if not self._distrusted:
            return None
        kinds = [type(variables[name]) for name in names]
        known = (self._distrusted.get(kind) for kind in kinds if not has_active_metaclass(kind))
        return next(filter(None, known), None)

    def _payload_size(self, version: Version) -> int:
        return self.timeline.lookup(version.checkpoint).record(version.names).size

    def _append(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        """Hands a child of the head to the writer; before it, the cells whose checkpoints were lost."""
        first = True
        while self._write_failures.lost_cells:
            self._append_one(self._write_failures.lost_cells[0], ())
            self._write_failures.mark_appended()
            if first:  # to see whether the disk takes anything at all
                self._lazy_timeline.flush()
                self.timeline.store.raise_failure()
            first = False
        return self._append_one(checkpoint, payloads)

    def _append_one(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        self._keep_snapshot_before(checkpoint.id)
        return self.timeline.append(checkpoint, payloads)

    def _keep_snapshot_before(self, id: CheckpointId) -> None:
        timeline = self.timeline
        now = SessionSnapshot(
            timeline.head, timeline.branch, self.state, self._lost, self._detector.snapshot(), self.ambient.known
        )
        self._write_failures.keep_snapshot(id, now, timeline.store.unwritten)

    # -- in think time ---------------------------------------------------------------------------

    def bound_classes(self, variables: Mapping[str, Any]) -> TokenOf | None:
        """The classes that are co-variables of their own, as in `Detector.bound_classes`."""
        return self._detector.bound_classes(variables)

    def doubtful_in(self, names: Names) -> frozenset[type] | None:
        """Types of objects in a co-variable that a trial is for, as in `Detector.doubtful_in`."""
        return self._detector.doubtful_in(names)

    def is_unchanged(
        self, names: Names, variables: Mapping[str, Any], should_stop: Callable[[], bool], *, certain: bool = False
    ) -> bool:
        """Whether a co-variable still is what its version says, as in `Detector.is_unchanged`."""
        return self._detector.is_unchanged(names, variables, should_stop, certain=certain)

    def is_all_known(self, names: Names, digest: Digest, variables: Mapping[str, Any]) -> bool:
        """Whether `is_unchanged` need not look, as in `Detector.is_all_known`."""
        return self._detector.is_all_known(names, digest, variables)

    def accept(self, names: Names, variables: Mapping[str, Any]) -> None:
        """Takes a co-variable as it is now for unchanged, as in `Detector.accept`."""
        self._detector.accept(names, variables)

    def add_to_last_checkpoint(self, names: Names, variables: Mapping[str, Any]) -> None:
        """A co-variable was changed by the last cell, though its code does not show it: extends the cell's checkpoint.

        If that already has a version of a variable in question, the change gets a checkpoint of its own.
        """
        judgement = self.judge(NOTHING, variables, Access(frozenset(names)))
        delta = judgement.delta
        head = self.timeline.head
        if not delta or head is None:
            self._detector.adopt(judgement)
            return
        self._lazy_timeline.flush()  # the checkpoint is written twice, and the writer must not see both at once
        checkpoint = self.timeline.store.checkpoint(head)
        made = {name for names in checkpoint.covariables for name in names}
        if not made.isdisjoint(name for each in delta.changes for name in each.names):
            self.take_checkpoint(CellRun("", None, "ok", time.time(), 0.0), judgement, variables)
            return
        encoded = [self._encoded(change, judgement, variables) for change in delta.changes]
        payloads = [each for each in encoded if isinstance(each, Payload)]
        from kishu_kernel.session.records import extended_checkpoint, version_records

        records = version_records(judgement, encoded, variables, checkpoint.code, self._table)
        told = self._names.modules.told(delta, variables)
        extended = extended_checkpoint(checkpoint, told, records, payloads)
        self._keep_snapshot_before(head)
        self.timeline.add_versions(
            replace(extended, population=_count_names(state_after(self.state, delta, head))), payloads
        )

        def remember() -> None:
            self._detector.adopt(judgement)
            self.state = state_after(self.state, delta, head)

        uninterrupted(remember)

    def mark_audited(self) -> None:
        """All variables have been checked since the last checkpoint: its record says so from now on."""
        if self.timeline.head is not None:
            self.timeline.rewrite_record(replace(self.timeline.lookup(self.timeline.head), audited=True))

    def note_effects(self, id: CheckpointId, phrases: Sequence[str]) -> None:
        """The last cell is found to have had more side effects than were heard: its record says so from now on."""
        checkpoint = self.timeline.lookup(id)
        if id == self.timeline.head and checkpoint.effects is not None:
            effects = tuple(sorted({*checkpoint.effects, *phrases}))
            self.timeline.rewrite_record(replace(checkpoint, effects=effects))

    def distrust(self, version: Version, reason: str, kinds: Iterable[type]) -> None:
        """The payload of a version does not give back what was stored: drops it.

        Args:
            reason: why, as a clause.
            kinds: types of which nothing is stored from now on.
        """
        self.timeline.forget(version, reason)
        self._distrusted.update(dict.fromkeys(kinds, reason))

    # -- what could not be written ---------------------------------------------------------------

    def recover(self) -> StoreError | None:
        """Goes back to before the first checkpoint that could not be written, if there is one.

        The next checkpoint has to compare everything, and so makes up for what was lost.

        Returns:
            Why it could not be written; None if everything could.
        """
        failure = self._lazy_timeline.opened.take_failure() if self._lazy_timeline.opened else None
        if failure is None:
            return None
        before = self._write_failures.take_back(failure.checkpoints, str(failure.error))
        self.timeline.rewind(before.head, before.branch)
        self.state = dict(before.state)
        self._lost = before.lost
        self._detector.restore(before.knowledge)
        self.ambient.known = before.ambient
        return failure.error

    @property
    def has_lost_cells(self) -> bool:
        """Cells ran whose checkpoints were lost, and no checkpoint has made up for it yet."""
        return bool(self._write_failures.lost_cells)

    def has_caught_up(self) -> bool:
        """Whether all that could not be written is on the disk now. True once."""
        return self._lazy_timeline.opened is not None and self._write_failures.has_caught_up(
            self._lazy_timeline.unwritten
        )

    # -- checkout --------------------------------------------------------------------------------

    def sequence_reuse(self) -> CheckoutReuse:
        """The long sequences that the session holds, and a checkout need not make anew."""
        from kishu_kernel.detect.sequence_cache import CheckoutReuse

        return CheckoutReuse(each for known in self._detector.snapshot().known.values() for each in known.sequences)

    def known_of_loaded(self, restored: RestoredObjects, reuse: CheckoutReuse) -> dict[Names, KnownCovariable]:
        """What will be known of these versions when the session has them. Changes nothing."""
        from kishu_kernel.session.records import known_after_loads

        variables = self._names.variables()
        return known_after_loads(restored, self.timeline.lookup, self._table, variables, reuse.loaded_in)

    def differs(self, record: VersionRecord, objects: Mapping[str, Any]) -> bool:
        """Whether these objects have other contents than the version that was recorded."""
        from kishu_kernel.detect.fingerprint import digest_of

        bound = BoundClasses(self._table, self._names.variables()).token_of
        return digest_of(objects, self._table, bound=bound) != record.digest

    def adopt_checkout(
        self, plan: Plan, restored: RestoredObjects, known: Mapping[Names, KnownCovariable], bound: Mapping[str, Any]
    ) -> None:
        """The names are rebound: from now on the session is in the state that the plan leads to.

        Args:
            restored: the objects of all versions that the plan loads or re-runs.
            known: what is known of these versions (`known_of_loaded`).
            bound: the objects of their names.
        """
        kept = {version.names: version.checkpoint for version in plan.keep}
        gone = [names for names in self.state if names not in kept]
        for of_version in known.values():
            self.note_classes(of_version.provides, bound)
        self._detector.apply_checkout(gone, known, bound)
        self.state = kept | {version.names: version.checkpoint for version in restored}
        self._lost = tuple(lost.version.names for lost in plan.lost if lost.version.names)

    def note_classes(self, provides: Mapping[bytes, str], bound: Mapping[str, Any]) -> None:
        """Classes that were loaded, or made by a re-run, have these tokens, and names."""
        for token, name in provides.items():
            if derives(type(bound[name]), type):
                self._table.class_tokens.note_loaded(bound[name], token)


def _count_names(state: State) -> int:
    return sum(map(len, state))
