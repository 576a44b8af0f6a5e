from __future__ import annotations

import random
import subprocess
import sys

import numpy
import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.store.format.packing import HEADER_SIZE, LEAST, packed, raw_size, room, unpack

BLOSC2, ZSTD = 1, 2
draw = numpy.random.default_rng(0)
MIB = 1 << 20

ARRAYS = {
    "counting": numpy.arange(MIB // 8),
    "small integers": draw.integers(0, 100, MIB // 8),
    "booleans": draw.random(MIB) < 0.5,
    "two decimals": numpy.round(draw.normal(size=MIB // 8), 2),
    "zeros": numpy.zeros(MIB // 4, "f4"),
    "records": numpy.zeros(5000, "i8,f4,S20"),
    "odd length": draw.integers(0, 9, 100_001, dtype="i2")[:-1],
}


def raw(array: object) -> memoryview:
    return memoryview(array).cast("B")  # type: ignore[arg-type]


def unpacked(value: bytes) -> bytes:
    target = bytearray(raw_size(value))
    unpack(value, memoryview(target))
    return bytes(target)


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_compresses_comes_back(kind: str) -> None:
    array = ARRAYS[kind]
    data = raw(array.view("B"))
    value = packed(data, array.dtype.itemsize)
    assert value is not None
    assert len(value) < 0.8 * data.nbytes
    assert unpacked(value) == data


@pytest.mark.parametrize("array", [draw.integers(0, 1 << 62, MIB // 8), draw.random(MIB // 8)], ids=["i8", "f8"])
def test_what_does_not_compress_is_left(array: numpy.ndarray) -> None:
    assert packed(raw(array), 8) is None


def test_a_sample_decides() -> None:
    noise, zeros = random.Random(0).randbytes(MIB // 2), bytes(MIB // 2)
    assert packed(memoryview(noise + noise)) is None
    value = packed(memoryview(zeros + noise))
    assert value is not None
    assert unpacked(value) == zeros + noise


def test_the_codec_fits_the_bytes() -> None:
    typed = packed(raw(ARRAYS["counting"]), 8)
    decimals = packed(raw(ARRAYS["two decimals"]), 8)
    text = packed(memoryview(b"to be or not to be, that is the question " * 1000))
    assert typed is not None
    assert decimals is not None
    assert text is not None
    assert (typed[0], decimals[0], text[0]) == (BLOSC2, ZSTD, ZSTD)
    assert len(typed) < MIB / 100  # shuffled by items


@pytest.mark.parametrize("size", [0, 1, 100, LEAST - 1])
def test_small_chunks_are_left(size: int) -> None:
    assert packed(memoryview(bytes(size))) is None


def test_what_saves_no_page_is_left() -> None:
    half = random.Random(0).randbytes(2040)
    assert packed(memoryview(half + bytes(1600))) is None  # more than LMDB puts into a leaf, before and after
    assert packed(memoryview(half[:900] + bytes(1600))) is not None
    assert [room(size) for size in (1, 1999, 2000, 4080, 4081)] == [1, 1999, 4096, 4096, 8192]


@pytest.mark.parametrize("kind", ["counting", "two decimals"])
def test_damage_is_told(kind: str) -> None:
    value = packed(raw(ARRAYS[kind]), 8)
    assert value is not None
    size = raw_size(value)
    broken = [
        value[:HEADER_SIZE],
        value[: len(value) // 2],
        value[:-1],
        value[:HEADER_SIZE] + bytes(len(value) - HEADER_SIZE),
        value + b"more",
    ]
    for each in broken:
        with pytest.raises(LoadError, match="damaged"):
            unpack(each, memoryview(bytearray(size)))
    other = value[:1] + (size // 2).to_bytes(4, "little") + value[HEADER_SIZE:]
    with pytest.raises(LoadError, match="damaged"):
        unpacked(other)
    with pytest.raises(LoadError, match="codec 9"):
        unpack(b"\x09" + value[1:], memoryview(bytearray(size)))
    for short in (b"", value[: HEADER_SIZE - 1]):
        with pytest.raises(LoadError, match="no header"):
            raw_size(short)


def test_without_numpy_nothing_imports_it() -> None:
    code = """
import sys
from kishu_kernel.store.format.packing import packed, raw_size, unpack
import array
data = memoryview(array.array("q", range(100_000))).cast("B")
value = packed(data, 8)
assert value[0] == 2 and len(value) < len(data) // 2
target = bytearray(raw_size(value))
unpack(value, memoryview(target))
assert target == data
assert not {"numpy", "blosc2"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


def test_noise_does_not_import_blosc2() -> None:
    code = """
import sys
import numpy
from kishu_kernel.store.format.packing import packed
draw = numpy.random.default_rng(0)
for array in (draw.random(1 << 17), draw.integers(0, 256, 1 << 20, dtype="u1")):
    assert packed(memoryview(array).cast("B"), array.itemsize) is None
assert "blosc2" not in sys.modules
assert packed(memoryview(numpy.arange(1 << 17)).cast("B"), 8)[0] == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})
