"""Payloads in chunks, stored once under their digest: cutting them and putting them together.

Law: no byte is copied on the way in, and only into its final place on the way out; no byte leaves
that does not have the digest it was stored under. Pure: where chunks live is the stores' affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import xxhash

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Buffer, Digest, Payload
from kishu_kernel.store.base import StoredPayload
from kishu_kernel.store.schema import Manifest, Piece

CHUNK_SIZE = 1 << 20
"""Writers' choice, not part of the format: readers take the lengths from the chunks."""

ROW_SIZE = 1 << 18
"""Rows from this length on get chunks of their own (a pandas column is a row of its block)."""

Get = Callable[[Digest], "memoryview | None"]
Spans = Iterator["tuple[int, int]"]


class Chunk(NamedTuple):
    """A piece of a payload, and where the store puts it."""

    digest: Digest
    data: memoryview


class Cut(NamedTuple):
    """A payload taken apart: what to store under the version, and under the digests."""

    manifest: Manifest
    chunks: list[Chunk]


def cut(payload: Payload) -> Cut:
    """Take a payload apart. The chunks are views of its own memory. O(bytes): all is hashed."""
    chunks: list[Chunk] = []

    def piece(data: memoryview, spans: Spans, direct: bool) -> Piece:
        new = [Chunk(digest(view), view) for view in (data[start:stop] for start, stop in spans)]
        chunks.extend(new)
        return Piece(data.nbytes, direct, tuple(chunk.digest for chunk in new))

    stream = memoryview(payload.stream)
    manifest = Manifest(
        payload.names,
        payload.codec,
        piece(stream, stream_spans(stream), False),
        tuple(piece(flat(buffer.data), buffer_spans(buffer), buffer.direct) for buffer in payload.buffers),
    )
    return Cut(manifest, chunks)


def digest(data: memoryview) -> Digest:
    """The name of a chunk."""
    return Digest(xxhash.xxh3_128_digest(data))


def flat(data: memoryview) -> memoryview:
    """The same memory as single bytes."""
    if data.nbytes == 0:  # which `cast` refuses where the view has several dimensions
        return memoryview(b"")
    return data if data.format == "B" and data.ndim == 1 else data.cast("B")


def stream_spans(stream: memoryview) -> Spans:
    """Where to cut a pickle stream. The seam for content-defined chunks: edited streams shift."""
    return fixed_spans(0, stream.nbytes)


def buffer_spans(buffer: Buffer) -> Spans:
    """Where to cut a buffer: at fixed places, since buffers change in place.

    Chunks start anew at each long row: adding or dropping a column of a frame shifts the rows of
    its block, and chunks that straddle rows would all change with it.
    """
    if buffer.row_bytes < ROW_SIZE:
        yield from fixed_spans(0, buffer.data.nbytes)
        return
    for start in range(0, buffer.data.nbytes, buffer.row_bytes):
        yield from fixed_spans(start, min(start + buffer.row_bytes, buffer.data.nbytes))


def fixed_spans(start: int, stop: int) -> Spans:
    """From start to stop in steps of CHUNK_SIZE, the last one shorter."""
    for place in range(start, stop, CHUNK_SIZE):
        yield place, min(place + CHUNK_SIZE, stop)


def verified(get: Get, piece: Piece) -> Iterator[memoryview]:
    """The chunks of a piece in order, each verified by its digest.

    Raises:
        LoadError: one is missing or damaged, or they do not add up.
    """
    total = 0
    for expected in piece.digests:
        data = get(expected)
        if data is None:
            raise LoadError(f"chunk {expected.hex()} is missing from the store")
        if digest(data) != expected:
            raise LoadError(f"chunk {expected.hex()} is damaged in the store")
        total += data.nbytes
        if total > piece.nbytes:
            break
        yield data
    if total != piece.nbytes:
        raise LoadError(f"the chunks of a piece of {piece.nbytes} bytes do not add up")


def copy(get: Get, piece: Piece, target: memoryview) -> None:
    """Put a piece together in `target`, of single bytes. LoadError as in `verified`."""
    place = 0
    for data in verified(get, piece):
        target[place : place + data.nbytes] = data
        place += data.nbytes


@dataclass(frozen=True, slots=True)
class ChunkedBlob:
    """The `Blob` of every store that keeps chunks; `source` copies a piece into memory."""

    piece: Piece
    source: Callable[[Piece, memoryview], None]

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
            self.source(self.piece, flat(target))


def stored(manifest: Manifest, stream: bytes, source: Callable[[Piece, memoryview], None]) -> StoredPayload:
    """What `load` gives, of a manifest and the stream that it names."""
    blobs = tuple(ChunkedBlob(piece, source) for piece in manifest.buffers)
    return StoredPayload(manifest.names, manifest.codec, stream, blobs)
