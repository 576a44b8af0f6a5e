"""The session's state as its history knows it: co-variables and their versions, and how a change becomes a checkpoint.

Law: what was judged is remembered when its checkpoint is taken, and forgotten again when that could not be written.
Neighbours: `session`, which says when; `detect`, `codec` and `timeline`, which are joined here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kishu_kernel.ambient.keeper import AmbientState, Move
from kishu_kernel.detect.detector import Detector, Judgement
from kishu_kernel.detect.sequence_cache import SequenceReuse, array_lookup
from kishu_kernel.errors import StoreError
from kishu_kernel.history.graph import advanced
from kishu_kernel.model import (
    Access,
    CellRun,
    Change,
    Checkpoint,
    CheckpointId,
    Delta,
    Names,
    Payload,
    Plan,
    State,
    Version,
)
from kishu_kernel.objects.classes import is_strange
from kishu_kernel.objects.codec.pickling import NotStored, encode
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.interrupts import uninterrupted
from kishu_kernel.session.keep_rules import KeepRules
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.recomputation import Recomputing
from kishu_kernel.session.records import blank_checkpoint, extended, known_again, version_records
from kishu_kernel.session.recovery import Recovery, Standing
from kishu_kernel.session.timeline import Timeline

if TYPE_CHECKING:
    from kishu_kernel.session.restore import Found

UNWRITTEN = CheckpointId("")
"""Stands for a checkpoint that has no id yet."""

Outputs = Sequence[Mapping[str, object]]


class Ledger:
    """Keeps a session's checkpoints, and knows which versions its variables are.

    Args:
        timeline: made on first use, since a frontend may say late which notebook this is.
        rules: what is not to be stored.

    Attributes:
        state: the session state at the last checkpoint.
        ambient: the state outside the namespace.
    """

    def __init__(
        self,
        names: UserNamespace,
        table: ReductionTable,
        timeline: Callable[[], Timeline],
        rules: KeepRules,
    ) -> None:
        self._names = names
        self._table = table
        self._open = timeline
        self._opening = threading.RLock()
        self._timeline: Timeline | None = None
        self._rules = rules
        self._detector = Detector(table)
        self._recovery = Recovery()
        self._recomputing = Recomputing()
        self._distrusted: WeakKeyDictionary[type, str] = WeakKeyDictionary()
        self._missing: tuple[Names, ...] = ()
        self.state: dict[Names, CheckpointId] = {}
        self.ambient = AmbientState(table, lambda: self.timeline.session)

    @property
    def timeline(self) -> Timeline:
        """The history. Safe to read from any thread."""
        if self._timeline is None:
            with self._opening:
                self._timeline = self._timeline or self._open()
                self._timeline.stands = self._recovery.written
        return self._timeline

    # -- changes become checkpoints --------------------------------------------------------------

    def judge(self, access: Access, variables: Mapping[str, Any], outside: Access, running: Access) -> Judgement:
        """What has changed since the last checkpoint, as in `Detector.judge`."""
        return self._detector.judge(access, variables, outside=outside, running=running)

    def sift(self, touched: Access, variables: Mapping[str, Any]) -> Access:
        """Of what may have been touched, what has changed."""
        judgement = self.judge(Access(), variables, touched, Access())
        delta = judgement.delta
        if not delta:
            self._detector.adopt(judgement)
            return Access()
        names = frozenset(name for each in delta.changes for name in each.names)
        return Access(names.union(*delta.dropped))

    def after(self, delta: Delta, by: CheckpointId) -> State:
        """The state with this delta, as if it were that checkpoint's."""
        return advanced(self.state, delta, by)

    def keep(
        self,
        run: CellRun,
        judgement: Judgement,
        variables: Mapping[str, Any],
        outputs: Outputs = (),
        message: str | None = None,
    ) -> Checkpoint:
        """Stores what was judged; only then remembers it."""
        delta = judgement.delta
        encoded = [self._encoded(change, judgement, variables) for change in delta.changes]
        costs = self._recomputing.leave_out(run, delta, encoded, self.state, self._weight)
        payloads = [each for each in encoded if isinstance(each, Payload)]
        ambient = self.ambient.records()
        blank = blank_checkpoint(self.timeline.new_id(), None, self.timeline.session, run)
        checkpoint = replace(
            blank,
            created=delta.created,
            modified=delta.modified,
            deleted=delta.deleted,
            accessed=delta.accessed,
            inputs=delta.inputs,
            versions=version_records(judgement, encoded, variables, run.code),
            dropped=(*delta.dropped, *self._missing),
            population=_population(advanced(self.state, delta, UNWRITTEN)),
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
            self._missing = ()
            self.state = advanced(self.state, delta, kept.id)
            self.ambient.remember(kept.id, ambient)
            self._recomputing.remember(kept.id, costs)

        uninterrupted(remember)
        return kept

    def note_incomplete(self, run: CellRun, reason: str, access: Access) -> Checkpoint:
        """A checkpoint that says that the cell ran, and what it may have touched, and not what it did."""
        blank = blank_checkpoint(self.timeline.new_id(), None, self.timeline.session, run)
        touched = self._may_have_touched(access)
        incomplete = replace(blank, aliases=self._names.aliases(), accessed=touched, incomplete=reason)
        try:
            return self._append(incomplete, [])
        except StoreError:  # later, then
            self._recovery.put_off(incomplete)
            raise

    def _may_have_touched(self, access: Access) -> tuple[str, ...]:
        there = {name for names in self.state for name in names} | self._names.variables().keys()
        if access.dynamic:
            return tuple(sorted(there))
        try:
            reached = self._detector.names_reached(access)
        except (Exception, KeyboardInterrupt):  # what cut the checkpoint short may do so again
            return tuple(sorted(there))
        return tuple(sorted(there & {*reached, *access.names}))

    def _encoded(self, change: Change, judgement: Judgement, variables: Mapping[str, Any]) -> Payload | NotStored:
        refusal = self._rules.refusal(change.names, variables) or self._distrust(change.names, variables)
        if refusal:
            return NotStored(change.names, refusal)
        recognised = array_lookup(judgement.known[change.names].sequences)
        encoded = encode(change.names, variables, self._table, judgement.opaque[change.names], recognised)
        refusal = self._rules.refusal(change.names, variables, encoded.size) if isinstance(encoded, Payload) else None
        return NotStored(change.names, refusal) if refusal else encoded

    def _distrust(self, names: Names, variables: Mapping[str, Any]) -> str | None:
        kinds = (type(variables[name]) for name in names) if self._distrusted else ()
        known = (self._distrusted.get(kind) for kind in kinds if not is_strange(kind))
        return next(filter(None, known), None)

    def _weight(self, version: Version) -> int:
        return self.timeline.lookup(version.checkpoint).record(version.names).size

    def _append(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        """Hands a child of the head to the writer; before it, what is left of those that were lost."""
        alone = True
        while self._recovery.unsaved:
            self._take(self._recovery.unsaved[0], ())
            self._recovery.taken()
            if alone:  # to see whether the disk takes anything at all
                self.flush()
                self.timeline.store.raise_failure()
            alone = False
        return self._take(checkpoint, payloads)

    def _take(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        timeline = self.timeline
        knowledge = self._detector.snapshot()
        before = Standing(timeline.head, timeline.branch, self.state, self._missing, knowledge, self.ambient.known)
        self._recovery.remember(checkpoint.id, before, timeline.store.unwritten())
        return timeline.append(checkpoint, payloads)

    # -- in think time ---------------------------------------------------------------------------

    def same(self, names: Names, variables: Mapping[str, Any], should_stop: Callable[[], bool]) -> bool:
        """Whether a co-variable is what its version says, as in `Detector.is_unchanged`."""
        return self._detector.is_unchanged(names, variables, should_stop)

    def correct(self, names: Names, variables: Mapping[str, Any]) -> None:
        """As in `Detector.accept`."""
        self._detector.accept(names, variables)

    def make_up(self, names: Names, variables: Mapping[str, Any]) -> None:
        """What the last cell changed, though its code does not show it, becomes part of its checkpoint.

        Where the two cannot be put together, it gets a checkpoint of its own.
        """
        judgement = self.judge(Access(), variables, Access(frozenset(names)), Access())
        delta = judgement.delta
        head = self.timeline.head
        if not delta or head is None:
            self._detector.adopt(judgement)
            return
        self.flush()  # what is written twice is to be written in its order
        checkpoint = self.timeline.store.checkpoint(head)
        made = {name for record in checkpoint.versions for name in record.names}
        if not made.isdisjoint(name for each in delta.changes for name in each.names):
            self.keep(CellRun("", None, "ok", time.time(), 0.0), judgement, variables)
            return
        encoded = [self._encoded(change, judgement, variables) for change in delta.changes]
        payloads = [each for each in encoded if isinstance(each, Payload)]
        records = version_records(judgement, encoded, variables, checkpoint.code)
        population = _population(advanced(self.state, delta, head))
        self._extend(replace(extended(checkpoint, delta, records, payloads), population=population), payloads)

        def remember() -> None:
            self._detector.adopt(judgement)
            self.state = advanced(self.state, delta, head)

        uninterrupted(remember)

    def audited(self) -> None:
        """All variables have been looked at since the last checkpoint."""
        if self.timeline.head is not None:
            self.timeline.amend(replace(self.timeline.lookup(self.timeline.head), audited=True))

    def distrust(self, version: Version, reason: str, kinds: Iterable[type]) -> None:
        """The payload of a version is not what the version was: it is for replay, as all of these types are."""
        self.timeline.forget(version, reason)
        self._distrusted.update(dict.fromkeys(kinds, reason))

    def _extend(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> None:
        timeline = self.timeline
        knowledge = self._detector.snapshot()
        before = Standing(timeline.head, timeline.branch, self.state, self._missing, knowledge, self.ambient.known)
        self._recovery.remember(checkpoint.id, before, timeline.store.unwritten())
        timeline.extend(checkpoint, payloads)

    # -- the writer ------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> None:
        """Waits until what was taken is written, or known to be lost."""
        if self._timeline is not None:
            self._timeline.store.flush(timeout)

    def flush_within(self, seconds: float | None) -> frozenset[CheckpointId]:
        """As `flush`. Returns the checkpoints of which not everything is written."""
        self.flush(seconds)
        return frozenset() if self._timeline is None else self._timeline.store.unwritten()

    @property
    def waiting_bytes(self) -> int:
        """What was taken and is not written."""
        return 0 if self._timeline is None else self._timeline.store.waiting_bytes

    def hasten_writing(self) -> None:
        """The process ends: what is worth most is written first."""
        if self._timeline is not None:
            self._timeline.store.prepare_to_end()

    def hand_over(self, key: Path | None, patience: float, seconds: float) -> bool:
        """Gives what waits for the writer to a process that outlives this one.

        Args:
            key: the file of the key that marks what is written; None: nothing can be marked elsewhere.
            patience: seconds to wait for the records of it.
            seconds: that the other process has.

        Returns:
            Whether nothing waits any more.
        """
        if self._timeline is None:
            return True
        from kishu_kernel.store.write_behind.handover import hand_over

        store, path = self._timeline.store, self._timeline.store.statistics().path
        if path is None or key is None:
            return not store.pending
        return store.hand_over(lambda jobs: hand_over(jobs, Path(path), key, seconds), patience)

    def wait_until_read(self, access: Access) -> None:
        """Waits until what this may overwrite has been read by the writer. What it may free is free to go."""
        self._detector.release_sequences(access)
        if self._timeline is None or not self._timeline.store.in_flight():
            return
        touched = None if access.dynamic else self._detector.names_reached(access)
        self._timeline.store.wait_until_read(lambda names: touched is None or not touched.isdisjoint(names))

    def recover(self) -> StoreError | None:
        """Stands where it stood before what could not be written, if anything could not: then why.

        The next checkpoint is to make up for it: everything may have changed.
        """
        failure = self._timeline.take_failure() if self._timeline else None
        if failure is None:
            return None
        before = self._recovery.way_back(failure.checkpoints, str(failure.error))
        self.timeline.rewind(before.head, before.branch)
        self.state = dict(before.state)
        self._missing = before.missing
        self._detector.restore(before.knowledge)
        self.ambient.known = before.ambient
        return failure.error

    @property
    def behind(self) -> bool:
        """Cells ran whose checkpoints were lost, and that was not made up for yet."""
        return bool(self._recovery.unsaved)

    def made_up(self) -> bool:
        """Whether what could not be written has just been made up for. True once."""
        return self._timeline is not None and self._recovery.over(self._timeline.store.unwritten())

    def news(self) -> Iterator[str]:
        """Sentences for the user about what was done in the background, each once."""
        while self._timeline is not None and self._timeline.news:
            yield self._timeline.news.popleft()

    def let_go(self) -> bool:
        """Closes the store if nothing was taken for it; the next one who asks for the timeline opens it."""
        with self._opening:
            if self._timeline is not None and not self._timeline.used:
                self._timeline.store.close()
                self._timeline = None
            return self._timeline is None

    def close(self) -> None:
        """Writes what was taken. The history stays."""
        if self._timeline is not None:
            self._timeline.store.close()

    # -- travel ----------------------------------------------------------------------------------

    def sequence_reuse(self) -> SequenceReuse:
        """What the session holds that a checkout need not make anew."""
        return SequenceReuse(each for known in self._detector.snapshot().known.values() for each in known.sequences)

    def arrive(self, plan: Plan, found: Found, ambient: Move, branch: str | None, reuse: SequenceReuse) -> None:
        """Rebinds the names that differ, and sets what differs outside the namespace.

        The head moves last; if anything fails, nothing has moved.
        """
        timeline = self.timeline
        bind = {name: obj for objects in found.values() for name, obj in objects.items()}
        kept = {version.names: version.checkpoint for version in plan.keep}
        gone = [names for names in self.state if names not in kept]
        unbind = {name for names in gone for name in names} - bind.keys()
        known = {
            version.names: known_again(
                timeline.lookup(version.checkpoint).record(version.names),
                objects,
                self._table,
                reuse.loaded_in(version),
            )
            for version, objects in found.items()
        }
        aliases = timeline.lookup(plan.target).aliases if plan.target else dict.fromkeys(("_", "__", "___"), "")

        def turn() -> None:
            with self._names.rebound(bind, unbind, aliases), self.ambient.moved(ambient):
                timeline.move(plan.target, branch)
            self._detector.replace(gone, known, bind)
            self.state = kept | {version.names: version.checkpoint for version in found}
            self._missing = tuple(lost.version.names for lost in plan.lost if lost.version.names)

        uninterrupted(turn, last=True)


def _population(state: State) -> int:
    """How many variables there are."""
    return sum(map(len, state))
