"""Spares ipykernel's own streams the flushes that have nothing to do.

ipykernel flushes both streams up to three times a cell, most often when nothing was printed. Each time the thread that
sends is woken twice, and waited for.

Law: when a flush returns, all that was handed to that thread before has been sent, as without us.
"""

from __future__ import annotations

from typing import Any

from ipykernel.iostream import OutStream


def spare_idle_flushes(*streams: Any) -> None:
    """From here on a flush of one of these returns at once where it is ipykernel's own and nothing waits to be sent."""
    for each in streams:
        if type(each) is OutStream and hasattr(each, "_buffers") and hasattr(each.pub_thread, "_events"):
            _spare(each)


def _spare(stream: Any) -> None:
    usual = OutStream.flush

    def flush() -> None:
        """As in `OutStream`."""
        thread = stream.pub_thread
        if (
            stream._buffers
            or stream.echo is not None
            or thread is None
            or thread._events
            or OutStream.flush is not usual
        ):
            OutStream.flush(stream)

    stream.flush = flush
