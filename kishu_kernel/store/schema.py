"""The stored format, version 1: what stands under which key, byte by byte.

Law: whatever is stored is encoded and decoded here and nowhere else. Reading ignores keys that it
does not know; what an older reader would misread gets a new FORMAT and a fixture in `tests/data`.

A store is five tables and a meta table (named sub-databases of one LMDB environment)::

    table        key                                   value
    meta         "format"                              FORMAT in ASCII digits
    checkpoints  checkpoint id: 8 bytes                JSON object, see `encode_checkpoint`
    outputs      checkpoint id: 8 bytes                JSON array of nbformat v4 outputs, if any
    versions     16 bytes xxh3-128 of the JSON array   manifest, see `encode_manifest`
                 of the names, 8 bytes checkpoint id
    chunks       16 bytes xxh3-128 of the value        the bytes themselves
    refs         name, UTF-8, 1 to 500 bytes           checkpoint id: 8 bytes

The id of a checkpoint stands for its timestamp, so `versions` has the key (co-variable, timestamp).
JSON is UTF-8 without blanks. Lone surrogates, which Python code can hold, are encoded as they are.
Outputs stand apart from the record: they can be large, and reading the graph does not need them.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import xxhash

from kishu_kernel.errors import LoadError, StoreError, StoreFormatError
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Digest,
    Names,
    VariableInfo,
    Version,
    VersionRecord,
)
from kishu_kernel.store.base import Codec

FORMAT = 1
FORMAT_KEY = b"format"
TABLES = ("meta", "checkpoints", "outputs", "versions", "chunks", "refs")

DIGEST_SIZE = 16
ID_SIZE = 8
REF_SIZE = 500
"""LMDB's keys end at 511 bytes."""

_HEADER = struct.Struct("<I")
assert _HEADER.size == 4

_ID = re.compile(r"[0-9a-f]{16}")
_PREFIX = re.compile(r"[0-9a-f]{0,16}")

Outputs = tuple[Mapping[str, object], ...]


class Piece(NamedTuple):
    """A stream or a buffer, as a manifest names it."""

    nbytes: int
    direct: bool
    digests: tuple[Digest, ...]


class Manifest(NamedTuple):
    """What stands under a version: where the bytes of its payload are."""

    names: Names
    codec: Codec
    stream: Piece
    buffers: tuple[Piece, ...]


def check_format(value: bytes) -> None:
    """Refuse what a newer kishu-kernel wrote.

    Raises:
        StoreFormatError: the format is not ours.
    """
    if value != b"%d" % FORMAT:
        raise StoreFormatError(
            f"this store has format {value.decode('ascii', 'replace')} and this kishu-kernel knows "
            f"format {FORMAT}: install a newer kishu-kernel, or name another store directory"
        )


# --- keys


def checkpoint_key(id: CheckpointId) -> bytes:
    """Key of a checkpoint. KeyError where the id is not one, so that none can be found."""
    if not _ID.fullmatch(id):
        raise KeyError(id)
    return bytes.fromhex(id)


def checkpoint_id(key: bytes | memoryview) -> CheckpointId:
    """The id that stands in a key, or in the value of a ref."""
    return CheckpointId(bytes(key).hex())


def first_key(prefix: str) -> bytes | None:
    """The lowest key whose id can begin with `prefix`; None where no id can."""
    return bytes.fromhex(prefix.ljust(2 * ID_SIZE, "0")) if _PREFIX.fullmatch(prefix) else None


def version_key(version: Version) -> bytes:
    """Key of a version. JSON joins the names unambiguously, whatever characters they have."""
    names = xxhash.xxh3_128_digest(_dump(version.names))
    key = names + checkpoint_key(version.checkpoint)
    assert len(key) == DIGEST_SIZE + ID_SIZE
    return key


def ref_key(name: str) -> bytes:
    """Key of a ref. StoreError where the name is empty or too long."""
    key = name.encode("utf-8", "surrogatepass")
    if not 0 < len(key) <= REF_SIZE:
        raise StoreError(f"a name must have 1 to {REF_SIZE} bytes, this one has {len(key)}")
    return key


def ref_name(key: bytes | memoryview) -> str:
    """The name that stands in a key."""
    return bytes(key).decode("utf-8", "surrogatepass")


# --- checkpoints: JSON objects, less the id, which is the key, the outputs, and every default

_RECORD_DEFAULTS: dict[str, object] = {
    "parent": None,
    "execution_count": None,
    "status": "ok",
    "error": None,
    "created": (),
    "modified": (),
    "deleted": (),
    "accessed": (),
    "inputs": (),
    "versions": [],
    "dropped": (),
    "aliases": {},
    "payload_bytes": 0,
    "written_bytes": 0,
    "message": None,
    "incomplete": None,
}
_VERSION_DEFAULTS: dict[str, object] = {
    "size": 0,
    "stored": True,
    "reason": None,
    "replayable": True,
    "variables": [],
    "calls": False,
}


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The record: the fields of `model.Checkpoint` under their own names, digests in hex.

    `versions` is an array of such objects, each with `variables`: arrays [name, type, summary] and,
    where the variable has a digest of its own, that.
    """
    record = {
        "session": checkpoint.session,
        "timestamp": checkpoint.timestamp,
        "duration": checkpoint.duration,
        "code": checkpoint.code,
        "parent": checkpoint.parent,
        "execution_count": checkpoint.execution_count,
        "status": checkpoint.status,
        "error": checkpoint.error,
        "created": checkpoint.created,
        "modified": checkpoint.modified,
        "deleted": checkpoint.deleted,
        "accessed": checkpoint.accessed,
        "inputs": checkpoint.inputs,
        "versions": [_version_object(version) for version in checkpoint.versions],
        "dropped": checkpoint.dropped,
        "aliases": dict(checkpoint.aliases),
        "payload_bytes": checkpoint.payload_bytes,
        "written_bytes": checkpoint.written_bytes,
        "message": checkpoint.message,
        "incomplete": checkpoint.incomplete,
    }
    return _dump(_without(record, _RECORD_DEFAULTS))


def decode_checkpoint(id: CheckpointId, record: bytes, outputs: bytes) -> Checkpoint:
    """The checkpoint of this id.

    Raises:
        StoreError: the record is damaged.
    """
    try:
        return _checkpoint(id, _load(record), _load(outputs) if outputs else [])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the record of checkpoint {id} is damaged ({error!r})") from error


def encode_outputs(outputs: Outputs) -> bytes:
    """The value in `outputs`; empty where there are none and none is stored."""
    return _dump(outputs) if outputs else b""


def record_size(checkpoint: Checkpoint) -> int:
    """Bytes of record and outputs, before `written_bytes`, which counts them, is known."""
    bare = encode_checkpoint(replace(checkpoint, written_bytes=0))
    return len(bare) + len(encode_outputs(checkpoint.outputs))


def _checkpoint(id: CheckpointId, stored: dict[str, Any], outputs: list[Any]) -> Checkpoint:
    record: dict[str, Any] = {**_RECORD_DEFAULTS, **stored}
    return Checkpoint(
        id=id,
        parent=record["parent"],
        session=record["session"],
        timestamp=record["timestamp"],
        execution_count=record["execution_count"],
        code=record["code"],
        status=record["status"],
        error=record["error"],
        duration=record["duration"],
        created=tuple(record["created"]),
        modified=tuple(record["modified"]),
        deleted=tuple(record["deleted"]),
        accessed=tuple(record["accessed"]),
        inputs=tuple(record["inputs"]),
        versions=tuple(_version_record(version) for version in record["versions"]),
        dropped=tuple(tuple(names) for names in record["dropped"]),
        aliases=dict(record["aliases"]),
        payload_bytes=record["payload_bytes"],
        written_bytes=record["written_bytes"],
        message=record["message"],
        incomplete=record["incomplete"],
        outputs=tuple(outputs),
    )


def _version_object(version: VersionRecord) -> dict[str, object]:
    record = {
        "names": version.names,
        "digest": version.digest.hex(),
        "size": version.size,
        "stored": version.stored,
        "reason": version.reason,
        "replayable": version.replayable,
        "variables": [_info_array(info) for info in version.variables],
        "calls": version.calls,
    }
    return _without(record, _VERSION_DEFAULTS)


def _version_record(stored: dict[str, Any]) -> VersionRecord:
    record: dict[str, Any] = {**_VERSION_DEFAULTS, **stored}
    return VersionRecord(
        names=tuple(record["names"]),
        digest=Digest(bytes.fromhex(record["digest"])),
        size=record["size"],
        stored=record["stored"],
        reason=record["reason"],
        replayable=record["replayable"],
        variables=tuple(_variable_info(*info[:4]) for info in record["variables"]),
        calls=record["calls"],
    )


def _info_array(info: VariableInfo) -> list[str]:
    described = [info.name, info.type, info.summary]
    return [*described, info.digest.hex()] if info.digest else described


def _variable_info(name: str, kind: str, summary: str, digest: str = "") -> VariableInfo:
    return VariableInfo(name, kind, summary, Digest(bytes.fromhex(digest)))


def _without(record: dict[str, object], defaults: dict[str, object]) -> dict[str, object]:
    """The record less its defaults: an entry that says nothing costs nothing."""
    return {key: value for key, value in record.items() if key not in defaults or value != defaults[key]}


# --- manifests


def encode_manifest(manifest: Manifest) -> bytes:
    """Lengths in a header, then all digests.

    Byte by byte::

        0       4 bytes  n, little-endian
        4       n bytes  JSON object {"names", "stream": PIECE, "codec", "buffers": [PIECE]}
                         PIECE is [bytes, number of chunks, 1 if direct else 0]
                         no "codec" is "cloudpickle", no "buffers" is none
        4 + n   16 bytes per chunk: the stream's, then the buffers', in order
    """
    header: dict[str, object] = {"names": manifest.names, "stream": _shape(manifest.stream)}
    if manifest.codec != "cloudpickle":
        header["codec"] = manifest.codec
    if manifest.buffers:
        header["buffers"] = [_shape(piece) for piece in manifest.buffers]
    text = _dump(header)
    pieces = (manifest.stream, *manifest.buffers)
    digests = b"".join(digest for piece in pieces for digest in piece.digests)
    assert len(digests) == DIGEST_SIZE * sum(len(piece.digests) for piece in pieces)
    return _HEADER.pack(len(text)) + text + digests


def decode_manifest(data: bytes) -> Manifest:
    """The manifest that `encode_manifest` encoded.

    Raises:
        LoadError: it is damaged.
    """
    try:
        (size,) = _HEADER.unpack_from(data)
        place = _HEADER.size + size
        header = _load(data[_HEADER.size : place])
        pieces = []
        for nbytes, count, direct in (header["stream"], *header.get("buffers", ())):
            stop = place + count * DIGEST_SIZE
            digests = (data[at : at + DIGEST_SIZE] for at in range(place, stop, DIGEST_SIZE))
            pieces.append(Piece(nbytes, bool(direct), tuple(map(Digest, digests))))
            place = stop
        if place != len(data):
            raise ValueError(f"{len(data)} bytes where {place} are announced")
        codec = header.get("codec", "cloudpickle")
        return Manifest(tuple(header["names"]), codec, pieces[0], tuple(pieces[1:]))
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise LoadError(f"a manifest in the store is damaged ({error!r})") from error


def _shape(piece: Piece) -> tuple[int, int, int]:
    return piece.nbytes, len(piece.digests), int(piece.direct)


# --- JSON


def _dump(value: object) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"a checkpoint cannot be written as JSON ({error})") from error
    return text.encode("utf-8", "surrogatepass")


def _plain(value: object) -> str:
    """Outputs may hold bytes, which Jupyter's own messages carry as base64, and other objects."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _load(data: bytes) -> Any:
    return json.loads(data.decode("utf-8", "surrogatepass"))
