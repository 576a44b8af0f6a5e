"""The example of a search: what it says is so, in the notebook whose kernel it searched with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kishu_kernel.client import connect
from kishu_kernel.store.catalog.running_kernels import live_kernels
from kishu_kernel.store.format.signing import KEY_FILE
from tests.client.test_client import kernel, start
from tests.kernel.driver import Kernel

__all__ = ["kernel", "start"]  # fixtures

EXAMPLE = Path(__file__).parents[2] / "examples" / "tree_search.py"


def test_the_notebook_has_the_best_and_the_tree_is_in_its_history(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_FILE, raising=False)
    kernel.ok("mine = 1")
    done = subprocess.run([sys.executable, EXAMPLE, "book.ipynb"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    leaves = re.findall(r"^([01]\.\d+)  (\w+-\w+) +state (\w+)$", done.stdout, re.MULTILINE)
    assert sorted(leaves, key=lambda leaf: float(leaf[0]), reverse=True) == leaves
    assert len(set(leaves)) == 6
    score, name, best = leaves[0]
    assert kernel.value("mine, round(score, 3), model is not None") == (1, float(score), True)
    with connect("book.ipynb") as k:
        states = {each["id"]: each for each in k.log(all=True)["checkpoints"]}
        assert {f"{name}-{score}": state for score, name, state in leaves}.items() <= {
            tag: each["id"] for each in states.values() for tag in each["tags"]
        }.items()
        assert len({states[state]["parent"] for _, _, state in leaves}) == 3  # each way to clean, once
        assert states[best]["tags"] == ["best", f"{name}-{score}"]
        k.checkout(f"{leaves[-1][1]}-{leaves[-1][0]}")
    assert kernel.value("round(score, 3)") == float(leaves[-1][0])
    assert not [each for each in live_kernels() if each.is_fork]
