"""What an array occupies, and not what its shape says, is what is hashed."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.memory import (
    LARGE_BYTES,
    UntouchedPages,
    address,
    has_internal_overlap,
    is_mapped,
    mapped_file_at,
)

pytestmark = pytest.mark.usefixtures("both_twins")

TABLE = ReductionTable({"__name__": "__main__"})
NUMBERS = np.arange(100.0)


def look(obj: Any) -> bytes:
    return digest_of({"x": obj}, TABLE)


@pytest.mark.parametrize(
    ("view", "folded"),
    [
        (NUMBERS[::2], False),
        (NUMBERS[::-1], False),
        (NUMBERS.reshape(10, 10).T[::3], False),
        (np.broadcast_to(1.5, (5,)), True),
        (sliding_window_view(NUMBERS, 3), True),
        (sliding_window_view(NUMBERS[::-1], 3), True),
        (as_strided(NUMBERS, (40, 2), (16, 16)), True),
        (as_strided(NUMBERS, (30, 2), (24, 16)), False),
    ],
)
def test_which_views_show_memory_more_than_once(view: Any, folded: bool) -> None:
    assert has_internal_overlap(view) is folded


def test_other_strides_over_the_same_memory_are_another_value() -> None:
    assert look(as_strided(NUMBERS, (9, 9), (8, 16))) != look(as_strided(NUMBERS, (9, 9), (16, 8)))
    assert look(np.broadcast_to(1.5, (5,))) != look(np.broadcast_to(2.5, (5,)))
    assert look(np.broadcast_to(1.5, (5,))) == look(np.broadcast_to(1.5, (5,)))


@pytest.mark.parametrize("extra", [0, 1, 4097])
def test_untouched_zeros_are_as_touched_ones(extra: int) -> None:
    untouched, touched = np.zeros(2 * LARGE_BYTES + extra, "B"), np.zeros(2 * LARGE_BYTES + extra, "B")
    touched.fill(0)
    assert look(untouched) == look(touched)
    touched[LARGE_BYTES + 5] = 1
    assert look(untouched) != look(touched)
    untouched[LARGE_BYTES + 5] = 1
    assert look(untouched) == look(touched)


def test_what_was_touched_is_not_blank() -> None:
    data = np.zeros(2 * LARGE_BYTES, "B")
    data[LARGE_BYTES] = 1
    untouched_pages = UntouchedPages(address(data), data.nbytes)
    assert not untouched_pages.covers(LARGE_BYTES - 10, 20)
    assert not UntouchedPages(address(data), 10).covers(0, 10)  # too little to ask


def test_a_file_that_can_only_be_read_is_known_without_being_read(tmp_path: Path) -> None:
    name = tmp_path / "data"
    NUMBERS.tofile(name)
    mapped = np.memmap(name, "f8", "r")
    start = address(mapped)
    assert is_mapped(mapped[3:])
    assert not is_mapped(NUMBERS[3:])
    assert mapped_file_at(start, start + mapped.nbytes) is not None
    assert mapped_file_at(address(NUMBERS), address(NUMBERS) + 8) is None
    writable = np.memmap(name, "f8", "r+")
    assert mapped_file_at(address(writable), address(writable) + 8) is None
    assert look(np.asarray(mapped)) == look(np.asarray(np.memmap(name, "f8", "r")))
    assert look(mapped[:5]) != look(mapped[1:6])


def test_anonymous_maps_are_read() -> None:
    data = mmap.mmap(-1, 4096)
    view = np.frombuffer(data, "B")
    before = look(view)
    data[5] = 1
    assert look(view) != before


def test_few_atoms_in_many_places() -> None:
    text = "a" * 100_000
    assert look([text] * 5000) == look(["a" * 100_000 for _ in range(2)] * 2500)
    assert look([text] * 5000) != look([text] * 4999 + [text + "b"])
    assert look([text, 1] * 5000) != look([text, True] * 5000)
    assert look([text, "b"] * 5000) != look(["b", text] * 5000)
    assert look([text.encode()] * 5000) != look([text] * 5000)
