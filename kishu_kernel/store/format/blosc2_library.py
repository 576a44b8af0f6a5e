"""LZ4 behind a byte shuffle, by the C library of blosc2, without importing the Python package.

Importing the package takes a second, draws from `random`, and sets environment variables and thread limits of other
libraries. The notebook would see that, and it could not be undone, least of all from the writer's thread while a cell
runs. Here a shared library is loaded into the process and nothing else, and its calls release the interpreter's lock.

Law: frames are those of `blosc2.compress2`. No other codec or filter is ever used, in either direction. A library that
is not found, or whose structures are not the known ones, is not used.
Neighbour: `compression` says when it pays.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from kishu_kernel.errors import LoadError

HEADER = 32
"""Bytes of a frame before its content."""

_LZ4, _SHUFFLE, _LEVEL = 1, 1, 3
_ADDED_LATER = 512
"""Bytes that later versions of blosc2 may append to a structure. They are passed as zeros, which mean the default."""


class _Compression(ctypes.Structure):
    """`blosc2_cparams`, up to the last field that is needed. The same since the first release of blosc2."""

    _fields_ = (
        ("codec", ctypes.c_uint8),
        ("codec_meta", ctypes.c_uint8),
        ("level", ctypes.c_uint8),
        ("use_dict", ctypes.c_int),
        ("typesize", ctypes.c_int32),
        ("nthreads", ctypes.c_int16),
        ("blocksize", ctypes.c_int32),
        ("splitmode", ctypes.c_int32),
        ("schunk", ctypes.c_void_p),
        ("filters", ctypes.c_uint8 * 6),
        ("filters_meta", ctypes.c_uint8 * 6),
        ("later", ctypes.c_uint64 * (_ADDED_LATER // 8)),
    )


class _Decompression(ctypes.Structure):
    """`blosc2_dparams`, likewise."""

    _fields_ = (("nthreads", ctypes.c_int16), ("later", ctypes.c_uint64 * (_ADDED_LATER // 8)))


class Library:
    """The C library, loaded.

    Raises:
        OSError: the file is not blosc2, or its structures are not the known ones.
    """

    def __init__(self, file: Path) -> None:
        self._calls = calls = ctypes.CDLL(str(file))
        try:
            for name in ("blosc2_create_cctx", "blosc2_create_dctx"):
                getattr(calls, name).restype = ctypes.c_void_p
            for name in ("blosc2_compress_ctx", "blosc2_decompress_ctx", "blosc2_free_ctx"):
                getattr(calls, name).restype = ctypes.c_int
            usual = calls.blosc2_get_blosc2_cparams_defaults
        except AttributeError as error:
            raise OSError(f"{file} is not blosc2 ({error})") from error
        usual.restype = _Compression
        self._usual: _Compression = usual()
        found = self._usual
        if (found.codec, found.level, found.typesize, found.nthreads, *found.filters) != (0, 5, 8, 1, 0, 0, 0, 0, 0, 1):
            raise OSError(f"{file} is of a blosc2 that is not known")
        calls.blosc2_init()

    def compress(self, data: memoryview, item_bytes: int) -> bytes:
        """A frame that is shorter than the data; empty where none is, or environment variables ask for other codecs."""
        wanted = _Compression.from_buffer_copy(self._usual)
        wanted.codec, wanted.level, wanted.typesize = _LZ4, _LEVEL, min(item_bytes, 255)
        target = ctypes.create_string_buffer(data.nbytes)
        context = ctypes.c_void_p(self._calls.blosc2_create_cctx(wanted))
        try:
            with _Bytes(data) as source:
                size = self._calls.blosc2_compress_ctx(context, source, data.nbytes, target, data.nbytes)
        finally:
            self._calls.blosc2_free_ctx(context)
        frame = memoryview(target).cast("B")[: max(size, 0)]
        return frame.tobytes() if uses_known_codecs(frame) else b""

    def decompress(self, frame: memoryview, target: memoryview) -> None:
        """Decompress a frame into `target`, which has the length that the frame says. LoadError for a damaged frame."""
        context = ctypes.c_void_p(self._calls.blosc2_create_dctx(_Decompression(nthreads=1)))
        try:
            with _Bytes(frame) as source, _Bytes(target) as sink:
                size = self._calls.blosc2_decompress_ctx(context, source, frame.nbytes, sink, target.nbytes)
        finally:
            self._calls.blosc2_free_ctx(context)
        if size != target.nbytes:
            raise LoadError(f"a packed chunk in the store is damaged (blosc2's error {size})")


class _Buffer(ctypes.Structure):
    """The interpreter's own `Py_buffer`."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("owner", ctypes.c_void_p),
        ("size", ctypes.c_ssize_t),
        ("rest", ctypes.c_void_p * 12),
    )


class _Bytes:
    """The address of contiguous bytes, writable or not. They are not freed or moved within this context."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._buffer = _Buffer()

    def __enter__(self) -> ctypes.c_void_p:
        # Not the attribute, which is one for the process: the user may have given it types of arguments.
        ctypes.pythonapi["PyObject_GetBuffer"](ctypes.py_object(self._view), ctypes.byref(self._buffer), 0)
        return ctypes.c_void_p(self._buffer.address)

    def __exit__(self, *_: object) -> None:
        ctypes.pythonapi["PyBuffer_Release"](ctypes.byref(self._buffer))


def uses_known_codecs(frame: memoryview) -> bool:
    """Whether a frame uses nothing but LZ4 and the byte shuffle.

    For codecs and filters that are plugins, blosc2 starts a Python that imports them from the current directory: a
    chunk that somebody put into a store could run code before its digest is checked.
    """
    extended = 0b101
    if frame.nbytes < HEADER:
        return False
    flags, filters, codec = frame[2], frame[16:22], frame[22]
    return flags & extended == extended and flags >> 5 == _LZ4 and max(filters) <= _SHUFFLE and codec <= _LZ4


def frame_sizes(frame: memoryview) -> tuple[int, int]:
    """The lengths of the content and of the frame itself, as a frame of at least `HEADER` bytes says them."""
    content, _, whole = struct.unpack_from("<3i", frame, 4)
    return content, whole


@cache
def library() -> Library | None:
    """The C library; None where it is not available. The first call searches for it: some milliseconds."""
    for file in _candidates():
        with suppress(OSError):
            return Library(file)
    return None


def _candidates() -> Iterator[Path]:
    """Files that may be the library: where wheels of blosc2 (old ones beside the package) and conda put it."""
    names = {"win32": ("libblosc2.dll", "blosc2.dll"), "darwin": ("libblosc2.dylib",)}
    for folder in _folders():
        for name in names.get(sys.platform, ("libblosc2.so",)):
            if (folder / name).is_file():
                yield folder / name


def _folders() -> Iterator[Path]:
    spec = PathFinder.find_spec("blosc2")  # calls no import hook of the user's, and imports nothing
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        yield from (package / "lib", package.parent / "lib", package.parent / "bin")
        prefix = Path(sys.prefix)
        yield from (prefix / "lib", prefix / "Library" / "bin")
