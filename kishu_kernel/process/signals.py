"""SIGTERM and SIGHUP, heard before they end the process.

Law: to everybody else nothing is different. `signal.getsignal` says what it would say without us, children are ended
as ever, a handler of the user's takes the place of ours, and the process ends by the signal in the end. So no handler
of Python's is installed, which the main thread would run when it next can: in the middle of a long call of compiled
code, never in time. `faulthandler` writes into a pipe instead, from whatever thread the signal meets, and a thread of
ours, which `threading` does not list, reads that. (A thread in `sigwait` would need the signals blocked, and every
process that the notebook starts would inherit that.)

Where there is no `faulthandler.register` (Windows) nothing is heard. A leaf: knows nobody.
"""

from __future__ import annotations

import _thread
import faulthandler
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress

HEARD = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_listening: dict[int, Listener] = {}


class Listener:
    """Hears of the signals whose disposition is the default.

    Args:
        heard: is called once, on a thread of its own, with the signal; then it is to call `end`.
    """

    def __init__(self, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._pid = os.getpid()
        self._pipes: dict[int, tuple[int, int]] = {}
        if not hasattr(faulthandler, "register"):
            return
        with suppress(OSError, RuntimeError, ValueError):  # no descriptors, no threads: the process goes on as ever
            self._wake = os.pipe()
            for number in HEARD:
                self._register(number)
            if self._pipes:
                _thread.start_new_thread(self._listen, ())
            return
        self._let_be()

    def _register(self, number: int) -> None:
        if signal.getsignal(number) is not signal.SIG_DFL or number in _listening:
            return
        reading, writing = os.pipe()
        os.set_blocking(writing, False)  # what is full has been heard
        faulthandler.register(number, file=writing, all_threads=False)
        self._pipes[number] = reading, writing
        _listening[number] = self

    def _listen(self) -> None:
        readers = {reading: number for number, (reading, _) in self._pipes.items()}
        ready, _, _ = select.select([*readers, self._wake[0]], [], [])
        if self._wake[0] not in ready:
            self._heard(readers[ready[0]])

    def stop(self) -> None:
        """The signals end the process again, as if nobody had listened. In a child nothing happens."""
        if self._pipes and os.getpid() == self._pid:
            self._let_be()
            os.write(self._wake[1], b"\0")

    def _let_be(self) -> None:
        for number in self._pipes:
            _let_be(number)
        self._pipes = {}

    def end(self, number: int) -> None:
        """Ends the process by this signal, from any thread."""
        self._let_be()
        os.kill(self._pid, number)


def _let_be(number: int) -> None:
    """The default again; but a handler that the user has installed since stays."""
    del _listening[number]
    if signal.getsignal(number) is signal.SIG_DFL:
        faulthandler.unregister(number)


# --- a forked child is nobody's kernel. A signal that comes to it before it knows is not to be heard by its parent.

_masks: dict[int, set[signal.Signals] | set[int]] = {}


def _hold() -> None:
    if _listening:
        _masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)


def _go_on() -> None:
    mask = _masks.pop(_thread.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _forget() -> None:
    for number in list(_listening):
        _let_be(number)
    _go_on()
    _masks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_go_on, after_in_child=_forget)
