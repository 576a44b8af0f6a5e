"""A proxy before an S3 server that does what networks and busy servers do: refuse, cut, lose, and be late.

Law: what it forwards it forwards whole or cut, never changed. What it does follows from its seed.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

THROTTLED = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 75\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>   "
)


def refusal(status: str, code: str, message: str = "no") -> bytes:
    """An answer of S3's that refuses."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


@dataclass
class Faults:
    """How often each kind of harm is done, of 1.

    Attributes:
        throttled: refused with 503, as by a server that is busy.
        slow: answered some hundredths of a second later.
        cut_request: the connection ends before the whole request has arrived.
        cut_answer: it ends in the middle of the answer.
        lost_answer: the request is done, and the connection ends.
        late_lists: a list is the one that was given before.
        refuses: the answer to each request that changes something, if there is one.
        gone_after: so many more requests are let through; None: all.
    """

    throttled: float = 0.0
    slow: float = 0.0
    cut_request: float = 0.0
    cut_answer: float = 0.0
    lost_answer: float = 0.0
    late_lists: float = 0.0
    refuses: bytes | None = None
    gone_after: int | None = None
    done: dict[str, int] = field(default_factory=dict)
    """How often each was done."""


class FaultyNetwork:
    """The proxy, on a thread of its own.

    Attributes:
        port: where it listens on this machine.
        faults: what it does from now on.
    """

    def __init__(self, server: int, seed: int = 0) -> None:
        self._server = server
        self.random = random.Random(seed)
        self._lists: dict[bytes, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self.faults = Faults()
        self.port = 0

    async def run(self, ready: threading.Event) -> None:
        """Serve until `end`."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._over.wait()
        server.close()
        await asyncio.sleep(0)  # what its end has scheduled

    def end(self) -> None:
        """Serve nobody any more."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._over.set)

    def _happens(self, kind: str) -> bool:
        happens = self.random.random() < getattr(self.faults, kind)
        if happens:
            self.faults.done[kind] = self.faults.done.get(kind, 0) + 1
        return happens

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answered(reader)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes | None:
        """What to answer; part of it where the connection is cut, None where nothing arrives."""
        head = await reader.readuntil(b"\r\n\r\n")
        size = length(head)
        faults = self.faults
        if faults.gone_after is not None:
            faults.gone_after -= 1
            if faults.gone_after < 0:
                return None
        if self._happens("cut_request"):
            await reader.readexactly(size // 2)
            return None
        body = await reader.readexactly(size)
        method, target, *_ = head.split(b" ", 2)
        if faults.refuses is not None and method != b"GET" and method != b"HEAD":
            return faults.refuses
        if self._happens("throttled"):
            return THROTTLED
        if self._happens("slow"):
            await asyncio.sleep(0.02)
        answer = await self._forwarded(head, body, method)
        if method == b"GET" and b"list-type=2" in target:
            before = self._lists.get(target)
            self._lists[target] = answer
            if before is not None and self._happens("late_lists"):
                answer = before
        if self._happens("lost_answer"):
            return None
        return answer[: len(answer) // 2] if self._happens("cut_answer") else answer

    async def _forwarded(self, head: bytes, body: bytes, method: bytes) -> bytes:
        first, *lines = head[:-4].split(b"\r\n")
        kept = [each for each in lines if not each.lower().startswith((b"connection:", b"expect:"))]
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server)
        try:
            writer.write(b"\r\n".join([first, *kept, b"Connection: close"]) + b"\r\n\r\n" + body)
            await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
        return answer


def length(head: bytes) -> int:
    """How many bytes of a body follow a head."""
    for each in head.split(b"\r\n"):
        name, _, value = each.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def faulty_network(server: int, seed: int = 0) -> Iterator[FaultyNetwork]:
    """A proxy before the server at this port."""
    network, ready = FaultyNetwork(server, seed), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(network.run(ready)))
    thread.start()
    assert ready.wait(30)
    try:
        yield network
    finally:
        network.end()
        thread.join()
