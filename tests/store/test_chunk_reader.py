"""Big payloads: in and out in bounded memory, by several threads, around the map, interrupted."""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import direct_reads
from kishu_kernel.store.disk.chunk_reader import chunk_tables
from kishu_kernel.store.disk.parallel import run_in_parallel
from kishu_kernel.store.format.chunking import CHUNK_SIZE
from kishu_kernel.store.format.chunks import digest

from .processes import HEAD, python, succeed
from .values import checkpoint_id, payload, trivial

X1 = Version(("x",), checkpoint_id(1))
BIG = random.Random(0).randbytes(24 * CHUNK_SIZE + 5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "store")
    store.commit(trivial(1), [payload(b"s", BIG)], {})
    yield store
    store.close()


def read(store: LmdbStore) -> bytearray:
    (blob,) = store.load(X1).blobs
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return target


# --- several threads


@pytest.mark.parametrize("helpers", [0, 1, 3, 9])
def test_all_jobs_are_done_once(helpers: int) -> None:
    done: list[int] = []
    run_in_parallel(done.append, range(200), helpers)
    assert sorted(done) == list(range(200))
    run_in_parallel(done.append, [], helpers)


def test_helpers_help() -> None:
    threads = set()
    both = threading.Barrier(2, timeout=30)

    def work(job: int) -> None:
        threads.add(threading.current_thread())
        both.wait()

    run_in_parallel(work, [1, 2], 1)
    assert len(threads) == 2


@pytest.mark.parametrize("helpers", [0, 2])
def test_an_error_ends_it(helpers: int) -> None:
    done: list[int] = []

    def work(job: int) -> None:
        if job == 5:
            raise LoadError("five")
        time.sleep(0.001)
        done.append(job)

    with pytest.raises(LoadError, match="five"):
        run_in_parallel(work, range(1000), helpers)
    assert len(done) < 100


def test_after_an_interrupt_nobody_writes() -> None:
    """However often the stop button is pressed."""
    late: list[int] = []
    for _ in range(10):
        at_work: list[int] = []
        over = threading.Event()

        def work(job: int, at_work: list[int] = at_work, over: threading.Event = over) -> None:
            if threading.current_thread() is threading.main_thread():
                time.sleep(0.001)
                return
            at_work.append(job)
            time.sleep(0.01)
            _thread.interrupt_main()
            if over.is_set():
                late.append(job)
            at_work.remove(job)

        with pytest.raises(KeyboardInterrupt):
            run_in_parallel(work, range(2000), 3)
        left = list(at_work)
        over.set()
        assert left == []
    assert late == []


def test_an_interrupted_load_leaves_the_store_usable(store: LmdbStore) -> None:
    (blob,) = store.load(X1, lambda count: _thread.interrupt_main() if count == CHUNK_SIZE else None).blobs
    with pytest.raises(KeyboardInterrupt):
        blob.readinto(memoryview(bytearray(blob.nbytes)))
    with contextlib.suppress(KeyboardInterrupt):  # of another chunk
        time.sleep(0.01)
    assert read(store) == BIG
    store.commit(trivial(2), [payload(b"s", os.urandom(5 << 20))], {})  # would wait for an open transaction


# --- around the map


def test_long_values_are_found_in_the_file(store: LmdbStore) -> None:
    if not direct_reads._USABLE:
        pytest.skip("not on this platform")
    with chunk_tables(store._environment, store._environment.reading) as here:
        for start in range(0, len(BIG), CHUNK_SIZE):
            data = BIG[start : start + CHUNK_SIZE]
            found = here.find(digest(memoryview(data)))
            assert found.size == len(data)
            if len(data) > 4096:
                assert found.value.view is None
                assert here.reader.read(found.value.place, found.size) == data
            else:
                assert found.value.view == data


@pytest.mark.parametrize("wrong", ["place", "file", "platform"])
def test_what_is_not_where_it_seems_is_read_through_the_map(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch, wrong: str, tmp_path: Path
) -> None:
    text = b"text " * 100_000
    store.commit(trivial(2), [payload(text)], {})
    if wrong == "place":
        value = direct_reads.DirectReader._value

        def elsewhere(self: direct_reads.DirectReader, cursor: object) -> direct_reads.Value:
            found = value(self, cursor)  # type: ignore[arg-type]
            return found._replace(place=found.place + 8)

        monkeypatch.setattr(direct_reads.DirectReader, "_value", elsewhere)
    elif wrong == "file":
        (tmp_path / "store" / "data.mdb").rename(tmp_path / "elsewhere")
    else:
        monkeypatch.setattr(direct_reads, "_USABLE", False)
    assert read(store) == BIG
    assert store.load(Version(("x",), checkpoint_id(2))).stream == text


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded(tmp_path: Path) -> None:
    """Of an array of 192 MiB: to store it, to find it stored, and to load it."""
    process = python(
        HEAD
        + """
    import numpy
    from kishu_kernel.model import Buffer, Payload

    def peak(work):
        Path("/proc/self/clear_refs").write_text("5")
        before = figure("VmRSS")
        result = work()
        return (figure("VmHWM") - before) >> 10, result

    def figure(name):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(name))

    store = LmdbStore(Path(sys.argv[1]))
    kind = sys.argv[2]
    draw = numpy.random.default_rng(0)
    array = draw.random(192 << 17) if kind == "noise" else draw.integers(0, 1 << 40, 192 << 17)
    flat = memoryview(array).cast("B")
    given = [Payload(("x",), "cloudpickle", b"s", (Buffer(flat, item_bytes=8, direct=True),))]
    store.commit(trivial(9), [payload(os.urandom(9))], {})
    first, kept = peak(lambda: store.commit(trivial(1), given, {}))
    again, _ = peak(lambda: store.commit(trivial(2), given, {}))
    (blob,) = store.load(Version(("x",), checkpoint_id(1))).blobs
    target = numpy.empty(192 << 17)
    load, _ = peak(lambda: blob.readinto(memoryview(target).cast("B")))
    print(first, again, load, kept.written_bytes)
    assert first < 64, first
    assert again < 40, again
    assert load < 192 + 40, load
    assert (target.view("i8") == array.view("i8")).all()
    """,
        tmp_path / "store",
        "noise",
    )
    succeed(process)


def test_a_load_that_fails_keeps_nothing_alive(store: LmdbStore) -> None:
    """By several threads at once, and without a collection."""
    content = [os.urandom(CHUNK_SIZE) for _ in range(40)]
    store.commit(trivial(1), [payload(b"s", b"".join(content))], {})
    for wrong in (content[7], content[30]):
        key = digest(memoryview(wrong))
        store._environment.write(lambda txn, key=key: txn.put(key, bytes(CHUNK_SIZE), db=store._tables["chunks"]))
    target = bytearray(40 * CHUNK_SIZE)
    [blob] = store.load(Version(("x",), checkpoint_id(1))).blobs
    gc.disable()
    try:
        with contextlib.suppress(LoadError):
            blob.readinto(memoryview(target))
            raise AssertionError("it was loaded")
        target.clear()  # BufferError where somebody has a view of it
    finally:
        gc.enable()


@pytest.mark.parametrize("helpers", [0, 2])
def test_an_error_of_a_job_keeps_no_job_alive(helpers: int) -> None:
    target = bytearray(1000)

    def work(part: memoryview) -> None:
        raise ValueError(f"{part.nbytes} bytes cannot be had")

    def helping() -> bool:
        return any(each.name.startswith("kishu-load-") for each in threading.enumerate())

    gc.disable()
    try:
        with contextlib.suppress(ValueError):
            run_in_parallel(work, [memoryview(target)[n::4] for n in range(4)], helpers)
        deadline = time.monotonic() + 30
        while helping() and time.monotonic() < deadline:
            time.sleep(0.001)  # a helper that comes too late has looked once
        target.clear()  # BufferError where somebody has a view of it
    finally:
        gc.enable()
