"""A callback for SIGTERM and SIGHUP, before they end the process.

Law: nobody else sees a difference. `signal.getsignal` returns what it would return without us, child processes have
the default disposition, a handler that the user installs replaces ours, and the signal ends the process in the end.

A Python signal handler cannot do this: the main thread runs it between two byte codes, so never during a long call of
compiled code. Instead `faulthandler` writes into a pipe, on whatever thread receives the signal, and a thread of ours
that `threading` does not list reads the pipe. (A thread in `sigwait` would need the signals blocked, and every process
that the notebook starts would inherit that.)

Where there is no `faulthandler.register` (Windows) the callback is never called. Imports nothing of ours.
"""

from __future__ import annotations

import _thread
import faulthandler
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress

TERMINATION_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_listeners: dict[int, TerminationListener] = {}


class TerminationListener:
    """Listens for those termination signals that have the default disposition.

    Args:
        on_signal: called once, on a thread of its own, with the number of the signal. It must call `kill` in the end.
    """

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._on_signal = on_signal
        self._pid = os.getpid()
        self._pipes: dict[int, tuple[int, int]] = {}
        if not hasattr(faulthandler, "register"):
            return
        with suppress(OSError, RuntimeError, ValueError):  # no descriptors or threads left: do without
            self._wake = os.pipe()
            for number in TERMINATION_SIGNALS:
                self._register(number)
            if self._pipes:
                _thread.start_new_thread(self._listen, ())
            return
        self._restore_defaults()

    def _register(self, number: int) -> None:
        if signal.getsignal(number) is not signal.SIG_DFL or number in _listeners:
            return
        reading, writing = os.pipe()
        os.set_blocking(writing, False)  # a full pipe says enough
        faulthandler.register(number, file=writing, all_threads=False)
        self._pipes[number] = reading, writing
        _listeners[number] = self

    def _listen(self) -> None:
        readers = {reading: number for number, (reading, _) in self._pipes.items()}
        ready, _, _ = select.select([*readers, self._wake[0]], [], [])
        if self._wake[0] not in ready:
            self._on_signal(readers[ready[0]])

    def stop(self) -> None:
        """Stop listening: the signals have their default disposition again. In a forked child this does nothing."""
        if self._pipes and os.getpid() == self._pid:
            self._restore_defaults()
            os.write(self._wake[1], b"\0")

    def _restore_defaults(self) -> None:
        for number in self._pipes:
            _restore_default(number)
        self._pipes = {}

    def kill(self, number: int) -> None:
        """End the process by this signal, from any thread."""
        self._restore_defaults()
        os.kill(self._pid, number)


def _restore_default(number: int) -> None:
    """Restore the default disposition, unless the user has installed a handler since."""
    del _listeners[number]
    if signal.getsignal(number) is signal.SIG_DFL:
        faulthandler.unregister(number)


# --- A forked child is no kernel. A signal that reaches it before its listeners are reset must not reach the pipe of
# its parent, so the signals are blocked around the fork.

_masks: dict[int, set[signal.Signals] | set[int]] = {}


def _block_before_fork() -> None:
    if _listeners:
        _masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINATION_SIGNALS)


def _unblock_after_fork() -> None:
    mask = _masks.pop(_thread.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _reset_in_child() -> None:
    for number in list(_listeners):
        _restore_default(number)
    _unblock_after_fork()
    _masks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_block_before_fork, after_in_parent=_unblock_after_fork, after_in_child=_reset_in_child)
