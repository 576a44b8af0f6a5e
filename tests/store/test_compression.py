from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.errors import LoadError
from kishu_kernel.process.native import WALKER
from kishu_kernel.store.format import palette, shuffled, zstd
from kishu_kernel.store.format.compression import HEADER_SIZE, MIN_SIZE, compress, decompress, raw_size, stored_size
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.support.harness import Notebook

SHUFFLED, ZSTD, PALETTE = 1, 2, 3
TYPED = SHUFFLED if WALKER else ZSTD
"""What items are packed with that a shuffle helps: without the native module nothing shuffles them."""
needs_native = pytest.mark.skipif(WALKER is None, reason="the native module writes these")
draw = numpy.random.default_rng(0)
MIB = 1 << 20

ARRAYS = {
    "counting": numpy.arange(MIB // 8),
    "small integers": draw.integers(0, 100, MIB // 8),
    "booleans": draw.random(MIB) < 0.5,
    "two decimals": numpy.round(draw.normal(size=MIB // 8), 2),
    "prices": numpy.round(draw.normal(100, 30, MIB // 8), 2),
    "zeros": numpy.zeros(MIB // 4, "f4"),
    "records": numpy.zeros(5000, "i8,f4,S20"),
    "pixels": draw.integers(0, 237, MIB // 4).astype("f4") / 255,
    "standardised": (draw.integers(0, 237, (MIB // 12, 3)).astype("f4") / 255 - [0.3, 0.4, 0.5]).astype("f4"),
    "marks": draw.choice([-0.0, 0.0, numpy.nan, numpy.inf, *draw.random(96)], MIB // 8),
    "odd length": draw.integers(0, 9, 100_001, dtype="i2")[:-1],
}


def raw(array: object) -> memoryview:
    return memoryview(array).cast("B")  # type: ignore[arg-type]


def unpacked(value: bytes) -> bytes:
    target = bytearray(raw_size(value))
    decompress(value, memoryview(target))
    return bytes(target)


@pytest.mark.parametrize("kind", ARRAYS)
def test_what_compresses_comes_back(kind: str) -> None:
    array = ARRAYS[kind]
    data = raw(array.view("B"))
    value = compress(data, array.dtype.itemsize)
    assert value is not None
    assert len(value) < 0.8 * data.nbytes
    assert unpacked(value) == data


@pytest.mark.parametrize("array", [draw.integers(0, 1 << 62, MIB // 8), draw.random(MIB // 8)], ids=["i8", "f8"])
def test_what_does_not_compress_is_left(array: numpy.ndarray) -> None:
    assert compress(raw(array), 8) is None


def test_a_sample_decides() -> None:
    noise, zeros = random.Random(0).randbytes(MIB // 2), bytes(MIB // 2)
    assert compress(memoryview(noise + noise)) is None
    value = compress(memoryview(zeros + noise))
    assert value is not None
    assert unpacked(value) == zeros + noise


def test_the_codec_fits_the_bytes() -> None:
    typed = compress(raw(ARRAYS["counting"]), 8)
    prices = compress(raw(ARRAYS["prices"]), 8)
    decimals = compress(raw(ARRAYS["two decimals"]), 8)
    text = compress(memoryview(b"to be or not to be, that is the question " * 1000))
    assert typed is not None
    assert prices is not None
    assert decimals is not None
    assert text is not None
    assert (typed[0], prices[0], decimals[0], text[0]) == (TYPED, ZSTD, PALETTE, ZSTD)
    assert WALKER is None or len(typed) < MIB / 100  # shuffled by items


@pytest.mark.parametrize("size", [0, 1, 100, MIN_SIZE - 1])
def test_small_chunks_are_left(size: int) -> None:
    assert compress(memoryview(bytes(size))) is None


def test_what_saves_no_page_is_left() -> None:
    half = random.Random(0).randbytes(2040)
    assert compress(memoryview(half + bytes(1600))) is None  # more than LMDB puts into a leaf, before and after
    assert compress(memoryview(half[:900] + bytes(1600))) is not None
    assert [stored_size(size) for size in (1, 1999, 2000, 4080, 4081)] == [1, 1999, 4096, 4096, 8192]


@pytest.mark.parametrize("kind", ["pixels", "standardised", "marks"])
def test_few_values_are_numbered(kind: str) -> None:
    array = ARRAYS[kind]
    value = compress(raw(array.view("B")), array.itemsize)
    assert value is not None
    assert value[0] == PALETTE
    assert len(value) < (0.13 if array.itemsize == 8 else 0.35) * array.nbytes


def test_values_that_a_sample_does_not_show_are_found() -> None:
    array = ARRAYS["pixels"].copy()
    array[[3, 70_001, -1]] = draw.random(3)
    value = compress(raw(array), 4)
    assert value is not None
    assert value[0] == PALETTE
    assert unpacked(value) == raw(array)
    array[:3000] = draw.random(3000)
    many = compress(raw(numpy.concatenate((ARRAYS["pixels"][:9000], array))), 4)
    assert many is None or many[0] == ZSTD


@pytest.mark.parametrize("kind", ["pixels", "standardised", "marks"])
def test_numbered_items_are_read_without_numpy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = raw(ARRAYS[kind].view("B").reshape(-1))[: (1 << 19) + 3]  # and three bytes that are no item
    value = compress(data, ARRAYS[kind].itemsize)
    assert value is not None
    assert value[0] == PALETTE
    assert unpacked(value) == data
    monkeypatch.setattr(palette, "_array_type", lambda: None)
    assert unpacked(value) == data
    without = compress(data, ARRAYS[kind].itemsize)
    assert without is None or without[0] == ZSTD


@pytest.mark.parametrize("kind", ["pixels", "marks"])
def test_functions_of_numpy_that_the_user_has_exchanged_are_not_called(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchanged(*_: object, **__: object) -> None:
        raise AssertionError("code of the user's has run")

    for name, value in list(vars(numpy).items()):
        if callable(value) and not isinstance(value, type) and not name.startswith("_"):
            monkeypatch.setattr(numpy, name, exchanged)
    data = memoryview(ARRAYS[kind].reshape(-1)).cast("B")
    value = compress(data, ARRAYS[kind].itemsize)
    assert value is not None
    assert value[0] == PALETTE
    assert unpacked(value) == data


def test_a_number_that_means_no_value_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    data = raw(ARRAYS["pixels"])
    value = bytearray(compress(data, 4) or b"")
    place = HEADER_SIZE + 3
    (count,) = struct.unpack_from("<H", value, place)
    packed, start = value[HEADER_SIZE + 2], HEADER_SIZE + 5 + 4 * count
    assert not packed  # noise: 255 stands for no value
    value[start] = 255
    for _ in range(2):
        with pytest.raises(LoadError, match="damaged"):
            unpacked(bytes(value))
        monkeypatch.setattr(palette, "_array_type", lambda: None)


@pytest.mark.parametrize("kind", ["counting", "prices", "pixels", "standardised"])
def test_damage_is_told(kind: str) -> None:
    value = compress(raw(ARRAYS[kind].view("B")), ARRAYS[kind].itemsize)
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
            decompress(each, memoryview(bytearray(size)))
    other = value[:1] + (size // 2).to_bytes(4, "little") + value[HEADER_SIZE:]
    with pytest.raises(LoadError, match="damaged"):
        unpacked(other)
    with pytest.raises(LoadError, match="codec 9"):
        decompress(b"\x09" + value[1:], memoryview(bytearray(size)))
    for short in (b"", value[: HEADER_SIZE - 1]):
        with pytest.raises(LoadError, match="no header"):
            raw_size(short)


def test_packing_moves_and_imports_nothing() -> None:
    code = f"""
import array, os, random, sys
random.seed(1)
before = random.getstate(), dict(os.environ), list(sys.path), list(sys.meta_path)
from kishu_kernel.store.format.compression import compress, decompress, raw_size
assert compress(memoryview(random.Random(2).randbytes(1 << 20)), 8) is None
data = memoryview(array.array("q", range(100_000))).cast("B")
value = compress(data, 8)
assert value[0] == {TYPED}
target = bytearray(raw_size(value))
decompress(value, memoryview(target))
assert target == data
assert not {{"numpy", "blosc2", "rich", "numexpr"}} & set(sys.modules)
assert before == (random.getstate(), dict(os.environ), list(sys.path), list(sys.meta_path))
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("library", ["compression.zstd", "backports.zstd", "zstandard"])
def test_each_zstd_says_what_is_wrong(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one was needed before, and is there where an environment is older."""
    module = pytest.importorskip(library)
    monkeypatch.setattr(zstd, "_library", lambda: module)
    monkeypatch.setattr(zstd, "_local", threading.local())
    content = b"to be or not to be " * 9999
    for frame in (zstd.compress(content), zstd.compress(memoryview(content), level=3)):
        assert zstd.decompress(memoryview(frame), len(content)) == content
        for wrong in (b"", frame[:-1], frame + b"more", b"none" + frame):
            with pytest.raises(ValueError, match=r"\w"):
                zstd.decompress(wrong, len(content))
        with pytest.raises(ValueError, match="longer"):
            zstd.decompress(frame, len(content) - 1)


# --- shuffled items

WIDTHS = (2, 3, 4, 7, 8, 12, 16, 17, 40, 255)
FRAMES = [*ARRAYS, "wide", "hardly longer than a row", "all the same"]


def items(kind: str) -> tuple[memoryview, int]:
    """Bytes, and how many of them make an item."""
    if kind == "wide":
        return memoryview(numpy.array([f"name {number}" for number in range(5000)]).view("B")), 40
    if kind == "hardly longer than a row":
        return memoryview(b"ab" * 300), 255
    if kind == "all the same":
        return memoryview(b"seven by" * 9999), 8
    return raw(ARRAYS[kind].view("B").reshape(-1)), ARRAYS[kind].dtype.itemsize


def unshuffled(frame: bytes | bytearray, size: int, twin: str) -> bytes:
    target = bytearray(size)
    (shuffled._in_python if twin == "python" else shuffled.decompress)(memoryview(frame), memoryview(target))
    return bytes(target)


@pytest.mark.parametrize("kind", FRAMES)
def test_blosc2_reads_what_is_written_here_and_what_it_wrote_is_read(kind: str) -> None:
    """It wrote the stores of before, and kernels of before read with it what is written now."""
    blosc2 = pytest.importorskip("blosc2")
    data, width = items(kind)
    settings = {"codec": blosc2.Codec.LZ4, "clevel": 3, "filters": [blosc2.Filter.SHUFFLE], "nthreads": 1}
    theirs = blosc2.compress2(data, typesize=width, **settings)
    for twin in ("native", "python"):
        assert unshuffled(theirs, data.nbytes, twin) == data
    ours = shuffled.compress(data, width)
    if WALKER is not None:
        assert len(ours) <= len(theirs) * 1.2 + 64
        target = bytearray(data.nbytes)
        blosc2.decompress2(ours, dst=target)
        assert target == data


@needs_native
@given(st.binary(max_size=40), st.integers(1, 2000), st.integers(0, 300), st.sampled_from(WIDTHS))
def test_both_twins_read_what_was_written(some: bytes, times: int, noise: int, width: int) -> None:
    data = memoryview(some * times + random.Random(times).randbytes(noise) + some)
    frame = shuffled.compress(data, width)
    assert len(frame) < data.nbytes or not frame
    if frame:
        assert unshuffled(frame, data.nbytes, "native") == unshuffled(frame, data.nbytes, "python") == data


@needs_native
@pytest.mark.parametrize("kind", ["counting", "small integers", "odd length", "records", "zeros"])
def test_a_frame_that_somebody_changed_is_read_alike_or_refused_by_both(kind: str) -> None:
    """Nothing but the target is written to, wherever the frame points."""
    data, width = items(kind)
    data = data[:9999]
    frame, chance = shuffled.compress(data, width), random.Random(kind)
    for _ in range(150):
        changed = bytearray(frame)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(chance.choice([len(frame), min(len(frame), 80)]))] = chance.choice(
                [0, 1, 127, 255]
            )
        read = []
        for twin in ("native", "python"):
            try:
                read.append(unshuffled(changed, data.nbytes, twin))
            except (ValueError, IndexError, struct.error):
                read.append(b"")
        assert read[0] == read[1]


@needs_native
def test_without_the_native_module_zstd_writes_and_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data, width = items("counting")
    value = compress(data, width)
    monkeypatch.setattr(shuffled, "WALKER", None)
    other = compress(data, width)
    assert value is not None
    assert other is not None
    assert (value[0], other[0]) == (SHUFFLED, ZSTD)
    assert unpacked(value) == unpacked(other) == data


@pytest.mark.parametrize("kind", ["pixels", "standardised", "marks"])
def test_numbered_items_come_back_in_a_session(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undone twice, and in a new session; every bit is what it was."""
    stored = ARRAYS[kind].reshape(-1)
    store = LmdbStore(tmp_path / "store")
    notebook = Notebook.as_main(monkeypatch, "code", store)
    notebook.live["source"] = stored
    notebook.ok("x = source.copy(); v = x[5:10]")
    assert store.statistics().bytes < 0.5 * stored.nbytes
    for _ in range(2):
        notebook.ok("x[:] = 0")
        notebook.session.undo(1)
        assert notebook["x"].tobytes() == stored.tobytes()
        assert numpy.shares_memory(notebook["x"], notebook["v"])
    head = notebook.head
    assert head is not None
    notebook.session.close()
    again = Notebook.as_main(monkeypatch, "code", LmdbStore(tmp_path / "store"), "there")
    again.session.checkout(head)
    assert again["x"].tobytes() == stored.tobytes()
    again["v"][0] = 7
    assert again["x"][5] == 7
    again.session.close()
