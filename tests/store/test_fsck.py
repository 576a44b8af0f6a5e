"""Stores are really damaged here, byte by byte; what a check says of them, and what is left after a repair."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lmdb
import pytest

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.history.graph import ancestry, state_at
from kishu_kernel.history.plan import make_plan
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Version, VersionRecord
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk.untrusted_data_file import DataFile
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunks import digest
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.maintenance.fsck import Report, check
from tests.support.soak import often, seeds

from .values import checkpoint_id, payload, trivial

DATA = Path(__file__).parents[1] / "data"
LAST = 40
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")


def variable(number: int) -> str:
    return f"v{number % 5}"


def cell(number: int) -> Checkpoint:
    """Makes one of five variables anew; its outputs and its code are long enough to fill pages."""
    name = variable(number)
    record = VersionRecord((name,), Digest(bytes(16)), 7, True, None, True, ())
    return replace(
        trivial(number, code=f"{name} = {number}" + "#" * (number * 37 % 900)),
        versions=(record,),
        dropped=((name,),) if number > 5 else (),
        inputs=(),
        outputs=({"output_type": "stream", "name": "stdout", "text": "." * (number * 91 % 3000)},),
    )


def stream_of(number: int) -> bytes:
    return f"stream {number} ".encode() * 400


def noise(number: int) -> bytes:
    return random.Random(number).randbytes(20_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Forty checkpoints, with packed streams and raw buffers."""
    path = tmp_path / "store"
    store = LmdbStore(path, sync=False)
    for number in range(1, LAST + 1):
        names = (variable(number),)
        store.commit(
            cell(number),
            [payload(stream_of(number), noise(number), names=names)],
            {"branch/main": checkpoint_id(number), "tag/start": checkpoint_id(1)},
        )
    store.close()
    return path


def change(path: Path, table: str, work: Callable[[lmdb.Transaction[bytes], object], object]) -> None:
    """Write to a table as no store would."""
    with lmdb.Environment(str(path), max_dbs=16, map_size=1 << 30) as env:
        db = env.open_db(table.encode())
        with env.begin(write=True) as txn:
            work(txn, db)


def put(path: Path, table: str, key: bytes, value: bytes) -> None:
    change(path, table, lambda txn, db: txn.put(key, value, db=db))


def drop(path: Path, table: str, key: bytes) -> None:
    change(path, table, lambda txn, db: txn.delete(key, db=db))


def value(path: Path, table: str, key: bytes) -> bytes:
    with lmdb.Environment(str(path), max_dbs=16, map_size=1 << 30, readonly=True) as env:
        db = env.open_db(table.encode())
        with env.begin() as txn:
            found = txn.get(key, db=db)
            assert found is not None
            return bytes(found)


def flip(path: Path, what: bytes) -> None:
    """One bit in the middle of these bytes, wherever they are in the file."""
    data = bytearray((path / "data.mdb").read_bytes())
    places = []
    start = data.find(what)
    while start >= 0:  # old versions of a page may hold them too
        places.append(start)
        start = data.find(what, start + 1)
    assert places
    for place in places:
        data[place + len(what) // 2] ^= 4
    (path / "data.mdb").write_bytes(data)


def version(number: int) -> Version:
    return Version((variable(number),), checkpoint_id(number))


def kinds(report: Report) -> list[str]:
    return sorted({problem.kind for problem in report.problems})


def repaired(path: Path) -> Report:
    """A repair mends all that it found, and another check finds nothing."""
    report = check(path, repair=True)
    assert report.problems
    assert report.clean, report.problems
    after = check(path)
    assert after.problems == ()
    return report


def usable(path: Path) -> list[Version]:
    """The graph can be walked, every state can be told, and what is said to be stored loads. What is lost."""
    store = LmdbStore(path)
    lost = []
    for checkpoint in store.checkpoints():
        assert [each.id for each in ancestry(store.checkpoint, checkpoint.id)]
        state_at(store.checkpoint, checkpoint.id)
        make_plan(store.checkpoint, {}, checkpoint.id)
        for record in checkpoint.versions:
            at = Version(record.names, checkpoint.id)
            if not record.stored:
                assert record.reason
                lost.append(at)
                continue
            loaded = store.load(at)
            for blob in loaded.blobs:
                blob.readinto(memoryview(bytearray(blob.nbytes)))
    for id in store.refs().values():
        assert store.contains(id)
    store.commit(replace(trivial(999), parent=None), [payload(b"and it goes on")], {})
    store.close()
    return lost


# --- nothing wrong


def test_a_whole_store_has_no_problems_and_is_not_written_to(path: Path) -> None:
    before = (path / "data.mdb").read_bytes()
    report = check(path)
    assert report.problems == ()
    assert (report.checkpoints, report.versions, report.chunks) == (LAST, LAST, 2 * LAST)
    assert (report.orphans, report.untrusted) == (0, 0)
    assert LAST * 20_000 < report.bytes < LAST * 24_000
    assert (path / "data.mdb").read_bytes() == before
    assert check(path, repair=True).problems == ()


def test_progress_and_what_is_not_there(path: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    check(path, progress=lambda done, total: told.append((done, total)))
    assert told
    assert all(0 < done <= total for done, total in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    with pytest.raises(StoreError, match="no store at"):
        check(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_chunks_that_nothing_names_are_counted_and_no_problem(path: Path) -> None:
    put(path, "chunks", digest(memoryview(b"orphan")), b"orphan")
    report = check(path)
    assert report.problems == ()
    assert (report.orphans, report.orphan_bytes) == (1, 6)


def test_a_store_in_use(path: Path) -> None:
    store = LmdbStore(path)
    put_wrong = schema.ref_key("tag/lost"), bytes(8)
    store._environment.write(lambda txn: txn.put(*put_wrong, db=store._tables["refs"]))
    assert kinds(check(path, repair=True)) == ["ref"]
    assert "tag/lost" not in store.refs()
    store.close()


# --- chunks


def test_a_rotten_buffer_is_found_and_told(path: Path) -> None:
    flip(path, noise(7)[:4000])
    report = check(path)
    assert kinds(report) == ["chunk", "payload"]
    assert not report.clean
    assert any("v2 of state 0000000000000007" in problem.what for problem in report.problems)
    assert check(path) == report
    repaired(path)
    assert usable(path) == [version(7)]
    store = LmdbStore(path)
    record = store.checkpoint(checkpoint_id(7)).versions[0]
    assert record.reason is not None
    assert "damaged" in record.reason
    assert store.checkpoint(checkpoint_id(7)).trusted
    assert [step.checkpoint for step in make_plan(store.checkpoint, {}, checkpoint_id(7)).replay] == [checkpoint_id(7)]
    store.close()


def test_a_rotten_packed_stream(path: Path) -> None:
    name = digest(memoryview(stream_of(9)))
    frame = value(path, "packed", name)
    for wrong in (
        frame[:-3],
        frame[:20] + b"?" + frame[21:],
        b"",
        b"\2\xff\xff\xff\xff" + frame[5:],
        b"\x09" + frame[1:],
    ):
        put(path, "packed", name, wrong)
        assert kinds(check(path)) == ["chunk", "payload"]
    repaired(path)
    assert usable(path) == [version(9)]


def test_a_chunk_that_is_gone_with_several_versions_of_it(path: Path) -> None:
    store = LmdbStore(path)
    again = replace(cell(41), versions=(replace(cell(41).versions[0], names=("same",)),))
    store.commit(again, [payload(b"s", noise(3), names=("same",))], {})
    store.close()
    drop(path, "chunks", digest(memoryview(noise(3))))
    assert kinds(check(path)) == ["payload"]
    repaired(path)
    assert usable(path) == [version(3), Version(("same",), checkpoint_id(41))]


# --- manifests, records, outputs, refs


@pytest.mark.parametrize("wrong", [b"", b"{}", b"\xff" * 60, b"\0" * 60])
def test_a_broken_manifest(path: Path, wrong: bytes) -> None:
    put(path, "versions", schema.version_key(version(5)), wrong)
    assert kinds(check(path)) == ["payload"]
    assert any("v0" in problem.what for problem in check(path).problems)
    report = repaired(path)
    assert usable(path) == [version(5)]
    assert report.orphans == 2


def test_a_manifest_that_is_gone(path: Path) -> None:
    drop(path, "versions", schema.version_key(version(5)))
    assert kinds(check(path)) == ["payload"]
    repaired(path)
    assert usable(path) == [version(5)]


@pytest.mark.parametrize(
    "wrong", [b"", b"no JSON, and long enough for a mark", b'{"code": 5}' + bytes(16), b"[" * 99_999]
)
def test_a_broken_record_leaves_its_place(path: Path, wrong: bytes) -> None:
    """Its payload carries our mark, so that it stays; what came before it is no part of later states any more."""
    put(path, "checkpoints", schema.checkpoint_key(checkpoint_id(20)), wrong)
    assert kinds(check(path)) == ["record"]
    repaired(path)
    assert usable(path) == []
    store = LmdbStore(path)
    place = store.checkpoint(checkpoint_id(20))
    assert (place.parent, place.code, place.trusted) == (None, "", True)
    assert place.incomplete is not None
    assert "not known" in place.incomplete
    assert store.load(version(20)).stream == stream_of(20)
    assert state_at(store.checkpoint, checkpoint_id(21)) == {
        (variable(20),): checkpoint_id(20),
        (variable(21),): checkpoint_id(21),
    }
    assert len(state_at(store.checkpoint, checkpoint_id(19))) == 5
    store.close()


def test_a_record_that_is_gone_is_the_same(path: Path) -> None:
    drop(path, "checkpoints", schema.checkpoint_key(checkpoint_id(20)))
    drop(path, "versions", schema.version_key(version(20)))
    assert kinds(check(path)) == ["record"]
    repaired(path)
    store = LmdbStore(path)
    assert store.checkpoint(checkpoint_id(20)).versions == ()
    assert store.checkpoint(checkpoint_id(20)).timestamp == store.checkpoint(checkpoint_id(21)).timestamp
    store.close()
    assert usable(path) == []


def test_payloads_whose_record_is_gone_are_found_again(path: Path) -> None:
    drop(path, "checkpoints", schema.checkpoint_key(checkpoint_id(LAST)))
    assert kinds(check(path)) == ["record"]
    repaired(path)
    store = LmdbStore(path)
    assert store.refs()["branch/main"] == checkpoint_id(LAST)
    assert store.load(version(LAST)).stream == stream_of(LAST)
    assert store.checkpoint(checkpoint_id(LAST)).versions[0].names == (variable(LAST),)
    store.close()


def test_what_a_stranger_put_beside_a_lost_record_does_not_become_ours(path: Path) -> None:
    key = schema.version_key(version(20))
    theirs = schema.without_signature(value(path, "versions", key)) + schema.NO_SIGNATURE
    put(path, "versions", key, theirs)
    drop(path, "checkpoints", schema.checkpoint_key(checkpoint_id(20)))
    check(path, repair=True)
    store = LmdbStore(path)
    assert store.checkpoint(checkpoint_id(20)).versions == ()
    with pytest.raises(LoadError):
        store.load(version(20))
    store.close()


def test_a_circle_is_opened_and_not_trusted(path: Path) -> None:
    from kishu_kernel.store.format.checkpoints import encode_checkpoint

    circle = replace(cell(10), parent=checkpoint_id(15))
    put(path, "checkpoints", schema.checkpoint_key(circle.id), encode_checkpoint(circle) + schema.NO_SIGNATURE)
    assert kinds(check(path)) == ["mark", "record"]
    report = check(path, repair=True)
    assert [problem.repaired for problem in report.problems] == [
        problem.kind == "record" for problem in report.problems
    ]
    assert kinds(check(path)) == ["mark"]
    store = LmdbStore(path)
    assert len(list(ancestry(store.checkpoint, checkpoint_id(LAST)))) < LAST
    assert not store.checkpoint(checkpoint_id(15)).trusted or not store.checkpoint(checkpoint_id(10)).trusted
    store.close()


@pytest.mark.parametrize("wrong", [b"{", b'["x"]', b"[" * 99_999, b"\xff"])
def test_broken_outputs(path: Path, wrong: bytes) -> None:
    put(path, "outputs", schema.checkpoint_key(checkpoint_id(4)), wrong)
    assert kinds(check(path)) == ["outputs"]
    repaired(path)
    assert usable(path) == []
    store = LmdbStore(path)
    assert store.checkpoint(checkpoint_id(4)).outputs == ()
    store.close()


def test_refs_that_lead_nowhere(path: Path) -> None:
    for key, target in ((b"tag/gone", bytes(8)), (b"tag/short", b"x"), (b"\xff", bytes(8)), (b"tag/\x1b[2J", bytes(8))):
        put(path, "refs", key, target)
    report = check(path)
    assert [problem.kind for problem in report.problems] == ["ref"] * 4
    repaired(path)
    store = LmdbStore(path)
    assert store.refs() == {"branch/main": checkpoint_id(LAST), "tag/start": checkpoint_id(1)}
    store.close()


def test_marks_that_are_missing_are_told_and_not_made(path: Path) -> None:
    report = check(path, signer=Signer(b"s" * 32))
    assert kinds(report) == ["mark"]
    assert report.untrusted == 3 * LAST
    assert "jupyter kishu trust" in report.problems[0].consequence
    again = check(path, repair=True, signer=Signer(b"s" * 32))
    assert not again.clean
    assert check(path).untrusted == 0


def test_a_repair_by_who_may_not_vouch_makes_nothing_trusted(path: Path) -> None:
    drop(path, "chunks", digest(memoryview(noise(3))))
    check(path, repair=True, signer=Signer(b"s" * 32))
    for signer in (None, Signer(b"s" * 32)):
        store = LmdbStore(path, signer=signer)
        assert not store.checkpoint(checkpoint_id(3)).trusted
        store.close()


def test_an_old_store_is_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o700)
    shutil.copy(DATA / "store_v1" / "data.mdb", tmp_path / "old")
    (tmp_path / "old" / "data.mdb").chmod(0o600)
    report = check(tmp_path / "old")
    assert kinds(report) == ["mark"]
    assert (report.checkpoints, report.versions) == (2, 2)


# --- files


@posix
def test_what_is_open_to_others_is_closed(path: Path) -> None:
    path.chmod(0o755)
    (path / "data.mdb").chmod(0o666)
    report = check(path)
    assert kinds(report) == ["permissions"]
    assert report.clean
    assert check(path).problems == ()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "data.mdb").stat().st_mode) == 0o600


def survivors(path: Path) -> list[CheckpointId]:
    store = LmdbStore(path)
    try:
        return [checkpoint.id for checkpoint in store.checkpoints() if checkpoint.code]
    finally:
        store.close()


@pytest.mark.parametrize("left", [0.97, 0.9, 0.6, 0.3])
def test_a_file_that_was_cut_short(path: Path, left: float) -> None:
    """A kernel would die of it; the check says so, and a repair saves what is left."""
    data = path / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[: int(len(whole) * left) // 4096 * 4096])
    report = check(path)
    assert kinds(report) == ["file"]
    assert check(path, repair=True).clean
    assert check(path).clean
    usable(path)
    assert (path / "data.mdb.damaged").exists()


@seeds(4, 12)
def test_pages_overwritten_anywhere(path: Path, seed: int) -> None:
    """As a disk does it: some sectors hold something else. In a process of its own, since LMDB may kill it."""
    chance = random.Random(seed)
    data = bytearray((path / "data.mdb").read_bytes())
    for _ in range(1 + seed % 4):
        place = chance.randrange(8192, len(data) - 512) // 512 * 512  # the first pages apart
        data[place : place + 512] = chance.randbytes(512)
    (path / "data.mdb").write_bytes(data)
    code = """
import sys
from pathlib import Path
from kishu_kernel.errors import StoreError
from kishu_kernel.store.maintenance.fsck import check
from tests.store.test_fsck import usable
path = Path(sys.argv[1])
found = check(path)
try:
    report = check(path, repair=True)
except StoreError as error:
    assert "nothing of the store can be read" in str(error), error
    sys.exit(0)
assert bool(found.problems) == bool(report.problems)
left = [problem for problem in check(path).problems if problem.kind != "mark"]
assert not left, left
if all(each.repaired for each in report.problems):
    usable(path)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_one_newest_page_broken_loses_little(path: Path) -> None:
    """The leaf with the newest record is overwritten: the others are there."""
    with DataFile(path / "data.mdb") as image:
        tables = image.tables()
        places = {item.key: item.place for item in image.items("checkpoints", tables["checkpoints"])}
    page = places[schema.checkpoint_key(checkpoint_id(LAST))] // 4096
    data = bytearray((path / "data.mdb").read_bytes())
    data[page * 4096 : page * 4096 + 4096] = b"\xa5" * 4096
    (path / "data.mdb").write_bytes(data)
    assert kinds(check(path)) == ["file"]
    assert repaired(path).checkpoints >= LAST // 2
    assert LAST // 2 <= len(survivors(path)) < LAST
    usable(path)


@pytest.mark.parametrize("content", [b"", b"not a store" * 1000, bytes(1 << 16), os.urandom(1 << 16)])
def test_what_is_no_store_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store").mkdir(mode=0o700)
    (tmp_path / "store" / "data.mdb").write_bytes(content)
    (tmp_path / "store" / "data.mdb").chmod(0o600)
    assert kinds(check(tmp_path / "store")) == ["file"]
    with pytest.raises(StoreError, match="nothing of the store can be read"):
        check(tmp_path / "store", repair=True)
    assert (tmp_path / "store" / "data.mdb").read_bytes() == content
    assert os.listdir(tmp_path / "store") == ["data.mdb"]


def test_a_broken_file_is_not_exchanged_under_somebody(path: Path) -> None:
    store = LmdbStore(path)
    data = path / "data.mdb"
    whole = data.read_bytes()
    with data.open("r+b") as file:
        file.truncate(len(whole) // 3)
    try:
        with pytest.raises(StoreError, match="open in this very process"):
            check(path, repair=True)
        assert data.stat().st_size == len(whole) // 3
    finally:
        data.write_bytes(whole)
        store.close()


@often(15, 60)
def test_looking_at_any_bytes_ends(path: Path, times: int) -> None:
    """The reader of damaged files neither hangs nor raises anything of its own."""
    whole = (path / "data.mdb").read_bytes()
    for seed in range(times):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 400)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (path / "data.mdb").write_bytes(data)
        with DataFile(path / "data.mdb") as image:
            for name, tree in image.tables().items():
                for item in image.items(name, tree):
                    image.value(item)


@pytest.mark.parametrize("instead", ["directory", "link"])
def test_what_is_no_file_is_not_touched(path: Path, tmp_path: Path, instead: str) -> None:
    (path / "data.mdb").rename(tmp_path / "elsewhere")
    if instead == "link":
        (path / "data.mdb").symlink_to(tmp_path / "elsewhere")
    else:
        (path / "data.mdb").mkdir()
    before = (tmp_path / "elsewhere").read_bytes()
    for repair in (False, True):
        with pytest.raises(StoreError, match=r"no plain file|is a link"):
            check(path, repair=repair)
    assert (tmp_path / "elsewhere").read_bytes() == before
