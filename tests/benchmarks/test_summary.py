from __future__ import annotations

import pytest

from benchmarks.comparison.records import CellRecord, RestoreRecord, SessionRecord
from benchmarks.comparison.summary import Setting, Study
from tests.benchmarks import invented


def record(system: str, turn: int, *cells: CellRecord, workload: str = "cluster") -> SessionRecord:
    return SessionRecord(workload, system, turn, {"SCALE": 1.0}, list(cells))


def study(*records: SessionRecord) -> tuple[Study, Setting]:
    found = Study(records, invented.TITLES, ["ipyflow"])
    return found, found.settings[0]


def test_visible_delay_is_beyond_the_median_of_plain_rounds_and_may_be_negative() -> None:
    plain = [record("plain", turn, CellRecord(1.0 + around, 1.0, 0, 0)) for turn, around in enumerate((0.1, 0.2, 0.9))]
    ours = [record("kishu", 0, CellRecord(2.15, 2.0, 0.5, 7))]
    found, setting = study(*plain, *ours)
    assert found.value(setting, "kishu", "visible").amount == pytest.approx(-0.05)
    assert found.value(setting, "kishu", "checkpoint").amount == pytest.approx(0.45)
    assert found.value(setting, "kishu", "stored").amount == 7
    assert found.value(setting, "kishu", "stored").rounds == 1


def test_slowdown_pairs_rounds() -> None:
    plain = [record("plain", turn, CellRecord(time + 1, time, 0, 0)) for turn, time in enumerate((1.0, 2.0, 4.0))]
    ours = [record("kishu", turn, CellRecord(time + 1, time, 0, 0)) for turn, time in enumerate((1.1, 2.2, 8.0))]
    found, setting = study(*plain, *ours)
    assert found.value(setting, "kishu", "slowdown").amount == pytest.approx(1.1)


def test_tracking_is_what_was_recorded_else_what_a_tracker_adds() -> None:
    found, setting = study(
        record("plain", 0, CellRecord(1.0, 0.9, 0, 0)),
        record("kishu", 0, CellRecord(2.0, 0.9, 0, 0, tracking=0.25)),
        record("dill", 0, CellRecord(2.0, 0.9, 0, 0)),
        record("ipyflow", 0, CellRecord(1.5, 1.3, 0, 0)),
    )
    assert found.value(setting, "kishu", "tracking").amount == 0.25
    assert found.value(setting, "dill", "tracking") is None
    assert found.value(setting, "ipyflow", "tracking").amount == pytest.approx(0.5)
    assert found.keeping() == ["kishu", "dill"]


def test_a_session_that_stopped_counts_in_no_total() -> None:
    cell = CellRecord(1.0, 0.9, 0, 5)
    stopped = record("dill", 0, cell)
    stopped.error, stopped.failed_at = "its time was up: stopped at cell 1", 1
    later = record("kishu", 0, cell, cell)
    later.error = "died when it was brought back"
    found, setting = study(record("plain", 0, cell, cell), stopped, later)
    assert found.value(setting, "dill", "stored").mark == "time up, cell 2"
    assert found.value(setting, "dill", "undo").mark == "time up, cell 2"
    assert found.value(setting, "kishu", "stored").amount == 10
    assert found.value(setting, "kishu", "undo").mark == "failed"


def test_without_plain_no_delay_is_told() -> None:
    found, setting = study(record("kishu", 0, CellRecord(1.0, 0.9, 0, 5)))
    assert found.value(setting, "kishu", "visible") is None
    assert found.value(setting, "kishu", "stored").amount == 5
    assert found.run_time(setting) is None


def test_restores_take_the_slowest_and_the_worst_of_the_rounds() -> None:
    first, second = record("kishu", 0, CellRecord(1, 1, 0, 0)), record("kishu", 1, CellRecord(1, 1, 0, 0))
    first.restores = [RestoreRecord("undo", 3, 1.0), RestoreRecord("undo", 7, 0.5, wrong=["x"])]
    second.restores = [RestoreRecord("undo", 3, 3.0), RestoreRecord("branch", 9, None, "it cannot")]
    found, setting = study(first, second)
    value = found.value(setting, "kishu", "undo")
    assert (value.amount, value.rounds, value.mark) == (2.0, 2, "wrong")
    assert found.value(setting, "kishu", "branch").mark == "refused"
    assert [state.verdict for state in found.outcome(setting, "kishu").restored.values()] == ["right", "wrong", "told"]


def test_a_model_has_bytes_only() -> None:
    found, setting = study(record("pages", 0, CellRecord(9.0, 1.0, 0, 5)))
    assert found.value(setting, "pages", "stored").amount == 5
    assert found.value(setting, "pages", "slowdown") is None
    assert found.restoring() == []


def test_labels_are_those_of_the_paper_and_tell_sweeps_apart() -> None:
    records = [SessionRecord("shared_list", "plain", 0, {"SCALE": 1.0, "SHARE": share}) for share in (100, 10)]
    found, _ = study(*records, SessionRecord("quantum", "plain", 0, {"SCALE": 1.0}))
    assert [found.label(setting) for setting in found.settings] == ["Qiskit", "shared list 10 %", "shared list 100 %"]
    assert [setting["SHARE"] for setting in found.others] == [100]
