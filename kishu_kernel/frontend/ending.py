"""How a session ends, whoever ends its process: `shutdown_request`, a signal, `exit()`.

Law: what was done is written, in this process or by one that outlives it (`store.handover`), within a bound; then the
process ends as it would have. From the beginning of the end on nothing of ours is told in any cell's outputs: the
next session says what is missing.
Neighbours: `attachment` is what ends; `signals` hears who ends it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kishu_kernel.signals import Listener

if TYPE_CHECKING:
    from kishu_kernel.frontend.attachment import Attachment

QUICK = 1.5
"""Seconds after which what is not written goes to another process. Jupyter's clients send SIGTERM after 2.5 seconds."""
RUNNING = 1.0
"""Seconds that a cell has to end, which was interrupted when the shutdown was asked for."""
OWING = 5.0
"""Seconds that a checkpoint has whose cell's reply has left."""
RECORDS = 1.0
"""Seconds to wait for the records of what waits."""


class Ending:
    """The end of an attachment.

    Args:
        seconds: the bound for all that is done when the process is asked to end.

    Attributes:
        begun: nothing is told any more.
        before: called first.
    """

    def __init__(self, attachment: Attachment, seconds: float) -> None:
        self._attachment = attachment
        self._seconds = seconds
        self._deadline = float("inf")
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.begun = threading.Event()
        self._over = threading.Event()
        self.before: Callable[[], None] = lambda: None
        self._signals = Listener(self._signalled)
        atexit.register(self.ended)  # `exit()` in a cell shuts nothing down

    def asked(self) -> None:
        """A client has asked for it, and will not wait long. Called on any thread."""
        if not self._begin(self._seconds):
            return
        other = threading.current_thread() is not threading.main_thread()
        whole = self._attachment.stop_cells(RUNNING) if other else True
        self._write_or_give(QUICK)
        if other:
            self._attachment.cells.caught_up(min(OWING, self._left()))
        if whole:
            self._attachment.session.make_up_within(self._left())
        self._write_or_give(QUICK)
        self._write(self._left())
        self._close()

    def ended(self) -> None:
        """The process ends by itself, and nobody hurries it: all is written."""
        if self._begin(float("inf")):
            self._attachment.session.make_up_within(self._seconds)
            self._attachment.session.flush_within(None)
            self._close()

    def _signalled(self, number: int) -> None:
        """Somebody else ends it. On a thread of the listener's."""
        sure = threading.Timer(self._seconds + 1, self._signals.end, (number,))
        sure.daemon = True
        sure.start()
        try:
            if self._begin(self._seconds):
                self._attachment.cells.caught_up(min(OWING, self._left()))
                with self._attachment.session.standing_still(self._left()):
                    if self._attachment.stop_cells(0):
                        self._attachment.session.make_up_within(self._left())
                    self._write(self._left())
                    self._close()
                    self._signals.end(number)
            self._over.wait(self._seconds)
        finally:
            self._signals.end(number)

    def _begin(self, seconds: float) -> bool:
        """False where it has ended, or is about to."""
        if os.getpid() != self._pid:
            return False
        with self._lock:
            if self.begun.is_set():
                return False
            self.begun.set()
        self._deadline = time.monotonic() + seconds
        self._attachment.session.hasten_writing()
        self.before()
        return True

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def _write(self, seconds: float) -> bool:
        """Whether all is written."""
        return not self._attachment.session.flush_within(seconds)

    def _write_or_give(self, seconds: float) -> None:
        if not self._write(min(seconds, self._left())):
            self._attachment.session.hand_over(self._attachment.opener.key, RECORDS, self._left())

    def _close(self) -> None:
        """Lets go of everything."""
        atexit.unregister(self.ended)
        self._attachment.let_go()
        self._over.set()

    def leave(self) -> None:
        """The process goes on without the session."""
        self.ended()
        self._signals.stop()
