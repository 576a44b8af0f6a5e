from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy
import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.store.format import blosc2_library, palette
from kishu_kernel.store.format.compression import HEADER_SIZE, MIN_SIZE, compress, decompress, raw_size, stored_size
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.support.harness import Notebook

BLOSC2, ZSTD, PALETTE = 1, 2, 3
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
    assert (typed[0], prices[0], decimals[0], text[0]) == (BLOSC2, ZSTD, PALETTE, ZSTD)
    assert len(typed) < MIB / 100  # shuffled by items


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


def test_without_numpy_nothing_imports_it() -> None:
    code = """
import sys
from kishu_kernel.store.format.compression import compress, decompress, raw_size
import array
data = memoryview(array.array("q", range(100_000))).cast("B")
value = compress(data, 8)
assert value[0] == 1 and len(value) < len(data) // 100
target = bytearray(raw_size(value))
decompress(value, memoryview(target))
assert target == data
assert not {"numpy", "blosc2"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


BY_ITSELF = """
import os, random, sys
sys.path[:0] = os.environ["BESIDE"].split(":")
random.seed(1)
before = random.getstate(), dict(os.environ), list(sys.path), list(sys.meta_path)
from kishu_kernel.store.format.compression import compress, decompress, raw_size
"""


def by_itself(code: str, *beside: Path) -> None:
    """Runs this in a process of its own, with these folders first on its path."""
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "BESIDE": ":".join(map(str, beside))}
    subprocess.run([sys.executable, "-c", BY_ITSELF + code], check=True, env=environment)


def test_packing_moves_nothing() -> None:
    by_itself("""
import numpy
draw = numpy.random.default_rng(0)
for array in (draw.random(1 << 17), draw.integers(0, 256, 1 << 20, dtype="u1")):
    assert compress(memoryview(array).cast("B"), array.itemsize) is None
value = compress(memoryview(numpy.arange(1 << 17)).cast("B"), 8)
assert value[0] == 1
decompress(value, memoryview(bytearray(raw_size(value))))
assert not {"blosc2", "rich", "numexpr"} & set(sys.modules)
assert before == (random.getstate(), dict(os.environ), list(sys.path), list(sys.meta_path))
""")


@pytest.mark.parametrize("library", ["none", "another", "damaged"])
def test_without_the_library_zstd_writes_and_the_package_reads(tmp_path: Path, library: str) -> None:
    """What the package imports may draw and set whatever it likes: as it does today."""
    package = tmp_path / "blosc2"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os, random\nrandom.random()\nos.environ['BLOSC2_WAS_HERE'] = ''\n"
        "def decompress2(frame, dst, nthreads): dst[:] = bytes(8 * 131072)"
    )
    if library == "another":
        shutil.copy(next(Path(lmdb.__file__).parent.glob("*.so")), package / "lib" / "libblosc2.so")
    elif library == "damaged":
        (package / "lib" / "libblosc2.so").write_bytes(b"\x7fELF")
    value = compress(memoryview(bytes(8 * 131072)), 8)
    assert value is not None
    by_itself(
        f"""
import threading
assert compress(memoryview(bytes(8 * 131072)), 8)[0] == 2
value = {value!r}
errors = []
def elsewhere():
    try:
        decompress(value, memoryview(bytearray(raw_size(value))))
    except Exception as error:
        errors.append(str(error))
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
assert "between two cells" in errors[0], errors
decompress(value, memoryview(bytearray(raw_size(value))))
assert sys.modules["blosc2"].__file__.startswith({str(tmp_path)!r})
assert before == (random.getstate(), dict(os.environ), list(sys.path), list(sys.meta_path))
""",
        tmp_path,
    )


@pytest.mark.parametrize("kind", ARRAYS)
def test_frames_are_those_of_the_package(kind: str) -> None:
    """Each reads what the other wrote."""
    blosc2 = pytest.importorskip("blosc2")
    array = ARRAYS[kind]
    data, width = raw(array.view("B")), array.dtype.itemsize
    theirs = blosc2.compress2(
        data, codec=blosc2.Codec.LZ4, clevel=3, filters=[blosc2.Filter.SHUFFLE], typesize=width, nthreads=1
    )
    assert unpacked(bytes([BLOSC2]) + data.nbytes.to_bytes(4, "little") + theirs) == data
    library = blosc2_library.library()
    assert library is not None
    ours = library.compress(data, width)
    assert len(ours) <= len(theirs) * 1.01
    target = bytearray(data.nbytes)
    blosc2.decompress2(ours, dst=target)
    assert target == data


def test_an_environment_that_asks_for_other_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    """blosc2 would obey, and what it wrote could not be read."""
    monkeypatch.setenv("BLOSC_COMPRESSOR", "zstd")
    data = raw(ARRAYS["counting"])
    value = compress(data, 8)
    assert value is not None
    assert value[0] == ZSTD
    assert unpacked(value) == data


@pytest.mark.parametrize(
    ("platform", "folder", "name"),
    [
        ("linux", "site/blosc2/lib", "libblosc2.so"),
        ("linux", "site/lib", "libblosc2.so"),
        ("darwin", "site/blosc2/lib", "libblosc2.dylib"),
        ("darwin", "site/lib", "libblosc2.dylib"),
        ("win32", "site/blosc2/lib", "libblosc2.dll"),
        ("win32", "site/bin", "libblosc2.dll"),
        ("linux", "prefix/lib", "libblosc2.so"),
        ("win32", "prefix/Library/bin", "libblosc2.dll"),
    ],
)
def test_where_the_library_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, folder: str, name: str
) -> None:
    """Wheels of 3.3 and 4, for each system; conda."""
    for each in ("site/blosc2", folder):
        (tmp_path / each).mkdir(parents=True, exist_ok=True)
    (tmp_path / "site/blosc2/__init__.py").touch()
    (tmp_path / folder / name).touch()
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert list(blosc2_library._candidates()) == [tmp_path / folder / name]


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
