"""Where payloads are cut into chunks: buffers at fixed places, streams where their content says so.

Law: the same bytes are cut in the same way, in every process and by every Python, and an edit moves only the cuts near
it; otherwise stored chunks would not be found again. What was taken apart can be joined to the same bytes.

**Buffers** change in place, so chunks of a fixed size fit. They start anew at each long row: adding or dropping a
column of a frame shifts the rows of its block, and chunks that straddle rows would all change with it.

**Streams** shift, so they are cut by content (content-defined chunking). A cut is made behind a window of bytes whose
hash has a certain form, wherever that stands, but not close to the cut before, nor far from it. Candidates are found by
a hash of four bytes, computed for a whole block at once by `bytes.translate` and long integers (at C speed, without
numpy); the checksum of a wider window decides about each candidate.

That alone is not enough. Pickle writes a pair of opcodes after every 1000 items of a container, counted from its first,
and a frame header after every 64 KiB, counted from the first byte. After `lst.insert(0, x)` these *seams* stand
elsewhere between the same items, one in each chunk. So seams are taken out of the stream before it is cut, and are kept
apart with their places. Bytes that only look like a seam are taken out, too, which does no harm.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from kishu_kernel.model import Buffer
from kishu_kernel.model.pattern import pattern
from kishu_kernel.process.native import WALKER

CHUNK_SIZE = 1 << 20
"""Of buffers. Like all sizes here it is no part of the format: readers accept chunks of any length."""

ROW_SIZE = 1 << 18
"""Rows of at least so many bytes get chunks of their own (a pandas column is a row of its block)."""

MIN_SIZE, MAX_SIZE = 1 << 13, 1 << 17
"""Bytes of a stream's chunks; the last one may be shorter."""

CUT_MASK = 63
"""One candidate in 64 becomes a cut. Measured on lists, dicts, instances and text: chunks of 10 to 40 KiB."""

_BLOCK = 1 << 20
_WINDOW = 64
_NARROW = 4

Span = tuple[int, int]


class Separated(NamedTuple):
    """A stream without its seams.

    Attributes:
        spans: the parts between the seams.
        seams: the seams and their places, as `join_seams` reads them.
    """

    spans: list[Span]
    seams: bytes


# --- buffers


def buffer_spans(buffer: Buffer) -> Iterator[Span]:
    """The parts into which a buffer is cut."""
    if buffer.row_bytes < ROW_SIZE:
        yield from fixed_spans(0, buffer.data.nbytes)
        return
    for start in range(0, buffer.data.nbytes, buffer.row_bytes):
        yield from fixed_spans(start, min(start + buffer.row_bytes, buffer.data.nbytes))


def fixed_spans(start: int, stop: int) -> Iterator[Span]:
    """Parts of CHUNK_SIZE from start to stop, the last one shorter."""
    for place in range(start, stop, CHUNK_SIZE):
        yield place, min(place + CHUNK_SIZE, stop)


# --- streams


def content_chunks(parts: Iterable[memoryview]) -> Iterator[memoryview]:
    """Cut the bytes that the parts make together, by content. O(bytes); a few MiB are in memory at a time."""
    rest = b""
    for block in _blocks(parts):
        data = b"".join((rest, *block))
        view = memoryview(data)
        last = 0
        for place in _cuts(data):
            yield view[last:place]
            last = place
        rest = data[last:]  # is cut again with what follows: a cut depends only on what is behind the one before
    if rest:
        yield memoryview(rest)


def _blocks(parts: Iterable[memoryview]) -> Iterator[list[memoryview]]:
    held: list[memoryview] = []
    size = 0
    for part in parts:
        for start in range(0, part.nbytes, _BLOCK):
            held.append(part[start : start + _BLOCK])
            size += held[-1].nbytes
            if size >= _BLOCK:
                yield held
                held, size = [], 0
    if held:
        yield held


def _cuts(data: bytes) -> Iterator[int]:
    """The places of the cuts in data that begins at a cut."""
    if WALKER is None:
        yield from _cuts_in_python(data)
    else:
        yield from WALKER.cuts(data, b"".join(_tables()), MIN_SIZE, MAX_SIZE, CUT_MASK)


def _cuts_in_python(data: bytes) -> Iterator[int]:
    last = 0
    view = memoryview(data)
    for place in _candidates(data):
        while place - last > MAX_SIZE:
            last += MAX_SIZE
            yield last
        if place - last >= MIN_SIZE and not zlib.crc32(view[place - _WINDOW : place]) & CUT_MASK:
            last = place
            yield last
    while len(data) - last > MAX_SIZE:
        last += MAX_SIZE
        yield last


@cache
def _tables() -> list[bytes]:
    """Four random tables, such that no byte repeated four times is a candidate: runs of it would be cut everywhere.

    With other tables everything would be cut elsewhere, and stored anew once.
    """
    draw = random.Random(b"kishu")  # Python promises that its sequence for a seed stays the same
    while True:
        tables = [bytes(int(256 * draw.random()) for _ in range(256)) for _ in range(_NARROW)]
        if all(a ^ b ^ c ^ d for a, b, c, d in zip(*tables, strict=True)):
            return tables


_ZERO = pattern(b"\0")


def _candidates(data: bytes) -> Iterator[int]:
    """The places behind four bytes whose hash is zero: about one in 256."""
    step = _BLOCK >> 2
    for start in range(0, len(data) - _NARROW + 1, step):
        part = data[start : start + step + _NARROW - 1]
        size = len(part) - _NARROW + 1
        mixed = 0
        for shift, table in enumerate(_tables()):
            mixed ^= int.from_bytes(part[shift : shift + size].translate(table), "little")
        for found in _ZERO.finditer(mixed.to_bytes(size, "little")):
            yield start + found.start() + _NARROW


# --- seams

_PAIRS = (b"e(", b"u(", b"\x90(")
"""APPENDS, SETITEMS and ADDITEMS, each followed by the MARK of the same container's next batch."""

_MARK = b"("
_KINDS = {pair[:1]: kind for kind, pair in enumerate(_PAIRS)}

_FRAME = len(_PAIRS)
_FRAME_SIZE = 9
_DENSE = 256
"""Bytes. Where pairs stand closer than this on average, they are text and no seams."""

_FRAME_CODE = 0x95
_LONG = {b"\x95": "<Q", b"B": "<I", b"X": "<I", b"\x8e": "<Q", b"\x8d": "<Q", b"\x96": "<Q"}
"""FRAME, and the opcodes whose content pickle leaves out of frames where it is long; with the form of their lengths."""


def separate_seams(stream: memoryview) -> Separated:
    """Take the seams out of a pickle stream, and bytes that look like seams. O(bytes)."""
    data = stream.obj if isinstance(stream.obj, bytes) else bytes(stream)
    seams = [(place, _FRAME_SIZE, _FRAME) for place in _frames(data)]
    pairs = [(place, 2, kind) for place, kind in _pairs(data)]
    if len(pairs) * _DENSE < len(data):
        seams += pairs
    spans: list[Span] = []
    entries = array("Q")
    last = 0
    for place, size, kind in sorted(seams):
        if place < last:  # a pair in a frame header
            continue
        spans.append((last, place))
        entries.append((place - last) << 2 | kind)
        if kind == _FRAME:
            entries.append(int.from_bytes(data[place + 1 : place + _FRAME_SIZE], "little"))
        last = place + size
    spans.append((last, len(data)))
    return Separated(spans, _little(entries).tobytes())


def join_seams(parts: Iterable[memoryview], seams: bytes) -> bytes:
    """The stream that `separate_seams` took apart. O(bytes).

    Args:
        parts: the stream without its seams, in pieces of any length.
        seams: as in `Separated`.

    Raises:
        ValueError: they do not fit together.
    """
    entries = array("Q")
    entries.frombytes(seams)
    todo = iter(_little(entries))
    out: list[bytes | memoryview] = []
    entry = next(todo, None)
    gap = -1 if entry is None else entry >> 2
    for part in parts:
        while entry is not None and gap <= part.nbytes:
            out += part[:gap], _seam(entry & 3, todo)
            part = part[gap:]
            entry = next(todo, None)
            gap = -1 if entry is None else entry >> 2
        out.append(part)
        gap -= part.nbytes
    if entry is not None:
        raise ValueError("a stream has more seams than bytes")
    return b"".join(out)


def _seam(kind: int, todo: Iterator[int]) -> bytes:
    if kind < _FRAME:
        return _PAIRS[kind]
    length = next(todo, None)
    if length is None:
        raise ValueError("a frame of a stream has no length")
    return b"\x95" + length.to_bytes(8, "little")


def _frames(data: bytes) -> Iterator[int]:
    """The places of the frame headers. Each says where the next one can be."""
    place = 2  # behind PROTO
    while (found := _next_header(data, place)) is not None:
        header, layout = found
        (length,) = struct.unpack_from(layout, data, header + 1)
        if data[header] == _FRAME_CODE:
            yield header
        place = header + 1 + struct.calcsize(layout) + length


def _next_header(data: bytes, place: int) -> tuple[int, str] | None:
    """Frames of less than 4 bytes have no header of their own."""
    for header in range(place, place + 4):
        layout = _LONG.get(data[header : header + 1])
        if layout and header + 1 + struct.calcsize(layout) <= len(data):
            return header, layout
    return None


def _pairs(data: bytes) -> Iterator[tuple[int, int]]:
    """The places of the pairs, and which each is; in order where MARKs are few; maybe none where they are text."""
    if WALKER is not None:
        yield from WALKER.pairs(data)
        return
    if data.count(_MARK) * _DENSE > len(data):
        yield from ((place, kind) for kind, pair in enumerate(_PAIRS) for place in _places(data, pair))
        return
    for place in _places(data, _MARK):  # one byte is found ten times faster than two
        kind = _KINDS.get(data[place - 1 : place]) if place else None
        if kind is not None:
            yield place - 1, kind


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    place = data.find(wanted)
    while place >= 0:
        yield place
        place = data.find(wanted, place + len(wanted))


def _little(entries: array[int]) -> array[int]:
    if sys.byteorder == "big":
        entries.byteswap()
    return entries
