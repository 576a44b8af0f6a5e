"""What a kernel and the processes beside it say to each other: lines of JSON, over sockets of this machine."""

from __future__ import annotations

import json
import socket
from typing import Any


def line(value: dict[str, Any]) -> bytes:
    """Returns a message."""
    return json.dumps(value).encode("ascii") + b"\n"


class Lines:
    """Puts messages together from what was received."""

    def __init__(self) -> None:
        self._begun = b""

    def take(self, data: bytes) -> list[dict[str, Any]]:
        """Returns the messages that these bytes have completed."""
        *whole, self._begun = (self._begun + data).split(b"\n")
        return [json.loads(each) for each in whole]

    def arrived(self, connection: socket.socket) -> tuple[list[dict[str, Any]], bool]:
        """Returns the messages that are there, without waiting for any, and whether the other end is gone."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                data = connection.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return messages, False
            except OSError:
                data = b""
            if not data:
                return messages, True
            messages += self.take(data)
