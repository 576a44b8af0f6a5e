"""When a session may think (`Session.think`): on the main thread, between messages, while nobody waits.

Law: the main thread is taken for a piece at a time. A message that comes meanwhile hurries it; the stop button ends it.
"""

from __future__ import annotations

import _thread
import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

FIRST = 0.3
"""Seconds after a reply: who runs cells one after the other is not held up."""
LATER = 0.2
"""Seconds after a message came in between."""
PIECE, BLIND = 2.0, 0.05
"""Seconds that a piece may take, at most: where messages hurry it; where nobody hears of them while it lasts."""


class ThinkTime:
    """Has a session think, on the event loop of a kernel's main thread.

    Args:
        think: does a piece, and says when to do the next one.
    """

    def __init__(self, think: Callable[[Callable[[], bool]], float | None]) -> None:
        self._think = think
        self._longest = BLIND
        self._inside = False
        self._entering = threading.Lock()
        self._next: asyncio.TimerHandle | None = None
        self._came = False
        self._over = False

    def begin(self) -> None:
        """There is something to think about. Does nothing on another thread, or where there is no event loop."""
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._came = False
        self._at(loop, FIRST)

    def hurry(self) -> None:
        """A message has come. Safe from any thread.

        A piece that is under way gives up when it asks; code that does not ask (a load that takes long) is interrupted.
        """
        self._came = True
        self._longest = PIECE
        with self._entering:
            if self._inside:
                _interrupt_main()

    def end(self) -> None:
        """No more thinking."""
        self._over = True
        if self._next is not None:
            self._next.cancel()

    def leave(self) -> None:
        """No more thinking, and what is under way gives up. Safe from any thread."""
        self._over = True
        self.hurry()

    def _leave(self) -> None:
        while self._inside:
            with suppress(KeyboardInterrupt), self._entering:
                self._inside = False

    def _at(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = None if self._over else loop.call_later(seconds, self._piece, loop)

    def _piece(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next = None
        if self._over:
            return
        if self._came:  # it is handled first
            self._came = False
            self._at(loop, LATER)
            return
        deadline = time.monotonic() + self._longest
        wait: float | None = None
        with _interruptible():
            try:
                with self._entering:
                    self._inside = True
                wait = self._think(lambda: self._came or time.monotonic() > deadline)
            finally:
                self._leave()
            self._leave()  # nobody interrupts from here on: what is on its way arrives here
        self._leave()  # where an interrupt has left the above early
        if wait is not None:
            self._at(loop, LATER if self._came else wait)


def _interrupt_main() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)  # it may sleep
    else:
        _thread.interrupt_main()


@contextmanager
def _interruptible() -> Iterator[None]:
    """The stop button is heard: a kernel ignores it between cells, and what is looked at may be the user's code."""
    try:
        before = signal.getsignal(signal.SIGINT)
        if before is not None:  # else it is one of C's, which nobody could put back
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
