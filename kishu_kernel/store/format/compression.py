"""Compression of single chunks, where a quick sample says that it pays.

Law: a chunk is named and verified by its raw bytes, so neither codec nor level matter to readers. Compressing is not
slower than writing to the disk, and decompressing not much slower than memory. A codec that is not available is not
used, and nothing is imported that the notebook could notice.
Neighbours: `shuffled`, `zstd` and `palette` are the codecs, imported when the first chunk is long enough for one.

A value in the table `packed`, byte by byte::

    0   1 byte   codec: 1 is a frame of `shuffled`, 2 a zstd frame, 3 one of `palette`
    1   4 bytes  length of the raw bytes, little-endian
    5            the frame

Measured on one core: LZ4 behind a byte shuffle takes 0.1 to 0.2 ms for a MiB of typed items, where it helps at all.
zstd takes 1.5 to 2.5 ms for a MiB of text or of few distinct values, where LZ4 often fails; LMDB takes 1 to 2.5 ms to
store one. So both are tried on a sample; LZ4 is taken unless zstd is much better, and neither where it saves less than
a fifth. Items of few distinct values, which neither of them makes much smaller, are numbered (`palette`).
"""

from __future__ import annotations

import struct

from kishu_kernel.errors import LoadError

MIN_SIZE = 512
"""Bytes. Shorter chunks are not compressed: that would save hardly any pages."""

SAMPLE_SIZE = 1 << 15
"""Bytes of a chunk that are compressed first to see whether it pays: half of its beginning, half of its middle."""

MAX_RATIO = 0.8
"""A chunk is stored compressed where that takes no more than this part of the space."""

MAX_ZSTD_RATIO = 0.6
"""zstd is several times slower than LZ4, so it is taken where its frame has no more than this part of LZ4's."""

MAX_PALETTE_RATIO = 0.75
"""Items are numbered where that takes no more than this part of what the best of the others leaves."""

_HEADER = struct.Struct("<BI")
HEADER_SIZE = _HEADER.size
_SHUFFLED, _ZSTD, _PALETTE = 1, 2, 3
_PAGE = 4096
_SMALL = 1 / 8
"""Nothing else is tried where LZ4 leaves no more than this part."""
_INLINE = 2000
"""Bytes. LMDB gives longer values pages of their own."""


def compress(data: memoryview, item_bytes: int = 1) -> bytes | None:
    """A chunk's value for the table `packed`. None where compressing it does not pay.

    Args:
        data: contiguous bytes.
        item_bytes: size of the array items in them; 1 where there are none.
    """
    if data.nbytes < MIN_SIZE:
        return None
    sample = data
    if data.nbytes > 2 * SAMPLE_SIZE:
        middle = data.nbytes // 2 // item_bytes * item_bytes
        sample = memoryview(b"".join((data[: SAMPLE_SIZE // 2], data[middle : middle + SAMPLE_SIZE // 2])))
    codec, frame = _best(sample, item_bytes)
    ratio = len(frame) / sample.nbytes if frame else 1.0
    numbered = _numbered(data, sample, item_bytes, ratio) if codec != _SHUFFLED or ratio > _SMALL else b""
    if numbered:
        codec, frame = _PALETTE, numbered
    elif ratio > MAX_RATIO:
        return None
    elif sample is not data:
        frame = _shuffled(data, item_bytes) if codec == _SHUFFLED else _zstd(data)
    if stored_size(len(frame) + HEADER_SIZE) > stored_size(data.nbytes) * MAX_RATIO:
        return None
    return _HEADER.pack(codec, data.nbytes) + frame


def _numbered(data: memoryview, sample: memoryview, item_bytes: int, ratio: float) -> bytes:
    """The frame of `palette` where that is much shorter; empty where it is not."""
    from kishu_kernel.store.format import palette

    if palette.estimated_ratio(sample, data.nbytes, item_bytes, _zstd) > min(MAX_RATIO, ratio * MAX_PALETTE_RATIO):
        return b""
    return palette.compress(data, item_bytes, _zstd)


def stored_size(size: int) -> int:
    """About how many bytes LMDB needs for a row of this size."""
    return size if size < _INLINE else -(-(size + 16) // _PAGE) * _PAGE


def raw_size(head: bytes | memoryview) -> int:
    """Length of the raw bytes of a compressed chunk. LoadError where this is none.

    Args:
        head: the value, or its first `HEADER_SIZE` bytes.
    """
    if len(head) < HEADER_SIZE:
        raise LoadError("a packed chunk in the store is damaged (it has no header)")
    return int(_HEADER.unpack_from(head)[1])


def decompress(value: bytes | memoryview, target: memoryview) -> None:
    """Decompress a value of the table `packed`. LoadError where it is damaged, or its codec is not available.

    Args:
        target: a view of `raw_size` bytes, which is filled.
    """
    codec, size = _HEADER.unpack_from(value)
    frame = memoryview(value)[HEADER_SIZE:]
    assert target.nbytes == size
    try:
        if codec == _SHUFFLED:
            from kishu_kernel.store.format import shuffled

            shuffled.decompress(frame, target)
        elif codec == _ZSTD:
            _decompress_zstd(frame, target)
        elif codec == _PALETTE:
            from kishu_kernel.store.format import palette

            palette.decompress(frame, target, _decompress_zstd)
        else:
            raise LoadError(f"a chunk is packed with codec {codec}: install a newer kishu-kernel")
    except LoadError:
        raise
    except ImportError as error:
        raise LoadError(f"a chunk cannot be unpacked: install {error.name}") from error
    except Exception as error:  # each library has its own
        raise LoadError(f"a packed chunk in the store is damaged ({error})") from error


def _best(data: memoryview, item_bytes: int) -> tuple[int, bytes]:
    quick = _shuffled(data, item_bytes) if item_bytes > 1 else b""
    if quick and len(quick) <= data.nbytes * _SMALL:
        return _SHUFFLED, quick
    thorough = _zstd(data)
    if (
        quick
        and (not thorough or len(thorough) > len(quick) * MAX_ZSTD_RATIO)
        and len(quick) <= data.nbytes * MAX_RATIO
    ):
        return _SHUFFLED, quick
    return _ZSTD, thorough


def _shuffled(data: memoryview, item_bytes: int) -> bytes:
    from kishu_kernel.store.format import shuffled

    return shuffled.compress(data, item_bytes)


def _zstd(data: memoryview) -> bytes:
    """A frame; empty where there is no zstd."""
    from kishu_kernel.store.format import zstd

    try:
        return zstd.compress(data)
    except ImportError:
        return b""


def _decompress_zstd(frame: memoryview, target: memoryview) -> None:
    from kishu_kernel.store.format import zstd

    target[:] = zstd.decompress(frame, target.nbytes)  # ValueError where it is shorter
