"""What a collection removes and what it keeps; both stores. And what only the one on disk has: others, at once."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError, StoreError, UntrustedError
from kishu_kernel.model import Checkpoint, Names, StoreShare, Version
from kishu_kernel.store import LmdbStore, Store
from kishu_kernel.store.disk import chunk_writer
from kishu_kernel.store.format.chunking import CHUNK_SIZE
from kishu_kernel.store.format.signing import Signer

from .processes import HEAD, python, succeed
from .stores import MAKERS
from .values import checkpoint_id, full, payload, record, trivial

REASON = "it was removed to save space"


@pytest.fixture(params=sorted(MAKERS.keys() - {"layered"}))  # that says itself why it holds a version no more
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "store")
    yield store
    store.close()


def noise(seed: int, size: int = CHUNK_SIZE) -> bytes:
    return random.Random(seed).randbytes(size)


def version(number: int, *names: str) -> Version:
    return Version(names or ("x",), checkpoint_id(number))


def made(number: int, *names: Names) -> Checkpoint:
    return replace(trivial(number), versions=tuple(record(each) for each in names or [("x",)]))


def read(store: Store, of: Version) -> bytes:
    (blob,) = store.load(of).blobs
    target = bytearray(blob.nbytes)
    blob.readinto(memoryview(target))
    return bytes(target)


def versions(store: Store, numbers: range) -> list[int]:
    """Those whose payloads are there."""
    there = []
    for number in numbers:
        try:
            store.load(version(number))
            there.append(number)
        except LoadError:
            pass
    return there


# --- what goes, what stays


def test_what_is_dropped_is_gone_and_the_record_says_why(store: Store) -> None:
    kept = store.commit(made(1), [payload(b"s", noise(1))], {"branch/main": checkpoint_id(1)})
    store.commit(made(2), [payload(b"s", noise(2))], {})
    collected = store.collect([version(1)], reason=REASON)
    with pytest.raises(LoadError, match="holds no x"):
        store.load(version(1))
    assert read(store, version(2)) == noise(2)
    after = store.checkpoint(kept.id)
    (left,) = after.versions
    assert (left.stored, left.reason, left.size) == (False, REASON, 0)
    assert after == replace(kept, versions=(left,))
    assert after.trusted
    assert store.refs() == {"branch/main": kept.id}
    assert (collected.removed.checkpoints, collected.removed.chunks) == (1, 1)  # both use the stream b"s"
    assert (collected.kept.checkpoints, collected.kept.chunks) == (1, 2)
    assert CHUNK_SIZE < collected.removed.bytes < CHUNK_SIZE + 8192
    assert store.statistics().chunks == 2


def test_only_the_versions_that_go_are_rewritten(store: Store) -> None:
    both = [payload(b"x", noise(1)), payload(b"y", noise(2), names=("y",))]
    kept = store.commit(replace(full(1), versions=made(1, ("x",), ("y",)).versions), both, {})
    store.collect([version(1)], reason=REASON)
    after = store.checkpoint(kept.id)
    assert [each.stored for each in after.versions] == [False, True]
    assert after.versions[1] == kept.versions[1]
    assert after.outputs == kept.outputs
    assert read(store, version(1, "y")) == noise(2)


def test_what_another_version_names_stays(store: Store) -> None:
    shared = noise(1)
    store.commit(made(1), [payload(b"s", shared + noise(2))], {})
    store.commit(made(2), [payload(b"s", shared + noise(3))], {})
    assert store.collect([version(1)], reason=REASON).removed.chunks == 1
    assert read(store, version(2)) == shared + noise(3)
    last = store.collect([version(2)], reason=REASON)
    assert last.kept == StoreShare(0, 0, 0)
    assert store.statistics().chunks == 0


def test_nothing_to_drop_removes_nothing(store: Store) -> None:
    store.commit(made(1), [payload(b"s", noise(1))], {})
    for drop in ([], [version(2)], [version(1, "y")]):
        assert store.collect(drop, reason=REASON).removed == StoreShare(0, 0, 0)
    assert read(store, version(1)) == noise(1)


@pytest.mark.parametrize(
    ("limit", "left"), [(0, []), (3 * CHUNK_SIZE, [4, 5]), (1 << 40, [1, 2, 3, 4, 5]), (None, [1, 2, 3, 4, 5])]
)
def test_thinning_goes_on_until_the_limit_holds(store: Store, limit: int | None, left: list[int]) -> None:
    for number in range(1, 6):
        store.commit(made(number), [payload(b"s", noise(number))], {})
    evict = [version(number) for number in range(1, 6)]
    collected = store.collect((), evict, limit, reason=REASON)
    assert versions(store, range(1, 6)) == left
    assert limit is None or collected.kept.bytes <= limit
    assert collected.kept.checkpoints == len(left)


def test_thinning_counts_what_dropping_freed(store: Store) -> None:
    for number in range(1, 5):
        store.commit(made(number), [payload(b"s", noise(number))], {})
    room = store.collect((), reason=REASON).kept.bytes
    store.collect([version(4)], [version(1), version(2)], room - CHUNK_SIZE, reason=REASON)
    assert versions(store, range(1, 5)) == [1, 2, 3]


def test_a_dry_run_has_the_same_figures_and_removes_nothing(store: Store) -> None:
    for number in range(1, 6):
        store.commit(made(number), [payload(b"s%d" % number, noise(number), noise(0))], {})
    arguments = ([version(2)], [version(1), version(5)], 3 * CHUNK_SIZE)
    before = store.statistics()
    foretold = store.collect(*arguments, reason=REASON, dry_run=True)
    assert store.statistics() == before
    assert store.checkpoint(checkpoint_id(2)).versions[0].stored
    assert store.collect(*arguments, reason=REASON) == foretold


def test_what_was_forgotten_can_be_stored_again(store: Store) -> None:
    store.commit(made(1), [payload(b"s", noise(1))], {})
    store.collect([version(1)], reason=REASON)
    again = store.commit(made(2), [payload(b"s", noise(1))], {})
    assert again.written_bytes > CHUNK_SIZE
    assert read(store, version(2)) == noise(1)


# --- on disk


def test_pages_are_used_again(disk: LmdbStore, tmp_path: Path) -> None:
    file = tmp_path / "store" / "data.mdb"
    for number in range(1, 12):
        disk.commit(made(number), [payload(b"s", noise(number, 4 << 20))], {})
        disk.collect([version(number - 1)], reason=REASON)
    assert file.stat().st_size < 20 << 20
    assert disk.statistics().bytes < 5 << 20


def test_compressed_chunks_are_collected(disk: LmdbStore) -> None:
    disk.commit(made(1), [payload(b"text " * 10_000, bytes(3 * CHUNK_SIZE))], {})
    assert disk.statistics().chunks >= 2
    assert disk.collect([version(1)], reason=REASON).kept == StoreShare(0, 0, 0)
    assert disk.statistics().chunks == 0


def test_an_untrusted_record_stays_untrusted(tmp_path: Path) -> None:
    theirs = LmdbStore(tmp_path / "store", signer=Signer(b"t" * 32))
    theirs.commit(made(1), [payload(b"s")], {})
    ours = LmdbStore(tmp_path / "store", signer=Signer(b"o" * 32))
    ours.collect([version(1)], reason=REASON)
    after = ours.checkpoint(checkpoint_id(1))
    assert (after.versions[0].stored, after.trusted) == (False, False)
    for store in (theirs, ours):
        store.close()


def test_what_a_killed_commit_wrote_ahead_is_removed(disk: LmdbStore, tmp_path: Path) -> None:
    disk.commit(made(1), [payload(b"s", noise(1))], {})
    killed = python(
        HEAD
        + """
    from kishu_kernel.store.disk import chunk_writer
    write = chunk_writer.ChunkWriter._write_ahead
    def die(self):
        write(self)
        os.kill(os.getpid(), 9)
    chunk_writer.ChunkWriter._write_ahead = die
    LmdbStore(Path(sys.argv[1])).commit(trivial(2), [payload(b"s", os.urandom(40 << 20))], {})
    """,
        tmp_path / "store",
    )
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    assert not disk.contains(checkpoint_id(2))
    assert disk.statistics().chunks > 10
    collected = disk.collect((), reason=REASON)
    assert collected.removed.chunks > 10
    assert collected.removed.checkpoints == 0
    assert disk.statistics().chunks == 2
    assert read(disk, version(1)) == noise(1)


def test_a_commit_that_fails_leaves_no_chunks(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    process = python(
        HEAD
        + """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LmdbStore(Path(sys.argv[1]))
    store.commit(trivial(1), [payload(b"s", b"data")], {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (48 << 20, resource.RLIM_INFINITY))
    try:
        store.commit(trivial(2), [payload(b"s", os.urandom(64 << 20))], {})
    except StoreError:
        pass
    else:
        sys.exit(1)
    assert (Path(sys.argv[1]) / "data.mdb").stat().st_size > 16 << 20  # some was written ahead
    assert store.statistics().chunks == 2
    store.commit(trivial(2), [payload(b"s", os.urandom(8 << 20))], {})
    """,
        tmp_path / "store",
    )
    succeed(process)


def test_a_commit_survives_a_collection_between_its_batches(
    disk: LmdbStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another process removes what was written ahead, and what the commit found to be there already."""
    old, new = noise(1, 3 << 20), noise(2, 40 << 20)
    disk.commit(made(1), [payload(b"s", old)], {})
    collector = """
    store = LmdbStore(Path(sys.argv[1]))
    removed = store.collect([Version(("x",), checkpoint_id(1))], reason="space").removed
    assert removed.chunks >= 16, removed
    store.close()
    """
    write_ahead = chunk_writer.ChunkWriter._write_ahead
    done = []

    def write_and_let_collect(self: chunk_writer.ChunkWriter) -> None:
        write_ahead(self)
        if not done:
            done.append(succeed(python(HEAD + collector, tmp_path / "store")))

    monkeypatch.setattr(chunk_writer.ChunkWriter, "_write_ahead", write_and_let_collect)
    kept = disk.commit(made(2), [payload(b"s", old + new)], {})
    assert done
    assert read(disk, version(2)) == old + new
    assert len(old + new) < kept.written_bytes


def test_processes_commit_and_collect_at_once(disk: LmdbStore, tmp_path: Path) -> None:
    committer = python(
        HEAD
        + """
    from kishu_kernel.store.disk import chunk_writer
    chunk_writer.BATCH = 1 << 18
    store = LmdbStore(Path(sys.argv[1]))
    shared = os.urandom(1 << 20)
    for number in range(1, 40):
        own = os.urandom(1 << 20)
        store.commit(trivial(number), [payload(b"s" * 40_000, own, shared)], {})
        blobs = store.load(Version(("x",), checkpoint_id(number))).blobs
        for blob, data in zip(blobs, (own, shared)):
            target = bytearray(blob.nbytes)
            blob.readinto(memoryview(target))
            assert target == data, number
        time.sleep(0.005)
    """,
        tmp_path / "store",
    )
    collections = 0
    while committer.poll() is None:
        there = sorted(each.id for each in disk.checkpoints(outputs=False))
        disk.collect([Version(("x",), id) for id in there[:-2]], reason=REASON)
        collections += 1
    succeed(committer)
    assert collections > 5
    for number in range(1, 40):
        left = disk.checkpoint(checkpoint_id(number)).versions[0].stored
        assert left == (number in versions(disk, range(number, number + 1)))


def test_figures_hold_when_others_write_between_looking_and_removing(
    disk: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.commit(made(1), [payload(b"s", noise(1))], {})
    write = disk._environment.write

    def write_after_another(work: object, incoming: int = 0) -> object:
        monkeypatch.undo()
        disk.commit(made(2), [payload(b"s", noise(2))], {})
        return write(work, incoming)  # type: ignore[arg-type]

    monkeypatch.setattr(disk._environment, "write", write_after_another)
    collected = disk.collect([version(1)], reason=REASON)
    assert (collected.removed.chunks, collected.kept.chunks) == (1, 2)
    assert collected.kept == disk.collect((), reason=REASON).kept
    assert read(disk, version(2)) == noise(2)


def test_a_damaged_manifest_is_not_in_the_way(disk: LmdbStore) -> None:
    from kishu_kernel.store.format import schema

    for number in (1, 2):
        disk.commit(made(number), [payload(b"s%d" % number)], {})
    table = disk._tables["versions"]
    disk._environment.write(lambda txn: txn.put(schema.version_key(version(1)), os.urandom(60), db=table))
    assert disk.collect((), reason=REASON).removed.chunks == 1
    with pytest.raises(LoadError, match="damaged"):
        disk.load(version(1))
    assert disk.load(version(2)).stream == b"s2"
    disk.collect([version(1)], reason=REASON)
    with pytest.raises(LoadError, match="holds no"):
        disk.load(version(1))


def test_a_closed_or_untrusted_store_is_still_countable(tmp_path: Path) -> None:
    theirs = LmdbStore(tmp_path / "store", signer=Signer(b"t" * 32))
    theirs.commit(made(1), [payload(b"s", noise(1))], {})
    theirs.close()
    with pytest.raises(StoreError, match="closed"):
        theirs.collect((), reason=REASON)
    ours = LmdbStore(tmp_path / "store", signer=Signer(b"o" * 32))
    with pytest.raises(UntrustedError):
        ours.load(version(1))
    assert ours.collect((), reason=REASON, dry_run=True).kept.chunks == 2
    ours.close()
