"""Who can write to a store, or hand one over, gets no code run: every way in that we could think of.

Each attack is made with the bytes of a real store. What must not run creates a directory, and that must not be
there: neither after loading what was attacked, nor after a checkout of it by a session.
"""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import LoadError, LostError, StoreError, UntrustedError
from kishu_kernel.model import CheckpointId, SessionId, Version
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.session.bundle_extract import extract
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store import LmdbStore, MemoryStore
from kishu_kernel.store.base import Store
from kishu_kernel.store.disk import store_files
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.checkpoints import encode_checkpoint
from kishu_kernel.store.format.chunks import digest
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.maintenance.bundle_export import export_history
from kishu_kernel.store.maintenance.bundle_import import import_history
from kishu_kernel.store.maintenance.trust import Trust, give_new_identity, trust, trust_of
from kishu_kernel.store.transfer import transfer
from tests.support.harness import Notebook

from .values import checkpoint_id, payload, trivial

X1, X2 = (Version(("x",), checkpoint_id(number)) for number in (1, 2))
STRANGER = Signer(b"s" * 32)
DATA = Path(__file__).parents[1] / "data"


class Bomb:
    """A pickle that creates a directory when it is loaded."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._file),)


@pytest.fixture
def pwned(tmp_path: Path) -> Path:
    """What must not be there."""
    return tmp_path / "pwned"


@pytest.fixture
def bomb(pwned: Path) -> bytes:
    return pickle.dumps({"x": Bomb(pwned)}, protocol=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[LmdbStore]:
    """x is 1, then 2."""
    store = LmdbStore(path)
    for number in (1, 2):
        stream = pickle.dumps({"x": number}, protocol=5)
        store.commit(trivial(number), [payload(stream)], {"branch/main": checkpoint_id(number)})
    yield store
    store.close()


def put(store: LmdbStore, table: str, key: bytes, value: bytes) -> None:
    store._environment.write(lambda txn: txn.put(key, value, db=store._tables[table]))


def got(store: LmdbStore, table: str, key: bytes) -> bytes:
    with store._environment.reading() as txn:
        value = txn.get(key, db=store._tables[table])
        assert value is not None
        return bytes(value)


def loaded(store: Store, version: Version) -> dict[str, Any]:
    return decode(store.load(version), {})


def refused(store: Store, version: Version, pwned: Path) -> None:
    """It is neither loaded nor, since that is tried next, brought back by running its cell."""
    with pytest.raises(LoadError):
        loaded(store, version)
    assert not pwned.exists()
    with pytest.raises(LostError):
        visit(store, version.checkpoint)
    assert not pwned.exists()


def visit(store: Store, target: CheckpointId) -> Notebook:
    """A session checks out what is there."""
    notebook = Notebook()
    notebook.store = store  # type: ignore[assignment]
    notebook.session.checkout(target)
    return notebook


# --- the store, written to behind our back


def test_it_does_run_where_it_is_our_own(store: LmdbStore, bomb: bytes, pwned: Path) -> None:
    """Else the other tests would show nothing."""
    store.commit(trivial(3), [payload(bomb)], {})
    loaded(store, Version(("x",), checkpoint_id(3)))
    assert pwned.exists()


def test_a_stream_that_was_replaced(store: LmdbStore, bomb: bytes, pwned: Path) -> None:
    """The chunk keeps its name; the digest tells, and the session falls back on the cell, which is ours."""
    put(store, "chunks", digest(memoryview(pickle.dumps({"x": 1}, protocol=5))), bomb)
    with pytest.raises(LoadError, match="add up"):
        loaded(store, X1)
    assert visit(store, checkpoint_id(1))["x"] == 1
    assert not pwned.exists()


def test_a_stream_whose_digest_was_forged(
    store: LmdbStore, bomb: bytes, pwned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xxh3 is no cryptographic digest: as if somebody had found a bomb with the digest of the stream."""
    name = digest(memoryview(pickle.dumps({"x": 1}, protocol=5)))
    padded = bomb + bytes(len(pickle.dumps({"x": 1}, protocol=5)))
    put(store, "chunks", name, padded)
    manifest = schema.decode_manifest(schema.without_signature(got(store, "versions", schema.version_key(X1))))
    longer = manifest._replace(stream=manifest.stream._replace(nbytes=len(padded)))
    mark = got(store, "versions", schema.version_key(X1))[-16:]
    for module in ("format.chunks", "disk.chunk_reader"):
        real = sys.modules[f"kishu_kernel.store.{module}"].digest  # type: ignore[attr-defined]
        monkeypatch.setattr(
            f"kishu_kernel.store.{module}.digest", lambda data, real=real: name if bytes(data) == padded else real(data)
        )
    put(store, "versions", schema.version_key(X1), schema.encode_manifest(longer) + mark)
    with pytest.raises(UntrustedError, match="jupyter kishu trust"):
        loaded(store, X1)
    assert not pwned.exists()


def test_a_manifest_that_names_another_stream(store: LmdbStore, bomb: bytes, pwned: Path) -> None:
    name = digest(memoryview(bomb))
    put(store, "chunks", name, bomb)
    forged = schema.Manifest(("x",), "cloudpickle", schema.Piece(len(bomb), False, (name,)), ())
    key = schema.version_key(X1)
    old = got(store, "versions", key)
    for mark in (
        b"",
        schema.NO_SIGNATURE,
        old[-16:],
        STRANGER.sign(b"versions", key, schema.encode_manifest(forged), bomb),
    ):
        put(store, "versions", key, schema.encode_manifest(forged) + mark)
        with pytest.raises(LoadError):
            loaded(store, X1)
        assert not pwned.exists()
    refused(store, X1, pwned)


def test_a_manifest_under_another_key(store: LmdbStore) -> None:
    put(store, "versions", schema.version_key(X2), got(store, "versions", schema.version_key(X1)))
    with pytest.raises(UntrustedError):
        store.load(X2)
    assert loaded(store, X1) == {"x": 1}


def test_a_mark_from_another_checkpoint_or_table(store: LmdbStore, pwned: Path) -> None:
    keys = [schema.checkpoint_key(checkpoint_id(number)) for number in (1, 2)]
    first, second = (got(store, "checkpoints", key) for key in keys)
    for forged in (second, first[:-16] + second[-16:], second[:-16] + first[-16:]):
        put(store, "checkpoints", keys[0], forged)
        assert not store.checkpoint(checkpoint_id(1)).trusted
    manifest = got(store, "versions", schema.version_key(X1))
    put(store, "checkpoints", keys[0], first[:-16] + manifest[-16:])
    assert not store.checkpoint(checkpoint_id(1)).trusted


def evil(pwned: Path) -> str:
    return f"x = __import__('os').mkdir({str(pwned)!r})"


def test_a_cell_that_was_rewritten_is_not_run(store: LmdbStore, pwned: Path) -> None:
    """The payload is damaged too, so that the session would like to run the cell."""
    key = schema.checkpoint_key(checkpoint_id(1))
    old = got(store, "checkpoints", key)
    body = encode_checkpoint(replace(trivial(1), code=evil(pwned)))
    for mark in (old[-16:], schema.NO_SIGNATURE, STRANGER.sign(b"checkpoints", key, body)):
        put(store, "checkpoints", key, body + mark)
        put(store, "versions", schema.version_key(X1), b"")
        assert store.checkpoint(checkpoint_id(1)).code == evil(pwned)  # to be read
        assert not store.checkpoint(checkpoint_id(1)).trusted
        refused(store, X1, pwned)


def test_a_checkpoint_that_was_added_is_not_run(store: LmdbStore, pwned: Path) -> None:
    """A new one, where a branch is moved to it, says that a cell has to be run for what is in it."""
    added = replace(trivial(9, code=evil(pwned)), parent=checkpoint_id(2))
    not_stored = replace(added.versions[0], stored=False, reason="a generator")
    put(
        store,
        "checkpoints",
        schema.checkpoint_key(added.id),
        encode_checkpoint(replace(added, versions=(not_stored,))) + schema.NO_SIGNATURE,
    )
    store.update_refs({"branch/main": added.id})
    refused(store, Version(("x",), added.id), pwned)
    with pytest.raises(LostError, match="jupyter kishu trust"):
        visit(store, CheckpointId("main"))


def test_what_stands_between_a_cell_and_its_input_does_not_choose_it(path: Path, pwned: Path) -> None:
    """The cell is ours and so is the older value; only together they do harm."""
    notebook = Notebook()
    harmless = pwned.with_name("harmless")
    notebook.ok(f"target = {str(pwned)!r}")
    moved = notebook.ok(f"target = {str(harmless)!r}")
    made = notebook.ok("import os; os.mkdir(target); g = (each for each in [1])")
    harmless.rmdir()
    store = LmdbStore(path)
    transfer(notebook.store, store)
    hidden = replace(store.checkpoint(moved.id), versions=(), dropped=())
    put(store, "checkpoints", schema.checkpoint_key(moved.id), encode_checkpoint(hidden) + schema.NO_SIGNATURE)
    with pytest.raises(LostError):
        visit(store, made.id)
    assert not pwned.exists()
    store.close()


def test_nothing_of_ours_marks_what_was_not(store: LmdbStore, pwned: Path) -> None:
    """A message, a collection, an amendment, a copy, an export: all write records anew."""
    key = schema.checkpoint_key(checkpoint_id(1))
    put(store, "checkpoints", key, encode_checkpoint(replace(trivial(1), code=evil(pwned))) + schema.NO_SIGNATURE)
    seen = store.checkpoint(checkpoint_id(1))
    store.amend(replace(seen, message="looks good"), {})
    store.amend(replace(seen, message="claims to be", trusted=True), {})
    assert not store.checkpoint(checkpoint_id(1)).trusted
    store.collect([X1], reason="it was removed")
    assert store.checkpoint(checkpoint_id(1)).versions[0].reason == "it was removed"
    assert not store.checkpoint(checkpoint_id(1)).trusted
    place = Path(str(store.statistics().path))
    for copy in (MemoryStore(), LmdbStore(place.parent / "copy")):
        transfer(store, copy)
        assert not copy.checkpoint(checkpoint_id(1)).trusted
        assert copy.checkpoint(checkpoint_id(2)).trusted
        copy.amend(replace(seen, trusted=True), {})
        assert not copy.checkpoint(checkpoint_id(1)).trusted
        copy.close()
    export_history(place, place.parent / "bundle", extract(store.checkpoint, checkpoint_id(2)))
    import_history(place.parent / "bundle", place.parent / "imported")
    imported = LmdbStore(place.parent / "imported")
    assert not imported.checkpoint(checkpoint_id(1)).trusted
    assert imported.checkpoint(checkpoint_id(2)).trusted
    imported.close()


def test_what_was_read_as_a_strangers_is_not_written_as_ours(store: LmdbStore, pwned: Path) -> None:
    """Between our reading and our writing, the record that was there before is put back."""
    key = schema.checkpoint_key(checkpoint_id(1))
    ours = got(store, "checkpoints", key)
    put(store, "checkpoints", key, encode_checkpoint(replace(trivial(1), code=evil(pwned))) + schema.NO_SIGNATURE)
    seen = store.checkpoint(checkpoint_id(1))
    put(store, "checkpoints", key, ours)
    store.amend(replace(seen, message="looks good"), {})
    assert not store.checkpoint(checkpoint_id(1)).trusted


@pytest.mark.parametrize("codec", [32, 36, 37, 40, 255])
def test_a_packed_chunk_that_asks_for_a_plugin_starts_no_python(
    path: Path, tmp_path: Path, pwned: Path, monkeypatch: pytest.MonkeyPatch, codec: int
) -> None:
    """blosc2 would run `python -c "import blosc2_grok"` where the notebook lies, before any digest is looked at."""
    numpy = pytest.importorskip("numpy")
    blosc2 = pytest.importorskip("blosc2")
    data = memoryview(numpy.arange(100_000, dtype="f8")).cast("B")
    frame = bytearray(blosc2.compress2(data, codec=blosc2.Codec.LZ4, typesize=8))
    frame[2] = frame[2] & 0x1F | 6 << 5
    frame[22] = codec
    for name in ("grok", "openhtj2k", "j2k", "htj2k", "openzl"):
        (tmp_path / f"blosc2_{name}.py").write_text(f"open({str(pwned)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    store = LmdbStore(path)
    store.commit(trivial(1), [payload(b"s", bytearray(data))], {})
    name = digest(data)
    value = b"\1" + data.nbytes.to_bytes(4, "little") + bytes(frame)
    for chunk, at in ((data[start : start + (1 << 20)], start) for start in range(0, data.nbytes, 1 << 20)):
        assert at == 0
        assert digest(chunk) == name
    store._environment.write(lambda txn: txn.delete(name, db=store._tables["chunks"]))
    put(store, "packed", name, value)
    with pytest.raises(LoadError):
        store.load(X1).blobs[0].readinto(memoryview(bytearray(data.nbytes)))
    assert not pwned.exists()
    store.close()


# --- somebody else's store


def test_a_strangers_store_is_a_log_until_it_is_accepted(path: Path, bomb: bytes, pwned: Path) -> None:
    theirs = LmdbStore(path, signer=STRANGER)
    theirs.commit(replace(trivial(1), code=evil(pwned)), [payload(bomb)], {"branch/main": checkpoint_id(1)})
    theirs.close()
    store = LmdbStore(path)
    seen = store.checkpoint(checkpoint_id(1))
    assert (seen.trusted, seen.code) == (False, evil(pwned))
    with pytest.raises(UntrustedError):
        store.load(X1)
    refused(store, X1, pwned)
    assert trust_of(path) == Trust(1, 0, 1, 0)
    assert not trust_of(path).whole
    assert not pwned.exists()
    assert trust(path) == Trust(1, 1, 1, 1) == trust_of(path)
    store.close()
    again = LmdbStore(path)
    assert again.checkpoint(checkpoint_id(1)).trusted
    loaded(again, X1)
    assert pwned.exists()  # which is what trusting means
    again.close()


def test_a_store_of_format_1_is_a_log_until_it_is_accepted(path: Path) -> None:
    path.mkdir()
    shutil.copy(DATA / "store_v1" / "data.mdb", path)
    first = Version(("x",), CheckpointId("00000000000000a1"))
    assert trust_of(path) == Trust(2, 0, 2, 0, 1, 0)
    store = LmdbStore(path)
    with pytest.raises(UntrustedError):
        store.load(first)
    store.close()
    assert trust(path).whole
    store = LmdbStore(path)
    assert store.load(first).stream == b"x stream"
    store.close()


def test_accepting_marks_nothing_that_is_damaged(store: LmdbStore, path: Path) -> None:
    put(store, "checkpoints", schema.checkpoint_key(checkpoint_id(1)), b"{" + schema.NO_SIGNATURE)
    put(store, "chunks", digest(memoryview(pickle.dumps({"x": 2}, protocol=5))), b"?")
    found = trust(path)
    assert found == Trust(1, 1, 1, 1, damaged=2)
    assert got(store, "checkpoints", schema.checkpoint_key(checkpoint_id(1))) == b"{" + schema.NO_SIGNATURE


def test_the_trusted_store_of_another_user_is_not_ours(store: LmdbStore, path: Path) -> None:
    trust(path, STRANGER)
    with pytest.raises(UntrustedError):
        store.load(X1)
    assert trust_of(path, STRANGER).whole


def test_accepting_nothing(path: Path) -> None:
    for act in (trust, trust_of):
        with pytest.raises(StoreError, match="no store"):
            act(path)
    assert not path.exists()


# --- another store of the same user's


@pytest.fixture
def other(tmp_path: Path, pwned: Path, bomb: bytes) -> Iterator[LmdbStore]:
    """Of another notebook, whose cells and values do what may not happen here."""
    store = LmdbStore(tmp_path / "other")
    outputs = ({"output_type": "display_data", "data": {"text/html": "<script>"}, "metadata": {}},)
    for number in (1, 2):
        made = replace(trivial(number, code=evil(pwned)), outputs=outputs)
        store.commit(made, [payload(bomb)], {"branch/main": checkpoint_id(number)})
    yield store
    store.close()


def transplant(source: LmdbStore, target: LmdbStore, *tables: str) -> None:
    """All rows of these tables."""
    for table in tables:
        with source._environment.reading() as txn, txn.cursor(db=source._tables[table]) as cursor:
            rows = [(bytes(key), bytes(value)) for key, value in cursor]
        for key, value in rows:
            put(target, table, key, value)


def test_a_record_of_another_notebook_is_not_run(store: LmdbStore, other: LmdbStore, pwned: Path) -> None:
    assert other.checkpoint(checkpoint_id(1)).trusted
    transplant(other, store, "checkpoints")
    assert [each.trusted for each in store.checkpoints()] == [False, False]
    put(store, "versions", schema.version_key(X1), b"")
    refused(store, X1, pwned)


def test_a_value_of_another_notebook_is_not_loaded(store: LmdbStore, other: LmdbStore, pwned: Path) -> None:
    transplant(other, store, "versions", "chunks")
    with pytest.raises(UntrustedError):
        store.load(X1)
    refused(store, X1, pwned)


def test_outputs_of_another_notebook_are_not_ours(store: LmdbStore, other: LmdbStore) -> None:
    assert other.checkpoint(checkpoint_id(1)).outputs_trusted
    transplant(other, store, "outputs")
    assert not store.checkpoint(checkpoint_id(1)).outputs_trusted


def test_its_identity_brings_its_records_and_loses_ours(store: LmdbStore, other: LmdbStore, path: Path) -> None:
    """Who exchanges that as well has put one whole store in the place of another, and our own rows show it."""
    transplant(other, store, "meta")
    assert [each.trusted for each in store.checkpoints()] == [False, False]
    assert trust_of(path) == Trust(2, 0, 2, 0)


@pytest.mark.parametrize("record", [None, b"{" + bytes(16), encode_checkpoint(trivial(9)) + STRANGER.sign(b"x")])
def test_no_identity_is_believed_that_was_there_before_us(
    tmp_path: Path, other: LmdbStore, record: bytes | None
) -> None:
    new = LmdbStore(tmp_path / "new")
    transplant(other, new, "meta")
    if record:
        put(new, "checkpoints", schema.checkpoint_key(checkpoint_id(9)), record)
    new.commit(trivial(1), [payload(b"s")], {})
    assert new.checkpoint(checkpoint_id(1)).trusted
    transplant(other, new, "checkpoints")
    assert not any(each.trusted for each in new.checkpoints())
    new.close()


def test_two_processes_that_begin_a_store_have_one_identity(tmp_path: Path) -> None:
    one, other = LmdbStore(tmp_path / "new"), LmdbStore(tmp_path / "new")
    for number, store in enumerate((one, other, one), 1):
        store.commit(trivial(number), [payload(b"s")], {})
    assert trust_of(tmp_path / "new") == Trust(3, 3, 3, 3)
    one.close()
    other.close()


@pytest.mark.parametrize("what", ["copied", "moved", "exported"])
def test_a_store_goes_on_elsewhere(store: LmdbStore, path: Path, tmp_path: Path, what: str) -> None:
    there = tmp_path / "there"
    if what == "exported":
        export_history(path, tmp_path / "bundle")
        import_history(tmp_path / "bundle", there)
    store.close()
    if what == "copied":
        shutil.copytree(path, there)
    if what == "moved":
        path.rename(there)
    again = LmdbStore(there)
    assert loaded(again, X2) == {"x": 2}
    assert again.commit(trivial(3), [payload(pickle.dumps({"x": 3}))], {}).trusted
    assert trust_of(there) == Trust(3, 3, 3, 3)
    again.close()


def test_marks_hold_when_a_bundle_comes_back(store: LmdbStore, path: Path, tmp_path: Path) -> None:
    """Another user has written to it meanwhile."""
    export_history(path, tmp_path / "there")
    import_history(tmp_path / "there", tmp_path / "theirs")
    theirs = LmdbStore(tmp_path / "theirs", signer=STRANGER)
    theirs.commit(trivial(3), [payload(b"s")], {})
    theirs.close()
    export_history(tmp_path / "theirs", tmp_path / "back", signer=STRANGER)
    import_history(tmp_path / "back", tmp_path / "ours")
    assert trust_of(tmp_path / "ours") == Trust(3, 2, 3, 2)
    assert trust_of(tmp_path / "ours", STRANGER) == Trust(3, 1, 3, 1)


def test_a_copy_can_be_told_apart(store: LmdbStore, path: Path, tmp_path: Path) -> None:
    """As `attach` makes one: what is written to one of them from here on is nothing to the other."""
    store_files.copy(path, tmp_path / "copy")
    give_new_identity(tmp_path / "copy")
    twin = LmdbStore(tmp_path / "copy")
    assert trust_of(tmp_path / "copy") == Trust(2, 2, 2, 2)
    twin.commit(trivial(3), [payload(b"s")], {})
    store.commit(trivial(3, "x = 9"), [payload(b"s")], {})
    transplant(twin, store, "checkpoints")
    assert [each.trusted for each in store.checkpoints()] == [False] * 3
    twin.close()


def test_a_copy_is_told_apart_with_what_is_not_trusted_in_it(store: LmdbStore, path: Path) -> None:
    key = schema.checkpoint_key(checkpoint_id(1))
    put(store, "checkpoints", key, encode_checkpoint(trivial(1, "x = 9")) + schema.NO_SIGNATURE)
    give_new_identity(path)
    assert trust_of(path) == Trust(2, 1, 2, 2)


# --- outputs


OUTPUTS = ({"output_type": "stream", "name": "stdout", "text": "mine"},)


def test_outputs_that_were_exchanged_are_not_ours(store: LmdbStore, path: Path) -> None:
    for number in (1, 2):
        text = {**OUTPUTS[0], "text": f"number {number}"}
        store.commit(replace(trivial(number), outputs=(text,)), [], {})
    one, two = (schema.checkpoint_key(checkpoint_id(number)) for number in (1, 2))
    first, second = got(store, "outputs", one), got(store, "outputs", two)
    assert trust_of(path).trusted_outputs == 2
    script = b'[{"output_type":"display_data","data":{"text/html":"<script>"},"metadata":{}}]'
    record = got(store, "checkpoints", one)
    for forged in (
        *(script + first[-16:], script + schema.NO_SIGNATURE, script),
        *(second, first[:-16] + second[-16:], first[:-16] + record[-16:]),
        *(script + STRANGER.sign(b"outputs", one, script), first[:-1], b"[]", first + b" "),
    ):
        put(store, "outputs", one, forged)
        seen = store.checkpoint(checkpoint_id(1))
        assert (seen.trusted, seen.code, seen.outputs_trusted and bool(seen.outputs)) == (True, "x = 1", False)
        assert trust_of(path).trusted_outputs == 1
    put(store, "outputs", one, first)
    assert store.checkpoint(checkpoint_id(1)).outputs_trusted


def test_nothing_of_ours_marks_outputs_that_were_not(store: LmdbStore, path: Path) -> None:
    key = schema.checkpoint_key(checkpoint_id(1))
    put(store, "outputs", key, schema.dump_json(OUTPUTS) + schema.NO_SIGNATURE)
    seen = store.checkpoint(checkpoint_id(1))
    assert seen.outputs == OUTPUTS
    store.amend(replace(seen, message="looks good"), {})
    store.amend(replace(seen, outputs_trusted=True), {})
    store.collect([X1], reason="it was removed")
    assert not store.checkpoint(checkpoint_id(1)).outputs_trusted
    for target in (MemoryStore(), LmdbStore(path.parent / "another")):
        transfer(store, target)
        assert not target.checkpoint(checkpoint_id(1)).outputs_trusted
        target.amend(replace(seen, outputs_trusted=True), {})
        assert not target.checkpoint(checkpoint_id(1)).outputs_trusted
        target.close()
    export_history(path, path.parent / "bundle")
    import_history(path.parent / "bundle", path.parent / "imported")
    assert trust_of(path.parent / "imported") == Trust(2, 2, 1, 1, 1, 0)
    assert trust(path).whole
    assert store.checkpoint(checkpoint_id(1)).outputs_trusted


# --- array memory


def test_a_small_array_is_covered(store: LmdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """xxh3 is no cryptographic digest: as if somebody had found other bytes that have it."""
    array, forged = bytes(range(256)) * 4, bytes(1024)
    store.commit(trivial(3), [payload(b"s", bytearray(array))], {})
    name = digest(memoryview(array))
    put(store, "chunks", name, forged)
    store._environment.write(lambda txn: txn.delete(name, db=store._tables["packed"]))
    monkeypatch.setattr("kishu_kernel.store.disk.chunk_reader.digest", lambda data: name)
    with pytest.raises(LoadError, match="damaged"):
        store.load(Version(("x",), checkpoint_id(3))).blobs[0].readinto(memoryview(bytearray(1024)))


# --- somebody else's bundle


def test_a_bundle_with_a_bomb_in_it_runs_nothing(tmp_path: Path, bomb: bytes, pwned: Path) -> None:
    theirs = LmdbStore(tmp_path / "theirs", signer=STRANGER)
    theirs.commit(replace(trivial(1), code=evil(pwned)), [payload(bomb)], {"branch/main": checkpoint_id(1)})
    theirs.close()
    export_history(tmp_path / "theirs", tmp_path / "bundle", signer=STRANGER)
    import_history(tmp_path / "bundle", tmp_path / "new")
    store = LmdbStore(tmp_path / "new")
    refused(store, X1, pwned)
    store.close()
    assert bomb in (zipfile.ZipFile(tmp_path / "bundle").read("chunks"))  # it was there


def test_a_file_outside_is_out_of_reach(store: LmdbStore, path: Path, tmp_path: Path) -> None:
    export_history(path, tmp_path / "bundle")
    secret = tmp_path / "victim"
    secret.write_text("mine")
    for name in ("../victim", str(secret), "../../victim", "chunks/../../victim"):
        shutil.copy(tmp_path / "bundle", tmp_path / "evil")
        with zipfile.ZipFile(tmp_path / "evil", "a") as archive:
            archive.writestr(name, "yours")
        with pytest.raises(StoreError, match="not used"):
            import_history(tmp_path / "evil", tmp_path / "stores" / "new")
        assert secret.read_text() == "mine"
        assert os.listdir(tmp_path / "stores") == []


# --- requests


CODE = [
    "__import__('pathlib').Path({!r}).touch()",
    "{{__import__('pathlib').Path({!r}).touch()}}",
    "'; __import__('os').system('touch {}'); '",
    "$(touch {})",
    "`touch {}`",
    "!touch {}",
    "%run {}",
    "%(x)s {} {{0.__class__}}",
]


@pytest.mark.parametrize("pattern", CODE)
def test_no_string_of_a_request_is_run(pattern: str, pwned: Path) -> None:
    text = pattern.format(str(pwned))
    notebook = Notebook()
    notebook.ok("x = 1")
    session = notebook.session
    timeline = session.timeline
    session.commit(text)
    acts: list[Callable[[], object]] = [
        lambda: session.checkout(text),
        lambda: session.checkout(f"{text}~2"),
        lambda: timeline.set_name("branch/", text, checkpoint_id(1)),
        lambda: timeline.set_name("tag/", text, checkpoint_id(1)),
        lambda: timeline.delete_name("tag/", text),
        lambda: timeline.resolve(text),
        lambda: Timeline(notebook.store, SessionId(text)).resolve("HEAD"),
    ]
    for act in acts:
        with pytest.raises(Exception, match=r".") as caught:
            act()
        assert type(caught.value).__module__ == "kishu_kernel.errors"
    assert not pwned.exists()
    assert not Path(f"{pwned})").exists()
    assert timeline.lookup(CheckpointId(str(notebook.head))).message == text
