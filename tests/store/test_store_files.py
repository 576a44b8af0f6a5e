"""Space given back, stores copied and removed: under nobody's hands."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import environment_pool, store_files
from tests.support.soak import often

from . import workload
from .faults import small_disk
from .processes import HEAD, end, hear, python, succeed
from .values import checkpoint_id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


def fill(path: Path) -> None:
    """A store with much space that is free, and some that is not."""
    store = LmdbStore(path)
    for number in range(1, 4):
        workload.commit(store, number)
    store._environment.write(lambda txn: txn.put(b"x" * 16, bytes(20 << 20), db=store._environment.tables["chunks"]))
    store._environment.write(lambda txn: txn.delete(b"x" * 16, db=store._environment.tables["chunks"]))
    workload.commit(store, 4)
    store.close()


def intact(path: Path) -> None:
    store = LmdbStore(path)
    workload.check(store, range(1, 5))
    assert store.refs() == {"head/s": checkpoint_id(4)}
    workload.commit(store, 5)
    workload.check(store, range(1, 6))
    store.close()


def test_free_space_is_given_back(path: Path) -> None:
    fill(path)
    before, after = store_files.compact(path)
    assert before > 20 << 20
    assert after < before - (19 << 20)
    assert after == os.stat(path / "data.mdb").st_blocks * 512
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "whole.json"]
    assert (path / "data.mdb").stat().st_mode & 0o777 == 0o600
    intact(path)


def test_where_there_is_nothing_to_give_back(path: Path) -> None:
    fill(path)
    store_files.compact(path)
    before, after = store_files.compact(path)
    assert after <= before
    intact(path)


def test_a_store_in_use_is_left_alone(path: Path) -> None:
    fill(path)
    content = (path / "data.mdb").read_bytes()
    store = LmdbStore(path)
    with pytest.raises(StoreError, match="this very process"):
        store_files.compact(path)
    with pytest.raises(StoreError, match="this very process"):
        store_files.remove(path)
    store.close()
    holder = python(
        HEAD
        + """
    store = LmdbStore(Path(sys.argv[1]), readonly=sys.argv[2] == "True")
    print("ready", flush=True)
    time.sleep(300)
    """,
        path,
        False,
    )
    try:
        assert hear(holder) == "ready"
        with pytest.raises(StoreError, match="in use"):
            store_files.compact(path)
        with pytest.raises(StoreError, match="in use"):
            store_files.remove(path)
    finally:
        end(holder)
    assert (path / "data.mdb").read_bytes() == content
    store_files.compact(path)
    intact(path)


@often(3, 8)
def test_a_compaction_may_be_killed(path: Path, times: int) -> None:
    random = Random(5)
    fill(path)
    for _ in range(times):
        process = python(
            """
    import sys
    from pathlib import Path
    from kishu_kernel.store.disk import store_files
    print("ready", flush=True)
    while True:
        store_files.compact(Path(sys.argv[1]))
    """,
            path,
        )
        assert hear(process) == "ready"
        time.sleep(random.random() * 0.05)
        end(process)
        store = LmdbStore(path)
        workload.check(store, range(1, 5))
        store.close()
    store_files.compact(path)
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "whole.json"]
    intact(path)


def test_who_opens_meanwhile_waits(path: Path) -> None:
    fill(path)
    processes = [
        python(
            HEAD
            + """
    from kishu_kernel.store.disk import store_files
    from tests.store.workload import check
    done = 0
    for _ in range(40):
        if sys.argv[2] == "compact":
            try:
                store_files.compact(Path(sys.argv[1]))
                done += 1
            except StoreError as error:
                assert "in use" in str(error)
                time.sleep(0.002)
        else:
            store = LmdbStore(Path(sys.argv[1]))
            check(store, range(1, 5))
            store.update_refs({"head/s": checkpoint_id(4)})
            store.close()
    """,
            path,
            what,
        )
        for what in ("compact", "use", "use")
    ]
    succeed(*processes)
    intact(path)


def test_no_room_to_compact(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "40m") as disk:
        path = disk / "store"
        fill(path)
        (disk / "other").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096 - 8192))
        with pytest.raises(StoreError, match="no room"):
            store_files.compact(path)
        assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb", "whole.json"]
        (disk / "other").unlink()
        intact(path)


def test_a_copy_is_made_of_a_store_in_use(path: Path, tmp_path: Path) -> None:
    fill(path)
    store = LmdbStore(path)
    store_files.copy(path, tmp_path / "copy")
    workload.commit(store, 99)
    store.close()
    assert sorted(file.name for file in (tmp_path / "copy").iterdir()) == ["data.mdb"]
    intact(tmp_path / "copy")
    with pytest.raises(StoreError, match="already"):
        store_files.copy(path, tmp_path / "copy")
    with pytest.raises(StoreError, match="no store"):
        store_files.compact(tmp_path / "nothing")


def test_empty_and_removed(path: Path) -> None:
    assert store_files.is_empty(path)
    LmdbStore(path).close()
    assert store_files.is_empty(path)
    store_files.remove(path)
    assert not path.exists()
    fill(path)
    assert not store_files.is_empty(path)
    (path / "mine").write_text("")
    store_files.remove(path)
    assert [file.name for file in path.iterdir()] == ["mine"]


# --- for reading only


def test_opened_for_reading(path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        LmdbStore(path, readonly=True)
    assert not path.exists()
    path.mkdir()
    with pytest.raises(StoreError, match="no store"):
        LmdbStore(path, readonly=True)
    assert list(path.iterdir()) == []
    fill(path)
    content = (path / "data.mdb").read_bytes()
    reader = LmdbStore(path, readonly=True)
    workload.check(reader, range(1, 5))
    with pytest.raises(StoreError, match="reading"):
        workload.commit(reader, 5)
    assert (path / "data.mdb").read_bytes() == content
    writer = LmdbStore(path)  # of the same environment, which is opened anew for it
    workload.commit(writer, 5)
    workload.check(reader, range(1, 6))
    writer.close()
    reader.close()
    assert not environment_pool.is_open(path)
