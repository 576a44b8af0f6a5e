from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.comparison import records, report
from benchmarks.comparison.sections import SECTIONS
from tests.benchmarks import invented

ENVIRONMENT = {"date": "2026-01-01", "cpus": 2, "load": None, "versions": {"kishu-kernel": "0.1"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("records")
    for record in invented.everything(cells=12):
        records.write(place, record)
    (place / "environment.txt").write_text("{}", encoding="utf-8")
    written = tmp_path_factory.mktemp("results")
    assert report.write(place, written, ENVIRONMENT, invented.SYSTEMS) == 0  # type: ignore[arg-type]
    return written


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    return (results / "comparison.md").read_text(encoding="utf-8")


def test_every_section_has_its_plot_and_its_table(results: Path, page: str) -> None:
    parts = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    assert list(parts) == ["Goals", *(section.title for section in SECTIONS), "Systems", "How to repeat it"]
    for section in SECTIONS:
        assert f"(comparison-{section.name}.svg)" in parts[section.title]
        assert "| **kishu-kernel** |" in parts[section.title]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_plots_are_small_and_their_text_is_text(results: Path, section: object) -> None:
    path = results / f"comparison-{section.name}.svg"  # type: ignore[attr-defined]
    assert path.stat().st_size < 150_000
    texts = [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert "kishu-kernel" in " ".join(filter(None, texts))
    assert b"<image" not in path.read_bytes()


def test_tables_have_as_many_cells_in_every_row(page: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_what_failed_says_so_in_its_place(results: Path, page: str) -> None:
    assert "*failed, cell 4*" in page
    assert "*time up, cell 3*" in page
    assert ">failed, cell 4</text>" in (results / "comparison-storage.svg").read_text(encoding="utf-8")
    assert "never run | about never | not run |" in page


def test_a_fast_wrong_answer_is_marked_wrong(results: Path, page: str) -> None:
    assert re.search(r"kishu 0\.3\.4, experimental tracker \| [\d.]+ x · [\d.]+ m?s \*\*wrong\*\*", page)
    assert " wrong</text>" in (results / "comparison-undo.svg").read_text(encoding="utf-8")
    assert "frame, train, more" in page


def test_few_rounds_are_told(page: str) -> None:
    assert "(n=1)" in page
    assert "(n=2)" in page


def test_no_place_of_the_machine_is_told(results: Path) -> None:
    for path in results.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "/home/someone" not in text
        assert "/usr/lib" not in text
        assert "example.org" not in text


def test_json_has_goals_and_all_rounds(results: Path) -> None:
    found = json.loads((results / "comparison.json").read_text(encoding="utf-8"))
    assert found["environment"] == ENVIRONMENT
    assert {goal["met"] for goal in found["goals"]} <= {True, False, None}
    ours = next(each for each in found["measured"] if (each["workload"], each["system"]) == ("cluster", "kishu"))
    assert sorted(ours["rounds"]["stored"])[1] == ours["medians"]["stored"]
    criu = next(each for each in found["measured"] if each["system"] == "criu")
    assert criu["failed"] == "failed"
    assert "vDSO" in criu["errors"]["0"]


def test_the_same_records_give_the_same_plot(results: Path, tmp_path: Path) -> None:
    place = tmp_path / "records"
    place.mkdir()
    for record in invented.workload("cluster", ("plain", "kishu", "dill"), 6, rounds=1):
        records.write(place, record)
    for name in ("first", "second"):
        report.write(place, tmp_path / name, {}, invented.SYSTEMS)  # type: ignore[arg-type]
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_a_run_that_measured_nothing_gives_a_page_without_old_plots(tmp_path: Path) -> None:
    (tmp_path / "comparison-storage.svg").write_text("old", encoding="utf-8")
    (tmp_path / "records").mkdir()
    report.write(tmp_path / "records", tmp_path, {}, invented.SYSTEMS)  # type: ignore[arg-type]
    assert not (tmp_path / "comparison-storage.svg").exists()
    assert "Not measured in this run" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


def test_only_failures_give_a_page(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    for record in invented.workload("cluster", ("criu",), 6):
        records.write(tmp_path / "records", record)
    report.write(tmp_path / "records", tmp_path, {}, invented.SYSTEMS)  # type: ignore[arg-type]
    assert "vDSO" in (tmp_path / "comparison.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("system", "status"), [("kishu", 1), ("dill", 0)])
def test_the_status_tells_whether_ours_was_right(tmp_path: Path, system: str, status: int) -> None:
    record = invented.session("cluster", system, 0, 4)
    record.restores[0].wrong = ["x"]
    (tmp_path / "records").mkdir()
    records.write(tmp_path / "records", record)
    assert report.write(tmp_path / "records", tmp_path, {}, invented.SYSTEMS) == status  # type: ignore[arg-type]
