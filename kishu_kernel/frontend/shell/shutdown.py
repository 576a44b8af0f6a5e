"""How a session ends, whoever ends its process: a `shutdown_request`, a signal, `exit()`, or the death of its server.

Law: everything that was done is written within a time limit, by this process or by one that outlives it
(`store.write_behind.handover`); then the process ends as it would have. From the beginning of the end on nothing of
ours is printed in a cell's outputs: the next session says what is missing.
Neighbours: `tracked_shell` is what ends; `process.signals` and `kernel.parent_poller` hear who ends it.
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
from kishu_kernel.frontend.shell.remote_courier import END_SECONDS, RemoteCourier
from kishu_kernel.frontend.shell.store_fate import StoreFate
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.process.signals import TerminationListener
from kishu_kernel.session.session import Session

QUICK_SECONDS = 1.5
"""After this time, what is not written goes to another process. Jupyter's clients send SIGTERM after 2.5 seconds."""
TOO_MUCH_BYTES = 256 << 20
"""So much is never written within that time."""
CELL_SECONDS = 1.0
"""How long a cell has to end that was interrupted when the shutdown was asked for."""
CHECKPOINT_SECONDS = 5.0
"""How long a pending checkpoint, whose cell's reply has left, is waited for."""
TIDY_SECONDS = 0.5
"""For how long, at most, it is looked what other kernels have left."""
RECORD_SECONDS = 1.0
"""How long the records of what waits to be written are waited for."""


class Stoppable(Protocol):
    """What a shutdown needs of the shell that ends."""

    @property
    def session(self) -> Session:
        """What is to be written."""

    @property
    def cells(self) -> RecordedCells:
        """The cells that run."""

    @property
    def opener(self) -> StoreOpener:
        """Has the store open."""

    @property
    def courier(self) -> RemoteCourier:
        """Pushes what is left."""

    @property
    def fate(self) -> StoreFate:
        """Knows whether the store is to stay."""

    def stop_cells(self, seconds: float) -> bool:
        """Gives running cells so many seconds to end. Returns whether all have ended."""

    def close(self) -> None:
        """Lets go of the store, once what could be written is."""


class Shutdown:
    """Ends the session of one shell, once.

    Args:
        shell: what ends.
        seconds: the limit for all that is done when somebody else ends the process.

    Attributes:
        begun: set when the end has begun: nothing is printed any more.
        on_begin: called when the end begins.
    """

    def __init__(self, shell: Stoppable, seconds: float) -> None:
        self._shell = shell
        self._seconds = seconds
        self._deadline = float("inf")
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.begun = threading.Event()
        self._over = threading.Event()
        self.on_begin: Callable[[], None] = lambda: None
        self._signals = TerminationListener(self._on_signal)
        atexit.register(self.on_exit)  # `exit()` in a cell shuts nothing down

    def on_request(self, restart: bool = False) -> None:
        """A client has asked for the end, and will not wait long. Called on any thread.

        Args:
            restart: another kernel takes the place of this one.
        """
        if self._begin(self._seconds):
            with suppress(Exception):  # the kernel ends, whatever is wrong with us
                if restart:
                    self._write_in_time()
                elif not self._dropped():
                    self._write_in_time()
                    self._tidy()
            self._close(END_SECONDS)

    def on_exit(self) -> None:
        """The process ends by itself, and nobody hurries it: everything is written."""
        if self._begin(float("inf")):
            with suppress(Exception):
                if not self._dropped():
                    self._shell.session.settle_within(self._seconds)
                    self._shell.session.writer.flush_within(None)
                    self._tidy()
            self._close(self._seconds)

    def detach(self) -> None:
        """The process goes on without the session: everything is written."""
        self.on_exit()
        self._signals.stop()

    def on_parent_gone(self) -> None:
        """The process that started the kernel is gone. Does not return."""
        self._write_and(lambda: os._exit(1))  # as ipykernel does it

    def _dropped(self) -> bool:
        """Lets the store go, with what waits to be written, if nobody will go back to it."""
        if not self._shell.fate.may_go:  # then what waits is written before anything is waited for
            return False
        cells = self._shell.cells
        if threading.current_thread() is not threading.main_thread():
            cells.wait_for_pending(min(CHECKPOINT_SECONDS, self._seconds_left()))
        if any(cells):
            return False
        self._tidy()
        return self._shell.fate.drop()

    def _tidy(self) -> None:
        """Removes what others have left, for a moment."""
        enough = time.monotonic() + min(TIDY_SECONDS, self._seconds_left())
        self._shell.fate.tidy(lambda _: None, lambda: time.monotonic() > enough)

    def _on_signal(self, number: int) -> None:
        """A signal ends the process. Called on a thread of the listener's."""
        self._write_and(lambda: self._signals.kill(number))

    def _write_in_time(self) -> None:
        """Writes, or gives away, what waits before it waits for anything: a cell, a checkpoint that takes long."""
        shell = self._shell
        on_main = threading.current_thread() is threading.main_thread()  # where cells cannot be waited for
        all_ended = on_main or shell.stop_cells(CELL_SECONDS)
        self._write_or_hand_over()
        if not on_main:
            shell.cells.wait_for_pending(min(CHECKPOINT_SECONDS, self._seconds_left()))
        if all_ended:
            shell.session.settle_within(self._seconds_left())
        self._write_or_hand_over()
        shell.session.writer.flush_within(self._seconds_left())

    def _write_and(self, end: Callable[[], None]) -> None:
        """Writes what it can within the limit; calls `end`, which ends the process, in any case."""
        at_the_latest = threading.Timer(self._seconds + 1, end)
        at_the_latest.daemon = True
        at_the_latest.start()
        with suppress(Exception):
            if self._begin(self._seconds):
                self._hold_cells_and(end)
            self._over.wait(self._seconds)
        end()

    def _hold_cells_and(self, end: Callable[[], None]) -> None:
        session = self._shell.session
        self._shell.cells.wait_for_pending(min(CHECKPOINT_SECONDS, self._seconds_left()))
        with session.cells_held_back(self._seconds_left()):  # to the very end: a cell that begins now would be lost
            if self._shell.stop_cells(0):
                session.settle_within(self._seconds_left())
            session.writer.flush_within(self._seconds_left())
            self._close(self._seconds)  # with this process may end all others of its container
            end()

    def _begin(self, seconds: float) -> bool:
        """Returns whether the caller is to end the session; false where it has ended, or somebody else ends it."""
        if os.getpid() != self._pid:
            return False
        with self._lock:
            if self.begun.is_set():
                return False
            self.begun.set()
        self._deadline = time.monotonic() + seconds
        self._shell.session.writer.hasten_writing()
        self.on_begin()
        return True

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _write_or_hand_over(self) -> None:
        writer = self._shell.session.writer
        patience = QUICK_SECONDS if writer.waiting_bytes < TOO_MUCH_BYTES else 0.0  # else the copies come too late
        if writer.flush_within(min(patience, self._seconds_left())):
            writer.hand_over(self._shell.opener.key, RECORD_SECONDS, self._seconds_left())

    def _close(self, remote_seconds: float) -> None:
        atexit.unregister(self.on_exit)
        with suppress(Exception):
            self._shell.close()
        with suppress(Exception):
            self._shell.courier.end(min(remote_seconds, self._seconds_left()))
        self._over.set()
