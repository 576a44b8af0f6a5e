"""Payloads in chunks, stored once under their digest: taking them apart and putting them together.

Law: live memory may change after it was hashed, so it is copied and hashed again before it is stored under its digest
(`unchanged_bytes`). On the way out bytes are copied into their final place only; no byte leaves that does not have the
digest it was stored under. Pure: where chunks live is the stores' affair.
Neighbours: `chunking` says where to cut, `compression` what to compress, `torn_reads` whether all chunks are of one
moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import xxhash

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Buffer, Digest, Payload
from kishu_kernel.process.memory import LARGE_BYTES, MAX_ZEROS, UntouchedPages, address_of, zeros
from kishu_kernel.store.base import ReadProgress, StoredPayload
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.chunking import (
    CHUNK_SIZE,
    ROW_SIZE,
    UNCUT_SIZE,
    buffer_spans,
    content_chunks,
    fixed_spans,
    join_seams,
    separate_seams,
)
from kishu_kernel.store.format.schema import NO_PIECE, Manifest, Piece
from kishu_kernel.store.format.signatures import sha256

__all__ = [
    "CHUNK_SIZE",
    "ROW_SIZE",
    "SHA256_LIMIT",
    "Chunk",
    "ChunkedBlob",
    "buffer_chunks",
    "damaged_chunk",
    "digest",
    "flat_bytes",
    "is_live",
    "missing_chunk",
    "split_payload",
    "stored_payload",
    "unchanged_bytes",
    "with_sha256",
    "zeros_digest",
]

SHA256_LIMIT = 16 << 10
"""Bytes of a buffer up to which it is covered as streams are: measured, a twentieth of its load. Of more, a cover would
cost more than the load (16 MiB: 1.9 ms to load, 9.3 to cover)."""

OnChunk = Callable[["Chunk"], None]
ChunksOf = Callable[[Piece], "Iterable[memoryview]"]
Fill = Callable[[Piece, memoryview, "ReadProgress | None"], None]


class Chunk(NamedTuple):
    """A piece of a payload, on its way into a store.

    Attributes:
        data: a view of the payload's memory.
        item_bytes: length of the items that the bytes are; 1 where that says nothing.
        live: somebody may be writing to it.
    """

    digest: Digest
    data: memoryview
    item_bytes: int = 1
    live: bool = False


def split_payload(payload: Payload, on_chunk: OnChunk) -> Manifest:
    """Take a payload apart. O(bytes): all is hashed, nothing copied.

    Args:
        on_chunk: is given the chunks one by one.
    """
    stream, seams = _split_stream(memoryview(payload.stream), on_chunk)
    buffers = []
    for buffer in payload.buffers:
        data = flat_bytes(buffer.data)
        piece = _piece(buffer_chunks(buffer, data), buffer.direct, on_chunk, buffer.item_bytes, is_live(buffer))
        # memory that changes between the two digests is not stored: see `torn_reads`
        buffers.append(piece._replace(sha256=sha256(data)) if 0 < data.nbytes <= SHA256_LIMIT else piece)
    made = schema.encode_made(payload.made_by).short
    return Manifest(
        payload.names, payload.codec, stream._replace(sha256=sha256(payload.stream)), tuple(buffers), seams, made
    )


def buffer_chunks(buffer: Buffer, data: memoryview) -> Iterator[memoryview]:
    """The chunks of a buffer. What was never touched is zeros: it stays untouched."""
    untouched_pages = (
        UntouchedPages(address_of(data), data.nbytes) if data.nbytes >= LARGE_BYTES and is_live(buffer) else None
    )
    for start, stop in buffer_spans(buffer):
        untouched = (
            untouched_pages is not None and stop - start <= MAX_ZEROS and untouched_pages.covers(start, stop - start)
        )
        yield zeros(stop - start) if untouched else data[start:stop]


def _split_stream(stream: memoryview, on_chunk: OnChunk) -> tuple[Piece, Piece]:
    if stream.nbytes <= UNCUT_SIZE:
        return _piece([stream] if stream.nbytes else [], False, on_chunk), NO_PIECE
    spans, seams = separate_seams(stream)
    body = _piece(content_chunks(stream[start:stop] for start, stop in spans), False, on_chunk)
    view = memoryview(seams)
    return body, _piece((view[start:stop] for start, stop in fixed_spans(0, len(seams))), False, on_chunk)


def _piece(
    views: Iterable[memoryview], direct: bool, on_chunk: OnChunk, item_bytes: int = 1, live: bool = False
) -> Piece:
    digests = []
    size = 0
    for view in views:
        digests.append(digest(view))
        on_chunk(Chunk(digests[-1], view, item_bytes, live))
        size += view.nbytes
    return Piece(size, direct, tuple(digests))


def is_live(buffer: Buffer) -> bool:
    """Whether somebody may write to this memory. Views that are only to be read may be of any."""
    return not buffer.copied and not isinstance(buffer.data.obj, bytes)


def unchanged_bytes(chunk: Chunk) -> memoryview | None:
    """The bytes that have the digest, where nobody writes to them. None where they have changed."""
    if not chunk.live:
        return chunk.data
    copy = memoryview(bytes(chunk.data))
    return copy if digest(copy) == chunk.digest else None


def digest(data: memoryview) -> Digest:
    """The name of a chunk."""
    return Digest(xxhash.xxh3_128_digest(data))


@lru_cache(maxsize=64)
def zeros_digest(length: int) -> Digest | None:
    """The name of a chunk of so many zeros; None where no chunk of zeros is so long."""
    return digest(zeros(length)) if length <= MAX_ZEROS else None


def flat_bytes(data: memoryview) -> memoryview:
    """The same memory as single bytes."""
    if data.nbytes == 0:  # which `cast` refuses where the view has several dimensions
        return memoryview(b"")
    return data if data.format == "B" and data.ndim == 1 else data.cast("B")


# --- out of the store


def missing_chunk(digest: Digest) -> LoadError:
    """A chunk that is not there."""
    return LoadError(f"chunk {digest.hex()} is missing from the store")


def damaged_chunk(digest: Digest) -> LoadError:
    """A chunk that is not what was stored."""
    return LoadError(f"chunk {digest.hex()} is damaged in the store")


def wrong_length(piece: Piece) -> LoadError:
    """Chunks that are not what the manifest says."""
    return LoadError(f"the chunks of a piece of {piece.nbytes} bytes do not add up")


def verified_chunks(get: Callable[[Digest], bytes | None], piece: Piece) -> Iterator[memoryview]:
    """The chunks of a piece in order, from where they can be had at once, each verified by its digest.

    Raises:
        LoadError: one is missing or damaged, or they do not add up.
    """
    total = 0
    for expected in piece.digests:
        data = get(expected)
        if data is None:
            raise missing_chunk(expected)
        view = memoryview(data)
        if digest(view) != expected:
            raise damaged_chunk(expected)
        total += view.nbytes
        if total > piece.nbytes:
            break
        yield view
    if total != piece.nbytes:
        raise wrong_length(piece)


def join_stream(manifest: Manifest, chunks_of: ChunksOf) -> bytes:
    """The stream that a manifest names. LoadError where its chunks do not make one.

    Args:
        chunks_of: gives the chunks of a piece, verified.
    """
    if not manifest.seams.nbytes:
        return b"".join(chunks_of(manifest.stream))
    seams = b"".join(chunks_of(manifest.seams))
    try:
        return join_seams(chunks_of(manifest.stream), seams)
    except (ValueError, OverflowError) as error:
        raise LoadError(f"a stream in the store is damaged ({error})") from error


def with_sha256(manifest: Manifest, stream: bytes, chunks_of: ChunksOf) -> Manifest:
    """A manifest with the covers that `cut` gives it. LoadError where its buffers are damaged.

    Args:
        chunks_of: gives the chunks of a piece, verified.
    """
    buffers = tuple(
        piece._replace(sha256=sha256(b"".join(chunks_of(piece)))) if 0 < piece.nbytes <= SHA256_LIMIT else piece
        for piece in manifest.buffers
    )
    return manifest._replace(stream=manifest.stream._replace(sha256=sha256(stream)), buffers=buffers)


@dataclass(frozen=True, slots=True)
class ChunkedBlob:
    """The `Blob` of every store that keeps chunks; `fill` puts a piece together in memory."""

    piece: Piece
    fill: Fill
    on_read: ReadProgress | None = None

    @property
    def nbytes(self) -> int:
        """As in `Blob`."""
        return self.piece.nbytes

    @property
    def direct(self) -> bool:
        """As in `Blob`."""
        return self.piece.direct

    def readinto(self, target: memoryview) -> None:
        """As in `Blob`."""
        if target.nbytes != self.nbytes:
            raise ValueError(f"the buffer has {self.nbytes} bytes, the target {target.nbytes}")
        if self.nbytes:
            self.fill(self.piece, flat_bytes(target), self.on_read)
            if self.piece.sha256 and sha256(flat_bytes(target)) != self.piece.sha256:
                raise damaged_chunk(self.piece.digests[0])


def stored_payload(
    manifest: Manifest, stream: bytes, made_by: dict[str, str], fill: Fill, on_read: ReadProgress | None
) -> StoredPayload:
    """What `load` gives, of a manifest and the stream that it names."""
    blobs = tuple(ChunkedBlob(piece, fill, on_read) for piece in manifest.buffers)
    if on_read:
        on_read(len(stream))
    return StoredPayload(manifest.names, manifest.codec, stream, blobs, made_by)
