"""Messages that JSON cannot hold as they are go out all the same.

Law: what plain ipykernel can send is sent as it sends it. Else a cell with half a surrogate pair in its code would not
be answered, and one that prints it would lose all that it prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def pack_everything(session: Any) -> Callable[[], None]:
    """Has a `jupyter_client.Session` pack what it could not: lone surrogates are escaped. Returns what ends that."""
    plain = session.pack

    def pack(content: Any) -> bytes:
        try:
            packed: bytes = plain(content)
        except UnicodeEncodeError:
            from kishu_kernel.frontend.protocol.content import sendable

            packed = plain(sendable(content))
        return packed

    session.pack = pack

    def stop() -> None:
        if session.pack is pack:
            session.pack = plain

    return stop
