"""The stored format, version 4: what stands under which key, byte by byte.

Law: whatever is stored is encoded and decoded here, in `checkpoints` and in `compression`, and nowhere else. Reading
ignores keys that it does not know; what an older reader would misread gets a new FORMAT and a fixture in `tests/data`.

A store is seven tables and a meta table (named sub-databases of one LMDB environment)::

    table        key                                   value
    meta         "format"                              FORMAT in ASCII digits
                 "made/" and 8 hex digits              JSON object: the versions of Python and of libraries that
                 (xxh3-64 of the value, cut)           payloads were made with; manifests name it by the digits
                 "removals"                            ASCII digits: how often chunks were removed
                 "identity/" and 32 hex digits         16 random bytes, 16 bytes signature: this store, to the user
                 (of a user: see `signatures`)         whose key makes the digits
                 "history"                             16 bytes: which history this is, to seals
                 "remote"                              JSON object: where this store is pushed to, see `remote.link`
    checkpoints  checkpoint id: 8 bytes                JSON object, see `checkpoints`; then 16 bytes signature
    outputs      checkpoint id: 8 bytes                JSON array of nbformat v4 outputs, if any; its signature
    versions     16 bytes xxh3-128 of the JSON array   manifest, see `encode_manifest`; then 16 bytes signature
                 of the names, 8 bytes checkpoint id
    chunks       16 bytes xxh3-128 of the value        the bytes of a chunk
    packed       16 bytes xxh3-128 of the bytes        the bytes of a chunk, compressed: see `compression`. No chunk
                                                       needs to be in both
    refs         name, UTF-8, 1 to 500 bytes           checkpoint id: 8 bytes
    seals        see `seals`: who wrote a row, as all can check who trust his key. Only where somebody has such a key

The id of a checkpoint stands for its timestamp, so `versions` has the key (co-variable, timestamp).
JSON is UTF-8 without blanks. Lone surrogates, which Python code can hold, are encoded as they are.
Outputs stand apart from the record: they can be large, and reading the graph does not need them.

A signature (see `signing`, `signatures`) shows that this user wrote the value, for this store: HMAC-SHA256 under the
user's key, cut to 16 bytes, over the identity of the store, the name of the table, the key, and the value before the
signature. 16 zero bytes stand for "not signed". xxh3 is no cryptographic digest; so the manifest holds a second digest
(SHA-256, cut to 16 bytes) of what must not be exchanged: of the pickle stream, since it runs code, and of small
buffers.

Versions before 0.1.0 had no `seals`, in format 4, too: they leave them as they are.
Format 3 had no `taken` in records, which an older reader would leave out of the states that have it.
Format 3 had no chunks packed with codec 3, which `fsck` of its versions would remove as damaged: what it has is read as
it is.
Format 2 had no identities, no SHA-256 digests, and no signatures of outputs; the signature of a manifest was also over
the bytes of the stream. `migrate` appends zero signatures to outputs; the other signatures are made anew by the first
write of their user.
Format 1 had no signatures, no `packed`, no "made/", and streams that were not taken apart (see `chunking`): its pieces
read as those of format 2. `migrate` appends zero signatures.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from kishu_kernel.errors import LoadError, StoreError, StoreFormatError
from kishu_kernel.model import CheckpointId, CodecName, Digest, Names, Version
from kishu_kernel.store.format.signing import SIGNATURE_SIZE

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

FORMAT = 4
OLDEST_READ_AS_IS = 3
"""Stores of this format and newer ones need no migration to be read."""
FORMAT_KEY = b"format"
TABLES = ("meta", "checkpoints", "outputs", "versions", "chunks", "packed", "refs", "seals")
SIGNED_TABLES = {"checkpoints": 2, "versions": 2, "outputs": 3}
"""The tables whose values end with a signature, and since which format."""
CHUNK_TABLES = ("chunks", "packed")
REMOVALS_KEY = b"removals"
REMOTE_KEY = b"remote"

DIGEST_SIZE = 16
ID_SIZE = 8
REF_SIZE = 500
"""LMDB's keys end at 511 bytes."""

NO_SIGNATURE = bytes(SIGNATURE_SIZE)
assert SIGNATURE_SIZE == 16

_HEADER = struct.Struct("<I")
assert _HEADER.size == 4

_HEXADECIMAL = "0123456789abcdef"
_MADE = b"made/"


# --- the format


def check_format(value: bytes) -> int:
    """The format that a store has.

    Args:
        value: of FORMAT_KEY in `meta`.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote it.
    """
    if value.isdigit() and 1 <= int(value) <= FORMAT:
        return int(value)
    raise StoreFormatError(
        f"this store has format {value.decode('ascii', 'replace')} and this kishu-kernel knows "
        f"format {FORMAT}: install a newer kishu-kernel, or name another store directory"
    )


def migrate(txn: Transaction[bytes], tables: Mapping[str, _Database]) -> None:
    """Migrate a store of an older format to this one: O(records). Does nothing to a store of this format.

    Args:
        txn: a write transaction: the store is migrated with it, or not at all.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote it.
    """
    found = check_format(txn.get(FORMAT_KEY, b"", db=tables["meta"]))
    for table in (table for table, since in SIGNED_TABLES.items() if found < since):
        with txn.cursor(db=tables[table]) as cursor:
            rows = [(bytes(key), bytes(value)) for key, value in cursor]
        for key, value in rows:
            txn.put(key, value + NO_SIGNATURE, db=tables[table])
    if found < FORMAT:
        txn.put(FORMAT_KEY, b"%d" % FORMAT, db=tables["meta"])


def count_removal(txn: Transaction[bytes], tables: Mapping[str, _Database]) -> None:
    """Count a removal of chunks, in its transaction: commits that rely on chunks in the store look for them again."""
    before = txn.get(REMOVALS_KEY, b"", db=tables["meta"])
    txn.put(REMOVALS_KEY, b"%d" % (int(before) + 1 if before.isdigit() else 1), db=tables["meta"])


# --- signatures


def without_signature(value: bytes) -> bytes:
    """A value without the signature at its end."""
    return value[:-SIGNATURE_SIZE]


# --- keys


def checkpoint_key(id: CheckpointId) -> bytes:
    """Key of a checkpoint. KeyError where this cannot be an id."""
    if len(id) != 2 * ID_SIZE or id.strip(_HEXADECIMAL):
        raise KeyError(id)
    return bytes.fromhex(id)


def checkpoint_id(key: bytes | memoryview) -> CheckpointId:
    """The id that stands in a key, or in the value of a ref."""
    return CheckpointId(bytes(key).hex())


def first_key(prefix: str) -> bytes | None:
    """The lowest key whose id can begin with `prefix`; None where no id can."""
    if len(prefix) > 2 * ID_SIZE or prefix.strip(_HEXADECIMAL):
        return None
    return bytes.fromhex(prefix.ljust(2 * ID_SIZE, "0"))


def version_key(version: Version) -> bytes:
    """Key of a version. The names are joined as JSON, which is unambiguous for all characters."""
    return key_in_checkpoint(version.names, checkpoint_key(version.checkpoint))


def key_in_checkpoint(names: Names, checkpoint: bytes) -> bytes:
    """The same, where the key of the checkpoint is at hand."""
    key = xxhash.xxh3_128_digest(_names_text(names)) + checkpoint
    assert len(key) == DIGEST_SIZE + ID_SIZE
    return key


def version_checkpoint(key: bytes) -> CheckpointId:
    """The checkpoint that stands in the key of a version."""
    return checkpoint_id(key[DIGEST_SIZE:])


def ref_key(name: str) -> bytes:
    """Key of a ref. StoreError where the name is empty or too long."""
    key = name.encode("utf-8", "surrogatepass")
    if not 0 < len(key) <= REF_SIZE:
        raise StoreError(f"a name must have 1 to {REF_SIZE} bytes, this one has {len(key)}")
    return key


def ref_name(key: bytes | memoryview) -> str:
    """The name that stands in a key."""
    return bytes(key).decode("utf-8", "surrogatepass")


# --- what made the payloads


class Made(NamedTuple):
    """The row of `meta` for a distinct `Payload.made_by`.

    Attributes:
        short: the name of the row in manifests; empty where nothing is known.
    """

    short: str
    key: bytes
    value: bytes


def encode_made(made_by: Mapping[str, str]) -> Made:
    """The row of `meta` that says what made a payload.

    Args:
        made_by: as of `Payload`, which nobody changes: most payloads of a session have the same one.
    """
    global _last_made
    last = _last_made
    if last is None or last[0] is not made_by:
        _last_made = last = made_by, _encoded_made(made_by)
    return last[1]


def _encoded_made(made_by: Mapping[str, str]) -> Made:
    value = dump_json(dict(sorted(made_by.items())))
    short = xxhash.xxh3_64_hexdigest(value)[:8] if made_by else ""
    return Made(short, made_key(short), value)


_last_made: tuple[Mapping[str, str], Made] | None = None


def made_key(short: str) -> bytes:
    """Key of such a row in `meta`."""
    return _MADE + short.encode()


def decode_made(value: bytes | None) -> dict[str, str]:
    """What made a payload; empty where that is not known or damaged. Nothing depends on it."""
    try:
        return {str(name): str(version) for name, version in load_json(value).items()} if value else {}
    except (ValueError, AttributeError):
        return {}


# --- manifests


class Piece(NamedTuple):
    """A stream or a buffer in a manifest.

    Attributes:
        direct: as in `model.Buffer`.
        digests: of its chunks, in order.
        sha256: of all its bytes (of a stream with its seams), cut to 16 bytes; empty where there is none.
    """

    nbytes: int
    direct: bool
    digests: tuple[Digest, ...]
    sha256: bytes = b""


NO_PIECE = Piece(0, False, ())


class Manifest(NamedTuple):
    """The value of a version: which chunks its payload consists of.

    Attributes:
        stream: the pickle stream without its seams.
        seams: what was taken out of the stream, and where (see `chunking`). Empty where nothing was.
        made: what made it: the name of a row of `meta`.
    """

    names: Names
    codec: CodecName
    stream: Piece
    buffers: tuple[Piece, ...]
    seams: Piece = NO_PIECE
    made: str = ""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces, in the order of their digests in the encoded manifest."""
        return (self.stream, *self.buffers, self.seams)

    @property
    def digests(self) -> set[Digest]:
        """The digests of all chunks that it names."""
        if not self.buffers and not self.seams.digests:  # as of nearly all
            return set(self.stream.digests)
        return {digest for piece in self.pieces for digest in piece.digests}


def encode_manifest(manifest: Manifest) -> bytes:
    """A manifest as it is stored, without its signature: lengths in a header, then all digests.

    Byte by byte::

        0       4 bytes  n, little-endian
        4       n bytes  JSON object {"names", "stream": PIECE, "codec", "buffers": [PIECE], "seams": PIECE, "made"}
                         PIECE is [bytes, number of chunks, 1 if direct else 0], and its sha256 in hex where it has one
                         no "codec" is "cloudpickle", no "buffers" is none, no "seams" is none
        4 + n   16 bytes per chunk: the stream's, then the buffers', in order, then the seams'
    """
    text = [b'{"names":', _names_text(manifest.names), b',"stream":', _shape(manifest.stream)]
    if manifest.codec != "cloudpickle":
        text += b',"codec":', dump_json(manifest.codec)
    if manifest.buffers:
        text.append(b',"buffers":[%b]' % b",".join(map(_shape, manifest.buffers)))
    if manifest.seams.nbytes:
        text += b',"seams":', _shape(manifest.seams)
    if manifest.made:
        text += b',"made":', dump_json(manifest.made)
    text.append(b"}")
    header = b"".join(text)
    digests = b"".join([digest for piece in manifest.pieces for digest in piece.digests])
    assert len(digests) == DIGEST_SIZE * sum([len(piece.digests) for piece in manifest.pieces])
    return _HEADER.pack(len(header)) + header + digests


def decode_manifest(data: bytes) -> Manifest:
    """The manifest that `encode_manifest` encoded.

    Args:
        data: without the signature.

    Raises:
        LoadError: it is damaged.
    """
    try:
        (size,) = _HEADER.unpack_from(data)
        place = _HEADER.size + size
        header = load_json(data[_HEADER.size : place])
        pieces = []
        shapes = (header["stream"], *header.get("buffers", ()), header.get("seams", (0, 0, 0)))
        for nbytes, count, direct, *sha256 in shapes:
            stop = place + count * DIGEST_SIZE
            digests = (data[at : at + DIGEST_SIZE] for at in range(place, stop, DIGEST_SIZE))
            pieces.append(Piece(nbytes, bool(direct), tuple(map(Digest, digests)), bytes.fromhex("".join(sha256))))
            place = stop
        if place != len(data):
            raise ValueError(f"{len(data)} bytes where {place} are announced")
        stream, *buffers, seams = pieces
        codec = header.get("codec", "cloudpickle")
        return Manifest(tuple(header["names"]), codec, stream, tuple(buffers), seams, header.get("made", ""))
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise LoadError(f"a manifest in the store is damaged ({error!r})") from error


def _shape(piece: Piece) -> bytes:
    sha256 = b',"%b"' % piece.sha256.hex().encode() if piece.sha256 else b""
    return b"[%d,%d,%d%b]" % (piece.nbytes, len(piece.digests), piece.direct, sha256)


@lru_cache(maxsize=4096)
def _names_text(names: Names) -> bytes:
    """As JSON. They stand in the key and in the manifest of each version that they have."""
    return dump_json(names)


# --- JSON


def dump_json(value: object) -> bytes:
    """A value as JSON, as it is stored. StoreError where it cannot be encoded."""
    try:
        text = _encoded(value)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"the record of a state cannot be written as JSON ({error})") from error
    return text.encode("utf-8", "surrogatepass")


def _plain(value: object) -> str:
    """A text for an object that JSON does not know. Outputs may hold bytes, which are base64 in Jupyter's messages."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _encoder() -> Callable[[object], str]:
    """One encoder for all values: `JSONEncoder` makes one for each, which takes longer than to encode a small one."""
    usual = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return usual.encode
    # What holds itself is too deep.
    encode = make(None, _plain, json.encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(encode(value, 0))


_encoded = _encoder()


def load_json(data: bytes) -> Any:
    """The value of stored JSON. ValueError where it is damaged."""
    return json.loads(data.decode("utf-8", "surrogatepass"))
