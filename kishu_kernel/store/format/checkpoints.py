"""Records of checkpoints as they are stored: JSON objects without the id (it is the key), the outputs and all defaults.

Law: as in `schema`, of which this is a part: what an older reader would misread gets a new format.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, VariableInfo, Version, VersionRecord
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.format.schema import dump_json, load_json
from kishu_kernel.store.format.signing import SIGNATURE_SIZE

Outputs = tuple[Mapping[str, object], ...]
_UNREADABLE: Outputs = (
    {"output_type": "stream", "name": "stderr", "text": "(what this cell showed is damaged in the store)\n"},
)

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
    "ambient": {},
    "ambient_before": {},
    "imported": False,
    "effects": None,
    "audited": False,
    "payload_bytes": 0,
    "written_bytes": 0,
    "message": None,
    "incomplete": None,
    "severed": None,
    "population": None,
    "taken": [],
}
_LOST_SESSION = "lost"
"""The session of records that repairs up to 0.4 wrote in place of lost ones. They have no `severed`."""
_VERSION_DEFAULTS: dict[str, object] = {
    "size": 0,
    "stored": True,
    "reason": None,
    "replayable": True,
    "variables": [],
    "calls": False,
    "requires": (),
    "provides": {},
    "left_out": (),
    "unnamed": "",
}


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The record of a checkpoint, without its signature. StoreError where it cannot be JSON.

    The fields of `model.Checkpoint` have their own names, digests are in hex, ambient state is in base64. `versions` is
    an array of objects like that, each with `variables`: arrays [name, type, summary] or [name, type, summary, digest].
    `taken` is an array of arrays [names, id of the checkpoint].
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
        "ambient": _texts(checkpoint.ambient),
        "ambient_before": _texts(checkpoint.ambient_before),
        "imported": checkpoint.imported,
        "effects": checkpoint.effects,
        "audited": checkpoint.audited,
        "payload_bytes": checkpoint.payload_bytes,
        "written_bytes": checkpoint.written_bytes,
        "message": checkpoint.message,
        "incomplete": checkpoint.incomplete,
        "severed": checkpoint.severed,
        "population": checkpoint.population,
        "taken": [[version.names, version.checkpoint] for version in checkpoint.taken],
    }
    return dump_json(_without(record, _RECORD_DEFAULTS))


def decode_checkpoint(
    id: CheckpointId,
    record: bytes,
    outputs: bytes,
    trusted: bool = True,
    outputs_trusted: bool = True,
    by: str = "",
) -> Checkpoint:
    """The checkpoint with this id.

    Args:
        record: without its signature.
        outputs: without their signature; empty where there are none.
        trusted: whether the record's signature is the user's.
        outputs_trusted: whether that of the outputs is.
        by: who wrote the record.

    Raises:
        StoreError: the record is damaged.
    """
    try:
        made = _checkpoint(id, load_json(record), trusted, by)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"the record of state {id} is damaged ({error!r})") from error
    return replace(made, outputs=_outputs(outputs), outputs_trusted=outputs_trusted) if outputs else made


def _outputs(outputs: bytes) -> Outputs:
    """The outputs of a cell. A text says so where they are damaged, since the rest of the checkpoint is usable."""
    try:
        found = load_json(outputs)
    except (ValueError, RecursionError):
        found = None
    return tuple(found) if isinstance(found, list) and all(isinstance(each, dict) for each in found) else _UNREADABLE


def encode_outputs(outputs: Outputs) -> bytes:
    """The value for the table `outputs`, without its signature. Empty where there are no outputs and no row."""
    return dump_json(outputs) if outputs else b""


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A checkpoint's record and outputs, encoded but for `written_bytes`, whose value counts these bytes."""

    bare: bytes
    outputs: bytes

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> EncodedRecord:
        """StoreError where it cannot be JSON."""
        bare = encode_checkpoint(replace(checkpoint, written_bytes=0) if checkpoint.written_bytes else checkpoint)
        return cls(bare, encode_outputs(checkpoint.outputs))

    @property
    def size(self) -> int:
        """Bytes of record, outputs and signatures, with `written_bytes` as 0."""
        outputs = len(self.outputs) + SIGNATURE_SIZE if self.outputs else 0
        return len(self.bare) + SIGNATURE_SIZE + outputs

    def record(self, written_bytes: int) -> bytes:
        """What `encode_checkpoint` gives for the checkpoint with so many written bytes, in another order."""
        return self.bare[:-1] + b',"written_bytes":%d}' % written_bytes if written_bytes else self.bare


def record_size(checkpoint: Checkpoint) -> int:
    """As `EncodedRecord.size`."""
    return EncodedRecord.of(checkpoint).size


def _checkpoint(id: CheckpointId, stored: dict[str, Any], trusted: bool, by: str) -> Checkpoint:
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
        ambient=_blobs(record["ambient"]),
        ambient_before=_blobs(record["ambient_before"]),
        imported=record["imported"],
        effects=None if record["effects"] is None else tuple(record["effects"]),
        audited=record["audited"],
        payload_bytes=record["payload_bytes"],
        written_bytes=record["written_bytes"],
        message=record["message"],
        incomplete=record["incomplete"],
        severed=_severed(record),
        population=record["population"],
        taken=tuple(Version(tuple(names), id) for names, id in record["taken"]),
        trusted=trusted,
        by=by,
    )


def _severed(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    if record["severed"] is not None:
        return tuple(record["severed"])
    return () if record["session"] == _LOST_SESSION else None


def _texts(blobs: Mapping[str, bytes]) -> dict[str, str]:
    return {name: b64encode(blob).decode() for name, blob in blobs.items()}


def _blobs(texts: dict[str, str]) -> dict[str, bytes]:
    return {name: b64decode(text, validate=True) for name, text in texts.items()}


def _version_object(version: VersionRecord) -> dict[str, object]:
    """Without the fields that are as in `_VERSION_DEFAULTS`. Written out, since there may be thousands of versions."""
    record: dict[str, object] = {"names": version.names, "digest": version.digest.hex()}
    if version.size:
        record["size"] = version.size
    if not version.stored:
        record["stored"] = version.stored
    if version.reason is not None:
        record["reason"] = version.reason
    if not version.replayable:
        record["replayable"] = version.replayable
    if version.variables:
        record["variables"] = [_info_array(info) for info in version.variables]
    if version.calls:
        record["calls"] = version.calls
    if version.requires:
        record["requires"] = version.requires
    if version.provides:
        record["provides"] = dict(version.provides)
    if version.left_out:
        record["left_out"] = version.left_out
    if version.unnamed:
        record["unnamed"] = version.unnamed.hex()
    return record


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
        requires=tuple(record["requires"]),
        provides=dict(record["provides"]),
        left_out=tuple(record["left_out"]),
        unnamed=Digest(bytes.fromhex(record["unnamed"])),
    )


def _info_array(info: VariableInfo) -> list[str]:
    described = [info.name, info.type, info.summary]
    return [*described, info.digest.hex()] if info.digest else described


def _variable_info(name: str, kind: str, summary: str, digest: str = "") -> VariableInfo:
    return VariableInfo(name, kind, summary, Digest(bytes.fromhex(digest)))


def _without(record: dict[str, object], defaults: dict[str, object]) -> dict[str, object]:
    """The record without the fields that have their default."""
    return {key: value for key, value in record.items() if key not in defaults or value != defaults[key]}
