"""Executions that get no checkpoint: what frontends, debuggers and views of variables run behind the user's back.

Law: whoever sends it, a new name that it binds is not the user's until one of their cells may use it. What it does to
variables that there are counts as any other change between cells.
Neighbours: `session` holds its gate around every call; `namespace` keeps the names.
"""

from __future__ import annotations

from collections.abc import Set

from kishu_kernel.detect.access import cell_access
from kishu_kernel.model import NOTHING, Access
from kishu_kernel.session.ledger import Ledger
from kishu_kernel.session.namespace import UserNamespace, is_result
from kishu_kernel.session.running_cells import RunningCells, Ticket


class HiddenCells:
    """Tells names that hidden executions bind from the user's."""

    def __init__(self, names: UserNamespace, ledger: Ledger, cells: RunningCells) -> None:
        self._names = names
        self._ledger = ledger
        self._cells = cells
        self._before: dict[Ticket, Set[str]] = {}
        """Executions that run -> the user's names when they began."""

    def begin(self, ticket: Ticket) -> Ticket:
        """It is about to run."""
        self._before[ticket] = self._names.notebook_variables().keys()
        return ticket

    def end(self, ticket: Ticket) -> None:
        """It has ended."""
        alone = self._cells.background_access() == NOTHING
        self._cells.end_without_checkpoint(ticket)
        known = {name for names in self._ledger.state for name in names}
        new = self._names.notebook_variables().keys() - self._before.pop(ticket, set()) - known
        if self._cells.any_running or not alone:  # then what it does not spell, something else may have bound
            spelled = cell_access(ticket.source).names
            new = {name for name in new if name in spelled or is_result(name)}
        self._names.note_injected(new)

    def claim(self, access: Access) -> None:
        """A cell of the user's is about to run: what it may use is theirs now, and came about before it."""
        if self._names.has_injected and (claimed := self._names.claim(access)):
            self._cells.unchecked |= Access(claimed)
