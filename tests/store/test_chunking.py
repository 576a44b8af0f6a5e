from __future__ import annotations

import itertools
import pickle
import pickletools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.model import Buffer
from kishu_kernel.process.native import WALKER
from kishu_kernel.store.format import chunking
from kishu_kernel.store.format.chunking import (
    MAX_SIZE,
    MIN_SIZE,
    buffer_spans,
    content_chunks,
    join_seams,
    separate_seams,
)
from kishu_kernel.store.format.chunks import digest


class Thing:
    def __init__(self, number: int) -> None:
        self.number, self.text = number, str(number)


def stream(value: object) -> bytes:
    return pickle.dumps({"x": value}, 5)


def body(data: bytes) -> list[memoryview]:
    view = memoryview(data)
    return [view[start:stop] for start, stop in separate_seams(view).spans]


def chunks(value: object) -> dict[bytes, int]:
    return {digest(chunk): chunk.nbytes for chunk in content_chunks(body(stream(value)))}


def strings(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [f"item-{draw.random():.6f}" for _ in range(count)]


# --- what was stored before is found again

CONTAINERS: dict[str, Callable[[int], Any]] = {
    "strings": strings,
    "strings of one length": lambda count: [f"item-{number:07d}" for number in range(count)],
    "integers": lambda count: [random.Random(number).randrange(1 << 30) for number in range(count)],
    "dicts": lambda count: [{"id": number, "name": f"n{number}", "half": number / 2} for number in range(count)],
    "instances": lambda count: [Thing(number) for number in range(count)],
    "lines": lambda count: [" ".join(strings(9, number)) for number in range(count // 3)],
}

EDITS: dict[str, Callable[[list[Any], Any], list[Any]]] = {
    "insert first": lambda items, new: [new, *items],
    "insert": lambda items, new: [*items[: len(items) // 2], new, *items[len(items) // 2 :]],
    "append": lambda items, new: [*items, new],
    "delete first": lambda items, new: items[1:],
    "replace": lambda items, new: [*items[:1500], new, *items[1501:]],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("kind", CONTAINERS)
def test_an_edit_of_a_long_list_makes_a_few_chunks_new(kind: str, edit: str) -> None:
    *items, new = CONTAINERS[kind](60_000)
    before = chunks(items)
    assert len(before) > 8
    after = chunks(EDITS[edit](items, new))
    assert len([key for key in after if key not in before]) <= 3


@pytest.mark.parametrize("edit", ["add", "delete", "replace"])
def test_an_edit_of_a_long_dict_makes_a_few_chunks_new(edit: str) -> None:
    items: dict[str, object] = {key: len(key) / 7 + number for number, key in enumerate(strings(40_000))}
    before = chunks(items)
    keys = list(items)
    if edit == "add":
        items["more"] = 1.5
    elif edit == "delete":
        del items[keys[100]]
    else:
        items[keys[100]] = 2.5
    assert len([key for key in chunks(items) if key not in before]) <= 4


def test_an_edit_of_a_long_text_makes_a_few_chunks_new() -> None:
    text = "\n".join(f"for {name} in range({name}): use(" for name in strings(20_000))
    before = chunks(text)
    assert len([key for key in chunks("x" + text) if key not in before]) <= 3


# --- what was taken apart goes together


def together(data: bytes) -> bytes:
    seams = separate_seams(memoryview(data)).seams
    return join_seams(content_chunks(body(data)), seams)


@pytest.mark.parametrize(
    "value",
    [
        strings(30_000),
        {1: b"x" * 200_000, 2: [b"y" * 70_000, b"z" * 70_000, 1, "ü" * 70_000], 3: bytearray(100_000)},
        set(range(5000)),
        "e(" * 100_000,
        b"u(e(\x90(\x95" * 30_000,
        [],
    ],
    ids=["strings", "long bytes", "set", "pairs", "opcodes", "nothing"],
)
def test_streams_come_back(value: object) -> None:
    data = stream(value)
    assert together(data) == data


SEAMS = st.sampled_from([b"e(", b"u(", b"\x90(", b"e", b"(", b"\x95", b"\x95" + bytes(8), b"\x80\x05", b"B\1\0\0\0"])


@given(st.lists(st.one_of(st.binary(max_size=40), SEAMS, st.just(b"." * 300))))
def test_what_is_no_pickle_comes_back_too(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert together(data) == data


def test_all_frames_are_taken_out() -> None:
    data = stream([strings(9000), b"x" * 70_000, b"y" * 70_000, strings(9000, seed=1)])
    frames = [place for opcode, _, place in pickletools.genops(data) if opcode.name == "FRAME"]
    assert len(frames) > 4
    starts = [place for place in frames if data[place : place + 9] in b"".join(body(data))]
    assert starts == []


def test_seams_that_do_not_fit_are_told() -> None:
    data = stream(strings(9000))
    seams = separate_seams(memoryview(data)).seams
    parts = body(data)
    with pytest.raises(ValueError, match="more seams"):
        join_seams(parts[:-1], seams + (1 << 40).to_bytes(8, "little"))
    with pytest.raises(ValueError, match="multiple"):
        join_seams(parts, seams[:-1])
    with pytest.raises(ValueError, match="length"):
        join_seams(parts, bytes([chunking._FRAME]) + bytes(7))


# --- cuts


def test_chunks_make_up_the_bytes_within_their_sizes() -> None:
    data = random.Random(0).randbytes(3 << 20)
    cut = list(content_chunks([memoryview(data)]))
    assert b"".join(cut) == data
    sizes = [chunk.nbytes for chunk in cut]
    assert min(sizes[:-1]) >= MIN_SIZE
    assert max(sizes) <= MAX_SIZE
    assert 12_000 < sum(sizes) / len(sizes) < 50_000


@given(st.lists(st.integers(0, 5 << 18), max_size=6))
def test_cuts_do_not_depend_on_the_parts(places: list[int]) -> None:
    edges = [0, *sorted(places), len(NOISE)]
    parts = [memoryview(NOISE)[start:stop] for start, stop in itertools.pairwise(edges)]
    assert [chunk.nbytes for chunk in content_chunks(parts)] == NOISE_CUTS


NOISE = random.Random(1).randbytes(5 << 18)
NOISE_CUTS = [chunk.nbytes for chunk in content_chunks([memoryview(NOISE)])]


def test_cuts_are_where_they_were_in_earlier_releases() -> None:
    """Else the first checkpoint after an upgrade would store everything anew."""
    data = b"".join(b"%d,%d;" % (number, number * number % 9973) for number in range(30_000))
    sizes = [chunk.nbytes for chunk in content_chunks([memoryview(data)])]
    assert sizes == GOLDEN


GOLDEN = [30389, 19920, 14208, 20519, 45907, 22357, 37445, 63550, 16746, 38686, 5748]


@pytest.mark.parametrize("unit", [b"\0", b"\xff", b"G" + bytes(8), b"ab", b"0123456789" * 10])
def test_repetition_makes_repeated_chunks(unit: bytes) -> None:
    cut = list(content_chunks([memoryview(unit * (1_000_000 // len(unit)))]))
    assert len(cut) >= 7
    assert len({chunk.nbytes for chunk in cut}) <= 3
    for single in range(256):
        assert list(chunking._candidates(bytes([single]) * 1000)) == []


def test_long_rows_have_chunks_of_their_own() -> None:
    row = chunking.CHUNK_SIZE + 10
    assert list(buffer_spans(Buffer(memoryview(bytes(2 * row)), row))) == [
        (0, row - 10),
        (row - 10, row),
        (row, 2 * row - 10),
        (2 * row - 10, 2 * row),
    ]
    short = chunking.ROW_SIZE - 1
    assert list(buffer_spans(Buffer(memoryview(bytes(2 * short)), short))) == [(0, 2 * short)]


@pytest.mark.skipif(WALKER is None, reason="there is no native module")
@pytest.mark.parametrize("size", [0, 3, 8191, 8192, 131_072, 131_073, 300_000, 1_500_000])
@pytest.mark.parametrize("kind", ["random", "zeros", "pickle"])
def test_the_native_module_cuts_where_python_does(size: int, kind: str) -> None:
    made = {
        "random": lambda: random.Random(size).randbytes(size),
        "zeros": lambda: bytes(size),
        "pickle": lambda: pickle.dumps([(number, str(number)) for number in range(size // 10)], 5),
    }
    data = made[kind]()
    assert list(chunking._cuts(data)) == list(chunking._cuts_in_python(data))


@given(st.lists(st.sampled_from([b"e(", b"u(", b"\x90(", b"(", b"e", b"x" * 300, b"y" * 2000]), max_size=30))
def test_seams_are_found_in_both_ways(parts: list[bytes]) -> None:
    data = b"".join(parts)
    usual = [(place, kind) for kind, pair in enumerate(chunking._PAIRS) for place in chunking._places(data, pair)]
    natively = separate_seams(memoryview(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "WALKER", None)
        assert sorted(chunking._pairs(data)) == sorted(usual)
        assert separate_seams(memoryview(data)) == natively
