"""A history as one file: it comes out as it went in, and nothing of it is believed on the way."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kishu_kernel.errors import StoreError, StoreFormatError, UntrustedError
from kishu_kernel.history.graph import state_at
from kishu_kernel.history.plan import make_plan
from kishu_kernel.model import Buffer, Checkpoint, CheckpointId, Digest, Payload, Version, VersionRecord
from kishu_kernel.session.bundle_extract import extract
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunks import digest
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.maintenance import bundle_import
from kishu_kernel.store.maintenance.bundle_export import export_history
from kishu_kernel.store.maintenance.bundle_format import ENTRIES, ROW, Content
from kishu_kernel.store.maintenance.bundle_import import import_history

from .values import checkpoint_id, full, payload, trivial

X1 = Version(("x",), checkpoint_id(1))
OTHER = Signer(b"o" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history.kishu"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with something of everything, raw chunks and packed ones."""
    path = tmp_path / "here" / "store"
    store = LmdbStore(path)
    typed = np.arange(300_000, dtype="f8")
    noise = random.Random(0).randbytes(3 << 20)
    first = Payload(
        ("x",),
        "cloudpickle",
        b"text " * 50_000,
        (Buffer(memoryview(typed).cast("B"), item_bytes=8, direct=True), Buffer(memoryview(noise))),
        {"python": "3.11.4", "numpy": "2.4.0"},
    )
    store.commit(trivial(1), [first], {"branch/main": checkpoint_id(1), "tag/é \ud800": checkpoint_id(1)})
    store.commit(trivial(2), [payload(b"second")], {"branch/main": checkpoint_id(2), "head/s": checkpoint_id(2)})
    store.commit(replace(full(3), parent=checkpoint_id(2)), [], {"branch/other": checkpoint_id(3)})
    store.close()
    return path


def contents(path: Path, signer: Signer | None = None) -> tuple[object, ...]:
    """All that a store gives."""
    store = LmdbStore(path, signer=signer)
    checkpoints = sorted(store.checkpoints(), key=lambda each: each.id)
    found = []
    for checkpoint in checkpoints:
        for record in checkpoint.versions:
            try:
                loaded = store.load(Version(record.names, checkpoint.id))
            except UntrustedError:
                raise
            except Exception as error:
                found.append(type(error))
                continue
            blobs = []
            for blob in loaded.blobs:
                target = bytearray(blob.nbytes)
                blob.readinto(memoryview(target))
                blobs.append((blob.direct, bytes(target)))
            found.append((loaded.names, loaded.codec, loaded.stream, blobs, loaded.made_by))
    refs = store.refs()
    store.close()
    return checkpoints, found, refs


# --- there and back


def test_a_history_comes_out_as_it_went_in(path: Path, file: Path, tmp_path: Path) -> None:
    sent = export_history(path, file)
    new = tmp_path / "there" / "store"
    got = import_history(file, new)
    assert sent == got == Content(3, 2, sent.chunks, sent.bytes)
    assert contents(new) == contents(path)
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    assert {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in new.iterdir() if entry.name == "data.mdb"} == {
        "data.mdb": 0o600
    }
    assert os.listdir(new.parent) == ["store"]


def test_packed_chunks_stay_packed(path: Path, file: Path, tmp_path: Path) -> None:
    sent = export_history(path, file)
    raw = 250_000 + 2_400_000 + (3 << 20) + 6
    assert sent.bytes < raw - 2_000_000
    assert file.stat().st_size < sent.bytes + 10_000
    import_history(file, tmp_path / "there")
    export_history(tmp_path / "there", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_an_empty_history(tmp_path: Path, file: Path) -> None:
    LmdbStore(tmp_path / "empty").close()
    assert export_history(tmp_path / "empty", file) == Content(0, 0, 0, 0)
    import_history(file, tmp_path / "new")
    assert contents(tmp_path / "new") == ([], [], {})


def test_elsewhere_it_is_only_to_be_read(path: Path, file: Path, tmp_path: Path) -> None:
    export_history(path, file)
    import_history(file, tmp_path / "there")
    store = LmdbStore(tmp_path / "there", signer=OTHER)
    assert [checkpoint.trusted for checkpoint in store.checkpoints()] == [False] * 3
    assert store.checkpoint(checkpoint_id(1)).code == "x = 1"
    with pytest.raises(UntrustedError, match="jupyter kishu trust"):
        store.load(X1)
    store.close()


def test_a_bundle_is_for_its_user_only_and_replaces_whole_files(path: Path, file: Path, tmp_path: Path) -> None:
    file.write_text("something else")
    file.chmod(0o644)
    old = os.umask(0)
    try:
        export_history(path, file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link = tmp_path / "link"
    target = tmp_path / "target"
    target.write_text("not to be written through a link")
    link.symlink_to(target)
    export_history(path, link)
    assert target.read_text() == "not to be written through a link"
    assert sorted(os.listdir(tmp_path)) == ["here", "history.kishu", "link", "target"]


def test_progress_is_told(path: Path, file: Path, tmp_path: Path) -> None:
    out: list[tuple[int, int]] = []
    into: list[tuple[int, int]] = []
    export_history(path, file, progress=lambda done, total: out.append((done, total)))
    import_history(file, tmp_path / "there", progress=lambda done, total: into.append((done, total)))
    for told in (out, into):
        assert [done for done, _ in told] == sorted({done for done, _ in told})
        assert all(0 < done <= total for done, total in told)
        assert len({total for _, total in told}) == 1
    assert out[-1][0] == out[-1][1]


def test_an_export_while_the_store_is_being_written(path: Path, file: Path, tmp_path: Path) -> None:
    """Another process commits all the time; the bundle is one moment of it."""
    code = """
import sys
from pathlib import Path
from kishu_kernel.store import LmdbStore
from tests.store.values import payload, trivial
store = LmdbStore(Path(sys.argv[1]), sync=False)
print("ready", flush=True)
number = 3
while True:
    number += 1
    store.commit(trivial(number), [payload(b"s" * number, bytes([number % 256]) * 3000)], {})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for number in range(5):
            export_history(path, file)
            import_history(file, tmp_path / f"there{number}")
    finally:
        process.kill()
        process.communicate(timeout=60)


# --- one state


def node(number: int, made: dict[str, bool], reads: str = "", **changes: object) -> tuple[Checkpoint, list[Payload]]:
    """A cell that made these variables, stored or not, reading others."""
    records = tuple(
        VersionRecord(
            (name,), Digest(bytes(16)), 9 if stored else 0, stored, None if stored else "a generator", True, ()
        )
        for name, stored in made.items()
    )
    checkpoint = replace(
        trivial(number, code=f"cell {number}"),
        versions=records,
        inputs=tuple(reads.split()),
        dropped=tuple((name,) for name in made),
        **changes,  # type: ignore[arg-type]
    )
    return checkpoint, [payload(f"{name} of {number}".encode(), names=(name,)) for name, is_in in made.items() if is_in]


@pytest.fixture
def branching(tmp_path: Path) -> Path:
    """x, y; a generator that reads x; x anew; and a branch with something large."""
    path = tmp_path / "branching"
    store = LmdbStore(path)
    for checkpoint, payloads in (
        node(1, {"x": True, "y": True}),
        node(2, {"g": False}, "x"),
        node(3, {"x": True, "y": True}, "x y"),
        node(4, {"big": True}),
        (replace(node(5, {"other": True})[0], parent=checkpoint_id(1)), node(5, {"other": True})[1]),
    ):
        store.commit(checkpoint, payloads, {"branch/main": checkpoint.id, "tag/t": checkpoint_id(1)})
    store.close()
    return path


def exported(path: Path, file: Path, target: CheckpointId, signer: Signer | None = None) -> Content:
    store = LmdbStore(path, signer=signer)
    try:
        return export_history(path, file, extract(store.checkpoint, target), signer=signer)
    finally:
        store.close()


def test_one_state_takes_what_it_needs_and_no_more(branching: Path, file: Path, tmp_path: Path) -> None:
    exported(branching, file, checkpoint_id(3))
    import_history(file, tmp_path / "there")
    store = LmdbStore(tmp_path / "there")
    assert [each.id for each in store.checkpoints()] == [checkpoint_id(number) for number in (1, 2, 3)]
    session = store.checkpoint(checkpoint_id(3)).session
    assert store.refs() == {"branch/main": checkpoint_id(3), f"head/{session}": checkpoint_id(3)}
    for names, number in (("x", 3), ("y", 3), ("x", 1)):  # the last one is what re-running the generator takes
        assert store.load(Version((names,), checkpoint_id(number))).stream == f"{names} of {number}".encode()
    first = store.checkpoint(checkpoint_id(1))
    assert first.trusted
    assert first.code == "cell 1"
    assert {record.names: (record.stored, record.reason) for record in first.versions} == {
        ("x",): (True, None),
        ("y",): (False, "it was left out of the bundle that this history came in"),
    }
    plan = make_plan(store.checkpoint, {}, checkpoint_id(3))
    assert plan.lost == ()
    assert [step.checkpoint for step in plan.replay] == [checkpoint_id(2)]
    assert state_at(store.checkpoint, checkpoint_id(3)).keys() == {("x",), ("y",), ("g",)}
    store.close()


def test_what_was_not_trusted_is_not_after_being_rewritten(branching: Path, file: Path, tmp_path: Path) -> None:
    exported(branching, file, checkpoint_id(3), OTHER)
    import_history(file, tmp_path / "there")
    for signer in (None, OTHER):
        store = LmdbStore(tmp_path / "there", signer=signer)
        assert not store.checkpoint(checkpoint_id(1)).trusted  # rewritten, by one who could not vouch for it
        store.close()


# --- what is refused


def rows(*items: tuple[bytes, bytes]) -> bytes:
    return b"".join(ROW.pack(len(key), len(value)) + key + value for key, value in items)


def marked(body: bytes) -> bytes:
    return body + bytes(16)


def record(**fields: object) -> bytes:
    base = {"session": "s", "timestamp": 1.0, "duration": 0.1, "code": "x = 1"}
    return marked(json.dumps({**base, **fields}).encode())


KEY = bytes.fromhex(checkpoint_id(1))
STREAM = b"stream"


def manifest(names: tuple[str, ...] = ("x",), **changes: object) -> tuple[bytes, bytes]:
    piece = schema.Piece(len(STREAM), False, (digest(memoryview(STREAM)),))
    made = schema.Manifest(names, "cloudpickle", piece, ())._replace(**changes)
    return schema.version_key(Version(names, checkpoint_id(1))), marked(schema.encode_manifest(made))


GOOD: dict[str, bytes] = {
    "format": json.dumps({"kishu-kernel bundle": 1, "store": schema.FORMAT}).encode(),
    "checkpoints": rows((KEY, record())),
    "outputs": rows((KEY, b'[{"output_type":"stream"}]' + schema.NO_SIGNATURE)),
    "versions": rows(manifest()),
    "refs": rows((b"branch/main", KEY)),
    "made": b"",
    "chunks": rows((digest(memoryview(STREAM)), STREAM)),
    "packed": b"",
}


def bundle(file: Path, **changes: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**GOOD, **changes}.items():
            archive.writestr(name, data)
    return file


def refused(file: Path, tmp_path: Path, match: str = "is not used") -> None:
    """One sentence, and nothing is left behind."""
    (tmp_path / "new").mkdir(exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match=match) as caught:
        import_history(file, tmp_path / "new" / "store")
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_pattern_of_the_hostile_ones_is_good(file: Path, tmp_path: Path) -> None:
    import_history(bundle(file), tmp_path / "new")
    with pytest.raises(UntrustedError):
        LmdbStore(tmp_path / "new").load(X1)


def test_a_bundle_of_format_2_has_outputs_without_marks(file: Path, tmp_path: Path) -> None:
    older = json.dumps({"kishu-kernel bundle": 1, "store": 2}).encode()
    import_history(bundle(file, format=older, outputs=rows((KEY, b'[{"output_type":"stream"}]'))), tmp_path / "new")
    store = LmdbStore(tmp_path / "new")
    seen = store.checkpoint(checkpoint_id(1))
    assert (seen.outputs, seen.outputs_trusted) == (({"output_type": "stream"},), False)
    store.close()


@pytest.mark.parametrize(
    "row", [(b"identity/", b""), (b"identity/" + b"0" * 32, bytes(31)), (b"identity/x", bytes(32))]
)
def test_an_identity_that_is_none_is_refused(file: Path, tmp_path: Path, row: tuple[bytes, bytes]) -> None:
    refused(bundle(file, made=rows(row)), tmp_path, "is not used: what it says of whose it is is damaged")


def test_a_place_with_something_in_it_is_refused(path: Path, file: Path, tmp_path: Path) -> None:
    export_history(path, file)
    before = contents(path)
    for place in (path, file):
        with pytest.raises(StoreError, match="something at"):
            import_history(file, place)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="something at"):
        import_history(file, dangling)
    assert contents(path) == before


def test_every_truncation_is_refused(path: Path, file: Path, tmp_path: Path) -> None:
    export_history(path, file)
    data = file.read_bytes()
    chance = random.Random(1)
    for size in (0, 1, 21, 22, len(data) - 1, *(chance.randrange(len(data)) for _ in range(25))):
        file.write_bytes(data[:size])
        refused(file, tmp_path)


def test_every_flipped_byte_is_found_or_harmless(path: Path, file: Path, tmp_path: Path) -> None:
    export_history(path, file)
    data = file.read_bytes()
    before = contents(path)
    chance = random.Random(2)
    ends = range(len(data) - 900, len(data))
    for number, place in enumerate([*(chance.randrange(len(data)) for _ in range(40)), *ends[::9]]):
        file.write_bytes(data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :])
        new = tmp_path / f"new{number}"
        try:
            import_history(file, new)
        except StoreError:
            assert not new.exists()
        else:  # a time stamp, or an attribute of an entry
            assert contents(new) == before


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "C:\\evil", "checkpoints/../../evil", "data.mdb", "evil\0", "Format"]
)
def test_names_that_lead_elsewhere_are_refused(file: Path, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(bundle(file), "a") as archive:
        archive.writestr(name, b"x")
    refused(file, tmp_path)


@pytest.mark.parametrize("missing", GOOD)
def test_an_entry_that_is_missing(file: Path, tmp_path: Path, missing: str) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in GOOD.items():
            if name != missing:
                archive.writestr(name, data)
    refused(file, tmp_path)


def test_entries_that_stand_twice_are_refused(file: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(bundle(file), "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("chunks", GOOD["chunks"])
    refused(file, tmp_path)


def test_other_files_are_refused(file: Path, tmp_path: Path) -> None:
    for data in (b"", b"\x80\x05cos\nsystem\n", b"{}" * 999, b"PK\5\6" + bytes(18)):
        file.write_bytes(data)
        refused(file, tmp_path)
    for nothing in (tmp_path / "nothing", tmp_path):
        refused(nothing, tmp_path, "cannot be imported")


def test_a_list_of_entries_without_end_is_not_read(file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(70_000):  # so many need the larger kind of list
            archive.writestr(f"{number}", b"")
    refused(file, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_entries_packed_otherwise_are_refused(file: Path, tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data, method if name == "chunks" else zipfile.ZIP_STORED)
    refused(file, tmp_path, "not packed")


def test_a_newer_bundle_or_store_says_so(file: Path, tmp_path: Path) -> None:
    for head in ({"kishu-kernel bundle": 3, "store": 1}, {"kishu-kernel bundle": 1, "store": schema.FORMAT + 1}):
        with pytest.raises(StoreFormatError, match="newer kishu-kernel"):
            import_history(bundle(file, format=json.dumps(head).encode()), tmp_path / "new")
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "head",
    [b"", b"[]", b"{}", b"1", b'{"kishu-kernel bundle":true,"store":2}', b'{"kishu-kernel bundle":"1"}', b"\xff"],
)
def test_a_head_that_is_none(file: Path, tmp_path: Path, head: bytes) -> None:
    refused(bundle(file, format=head), tmp_path)


def deep(depth: int = 200_000) -> bytes:
    return b"[" * depth + b"]" * depth


CYCLE = rows(
    (KEY, record(parent=checkpoint_id(2))),
    (bytes.fromhex(checkpoint_id(2)), record(parent=checkpoint_id(1))),
)
BOMB = zlib.compress(bytes(1 << 20))

HOSTILE: dict[str, dict[str, bytes]] = {
    "a key too short": {"checkpoints": rows((KEY[:7], record()))},
    "an empty key": {"checkpoints": rows((b"", record()))},
    "a key twice": {"checkpoints": rows((KEY, record()), (KEY, record()))},
    "keys out of order": {"chunks": rows((b"b" * 16, b""), (b"a" * 16, b""))},
    "a row without end": {"checkpoints": ROW.pack(8, 1 << 31) + KEY},
    "a row cut short": {"checkpoints": rows((KEY, record()))[:-1]},
    "half a row's head": {"checkpoints": GOOD["checkpoints"] + b"\1"},
    "no JSON": {"checkpoints": rows((KEY, marked(b"{")))},
    "a list": {"checkpoints": rows((KEY, marked(b"[]")))},
    "JSON without bottom": {"checkpoints": rows((KEY, marked(deep())))},
    "no text": {"checkpoints": rows((KEY, record(code=5)))},
    "no number": {"checkpoints": rows((KEY, record(timestamp="now")))},
    "no time": {"checkpoints": rows((KEY, record(timestamp=float("nan"))))},
    "a truth for a time": {"checkpoints": rows((KEY, record(timestamp=True)))},
    "another status": {"checkpoints": rows((KEY, record(status="great")))},
    "a number for a name": {"checkpoints": rows((KEY, record(created=[1])))},
    "a parent that is no id": {"checkpoints": rows((KEY, record(parent="../../x")))},
    "a parent that is not there": {"checkpoints": rows((KEY, record(parent=checkpoint_id(9))))},
    "its own parent": {"checkpoints": rows((KEY, record(parent=checkpoint_id(1))))},
    "a circle": {"checkpoints": CYCLE},
    "a version without names": {"checkpoints": rows((KEY, record(versions=[{"names": [], "digest": ""}])))},
    "a size below nothing": {"checkpoints": rows((KEY, record(versions=[{"names": ["x"], "digest": "", "size": -1}])))},
    "outputs of nobody": {"outputs": rows((b"\0" * 8, b"[]"))},
    "outputs that are none": {"outputs": rows((KEY, b'["x"]'))},
    "outputs without bottom": {"outputs": rows((KEY, deep()))},
    "a manifest under another key": {"versions": rows((manifest(("y",))[0], manifest()[1]))},
    "a manifest of nobody": {"versions": rows((manifest()[0][:16] + b"\0" * 8, manifest()[1]))},
    "a manifest that is none": {"versions": rows((manifest()[0], b"\xff" * 40))},
    "a codec of its own": {"versions": rows(manifest(codec="eval"))},
    "a piece of nothing": {"versions": rows(manifest(stream=schema.Piece(1 << 60, False, ())))},
    "a negative piece": {"versions": rows(manifest(stream=schema.Piece(-6, False, (digest(memoryview(STREAM)),))))},
    "a ref that is no text": {"refs": rows((b"\xff\xff", KEY))},
    "a ref that rings": {"refs": rows((b"branch/\x1b[2J\x07", KEY))},
    "a ref to nowhere": {"refs": rows((b"branch/main", b"\0" * 8))},
    "a ref to no id": {"refs": rows((b"branch/main", KEY + b"\0"))},
    "a ref too long": {"refs": rows((b"n" * 501, KEY))},
    "another entry of meta": {"made": rows((b"format", b"1"))},
    "a maker that is none": {"made": rows((b"made/00000000", b'{"python":"3"}'))},
    "a chunk under another digest": {"chunks": rows((digest(memoryview(STREAM)), b"STREAM"))},
    "a chunk too many": {"chunks": rows(*sorted([(digest(memoryview(x)), x) for x in (STREAM, b"more")]))},
    "no chunks": {"chunks": b""},
    "a chunk in both": {"packed": rows((digest(memoryview(STREAM)), STREAM))},
    "packed nonsense": {"chunks": b"", "packed": rows((digest(memoryview(STREAM)), b"\2\6\0\0\0nonsense"))},
    "an unknown packer": {"chunks": b"", "packed": rows((digest(memoryview(STREAM)), b"\7\6\0\0\0nonsense"))},
    "a packed bomb": {"chunks": b"", "packed": rows((digest(memoryview(STREAM)), b"\2\xff\xff\xff\xff" + BOMB))},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_hostile_is_refused(file: Path, tmp_path: Path, what: str) -> None:
    refused(bundle(file, **HOSTILE[what]), tmp_path)


def patched(data: bytes, name: bytes, patch: Callable[[bytearray, int], None]) -> bytes:
    """The archive with the entry's line in the list changed."""
    changed = bytearray(data)
    place = changed.rindex(b"PK\1\2", 0, changed.rindex(name) + 1)
    patch(changed, place)
    return bytes(changed)


@pytest.mark.parametrize("declared", [1 << 31, (1 << 32) - 2])
def test_sizes_that_are_declared_only(file: Path, tmp_path: Path, declared: int) -> None:
    data = bundle(file).read_bytes()

    def patch(changed: bytearray, place: int) -> None:
        changed[place + 24 : place + 28] = declared.to_bytes(4, "little")

    file.write_bytes(patched(data, b"chunks", patch))
    refused(file, tmp_path)


def test_a_deflated_entry_cannot_fill_the_disk(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A petabyte of zeros, as far as the list says; it is refused before anything is unpacked."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in GOOD.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if name in ENTRIES[:6] else zipfile.ZIP_STORED)

    def patch(changed: bytearray, place: int) -> None:
        changed[place + 24 : place + 28] = (3 << 30).to_bytes(4, "little")

    file.write_bytes(patched(stream.getvalue(), b"outputs", patch))
    monkeypatch.setattr(bundle_import, "_RESERVE", 1 << 60)  # a disk with less room than that
    refused(file, tmp_path, "room")


def test_a_store_that_is_damaged_is_not_exported(path: Path, file: Path, tmp_path: Path) -> None:
    file.write_text("an older bundle")
    store = LmdbStore(path)
    with store._environment.reading() as txn:
        key = next(bytes(key) for key, _ in txn.cursor(db=store._tables["chunks"]))
    store._environment.write(lambda txn: txn.put(key, b"?", db=store._tables["chunks"]))
    store.close()
    with pytest.raises(StoreError, match="fsck"):
        export_history(path, file)
    assert file.read_text() == "an older bundle"
    assert sorted(os.listdir(tmp_path)) == ["here", "history.kishu"]


def test_what_cannot_be_exported_is_told(path: Path, file: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        export_history(tmp_path / "nothing", file)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(StoreError, match="cannot be written"):
        export_history(path, tmp_path / "no" / "such" / "place")


def test_memory_stays_bounded(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    code = """
import os, resource, sys
from pathlib import Path
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.maintenance.bundle_export import export_history
from kishu_kernel.store.maintenance.bundle_import import import_history
from tests.store.values import payload, trivial
place = Path(sys.argv[1])
store = LmdbStore(place / "store", sync=False)
for number in range(1, 31):
    store.commit(trivial(number), [payload(b"s", os.urandom(10 << 20))], {})
store.close()
def anonymous():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))
before, peaks = anonymous(), []
note = lambda done, total: peaks.append(anonymous() - before)
export_history(place / "store", place / "file", progress=note)
import_history(place / "file", place / "new", progress=note)
print(max(peaks))
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("asks /proc")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 << 10
