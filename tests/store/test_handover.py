"""A record before its payloads: whatever happens in between, the store says what is missing."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import Buffer, Checkpoint, Payload, SessionId, Version, VersionRecord
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store import MemoryStore
from kishu_kernel.store.base import Refs
from kishu_kernel.store.format.signing import key_path
from kishu_kernel.store.lmdb_store import LmdbStore
from kishu_kernel.store.maintenance.fsck import check
from kishu_kernel.store.write_behind import handover, parcel, writer_process
from kishu_kernel.store.write_behind.jobs import HEAVY_BYTES, Job, job_value
from kishu_kernel.store.write_behind.placeholders import UNWRITTEN, placeholder, unwritten_names
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore

from .values import checkpoint_id, trivial


def value(name: str, size: int, seed: int = 0) -> Payload:
    """Bytes out of band, which do not compress."""
    data = bytearray(os.urandom(1 << 16) * (size >> 16 or 1))[:size]
    return Payload((name,), "cloudpickle", b"stream of " + name.encode(), (Buffer(memoryview(data), copied=True),))


def made(number: int, *payloads: Payload, duration: float = 0.0) -> Checkpoint:
    """A checkpoint of these."""
    records = tuple(VersionRecord(each.names, b"", each.size, True, None, True, ()) for each in payloads)  # type: ignore[arg-type]
    size = sum(each.size for each in payloads)
    return replace(trivial(number), versions=records, payload_bytes=size, duration=duration)


class SlowDisk(MemoryStore):
    """Writes what is heavy while the gate is open; what is light at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.full = False
        self.order: list[str] = []

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, *pause: Any) -> Checkpoint:
        if sum(each.size for each in payloads) > HEAVY_BYTES:
            while not self.gate.wait(0.005):
                pause[0]()
            if self.full:
                raise StoreError("the disk is full")
            self.order.append(checkpoint.id)
        return super().commit(checkpoint, payloads, refs)


@pytest.fixture
def disk() -> SlowDisk:
    return SlowDisk()


@pytest.fixture
def store(disk: SlowDisk) -> Iterator[WriteBehindStore]:
    yielded = WriteBehindStore(disk)
    yield yielded
    disk.gate.set()
    yielded.close()


def until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


HEAVY_X = value("x", 9 << 20)
LIGHT_Y = value("y", 100)


def test_the_record_is_there_before_the_bytes(store: WriteBehindStore, disk: SlowDisk) -> None:
    whole = made(1, HEAVY_X, LIGHT_Y)
    refs = {"branch/main": checkpoint_id(1), "head/here": checkpoint_id(1)}
    store.commit(whole, [HEAVY_X, LIGHT_Y], refs)
    until(lambda: disk.contains(whole.id))
    there = disk.checkpoint(whole.id)
    assert unwritten_names(there) == (("x",),)
    assert there.record(("x",)) == replace(whole.record(("x",)), stored=False, size=0, reason=UNWRITTEN)
    assert there.payload_bytes == LIGHT_Y.size
    assert disk.refs() == refs
    assert disk.load(Version(("y",), whole.id)).stream == LIGHT_Y.stream
    with pytest.raises(LoadError):
        disk.load(Version(("x",), whole.id))
    # who reads here sees it as taken, and counts it once
    assert store.checkpoint(whole.id) == whole
    assert store.statistics().checkpoints == len(list(store.checkpoints())) == 1
    assert store.unwritten() == {whole.id}
    disk.gate.set()
    assert store.flush(30)
    kept = disk.checkpoint(whole.id)
    assert replace(kept, written_bytes=0) == whole
    assert disk.load(Version(("x",), whole.id)).stream == HEAVY_X.stream


def test_what_comes_after_it_is_there_too(store: WriteBehindStore, disk: SlowDisk) -> None:
    """Light ones whole, heavy ones as records, refs in their order, also where it waits for room."""
    huge = [value("x", 33 << 20)]
    huge = [replace(each, stream=b"s" * (33 << 20), buffers=()) for each in huge]
    store.commit(made(1, *huge), huge, {"head/here": checkpoint_id(1)})
    taken = threading.Thread(target=store.commit, args=(made(2, LIGHT_Y), [LIGHT_Y], {"head/here": checkpoint_id(2)}))
    taken.start()
    until(lambda: disk.contains(checkpoint_id(2)))
    assert unwritten_names(disk.checkpoint(checkpoint_id(2))) == ()
    assert disk.refs() == {"head/here": checkpoint_id(2)}
    disk.gate.set()
    taken.join(30)
    store.commit(made(3, HEAVY_X), [HEAVY_X], {"head/here": checkpoint_id(3)})
    assert store.flush(30)
    assert disk.refs() == {"head/here": checkpoint_id(3)}
    assert disk.order == [checkpoint_id(1), checkpoint_id(3)]


def test_refs_do_not_go_back(store: WriteBehindStore, disk: SlowDisk) -> None:
    store.commit(made(1, HEAVY_X), [HEAVY_X], {"head/here": checkpoint_id(1)})
    store.set_refs_later({"head/here": None})
    store.commit(made(2, HEAVY_X), [HEAVY_X], {"branch/main": checkpoint_id(2)})
    until(lambda: disk.contains(checkpoint_id(2)))
    expected = {"branch/main": checkpoint_id(2)}
    assert disk.refs() == store.refs() == expected
    disk.gate.set()
    assert store.flush(30)
    assert disk.refs() == expected


def test_what_could_not_be_written_says_why(store: WriteBehindStore, disk: SlowDisk) -> None:
    store.commit(made(1, HEAVY_X), [HEAVY_X], {"head/here": checkpoint_id(1)})
    store.commit(made(2, LIGHT_Y), [LIGHT_Y], {"head/here": checkpoint_id(2)})
    until(lambda: disk.contains(checkpoint_id(2)))
    disk.full = True
    disk.gate.set()
    assert store.flush(30)
    failure = store.take_failure()
    assert failure is not None
    assert [each.id for each in failure.checkpoints] == [checkpoint_id(1), checkpoint_id(2)]
    [record] = disk.checkpoint(checkpoint_id(1)).versions
    assert (record.stored, record.reason) == (False, "it could not be written: the disk is full")


def test_a_branch_that_began_with_what_could_not_be_written_keeps_its_name(disk: SlowDisk) -> None:
    timeline = Timeline(disk, SessionId("here"))
    timeline.append(made(1, HEAVY_X), [HEAVY_X])
    until(lambda: disk.contains(checkpoint_id(1)))
    disk.full = True
    disk.gate.set()
    timeline.store.flush()
    assert timeline.take_failure()
    timeline.rewind(None, None)
    timeline.append(made(2), [])
    assert timeline.branch == "main"
    timeline.store.close()


def test_a_promise_is_sound(tmp_path: Path) -> None:
    """A process that was killed leaves what `fsck` and a collection find in order."""
    store = LmdbStore(tmp_path / "store")
    whole = made(1, HEAVY_X)
    store.commit(placeholder(whole, {("x",)}), (), {"head/here": whole.id})

    class Killed(BaseException):
        pass

    def kill() -> None:
        if store.statistics().chunks:
            raise Killed

    with pytest.raises(Killed):
        store.commit(whole, [replace(HEAVY_X, stream=os.urandom(40 << 20))], {}, kill)
    assert store.statistics().chunks
    store.close()
    report = check(tmp_path / "store")
    assert report.clean
    assert report.orphans
    store = LmdbStore(tmp_path / "store")
    store.collect((), reason="")
    assert store.statistics().chunks == 0
    assert unwritten_names(store.checkpoint(whole.id)) == (("x",),)
    store.close()


# -- the end ------------------------------------------------------------------------------------------------------


def job(payload: Payload, duration: float) -> Job:
    return Job({}, made(1, payload, duration=duration), (payload,))


def test_what_is_quick_to_have_again_or_compresses_badly_comes_last() -> None:
    zeros = replace(value("x", 9 << 20), buffers=(Buffer(memoryview(bytes(9 << 20)), copied=True),))
    noise = value("x", 9 << 20)
    once = job(noise, 1.0)
    assert once.checkpoint is not None
    [record] = once.checkpoint.versions
    gone = replace(once, checkpoint=replace(once.checkpoint, versions=(replace(record, replayable=False),)))
    order = [gone, job(zeros, 1.0), job(noise, 100.0), once, job(noise, 0.1)]
    values = [job_value(each) for each in order]
    assert values[0] == max(values)
    assert values[1] > values[3] > values[4]
    assert values[2] > values[3]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="nothing is given away")
def test_all_that_waits_is_given_to_another_process(tmp_path: Path) -> None:
    class Stuck(LmdbStore):
        def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, *pause: Any) -> Checkpoint:
            while sum(each.size for each in payloads) > HEAVY_BYTES:
                pause[0]()
                time.sleep(0.002)
            return super().commit(checkpoint, payloads, refs)

    path = tmp_path / "store"
    store = WriteBehindStore(Stuck(path))
    cells = [made(1, HEAVY_X, LIGHT_Y), made(2, LIGHT_Y), made(3, HEAVY_X, duration=9.0)]
    output = {"output_type": "stream", "name": "stdout", "text": "seen"}
    cells[0] = replace(cells[0], outputs=(output,))
    for cell, payloads in zip(cells, ([HEAVY_X, LIGHT_Y], [LIGHT_Y], [HEAVY_X]), strict=True):
        store.commit(cell, payloads, {"head/here": cell.id})
    assert store.hand_over(lambda jobs: handover.hand_over(jobs, path, key_path(), 60), 30) or store.flush(30)
    store.close()
    assert handover.wait_until_written(path, 60)
    after = LmdbStore(path)
    for cell in cells:
        kept = after.checkpoint(cell.id)
        assert kept.trusted
        assert kept.written_bytes
        assert replace(kept, written_bytes=0) == cell
        for record in cell.versions:
            loaded = after.load(Version(record.names, cell.id))
            for blob, buffer in zip(loaded.blobs, HEAVY_X.buffers if record.names == ("x",) else (), strict=False):
                found = bytearray(blob.nbytes)
                blob.readinto(memoryview(found))
                assert found == buffer.data
    assert after.refs() == {"head/here": cells[-1].id}
    after.close()
    assert not list(path.glob("unwritten-*"))
    assert check(path).clean


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="nothing is given away")
def test_what_changes_while_it_is_copied_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all the rest there is a copy of one moment."""
    live = bytearray(os.urandom(20 << 20))
    x = Payload(("x",), "cloudpickle", b"x", (Buffer(memoryview(live)),))
    y = value("y", 20 << 20)
    plain = parcel._Copies._copy

    def copy(self: parcel._Copies, piece: parcel._Part) -> bytes:
        digest = plain(self, piece)
        live[-1] = (live[-1] + 1) % 256  # never back to what it was
        return digest

    monkeypatch.setattr(parcel._Copies, "_copy", copy)
    memory = os.memfd_create("test")
    parcel.pack([Job({}, made(1, x, y), (x, y))], Path("/store"), Path("/key"), 1.0, memory)
    read = parcel.Parcel(memoryview(mmap.mmap(memory, 0)))
    os.close(memory)
    [(checkpoint, [payload])] = read.jobs
    assert payload.names == ("y",)
    assert payload.buffers[0].data == y.buffers[0].data
    assert payload.stream == y.stream
    assert [(each.names, each.stored) for each in checkpoint.versions] == [(("x",), False), (("y",), True)]
    assert (read.path, read.key, read.deadline) == (Path("/store"), Path("/key"), 1.0)


def test_what_was_written_until_the_end_is_there() -> None:
    """Each payload for itself, the rest as promised."""
    store = MemoryStore()
    whole = made(1, HEAVY_X, value("z", 9 << 20))
    store.commit(placeholder(whole, {("x",), ("z",)}), (), {})
    payloads = [HEAVY_X, value("z", 9 << 20)]
    writer = writer_process._CheckpointWriter(store, whole, payloads)
    writer.write(payloads[1])
    assert unwritten_names(store.checkpoint(whole.id)) == (("x",),)
    assert store.load(Version(("z",), whole.id)).stream == payloads[1].stream
    writer.write(HEAVY_X)
    assert replace(store.checkpoint(whole.id), written_bytes=0) == whole


def test_a_sign_of_a_process_that_is_gone_is_none(tmp_path: Path) -> None:
    (tmp_path / f"{handover.MARKER}1").touch()
    assert not handover.being_written(tmp_path)
    assert not list(tmp_path.iterdir())
    with handover._marker_file(tmp_path):
        assert handover.being_written(tmp_path)
        assert not handover.wait_until_written(tmp_path, 0.05)
    assert handover.wait_until_written(tmp_path, 0)
