"""How a session ends, whoever ends its process: `shutdown_request`, a signal, `exit()`, the death of its server.

Law: what was done is written, in this process or by one that outlives it (`store.handover`), within a bound; then the
process ends as it would have. From the beginning of the end on nothing of ours is told in any cell's outputs: the
next session says what is missing.
Neighbours: `tracked_shell` is what ends; `signals` and `orphan` hear who ends it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from kishu_kernel.frontend.shell.recorded_cell import RecordedCells
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.process.signals import TerminationListener
from kishu_kernel.session.session import Session

QUICK = 1.5
"""Seconds after which what is not written goes to another process. Jupyter's clients send SIGTERM after 2.5 seconds."""
MUCH = 256 << 20
"""Bytes that are not written within that time anyhow."""
RUNNING = 1.0
"""Seconds that a cell has to end, which was interrupted when the shutdown was asked for."""
OWING = 5.0
"""Seconds that a checkpoint has whose cell's reply has left."""
RECORDS = 1.0
"""Seconds to wait for the records of what waits."""


class Stoppable(Protocol):
    """A shell with a session, as far as its end needs to know it."""

    @property
    def session(self) -> Session:
        """What is to be written."""

    @property
    def cells(self) -> RecordedCells:
        """The cells that run."""

    @property
    def opener(self) -> StoreOpener:
        """Has the store open."""

    def stop_cells(self, seconds: float) -> bool:
        """Gives running cells so many seconds to end. Returns whether all have ended."""

    def let_go(self) -> None:
        """Closes everything."""


class Shutdown:
    """The end of an tracked_shell.

    Args:
        seconds: the bound for all that is done when the process is asked to end.

    Attributes:
        begun: nothing is told any more.
        before: called first.
    """

    def __init__(self, tracked_shell: Stoppable, seconds: float) -> None:
        self._tracked = tracked_shell
        self._seconds = seconds
        self._deadline = float("inf")
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.begun = threading.Event()
        self._over = threading.Event()
        self.before: Callable[[], None] = lambda: None
        self._signals = TerminationListener(self._signalled)
        atexit.register(self.ended)  # `exit()` in a cell shuts nothing down

    def asked(self) -> None:
        """A client has asked for it, and will not wait long. Called on any thread."""
        if self._begin(self._seconds):
            with suppress(Exception):  # the kernel ends, whatever is wrong with us
                self._write_in_time()
            self._close()

    def ended(self) -> None:
        """The process ends by itself, and nobody hurries it: all is written."""
        if self._begin(float("inf")):
            with suppress(Exception):
                self._tracked.session.make_up_within(self._seconds)
                self._tracked.session.flush_within(None)
            self._close()

    def leave(self) -> None:
        """The process goes on without the session."""
        self.ended()
        self._signals.stop()

    def _write_in_time(self) -> None:
        """What waits is safe before anything is waited for: a cell, a checkpoint that takes long."""
        tracked_shell = self._tracked
        on_main = threading.current_thread() is threading.main_thread()  # where cells cannot be waited for
        whole = on_main or tracked_shell.stop_cells(RUNNING)
        self._write_or_give()
        if not on_main:
            tracked_shell.cells.caught_up(min(OWING, self._left()))
        if whole:
            tracked_shell.session.make_up_within(self._left())
        self._write_or_give()
        tracked_shell.session.flush_within(self._left())

    def orphaned(self) -> None:
        """Who started the process is gone. Does not return."""
        self._end_by(lambda: os._exit(1))  # as ipykernel does it

    def _signalled(self, number: int) -> None:
        """Somebody else ends it. On a thread of the listener's."""
        self._end_by(lambda: self._signals.kill(number))

    def _end_by(self, end: Callable[[], None]) -> None:
        sure = threading.Timer(self._seconds + 1, end)
        sure.daemon = True
        sure.start()
        with suppress(Exception):
            if self._begin(self._seconds):
                self._stand_still_and(end)
            self._over.wait(self._seconds)
        end()

    def _stand_still_and(self, end: Callable[[], None]) -> None:
        session = self._tracked.session
        self._tracked.cells.caught_up(min(OWING, self._left()))
        with session.standing_still(self._left()):  # to the very end: a cell that begins now would be lost
            if self._tracked.stop_cells(0):
                session.make_up_within(self._left())
            session.flush_within(self._left())
            self._close()
            end()

    def _begin(self, seconds: float) -> bool:
        """False where it has ended, or is about to."""
        if os.getpid() != self._pid:
            return False
        with self._lock:
            if self.begun.is_set():
                return False
            self.begun.set()
        self._deadline = time.monotonic() + seconds
        self._tracked.session.hasten_writing()
        self.before()
        return True

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _write_or_give(self) -> None:
        session = self._tracked.session
        patience = QUICK if session.waiting_bytes < MUCH else 0.0  # else the copies come too late
        if session.flush_within(min(patience, self._left())):
            session.hand_over(self._tracked.opener.key, RECORDS, self._left())

    def _close(self) -> None:
        """Lets go of everything."""
        atexit.unregister(self.ended)
        with suppress(Exception):
            self._tracked.let_go()
        self._over.set()
