"""The writer's thread: what was taken is seen at once, written in order, or given back."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Buffer, Checkpoint, Payload, Version
from kishu_kernel.store import MemoryStore
from kishu_kernel.store.base import Commit, Refs
from kishu_kernel.store.write_behind import write_queue
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore
from kishu_kernel.store.write_behind.write_queue import MAX_WAITING_BYTES

from .values import checkpoint_id, payload, trivial

X1 = Version(("x",), checkpoint_id(1))


class GatedStore(MemoryStore):
    """A store in memory whose disk takes its time: it writes while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.full = False

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, *pause: Any) -> Checkpoint:
        self._turn()
        return super().commit(checkpoint, payloads, refs, *pause)

    def update_refs(self, refs: Refs) -> None:
        self._turn()
        super().update_refs(refs)

    def _turn(self) -> None:
        assert self.gate.wait(30)
        if self.full:
            raise StoreError("the disk is full")


@pytest.fixture
def disk() -> GatedStore:
    return GatedStore()


@pytest.fixture
def store(disk: GatedStore) -> Iterator[WriteBehindStore]:
    made = WriteBehindStore(disk)
    yield made
    disk.gate.set()
    made.close()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def waits(thread: threading.Thread) -> bool:
    thread.join(0.2)
    return thread.is_alive()


def test_what_was_taken_is_seen_before_it_is_written(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    first, second = (store.commit(trivial(n), [], {"branch/main": checkpoint_id(n)}) for n in (1, 2))
    assert store.pending
    assert store.contains(first.id)
    assert store.checkpoint(second.id) == second
    assert store.find("", 5) == [first.id, second.id]
    assert {each.id for each in store.checkpoints()} == store.unwritten() == {first.id, second.id}
    assert store.refs() == {"branch/main": second.id}
    assert store.statistics().checkpoints == 2
    assert not disk.contains(first.id)
    assert not store.flush(0.1)
    disk.gate.set()
    assert store.flush(30)
    assert not store.pending
    assert store.unwritten() == frozenset()
    assert disk.refs() == store.refs() == {"branch/main": second.id}
    assert store.statistics().checkpoints == disk.statistics().checkpoints == 2


def test_who_asks_for_it_learns_what_was_written() -> None:
    told: list[Checkpoint] = []
    store = WriteBehindStore(MemoryStore(), told.append)
    taken = store.commit(trivial(1), [payload(b"stream")], {})
    store.flush()
    [kept] = told
    assert (kept.id, taken.written_bytes) == (taken.id, 0)
    assert kept.written_bytes > len(b"stream")
    store.close()


class CountingStore(MemoryStore):
    """It tells what shares a transaction, and can fail to write several at once, or one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.fails_together = False
        self.unwritable: frozenset[str] = frozenset()

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        if self.fails_together:
            raise StoreError("not together")
        self.groups.append(len(commits))
        return super().commit_together(commits)

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, *pause: Any) -> Checkpoint:
        if checkpoint.id in self.unwritable:
            raise StoreError("this one is not written")
        return super().commit(checkpoint, payloads, refs, *pause)


def test_small_checkpoints_that_follow_each_other_share_a_transaction() -> None:
    disk, told = CountingStore(), list[Checkpoint]()
    store = WriteBehindStore(disk, told.append)
    store.commit(trivial(1), [], {"branch/main": checkpoint_id(1)})
    store.flush()
    for number in range(2, 12):
        store.commit(trivial(number), [payload(b"%d" % number)], {"branch/main": checkpoint_id(number)})
    assert store.flush(30)
    assert disk.groups == [10]
    assert [each.id for each in told] == [checkpoint_id(number) for number in range(1, 12)]
    assert disk.refs() == {"branch/main": checkpoint_id(11)}
    assert disk.load(Version(("x",), checkpoint_id(7))).stream == b"7"
    store.close()


def test_what_waits_for_others_is_written_soon() -> None:
    disk = CountingStore()
    store = WriteBehindStore(disk)
    for number in (1, 2, 3):
        store.commit(trivial(number), [], {"branch/main": checkpoint_id(number)})
    deadline = time.monotonic() + 10
    while store.pending and time.monotonic() < deadline:  # nobody asks for it
        time.sleep(0.01)
    assert disk.contains(checkpoint_id(3))
    store.close()


def test_a_moment_without_another_one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "TOGETHER", 3600.0)
    disk = CountingStore()
    store = WriteBehindStore(disk)
    for number in range(1, 9):
        store.commit(trivial(number), [], {"branch/main": checkpoint_id(number)})
        time.sleep(0.01)
    deadline = time.monotonic() + 10
    while store.pending and time.monotonic() < deadline:  # nobody asks for it
        time.sleep(0.01)
    assert not store.pending
    assert max(disk.groups) > 3
    store.close()


@pytest.mark.parametrize("unwritable", [set(), {3}])
def test_where_a_shared_transaction_fails_each_is_written_by_itself(unwritable: set[int]) -> None:
    disk = CountingStore()
    store = WriteBehindStore(disk)
    store.commit(trivial(1), [], {"branch/main": checkpoint_id(1)})
    store.flush()
    disk.fails_together = True
    disk.unwritable = frozenset(checkpoint_id(number) for number in unwritable)
    for number in range(2, 6):
        store.commit(trivial(number), [], {"branch/main": checkpoint_id(number)})
    store.flush()
    failure = store.take_failure()
    lost = [] if failure is None else [each.id for each in failure.checkpoints]
    assert lost == [checkpoint_id(number) for number in range(3, 6) if unwritable]
    assert disk.refs() == {"branch/main": checkpoint_id(2 if unwritable else 5)}
    store.close()


def test_a_heavy_checkpoint_shares_none() -> None:
    disk = CountingStore()
    store = WriteBehindStore(disk)
    store.commit(trivial(1), [], {"branch/main": checkpoint_id(1)})
    store.flush()
    store.commit(trivial(2), [payload(bytes(9 << 20))], {"branch/main": checkpoint_id(2)})
    store.commit(trivial(3), [], {"branch/main": checkpoint_id(3)})
    assert store.flush(30)
    assert disk.groups == []
    assert disk.contains(checkpoint_id(2))
    assert disk.contains(checkpoint_id(3))
    store.close()


def test_after_a_failure_nothing_is_built_on_what_is_lost(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    first = store.commit(trivial(1), [], {"branch/main": checkpoint_id(1)})
    second = store.commit(trivial(2), [], {"branch/main": checkpoint_id(2)})
    disk.full = True
    disk.gate.set()
    store.flush()
    disk.full = False
    for change in (
        lambda: store.commit(trivial(3), [], {}),
        lambda: store.update_refs({"tag/lost": second.id}),
        lambda: store.amend(second, {}),
    ):
        with pytest.raises(StoreError, match="the disk is full"):
            change()
    failure = store.take_failure()
    assert failure is not None
    assert [each.id for each in failure.checkpoints] == [first.id, second.id]
    assert store.take_failure() is None
    assert store.refs() == {}
    assert not store.contains(first.id)
    store.commit(trivial(3), [], {})
    store.flush()
    assert disk.contains(checkpoint_id(3))


def test_refs_that_could_not_be_written_go_with_what_comes_next(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.full = True
    store.set_refs_later({"head/here": checkpoint_id(7)})
    store.flush()
    disk.full = False
    assert store.refs() == {"head/here": checkpoint_id(7)}
    assert disk.refs() == {}
    assert store.take_failure() is None
    store.commit(trivial(1), [], {"branch/main": checkpoint_id(1)})
    store.flush()
    assert disk.refs() == {"head/here": checkpoint_id(7), "branch/main": checkpoint_id(1)}


@pytest.mark.parametrize("kind", ["streams", "buffers", "copies"])
def test_what_waits_is_bounded(
    store: WriteBehindStore, disk: GatedStore, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "buffers":
        monkeypatch.setattr(write_queue, "MAX_HELD_BYTES", MAX_WAITING_BYTES)
    disk.gate.clear()
    heavy = payload(bytes(MAX_WAITING_BYTES))
    if kind != "streams":
        waiting = Buffer(memoryview(bytes(MAX_WAITING_BYTES)), copied=kind == "copies")
        heavy = Payload(("x",), "cloudpickle", b"s", (waiting,))
    store.commit(trivial(1), [heavy], {})
    second = in_thread(lambda: store.commit(trivial(2), [heavy], {}))
    assert waits(second)
    disk.gate.set()
    second.join(30)
    store.flush()
    assert disk.contains(checkpoint_id(2))


def test_only_what_is_touched_is_waited_for(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    store.commit(trivial(1), [payload(b"s", bytearray(5000))], {})
    assert store.in_flight() == {("x",)}
    store.wait_until_read(lambda names: "y" in names)
    touching = in_thread(lambda: store.wait_until_read(lambda names: "x" in names))
    assert waits(touching)
    disk.gate.set()
    touching.join(30)
    assert store.in_flight() == frozenset()


def test_streams_and_copies_borrow_nothing(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    store.commit(trivial(1), [payload(b"s")], {})
    copy = Buffer(memoryview(bytes(5000)), copied=True)
    store.commit(trivial(2), [Payload(("x",), "cloudpickle", b"s", (copy,))], {})
    assert store.in_flight() == frozenset()


def test_a_version_that_is_being_written_can_be_loaded(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    store.commit(trivial(1), [payload(b"stream")], {})
    loaded: list[bytes] = []
    reading = in_thread(lambda: loaded.append(store.load(X1).stream))
    assert waits(reading)
    disk.gate.set()
    reading.join(30)
    assert loaded == [b"stream"]


def test_closing_writes_what_was_taken(disk: GatedStore) -> None:
    store = WriteBehindStore(disk)
    disk.gate.clear()
    store.commit(trivial(1), [], {})
    closed: list[bool] = []
    closing = in_thread(lambda: (store.close(), closed.append(True)))
    assert waits(closing)
    written = [disk.contains(checkpoint_id(1))]
    # closing a store in memory forgets all: look just before
    disk.close = lambda: written.append(disk.contains(checkpoint_id(1)))  # type: ignore[method-assign]
    disk.gate.set()
    closing.join(30)
    assert written == [False, True]
    with pytest.raises(StoreError, match="closed"):
        store.commit(trivial(2), [], {})
    store.close()


def test_an_idle_writer_keeps_nothing_of_the_user_alive(store: WriteBehindStore, disk: GatedStore) -> None:
    class Owner:
        pass

    for full in (False, True):
        owner = Owner()
        alive = weakref.ref(owner)
        disk.full = full
        buffers = (Buffer(memoryview(bytearray(5000)), owner=owner),)
        store.commit(trivial(1), [Payload(("x",), "cloudpickle", b"s", buffers)], {})
        store.flush()
        failure = store.take_failure()
        assert (failure is not None) is full
        del owner, buffers
        gc.collect()
        assert alive() is None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_writes_nothing_and_harms_nothing(store: WriteBehindStore, disk: GatedStore) -> None:
    disk.gate.clear()
    store.commit(trivial(1), [], {})
    child = os.fork()  # the writer waits at the gate, in the middle of a commit
    if child == 0:
        status = 1
        try:
            store.close()
            store.commit(trivial(2), [], {})
        except StoreError as error:
            status = 0 if "forked" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    disk.gate.set()
    store.flush()
    assert [each.id for each in disk.checkpoints()] == [checkpoint_id(1)]


class KnottyStore(MemoryStore):
    """Its errors hold themselves, and all that led to them, as those of context managers do."""

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs) -> Checkpoint:
        try:
            try:
                self._fails(payloads)
            except StoreError as error:
                held = error
                raise StoreError("so") from held
        except StoreError as error:
            again = error  # in the frame that it passes through: a cycle
            raise OSError("at last") from again

    def _fails(self, payloads: Sequence[Payload]) -> None:
        views = [memoryview(buffer.data) for payload in payloads for buffer in payload.buffers]
        error = StoreError(f"{len(views)} of them")
        raise error


def test_a_failure_keeps_nothing_of_the_user_alive() -> None:
    store = WriteBehindStore(KnottyStore())
    block = Block(1000)
    gone = weakref.ref(block)
    gc.disable()
    try:
        store.commit(trivial(1), [Payload(("x",), "cloudpickle", b"s", (Buffer(memoryview(block)),))], {})
        store.flush()
        failure = store.take_failure()
        assert failure is not None
        assert "at last" in str(failure.error)
        del block
        assert gone() is None
    finally:
        gc.enable()
        store.close()


class Block(bytearray):
    """Memory that can be waited for."""
