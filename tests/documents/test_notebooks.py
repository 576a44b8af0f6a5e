"""The notebooks of the documents run from top to bottom, and show what the site shows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.documents.notebooks import NOTEBOOKS, executed


def text(cell: Any) -> str:
    """What a console shows of a cell."""
    return "\n".join(each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.outputs)


def kinds(cell: Any) -> list[list[str]]:
    """Of which kinds its outputs are."""
    return [[each.output_type, *sorted(each.get("data", {}))] for each in cell.outputs]


def counted(city_counts: str) -> dict[str, int]:
    return {city: int(count) for city, count in re.findall(r"^(\w+) +(\d+)$", city_counts, re.MULTILINE)}


@cache
def stored(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_says(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    cells = [cell for cell in executed(path, tmp_path).cells if cell.cell_type == "code"]
    assert [kinds(cell) for cell in cells] == [kinds(cell) for cell in stored(path)]
    STORIES[path.stem]([text(cell) for cell in cells])


def cleaning(shown: list[str]) -> None:
    dropped, undone, filled = (counted(shown[index]) for index in (1, 3, 5))
    assert "Took back In [2]" in shown[2]
    assert dropped["Molde"] < undone["Molde"] / 2  # the slip, and all rows again
    assert filled["Molde"] > undone["Molde"] / 2
    assert "shape" in shown[8]
    sums = re.findall(r"^(\w+) +([\d.]+) +([\d.]+)$", shown[12], re.MULTILINE)
    assert {city: float(mended) >= float(dropped) for city, dropped, mended in sums} == dict.fromkeys(undone, True)
    assert [line for line in shown[13].splitlines() if re.match("[0-9a-f]{8}", line)][-1].endswith("n, np, pd, rng")


def training(shown: list[str]) -> None:
    warm, ruined, fast, steady = (float(shown[index]) for index in (1, 3, 6, 9))
    assert ruined < warm
    assert shown[5] == f"(5, {warm})"
    assert min(fast, steady) > warm
    assert float(shown[15]) == fast  # the weights of the last epoch of that branch


def agent(shown: list[str]) -> None:
    missing = re.match(r"\d+", shown[0])
    assert missing is not None
    assert shown[4] == f"{missing[0]} values are missing; there is a model: False\n"
    assert "AttributeError" in shown[3]
    assert shown[5] == "median, squares\n"
    assert shown[7].startswith("0 values are missing; Pipeline")
    assert len(re.findall("fork-", shown[8])) == 3


STORIES = {"cleaning": cleaning, "training": training, "agent": agent}
