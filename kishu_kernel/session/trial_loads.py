"""Loads what a checkpoint has stored once more, to see whether it comes back as it was (paper 6.2).

Some classes leave something out when they are pickled. The measure is which attributes are missing from the loaded
objects; digests do not decide, since a set comes back in another order, and a figure stale. The payload of a version
that does not come back is dropped: the version is for replay, and so are all later ones of its types.

Law: a trial touches nothing but memory, and leaves random numbers and settings as they were. What has a destructor is
not tried. This is done in think time, piece by piece (`think_time`).
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import Census, WalkAbandoned
from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, CheckpointId, Names, Version, VersionRecord
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.objects.classes import contents_of, module_contents, module_name, mro_of, qualified_name
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.isolated_loads import WAIT, IsolatedLoads, ShouldStop
from kishu_kernel.session.ledger import Ledger

if TYPE_CHECKING:
    from kishu_kernel.objects.codec.pickling import Stored
    from kishu_kernel.session.checker.messages import Answer

TRIED_AT_MOST = 64_000_000
"""Bytes of a version that is tried. What is larger is mostly arrays, which are their bytes."""
STREAM_AT_MOST = 2_000_000
"""Bytes of a pickle stream that is tried: a load cannot be interrupted."""
LONG = 0.1
"""Seconds. A co-variable whose trial takes longer is tried again only when its types have changed."""
QUEUED_AT_MOST = 500
"""Versions that wait for a trial; the oldest are given up."""
COUNTING = 0.05
"""Seconds that it may take, between two pauses, to count what versions have that are still to be tried."""


@dataclass(frozen=True, slots=True)
class _Tried:
    seconds: float
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One trial under way.

    Attributes:
        before: the attributes of the objects in the session.
        kinds: types of the variables.
        uncounted: types whose attributes are not counted: they have come back before.
        question: the number under which the checker was asked, if it was.
        until: the time at which its answer is no longer waited for.
    """

    version: Version
    record: VersionRecord
    before: Census
    kinds: tuple[weakref.ref[type], ...]
    uncounted: frozenset[type]
    question: int = 0
    until: float = 0.0


class TrialLoads:
    """Knows which versions are still to be tried.

    Args:
        tell: shows a sentence to the user.
        note_unchanged: is told of co-variables that are seen to be what they were.

    Attributes:
        failures_found: how many versions did not come back as they were.
    """

    def __init__(
        self,
        ledger: Ledger,
        table: ReductionTable,
        loads: IsolatedLoads,
        tell: Callable[[str], None],
        note_unchanged: Callable[[Names], None],
    ) -> None:
        self._ledger = ledger
        self._table = table
        self._loads = loads
        self._tell = tell
        self._note_unchanged = note_unchanged
        self._queue: deque[tuple[Version, VersionRecord]] = deque(maxlen=QUEUED_AT_MOST)
        self._tried: dict[Names, _Tried] = {}
        self._inexact: set[str] = set()
        """Types that do not come back as they were, as records name them."""
        self._come_back: frozenset[type] = frozenset()
        """Types of libraries, instances of which have come back with all their attributes."""
        self._asked: _Trial | None = None
        self._had: dict[Version, Census] = {}
        """What versions had that were not tried yet: one may be loaded before, or be gone when there is time."""
        self._counting = 0.0
        self.failures_found = 0

    def add(self, checkpoint: Checkpoint) -> None:
        """The versions that a checkpoint has stored are to be tried, before those of earlier checkpoints.

        Where all objects are known to come back whole, no attribute can be missing.
        """
        for each in reversed(checkpoint.versions):
            if each.stored and (doubtful := self._ledger.doubtful_in(each.names)) != frozenset():
                version = Version(each.names, checkpoint.id)
                self._queue.appendleft((version, each))
                if doubtful is None or not doubtful <= self._come_back:
                    self._count(version, each)

    def _count(self, version: Version, record: VersionRecord) -> None:
        """Counts what it has, as long as that takes no time that somebody would notice."""
        began = time.thread_time()
        left = COUNTING - self._counting
        if record.size > STREAM_AT_MOST or left <= 0:
            return
        variables, had = self._ledger.variables(), Counter[tuple[str, str, str]]()
        live = {name: variables[name] for name in record.names if name in variables}
        with suppress(WalkAbandoned, KeyboardInterrupt):
            bound = self._ledger.bound_classes(variables)
            if digest_of(live, self._table, lambda: time.thread_time() - began > left, had, bound) == record.digest:
                self._had[version] = had
        self._counting += time.thread_time() - began
        while len(self._had) > QUEUED_AT_MOST:
            del self._had[next(iter(self._had))]

    def missing(self, version: Version, objects: Mapping[str, Any]) -> str | None:
        """What objects lack that were loaded of a version before that was tried, as a clause.

        None: nothing; or it cannot be re-run, and then that is only told.
        """
        had = self._had.get(version)
        if had is None:
            return None
        has: Census = Counter()
        digest_of(objects, self._table, census=has)
        lost = _lost(had, has)
        if not lost:
            return None
        clause = _LOSSY.format(lost[0][1])
        if self._ledger.timeline.lookup(version.checkpoint).record(version.names).replayable:
            return clause
        self._tell(f"Kishu found that {clause}, and the cells that make them cannot be re-run.")
        return None

    @property
    def left(self) -> bool:
        """There are versions to try."""
        return bool(self._queue)

    @property
    def waits_for_checker(self) -> bool:
        """The checker was asked and has not answered."""
        return self._asked is not None

    def take_next(self) -> tuple[Version, VersionRecord]:
        """Takes the next version from the queue, for `try_load`."""
        self._counting = 0.0
        return self._queue.popleft()

    def try_load(
        self,
        version: Version,
        record: VersionRecord,
        variables: Mapping[str, Any],
        newest: CheckpointId | None,
        should_stop: ShouldStop,
    ) -> None:
        """Tries one version, or asks the checker to.

        Args:
            newest: the checkpoint after which the session has not changed.

        Raises:
            WalkAbandoned: `should_stop` said so.
        """
        from kishu_kernel.objects.codec.pickling import holds_objects

        types = _types_of(record)
        known = self._tried.get(record.names)
        if record.size > TRIED_AT_MOST or (known and known.seconds > LONG and known.types == types):
            return
        is_here = self._ledger.state.get(record.names) == version.checkpoint and variables.keys() >= set(record.names)
        if not is_here:  # there is nothing left to compare it with
            found = next((kind for kind in types if kind in self._inexact), None)
            if found is not None:
                self._distrust(version, record, found, ())
            return
        doubtful = self._ledger.doubtful_in(record.names)
        if doubtful is not None and doubtful <= self._come_back and not self._inexact:
            return
        stored = self._ledger.timeline.store.load(version)
        if not holds_objects(stored.stream) or len(stored.stream) > STREAM_AT_MOST:
            return
        started = time.perf_counter()
        self._tried[record.names] = _Tried(LONG * 2, types)  # unless it comes to an end
        live = {name: variables[name] for name in record.names}
        before: Census = Counter()
        bound = self._ledger.bound_classes(variables)
        uncounted = frozenset[type]() if doubtful is None else self._come_back
        if digest_of(live, self._table, should_stop, before, bound, uncounted) != record.digest:
            # It caches what somebody asked of it, be it for a summary. Or no two walks of it are alike.
            if version.checkpoint == newest:
                self._ledger.accept(record.names, variables)
            return
        if self._ledger.is_all_known(record.names, record.digest, variables):
            self._note_unchanged(record.names)
        if not any(map(_ATTRIBUTE, before)):  # there are none that could be missing
            self._tried[record.names] = _Tried(time.perf_counter() - started, types)
            self._come_back |= doubtful or frozenset()
            return
        kinds = {id(type(obj)): weakref.ref(type(obj)) for obj in live.values()}
        trial = _Trial(version, record, before, tuple(kinds.values()), uncounted)
        self._load_copy(trial, stored, started, should_stop)

    def _load_copy(self, trial: _Trial, stored: Stored, started: float, should_stop: ShouldStop) -> None:
        from kishu_kernel.objects.codec.load_guard import NotHarmlessError

        after: Census = Counter()
        try:
            _, guard = self._loads.digest_here(stored, should_stop, after, trial.uncounted)
        except LoadError:  # the user is told when the version is needed
            return
        except NotHarmlessError as error:
            if not error.destructor:
                self._ask_checker(trial, stored)
            return
        if guard.forbidden is None:
            self._tried[trial.record.names] = _Tried(time.perf_counter() - started, _types_of(trial.record))
            self._conclude(trial, after)
            if not self._inexact:
                self._come_back |= self._ledger.doubtful_in(trial.record.names) or frozenset()

    def _ask_checker(self, trial: _Trial, stored: Stored) -> None:
        """The answer is for a later piece of think time."""
        from kishu_kernel.session.checker.messages import PATIENCE, NoAnswerError

        with suppress(NoAnswerError):
            question = self._loads.checker.ask("census", [stored])
            self._asked = replace(trial, question=question, until=time.monotonic() + PATIENCE)

    def poll_checker(self) -> float:
        """Looks for a moment whether the checker has answered.

        Returns:
            The seconds for which this process only waited.
        """
        from kishu_kernel.session.checker.messages import NoAnswerError

        trial = self._asked
        assert trial is not None
        started = time.perf_counter()
        answer: Answer | None = None
        with suppress(NoAnswerError):
            answer = self._loads.checker.answer(trial.question, WAIT)
            if answer is None and time.monotonic() < trial.until:
                return time.perf_counter() - started
        self._asked = None
        if answer is None:
            self._loads.close()
        elif answer.problem is None and not answer.destructor and answer.refused is None:
            self._tried[trial.record.names] = _Tried(answer.seconds, _types_of(trial.record))
            self._conclude(trial, Counter(answer.census))
        return 0.0

    def _conclude(self, trial: _Trial, after: Census) -> None:
        """Types whose objects lack attributes afterwards are distrusted; types that were, and lack none, no longer."""
        self._had.pop(trial.version, None)
        missing = _lost(trial.before, after)
        if not missing:
            self._inexact.difference_update(_types_of(trial.record))
            return
        named = {(module, name) for module, name, _ in missing}
        kinds = filter(None, (kind() for kind in trial.kinds))
        doubtful = tuple(kind for kind in kinds if (module_name(kind), qualified_name(kind)) in named)
        self._distrust(trial.version, trial.record, missing[0][1], doubtful)

    def _distrust(self, version: Version, record: VersionRecord, name: str, kinds: tuple[type, ...]) -> None:
        clause = _LOSSY.format(name)
        if record.replayable:
            self._ledger.distrust(version, clause, kinds)
            self._inexact.update(each for each in _types_of(record) if each == name or each.endswith(f".{name}"))
            self.failures_found += 1
            self._tell(f"Kishu found that {clause}: the cells that make them will be re-run instead.")
        else:
            self._tell(f"Kishu found that {clause}, and the cells that make them cannot be re-run.")


_LOSSY = "{} objects do not come back from storage as they were"


def _lost(before: Census, after: Census) -> list[tuple[str, str, str]]:
    """Attributes that are missing."""
    fewer = [key for key in before if _ATTRIBUTE(key) and after[key] < before[key]]
    return [key for key in fewer if not _are_merged(key[:2], before, after)]


_ATTRIBUTE = itemgetter(2)
"""Of a key of a census."""


def _are_merged(of_type: tuple[str, str], before: Census, after: Census) -> bool:
    """Whether attributes are only missing since equal objects have become one, and each has what it had.

    They are made anew by `__new__` of what they are worth, which may know the object already, as SymPy's does.
    """
    module, name = of_type
    were, are = before[module, name, ""], after[module, name, ""]
    keys = [key for key in {*before, *after} if key[:2] == of_type]
    if not are or any(after[key] * were != before[key] * are for key in keys):
        return False
    kind: Any = None
    contents = module_contents(sys.modules.get(module))
    for part in name.split("."):
        kind = contents.get(part)
        contents = contents_of(kind) if issubclass(type(kind), type) else {}
    bases = mro_of(kind) if kind is not None and contents else ()
    return any("__getnewargs__" in contents_of(base) or "__getnewargs_ex__" in contents_of(base) for base in bases)


def _types_of(record: VersionRecord) -> tuple[str, ...]:
    return tuple(info.type for info in record.variables)
