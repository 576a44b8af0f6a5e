"""Gives a session time to think (`Session.think`): on the main thread, between messages, while nobody waits.

Law: the main thread is taken for one piece of thinking at a time. A message that comes meanwhile makes the piece stop
early; the stop button ends it at once.
"""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

AFTER_REPLY = 0.3
"""Seconds after a reply until thinking begins: who runs cells one after the other is not held up."""
AFTER_MESSAGE = 0.2
"""Seconds until thinking goes on after a message came in between."""
LONG_PIECE = 2.0
"""Seconds that a piece may take, at most, where a message stops it early."""
SHORT_PIECE = 0.05
"""Seconds that it may take where messages are not heard of while it lasts."""

REST = 2.0
"""Seconds without anything to do, after which nobody runs cells one after the other: `get_ready` is called."""

_RESOLUTION = 0.001
"""Seconds by which a timer may ring too early."""


class IdleScheduler:
    """Runs a session's thinking on the event loop of a kernel's main thread.

    Args:
        think: does a piece, and returns the seconds until the next one; None: there is nothing more to do. It is given
            a function that says whether to stop early.
        get_ready: is called at rest, until it says that there is nothing more to do for it; some milliseconds.
    """

    def __init__(self, think: Callable[[Callable[[], bool]], float | None], get_ready: Callable[[], bool]) -> None:
        self._think = think
        self._get_ready: Callable[[], bool] | None = get_ready
        self._resting = False
        self._longest = SHORT_PIECE
        self._thinking = False
        self._entering = threading.Lock()
        self._next: asyncio.TimerHandle | None = None
        self._due = 0.0
        """By the loop's clock: the timer may ring earlier, since each cell puts thinking off and none sets a timer."""
        self._message_came = False
        self._ended = False

    def begin(self) -> None:
        """Starts to think after a while. Does nothing on another thread, or where there is no event loop."""
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._message_came = self._resting = False
        self._schedule(loop, AFTER_REPLY)

    def hurry(self) -> None:
        """Notes that a message has come: a piece that is under way stops early. Safe from any thread.

        It stops when it asks whether to stop; code that does not ask (a load that takes long) is interrupted.
        """
        self._message_came = True
        self._longest = LONG_PIECE
        with self._entering:
            if self._thinking:
                _interrupt_main()

    def end(self) -> None:
        """Ends all thinking. To be called on the main thread."""
        self._ended = True
        if self._next is not None:
            self._next.cancel()

    def stop(self) -> None:
        """Ends all thinking, and stops a piece that is under way. Safe from any thread."""
        self._ended = True
        self.hurry()

    def _leave(self) -> None:
        while self._thinking:
            with suppress(KeyboardInterrupt), self._entering:
                self._thinking = False

    def _schedule(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._due = loop.time() + seconds
        if self._next is not None and (self._ended or self._next.when() > self._due):
            self._next.cancel()
            self._next = None
        if self._next is None and not self._ended:
            self._next = loop.call_at(self._due, self._piece, loop)

    def _piece(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = None
        if self._ended:
            return
        if self._due - loop.time() > _RESOLUTION:  # a cell has ended meanwhile
            self._next = loop.call_at(self._due, self._piece, loop)
            return
        if self._message_came:  # it is handled first
            self._message_came = False
            self._schedule(loop, REST if self._resting else AFTER_MESSAGE)
            return
        if self._resting:
            self._end_rest()
            return
        deadline = time.monotonic() + self._longest
        wait: float | None = None
        with interruptible():
            try:
                with self._entering:
                    self._thinking = True
                wait = self._think(lambda: self._message_came or time.monotonic() > deadline)
            finally:
                self._leave()
            self._leave()  # nobody interrupts from here on; an interrupt that is on its way arrives here
        self._leave()  # where an interrupt has left the above early
        if wait is not None:
            self._schedule(loop, AFTER_MESSAGE if self._message_came else wait)
        elif self._get_ready is not None:
            self._resting = True
            self._schedule(loop, REST)

    def _end_rest(self) -> None:
        get_ready, self._get_ready, self._resting = self._get_ready, None, False
        if get_ready is not None:
            with suppress(Exception):  # who needs it meets it again
                if not get_ready():
                    self._get_ready = get_ready


def _interrupt_main() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)  # it may sleep
    else:
        _thread.interrupt_main()


@contextmanager
def interruptible() -> Iterator[None]:
    """The stop button works within this context: a kernel ignores it between cells, and code of the user may run."""
    try:
        before = signal.getsignal(signal.SIGINT)
        if before is not None:  # else it was set in C, and nobody could set it again
            signal.signal(signal.SIGINT, signal.default_int_handler)
    except (ValueError, KeyboardInterrupt):  # not the main thread's interpreter
        before = None
    if before is None:
        yield
        return
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        try:
            signal.signal(signal.SIGINT, before)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, before)
