"""What is done in the user's think time, piece by piece: trial loads, and the audit.

- **Trial**: what a checkpoint stored is loaded once more. Where it does not come back as it is (a class that leaves out
  something when it is pickled; paper 6.2), its payload is dropped: the version is for replay, and its type is told.
- **Audit**: the variables that a cell's code cannot have touched are looked at, too. What did change all the same (by a
  thread, a C extension, through a library) becomes part of that cell's checkpoint.

Law: a trial touches nothing but memory, and leaves random numbers and settings as they were. Copies are made in the
user's process only of what is known to be harmless (`harmless`), in `side_effects_forbidden`; of all else in a process
of our own (`checker`), which is waited for in pieces. What has a destructor is not tried.
Nothing is done while a cell runs or waits: a piece is short, or is given up when somebody is in a hurry.

What a trial finds is what is *missing*: attributes that the loaded objects do not have. Digests do not decide: a set
comes back in another order, a figure stale.
Neighbours: `session`, which holds its gate around each piece; `frontend.think_time`, which says when.
"""

from __future__ import annotations

import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import Census, WalkAbandoned
from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, CheckpointId, Names, Version, VersionRecord
from kishu_kernel.objects.classes import module_name, qualified_name
from kishu_kernel.objects.codec.admission import Admission, StrangeError
from kishu_kernel.objects.codec.pickling import Stored, decode
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.audit_hook import Guard, side_effects_forbidden
from kishu_kernel.process.collector import collector_paused
from kishu_kernel.process.muting import muted
from kishu_kernel.session.checker.questions import PATIENCE, NoAnswerError
from kishu_kernel.session.ledger import Ledger

if TYPE_CHECKING:  # most sessions need none
    from kishu_kernel.session.checker.asking import Checker

TRIED_AT_MOST = 64_000_000
"""Bytes of a version that is loaded for a trial. What is larger is mostly arrays, which are their bytes."""
STREAM_AT_MOST = 2_000_000
"""Bytes of a pickle stream that is: nothing can hurry a load."""
LONG = 0.1
"""Seconds. A co-variable whose trial takes longer is tried again only when it is of other types."""
TRIALS_AT_MOST = 500
"""Versions that wait for a trial; the oldest are given up."""
BUDGET = 2.0
"""Seconds of thinking after one checkpoint. Who was not looked at comes first after the next one."""

SOON, LATER = 0.005, 0.2
"""Seconds until the next piece: when messages that came in between are handled; when something is in the way."""

_CLASS_OR_FUNCTION = b"\x93"
"""The opcode of pickle without which a stream holds nothing but containers of atoms."""

WAIT = 0.02
"""Seconds for which a piece waits for the checker's answer."""

Hurried = Callable[[], bool]
_HARMLESS = partial(Admission, only_harmless=True)


@dataclass(frozen=True, slots=True)
class _Tried:
    seconds: float
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What a version was found to be in the session, for what comes back to be measured by.

    Attributes:
        kinds: types of its variables.
        question: the number under which the checker was asked, if it was.
        until: when it is no longer waited for.
    """

    version: Version
    record: VersionRecord
    before: Census
    kinds: tuple[weakref.ref[type], ...]
    question: int = 0
    until: float = 0.0


class Thinking:
    """Knows what is left to be done after the last checkpoint.

    Args:
        trials: whether what was stored is tried.

    Attributes:
        found: how often something has come out that changed a checkpoint.
    """

    def __init__(self, ledger: Ledger, table: ReductionTable, tell: Callable[[str], None], trials: bool) -> None:
        self._with_trials = trials
        self._ledger = ledger
        self._table = table
        self._tell = tell
        self._checkpoint: CheckpointId | None = None
        self._spent = 0.0
        self._trials: deque[tuple[Version, VersionRecord]] = deque(maxlen=TRIALS_AT_MOST)
        self._audits: deque[Names] | None = deque()
        """Made when there is time for it."""
        self._made: frozenset[Names] = frozenset()
        self._given_up = False
        self._arrived: dict[Names, CheckpointId] = {}
        """Loaded by a checkout; their digests are believed."""
        self._tried: dict[Names, _Tried] = {}
        self._looked: dict[Names, int] = {}
        self._looks = 0
        self._inexact: set[str] = set()
        """Types that were found not to come back, as records name them."""
        self._asked: _Trial | None = None
        self.found = 0

    @cached_property
    def checker(self) -> Checker:
        """Makes copies that are only looked at; started when it is first asked."""
        from kishu_kernel.session.checker.asking import Checker

        return Checker(self._table.namespace)

    def close(self) -> None:
        """Ends the checker, if there is one."""
        if "checker" in vars(self):
            self.checker.close()

    def after(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was taken: the audit begins anew."""
        self._made = frozenset(record.names for record in checkpoint.versions)
        self._audits = None
        self._checkpoint = checkpoint.id
        self._spent = 0.0
        self._given_up = False
        if self._with_trials:  # those of cells before it, which had no time, come after its own
            made_now = [(Version(each.names, checkpoint.id), each) for each in checkpoint.versions if each.stored]
            self._trials.extendleft(reversed(made_now))

    def _left(self) -> deque[Names]:
        """Co-variables that the last cell has not made, and nobody has looked at since."""
        if self._audits is None:
            state = self._ledger.state
            self._looked = {names: look for names, look in self._looked.items() if names in state}
            self._arrived = {names: id for names, id in self._arrived.items() if state.get(names) == id}
            order = sorted(state.keys() - self._made, key=lambda names: (self._looked.get(names, 0), names))
            self._audits = deque(order)
        return self._audits

    def arrived(self, loaded: Iterable[Version]) -> None:
        """The session is in another state, and these were loaded for it."""
        self._checkpoint = None
        self._spent = 0.0
        self._arrived = {version.names: version.checkpoint for version in loaded}

    @property
    def left(self) -> bool:
        """Something is left to be done, and there is time for it."""
        if self._asked is not None:
            return True
        return self._spent < BUDGET and (self._checkpoint is not None or bool(self._arrived))

    def piece(self, variables: Mapping[str, Any], hurried: Hurried) -> None:
        """Does the next piece, or what there is time for of it: what takes too long, or fails, is left out."""
        started = time.perf_counter()
        work = self._next(variables, hurried)
        try:
            work()
        except BaseException as error:
            self._given_up = True
            if not isinstance(error, WalkAbandoned):
                raise
        finally:
            self._spent += time.perf_counter() - started

    def _next(self, variables: Mapping[str, Any], hurried: Hurried) -> Callable[[], None]:
        """The next piece, which is then no longer among those that are left."""
        if self._asked is not None:
            return partial(self._hear, self._asked)
        if self._arrived and self._checkpoint is None:
            return partial(self._verify, Version(*self._arrived.popitem()), variables, hurried)
        if self._trials:
            return partial(self._try, *self._trials.popleft(), variables, hurried)
        if audits := self._left():
            return partial(self._audit, audits.popleft(), variables, hurried)
        checkpoint, self._checkpoint = self._checkpoint, None
        return self._ledger.audited if checkpoint is not None and not self._given_up else lambda: None

    # -- the audit -------------------------------------------------------------------------------

    def hasten(self, variables: Mapping[str, Any], seconds: float) -> None:
        """As much of the audit as can be done in this time, the lightest first: the session is about to leave.

        What is not looked at is taken to be what it was.
        """
        if self._checkpoint is None or not self._left():
            return
        deadline = time.perf_counter() + seconds
        lookup, state = self._ledger.timeline.lookup, self._ledger.state
        sizes = {names: lookup(state[names]).record(names).size for names in self._left() if names in state}
        self._audits = audits = deque(sorted(sizes, key=lambda names: sizes[names]))
        with suppress(WalkAbandoned):
            while audits and time.perf_counter() < deadline:
                self._audit(audits.popleft(), variables, lambda: time.perf_counter() > deadline)

    def _audit(self, names: Names, variables: Mapping[str, Any], hurried: Hurried) -> None:
        if names not in self._ledger.state:  # an earlier piece has joined it to others
            return
        came_back = self._arrived.pop(names, None)
        self._looks += 1
        self._looked[names] = self._looks
        if self._ledger.same(names, variables, hurried):
            return
        if came_back is not None and self._is_as_it_comes(Version(names, came_back), variables, hurried):
            self._ledger.correct(names, variables)
            return
        self._ledger.make_up(names, variables)
        self.found += 1

    def _is_as_it_comes(self, version: Version, variables: Mapping[str, Any], hurried: Hurried) -> bool:
        """It is what it is whenever it is loaded, whatever it was when it was stored."""
        if not self._ledger.timeline.lookup(version.checkpoint).record(version.names).stored:
            return False
        loaded = self._digest_as_it_comes(self._ledger.timeline.store.load(version), hurried)
        return loaded == digest_of({name: variables[name] for name in version.names}, self._table, hurried)

    def _digest_as_it_comes(self, stored: Stored, hurried: Hurried) -> bytes | None:
        """The digest of a copy; None where none can be made."""
        with self._apart(), suppress(StrangeError):
            return digest_of(decode(stored, self._table.namespace, admission=_HARMLESS()), self._table, hurried)
        try:
            question = self.checker.ask("digest", [stored])
            while not hurried():
                if answer := self.checker.answer(question, WAIT):
                    return answer.digest or None
        except NoAnswerError:
            return None
        raise WalkAbandoned

    def _verify(self, version: Version, variables: Mapping[str, Any], hurried: Hurried) -> None:
        """What a checkout has loaded may have another digest than it had: from now on it is that which counts."""
        if self._ledger.state.get(version.names) != version.checkpoint:
            return
        if not self._ledger.same(version.names, variables, hurried):
            self._ledger.correct(version.names, variables)

    # -- trials ----------------------------------------------------------------------------------

    def _try(self, version: Version, record: VersionRecord, variables: Mapping[str, Any], hurried: Hurried) -> None:
        types = tuple(info.type for info in record.variables)
        known = self._tried.get(record.names)
        if record.size > TRIED_AT_MOST or (known and known.seconds > LONG and known.types == types):
            return
        here = self._ledger.state.get(record.names) == version.checkpoint and variables.keys() >= set(record.names)
        if not here:  # there is nothing left to compare it with
            found = next((kind for kind in types if kind in self._inexact), None)
            if found is not None:
                self._distrust(version, record, found, ())
            return
        stored = self._ledger.timeline.store.load(version)
        if _CLASS_OR_FUNCTION not in stored.stream or len(stored.stream) > STREAM_AT_MOST:
            return
        started = time.perf_counter()
        self._tried[record.names] = _Tried(LONG * 2, types)  # unless it comes to an end
        live = {name: variables[name] for name in record.names}
        before: Census = Counter()
        after: Census = Counter()
        if digest_of(live, self._table, hurried, before) != record.digest:
            # It keeps for later what somebody asked of it, be it for a summary. Or no two walks of it are alike.
            if version.checkpoint == self._checkpoint:
                self._ledger.correct(record.names, live)
            return
        kinds = {id(type(obj)): weakref.ref(type(obj)) for obj in live.values()}
        trial = _Trial(version, record, before, tuple(kinds.values()))
        try:
            with self._apart() as guard:
                digest_of(decode(stored, self._table.namespace, admission=_HARMLESS()), self._table, hurried, after)
        except LoadError:  # told when it is needed
            return
        except StrangeError as strange:
            if not strange.destructor:
                self._ask(trial, stored)
            return
        if guard.forbidden is None:
            self._tried[record.names] = _Tried(time.perf_counter() - started, types)
            self._conclude(trial, after)

    def _ask(self, trial: _Trial, stored: Stored) -> None:
        """Has it tried in the checker process; the answer is for a later piece."""
        with suppress(NoAnswerError):
            question = self.checker.ask("census", [stored])
            self._asked = replace(trial, question=question, until=time.monotonic() + PATIENCE)

    def _hear(self, trial: _Trial) -> None:
        """Looks whether the checker has answered."""
        started = time.perf_counter()
        answer = None
        try:
            answer = self.checker.answer(trial.question, WAIT)
            if answer is None and time.monotonic() < trial.until:
                self._spent -= time.perf_counter() - started  # this process has done nothing
                return
        except NoAnswerError:
            pass
        self._asked = None
        if answer is None:
            self.close()
        elif answer.problem is None and not answer.destructor and answer.refused is None:
            types = tuple(info.type for info in trial.record.variables)
            self._tried[trial.record.names] = _Tried(answer.seconds, types)
            self._conclude(trial, Counter(answer.census))

    def _conclude(self, trial: _Trial, after: Census) -> None:
        """What does not come back as it was is distrusted; who was, and does again, is trusted."""
        missing = [key for key in trial.before if key[2] and after[key] < trial.before[key]]
        if not missing:
            self._inexact.difference_update(info.type for info in trial.record.variables)
            return
        named = {(module, name) for module, name, _ in missing}
        kinds = filter(None, (kind() for kind in trial.kinds))
        doubtful = tuple(kind for kind in kinds if (module_name(kind), qualified_name(kind)) in named)
        self._distrust(trial.version, trial.record, missing[0][1], doubtful)

    def _distrust(self, version: Version, record: VersionRecord, name: str, kinds: tuple[type, ...]) -> None:
        clause = f"{name} objects do not come back from storage as they were"
        if record.replayable:
            self._ledger.distrust(version, clause, kinds)
            types = {info.type for info in record.variables}
            self._inexact.update(each for each in types if each == name or each.endswith(f".{name}"))
            self.found += 1
            self._tell(f"Kishu found that {clause}: the cells that make them will be re-run instead.")
        else:
            self._tell(f"Kishu found that {clause}, and the cells that make them are not to be re-run.")

    @contextmanager
    def _apart(self) -> Iterator[Guard]:
        """For loads that nobody asked for: nothing is seen of them, in the process or out of it."""
        with self._ledger.ambient.kept(), side_effects_forbidden() as guard, collector_paused(), muted():
            yield guard
