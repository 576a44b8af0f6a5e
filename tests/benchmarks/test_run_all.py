"""Run All: what is counted, what is told of it, and one real run."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.comparison import run as comparison
from benchmarks.harness import KISHU, PLAIN
from benchmarks.run_all import page, run, summary
from benchmarks.run_all.cases import Case, cases
from benchmarks.run_all.drive import Spent, run_all
from benchmarks.run_all.run import Record

SPENT = Spent(
    *(10, [], 2.0),
    *(1.0, 0.8, 0.0, 0.0),
    *(0.0, 0.0, 0.0, 0.0),
    *(0.0, 100_000_000, 0),
)
OURS = replace(SPENT, process=1.2, later_process=0.3, later_helpers=0.5, later_waited=0.2, helpers_memory=50_000_000)


def records(name: str, ours: Spent | None, error: str | None = None, rounds: int = 3) -> list[Record]:
    found = []
    for turn in range(rounds):
        found.append(Record(name, "real notebook", "plain", turn, SPENT))
        found.append(Record(name, "real notebook", "kishu", turn, ours, error))
    return found


def section_of(*found: Record) -> str:
    return page.section(summary.study(found), {"cpus": 2, "versions": {"kishu-kernel": "1"}})


def test_nothing_hides_behind_the_reply_or_in_another_process() -> None:
    [case] = summary.study(records("a", OURS))
    assert case.ratio("kishu", "until the last reply") == pytest.approx(1.2)
    assert case.ratio("kishu", "until idle") == pytest.approx(2.2)
    assert case.added("kishu", "until idle") == pytest.approx(1.2)
    assert case.ratio("kishu", "peak memory") == pytest.approx(1.5)


def test_children_that_plain_ipykernel_has_too_are_not_ours() -> None:
    plain = replace(SPENT, waited=5.0)
    ours = replace(SPENT, waited=5.5)
    found = [Record("a", "real notebook", name, 0, spent) for name, spent in (("plain", plain), ("kishu", ours))]
    [case] = summary.study(found)
    assert case.ratio("kishu", "until idle") == pytest.approx(1.5)


def test_ratios_are_of_rounds_that_ran_beside_each_other() -> None:
    found = []
    for turn, load in enumerate((1, 10, 2)):
        found.append(Record("a", "real notebook", "plain", turn, replace(SPENT, process=1.0 * load)))
        found.append(Record("a", "real notebook", "kishu", turn, replace(SPENT, process=1.1 * load)))
    [case] = summary.study(found)
    assert case.ratio("kishu", "until idle") == pytest.approx(1.1)


def test_median_90th_percentile_and_worst() -> None:
    found = [each for n in range(10) for each in records(f"n{n}", replace(SPENT, process=1.0 + n), rounds=1)]
    spread = summary.spread(summary.study(found), "kishu", "until idle")
    assert spread is not None
    assert spread.three == (5.5, 9.0, 10.0)
    assert spread.worst_case == "n9"


def test_what_ran_otherwise_has_no_share_in_it_and_is_told() -> None:
    found = [
        *records("alike", SPENT),
        *records("other", replace(SPENT, failed=[3])),
        *records("slow", None, "7 of 10 cells had no reply within 180 s"),
    ]
    spread = summary.spread(summary.study(found), "kishu", "until idle")
    assert spread is not None
    assert spread.ratios == [1.0]
    text = section_of(*found)
    assert "other (other cells raised)" in text
    assert "slow (no reply)" in text


def test_a_run_that_was_stopped_gives_a_section_too() -> None:
    assert "| a | 10 | - · 1.2 s |" in section_of(Record("a", "real notebook", "kishu", 0, OURS))


def test_what_is_lost_is_said_before_what_is_won() -> None:
    text = section_of(*records("cheap", SPENT), *records("dear", OURS))
    assert "**Lost:** 1 cost more; the worst: dear (2.2 x, 1.2 s more). **Won:** 1 of 2 cases" in text
    assert "| 1.6 x / 2.2 x / 2.2 x | dear | 1.05 / 1.15 / 1.4 | **no** |" in text


def test_single_cases_are_judged_by_what_they_may_cost() -> None:
    lines = [replace(each, kind="cells of one line") for each in records("80 lines", replace(SPENT, process=1.005))]
    text = section_of(*records("objects", OURS), *records("strings", SPENT), *lines)
    assert "| objects | 2.2 x | 1.5 x | **no** |" in text
    assert "| strings | 1 x | 1.3 x | yes |" in text
    assert "| 80 lines | +0.5 ms a cell | +1 ms a cell | yes |" in text


def test_tables_have_as_many_cells_in_every_row() -> None:
    text = section_of(*records("dear", OURS), *records("slow", None, "no reply within 180 s"))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_page_gets_the_section_and_later_the_next_one(tmp_path: Path) -> None:
    written = tmp_path / "comparison.md"
    written.write_text("# Page\n\n## Goals\n\nmet\n\n## Storage (the paper's Fig 13)\n\nbytes\n", encoding="utf-8")
    for ours in (OURS, SPENT):
        page.write(summary.study(records("a", ours)), tmp_path, {"cpus": 2})
    text = written.read_text(encoding="utf-8")
    assert re.findall(r"^## .*", text, re.MULTILINE) == ["## Goals", "## Run All", "## Storage (the paper's Fig 13)"]
    assert "**Lost:** 0 cost more." in text
    assert page.kept("# New\n\n## Storage\n", text).count("**Lost:** 0 cost more.") == 1
    texts = ElementTree.parse(tmp_path / page.PLOT).iter("{http://www.w3.org/2000/svg}text")
    assert any("1 x, 1 s → 1 s" in (each.text or "") for each in texts)


def test_real_notebooks_and_workloads_are_cases() -> None:
    names = {case.name for case in cases(quick=True)}
    assert {"text_adventure", "objects", "80 lines, 5 variables"} <= names


@pytest.mark.parametrize("system", [PLAIN, KISHU], ids=lambda system: system.name)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="to the tick of a clock only elsewhere")
def test_a_real_one(system: object) -> None:
    work = "import time\nsince = time.process_time()\nwhile time.process_time() - since < 0.3: pass"
    busy = Case("busy", "cells of one line", ("x = y", work, "y = 1", "x = y"), ("y = 0; del y",))
    spent = run_all(system, busy, quiet=0.5)  # type: ignore[arg-type]
    assert (spent.cells, spent.failed) == (4, [0])
    assert 0.3 <= spent.main <= spent.process < 3
    assert spent.wall >= 0.3
    assert spent.memory > 10_000_000


def test_notebooks_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each beside its files, in a copy: what one run wrote no other finds, and the directory is as it was."""
    monkeypatch.setattr(comparison, "RUNS", tmp_path / "runs")
    cells = ["open('x.txt').read() + 'y'", " ", "import os\nos.mkdir('made')", "1 / 0"]
    kinds = [{"cell_type": "code", "source": [cell]} for cell in cells] + [{"cell_type": "markdown", "source": "x"}]
    beside = tmp_path / "mine" / "part one"
    for place in (beside, beside / ".ipynb_checkpoints"):
        place.mkdir(parents=True)
        (place / "a.ipynb").write_text(json.dumps({"cells": kinds}), encoding="utf-8")
    (beside / "x.txt").write_text("x", encoding="utf-8")
    assert main(["run", "--notebooks", str(tmp_path / "mine"), "--quick"]) == 0
    assert {each.name for each in beside.iterdir()} == {"a.ipynb", "x.txt", ".ipynb_checkpoints"}
    told = capsys.readouterr().out
    assert "notebook of one's own (1)" in told
    page = Path(told.split("Each notebook: ")[1].strip())
    assert re.search(r"^\| part one - a \| 3 \| [\d.]+ x · ", page.read_text(encoding="utf-8"), re.MULTILINE)
    ran = [record.spent for record in run.read_all(page.parents[1] / "run-all")]
    assert [spent and spent.failed for spent in ran] == [[2], [2]]


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    found = [*records("a", OURS, rounds=1), *records("b", None, "it failed", rounds=1)]
    for number, record in enumerate(found):
        run.write(tmp_path / f"{number}.json", record)
    assert list(run.read_all(tmp_path)) == found
