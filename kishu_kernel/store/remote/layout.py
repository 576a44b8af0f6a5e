"""What stands in a remote, version 1, byte by byte.

Law: every object but a head has a digest of its bytes in its name, and is written once: SHA-256, so that who vouches
for a head vouches for all that it names. Of a pack it is that of its xxh3-128 digest: its chunks are verified each by
its own, and what must not be exchanged has a SHA-256 digest in the rows. A head is created, never replaced; the newest
is the one with the highest number, and there is none missing below it::

    heads/NUMBER            JSON {"kishu-kernel remote": 1, "history": 32 hex digits, "write": 32 hex digits,
    (10 digits, from 1)     "manifest": name}. The write id tells whose head it is: who created it may never have heard
                            that it did. Also, of who made it, as far as he has it: "at": seconds since the epoch,
                            "signer": a public key, "signature": by it, "mac": HMAC; in hex (`head_seals` says of what)
    writes/WRITE/DIGEST     All other objects, by the push that wrote them (32 hex digits):

    a manifest              JSON {"segments": [name], "replicas": {ID: {"label": text, "pushed": WRITE, "refs": {name:
                            checkpoint id}}}}. A replica is one copy of the store; only it changes what stands there.
                            "sweeps": how often objects were removed until then; it may be missing, for 0
    a segment               JSON {"store": format, "rows": name, "keys": [[table, key, digest of the body, hex]],
                            "packs": [[name, [[table, digest, place, length]]]]}: what one push added. What a later
                            segment says of a row replaces what an earlier one does. One that stands for several has
                            "merged": [[name, keys]], too; one from which rows were removed to save space, and which
                            stands for what it was before, also "dropped": [[table, key]]
    rows                    the rows of a segment, in the order of its keys: 4 bytes length, little-endian, the value
    a pack                  values of `chunks` and `packed`, one behind the other; not compressed again. In early ones'
                            names is SHA-256 of the bytes

Manifests, segments and rows are compressed with zstd. Rows are as `format.schema` describes them, signatures included;
those of `meta` are identities, `made/` and the history.
Neighbours: `holdings` reads, `push` writes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import xxhash

from kishu_kernel.errors import RemoteError, StoreError, StoreFormatError
from kishu_kernel.model import CheckpointId
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.store.format import schema, zstd
from kishu_kernel.store.format.validation import MAX_CHUNK_SIZE, validated_ref

REMOTE = 1
"""The version of the format."""
FORMAT_KEY = "kishu-kernel remote"
TABLES = ("checkpoints", "outputs", "versions", "seals", "meta")
"""Of the rows in segments, in the order in which they are put."""
PACK_BYTES = 16 << 20
"""About so large is a pack, and the rows of a segment."""
MAX_BYTES = 1 << 30
"""Of an object that is read whole. A frame of some bytes can claim to hold gigabytes."""

MOST_ROWS = 100_000
"""Rows of a merged segment, at most."""

RowKey = tuple[str, bytes]
"""A table, and a key in it."""
Packed = tuple[tuple[str, bytes, int, int], ...]
"""What is in a pack: of each chunk the table, the digest, place and length."""
Result = TypeVar("Result")

_LATEST = 1 << 36
_SIGNED = ("signer", "signature", "mac")
_HEX = re.compile(r"[0-9a-f]{32}")
_HEAD = re.compile(r"heads/([0-9]{10})")
_NAME = re.compile(r"writes/[0-9a-f]{32}/[0-9a-f]{64}")
_LENGTH = struct.Struct("<I")
_BODY_DIGEST = 16
_MOST = 2 * MAX_CHUNK_SIZE
_FAR = 1 << 62
_ONE_TABLE = {table: table for table in TABLES}
_ONE_CHUNK_TABLE = {table: table for table in schema.CHUNK_TABLES}
"""One string of each name, however often it is read; there are as many rows as values."""


def batches(items: Iterable[tuple[Result, int]]) -> Iterator[list[Result]]:
    """Groups of about PACK_BYTES, in their order.

    Args:
        items: what is to be sent or read, and the bytes of each.
    """
    batch: list[Result] = []
    size = 0
    for item, length in items:
        if batch and size + length > PACK_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


class DamagedError(RemoteError):
    """What is there cannot be read."""


class Place(NamedTuple):
    """Where a chunk is: the pack, the table that it belongs to, place and length."""

    pack: str
    table: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Head:
    """A head.

    Attributes:
        history: drawn by the first push; tells one history from another.
        write: the id of the push.
        manifest: its name.
        at: when it was made, in seconds since the epoch, as he says who made it; 0 where he does not.
        signer: his public key, in hex; empty where he has none.
        signature: made by that, and
        mac: HMAC under his own key, in hex.
    """

    history: str
    write: str
    manifest: str
    at: int = 0
    signer: str = ""
    signature: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Replica:
    """What one copy of the store has named.

    Attributes:
        label: of the machine, for people.
        pushed: the id of its last push.
    """

    label: str
    pushed: str
    refs: Mapping[str, CheckpointId]


@dataclass(frozen=True, slots=True)
class RemoteManifest:
    """All that a remote holds, by its names.

    Attributes:
        sweeps: how often objects that nothing named were removed.
    """

    segments: tuple[str, ...] = ()
    replicas: Mapping[str, Replica] = field(default_factory=dict)
    sweeps: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """What one push added, or several.

    Attributes:
        rows: the name of the object with the values of the rows.
        keys: of each row the digest of its body.
        packs: name -> chunks, in order.
        merged: the segments that it stands for, by name: what each said of its rows.
        dropped: the rows that were removed from them to save space.
    """

    rows: str
    keys: Mapping[RowKey, bytes]
    packs: Mapping[str, Packed]
    merged: Mapping[str, Mapping[RowKey, bytes]] = field(default_factory=dict)
    dropped: frozenset[RowKey] = frozenset()


# --- names


def head_name(number: int) -> str:
    """The name of a head."""
    return f"heads/{number:010d}"


def head_number(name: str) -> int:
    """The number of a head; 0 of what is none."""
    found = _HEAD.fullmatch(name)
    return int(found[1]) if found else 0


def named(write: str, data: bytes) -> tuple[str, bytes]:
    """Any other object but a pack, with its name."""
    return f"writes/{write}/{hashlib.sha256(data).hexdigest()}", data


def named_pack(write: str, data: bytes) -> tuple[str, bytes]:
    """A pack, with its name."""
    return f"writes/{write}/{_pack_digest(data)}", data


def verified(name: str, data: bytes) -> bytes:
    """What was read under a name. RemoteError where it has not the digest."""
    if hashlib.sha256(data).hexdigest() != name.rpartition("/")[2]:
        raise RemoteError(f"the object {name} of the remote is damaged, or was exchanged: nothing of it is used")
    return data


def verified_pack(name: str, data: bytes) -> bytes:
    """A pack that was read whole. RemoteError where it has not the digest."""
    return data if name.rpartition("/")[2] == _pack_digest(data) else verified(name, data)


def _pack_digest(data: bytes) -> str:
    return hashlib.sha256(xxhash.xxh3_128_digest(data)).hexdigest()


def body_digest(table: str, value: bytes) -> bytes:
    """The digest of a row without its signature: two users sign one record differently."""
    body = schema.without_signature(value) if table in schema.SIGNED_TABLES else value
    return hashlib.sha256(body).digest()[:_BODY_DIGEST]


# --- heads


def encode_head(head: Head) -> bytes:
    """A head as it is stored."""
    said = {name: getattr(head, name) for name in ("at", *_SIGNED) if getattr(head, name)}
    return schema.dump_json(
        {FORMAT_KEY: REMOTE, "history": head.history, "write": head.write, "manifest": head.manifest, **said}
    )


def decode_head(data: bytes) -> Head:
    """The head that was encoded. StoreFormatError where it is a newer kishu-kernel's."""

    def read() -> Head:
        found = schema.load_json(data)
        version = found[FORMAT_KEY]
        if type(version) is not int:
            raise ValueError("no version")
        if version > REMOTE:
            raise StoreFormatError(
                f"the remote has format {version}, and this kishu-kernel knows {REMOTE}: install a newer kishu-kernel"
            )
        signed = {name: bytes.fromhex(found[name]).hex() for name in _SIGNED if name in found}
        at = _count(found.get("at", 0), _LATEST)
        return Head(_hex(found["history"]), _hex(found["write"]), _object(found["manifest"]), at, **signed)

    return _decoded("a head", read)


# --- manifests


def encode_manifest(manifest: RemoteManifest) -> bytes:
    """A manifest as it is stored."""
    replicas = {
        id: {"label": each.label, "pushed": each.pushed, "refs": dict(each.refs)}
        for id, each in manifest.replicas.items()
    }
    said: dict[str, Any] = {"segments": manifest.segments, "replicas": replicas}
    return _packed(schema.dump_json(said | ({"sweeps": manifest.sweeps} if manifest.sweeps else {})))


def decode_manifest(data: bytes) -> RemoteManifest:
    """The manifest that was encoded."""

    def read() -> RemoteManifest:
        found = schema.load_json(_unpacked(data))
        replicas = {
            _hex(id): Replica(str(each["label"])[:100], _hex(each["pushed"]), _refs(each["refs"]))
            for id, each in found["replicas"].items()
        }
        return RemoteManifest(tuple(map(_object, found["segments"])), replicas, _count(found.get("sweeps", 0)))

    return _decoded("a manifest", read)


# --- segments


def encode_segment(segment: Segment) -> bytes:
    """A segment as it is stored."""

    def listed(keys: Mapping[RowKey, bytes]) -> list[list[str]]:
        return [[table, key.hex(), digest.hex()] for (table, key), digest in keys.items()]

    packs = [
        [name, [[table, digest.hex(), start, length] for table, digest, start, length in chunks]]
        for name, chunks in segment.packs.items()
    ]
    said: dict[str, Any] = {"store": schema.FORMAT, "rows": segment.rows, "keys": listed(segment.keys), "packs": packs}
    if segment.merged:
        said["merged"] = [[name, listed(keys)] for name, keys in segment.merged.items()]
    if segment.dropped:
        said["dropped"] = sorted([table, key.hex()] for table, key in segment.dropped)
    return _packed(schema.dump_json(said))


def decode_segment(data: bytes) -> Segment:
    """The segment that was encoded. StoreFormatError where a newer kishu-kernel wrote what is in it."""

    def read() -> Segment:
        found = schema.load_json(_unpacked(data))
        if found["store"] > schema.FORMAT:
            raise StoreFormatError(
                f"the remote holds a history of format {found['store']}, and this kishu-kernel knows {schema.FORMAT}: "
                "install a newer kishu-kernel"
            )
        merged = {_object(name): _keys(keys) for name, keys in found.get("merged", ())}
        packs = {_object(name): _chunks(chunks) for name, chunks in found["packs"]}
        dropped = frozenset((_ONE_TABLE[table], bytes.fromhex(key)) for table, key in found.get("dropped", ()))
        return Segment(_object(found["rows"]), _keys(found["keys"]), packs, merged, dropped)

    return _decoded("a segment", read)


def encode_rows(values: Iterable[bytes]) -> bytes:
    """The values of the rows of a segment, as they are stored."""
    return _packed(b"".join(_LENGTH.pack(len(value)) + value for value in values))


def decode_rows(data: bytes, count: int) -> list[bytes]:
    """The values that were encoded."""

    def read() -> list[bytes]:
        raw, place, values = _unpacked(data), 0, []
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(raw, place)
            place += _LENGTH.size
            values.append(raw[place : place + length])
            place += length
        if place != len(raw):
            raise ValueError("it has another length than it says")
        return values

    return _decoded("the rows of a segment", read)


# --- pieces


def _packed(data: bytes) -> bytes:
    return zstd.compress(data, level=3)


def _unpacked(data: bytes) -> bytes:
    return zstd.decompress(data, MAX_BYTES)


def _decoded(what: str, read: Callable[[], Result]) -> Result:
    try:
        return read()
    except (StoreFormatError, RemoteError):
        raise
    except (
        StoreError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        raise DamagedError(f"{what} of the remote is damaged, or is none of kishu-kernel's ({error!r})") from error


def _keys(found: Any) -> dict[RowKey, bytes]:
    return {(_ONE_TABLE[table], bytes.fromhex(key)): bytes.fromhex(body) for table, key, body in found}


def _chunks(found: Any) -> Packed:
    chunks = []
    for table, digest, start, length in found:
        if type(start) is not int or type(length) is not int or not (0 <= start <= _FAR and 0 <= length <= _MOST):
            raise ValueError(f"{start!r} to {length!r} is no place")
        chunks.append((_ONE_CHUNK_TABLE[table], bytes.fromhex(digest), start, length))
    return tuple(chunks)


def _hex(value: Any) -> str:
    if not _HEX.fullmatch(value):
        raise ValueError(f"{value!r} is no id")
    return str(value)


def _object(value: Any) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name of an object")
    return str(value)


def _count(value: Any, most: int = _FAR) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r} is no number of bytes")
    return value


def _refs(found: Any) -> dict[str, CheckpointId]:
    refs = {}
    for name, id in found.items():
        known, target = validated_ref(schema.ref_key(name), schema.checkpoint_key(id))
        refs[known] = target
    return refs
