"""Memory that changes while a store reads it: no chunk is wrong for ever, no version is of two moments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Buffer, Checkpoint, Payload, Version
from kishu_kernel.store import LmdbStore, MemoryStore, Store
from kishu_kernel.store.format import chunks
from kishu_kernel.store.format.chunks import CHUNK_SIZE

from .values import checkpoint_id, trivial

SIZE = 3 * CHUNK_SIZE
RIGHT = random.Random(1).randbytes(SIZE)
X1, X2 = (Version(("x",), checkpoint_id(number)) for number in (1, 2))


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = LmdbStore(tmp_path / "store") if request.param == "lmdb" else MemoryStore()
    yield made
    made.close()


@pytest.fixture
def at_hash(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Does something in the background right after the hash of so many chunks of a buffer."""

    def arrange(count: int, work: Callable[[], None]) -> None:
        hashed = 0
        real = chunks.digest

        def counting(data: memoryview) -> chunks.Digest:
            nonlocal hashed
            found = real(data)
            hashed += data.nbytes == CHUNK_SIZE
            if hashed == count:
                hashed += 1
                work()
            return found

        monkeypatch.setattr(chunks, "digest", counting)

    return arrange


def take(store: Store, number: int, memory: bytearray) -> Checkpoint:
    payload = Payload(("x",), "cloudpickle", b"s", (Buffer(memoryview(memory), direct=True),))
    return store.commit(trivial(number), [payload], {})


def loaded(store: Store, version: Version) -> bytes:
    [blob] = store.load(version).blobs
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return bytes(target)


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5, 6])
def test_what_changes_meanwhile_is_not_stored(
    store: Store, at_hash: Callable[[int, Callable[[], None]], None], moment: int
) -> None:
    memory = bytearray(RIGHT)

    def change() -> None:
        memory[:] = bytes(SIZE)

    with pytest.MonkeyPatch.context():
        at_hash(moment, change)
        kept = take(store, 1, memory)
    record = kept.record(("x",))
    assert store.checkpoint(kept.id) == kept
    if record.stored:  # it changed after it had been looked at twice
        assert loaded(store, X1) == RIGHT
    else:
        assert record.reason == "it changed while it was being stored"
        assert (record.size, kept.payload_bytes) == (0, 0)
        with pytest.raises(LoadError):
            store.load(X1)
    if moment <= 3:
        assert not record.stored


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_the_right_bytes_can_be_stored_afterwards(
    store: Store, at_hash: Callable[[int, Callable[[], None]], None], moment: int
) -> None:
    memory = bytearray(RIGHT)

    def change() -> None:
        memory[:] = bytes(SIZE)

    at_hash(moment, change)
    take(store, 1, memory)
    assert take(store, 2, bytearray(RIGHT)).record(("x",)).stored
    assert loaded(store, X2) == RIGHT


def test_what_changes_and_changes_back_is_what_it_was(
    store: Store, at_hash: Callable[[int, Callable[[], None]], None]
) -> None:
    memory = bytearray(RIGHT)

    def change() -> None:
        memory[:CHUNK_SIZE] = bytes(CHUNK_SIZE)
        at_hash(3, lambda: memory.__setitem__(slice(0, CHUNK_SIZE), RIGHT[:CHUNK_SIZE]))

    at_hash(1, change)
    if take(store, 1, memory).record(("x",)).stored:
        assert loaded(store, X1) == RIGHT


def test_its_neighbours_are_stored(store: Store, at_hash: Callable[[int, Callable[[], None]], None]) -> None:
    memory = bytearray(RIGHT)

    def change() -> None:
        memory[0] ^= 1

    at_hash(2, change)
    live = Payload(("x",), "cloudpickle", b"s", (Buffer(memoryview(memory)),))
    calm = Payload(("y",), "cloudpickle", b"t", (Buffer(memoryview(bytes(5000))),))
    store.commit(trivial(1), [live, calm], {})
    assert store.load(Version(("y",), checkpoint_id(1))).stream == b"t"
    with pytest.raises(LoadError):
        store.load(X1)
