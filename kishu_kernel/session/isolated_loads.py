"""Loads copies that nobody asked for, so that nothing is noticed of them in the process or outside of it.

Copies are made in the user's process only of what is known to be harmless (`LoadGuard`); copies of all else are made in
the checker process.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.detect.walk.result import Census, WalkAbandoned
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.audit_hook import Guard, side_effects_forbidden
from kishu_kernel.process.muting import muted
from kishu_kernel.process.python_gc import collector_paused
from kishu_kernel.session.ledger import Ledger

if TYPE_CHECKING:  # most sessions need none
    from kishu_kernel.objects.codec.pickling import Stored
    from kishu_kernel.session.checker.connection import Checker

WAIT = 0.02
"""Seconds to wait for the checker's answer before asking again whether to stop."""

ShouldStop = Callable[[], bool]
"""Asked now and then by what takes long: whether it is to be given up, because somebody waits."""


class IsolatedLoads:
    """Loads copies without effects on the session's objects, settings, random numbers, output or the world."""

    def __init__(self, ledger: Ledger, table: ReductionTable) -> None:
        self._ledger = ledger
        self._table = table

    @cached_property
    def checker(self) -> Checker:
        """The checker process, started when it is first asked."""
        from kishu_kernel.session.checker.connection import Checker

        return Checker(self._table.namespace)

    def close(self) -> None:
        """Ends the checker, if there is one."""
        if "checker" in vars(self):
            self.checker.close()

    def digest_here(
        self,
        stored: Stored,
        should_stop: ShouldStop,
        census: Census | None = None,
        uncounted: frozenset[type] = frozenset(),
    ) -> tuple[bytes, Guard]:
        """Loads a copy in this process.

        Args:
            census: where the attributes of the copy's objects are counted.
            uncounted: types of objects whose attributes are not.

        Returns:
            The digest of the copy, and the side effect that the load would have had, if any (`Guard.forbidden`).

        Raises:
            NotHarmlessError: the payload is not known to be harmless; nothing was loaded.
            LoadError: it cannot be loaded.
            WalkAbandoned: `should_stop` said so.
        """
        from kishu_kernel.objects.codec.load_guard import LoadGuard
        from kishu_kernel.objects.codec.pickling import decode

        # before side effects are forbidden: whoever imports may write what was compiled
        importlib.import_module("kishu_kernel.detect.walk.dispatch")
        with self._isolated() as guard:
            objects = decode(stored, self._table.namespace, admission=LoadGuard(only_harmless=True))
            return digest_of(objects, self._table, should_stop, census, uncounted=uncounted), guard

    def digest(self, stored: Stored, should_stop: ShouldStop) -> bytes | None:
        """The digest of a copy, made here or in the checker process; None if no copy can be made.

        Raises:
            LoadError: the payload cannot be loaded.
            WalkAbandoned: `should_stop` said so.
        """
        from kishu_kernel.objects.codec.load_guard import NotHarmlessError
        from kishu_kernel.session.checker.messages import NoAnswerError

        with suppress(NotHarmlessError):
            return self.digest_here(stored, should_stop)[0]
        try:
            question = self.checker.ask("digest", [stored])
            while not should_stop():
                if answer := self.checker.answer(question, WAIT):
                    return answer.digest or None
        except NoAnswerError:
            return None
        raise WalkAbandoned

    @contextmanager
    def _isolated(self) -> Iterator[Guard]:
        with self._ledger.ambient.put_back_afterwards(), side_effects_forbidden() as guard, collector_paused(), muted():
            yield guard
