"""What is done in the user's think time, piece by piece: trial loads, and the audit.

- **Trial**: what a checkpoint stored is loaded once more. Where it does not come back as it is (a class that leaves out
  something when it is pickled; paper 6.2), its payload is dropped: the version is for replay, and its type is told.
- **Audit**: the variables that a cell's code cannot have touched are looked at, too. What did change all the same (by a
  thread, a C extension, through a library) becomes part of that cell's checkpoint.

Law: a trial touches nothing but memory (`doings.untouched_world`). Nothing is done while a cell runs or waits: a piece
is short, or is given up when somebody is in a hurry.
Neighbours: `session`, which holds its gate around each piece; `frontend.think_time`, which says when.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kishu_kernel.codec.pickling import decode
from kishu_kernel.collector import collector_waiting
from kishu_kernel.detect.fingerprint import Fingerprinter, combined
from kishu_kernel.detect.walk import Census, GivenUp
from kishu_kernel.doings import untouched_world
from kishu_kernel.errors import LoadError
from kishu_kernel.ledger import Ledger
from kishu_kernel.libraries import module_name, qualified_name
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Names, Version, VersionRecord
from kishu_kernel.reducers import ReductionTable

TRIED_AT_MOST = 64_000_000
"""Bytes of a version that is loaded for a trial. What is larger is mostly arrays, which are their bytes."""
LONG = 0.1
"""Seconds. A co-variable whose trial takes longer is tried again only when it is of other types."""
TRIALS_AT_MOST = 500
"""Versions that wait for a trial; the oldest are given up."""
BUDGET = 2.0
"""Seconds of thinking after one checkpoint. Who was not looked at comes first after the next one."""

_CLASS_OR_FUNCTION = b"\x93"
"""The opcode of pickle without which a stream holds nothing but containers of atoms."""

_PLAIN = frozenset({"__main__", "builtins", "collections", "datetime", "decimal", "fractions"})
"""Packages whose objects come back with the same digest, if they come back as they were."""


@dataclass(frozen=True, slots=True)
class _Tried:
    seconds: float
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Different:
    clause: str
    kind: tuple[str, str] | None


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
        self._audits: deque[Names] = deque()
        self._arrived: dict[Names, CheckpointId] = {}
        """Loaded by a checkout; their digests are believed."""
        self._tried: dict[Names, _Tried] = {}
        self._looked: dict[Names, int] = {}
        self._looks = 0
        self.found = 0

    def after(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was taken: the audit begins anew."""
        made = {record.names for record in checkpoint.versions}
        state = self._ledger.state
        self._checkpoint = checkpoint.id
        self._spent = 0.0
        if self._with_trials:  # those of cells before it, which had no time, come after its own
            made_now = [(Version(each.names, checkpoint.id), each) for each in checkpoint.versions if each.stored]
            self._trials.extendleft(reversed(made_now))
        self._looked = {names: look for names, look in self._looked.items() if names in state}
        self._audits = deque(sorted(state.keys() - made, key=lambda names: (self._looked.get(names, 0), names)))
        self._arrived = {names: id for names, id in self._arrived.items() if state.get(names) == id}

    def arrived(self, loaded: Iterable[Version]) -> None:
        """The session is in another state, and these were loaded for it."""
        self._checkpoint = None
        self._spent = 0.0
        self._arrived = {version.names: version.checkpoint for version in loaded}

    @property
    def left(self) -> bool:
        """Something is left to be done, and there is time for it."""
        return self._spent < BUDGET and (self._checkpoint is not None or bool(self._arrived))

    def piece(self, variables: Mapping[str, Any], hurried: Callable[[], bool]) -> None:
        """Does the next piece. Where it is given up (`GivenUp`) it is the next one again; what fails is left out."""
        started = time.perf_counter()
        try:
            self._piece(variables, hurried)
        finally:
            self._spent += time.perf_counter() - started

    def _piece(self, variables: Mapping[str, Any], hurried: Callable[[], bool]) -> None:
        if self._arrived and self._checkpoint is None:
            names, id = next(iter(self._arrived.items()))
            self._verify(Version(names, id), variables, hurried)
            self._arrived.pop(names, None)
        elif self._trials:
            self._try(*self._trials[0], variables, hurried)
            self._trials.popleft()
        elif self._audits:
            self._audit(self._audits[0], variables, hurried)
            self._audits.popleft()
        elif self._checkpoint is not None:
            self._ledger.audited()
            self._checkpoint = None

    def hasten(self, variables: Mapping[str, Any], seconds: float) -> None:
        """As much of the audit as can be done in this time, the lightest first: the session is about to leave.

        What is not looked at is taken to be what it was.
        """
        if self._checkpoint is None or not self._audits:
            return
        deadline = time.perf_counter() + seconds
        lookup, state = self._ledger.timeline.lookup, self._ledger.state
        sizes = {names: lookup(state[names]).record(names).size for names in self._audits if names in state}
        self._audits = deque(sorted(sizes, key=lambda names: sizes[names]))
        with suppress(GivenUp):
            while self._audits and time.perf_counter() < deadline:
                self._audit(self._audits[0], variables, lambda: time.perf_counter() > deadline)
                self._audits.popleft()

    def skip(self) -> None:
        """The next piece cannot be done."""
        if self._arrived and self._checkpoint is None:
            self._arrived.pop(next(iter(self._arrived)))
        elif self._trials:
            self._trials.popleft()
        elif self._audits:
            self._audits.popleft()
        else:
            self._checkpoint = None

    # -- the audit -------------------------------------------------------------------------------

    def _audit(self, names: Names, variables: Mapping[str, Any], hurried: Callable[[], bool]) -> None:
        if names not in self._ledger.state:  # an earlier piece has joined it to others
            return
        if names in self._arrived:  # what came back is as it came back
            self._ledger.correct(names, variables)
            del self._arrived[names]
        elif not self._ledger.same(names, variables, hurried):
            self._ledger.make_up(names, variables)
            self.found += 1
        self._looks += 1
        self._looked[names] = self._looks

    # -- trials ----------------------------------------------------------------------------------

    def _verify(self, version: Version, variables: Mapping[str, Any], hurried: Callable[[], bool]) -> None:
        """What a checkout has loaded is what it was, or that is told: late, and only where no trial was made."""
        if self._ledger.state.get(version.names) != version.checkpoint:
            return
        if not self._ledger.same(version.names, variables, hurried):
            self._ledger.correct(version.names, variables)

    def _try(
        self, version: Version, record: VersionRecord, variables: Mapping[str, Any], hurried: Callable[[], bool]
    ) -> None:
        types = tuple(info.type for info in record.variables)
        known = self._tried.get(record.names)
        if record.size > TRIED_AT_MOST or (known and known.seconds > LONG and known.types == types):
            return
        started = time.perf_counter()
        stored = self._ledger.timeline.store.load(version)
        if _CLASS_OR_FUNCTION not in stored.stream:
            return
        here = self._ledger.state.get(record.names) == version.checkpoint and variables.keys() >= set(record.names)
        live = {name: variables[name] for name in record.names} if here else None
        with untouched_world() as guard, collector_waiting():
            try:
                found = self._different(record, live, decode(stored, self._table.namespace), hurried)
            except LoadError:  # told when it is needed
                return
        # What was loaded is gone again, within the guard: it may do something when it goes.
        if found is not None and guard.refused is None:
            self._ledger.distrust(version, found.clause, found.kind)
            self.found += 1
            self._tell(f"Kishu found that {found.clause}: the cells that make them will be re-run instead.")
        self._tried[record.names] = _Tried(time.perf_counter() - started, types)

    def _different(
        self,
        record: VersionRecord,
        live: Mapping[str, Any] | None,
        loaded: Mapping[str, Any],
        hurried: Callable[[], bool],
    ) -> _Different | None:
        """In what way what was loaded is not what it was. Where that lives no more, only the digest is left of it."""
        before: Census = Counter()
        after: Census = Counter()
        if live is not None and self._digest(live, hurried, before) != record.digest:
            # It keeps for later what somebody asked of it, be it for a summary. Or no two walks of it are alike.
            self._ledger.correct(record.names, live)
            return None
        digest = self._digest(loaded, hurried, after)
        before = before or after
        left_out = {key for key in before if key[2] and after[key] < before[key]}
        # What a library makes of its own objects when they are loaded is its business, as long as nothing is missing.
        of_libraries = any(module.partition(".")[0] not in _PLAIN for module, _, _ in before)
        if not left_out and (digest == record.digest or of_libraries):
            return None
        kinds = [(module, name) for module, name, _ in left_out]
        kinds += [(module_name(type(obj)), qualified_name(type(obj))) for obj in loaded.values()]
        kind = next((each for each in kinds if each[0] != "builtins"), None)
        what = f"{kind[1]} objects" if kind else f"the contents of {', '.join(record.names)}"
        return _Different(f"{what} do not come back from storage as they were", kind)

    def _digest(self, objects: Mapping[str, Any], hurried: Callable[[], bool], census: Census) -> Digest:
        prints = Fingerprinter(self._table, hurried=hurried, census=census)
        return combined(objects, {name: prints.take(obj) for name, obj in objects.items()})
