"""The conda recipe needs what the package needs, in conda's names, and is of the same version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import kishu_kernel

yaml = pytest.importorskip("yaml")  # JupyterLab's environment has it
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "conda" / "recipe.yaml"
CALLED = {"python-lmdb": "lmdb", "python-xxhash": "xxhash"}
"""Packages that conda-forge calls otherwise."""


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return yaml.safe_load(RECIPE.read_text("utf-8"))


def test_version_is_the_package_s(recipe: dict[str, Any]) -> None:
    assert recipe["context"]["version"] == kishu_kernel.__version__


def test_it_needs_what_the_package_needs(recipe: dict[str, Any]) -> None:
    needed = set()
    for each in recipe["requirements"]["run"]:
        name, _, bound = (each["then"] if isinstance(each, dict) else each).partition(" ")
        needed.add((CALLED.get(name, name), bound))
    block = (ROOT / "pyproject.toml").read_text("utf-8").split("\ndependencies = [")[1].split("\n]")[0]
    declared = set(re.findall(r'^  "([\w.]+)(>=[\w.]+)', block, re.M))
    assert len(declared) >= 10
    assert needed == declared | {("python", "")}
