"""Stores of every format are read; those of a newer one are refused. The fixtures were written once and stay."""

from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path

import lmdb
import numpy
import pytest

from kishu_kernel.errors import StoreFormatError, UntrustedError
from kishu_kernel.model import CheckpointId, Version
from kishu_kernel.store import Blob, LmdbStore
from kishu_kernel.store.format import schema, shuffled
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.maintenance.trust import Trust, trust, trust_of
from tests.data.make_store_v4 import NUMBERED, marks, pixels

from .values import payload, trivial

DATA = Path(__file__).parents[1] / "data"
FIRST, SECOND, THIRD = (CheckpointId(f"00000000000000{end}") for end in ("a1", "b2", "c3"))
SEAL = Signer(bytes(range(32)))


def fixture(path: Path, name: str) -> Path:
    path.mkdir()
    shutil.copy(DATA / name / "data.mdb", path)
    return path


def read(blob: Blob) -> bytes:
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return bytes(target)


def check_the_first_two(store: LmdbStore) -> None:
    assert store.checkpoint(FIRST).code == "x = 1"
    later = store.checkpoint(SECOND)
    assert (later.parent, later.status, later.error) == (FIRST, "error", "ValueError")
    assert (later.created, later.dropped, later.aliases) == (("a", "b", "g"), (("x",),), {"_": "a"})
    assert [record.reason for record in later.versions] == [None, "a generator"]
    assert (later.message, later.incomplete) == ("two views", "an example")
    assert later.outputs[0]["text"] == "ü\n"
    assert store.load(Version(("x",), FIRST)).stream == b"x stream"
    views = store.load(Version(("a", "b"), SECOND))
    assert (views.codec, views.stream) == ("dill", b"two views")
    assert [blob.direct for blob in views.blobs] == [True, False]
    assert [read(blob) for blob in views.blobs] == [bytes(range(256)) * 12, b"0123456789"]


@pytest.mark.parametrize("name", ["store_v2", "store_v3"])
@pytest.mark.parametrize("twin", ["native", "python"])
def test_it_is_read(tmp_path: Path, name: str, twin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arrays were packed by blosc2, which is not needed any more."""
    if twin == "python":
        monkeypatch.setattr(shuffled, "WALKER", None)
    monkeypatch.setitem(sys.modules, "blosc2", None)
    store = LmdbStore(fixture(tmp_path / "store", name), signer=SEAL)
    check_all(store)
    assert store.checkpoint(SECOND).outputs_trusted == (name == "store_v3")
    store.close()


def test_format_3_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = fixture(tmp_path / "store", "store_v3")
    store = LmdbStore(path, signer=SEAL, readonly=True)
    check_all(store)
    store.close()
    with pytest.raises(StoreFormatError, match="for writing once"):
        LmdbStore(fixture(tmp_path / "older", "store_v2"), signer=SEAL, readonly=True)


@pytest.mark.parametrize("readonly", [False, True])
def test_numbered_items_of_format_4_are_read(tmp_path: Path, readonly: bool) -> None:
    store = LmdbStore(fixture(tmp_path / "store", "store_v4"), signer=SEAL, readonly=readonly)
    with store._environment.reading() as txn, txn.cursor(db=store._tables["packed"]) as cursor:
        assert [bytes(value)[0] for _, value in cursor] == [3, 3]
    kept = store.load(Version(("a",), NUMBERED))
    assert [read(blob) for blob in kept.blobs] == [marks().tobytes(), pixels().tobytes()]
    store.close()


def check_all(store: LmdbStore) -> None:
    assert store.refs() == {"branch/main": THIRD, "tag/good": FIRST}
    assert [(each.id, each.trusted) for each in store.checkpoints()] == [(FIRST, True), (SECOND, True), (THIRD, True)]
    check_the_first_two(store)
    assert store.load(Version(("a", "b"), SECOND)).made_by == {"numpy": "2.4.0", "python": "3.11.4"}
    assert store.load(Version(("x",), FIRST)).made_by == {}
    last = store.load(Version(("lines", "n"), THIRD))
    assert pickle.loads(last.stream) == [f"{number}: {number * number % 7919}" for number in range(12_000)]
    assert read(last.blobs[0]) == numpy.arange(2000, dtype="<i8").tobytes()


def test_marks_of_format_2_are_made_anew_by_the_first_write(tmp_path: Path) -> None:
    path = fixture(tmp_path / "store", "store_v2")
    assert trust_of(path, SEAL) == Trust(3, 3, 3, 3, 1, 0)
    before = rows(path, "versions")
    store = LmdbStore(path, signer=SEAL)
    assert store.commit(trivial(1), [payload(b"s")], {"branch/main": THIRD}).trusted
    check_all_but_the_new_one(store)
    store.close()
    assert trust_of(path, SEAL) == Trust(4, 4, 4, 4, 1, 0)
    assert trust(path, SEAL) == Trust(4, 4, 4, 4, 1, 1)
    put(path, before)  # the old signatures are worth nothing from here on
    assert trust_of(path, SEAL) == Trust(4, 4, 4, 1, 1, 1)


def check_all_but_the_new_one(store: LmdbStore) -> None:
    assert [each.trusted for each in store.checkpoints()] == [True] * 4
    check_the_first_two(store)
    assert store.load(Version(("lines", "n"), THIRD)).made_by == {"numpy": "2.4.0", "python": "3.11.4"}


def test_a_stranger_who_writes_takes_over_nothing(tmp_path: Path) -> None:
    path = fixture(tmp_path / "store", "store_v2")
    stranger = Signer(b"s" * 32)
    store = LmdbStore(path, signer=stranger)
    store.commit(trivial(1), [payload(b"s")], {})
    store.close()
    assert trust_of(path, stranger) == Trust(4, 1, 4, 1, 1, 0)
    assert trust_of(path, SEAL) == Trust(4, 3, 4, 3, 1, 0)


def rows(path: Path, table: str) -> dict[bytes, bytes]:
    with lmdb.Environment(str(path), max_dbs=9) as env, env.begin(db=env.open_db(table.encode())) as txn:
        return dict(txn.cursor())


def put(path: Path, versions: dict[bytes, bytes]) -> None:
    with lmdb.Environment(str(path), max_dbs=9) as env, env.begin(write=True) as txn:
        for key, value in versions.items():
            txn.put(key, value, db=env.open_db(b"versions", txn=txn))


@pytest.mark.parametrize("name", ["store_v2", "store_v3"])
def test_the_fixture_has_all_kinds_of_values(tmp_path: Path, name: str) -> None:
    store = LmdbStore(fixture(tmp_path / "store", name), signer=SEAL)
    with store._environment.reading() as txn:
        count = {table: txn.stat(store._tables[table])["entries"] for table in schema.TABLES}
        with txn.cursor(db=store._tables["packed"]) as cursor:
            codecs = {bytes(value)[0] for _, value in cursor}
        key = schema.version_key(Version(("lines", "n"), THIRD))
        manifest = schema.decode_manifest(schema.without_signature(bytes(txn.get(key, db=store._tables["versions"]))))
    store.close()
    assert [table for table in count if not count[table]] == ["seals"]  # which is younger
    assert codecs == {1, 2}
    assert manifest.seams.nbytes


@pytest.mark.parametrize("name", ["store_v1", "store_v2", "store_v3"])
def test_an_edit_finds_what_an_earlier_release_stored(tmp_path: Path, name: str) -> None:
    """Chunks of today have the digests of those of then."""
    store = LmdbStore(fixture(tmp_path / "store", name), signer=SEAL)
    lines = [f"{number}: {number * number % 7919}" for number in range(12_000)]
    kept = store.commit(trivial(9), [payload(pickle.dumps(["new", *lines], 5))], {})
    assert (kept.written_bytes < 30_000) == (name != "store_v1")
    store.close()


def test_format_1_is_brought_up_to_date(tmp_path: Path) -> None:
    path = fixture(tmp_path / "store", "store_v1")
    for _ in range(2):  # once is enough
        store = LmdbStore(path, signer=SEAL)
        assert store.refs() == {"branch/main": SECOND, "tag/good": FIRST}
        assert [(each.id, each.trusted) for each in store.checkpoints()] == [(FIRST, False), (SECOND, False)]
        with pytest.raises(UntrustedError):
            store.load(Version(("x",), FIRST))
        store.close()
    store = LmdbStore(path, signer=SEAL)
    assert trust(path, SEAL).whole
    check_the_first_two(store)
    assert store.commit(trivial(1), [payload(b"s")], {}).trusted
    store.close()
    with lmdb.Environment(str(path), max_dbs=9) as env, env.begin(db=env.open_db(b"meta")) as txn:
        assert txn.get(schema.FORMAT_KEY) == b"4"


def test_a_migration_that_dies_leaves_format_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fixture(tmp_path / "store", "store_v1")
    monkeypatch.setattr(schema, "SIGNED_TABLES", {"checkpoints": 2, "no such table": 2})
    with pytest.raises(KeyError):
        LmdbStore(path, signer=SEAL)
    monkeypatch.undo()
    store = LmdbStore(path, signer=SEAL)
    assert next(each.code for each in store.checkpoints()) == "x = 1"
    store.close()


@pytest.mark.parametrize("value", [b"5", b"99", b"two"])
def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, value: bytes) -> None:
    path = fixture(tmp_path / "store", "store_v2")
    with lmdb.Environment(str(path), max_dbs=9) as env, env.begin(write=True) as txn:
        txn.put(schema.FORMAT_KEY, value, db=env.open_db(b"meta", txn=txn))
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(StoreFormatError, match=rf"format {value.decode()} .* newer kishu-kernel"):
        LmdbStore(path)
    assert (path / "data.mdb").read_bytes() == before
