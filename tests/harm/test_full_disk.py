"""A disk that is full: no cell is the worse for it, and nothing that could not be written stays alive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel
from tests.store.faults import small_disk

SIZE = 8 << 20
ARRAYS = f"""
import gc, weakref, numpy as np
def fresh(seed):
    return np.random.default_rng(seed).integers(0, 255, {SIZE}, dtype=np.uint8)
"""
PATIENCE = 60.0


@pytest.fixture
def full(start: Start, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel on a disk that has room for seven arrays."""
    with small_disk(tmp_path / "small", "64m") as place:
        kernel = start("--KishuKernel.store_limit=0", environment={"KISHU_STORE_DIR": str(place / "stores")})
        kernel.ok(ARRAYS)
        yield kernel


def settled(kernel: Kernel) -> None:
    """As after some think time."""
    deadline = time.monotonic() + PATIENCE
    while kernel.done("status")["pending"]:
        assert time.monotonic() < deadline, "it is still writing"


def fill(kernel: Kernel, arrays: int = 9) -> None:
    for seed in range(arrays):
        kernel.ok(f"a{seed} = fresh({seed})")
        settled(kernel)
        kernel.ok("_ = gc.collect()")
    assert any("no room" in each for each in kernel.done("status")["warnings"])


def test_a_disk_that_fills_with_arrays(full: Kernel) -> None:
    fill(full)
    assert full.value("[bool((globals()[f'a{n}'] == fresh(n)).all()) for n in range(9)]") == [True] * 9


@pytest.mark.parametrize(
    "make",
    [
        "fresh(77).reshape(1 << 10, -1)[:, 1:]",
        "__import__('pandas').DataFrame({'a': fresh(77), 'b': fresh(78)})",
        "type('Box', (), {})()",
    ],
    ids=["view", "frame", "instance"],
)
def test_what_could_not_be_written_is_not_kept(full: Kernel, make: str) -> None:
    """No collection is needed: the error of a commit that failed holds nothing."""
    fill(full)
    full.ok(f"gc.disable(); big = {make}; big.more = fresh(79)" if "type(" in make else f"gc.disable(); big = {make}")
    settled(full)
    full.ok("gone = weakref.ref(big)")
    settled(full)
    full.ok("del big")
    settled(full)
    full.ok("pass")
    settled(full)
    assert full.value("gone() is None") is True
    full.ok("gc.enable(); _ = gc.collect()")
