"""What objects do as a checkout lets go of them: it is put right, since it is no part of the state that came.

A destructor, the `finally` of a generator that is closed, a function of `weakref.finalize`: they see the new state, by
their globals, and may change it. Where such code has run, all variables are compared, and those that differ come once
more. What was bound a moment only ends without an effect: those were copies that nobody had.

Law: nothing is re-run for it. This is past the step at which a person could stop a checkout.
Neighbour: `checkout`, of which this is the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kishu_kernel.ambient.values import Move
from kishu_kernel.detect.detector import Judgement
from kishu_kernel.errors import CheckoutError
from kishu_kernel.model import EVERYTHING, CheckoutOptions, CheckpointId, Plan, State
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.process.noticed_code import noticing_code
from kishu_kernel.session.checkout_words import tell_changed_by_destructors, tell_not_looked_into
from kishu_kernel.session.ledger import Ledger
from kishu_kernel.session.rerun import RestoredObjects
from kishu_kernel.session.restore import Restorer
from kishu_kernel.session.running_cells import RunningCells

TIMES = 3
"""What was put right may be changed again, by what was let go of for it; so often it is tried."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a checkout begins.

    Attributes:
        changes: what has changed since the last checkpoint, with the variables as they are.
        state: the session state with these changes.
        ambient: what is to be set outside the namespace.
    """

    changes: tuple[Judgement, Mapping[str, Any]]
    state: State
    ambient: Move


class Aftermath:
    """Puts right what code of the user's has changed since a checkout was done.

    Args:
        start: where one begins now that leads to a state.
        obtain: obtains the objects of a plan.
        rebind: gives them their names.
    """

    def __init__(
        self,
        cells: RunningCells,
        ledger: Ledger,
        restorer: Restorer,
        warn: Callable[[str], None],
        start: Callable[[CheckpointId | None], Start],
        obtain: Callable[..., tuple[Plan, RestoredObjects]],
        rebind: Callable[..., None],
    ) -> None:
        self._cells = cells
        self._ledger = ledger
        self._restorer = restorer
        self._warn = warn
        self._start = start
        self._obtain = obtain
        self._rebind = rebind

    def put_right(self, plan: Plan, branch: str | None) -> None:
        """Brings what has changed once more, or tells it.

        Args:
            plan: what the checkout has carried out.
            branch: the branch that it continues.
        """
        options = CheckoutOptions(replay="never", allow_lost=True)
        for _ in range(TIMES):
            self._cells.unchecked = EVERYTHING
            start, was = self._start(plan.target), self._ledger.state
            delta, opaque = start.changes[0].delta, start.changes[0].opaque
            unsure = {each: was[each] for each, kinds in opaque.items() if kinds and each in was}
            start = replace(start, state={**start.state, **unsure})
            if start.state == was:
                break
            reuse = self._ledger.sequence_reuse()
            in_place = self._restorer.live_objects(start.state, start.changes[1])
            try:
                again, restored = self._obtain(plan.target, options, start, reuse, in_place)
                with self._restorer.handing_over(restored):
                    if {lost.version for lost in again.lost} - {lost.version for lost in plan.lost}:
                        raise CheckoutError("what was changed is not stored")
                    self._rebind(again, restored, start, branch, reuse, in_place)
            except Exception:  # the checkout itself is done
                return tell_changed_by_destructors(self._warn, delta)
            renewed = set(delta.created).union(*(version.names for version in restored))
            gone = [obj for name, obj in start.changes[1].items() if name in renewed]
            with noticing_code() as noticed:
                del start, restored, reuse, in_place
                self._restorer.end_without_effect(gone)
            if not noticed.ran:
                break
        else:
            return tell_changed_by_destructors(self._warn, delta)
        self._cells.mark_checked()
        tell_not_looked_into(self._warn, unsure)
