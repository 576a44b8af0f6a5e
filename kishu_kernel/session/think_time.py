"""What is done in the user's think time, piece by piece: trial loads, a search, and the audit.

- **Trial load** (`trial_loads`): does what a checkpoint has stored come back as it is?
- **Registrations** (`registration_search`): which libraries hold something that the cell made?
- **Audit** (`audit`): has a variable changed that the cell's code cannot have touched?

Law: nothing is done while a cell runs or waits; a piece is short, or is given up when somebody waits.
Neighbours: `session`, which holds its gate around each piece; `frontend.kernel.idle_scheduler`, which says when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import Checkpoint, CheckpointId, Version
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.ledger import Ledger

if TYPE_CHECKING:  # a kernel starts without them
    from kishu_kernel.session.audit import Audit
    from kishu_kernel.session.checker.connection import Checker
    from kishu_kernel.session.isolated_loads import IsolatedLoads, ShouldStop
    from kishu_kernel.session.registration_search import RegistrationSearch
    from kishu_kernel.session.trial_loads import TrialLoads

BUDGET = 2.0
"""Seconds of work after one checkpoint. What was not checked comes first after the next one."""

SLICE = 0.02
"""Seconds that pieces take which are done in one go, but for the last one."""

SOON, LATER = 0.005, 0.2
"""Seconds until the next piece: after messages that came meanwhile; and if something is in the way."""


class ThinkTime:
    """Knows what is left to be done after the last checkpoint.

    Args:
        tell: shows a sentence to the user.
        trials: whether what was stored is tried.
    """

    def __init__(self, ledger: Ledger, table: ReductionTable, tell: Callable[[str], None], trials: bool) -> None:
        self._with_trials = trials
        self._ledger, self._table, self._tell = ledger, table, tell
        self._checkpoint: CheckpointId | None = None
        """The one whose audit is not finished."""
        self._used = 0.0
        self._given_up = False

    @cached_property
    def _loads(self) -> IsolatedLoads:
        from kishu_kernel.session.isolated_loads import IsolatedLoads

        return IsolatedLoads(self._ledger, self._table)

    @property
    def _has_begun(self) -> bool:
        """Something is to be done, or was: the parts are made with the first of it, behind a reply."""
        return "_loads" in vars(self)

    @cached_property
    def _audit(self) -> Audit:
        from kishu_kernel.session.audit import Audit

        return Audit(self._ledger, self._table, self._loads)

    @cached_property
    def _registrations(self) -> RegistrationSearch:
        from kishu_kernel.session.registration_search import RegistrationSearch

        return RegistrationSearch(self._ledger, self._table)

    @cached_property
    def _trials(self) -> TrialLoads:
        from kishu_kernel.session.trial_loads import TrialLoads

        return TrialLoads(self._ledger, self._table, self._loads, self._tell, self._audit.note_unchanged)

    @property
    def checker(self) -> Checker:
        """The checker process, started when it is first asked."""
        return self._loads.checker

    @property
    def changes_made(self) -> int:
        """How often a finding has changed what a checkpoint says."""
        return self._audit.changes_found + self._trials.failures_found if self._has_begun else 0

    def close(self) -> None:
        """Ends the checker process, if there is one."""
        if self._has_begun:
            self._loads.close()

    def begin(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was taken: the audit begins again."""
        self._audit.begin()
        self._checkpoint = checkpoint.id
        if checkpoint.effects is not None:
            self._registrations.begin(checkpoint)
        self._used = 0.0
        self._given_up = False
        if self._with_trials:
            self._trials.add(checkpoint)

    def missing(self, version: Version, objects: Mapping[str, Any]) -> str | None:
        """What these objects lack, which were loaded of a version that was not tried yet: as a clause."""
        return self._trials.missing(version, objects)

    def note_checkout(self, loaded: Iterable[Version]) -> None:
        """The session is in another state, for which these versions were loaded."""
        self._checkpoint = None
        self._registrations.abandon()
        self._used = 0.0
        self._audit.note_loaded(loaded)

    @property
    def left(self) -> bool:
        """There is something to be done, and time for it."""
        if self._has_begun and self._trials.waits_for_checker:
            return True
        return self._has_begun and self._used < BUDGET and (self._checkpoint is not None or self._audit.has_loaded)

    def do_pieces(self, variables: Callable[[], Mapping[str, Any]], should_stop: ShouldStop) -> None:
        """Does the next pieces, for some milliseconds. A piece that is stopped, or fails, is not tried again.

        Args:
            variables: gives the variables, which takes longer than a piece of the audit.

        Raises:
            Exception: a piece failed.
        """
        from kishu_kernel.detect.walk.result import WalkAbandoned

        started = time.perf_counter()
        try:
            now = variables()
            self._next_piece(now, should_stop)()
            while self._may_go_on() and time.perf_counter() - started < SLICE and not should_stop():
                self._next_piece(now, should_stop)()
        except BaseException as error:
            self._given_up = True
            if not isinstance(error, WalkAbandoned):
                raise
        finally:
            self._used += time.perf_counter() - started

    def _may_go_on(self) -> bool:
        """There is more to do, and nothing to wait for."""
        return self.left and not self._trials.waits_for_checker and not self._ledger.is_writing

    def _next_piece(self, variables: Mapping[str, Any], should_stop: ShouldStop) -> Callable[[], None]:
        """The next piece, which is then no longer among those that are left."""
        if self._trials.waits_for_checker:
            return self._poll_checker
        if self._audit.has_loaded and self._checkpoint is None:
            return partial(self._audit.verify_loaded, self._audit.next_loaded(), variables, should_stop)
        if self._trials.left:
            return partial(self._trials.try_load, *self._trials.take_next(), variables, self._checkpoint, should_stop)
        if self._registrations.left:
            return partial(self._registrations.step, variables)
        if self._audit.queue():
            return partial(self._audit.check_some, variables, should_stop)
        checkpoint, self._checkpoint = self._checkpoint, None
        return self._ledger.mark_audited if checkpoint is not None and not self._given_up else lambda: None

    def _poll_checker(self) -> None:
        self._used -= self._trials.poll_checker()  # while it waits, this process does nothing

    def hasten_audit(self, variables: Mapping[str, Any], seconds: float) -> None:
        """Does as much of the audit as is possible in this time: the session is about to leave its state."""
        if self._checkpoint is not None:
            self._audit.check_lightest(variables, seconds)
