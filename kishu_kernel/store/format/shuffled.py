"""Array items packed: LZ4 behind a byte shuffle. Frames are chunks of blosc2's, written and read without it.

Stores of all versions have such frames; blosc2 wrote those of before. It would bring a dozen packages, and a notebook
can notice that it is imported.

Law: no other codec or filter is ever used, in either direction; a frame that asks for one is damaged. A frame may be
anybody's: what it says is checked before it is believed. The native module writes frames and reads them; where there is
none they are read in Python, and none are written.
Neighbour: `compression` says when it pays.

A frame, byte by byte; numbers are little-endian::

    0   1 byte   format: 5 or 6
    1   1 byte   1
    2   1 byte   0x25; 0x02 more: the content follows as it is; 0x10 more: each block is one stream
    3   1 byte   bytes of an item
    4   4 bytes  length of the content
    8   4 bytes  length of a block; the last one may be shorter, and is one stream then
    12  4 bytes  length of the frame
    16  6 bytes  one of them 1: blocks are shuffled; all 0: they are not
    22  1 byte   1 or 0
    23  7 bytes  of no meaning here; then a 0
    31  1 byte   0x10: the content is zeros, and nothing follows; 0x30: it is the bytes that follow, again and again
    32           4 bytes for each block: where it stands in the frame
                 the blocks

A block that is shuffled holds the first bytes of all items, then all second ones, ...; then bytes that make no whole
item. Each of these rows is a stream: 4 bytes for its length, then an LZ4 block, or the row as it is where that is not
longer. Length 0: zeros; -n: the byte n again and again, and a 1 follows.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from kishu_kernel.process.native import WALKER

HEADER_SIZE = 32
MOST_ITEM_BYTES = 255

_HEADER = struct.Struct("<4B3i6B10B")
_NUMBER = struct.Struct("<i")
_EXTENDED, _COPIED, _WHOLE = 0x05, 0x02, 0x10
_LZ4 = 1
_ZEROS, _REPEATED = 1, 3


def compress(data: memoryview, item_bytes: int) -> bytes:
    """A frame that is shorter than the data; empty where none is, or nothing can write it.

    Args:
        data: contiguous bytes.
    """
    return b"" if WALKER is None else bytes(WALKER.pack(data, min(item_bytes, MOST_ITEM_BYTES)))


def decompress(frame: memoryview, target: memoryview) -> None:
    """Fill the target with the content of a frame.

    Raises:
        ValueError: it is damaged, or its content has another length.
    """
    (_in_python if WALKER is None else WALKER.unpack)(frame, target)


# --- the twin of the native reader


class _Header(NamedTuple):
    item_bytes: int
    block: int
    special: int
    copied: bool
    split: bool
    shuffled: bool


def _in_python(frame: memoryview, target: memoryview) -> None:
    header = _header(frame, target.nbytes)
    content = frame[HEADER_SIZE:]
    if header.special:
        target[:] = _special(header, content.tobytes(), target.nbytes)
    elif header.copied:
        target[:] = content  # ValueError where they differ in length
    else:
        for number, start in enumerate(range(0, target.nbytes, header.block)):
            (place,) = _NUMBER.unpack_from(content, 4 * number)
            _read_block(header, frame[place:] if place >= 0 else frame[:0], target[start : start + header.block])


def _header(frame: memoryview, size: int) -> _Header:
    if frame.nbytes < HEADER_SIZE:
        raise ValueError("it is shorter than its header")
    _, _, flags, item_bytes, content, block, whole, *filters, codec = _HEADER.unpack_from(frame)[:14]
    more, special = frame[30], frame[31]
    if flags & _EXTENDED != _EXTENDED or flags >> 5 != _LZ4 or codec > _LZ4 or sum(filters) > 1:
        raise ValueError("it names codecs that are not used here")
    if (content, whole) != (size, frame.nbytes) or block <= 0 or not item_bytes or more or special & 0x8D:
        raise ValueError("its header makes no sense")
    shuffled = sum(filters) == 1 and item_bytes > 1
    return _Header(item_bytes, min(block, size), special >> 4, bool(flags & _COPIED), not flags & _WHOLE, shuffled)


def _special(header: _Header, content: bytes, size: int) -> bytes:
    if header.special == _ZEROS and not content:
        return bytes(size)
    if header.special != _REPEATED or len(content) != header.item_bytes:
        raise ValueError("its content is of no known kind")
    return (content * (size // len(content) + 1))[:size]


def _read_block(header: _Header, rest: memoryview, target: memoryview) -> None:
    streams = header.item_bytes if header.split and target.nbytes == header.block else 1
    each, odd = divmod(target.nbytes, streams)
    if odd:
        raise ValueError("its blocks are of no known kind")
    rows = []
    for _ in range(streams):
        row, rest = _read_stream(rest, each)
        rows.append(row)
    content = memoryview(b"".join(rows))
    if not header.shuffled:
        target[:] = content
        return
    width, count = header.item_bytes, target.nbytes // header.item_bytes
    for byte in range(width):
        target[byte : count * width : width] = content[byte * count : (byte + 1) * count]
    target[count * width :] = content[count * width :]


def _read_stream(rest: memoryview, size: int) -> tuple[bytes, memoryview]:
    """The content of the stream that stands first, and what is behind it."""
    (length,) = _NUMBER.unpack_from(rest)
    rest = rest[_NUMBER.size :]
    if length > 0:
        packed = rest[:length].tobytes()
        if len(packed) != length:
            raise ValueError("it ends early")
        return packed if length == size else _read_lz4(packed, size), rest[length:]
    if length == 0:
        return bytes(size), rest
    if length < -255 or not rest[:1] or not rest[0] & 1:
        raise ValueError("it has a run of no known kind")
    return bytes((-length,)) * size, rest[1:]


def _read_lz4(packed: bytes, size: int) -> bytes:
    """The bytes of an LZ4 block; ValueError or IndexError where they are not so many."""
    found = bytearray()
    place, end = 0, len(packed)
    while True:
        token = packed[place]
        count, place = _length(token >> 4, packed, place + 1)
        if place + count > end or len(found) + count > size:
            raise ValueError("it is longer than it says")
        found += packed[place : place + count]
        place += count
        if place == end:
            break
        back = packed[place] | packed[place + 1] << 8
        count, place = _length(token & 15, packed, place + 2)
        count += 4
        start = len(found) - back
        if not back or start < 0 or len(found) + count > size:
            raise ValueError("it points to nothing")
        again = found[start : start + count]
        found += again if len(again) == count else (again * (count // back + 1))[:count]
    if len(found) != size:
        raise ValueError("it ends early")
    return bytes(found)


def _length(value: int, packed: bytes, place: int) -> tuple[int, int]:
    """A length of which a token has the beginning, and where what follows it stands."""
    if value == 15:
        more = 255
        while more == 255:
            more = packed[place]
            place += 1
            value += more
    return value, place
