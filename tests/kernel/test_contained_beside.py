"""Cells that spell nothing but plain data, where something else listens to what the kernel does around every cell.

A row has what prepares, and a cell of plain data that changes an environment variable all the same. That is in the
cell's own state: an undo takes it back, a redo brings it.
"""

from __future__ import annotations

import pytest

from .conftest import Start

PREPARED = """
import os, sys, weakref, builtins
n, xs, busy = 5, [1, 2], False
def put(*_, **__):
    global busy
    if not busy:
        busy = True
        os.environ["KISHU_N"] = str(int(os.environ.get("KISHU_N", 0)) + 1)
        busy = False
    return "put"
"""

WAYS: dict[str, tuple[str, str]] = {
    "a set that is watched": ("s = {1}\nr = weakref.ref(s, put)", "del s"),
    "a frozen set with a finalizer": ("s = [frozenset({1})]\nend = weakref.finalize(s[0], put)", "s.clear()"),
    "builtins of the notebook's": ("__builtins__ = {**vars(builtins), 'len': lambda each: put() and 2}", "len(xs)"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_only_looks_so(way: str, start: Start) -> None:
    prepare, cell = WAYS[way]
    kernel = start()
    kernel.ok(PREPARED)
    kernel.ok(prepare)
    for number in range(2):  # it is not said to be new each time
        kernel.ok(f"m = {number}")
    before = kernel.value("os.environ.get('KISHU_N')")
    kernel.ok(cell)
    newest = kernel.done("log", limit=1)["checkpoints"][0]
    assert newest["code"] == cell
    assert "environment variables" in newest["ambient"]
    assert kernel.value("os.environ.get('KISHU_N')") != before
