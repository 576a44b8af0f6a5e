"""Checks that decoded rows have the form that the rest of the package takes for granted.

Rows that this package wrote have it, as their signatures show. Rows from elsewhere, or damaged ones, can be JSON and
still hold a number for a name, or checkpoints that are their own ancestors.
Neighbours: `maintenance`, which reads such rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import get_args

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import CellStatus, Checkpoint, CheckpointId, CodecName, Digest, Version, VersionRecord
from kishu_kernel.model.pattern import pattern
from kishu_kernel.store.format import chunks, compression, schema
from kishu_kernel.store.format.checkpoints import decode_checkpoint
from kishu_kernel.store.format.schema import Manifest
from kishu_kernel.store.format.signatures import SHA256_SIZE

MAX_CHUNK_SIZE = 64 << 20
"""Raw bytes of a chunk. We write chunks of a MiB; but in 37 bytes a frame can claim to hold gigabytes of zeros."""

_ID = pattern(r"[0-9a-f]{16}")
_CONTROL = pattern(r"[\x00-\x1f\x7f-\x9f]")


def validated_checkpoint(key: bytes, body: bytes, outputs: bytes = b"", trusted: bool = False) -> Checkpoint:
    """The checkpoint of a row of the table `checkpoints`. StoreError where it is damaged.

    Args:
        body: the record without its signature.
        outputs: without their signature.
        trusted: whether the signature is the user's.
    """
    if len(key) != schema.ID_SIZE:
        raise StoreError(f"a record has a key of {len(key)} bytes")
    id = schema.checkpoint_id(key)
    try:
        checkpoint = decode_checkpoint(id, body, outputs, trusted)
    except RecursionError as error:
        raise StoreError(f"the record of state {id} is nested too deeply") from error
    for attribute, fits in _FIELDS.items():
        if not fits(getattr(checkpoint, attribute)):
            raise StoreError(f"the record of state {id} is damaged: its {attribute} cannot be so")
    return checkpoint


def check_outputs(value: bytes) -> None:
    """Check a value of the table `outputs`, without its signature. StoreError where it holds no outputs of a cell."""
    try:
        outputs = schema.load_json(value)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"the outputs of a cell are damaged ({error})") from error
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise StoreError("the outputs of a cell are damaged (they are no list of outputs)")


def validated_manifest(key: bytes, body: bytes) -> Manifest:
    """The manifest of a row of the table `versions`. LoadError where it is damaged.

    Args:
        body: the manifest without its signature.
    """
    try:
        manifest = schema.decode_manifest(body)
    except RecursionError as error:
        raise LoadError("a manifest in the store is nested too deeply") from error
    fits = (
        _texts(manifest.names)
        and len(key) == schema.DIGEST_SIZE + schema.ID_SIZE
        and key == schema.version_key(Version(manifest.names, schema.version_checkpoint(key)))
        and manifest.codec in get_args(CodecName)
        and isinstance(manifest.made, str)
        and all(_count(piece.nbytes) and bool(piece.nbytes) == bool(piece.digests) for piece in manifest.pieces)
        and all(len(digest) == schema.DIGEST_SIZE for digest in manifest.digests)
        and all(len(piece.sha256) in (0, SHA256_SIZE) for piece in manifest.pieces)
    )
    if not fits:
        raise LoadError("a manifest in the store is damaged: it is not the one of its key")
    return manifest


def validated_ref(key: bytes, value: bytes) -> tuple[str, CheckpointId]:
    """The name and the target of a row of the table `refs`. StoreError where it is damaged."""
    try:
        name = schema.ref_name(key)
    except UnicodeDecodeError as error:
        raise StoreError("a branch or a tag has a name that is no text") from error
    if not name or len(key) > schema.REF_SIZE or _CONTROL.search(name) or len(value) != schema.ID_SIZE:
        raise StoreError(f"the branch, tag or HEAD {name!r} is damaged")
    return name, schema.checkpoint_id(value)


def verified_chunk(table: str, digest: bytes, value: bytes | memoryview) -> memoryview:
    """The raw bytes of a chunk. LoadError where they do not have the digest. O(bytes).

    Args:
        table: the one that it stands in: `chunks` or `packed`.
    """
    raw = memoryview(value)
    if table == "packed":
        size = compression.raw_size(raw)
        if size > MAX_CHUNK_SIZE:  # a damaged length must not cost gigabytes
            raise chunks.damaged_chunk(Digest(digest))
        raw = memoryview(bytearray(size))
        compression.decompress(value, raw)
    if chunks.digest(raw) != digest:
        raise chunks.damaged_chunk(Digest(digest))
    return raw


def cycles(parents: Mapping[CheckpointId, CheckpointId | None]) -> list[CheckpointId]:
    """One checkpoint of each cycle: of checkpoints that are their own ancestors. O(checkpoints)."""
    found = []
    done: set[CheckpointId] = set()
    for start in parents:
        path: set[CheckpointId] = set()
        at: CheckpointId | None = start
        while at is not None and at not in done and at not in path:
            path.add(at)
            at = parents.get(at)
        if at is not None and at in path:
            found.append(at)
        done |= path
    return found


def check_graph(parents: Mapping[CheckpointId, CheckpointId | None]) -> None:
    """StoreError where a parent is missing, or a checkpoint is its own ancestor. O(checkpoints)."""
    for id, parent in parents.items():
        if parent is not None and parent not in parents:
            raise StoreError(f"state {id} has a parent that is not there")
    for id in cycles(parents):
        raise StoreError(f"state {id} is its own ancestor")


# --- what fits where


def _text(value: object) -> bool:
    return isinstance(value, str)


def _maybe_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _texts(value: Iterable[object]) -> bool:
    return all(map(_text, value))


def _id(value: object) -> bool:
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def _count(value: object) -> bool:
    return type(value) is int and value >= 0


def _moment(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _version(record: VersionRecord) -> bool:
    return (
        bool(record.names)
        and _texts(record.names)
        and _count(record.size)
        and all(type(flag) is bool for flag in (record.stored, record.replayable, record.calls))
        and _maybe_text(record.reason)
        and _texts(record.left_out)
        and all(_texts((info.name, info.type, info.summary)) for info in record.variables)
    )


_FIELDS: dict[str, Callable[..., bool]] = {
    "parent": lambda value: value is None or _id(value),
    "session": _text,
    "timestamp": _moment,
    "duration": _moment,
    "execution_count": lambda value: value is None or type(value) is int,
    "code": _text,
    "status": lambda value: value in get_args(CellStatus),
    "error": _maybe_text,
    "created": _texts,
    "modified": _texts,
    "deleted": _texts,
    "accessed": _texts,
    "inputs": _texts,
    "versions": lambda value: all(map(_version, value)),
    "dropped": lambda value: all(map(_texts, value)),
    "aliases": lambda value: _texts(value) and _texts(value.values()),
    "payload_bytes": _count,
    "written_bytes": _count,
    "message": _maybe_text,
    "incomplete": _maybe_text,
    "severed": lambda value: value is None or _texts(value),
    "population": lambda value: value is None or _count(value),
    "taken": lambda value: all(_texts(each.names) and _id(each.checkpoint) for each in value),
    "outputs": lambda value: all(isinstance(output, dict) for output in value),
}
