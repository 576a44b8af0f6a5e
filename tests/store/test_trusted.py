"""Nothing is loaded that this user did not store; what is stored of others can be read."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError, StoreError, UntrustedError
from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunks import digest
from kishu_kernel.store.format.signing import Signer

from .values import checkpoint_id, full, payload, trivial

X1, X2 = (Version(("x",), checkpoint_id(number)) for number in (1, 2))
STREAM = pickle.dumps([f"{number}:{number * number % 7919}" for number in range(20_000)], 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def theirs(path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(path, signer=Signer(b"t" * 32))
    store.commit(
        replace(full(1), trusted=True, outputs_trusted=True),
        [payload(STREAM, b"data")],
        {"branch/main": checkpoint_id(1)},
    )
    store.commit(trivial(2), [payload(b"s")], {})
    yield store
    store.close()


@pytest.fixture
def ours(path: Path, theirs: LmdbStore) -> Iterator[LmdbStore]:
    store = LmdbStore(path, signer=Signer(b"o" * 32))
    yield store
    store.close()


def change(store: LmdbStore, table: str, key: bytes, how: Callable[[bytes], bytes]) -> None:
    def work(txn: object) -> None:
        value = txn.get(key, db=store._tables[table])  # type: ignore[attr-defined]
        txn.put(key, how(value), db=store._tables[table])  # type: ignore[attr-defined]

    store._environment.write(work)


def test_what_another_user_stored_is_a_log(theirs: LmdbStore, ours: LmdbStore) -> None:
    assert [each.trusted for each in theirs.checkpoints()] == [True, True]
    assert [each.trusted for each in ours.checkpoints()] == [False, False]
    seen = ours.checkpoint(checkpoint_id(1))
    assert not seen.outputs_trusted
    assert replace(seen, trusted=True, outputs_trusted=True) == theirs.checkpoint(checkpoint_id(1))
    assert ours.refs() == {"branch/main": checkpoint_id(1)}
    with pytest.raises(UntrustedError, match=r"x of 0+1 is not loaded.*`jupyter kishu trust"):
        ours.load(X1)
    assert theirs.load(X1).stream == STREAM


def test_what_is_added_to_a_foreign_history_is_trusted(theirs: LmdbStore, ours: LmdbStore) -> None:
    assert ours.commit(trivial(3), [payload(STREAM)], {}).trusted
    assert ours.load(Version(("x",), checkpoint_id(3))).stream == STREAM
    assert not theirs.checkpoint(checkpoint_id(3)).trusted


def test_to_amend_is_not_to_trust(ours: LmdbStore) -> None:
    ours.amend(replace(ours.checkpoint(checkpoint_id(1)), message="looks fine", trusted=True), {})
    seen = ours.checkpoint(checkpoint_id(1))
    assert (seen.message, seen.trusted) == ("looks fine", False)


def test_a_changed_record_is_not_trusted(theirs: LmdbStore) -> None:
    key = schema.checkpoint_key(checkpoint_id(2))
    change(theirs, "checkpoints", key, lambda value: value.replace(b"x = 1", b"x = 2"))
    seen = theirs.checkpoint(checkpoint_id(2))
    assert (seen.code, seen.trusted) == ("x = 2", False)
    assert theirs.load(X2).stream == b"s"


def test_a_manifest_moved_to_another_version_is_not_loaded(theirs: LmdbStore) -> None:
    taken = []
    change(theirs, "versions", schema.version_key(X1), lambda value: taken.append(value) or value)
    change(theirs, "versions", schema.version_key(X2), lambda value: taken[0])
    with pytest.raises(UntrustedError):
        theirs.load(X2)


def test_a_manifest_that_names_other_chunks_is_not_loaded(theirs: LmdbStore) -> None:
    evil = b"cos\nsystem\n(S'true'\ntR."
    theirs._environment.write(lambda txn: txn.put(digest(memoryview(evil)), evil, db=theirs._tables["chunks"]))
    piece = schema.Piece(len(evil), False, (digest(memoryview(evil)),))
    body = schema.encode_manifest(schema.Manifest(("x",), "cloudpickle", piece, ()))
    for mark in (lambda value: value[-16:], lambda value: bytes(16), lambda value: b""):
        change(theirs, "versions", schema.version_key(X2), lambda value, mark=mark: body + mark(value))
        with pytest.raises(LoadError):
            theirs.load(X2)


def test_seams_are_part_of_what_is_trusted(theirs: LmdbStore) -> None:
    """The same chunks, put together in another way, are another stream."""
    taken = []
    change(theirs, "versions", schema.version_key(X1), lambda value: taken.append(value) or value)
    manifest = schema.decode_manifest(schema.without_signature(taken[0]))
    assert manifest.seams.nbytes
    without = schema.encode_manifest(manifest._replace(seams=schema.NO_PIECE))
    change(theirs, "versions", schema.version_key(X1), lambda value: without + value[-16:])
    with pytest.raises(UntrustedError):
        theirs.load(X1)


def test_a_damaged_record_is_left_out(theirs: LmdbStore) -> None:
    key = schema.checkpoint_key(checkpoint_id(1))
    change(theirs, "checkpoints", key, lambda value: value[:20])
    assert theirs.damaged() == [checkpoint_id(1)]
    for outputs in (True, False):
        assert [each.id for each in theirs.checkpoints(outputs=outputs)] == [checkpoint_id(2)]
    with pytest.raises(StoreError, match=r"record of state 0+1 is damaged"):
        theirs.checkpoint(checkpoint_id(1))
    assert theirs.load(X1).stream == STREAM
    assert theirs.contains(checkpoint_id(1))


def test_a_copy_of_what_is_not_trusted_is_not_either(theirs: LmdbStore, ours: LmdbStore) -> None:
    kept = ours.commit(replace(ours.checkpoint(checkpoint_id(1)), id=checkpoint_id(7)), [], {})
    assert not kept.trusted
    assert not ours.checkpoint(checkpoint_id(7)).trusted
