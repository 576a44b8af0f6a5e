"""A quick share of every attack of `scripts/attack`: none does harm. A third of it, and as a soak all."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.attack.__main__ import names
from tests.support.soak import each


@pytest.mark.parametrize("name", names())
@each("part", (3, 1), 1)
def test_an_attack(name: str, part: int, tmp_path: Path) -> None:
    module = importlib.import_module(f"tests.attack.{name}")
    times = max(1, module.TIMES.quick // part)
    tally = module.attack(times, 0, tmp_path)
    assert not tally.failed, "\n".join(tally.failed)
    assert tally.tried == times
    assert tally.told, "nothing was tried"
