"""Payloads split into chunks, each stored once under its digest, and joined again.

Law: live memory may change after it was hashed; so what is stored under a digest is a copy that has this digest
(`unchanged_bytes`). Bytes that are read go straight to their final place, and none is returned whose chunk does not
have the digest that it was stored under. Pure: where chunks are kept is the store's business.
Neighbours: `chunking` says where to cut, `compression` what to compress, `torn_reads` whether all chunks are of one
moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import xxhash

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Buffer, Digest, Payload
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.process.memory import LARGE_BYTES, MAX_ZEROS, UntouchedPages, address_of, zeros
from kishu_kernel.store.base import ReadProgress, StoredPayload
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.schema import NO_PIECE, Manifest, Piece
from kishu_kernel.store.format.signatures import sha256

__all__ = [
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

UNCUT_SIZE = 1 << 15
"""Streams of up to so many bytes are one chunk, with their seams. A session with small values needs no `chunking`."""

SHA256_LIMIT = 16 << 10
"""Buffers of up to so many bytes have a SHA-256 digest, as streams have: measured, a twentieth of the time to load
them. For larger ones it would take longer than the load (16 MiB: 1.9 ms to load, 9.3 for SHA-256)."""

OnChunk = Callable[["Chunk"], None]
ChunksOf = Callable[[Piece], "Iterable[memoryview]"]


class Loader(Protocol):
    """What puts pieces together, of each store that keeps chunks."""

    def fill(self, piece: Piece, target: memoryview, on_read: ReadProgress | None) -> None:
        """Put a piece together in memory. LoadError where it is not what was stored."""

    def sizes(self, piece: Piece) -> Sequence[int]:
        """Bytes of each of its chunks. LoadError where one is missing."""


class Chunk(NamedTuple):
    """A piece of a payload that is being stored.

    Attributes:
        data: a view of the payload's memory.
        item_bytes: size of the array items in it; 1 where there are none.
        live: other code may write to it at any moment.
    """

    digest: Digest
    data: memoryview
    item_bytes: int = 1
    live: bool = False


def split_payload(payload: Payload, on_chunk: OnChunk) -> Manifest:
    """Split a payload into chunks. O(bytes): everything is hashed, nothing is copied.

    Args:
        on_chunk: is called with each chunk, in order.

    Returns:
        The manifest, which names the chunks.
    """
    stream, seams = _split_stream(memoryview(payload.stream), sha256(payload.stream), on_chunk)
    buffers = []
    for buffer in payload.buffers:
        data = flat_bytes(buffer.data)
        piece = _piece(buffer_chunks(buffer, data), buffer.direct, on_chunk, buffer.item_bytes, is_live(buffer))
        # memory that changes between the two digests is not stored: see `torn_reads`
        buffers.append(piece._replace(sha256=sha256(data)) if 0 < data.nbytes <= SHA256_LIMIT else piece)
    made = schema.encode_made(payload.made_by).short
    return Manifest(payload.names, payload.codec, stream, tuple(buffers), seams, made)


def buffer_chunks(buffer: Buffer, data: memoryview) -> Iterator[memoryview]:
    """The chunks of a buffer. For pages that were never touched, zeros are returned, and the pages stay untouched.

    Args:
        data: the buffer's memory, as bytes.
    """
    from kishu_kernel.store.format.chunking import buffer_spans

    untouched_pages = (
        UntouchedPages(address_of(data), data.nbytes) if data.nbytes >= LARGE_BYTES and is_live(buffer) else None
    )
    for start, stop in buffer_spans(buffer):
        untouched = (
            untouched_pages is not None and stop - start <= MAX_ZEROS and untouched_pages.covers(start, stop - start)
        )
        yield zeros(stop - start) if untouched else data[start:stop]


def _split_stream(stream: memoryview, sha: bytes, on_chunk: OnChunk) -> tuple[Piece, Piece]:
    if stream.nbytes <= UNCUT_SIZE:
        digests = (digest(stream),) if stream.nbytes else ()
        for each in digests:
            on_chunk(Chunk(each, stream))
        return Piece(stream.nbytes, False, digests, sha), NO_PIECE
    from kishu_kernel.store.format.chunking import content_chunks, fixed_spans, separate_seams

    spans, seams = separate_seams(stream)
    body = _piece(content_chunks(stream[start:stop] for start, stop in spans), False, on_chunk)
    view = memoryview(seams)
    cut = (view[start:stop] for start, stop in fixed_spans(0, len(seams)))
    return body._replace(sha256=sha), _piece(cut, False, on_chunk)


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
    """Whether other code may write to a buffer's memory. A read-only view may show memory that others can write to."""
    return not buffer.copied and not isinstance(buffer.data.obj, bytes)


def unchanged_bytes(chunk: Chunk) -> memoryview | None:
    """The bytes of a chunk as they were hashed, in memory that nobody writes to. None where they have changed."""
    if not chunk.live:
        return chunk.data
    copy = memoryview(bytes(chunk.data))
    return copy if digest(copy) == chunk.digest else None


def digest(data: memoryview) -> Digest:
    """The digest of a chunk, which is its name."""
    return Digest(xxhash.xxh3_128_digest(data))


@lru_cache(maxsize=64)
def zeros_digest(length: int) -> Digest | None:
    """The digest of so many zero bytes. None where that is more than `MAX_ZEROS`, as no chunk of zeros is."""
    return digest(zeros(length)) if length <= MAX_ZEROS else None


def flat_bytes(data: memoryview) -> memoryview:
    """The same memory as a one-dimensional view of bytes."""
    if data.nbytes == 0:  # `cast` refuses empty views of several dimensions
        return memoryview(b"")
    return data if data.format == "B" and data.ndim == 1 else data.cast("B")


# --- out of the store


def missing_chunk(digest: Digest) -> LoadError:
    """The error for a chunk that is not stored."""
    return LoadError(f"chunk {digest.hex()} is missing from the store")


def damaged_chunk(digest: Digest) -> LoadError:
    """The error for a chunk that does not have its digest."""
    return LoadError(f"chunk {digest.hex()} is damaged in the store")


def wrong_length(piece: Piece) -> LoadError:
    """The error for chunks that do not have the length that the manifest says."""
    return LoadError(f"the chunks of a piece of {piece.nbytes} bytes do not add up")


def verified_chunks(get: Callable[[Digest], bytes | None], piece: Piece) -> Iterator[memoryview]:
    """The chunks of a piece in order, each verified by its digest.

    Args:
        get: returns the bytes of a chunk; None where it is missing.

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
    """The stream that a manifest names. LoadError where its chunks do not fit together.

    Args:
        chunks_of: returns the verified chunks of a piece.
    """
    if not manifest.seams.nbytes:
        return b"".join(chunks_of(manifest.stream))
    from kishu_kernel.store.format.chunking import join_seams

    seams = b"".join(chunks_of(manifest.seams))
    try:
        return join_seams(chunks_of(manifest.stream), seams)
    except (ValueError, OverflowError) as error:
        raise LoadError(f"a stream in the store is damaged ({error})") from error


def with_sha256(manifest: Manifest, stream: bytes, chunks_of: ChunksOf) -> Manifest:
    """A manifest with the SHA-256 digests that `split_payload` makes. LoadError where its buffers are damaged.

    Args:
        chunks_of: returns the verified chunks of a piece.
    """
    buffers = tuple(
        piece._replace(sha256=sha256(b"".join(chunks_of(piece)))) if 0 < piece.nbytes <= SHA256_LIMIT else piece
        for piece in manifest.buffers
    )
    return manifest._replace(stream=manifest.stream._replace(sha256=sha256(stream)), buffers=buffers)


@dataclass(frozen=True, slots=True)
class ChunkedBlob:
    """The `Blob` of every store that keeps chunks."""

    piece: Piece
    loader: Loader
    on_read: ReadProgress | None = None

    @property
    def nbytes(self) -> int:
        """As in `Blob`."""
        return self.piece.nbytes

    @property
    def direct(self) -> bool:
        """As in `Blob`."""
        return self.piece.direct

    @property
    def digests(self) -> tuple[Digest, ...]:
        """As in `Blob`."""
        return self.piece.digests

    def sizes(self) -> Sequence[int]:
        """As in `Blob`."""
        return self.loader.sizes(self.piece)

    def read_parts(self, numbers: Sequence[int], target: memoryview) -> None:
        """As in `Blob`."""
        if self.piece.sha256:  # it is known by all of its bytes
            if len(numbers) < len(self.digests):
                raise wrong_length(self.piece)
            self.readinto(target)
            return
        digests = tuple(self.digests[number] for number in numbers)
        self.loader.fill(Piece(target.nbytes, self.direct, digests), flat_bytes(target), self.on_read)

    def readinto(self, target: memoryview) -> None:
        """As in `Blob`."""
        if target.nbytes != self.nbytes:
            raise ValueError(f"the buffer has {self.nbytes} bytes, the target {target.nbytes}")
        if self.nbytes:
            self.loader.fill(self.piece, flat_bytes(target), self.on_read)
            if self.piece.sha256 and sha256(flat_bytes(target)) != self.piece.sha256:
                raise damaged_chunk(self.piece.digests[0])


def stored_payload(
    manifest: Manifest, stream: bytes, made_by: dict[str, str], loader: Loader, on_read: ReadProgress | None
) -> StoredPayload:
    """What `Store.load` returns, made of a manifest and the stream that it names."""
    blobs = tuple(ChunkedBlob(piece, loader, on_read) for piece in manifest.buffers)
    if on_read:
        on_read(len(stream))
    return StoredPayload(manifest.names, manifest.codec, stream, blobs, made_by)
