"""What a commit that was killed left in a store goes when it is opened again, in pieces, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import orphans
from kishu_kernel.store.format import schema
from kishu_kernel.store.maintenance.fsck import check
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore

from . import workload
from .processes import HEAD, end, hear, python
from .values import checkpoint_id, payload, trivial

BIG = 200 << 20
TIMEOUT = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store whose last commit was killed while it wrote ahead."""
    path = tmp_path / "store"
    process = python(
        HEAD
        + f"""
    from tests.store import workload
    store = LmdbStore(Path(sys.argv[1]))
    for number in range(1, 5):
        workload.commit(store, number)
    print("ready", flush=True)
    store.commit(trivial(5), [payload(b"big", os.urandom({BIG}))], {{}})
    """,
        path,
    )
    assert hear(process) == "ready"
    until = time.monotonic() + TIMEOUT
    while (path / "data.mdb").stat().st_size < BIG // 4 and time.monotonic() < until:
        time.sleep(0.005)
    end(process)
    return path


def never() -> bool:
    return False


def orphans_of(path: Path) -> int:
    return check(path).orphan_bytes


def test_dead_space_goes_in_think_time(path: Path) -> None:
    assert orphans_of(path) > BIG // 8
    store = LmdbStore(path)
    before = store.statistics().bytes
    writer = WriteBehindStore(store)
    writer.commit(trivial(6), [payload(b"small")], {})
    until = time.monotonic() + TIMEOUT
    while not store.free_of_orphans and time.monotonic() < until:
        time.sleep(0.02)
    assert store.free_of_orphans
    assert store.statistics().bytes < before - BIG // 8
    size = (path / "data.mdb").stat().st_size
    writer.commit(trivial(7), [payload(b"again", bytes(range(256)) * 1000)], {})  # free pages are used again
    assert writer.flush()
    assert (path / "data.mdb").stat().st_size == size
    workload.check(store, range(1, 5))
    writer.close()
    assert orphans_of(path) == 0
    again = LmdbStore(path)
    assert again.free_of_orphans  # no need to look
    again.close()


def test_who_is_interrupted_begins_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "KEYS", 4)
    monkeypatch.setattr(orphans, "CHUNKS", 4)
    store = LmdbStore(path)
    for pieces in (0, 1, 3, 9, 20):
        asked = iter([False] * pieces)
        assert not store.remove_orphans(lambda asked=asked: next(asked, True))
        assert not store.free_of_orphans
        workload.check(store, range(1, 5))
    assert store.remove_orphans(never)
    workload.check(store, range(1, 5))
    store.close()
    assert orphans_of(path) == 0


def test_a_commit_in_between_may_name_what_was_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "CHUNKS", 2)
    store = LmdbStore(path)
    with store._environment.reading() as txn, txn.cursor(db=store._tables["chunks"]) as cursor:
        [found] = [bytes(value) for _, value in zip([0], cursor.iternext(keys=False), strict=False)]
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        if asked == 4:
            store.commit(trivial(8), [payload(b"it", found)], {"head/s": checkpoint_id(8)})
        return False

    while not store.remove_orphans(should_stop):
        pass
    target = bytearray(len(found))
    store.load(Version(("x",), checkpoint_id(8))).blobs[0].readinto(memoryview(target))
    assert target == found
    store.close()
    assert not [problem for problem in check(path).problems if problem.kind in ("chunk", "payload")]


def test_where_a_manifest_cannot_be_read_nothing_goes(path: Path) -> None:
    store = LmdbStore(path)
    key = schema.version_key(Version(("x",), checkpoint_id(2)))
    store._environment.write(lambda txn: txn.put(key, b"\0garbage", db=store._tables["versions"]))
    before = store.statistics().chunks
    store.remove_orphans(never)
    assert store.statistics().chunks == before
    store.close()
