"""Memory that changes while a store reads it: no chunk is wrong for ever, no version is of two moments."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError, LostError
from kishu_kernel.model import Buffer, Checkpoint, Payload, Version
from kishu_kernel.store import LmdbStore, Store
from kishu_kernel.store.format import chunks
from kishu_kernel.store.format.chunking import CHUNK_SIZE
from tests.support.harness import Notebook

from .stores import MAKERS
from .values import checkpoint_id, trivial

SIZE = 3 * CHUNK_SIZE
RIGHT = random.Random(1).randbytes(SIZE)
X1, X2 = (Version(("x",), checkpoint_id(number)) for number in (1, 2))


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path / "store")
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


def test_what_compresses_is_not_mixed_up_either(
    store: Store, at_hash: Callable[[int, Callable[[], None]], None]
) -> None:
    right = b"".join(number.to_bytes(8, "little") for number in range(SIZE // 8))
    memory = bytearray(right)

    def taken(number: int, data: bytearray) -> Checkpoint:
        buffer = Buffer(memoryview(data), item_bytes=8)
        return store.commit(trivial(number), [Payload(("x",), "cloudpickle", b"s", (buffer,))], {})

    at_hash(2, lambda: memory.__setitem__(slice(None), bytes(SIZE)))
    assert not taken(1, memory).record(("x",)).stored
    assert taken(2, bytearray(right)).record(("x",)).stored
    assert loaded(store, X2) == right


def test_an_earlier_version_of_the_same_checkpoint_is_not_taken_for_it(
    store: Store, at_hash: Callable[[int, Callable[[], None]], None]
) -> None:
    take(store, 1, bytearray(RIGHT))
    memory = bytearray(SIZE)
    at_hash(2, lambda: memory.__setitem__(0, 1))
    take(store, 1, memory)
    with pytest.raises(LoadError):
        store.load(X1)


def test_it_leaves_nothing_in_the_store_and_a_map_that_grows_does_not_matter(
    tmp_path: Path, at_hash: Callable[[int, Callable[[], None]], None]
) -> None:
    store = LmdbStore(tmp_path / "store", map_size=1 << 18)
    memory = bytearray(random.Random(2).randbytes(40 * CHUNK_SIZE))  # most of it is written ahead
    at_hash(40, lambda: memory.__setitem__(slice(0, CHUNK_SIZE), bytes(CHUNK_SIZE)))
    live = Payload(("x",), "cloudpickle", b"s", (Buffer(memoryview(memory)),))
    calm = Payload(("y",), "cloudpickle", b"t", (Buffer(memoryview(bytearray(RIGHT))),))
    kept = store.commit(replace(trivial(1), payload_bytes=live.size + calm.size), [live, calm], {})
    assert not kept.record(("x",)).stored
    assert kept.payload_bytes == calm.size
    assert SIZE < kept.written_bytes < SIZE + 2048
    assert store.statistics().chunks == 3 + 1
    assert loaded(store, Version(("y",), kept.id)) == RIGHT
    store.close()


def test_a_checkout_makes_it_anew_or_tells_that_it_is_lost(at_hash: Callable[[int, Callable[[], None]], None]) -> None:
    notebook = Notebook()
    notebook.ok("import numpy as np")
    at_hash(2, lambda: notebook["a"].fill(7))
    target = notebook.ok("a = np.random.default_rng(0).random(400_000)").id
    assert notebook["a"][0] == 7
    notebook.ok("a = None")
    with pytest.raises(LostError, match="it changed while it was being stored"):
        notebook.session.checkout(target, replay="never")
    assert notebook["a"] is None
    notebook.session.checkout(target)
    assert notebook.reran == ["a = np.random.default_rng(0).random(400_000)"]
    assert notebook["a"].max() < 1
