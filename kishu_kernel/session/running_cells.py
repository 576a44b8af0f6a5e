"""Which cells are running, and what may have been touched since a checkpoint last checked it.

Law: doubt means touched. Neighbour: `session`, which holds its gate around every call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kishu_kernel.detect.access import cell_access
from kishu_kernel.detect.access_trackers import Tracker, Watch
from kishu_kernel.detect.read_only_code import is_read_only
from kishu_kernel.model import EVERYTHING, NOTHING, Access
from kishu_kernel.model.dataclass import dataclass

LOOK_LASTS = 0.25
"""Seconds after which code in the background is looked for again, though nothing has run that could have begun it."""

IsContained = Callable[[str, Access, bool], bool]
"""Says of a cell that is about to run, its code and access, whether it runs nothing but its own code, on plain data;
it is told whether nothing else has run since it last said so."""


def no_cell_is(source: str, access: Access, follows: bool) -> bool:
    """For `IsContained`, where nobody can tell."""
    return False


@dataclass(eq=False)
class Ticket:
    """A cell that is running.

    Attributes:
        source: the cell as IPython transforms it.
        main: it runs on the main shell; else on a subshell.
        watch: ends the watch over the cell, and tells what it may have touched.
        contained: it runs nothing but its own code, on plain data.
        checked_out: the cell itself has checked out another state, so that its code alone does not say what it did.
    """

    source: str
    main: bool
    watch: Watch
    contained: bool = False
    checked_out: bool = False


class RunningCells:
    """The cells that are running.

    Args:
        background: says whether code of the notebook is running outside of cells (threads, tasks).
        contained: says of a cell that is about to run whether it runs nothing but its own code, on plain data.

    Attributes:
        contained: since the cell that runs, or the last one, began, nothing but that has run.
    """

    def __init__(
        self,
        tracker: Tracker,
        background: Callable[[], bool],
        contained: IsContained = no_cell_is,
    ) -> None:
        self._tracker = tracker
        self._background = background
        self._is_contained = contained
        self._tickets: list[Ticket] = []
        self._in_background = NOTHING
        self._unchecked = NOTHING
        self._found_nothing = False
        """It was looked for code in the background, and nothing has run since that could have begun it."""
        self._nothing_until = 0.0
        """Until then it need not be looked again: it was looked twice, and what had just begun had time in between."""
        self.contained = False

    @property
    def unchecked(self) -> Access:
        """What may have been touched, and no checkpoint has checked yet."""
        return self._unchecked

    @unchecked.setter
    def unchecked(self, access: Access) -> None:
        self._unchecked = access
        if access != NOTHING:
            self.note_other_code()

    def note_other_code(self) -> None:
        """Something runs, or has run, that may do anything."""
        self.contained, self._found_nothing, self._nothing_until = False, False, 0.0

    # -- cells begin and end ---------------------------------------------------------------------

    def expect(self, source: str, usual: bool) -> tuple[Access, Access]:
        """A cell is about to run, and `begin` will be called for it.

        Args:
            usual: nothing is registered that could run with any cell.

        Returns:
            What it may touch, and what `background_access` says.
        """
        access = cell_access(source)
        alone = usual and not self._tickets and self._unchecked == NOTHING
        self.contained = alone and self._is_contained(source, access, self.contained)
        background = self.background_access()
        if background != NOTHING:  # it may have come to its end when the cell has
            self.unchecked |= background
        return access, background

    def begin(self, source: str, *, main: bool) -> Ticket:
        """A cell is about to run: begins to watch it."""
        ticket = Ticket(source, main, self._tracker.watch(source), self.contained)
        if not ticket.contained:
            self.note_other_code()
        self._tickets.append(ticket)
        return ticket

    def end(self, ticket: Ticket) -> None:
        """The cell has ended. The caller has taken note of what it touched."""
        self._tickets.remove(ticket)

    def end_without_checkpoint(self, ticket: Ticket) -> None:
        """The cell has ended and gets no checkpoint: what it touched is for the next one to check."""
        self._tickets.remove(ticket)
        access = ticket.watch()
        self.unchecked |= access.as_read_only() if is_read_only(ticket.source) else access

    def discard(self, ticket: Ticket) -> bool:
        """The cell has touched nothing. False if it had ended before."""
        if ticket not in self._tickets:
            return False
        self._tickets.remove(ticket)
        ticket.watch()
        return True

    def note_checkout(self) -> None:
        """The running cells go on in another state: what they did so far stays to be checked."""
        for ticket in self._tickets:
            ticket.checked_out, ticket.contained = True, False
            self.unchecked |= cell_access(ticket.source)

    # -- what runs now ---------------------------------------------------------------------------

    @property
    def any_running(self) -> bool:
        """A cell is running."""
        return bool(self._tickets)

    @property
    def main_running(self) -> bool:
        """A cell is running on the main shell."""
        return any(ticket.main for ticket in self._tickets)

    @property
    def subshell_running(self) -> bool:
        """A cell is running on a subshell."""
        return any(not ticket.main for ticket in self._tickets)

    def subshell_access(self) -> Access:
        """What cells on subshells may be touching at this moment."""
        access = NOTHING
        for ticket in self._tickets:
            if not ticket.main:  # one on the main shell has ended, or is the one that asks
                access |= cell_access(ticket.source)
        return access

    def background_access(self) -> Access:
        """What code that is no cell's may be touching at this moment: everything, or nothing.

        It is not looked for where it was not there a moment ago, and nothing has run since that could have begun it.
        """
        now = time.monotonic()
        if now < self._nothing_until:
            return NOTHING
        if not self._background():
            if all(ticket.contained for ticket in self._tickets):
                self._nothing_until = now + LOOK_LASTS if self._found_nothing else 0.0
                self._found_nothing = True
            return NOTHING
        self.note_other_code()
        self._in_background = EVERYTHING
        return EVERYTHING

    # -- what is to be checked -------------------------------------------------------------------

    def touched_between_cells(self, background: Access | None = None) -> bool:
        """Whether something else than cells may have touched variables since the last checkpoint. False in a cell.

        Args:
            background: what `background_access` has just returned.
        """
        if self._tickets or self.unchecked != NOTHING:
            return not self._tickets
        return (self.background_access() if background is None else background) != NOTHING

    def mark_checked(self, touched: Access = NOTHING, *, looked: bool = False) -> None:
        """All that was unchecked has been checked, and `touched` besides.

        What a cell that still runs shares with it was left out, and stays unchecked. So does everything, if code was
        running in the background when the check began: it may have gone on after it.

        Args:
            looked: it was looked for that when the check began, and none but us has run since.
        """
        left = self.unchecked | touched if self.subshell_access() != NOTHING else NOTHING
        if not (looked and self._found_nothing):
            self.background_access()
        self.unchecked, self._in_background = left | self._in_background, NOTHING
