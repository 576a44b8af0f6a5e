"""Which cells are running, and what may have been touched since the last checkpoint looked.

Law: doubt means touched. Neighbour: `session`, which holds its gate around every call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.access_trackers import Tracker, Watch
from kishu_kernel.detect.read_only_code import is_read_only
from kishu_kernel.model import EVERYTHING, NOTHING, Access


@dataclass(eq=False)
class Ticket:
    """A cell that is running.

    Attributes:
        main: on the main shell; else on a subshell.
        traveled: the cell itself went to another state, so that its code alone does not say what it did.
    """

    source: str
    main: bool
    watch: Watch
    traveled: bool = False


class Running:
    """The cells that are running.

    Args:
        background: whether code of the notebook is running outside of cells (threads, tasks).

    Attributes:
        pending: what may have been touched, and no checkpoint has looked at it.
    """

    def __init__(self, tracker: Tracker, background: Callable[[], bool]) -> None:
        self._tracker = tracker
        self._background = background
        self._tickets: list[Ticket] = []
        self.pending = NOTHING
        self._unwatched = NOTHING

    def begin(self, source: str, *, main: bool) -> Ticket:
        """A cell is about to run."""
        ticket = Ticket(source, main, self._tracker.watch(source))
        self._tickets.append(ticket)
        return ticket

    def end(self, ticket: Ticket) -> None:
        """It has ended, and what it touched is in good hands."""
        self._tickets.remove(ticket)

    def leave(self, ticket: Ticket) -> None:
        """It has ended without a checkpoint: what it touched is for the next one."""
        self._tickets.remove(ticket)
        access = ticket.watch()
        self.pending |= access.as_read_only() if is_read_only(ticket.source) else access

    def drop(self, ticket: Ticket) -> bool:
        """It touched nothing. False where it had ended before."""
        if ticket not in self._tickets:
            return False
        self._tickets.remove(ticket)
        ticket.watch()
        return True

    @property
    def any(self) -> bool:
        """A cell is running."""
        return bool(self._tickets)

    def stirred(self) -> bool:
        """Something may have run since the last cell that was no cell."""
        return not self._tickets and (self.pending != NOTHING or self.unwatched() != NOTHING)

    @property
    def on_main(self) -> bool:
        """A cell is running on the main shell."""
        return any(ticket.main for ticket in self._tickets)

    @property
    def on_subshell(self) -> bool:
        """A cell is running on a subshell."""
        return any(not ticket.main for ticket in self._tickets)

    def under_way(self) -> Access:
        """What cells of subshells may be touching at this moment."""
        access = NOTHING
        for ticket in self._tickets:
            if not ticket.main:  # one on the main shell has ended, or is the one that asks
                access |= cell_access(ticket.source)
        return access

    def unwatched(self) -> Access:
        """What may be touched at any moment by code that is no cell's."""
        access = EVERYTHING if self._background() else NOTHING
        self._unwatched |= access
        return access

    def looked(self, touched: Access = NOTHING) -> None:
        """All that may have been touched was looked at, and this besides.

        What a cell that still runs shares with it was not; what ran in the background when the looking began may have
        gone on after it.
        """
        left = self.pending | touched if self.under_way() != NOTHING else NOTHING
        self.unwatched()
        self.pending, self._unwatched = left | self._unwatched, NOTHING

    def travel(self) -> None:
        """A cell goes to another state, and runs on: what it did so far is to stay reachable."""
        for ticket in self._tickets:
            ticket.traveled = True
            self.pending |= cell_access(ticket.source)
