"""The light groups of the matrix, with what the tests' environment has; and that a matrix can fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import report
from tests.matrix.driving import drive
from tests.matrix.entry import CATEGORIES, STANDARD, Entry, entries_of
from tests.matrix.verdicts import (
    FAIL,
    FALSE_POSITIVE,
    LOADED,
    LOST,
    NOT_RUN,
    PICKLE_ERROR,
    REPLAYED,
    SUCCESS,
    WRONG,
    verdict,
)

GROUPS = (
    *("core", "data", "plots", "learning", "language", "vision", "torchvision", "pipelines"),
    *("tensorflow", "distributed", "quantum", "general"),
)
LIGHT = ("core", "data", "plots", "learning", "vision")

HERE = [(group, entry) for group in LIGHT for entry in entries_of(group) if entry.missing() is None]


def _name(each: Any) -> str:
    return each if isinstance(each, str) else each.name  # type: ignore[no-any-return]


def _in_turn() -> Iterator[Any]:
    """One in three of a library's; the others as a soak."""
    for _, entries in groupby(HERE, key=lambda each: (each[0], each[1].library)):
        for number, each in enumerate(entries):
            yield pytest.param(*each, marks=[pytest.mark.soak] if number % 3 else [])


Record = dict[str, Any]


@pytest.fixture(scope="module")
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Record]:
    """Of all that is to be tried: library by library, each in a kernel."""
    asked = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {(each["group"], each["entry"].name) for each in asked if "entry" in each}
    found = {}
    for group in LIGHT:
        entries = [entry for of, entry in HERE if of == group and (group, entry.name) in wanted]
        for record in drive(entries, tmp_path_factory.mktemp(group), sys.executable):
            found[group, record["name"]] = record
    return found


@pytest.mark.timeout(900)  # the first one waits for all kernels
@pytest.mark.parametrize(("group", "entry"), list(_in_turn()), ids=_name)
def test_a_class(group: str, entry: Entry, records: dict[tuple[str, str], Record]) -> None:
    record = records[group, entry.name]
    each = verdict(record)
    if each.result == NOT_RUN:
        pytest.skip(each.reason)
    assert each.result == SUCCESS, (each, record)
    assert each.exactly, (each, record)


def test_there_is_enough_to_try() -> None:
    assert len(HERE) >= 60


def test_entries_have_names_of_their_own_and_the_paper_s_categories() -> None:
    entries = [(group, entry) for group in GROUPS for entry in entries_of(group)]
    assert len({(group, entry.library, entry.name) for group, entry in entries}) == len(entries)
    assert {entry.category for _, entry in entries} == set(CATEGORIES)
    assert len([entry for _, entry in entries if entry.category != STANDARD]) >= 150


def invented(name: str, create: str, change: str, look: str = "", **further: Any) -> Entry:
    return Entry(name, STANDARD, "", create, change, look, **further)


_MODULE = """
import pathlib
_ = pathlib.Path("hides.py").write_text("STATE = {}\\nclass Hides:\\n    def put(self, n):\\n        STATE[1] = n\\n")
import hides
x = hides.Hides(); x.put(1)
"""

FAULTY = (
    invented("its state is elsewhere", _MODULE, "x.put(2)", "hides.STATE[1]"),
    invented("it ends the process", "x = [1]", "import os; os._exit(1)"),
    invented("it never ends", "x = [1]", "while True: pass", seconds=4),
    invented("the change is none", "x = [1]", "x[0] = 1"),
    invented("it cannot be made", "x = no_such_name", "x = 1"),
    invented("it is opaque", "x = (n for n in [1, 2])", "next(x)", "x.gi_frame.f_lasti", touch="len([x])"),
    invented("nothing is wrong", "x = [1]", "x.append(2)", "x"),
)


def test_what_goes_wrong_is_one_entry_s_own(tmp_path: Path) -> None:
    judged = {record["name"]: verdict(record) for record in drive(FAULTY, tmp_path, sys.executable)}
    assert {name: each.result for name, each in judged.items()} == {
        "its state is elsewhere": FAIL,
        "it ends the process": FAIL,
        "it never ends": FAIL,
        "the change is none": FAIL,
        "it cannot be made": NOT_RUN,
        "it is opaque": FALSE_POSITIVE,
        "nothing is wrong": SUCCESS,
    }
    assert "KernelDied" in judged["it ends the process"].reason
    assert "4 s" in judged["it never ends"].reason
    assert judged["it is opaque"].undone == judged["it is opaque"].fresh == REPLAYED
    assert judged["nothing is wrong"].exactly


RECORD: Record = {
    "name": "Thing",
    "category": STANDARD,
    "library": "",
    "variables": ["x"],
    "errors": [],
    "touched": {"accessed": ["x"], "modified": []},
    "changed": {"accessed": ["x"], "modified": ["x"]},
    "change_is_visible": True,
    "undo": {"how": "loaded", "differences": []},
    "fresh": {"how": "loaded", "differences": []},
}


@pytest.mark.parametrize(
    ("difference", "result", "undone"),
    [
        ({}, SUCCESS, LOADED),
        ({"undo": {"how": "loaded", "differences": ["x: 1  =>  2"]}}, PICKLE_ERROR, WRONG),
        ({"undo": {"how": "replayed", "differences": ["x: 1  =>  2"]}}, PICKLE_ERROR, WRONG),
        ({"undo": {"how": "kept", "differences": []}}, FAIL, LOADED),
        ({"undo": {"how": "refused", "told": "LostError: x"}}, SUCCESS, LOST),
        ({"touched": {"accessed": ["x"], "modified": ["x"]}}, FALSE_POSITIVE, LOADED),
        ({"touched": {"accessed": [], "modified": []}}, FAIL, LOADED),
        ({"changed": {"accessed": ["x"], "modified": ["y"]}}, FAIL, LOADED),
        ({"errors": ["here, change: KernelDied"]}, FAIL, LOADED),
    ],
)
def test_verdicts(difference: Record, result: str, undone: str) -> None:
    each = verdict({**RECORD, **difference})
    assert (each.result, each.undone) == (result, undone)
    assert each.exactly == (undone == LOADED)


def test_the_page_tells_what_is_missed(tmp_path: Path) -> None:
    failed = {**RECORD, "name": "Worse", "errors": ["here, change: a | b"]}
    not_run = {"name": "None", "category": STANDARD, "library": "lib", "not_run": "no such project"}
    missed = report.write([RECORD, failed, not_run], {"python": "3"}, tmp_path)
    page = (tmp_path / "matrix.md").read_text(encoding="utf-8")
    assert missed == ["classes", "fail"]
    assert "| `Worse` | Python | **fail** | loaded | loaded | here, change: a \\| b |" in page
    assert "no such project" in page
    assert "2 of 2" in page
