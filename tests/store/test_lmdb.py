"""What only the store on disk has: files, other processes, a map that grows, bytes that rot."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from kishu_kernel.errors import LoadError, StoreError, StoreFormatError, UntrustedError
from kishu_kernel.model import CheckpointId, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import locks
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunking import CHUNK_SIZE
from kishu_kernel.store.format.chunks import digest
from kishu_kernel.store.format.signatures import StoreSignatures, sha256
from kishu_kernel.store.maintenance.trust import trust

from .processes import HEAD, python, succeed
from .values import checkpoint_id, full, payload, trivial

X1 = Version(("x",), checkpoint_id(1))
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stores" / "notebook"


@pytest.fixture
def store(path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(path)
    yield store
    store.close()


def read(store: LmdbStore, version: Version) -> bytes:
    (blob,) = store.load(version).blobs
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return bytes(target)


# --- one store, opened again


def test_everything_is_there_after_reopening(path: Path) -> None:
    store = LmdbStore(path)
    kept = store.commit(full(1), [payload(b"s", b"data")], {"tag/é": checkpoint_id(1)})
    before = store.statistics()
    store.close()
    again = LmdbStore(path)
    assert again.checkpoint(kept.id) == kept
    assert read(again, X1) == b"data"
    assert again.refs() == {"tag/é": kept.id}
    assert again.statistics() == before
    again.close()


def test_a_commit_outlives_a_kill(path: Path) -> None:
    process = python(
        HEAD
        + """
    store = LmdbStore(Path(sys.argv[1]), sync=False)
    store.commit(trivial(1), [payload(b"s", b"data")], {})
    os.kill(os.getpid(), 9)
    """,
        path,
    )
    process.communicate(timeout=60)
    store = LmdbStore(path)
    assert read(store, X1) == b"data"
    store.close()


def test_a_directory_is_opened_once(path: Path, tmp_path: Path) -> None:
    first = LmdbStore(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    second = LmdbStore(link)
    first.commit(trivial(1), [payload(b"s")], {})
    first.close()
    first.close()
    assert second.load(X1).stream == b"s"  # the first one's closing, even twice, closed nothing
    second.close()
    with lmdb.Environment(str(path)):  # refused while anything has it open
        pass


def test_opening_in_many_threads(path: Path) -> None:
    def run(number: int) -> None:
        try:
            for _ in range(10):
                store = LmdbStore(path)
                store.commit(trivial(number), [], {})
                store.close()
        except BaseException as error:
            errors.append(error)

    errors: list[BaseException] = []
    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o377])
def test_nobody_else_may_look(path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        LmdbStore(path).close()
    finally:
        os.umask(old)
    for directory in (path, path.parent):
        assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in path.iterdir()} == {
        "data.mdb": 0o600,
        "lock.mdb": 0o600,
        "whole.json": 0o600,
    }


# --- the map


def test_the_map_grows(path: Path) -> None:
    store = LmdbStore(path, map_size=1 << 16)
    data = os.urandom(9 * CHUNK_SIZE + 1)
    store.commit(trivial(1), [payload(b"s", data)], {})
    for number in range(2, 300):
        store.commit(trivial(number, code="#" * 5000), [], {})
    assert read(store, X1) == data
    assert store.statistics().checkpoints == 299
    store.close()


def test_the_map_grows_under_readers(path: Path) -> None:
    store = LmdbStore(path, map_size=1 << 18)
    data = os.urandom(1 << 16)
    store.commit(trivial(1), [payload(b"s", data)], {})
    done, errors = threading.Event(), []

    def run() -> None:
        try:
            while not done.wait(0.0005):  # without a pause py-lmdb starves others of the GIL
                assert read(store, X1) == data
                assert len(list(store.checkpoints())) >= 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 40):
        store.commit(trivial(number), [payload(b"s", os.urandom(1 << 18))], {})
    done.set()
    for thread in threads:
        thread.join()
    store.close()
    assert errors == []


def test_a_resize_waits_for_readers_but_not_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TIMEOUT", 0.05)
    store = LmdbStore(path, map_size=1 << 18)
    with (
        store._environment.reading(),
        pytest.raises(StoreError, match="another thread"),
    ):
        store.commit(trivial(1), [payload(b"s", os.urandom(1 << 20))], {})
    assert not store.contains(checkpoint_id(1))
    store.commit(trivial(1), [payload(b"s", os.urandom(1 << 20))], {})
    store.close()


# --- other processes


def test_processes_write_the_same_store_and_grow_it(path: Path) -> None:
    store = LmdbStore(path, map_size=1 << 18)
    writer = (
        HEAD
        + """
    store = LmdbStore(Path(sys.argv[1]), map_size=1 << 18)
    start = int(sys.argv[2])
    for number in range(start, start + 25):
        store.commit(trivial(number), [payload(b"s", os.urandom(100_000))], {})
        assert store.contains(checkpoint_id(number))
    """
    )
    processes = [python(writer, path, start) for start in (100, 200)]
    for number in range(1, 26):
        store.commit(trivial(number), [payload(b"s", b"%d" % number)], {})
    succeed(*processes)
    assert len(list(store.checkpoints())) == 75  # reads what lies beyond the map it opened with
    assert len(read(store, Version(("x",), checkpoint_id(224)))) == 100_000
    store.commit(trivial(300), [], {})
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_refused_and_harms_nothing(path: Path) -> None:
    process = python(
        HEAD
        + """
    store = LmdbStore(Path(sys.argv[1]))
    store.commit(trivial(1), [payload(b"s", b"data")], {})
    blob = store.load(Version(("x",), checkpoint_id(1))).blobs[0]
    child = os.fork()
    if not child:
        for act in (
            lambda: store.commit(trivial(2), [], {}),
            lambda: store.update_refs({}),
            lambda: store.checkpoint(checkpoint_id(1)),
            lambda: blob.readinto(memoryview(bytearray(4))),
            store.statistics,
        ):
            try:
                act()
            except StoreError as error:
                assert "forked" in str(error)
            else:
                os._exit(1)
        store.close()
        del store, blob
        sys.exit(0)  # an ordinary end, with its destructors
    assert os.waitpid(child, 0)[1] == 0
    store.commit(trivial(2), [payload(b"s", b"more")], {})
    assert [c.id for c in store.checkpoints()] == [checkpoint_id(1), checkpoint_id(2)]
    store.close()
    """,
        path,
    )
    succeed(process)


# --- what is not as it should be


def test_a_newer_format_is_refused(path: Path) -> None:
    LmdbStore(path).close()
    with lmdb.Environment(str(path), max_dbs=9) as env, env.begin(write=True) as txn:
        txn.put(schema.FORMAT_KEY, b"99", db=env.open_db(b"meta", txn=txn))
    for _ in range(2):  # nothing of it stays open
        with pytest.raises(StoreFormatError, match="format 99"):
            LmdbStore(path)


def test_another_programs_environment_is_left_alone(path: Path) -> None:
    path.mkdir(parents=True)
    with lmdb.Environment(str(path)) as env, env.begin(write=True) as txn:
        txn.put(b"key", b"theirs")
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        LmdbStore(path)
    assert (path / "data.mdb").read_bytes() == before


def test_what_is_no_store_is_told(path: Path, tmp_path: Path) -> None:
    path.mkdir(parents=True)
    (path / "data.mdb").write_bytes(b"not a store" * 1000)
    with pytest.raises(StoreError, match="not a store"):
        LmdbStore(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be created"):
        LmdbStore(tmp_path / "file" / "store")


def test_rotten_and_lost_chunks_are_found(store: LmdbStore, path: Path) -> None:
    rotten, lost = os.urandom(CHUNK_SIZE), os.urandom(50)
    store.commit(trivial(1), [payload(b"s", rotten)], {})
    store.commit(trivial(2), [payload(lost, b"fine")], {})
    store.close()
    with lmdb.Environment(str(path), max_dbs=9, map_size=1 << 30) as env:
        table = env.open_db(b"chunks")
        with env.begin(write=True) as txn:
            txn.put(digest(memoryview(rotten)), rotten[:-1] + b"?", db=table)
            txn.delete(digest(memoryview(lost)), db=table)
    again = LmdbStore(path)
    assert again.load(X1).stream == b"s"
    with pytest.raises(LoadError, match="damaged"):
        read(again, X1)
    with pytest.raises(LoadError, match="missing"):
        again.load(Version(("x",), checkpoint_id(2)))
    again.close()


def marks_of(store: LmdbStore) -> StoreSignatures:
    with store._environment.reading() as txn:
        return store._identity.signatures(txn, store._tables)


def test_a_chunk_that_does_not_fit_is_found(store: LmdbStore, path: Path) -> None:
    store.commit(trivial(1), [payload(b"s", b"1234")], {})
    for nbytes in (3, 5):
        wrong = schema.Manifest(
            ("x",),
            "cloudpickle",
            schema.Piece(1, False, (digest(memoryview(b"s")),), sha256(b"s")),
            (schema.Piece(nbytes, False, (digest(memoryview(b"1234")),)),),
        )
        key, body = schema.version_key(X1), schema.encode_manifest(wrong)
        value = marks_of(store).signed("versions", key, body)
        store._environment.write(lambda txn, key=key, value=value: txn.put(key, value, db=store._tables["versions"]))
        with pytest.raises(LoadError, match="add up"):
            read(store, X1)


def test_a_disk_that_refuses_leaves_the_store_as_it_was(path: Path) -> None:
    pytest.importorskip("resource")
    process = python(
        HEAD
        + """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LmdbStore(Path(sys.argv[1]))
    store.commit(trivial(1), [payload(b"s", b"data")], {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    try:
        store.commit(trivial(2), [payload(b"s", os.urandom(4 << 20))], {})
    except StoreError as error:
        assert str(store.statistics().path) in str(error)
    else:
        sys.exit(1)
    assert not store.contains(checkpoint_id(2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.commit(trivial(2), [payload(b"s", os.urandom(4 << 20))], {})
    """,
        path,
    )
    succeed(process)


# --- stores of earlier versions


def test_a_store_of_format_1_is_read(path: Path) -> None:
    path.mkdir(parents=True)
    shutil.copy(DATA / "store_v1" / "data.mdb", path)
    store = LmdbStore(path)
    first, second = CheckpointId("00000000000000a1"), CheckpointId("00000000000000b2")
    assert store.refs() == {"branch/main": second, "tag/good": first}
    assert [checkpoint.id for checkpoint in store.checkpoints()] == [first, second]
    assert store.checkpoint(first).code == "x = 1"
    later = store.checkpoint(second)
    assert (later.parent, later.status, later.error) == (first, "error", "ValueError")
    assert (later.created, later.dropped, later.aliases) == (
        ("a", "b", "g"),
        (("x",),),
        {"_": "a"},
    )
    assert [record.reason for record in later.versions] == [None, "a generator"]
    assert (later.message, later.incomplete) == ("two views", "an example")
    assert later.outputs[0]["text"] == "ü\n"
    assert not later.trusted
    with pytest.raises(UntrustedError, match="jupyter kishu trust"):
        store.load(Version(("x",), first))
    assert trust(path).whole
    assert store.checkpoint(first).trusted
    assert store.load(Version(("x",), first)).stream == b"x stream"
    views = store.load(Version(("a", "b"), second))
    assert (views.codec, views.stream) == ("dill", b"two views")
    assert [blob.direct for blob in views.blobs] == [True, False]
    block, digits = bytearray(3072), bytearray(10)
    for blob, target in zip(views.blobs, (block, digits), strict=True):
        blob.readinto(memoryview(target))
    assert block == bytes(range(256)) * 12
    assert digits == b"0123456789"
    store.commit(trivial(1), [payload(b"s")], {})  # and written on
    store.close()
