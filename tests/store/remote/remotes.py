"""Remotes and histories for the tests of this room."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import LoadError, RemoteError
from kishu_kernel.model import Buffer, CheckpointId, Payload, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.remote.holdings import KnownHoldings
from kishu_kernel.store.remote.objects import Listed, Objects, RemoteObjects
from kishu_kernel.store.remote.push import push
from tests.store.values import checkpoint_id, trivial

obstore: Any = pytest.importorskip("obstore", reason="a remote needs obstore")


AT_ONCE: Any = {"grace": timedelta(), "reading": timedelta()}
"""Of a collection that gives nobody time."""


def memory_remote() -> RemoteObjects:
    """An empty remote in this process."""
    return RemoteObjects(obstore.store.MemoryStore(), "memory:///")


class Interrupted(RemoteError):
    """The network went away."""


class Failing:
    """A remote that fails at one call, before it did anything or after it did all, and at every later one.

    Args:
        at: the number of the call, from 1; 0 for never.
        heard: false where the call is done, and its answer is lost.
    """

    def __init__(self, objects: Objects, at: int = 0, heard: bool = True) -> None:
        self.url = objects.url
        self.calls = 0
        self.sent = 0
        self._objects = objects
        self._at = at
        self._heard = heard

    def _begin(self) -> bool:
        """Counts a call. Whether it is the one whose answer gets lost."""
        self.calls += 1
        if self._at and (self.calls > self._at or (self.calls == self._at and self._heard)):
            raise Interrupted("the network went away")
        return self.calls == self._at

    def _end(self, lost: bool) -> None:
        if lost:
            raise Interrupted("the network went away")

    def get(self, name: str) -> bytes:
        lost = self._begin()
        found = self._objects.get(name)
        self._end(lost)
        return found

    def get_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> Sequence[bytes | memoryview]:
        lost = self._begin()
        found = self._objects.get_parts(name, parts)
        self._end(lost)
        return found

    def exists(self, name: str) -> bool:
        lost = self._begin()
        found = self._objects.exists(name)
        self._end(lost)
        return found

    def put(self, name: str, data: bytes) -> None:
        lost = self._begin()
        self._objects.put(name, data)
        self.sent += len(data)
        self._end(lost)

    def create(self, name: str, data: bytes) -> bool:
        lost = self._begin()
        found = self._objects.create(name, data)
        self._end(lost)
        return found

    def list(self, prefix: str) -> Iterator[Listed]:
        lost = self._begin()
        yield from self._objects.list(prefix)
        self._end(lost)

    def delete(self, name: str) -> None:
        lost = self._begin()
        self._objects.delete(name)
        self._end(lost)


def noise(seed: int, size: int = 300_000) -> bytes:
    return random.Random(seed).randbytes(size)


def add(
    path: Path,
    number: int,
    parent: int | None = None,
    branch: str = "main",
    data: bytes = b"",
    signer: Signer | None = None,
) -> None:
    """Run a cell: it adds a state to a store, with a value of its own, at the end of a branch. 0 is no parent."""
    store = LmdbStore(path, signer=signer)
    value = data or noise(number)
    before = number - 1 if parent is None else parent
    checkpoint = replace(
        trivial(number, f"x = {number}"),
        parent=checkpoint_id(before) if before else None,
        outputs=({"output_type": "stream", "name": "stdout", "text": f"{number}\n"},),
    )
    one = Payload(("x",), "cloudpickle", b"stream of %d" % number, (Buffer(memoryview(value)),), {"python": "3.11"})
    id = checkpoint_id(number)
    store.commit(checkpoint, [one], {f"branch/{branch}": id, f"head/{branch}-session": id})
    store.close()


def values(path: Path, signer: Signer | None = None) -> dict[CheckpointId, object]:
    """What each state of a store gives back: its code, and its value or why there is none."""
    store = LmdbStore(path, signer=signer)
    found: dict[CheckpointId, object] = {}
    for checkpoint in store.checkpoints():
        value: object
        try:
            loaded = store.load(Version(("x",), checkpoint.id))
            data = bytearray(loaded.blobs[0].nbytes)
            loaded.blobs[0].readinto(memoryview(data))
            value = loaded.stream, bytes(data), loaded.made_by
        except LoadError as error:
            value = type(error)
        found[checkpoint.id] = checkpoint.code, checkpoint.parent, checkpoint.message, checkpoint.outputs, value
    store.close()
    return found


def name(path: Path, tag: str, number: int | None) -> None:
    """Give a state of a store a tag; None takes it away."""
    store = LmdbStore(path)
    store.update_refs({f"tag/{tag}": None if number is None else checkpoint_id(number)})
    store.close()


def refs(path: Path) -> dict[str, CheckpointId]:
    store = LmdbStore(path)
    found = store.refs()
    store.close()
    return found


def push_at_once(paths: Sequence[Path], remote: Objects, known: KnownHoldings | None = None) -> list[BaseException]:
    """Push several stores at the same time. What failed."""
    failures: list[BaseException] = []

    def run(path: Path) -> None:
        try:
            push(path, remote, known=known)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
