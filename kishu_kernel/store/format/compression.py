"""Compression of single chunks, where a quick sample says that it pays.

Law: a chunk is named and verified by its raw bytes, so that neither codec nor level matter to who looks for it; writing
is not made slower than the disk, nor loading much slower than memory. A codec that is not to be had is not used, and
nothing is imported that the notebook could notice (`blosc2_library`).

A value in the table `packed`, byte by byte::

    0   1 byte   codec: 1 is a blosc2 frame, 2 a zstd frame
    1   4 bytes  length of the raw bytes, little-endian
    5            the frame

Measured, on one core: LZ4 behind blosc2's shuffle takes 0.1 to 0.2 ms for a MiB of typed items, where it helps at all,
the same through the C library alone as through its package (8.7 and 7.3 GB/s of counted integers, 5.9 and 6.1 of noise,
1.8 and 1.8 of rounded 32-bit floats; loads at 21 and 24, 5.6 and 5.8 GB/s), which takes a second to import; zstd
1.5 to 2.5 ms for a MiB of text or of few distinct values, where LZ4 often fails; LMDB 1 to 2.5 ms to store one. So both
are tried on a sample, LZ4 is taken unless zstd is much better, and neither where it saves less than a fifth.
"""

from __future__ import annotations

import os
import random
import struct
import sys
import threading
from typing import Any

from kishu_kernel.errors import LoadError
from kishu_kernel.store.format import blosc2_library

MIN_SIZE = 512
"""Bytes. What is shorter is stored as it is: it would not save a page in years."""

SAMPLE_SIZE = 1 << 15
"""Bytes of a chunk that are tried first, half from its beginning and half from behind its middle."""

MAX_RATIO = 0.8
"""Of the room that the raw chunk would take."""

MAX_ZSTD_RATIO = 0.6
"""zstd is several times slower than LZ4: it must not need more than this of what LZ4 leaves."""

_HEADER = struct.Struct("<BI")
HEADER_SIZE = _HEADER.size
_BLOSC2, _ZSTD = 1, 2
_PAGE = 4096
_INLINE = 2000
"""LMDB gives longer values pages of their own."""

_local = threading.local()


def compress(data: memoryview, item_bytes: int = 1) -> bytes | None:
    """The value to store in `packed`; None where the bytes are better stored as they are.

    Args:
        data: contiguous bytes.
        item_bytes: length of the items that they are; 1 where they are no array.
    """
    if data.nbytes < MIN_SIZE:
        return None
    sample = data
    if data.nbytes > 2 * SAMPLE_SIZE:
        middle = data.nbytes // 2
        sample = memoryview(b"".join((data[: SAMPLE_SIZE // 2], data[middle : middle + SAMPLE_SIZE // 2])))
    codec, frame = _best(sample, item_bytes)
    if not frame or len(frame) > sample.nbytes * MAX_RATIO:
        return None
    if sample is not data:
        frame = _blosc2(data, item_bytes) if codec == _BLOSC2 else _zstd(data)
    if stored_size(len(frame) + HEADER_SIZE) > stored_size(data.nbytes) * MAX_RATIO:
        return None
    return _HEADER.pack(codec, data.nbytes) + frame


def stored_size(size: int) -> int:
    """Bytes that LMDB needs for a value of this size, more or less."""
    return size if size < _INLINE else -(-(size + 16) // _PAGE) * _PAGE


def raw_size(head: bytes | memoryview) -> int:
    """Length of the raw bytes. LoadError where this is no packed chunk.

    Args:
        head: the value, or its first `HEADER_SIZE` bytes.
    """
    if len(head) < HEADER_SIZE:
        raise LoadError("a packed chunk in the store is damaged (it has no header)")
    return int(_HEADER.unpack_from(head)[1])


def decompress(value: bytes | memoryview, target: memoryview) -> None:
    """Fill `target`, of `raw_size` single bytes, from a value of `packed`. LoadError where it is damaged."""
    codec, size = _HEADER.unpack_from(value)
    frame = memoryview(value)[HEADER_SIZE:]
    assert target.nbytes == size
    try:
        if codec == _BLOSC2:
            _decompress_blosc2(frame, target)
        elif codec == _ZSTD:
            _decompress_zstd(frame, target)
        else:
            raise LoadError(f"a chunk is packed with codec {codec}: install a newer kishu-kernel")
    except LoadError:
        raise
    except ImportError as error:
        raise LoadError(f"a chunk cannot be unpacked: install {error.name}") from error
    except Exception as error:  # each library has its own
        raise LoadError(f"a packed chunk in the store is damaged ({error})") from error


def _best(data: memoryview, item_bytes: int) -> tuple[int, bytes]:
    quick = _blosc2(data, item_bytes) if item_bytes > 1 else b""
    if quick and len(quick) <= data.nbytes // 8:
        return _BLOSC2, quick
    thorough = _zstd(data)
    if (
        quick
        and (not thorough or len(thorough) > len(quick) * MAX_ZSTD_RATIO)
        and len(quick) <= data.nbytes * MAX_RATIO
    ):
        return _BLOSC2, quick
    return _ZSTD, thorough


def _blosc2(data: memoryview, item_bytes: int) -> bytes:
    """A frame; empty where there is none that is shorter, or where the library is not to be had."""
    found = blosc2_library.library()
    return b"" if found is None else found.compress(data, item_bytes)


def _decompress_blosc2(frame: memoryview, target: memoryview) -> None:
    if not blosc2_library.uses_known_codecs(frame):
        raise LoadError("a packed chunk in the store is damaged (it names codecs that are not used here)")
    if blosc2_library.frame_sizes(frame) != (target.nbytes, frame.nbytes):
        raise LoadError("a packed chunk in the store is damaged (it has another length)")
    found = blosc2_library.library()
    if found is None:
        _imported_blosc2().decompress2(frame, dst=target, nthreads=1)  # threads of its own cost more than they save
    else:
        found.decompress(frame, target)


def _imported_blosc2() -> Any:
    """The package, to read by; never to write. Whatever its import moves is put back.

    Raises:
        LoadError: not on this thread: a cell may be drawing random numbers meanwhile.
    """
    if "blosc2" not in sys.modules and threading.current_thread() is not threading.main_thread():
        raise LoadError("the C library of blosc2 was not found: install its wheel, or ask for this between two cells")
    drawn, environment = random.getstate(), dict(os.environ)
    try:
        import blosc2
    finally:
        random.setstate(drawn)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
    return blosc2


def _zstd(data: memoryview) -> bytes:
    """A frame; empty where zstandard is not to be had."""
    compressor: Any = getattr(_local, "compressor", None)  # not to be shared between threads
    if compressor is None:
        try:
            import zstandard
        except ImportError:
            return b""
        compressor = _local.compressor = zstandard.ZstdCompressor(level=1)
    return bytes(compressor.compress(data))


def _decompress_zstd(frame: memoryview, target: memoryview) -> None:
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(frame, read_size=max(frame.nbytes, 1))
    filled = 0
    while filled < target.nbytes:
        count = reader.readinto(target[filled:])
        if not count:
            raise LoadError("a packed chunk in the store is damaged (it ends early)")
        filled += count
    if reader.read(1):
        raise LoadError("a packed chunk in the store is damaged (it is longer)")
