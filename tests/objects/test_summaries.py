"""One line about a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kishu_kernel.objects.summaries import describe


class Shouting:
    def __repr__(self) -> str:
        raise AssertionError("no code of the user's is run")

    __str__ = __repr__


def test_what_is_long_is_not_written_out() -> None:
    number = 1 << 50_000
    assert describe("x", number).summary == "int of 50,001 bits"
    assert describe("x", {"a": number}).summary == "{'a': int of 50,001 bits}"
    assert describe("x", (b"x" * 100_000,)).summary == "(b'xxxxxxxxxxxxxxxxxxxx'… of 100,000 bytes,)"
    assert describe("x", [10**20, b"y"]).summary == "[100000000000000000000, b'y']"


@pytest.mark.parametrize(
    ("value", "summary"),
    [
        (np.int64(6), "6"),
        (np.float32(0.5), "0.5"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.zeros((3, 4)), "3 x 4 float64"),
        (np.array(7), "7"),
        (np.array(Shouting(), dtype=object), " object"),
    ],
)
def test_numpy(value: Any, summary: str) -> None:
    assert describe("x", value).summary.strip() == summary.strip()


def test_frames() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({f"c{number}": [1, 2, 3] for number in range(9)})
    assert describe("x", frame).summary == "3 x 9: c0, c1, c2, c3, c4, c5, c6, c7, ..."
    assert describe("x", frame[["c0", "c1"]]).summary == "3 x 2: c0, c1"
    assert describe("x", frame["c0"]).summary == "3 int64"
