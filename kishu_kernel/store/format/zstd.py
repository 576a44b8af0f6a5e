"""zstd: the standard library's since Python 3.14, before that its backport, which is the same and small.

Where an environment is older than this package, as that of an editable install can be, zstandard does: it was what was
installed before.

Law: nothing is imported before something is packed or unpacked. What comes out is never longer than was asked for.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

_local = threading.local()


def compress(data: memoryview | bytes, level: int = 1) -> bytes:
    """A frame, which says the length of its content. The compressor of the last time is taken, if it has this level.

    Raises:
        ImportError: there is no zstd.
    """
    made: tuple[int, Any] | None = getattr(_local, "compressor", None)  # not to be shared between threads
    if made is None or made[0] != level:
        made = _local.compressor = level, _library().ZstdCompressor(level)
    whole = getattr(made[1], "FLUSH_FRAME", None)
    return bytes(made[1].compress(data) if whole is None else made[1].compress(data, whole))


def decompress(frame: memoryview | bytes, most: int) -> bytes:
    """The content of a frame.

    Args:
        most: bytes. A longer content is an error.

    Raises:
        ValueError: the frame is damaged, or its content is longer.
        ImportError: there is no zstd.
    """
    library = _library()
    try:
        return (_content_by_zstandard if hasattr(library, "frame_content_size") else _content)(library, frame, most)
    except library.ZstdError as error:
        raise ValueError(str(error)) from error


def _content(library: Any, frame: memoryview | bytes, most: int) -> bytes:
    reader = library.ZstdDecompressor()
    content = bytes(reader.decompress(frame, most))
    more = not reader.eof and reader.decompress(b"", 1)  # where all has come, the frame's end may be left
    if more or reader.unused_data:
        raise ValueError("it is longer than it says")
    if not reader.eof:
        raise ValueError("it ends early")
    return content


def _content_by_zstandard(library: Any, frame: memoryview | bytes, most: int) -> bytes:
    if not 0 <= library.frame_content_size(frame) <= most:
        raise ValueError("it is longer than it says")
    return bytes(library.ZstdDecompressor().decompress(frame, allow_extra_data=False))


def _library() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        try:
            from backports import zstd
        except ImportError:
            import zstandard

            return zstandard
    return zstd
