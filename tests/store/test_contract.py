"""What every store promises; each runs all of it."""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import DOCUMENT, Buffer, CheckpointId, Payload, SessionId, Version
from kishu_kernel.store import Blob, Store
from kishu_kernel.store.base import Commit
from kishu_kernel.store.format.chunking import CHUNK_SIZE, ROW_SIZE

from .stores import MAKERS
from .values import checkpoint_id, full, payload, trivial

X1 = Version(("x",), checkpoint_id(1))


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path / "store")
    yield made
    made.close()


def read(blob: Blob) -> bytes:
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return bytes(target)


def trees(count: int) -> list[str]:
    return [f"{kind}-{random.Random(number).random():.9f}" for number in range(count) for kind in ("oak", "elm")]


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_checkpoint_comes_back_as_it_was(store: Store) -> None:
    kept = store.commit(full(1), [], {})
    assert kept == replace(full(1), written_bytes=kept.written_bytes)
    assert store.checkpoint(kept.id) == kept
    assert store.contains(kept.id)


def test_what_is_committed_together_is_as_if_committed_one_by_one(store: Store, tmp_path: Path) -> None:
    same, other = noise(5000), noise(6000, seed=1)
    commits = [
        Commit(full(1), [payload(same), payload(other, names=("y",))], {"branch/main": checkpoint_id(1)}),
        Commit(trivial(2), [payload(same)], {"branch/main": checkpoint_id(2), "head/s": checkpoint_id(2)}),
        Commit(trivial(3), [], {"head/s": None}),
    ]
    kept = store.commit_together(commits)
    assert [each.id for each in kept] == [checkpoint_id(n) for n in (1, 2, 3)]
    assert [store.checkpoint(each.id) for each in kept] == kept
    assert store.refs() == {"branch/main": checkpoint_id(2)}
    for number, name, stream in ((1, "x", same), (1, "y", other), (2, "x", same)):
        assert store.load(Version((name,), checkpoint_id(number))).stream == stream
    assert kept[0].written_bytes > len(same) + len(other)
    assert kept[1].written_bytes < len(same)  # its chunk was there


def test_a_payload_comes_back_as_it_was(store: Store) -> None:
    big = noise(3 * CHUNK_SIZE + 5)
    given = Payload(
        ("x",),
        "dill",
        noise(CHUNK_SIZE + 1, seed=1),
        (Buffer(memoryview(big), direct=True), Buffer(memoryview(b"")), Buffer(memoryview(b"ab"))),
    )
    store.commit(trivial(1), [given], {})
    stored = store.load(X1)
    assert (stored.names, stored.codec, stored.stream) == (("x",), "dill", given.stream)
    assert [blob.direct for blob in stored.blobs] == [True, False, False]
    assert [read(blob) for blob in stored.blobs] == [big, b"", b"ab"]


def test_an_empty_stream_is_a_stream(store: Store) -> None:
    store.commit(trivial(1), [payload(b"")], {})
    assert store.load(X1).stream == b""


def test_live_memory_is_copied_at_commit(store: Store) -> None:
    live = bytearray(b"before")
    store.commit(trivial(1), [payload(b"s", live)], {})
    live[:] = b"after!"
    assert read(store.load(X1).blobs[0]) == b"before"


def test_buffers_of_any_shape_and_format(store: Store) -> None:
    data = noise(48)
    shaped = memoryview(data).cast("d", (2, 3))
    empty = memoryview(bytearray(8)).cast("d")[:0]
    buffers = (Buffer(shaped), Buffer(empty))
    store.commit(trivial(1), [Payload(("x",), "cloudpickle", b"s", buffers)], {})
    blob, none = store.load(X1).blobs
    target = memoryview(bytearray(48)).cast("i", (3, 4))
    blob.readinto(target)
    none.readinto(memoryview(b""))
    assert target.tobytes() == data


def test_chunks_are_read_one_by_one(store: Store) -> None:
    data = noise(3 * CHUNK_SIZE + 100)
    store.commit(trivial(1), [payload(b"s", data, b"short")], {})
    blob, short = store.load(X1).blobs
    assert len(blob.digests) == 4
    assert blob.sizes() == [CHUNK_SIZE, CHUNK_SIZE, CHUNK_SIZE, 100]
    target = memoryview(bytearray(CHUNK_SIZE + 100))
    blob.read_parts([1, 3], target)
    assert target == data[CHUNK_SIZE : 2 * CHUNK_SIZE] + data[3 * CHUNK_SIZE :]
    assert len(short.digests) == 1
    short.read_parts([0], target[:5])
    assert target[:5] == b"short"
    with pytest.raises(LoadError):
        blob.read_parts([0], target)


def test_a_target_of_another_size_is_refused(store: Store) -> None:
    store.commit(trivial(1), [payload(b"s", b"1234")], {})
    with pytest.raises(ValueError, match="4 bytes"):
        store.load(X1).blobs[0].readinto(memoryview(bytearray(5)))


def test_what_is_there_already_is_not_written_again(store: Store) -> None:
    data = bytearray(noise(4 * CHUNK_SIZE))
    first = store.commit(trivial(1), [payload(b"stream", data)], {})
    data[2 * CHUNK_SIZE + 7] ^= 1
    second = store.commit(trivial(2), [payload(b"stream", data)], {})
    assert len(data) < first.written_bytes < len(data) + 1024
    assert CHUNK_SIZE < second.written_bytes < CHUNK_SIZE + 1024
    assert store.statistics().chunks == 4 + 1 + 1
    assert read(store.load(Version(("x",), checkpoint_id(2))).blobs[0]) == data


def test_equal_chunks_of_one_commit_are_written_once(store: Store) -> None:
    kept = store.commit(trivial(1), [payload(b"", bytes(9 * CHUNK_SIZE))], {})
    assert kept.written_bytes < CHUNK_SIZE + 1024
    assert read(store.load(X1).blobs[0]) == bytes(9 * CHUNK_SIZE)


def test_the_same_value_is_stored_once(store: Store) -> None:
    """Under another name, in another branch, in another session."""
    stream, data = pickle.dumps(trees(20_000), 5), noise(2 * CHUNK_SIZE)
    store.commit(trivial(1), [payload(stream, data)], {"branch/main": checkpoint_id(1)})
    other = replace(trivial(2), session=SessionId("other"), parent=None)
    kept = store.commit(other, [payload(stream, data, names=("y", "z"))], {"branch/two": checkpoint_id(2)})
    assert kept.written_bytes < 2048
    again = store.load(Version(("y", "z"), kept.id))
    assert (again.stream, read(again.blobs[0])) == (stream, data)


def test_a_stream_that_shifts_costs_a_few_chunks(store: Store) -> None:
    trees_ = trees(50_000)
    first = store.commit(trivial(1), [payload(pickle.dumps(trees_, 5))], {})
    stream = pickle.dumps(["a new one", *trees_], 5)
    second = store.commit(trivial(2), [payload(stream)], {})
    assert second.written_bytes < first.written_bytes / 8
    assert store.load(Version(("x",), second.id)).stream == stream


def test_what_made_a_payload_is_known(store: Store) -> None:
    for number, made_by in enumerate([{"python": "3.14.1", "numpy": "2.4.0"}, {}, {"python": "3.10.0"}], 1):
        given = replace(payload(b"s"), made_by=made_by)
        store.commit(trivial(number), [given], {})
        assert store.load(Version(("x",), checkpoint_id(number))).made_by == made_by
    again = store.commit(trivial(9), [replace(payload(b"s"), made_by={"numpy": "2.4.0", "python": "3.14.1"})], {})
    plain = store.commit(trivial(10), [payload(b"s")], {})
    assert again.written_bytes - plain.written_bytes < 30  # a short name in the manifest
    assert store.load(Version(("x",), again.id)).made_by == {"python": "3.14.1", "numpy": "2.4.0"}


def test_bytes_are_told_as_they_arrive(store: Store) -> None:
    sizes = [40 * CHUNK_SIZE + 3, 0, 10]
    buffers = [noise(3) * (size // 3) + b"." * (size % 3) for size in sizes]
    stream = pickle.dumps(trees(9000), 5)
    store.commit(trivial(1), [payload(stream, *buffers)], {})
    seen: list[int] = []
    stored = store.load(X1, seen.append)
    assert sum(seen) == len(stream)
    for blob, data in zip(stored.blobs, buffers, strict=True):
        del seen[:]
        assert read(blob) == data
        assert sum(seen) == len(data)


def test_dropping_a_long_row_writes_nothing_new(store: Store) -> None:
    row = ROW_SIZE + 1000
    rows = [noise(row, seed) for seed in range(6)]

    def block(rows: list[bytes]) -> Payload:
        return Payload(("x",), "cloudpickle", b"", (Buffer(memoryview(b"".join(rows)), row),))

    store.commit(trivial(1), [block(rows)], {})
    kept = store.commit(trivial(2), [block(rows[:2] + rows[3:])], {})
    assert kept.written_bytes < 1024
    assert read(store.load(Version(("x",), kept.id)).blobs[0]) == b"".join(rows[:2] + rows[3:])


def test_what_is_missing_is_told(store: Store) -> None:
    store.commit(trivial(1), [payload(b"s")], {})
    for version in (Version(("y",), X1.checkpoint), Version(("x",), checkpoint_id(2))):
        with pytest.raises(LoadError):
            store.load(version)
    for id in (checkpoint_id(2), CheckpointId("nonsense"), CheckpointId("")):
        assert not store.contains(id)
        with pytest.raises(KeyError):
            store.checkpoint(id)
    with pytest.raises(KeyError):
        store.amend(trivial(2), {})


def test_names_that_join_alike_are_different_covariables(store: Store) -> None:
    families = [("a", "b"), ("a,b",), ('a","b',), ("ab",), ("a\0b",), ("a", "b", "")]
    for number, names in enumerate(families):
        store.commit(trivial(1), [payload(b"%d" % number, names=names)], {})
    for number, names in enumerate(families):
        stored = store.load(Version(names, checkpoint_id(1)))
        assert (stored.names, stored.stream) == (names, b"%d" % number)


def test_find(store: Store) -> None:
    ids = [CheckpointId(text * 4) for text in ("abc1", "abc2", "abd0", "ffff", "0000")]
    for id in ids:
        store.commit(replace(trivial(1), id=id), [], {})
    assert store.find("abc", 9) == ids[:2]
    assert store.find("ab", 2) == ids[:2]
    assert store.find("", 9) == sorted(ids)
    assert store.find(ids[3], 9) == [ids[3]]
    for prefix in ("abe", "ABC", "ab c", "é", ids[3] + "0", "0x"):
        assert store.find(prefix, 9) == []


def test_checkpoints_are_those_at_the_call(store: Store) -> None:
    kept = [store.commit(full(number), [], {}) for number in (1, 2)]
    seen, bare = store.checkpoints(), store.checkpoints(outputs=False)
    store.commit(trivial(3), [], {})  # would wait for ever if `seen` held a transaction
    assert sorted(seen, key=lambda c: c.id) == kept
    assert sorted(bare, key=lambda c: c.id) == [replace(c, outputs=(), outputs_trusted=True) for c in kept]


def test_refs(store: Store) -> None:
    store.commit(trivial(1), [], {"branch/main": checkpoint_id(1), "head/s": checkpoint_id(1)})
    store.update_refs({"branch/main": checkpoint_id(2), "tag/é \ud800": checkpoint_id(3), "none": None})
    store.amend(trivial(1), {"head/s": None})
    assert store.refs() == {"branch/main": checkpoint_id(2), "tag/é \ud800": checkpoint_id(3)}


@pytest.mark.parametrize("name", ["", "n" * 501])
def test_what_fails_writes_nothing(store: Store, name: str) -> None:
    before = store.statistics()
    bad = {"branch/main": checkpoint_id(1), name: checkpoint_id(1)}
    with pytest.raises(StoreError, match="1 to 500 bytes"):
        store.commit(trivial(1), [payload(b"s")], bad)
    with pytest.raises(StoreError):
        store.update_refs(bad)
    assert store.statistics() == before
    assert store.refs() == {}
    assert not store.contains(checkpoint_id(1))


def test_amend_rewrites_the_record(store: Store) -> None:
    kept = store.commit(full(1), [payload(b"s")], {})
    store.amend(replace(kept, message="good", outputs=()), {"tag/good": kept.id})
    assert store.checkpoint(kept.id) == replace(kept, message="good")  # outputs stay
    assert store.refs() == {"tag/good": kept.id}
    assert store.load(X1).stream == b"s"
    store.amend(replace(kept, outputs=({"text": "new"},)), {})
    assert store.checkpoint(kept.id).outputs == ({"text": "new"},)


def test_committing_again_replaces(store: Store) -> None:
    store.commit(full(1), [payload(b"old")], {})
    store.commit(trivial(1), [payload(b"new")], {})
    assert store.checkpoint(checkpoint_id(1)).outputs == ()
    assert store.load(X1).stream == b"new"
    assert store.statistics().checkpoints == 1


def test_outputs_that_are_not_json_do_not_stop_a_checkpoint(store: Store) -> None:
    outputs = ({"data": {"image/png": b"\x89PNG", "x": {1}, "n": float("nan")}},)
    store.commit(replace(trivial(1), outputs=outputs), [], {})
    data = store.checkpoint(checkpoint_id(1)).outputs[0]["data"]
    assert isinstance(data, dict)
    assert (data["image/png"], data["x"]) == ("iVBORw==", "{1}")


def test_statistics(store: Store) -> None:
    assert store.statistics().checkpoints == store.statistics().chunks == 0
    store.commit(trivial(1), [payload(b"s", noise(CHUNK_SIZE))], {})
    statistics = store.statistics()
    assert (statistics.checkpoints, statistics.chunks) == (1, 2)
    assert CHUNK_SIZE < statistics.bytes < CHUNK_SIZE + (1 << 17)


def test_a_closed_store_says_so(store: Store) -> None:
    store.commit(trivial(1), [payload(b"s", b"b")], {})
    blob = store.load(X1).blobs[0]
    store.close()
    store.close()
    for act in (
        lambda: store.commit(trivial(2), [], {}),
        lambda: store.load(X1),
        lambda: store.find("", 1),
        lambda: store.checkpoints(),
        lambda: store.update_refs({}),
        lambda: store.refs(),
        lambda: store.statistics(),
        lambda: store.collect((), reason=""),
        lambda: read(blob),
    ):
        with pytest.raises(StoreError, match="closed"):
            act()


def test_readers_and_writers_in_several_threads(store: Store) -> None:
    data = noise(2 * CHUNK_SIZE + 1)
    store.commit(trivial(1), [payload(b"s", data)], {})
    errors: list[BaseException] = []

    def run(work: int) -> None:
        try:
            for step in range(20):
                if work % 2:
                    number = 2 + work * 100 + step
                    store.commit(trivial(number), [payload(b"%d" % number, noise(9999, number))], {})
                else:
                    assert read(store.load(X1).blobs[0]) == data
                    assert all(c.code for c in store.checkpoints())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.statistics().checkpoints == 1 + 3 * 20


def attached(data: bytes) -> Payload:
    return Payload(DOCUMENT, "cloudpickle", b"stream", (Buffer(memoryview(data), copied=True),))


def test_what_is_attached_stands_beside_the_versions(store: Store) -> None:
    store.commit(trivial(1), [payload(b"s")], {"branch/main": checkpoint_id(1)})
    beside = Version(DOCUMENT, checkpoint_id(1))
    with pytest.raises(LoadError):
        store.load(beside)
    store.attach(checkpoint_id(1), attached(b"first"))
    store.attach(checkpoint_id(1), attached(b"second"))
    assert read(store.load(beside).blobs[0]) == b"second"
    before = store.statistics().chunks
    store.attach(checkpoint_id(2), attached(b"second"))  # of a checkpoint that the store may not have
    assert store.statistics().chunks == before
    assert {each.id for each in store.checkpoints()} == {checkpoint_id(1)}
    assert store.load(X1).stream == b"s"
    store.collect([beside], reason="it is not needed")
    with pytest.raises(LoadError):
        store.load(beside)
    assert read(store.load(Version(DOCUMENT, checkpoint_id(2))).blobs[0]) == b"second"
    assert store.checkpoint(checkpoint_id(1)).versions == trivial(1).versions


def test_the_list_without_outputs_is_the_list_whatever_was_written_between(store: Store) -> None:
    def listed() -> dict[CheckpointId, object]:
        return {each.id: each for each in store.checkpoints(outputs=False)}

    def wanted() -> dict[CheckpointId, object]:
        return {each.id: replace(each, outputs=(), outputs_trusted=True) for each in store.checkpoints()}

    assert listed() == {}
    for number in range(1, 6):
        store.commit(trivial(number), [payload(b"s", b"%d" % number)], {"branches/main": checkpoint_id(number)})
        if number % 2:
            assert listed() == wanted()
    assert len(listed()) == 5
    store.update_refs({"tags/kept": checkpoint_id(2)})
    store.amend(replace(store.checkpoint(checkpoint_id(2)), message="amended"), {})
    assert listed() == wanted()
    assert listed()[checkpoint_id(2)] == replace(store.checkpoint(checkpoint_id(2)), outputs=(), outputs_trusted=True)
    store.commit(replace(trivial(3), code="again"), [], {})
    store.commit(replace(full(6), trusted=False), [], {})
    assert listed() == wanted()
    store.collect([Version(("x",), checkpoint_id(4))], reason="it was dropped")
    assert listed() == wanted()
