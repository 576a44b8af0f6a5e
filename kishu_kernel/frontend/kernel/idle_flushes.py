"""Spares ipykernel's own streams the flushes that have nothing to do.

ipykernel flushes both streams up to three times a cell, most often when nothing was printed. Each time the thread that
sends is woken twice, and waited for.

Law: when a flush returns, all that was handed to that thread before has been sent, as without us.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ipykernel.iostream import OutStream


def spare_idle_flushes(*streams: Any) -> None:
    """From here on a flush of one of these returns at once where it is ipykernel's own and nothing waits to be sent."""
    under_way: deque[None] = deque()  # an item for each thing that was handed over and is not done yet
    watched = []
    for each in streams:
        if type(each) is OutStream and hasattr(each, "_buffers") and hasattr(each.pub_thread, "schedule"):
            if each.pub_thread not in watched:
                watched.append(each.pub_thread)
                _watch(each.pub_thread, under_way)
            each.flush()  # what was handed over until now
            _spare(each, under_way)


def _watch(thread: Any, under_way: deque[None]) -> None:
    usual = thread.schedule

    def schedule(event: Callable[[], None]) -> None:
        """As without us, and noted until it is done."""

        def done() -> None:
            try:
                event()
            finally:
                under_way.pop()

        under_way.append(None)
        usual(done)

    thread.schedule = schedule


def _spare(stream: Any, under_way: deque[None]) -> None:
    usual = OutStream.flush

    def flush() -> None:
        """As in `OutStream`."""
        if (
            stream._buffers  # first of all: who takes them out is under way by then
            or under_way
            or stream.echo is not None
            or stream.pub_thread is None
            or OutStream.flush is not usual
        ):
            OutStream.flush(stream)

    def send() -> None:
        """As in `OutStream`; a timer calls it, too."""
        under_way.append(None)
        try:
            OutStream._flush(stream)
        finally:
            under_way.pop()

    stream.flush, stream._flush = flush, send
