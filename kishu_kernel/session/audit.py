"""Checks the variables that a cell's code cannot have touched: did a thread, a C extension or a library change one?

What did change becomes part of that cell's checkpoint. This is done in think time, piece by piece (`think_time`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import WalkAbandoned
from kishu_kernel.model import CheckpointId, Names, Version
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.isolated_loads import IsolatedLoads, ShouldStop
from kishu_kernel.session.ledger import Ledger

AT_ONCE = 0.0005
"""Seconds of checks in one go, but for the last one."""


class Audit:
    """Knows which co-variables are still to be checked after the last checkpoint.

    Attributes:
        changes_found: how many co-variables had changed.
    """

    def __init__(self, ledger: Ledger, table: ReductionTable, loads: IsolatedLoads) -> None:
        self._ledger = ledger
        self._table = table
        self._loads = loads
        self._queue: deque[Names] | None = deque()
        """None: to be made when it is needed."""
        self._judged: frozenset[Names] = frozenset()
        """Co-variables that were fingerprinted for the last checkpoint."""
        self._loaded: dict[Names, CheckpointId] = {}
        """Co-variables that a checkout has loaded: their stored digests are believed so far."""
        self._checked_at: dict[Names, int] = {}
        self._seen_unchanged: set[Names] = set()
        """Co-variables that somebody else has looked at since the last checkpoint."""
        self._checks = 0
        self.changes_found = 0

    def begin(self) -> None:
        """A checkpoint was taken: the audit begins again."""
        self._judged = self._ledger.judged
        self._queue = None
        self._seen_unchanged.clear()

    def note_unchanged(self, names: Names) -> None:
        """Somebody else has walked this co-variable, and it is what it was."""
        self._seen_unchanged.add(names)
        self._checks += 1
        self._checked_at[names] = self._checks

    def note_loaded(self, versions: Iterable[Version]) -> None:
        """A checkout has loaded these versions."""
        self._loaded = {version.names: version.checkpoint for version in versions}

    @property
    def has_loaded(self) -> bool:
        """There are loaded versions whose digests were not computed yet."""
        return bool(self._loaded)

    def next_loaded(self) -> Version:
        """Takes a loaded version, for `verify_loaded`."""
        return Version(*self._loaded.popitem())

    def queue(self) -> deque[Names]:
        """The co-variables to check. The one that was checked longest ago comes first."""
        if self._queue is None:
            state = self._ledger.state
            self._checked_at = {names: at for names, at in self._checked_at.items() if names in state}
            self._loaded = {names: id for names, id in self._loaded.items() if state.get(names) == id}
            order = sorted(
                state.keys() - self._judged - self._seen_unchanged,
                key=lambda names: (self._checked_at.get(names, 0), names),
            )
            self._queue = deque(order)
        return self._queue

    def check_some(self, variables: Mapping[str, Any], should_stop: ShouldStop) -> None:
        """Checks the co-variables that come next, for a moment: most take less time than to ask what is to be done.

        Raises:
            WalkAbandoned: `should_stop` said so.
        """
        queue, found, until = self.queue(), self.changes_found, time.perf_counter() + AT_ONCE
        while queue:
            self.check(queue.popleft(), variables, should_stop)
            if self.changes_found != found or time.perf_counter() > until:
                return

    def check(self, names: Names, variables: Mapping[str, Any], should_stop: ShouldStop) -> None:
        """Checks one co-variable. If it has changed, the last checkpoint is extended by it.

        Raises:
            WalkAbandoned: `should_stop` said so.
        """
        if names not in self._ledger.state or names in self._seen_unchanged:  # it was joined with others meanwhile
            return
        loaded_from = self._loaded.pop(names, None)
        self._checks += 1
        self._checked_at[names] = self._checks
        if self._ledger.is_unchanged(names, variables, should_stop):
            return
        if loaded_from is not None and self._is_as_loaded(Version(names, loaded_from), variables, should_stop):
            self._ledger.accept(names, variables)
            return
        self._ledger.add_to_last_checkpoint(names, variables)
        self.changes_found += 1

    def check_lightest(self, variables: Mapping[str, Any], seconds: float) -> None:
        """Checks as many as possible in this processor time, the lightest first: the session leaves its state.

        What is not checked counts as unchanged.
        """
        if not self.queue():
            return
        deadline = time.thread_time() + seconds
        lookup, state = self._ledger.timeline.lookup, self._ledger.state
        sizes = {names: lookup(state[names]).record(names).size for names in self.queue() if names in state}
        self._queue = queue = deque(sorted(sizes, key=lambda names: sizes[names]))
        with suppress(WalkAbandoned):
            while queue and time.thread_time() < deadline:
                self.check(queue.popleft(), variables, lambda: time.thread_time() > deadline)

    def verify_loaded(self, version: Version, variables: Mapping[str, Any], should_stop: ShouldStop) -> None:
        """Computes the digest of a version that was loaded. If it is not the stored one, it counts from now on.

        Raises:
            WalkAbandoned: `should_stop` said so.
        """
        if self._ledger.state.get(version.names) != version.checkpoint:
            return
        if not self._ledger.is_unchanged(version.names, variables, should_stop):
            self._ledger.accept(version.names, variables)

    def _is_as_loaded(self, version: Version, variables: Mapping[str, Any], should_stop: ShouldStop) -> bool:
        """Whether a co-variable is what it is whenever it is loaded, though not what it was when it was stored."""
        if not self._ledger.timeline.lookup(version.checkpoint).record(version.names).stored:
            return False
        loaded = self._loads.digest(self._ledger.timeline.store.load(version), should_stop)
        return loaded == digest_of({name: variables[name] for name in version.names}, self._table, should_stop)
