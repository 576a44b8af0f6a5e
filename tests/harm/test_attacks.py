"""A quick share of every attack of `scripts/attack`: none does harm."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.attack.__main__ import names


@pytest.mark.parametrize("name", names())
def test_an_attack(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(f"tests.attack.{name}")
    tally = module.attack(module.TIMES.quick, 0, tmp_path)
    assert not tally.failed, "\n".join(tally.failed)
    assert tally.tried == module.TIMES.quick
    assert tally.told, "nothing was tried"
