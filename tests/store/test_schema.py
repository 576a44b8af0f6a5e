from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest

from kishu_kernel.errors import LoadError, StoreError, StoreFormatError
from kishu_kernel.model import Checkpoint, Digest, VersionRecord
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.checkpoints import decode_checkpoint, encode_checkpoint, encode_outputs
from kishu_kernel.store.format.schema import Manifest, Piece
from kishu_kernel.store.format.signatures import (
    StoreSignatures,
    decode_identity,
    encode_new_identity,
    identity_key,
    sha256,
)
from kishu_kernel.store.format.signing import Signer

from .values import checkpoint_id, full, trivial

MANIFEST = Manifest(
    ("a", "b"),
    "dill",
    Piece(1500, False, (Digest(b"0" * 16), Digest(b"1" * 16)), b"c" * 16),
    (Piece(0, False, ()), Piece(7, True, (Digest(b"2" * 16),))),
    Piece(24, False, (Digest(b"3" * 16),)),
    "12ab34cd",
)


def round_trip(checkpoint: Checkpoint) -> Checkpoint:
    record, outputs = encode_checkpoint(checkpoint), encode_outputs(checkpoint.outputs)
    trusted = checkpoint.trusted, checkpoint.outputs_trusted
    return decode_checkpoint(checkpoint.id, record, outputs, *trusted, checkpoint.by)


@pytest.mark.parametrize("checkpoint", [full(1), trivial(2)], ids=["full", "trivial"])
def test_checkpoints_round_trip(checkpoint: Checkpoint) -> None:
    assert round_trip(checkpoint) == checkpoint


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Checkpoint) if f.name != "by"])
def test_the_full_example_has_a_value_of_its_own_in_every_field(field: str) -> None:
    """So that a field which the model gains fails here, and above, until the schema knows it."""
    assert getattr(full(1), field) != getattr(trivial(2), field)


@pytest.mark.parametrize("status", ["ok", "error", "interrupted"])
def test_every_status_round_trips(status: str) -> None:
    checkpoint = replace(trivial(1), status=status)  # type: ignore[arg-type]
    assert round_trip(checkpoint) == checkpoint


def test_every_field_of_a_version_record_round_trips() -> None:
    stored, lost = full(1).versions
    for field in dataclasses.fields(VersionRecord):
        assert getattr(stored, field.name) != getattr(lost, field.name)


def test_a_trivial_record_is_small() -> None:
    assert len(encode_checkpoint(trivial(100))) < 350


def test_sizes_of_keys() -> None:
    id = checkpoint_id(255)
    assert schema.checkpoint_key(id) == b"\0" * 7 + b"\xff"
    assert schema.checkpoint_id(schema.checkpoint_key(id)) == id
    assert len(schema.version_key(schema.Version(("x",) * 1000, id))) == 24
    assert schema.version_key(schema.Version(("x",), id))[16:] == schema.checkpoint_key(id)


def test_keys_of_a_time_stay_in_order() -> None:
    ids = [checkpoint_id(number) for number in (1, 255, 256, 1 << 62)]
    assert sorted(map(schema.checkpoint_key, ids)) == [schema.checkpoint_key(id) for id in ids]


def test_what_a_newer_writer_adds_is_ignored() -> None:
    record = json.loads(encode_checkpoint(full(1)).decode("utf-8", "surrogatepass"))
    record["mood"] = "good"
    record["versions"][0]["colour"] = "blue"
    record["versions"][0]["variables"][1].append("more")
    text = json.dumps(record).encode()
    assert decode_checkpoint(full(1).id, text, b"").versions == full(1).versions


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"{}", b"\xff", b'{"session": 1}'])
def test_a_damaged_record_is_named(record: bytes) -> None:
    with pytest.raises(StoreError, match=checkpoint_id(1)):
        decode_checkpoint(checkpoint_id(1), record, b"")


def test_manifests_round_trip() -> None:
    data = schema.encode_manifest(MANIFEST)
    assert schema.decode_manifest(data) == MANIFEST
    assert data.endswith(b"0" * 16 + b"1" * 16 + b"2" * 16 + b"3" * 16)
    assert MANIFEST.digests == {Digest(digit * 16) for digit in (b"0", b"1", b"2", b"3")}


def test_a_small_manifest_is_small() -> None:
    small = Manifest(("x",), "cloudpickle", Piece(60, False, (Digest(bytes(16)),)), ())
    data = schema.encode_manifest(small)
    header = b'{"names":["x"],"stream":[60,1,0]}'
    assert data == bytes([len(header), 0, 0, 0]) + header + bytes(16)


def test_a_damaged_manifest_is_told() -> None:
    data = schema.encode_manifest(MANIFEST)
    for stop in range(len(data)):
        with pytest.raises(LoadError):
            schema.decode_manifest(data[:stop])
    with pytest.raises(LoadError):
        schema.decode_manifest(data + b"0")


def test_formats() -> None:
    assert schema.check_format(b"1") == 1
    assert schema.check_format(b"4") == 4
    for newer in (b"5", b"x", b"", b"-1", b"0"):
        with pytest.raises(StoreFormatError, match=rf"format {newer.decode()} .* newer kishu-kernel"):
            schema.check_format(newer)


def test_a_mark_is_of_one_store_one_place_and_one_content() -> None:
    signer = Signer(b"k" * 32)
    signatures = StoreSignatures(signer, b"i" * 16)
    value = signatures.signed("versions", b"key", b"body")
    assert schema.without_signature(value) == b"body"
    assert signatures.verifies("versions", b"key", value)
    assert not StoreSignatures(Signer(b"o" * 32), b"i" * 16).verifies("versions", b"key", value)
    assert not StoreSignatures(signer, b"j" * 16).verifies("versions", b"key", value)
    assert not StoreSignatures(signer, None).verifies("versions", b"key", value)
    assert not signatures.verifies(
        "versions", b"key", StoreSignatures(signer, None).signed("versions", b"key", b"body")
    )
    assert not signatures.verifies("checkpoints", b"key", value)
    assert not signatures.verifies("versions", b"other", value)
    assert not signatures.verifies("versions", b"key", b"B" + value[1:])
    assert not signatures.verifies("versions", b"key", b"body" + schema.NO_SIGNATURE)
    for short in (b"", b"body", value[-15:]):
        assert not signatures.verifies("versions", b"key", short)


@pytest.mark.parametrize("identity", [b"i" * 16, None])
def test_a_manifest_is_vouched_for_with_its_stream(identity: bytes | None) -> None:
    signatures = StoreSignatures(Signer(b"k" * 32), identity)
    manifest = MANIFEST._replace(stream=MANIFEST.stream._replace(sha256=sha256(b"stream")))
    body = schema.encode_manifest(manifest)
    old = body + Signer(b"k" * 32).sign(b"versions", b"key", body, b"stream")
    value = signatures.signed("versions", b"key", body) if identity else old
    assert signatures.verifies_payload(b"key", value, manifest, b"stream")
    assert not signatures.verifies_payload(b"key", value, manifest, b"Stream")
    assert not signatures.verifies_payload(b"yek", value, manifest, b"stream")
    assert not signatures.verifies_payload(b"key", body + schema.NO_SIGNATURE, manifest, b"stream")
    assert signatures.verifies_payload(b"key", old, manifest, b"stream") == (identity is None)


def test_an_identity_is_believed_from_its_user_only() -> None:
    signer, other = Signer(b"k" * 32), Signer(b"o" * 32)
    value = encode_new_identity(signer)
    assert decode_identity(signer, value) == value[:16]
    assert encode_new_identity(signer) != value
    assert identity_key(signer) != identity_key(other)
    for wrong in (None, b"", value[:31], bytes(32), value + b"0", encode_new_identity(other)):
        assert decode_identity(signer, wrong) is None


def test_what_made_a_payload_has_a_short_name() -> None:
    made = schema.encode_made({"python": "3.14", "numpy": "2"})
    assert made == schema.encode_made({"numpy": "2", "python": "3.14"})
    assert made.key == b"made/" + made.short.encode()
    assert len(made.short) == 8
    assert schema.decode_made(made.value) == {"python": "3.14", "numpy": "2"}
    assert schema.encode_made({}).short == ""
    for damaged in (None, b"", b"[]", b"{"):
        assert schema.decode_made(damaged) == {}
