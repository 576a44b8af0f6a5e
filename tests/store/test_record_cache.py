"""The list of checkpoints that a store keeps decoded: what others write, sign or break is seen all the same."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.model import Checkpoint, CheckpointId
from kishu_kernel.store import LmdbStore
from kishu_kernel.store import lmdb_store as module
from kishu_kernel.store.format import schema

from .values import checkpoint_id, trivial


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    made = LmdbStore(tmp_path / "store")
    for number in range(1, 21):
        made.commit(trivial(number), [], {})
    yield made
    made.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of the records that were decoded."""
    keys: list[bytes] = []
    plain = module.decoded

    def noting(signatures: object, key: bytes, value: bytes, outputs: bytes) -> Checkpoint:
        keys.append(key)
        return plain(signatures, key, value, outputs)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "decoded", noting)
    return keys


def _codes(store: LmdbStore) -> dict[str, str]:
    return {each.id: each.code for each in store.checkpoints(outputs=False)}


def test_each_record_is_decoded_once(store: LmdbStore, decoded: list[bytes]) -> None:
    assert len(_codes(store)) == 20
    assert len(decoded) == 20
    store.commit(trivial(21), [], {"branches/main": checkpoint_id(21)})
    store.update_refs({"tags/here": checkpoint_id(21)})
    store.amend(replace(trivial(3), message="amended"), {})
    del decoded[:]
    assert len(_codes(store)) == 21
    assert sorted(decoded) == [schema.checkpoint_key(checkpoint_id(number)) for number in (3, 21)]
    one, other = (list(store.checkpoints(outputs=False)) for _ in range(2))
    assert all(map(operator.is_, one, other))


def test_what_another_store_of_the_process_writes_is_seen(store: LmdbStore, tmp_path: Path) -> None:
    other = LmdbStore(tmp_path / "store")
    assert _codes(store) == _codes(other)
    for number in range(21, 31):
        (store, other)[number % 2].commit(trivial(number, f"n = {number}"), [], {})
        (other, store)[number % 2].amend(trivial(2, f"amended by {number}"), {})
        if number % 3:
            assert _codes(store) == {each.id: each.code for each in other.checkpoints()}
    assert _codes(store)[checkpoint_id(2)] == "amended by 30"
    other.close()


@pytest.mark.parametrize("nothing", [{}, {"heads/gone": None}])
def test_a_write_that_changes_nothing_hides_nobody_elses(
    store: LmdbStore, tmp_path: Path, nothing: dict[str, CheckpointId | None]
) -> None:
    """LMDB gives its number to the next one."""
    other = LmdbStore(tmp_path / "store")
    assert len(_codes(store)) == 20
    store.update_refs(nothing)
    other.commit(trivial(21), [], {})
    assert len(_codes(store)) == 21
    other.close()


def test_a_list_that_was_interrupted_is_complete_the_next_time(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Checkpoint:
        raise KeyboardInterrupt

    assert len(_codes(store)) == 20
    store.commit(trivial(21), [], {})
    with monkeypatch.context() as patched:
        patched.setattr(module, "decoded", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _codes(store)
    assert len(_codes(store)) == 21


def test_a_look_that_began_before_a_write_costs_the_next_ones_nothing(store: LmdbStore, decoded: list[bytes]) -> None:
    assert len(_codes(store)) == 20
    with store._reading() as before:
        store.commit(trivial(21), [], {})
        assert len(_codes(store)) == 21
        del decoded[:]
        scope = (store._tables, store._identity.signatures(before, store._tables).identity)
        listed = store._records.checkpoints(before, store._tables["checkpoints"], scope, pytest.fail)
        assert len(listed) == 20
    assert len(_codes(store)) == 21
    assert decoded == [schema.checkpoint_key(checkpoint_id(21))]


def test_a_record_that_is_damaged_or_gone_is_not_listed_from_memory(store: LmdbStore) -> None:
    assert len(_codes(store)) == 20
    table = store._tables["checkpoints"]
    broken, gone = (schema.checkpoint_key(checkpoint_id(number)) for number in (4, 5))
    store._environment.write(lambda txn: (txn.put(broken, b"{", db=table), txn.delete(gone, db=table)))
    assert set(_codes(store)) == {checkpoint_id(number) for number in range(1, 21) if number not in (4, 5)}
    assert len(_codes(store)) == 18  # the second time, too
    store.commit(trivial(4), [], {})
    assert len(_codes(store)) == 19


def test_what_is_not_trusted_is_looked_at_each_time(store: LmdbStore) -> None:
    key = schema.checkpoint_key(checkpoint_id(7))
    table = store._tables["checkpoints"]
    signed = store._environment.write(lambda txn: bytes(txn.get(key, db=table)))
    unsigned = schema.without_signature(signed) + schema.NO_SIGNATURE
    store._environment.write(lambda txn: txn.put(key, unsigned, db=table))
    for _ in range(2):
        assert [each.id for each in store.checkpoints(outputs=False) if not each.trusted] == [checkpoint_id(7)]
    store._environment.write(lambda txn: txn.put(key, signed, db=table))
    assert all(each.trusted for each in store.checkpoints(outputs=False))
