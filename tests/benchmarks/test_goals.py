from __future__ import annotations

import math
from collections.abc import Iterable

from benchmarks.comparison import goals, tables
from benchmarks.comparison.goals import Verdict
from benchmarks.comparison.records import CellRecord, RestoreRecord, SessionRecord
from benchmarks.comparison.summary import Study
from tests.benchmarks import invented


def judged(records: Iterable[SessionRecord]) -> dict[str, Verdict]:
    return {verdict.goal.name: verdict for verdict in goals.judge(Study(records, invented.TITLES))}


def stored(workload: str, **amounts: int) -> list[SessionRecord]:
    names = {"old": "kishu-0.3.4"}
    return [
        SessionRecord(workload, names.get(name, name), 0, {"SCALE": 1.0}, [CellRecord(1.0, 0.9, 0, amount)])
        for name, amount in amounts.items()
    ]


def test_a_goal_is_judged_by_its_worst_case() -> None:
    verdict = judged([*stored("cluster", kishu=1, dill=40), *stored("tps", kishu=1, dill=2)])[
        "storage / dump_session's"
    ]
    assert verdict.met is False
    assert goals.worst(verdict.cases) == goals.Case("TPS", 0.5)
    assert judged(stored("cluster", kishu=1, dill=4))["storage / dump_session's"].met is True


def test_a_goal_has_to_hold_on_the_other_workloads_too() -> None:
    verdict = judged([*stored("cluster", kishu=1, dill=40), *stored("objects", kishu=1, dill=2)])[
        "storage / dump_session's"
    ]
    assert verdict.met is False
    assert [case.value for case in verdict.beside] == [0.5]


def test_where_another_failed_it_is_named_and_the_rest_is_judged() -> None:
    failed = stored("tps", kishu=1, dill=0)
    failed[1].cells, failed[1].error, failed[1].failed_at = [], "no", 0
    verdicts = judged([*stored("cluster", kishu=1, dill=40), *failed])
    verdict = verdicts["storage / dump_session's"]
    assert verdict.met is True
    assert [(case.where, case.why) for case in verdict.unjudged] == [("TPS", "dill.dump_session failed, cell 1")]
    assert "failed, cell 1 (TPS)" in tables.unjudged(list(verdicts.values()))


def test_where_ours_failed_the_goal_is_missed() -> None:
    failed = stored("tps", kishu=1, dill=9)
    failed[0].cells, failed[0].error, failed[0].failed_at = [], "no", 0
    verdict = judged(failed)["storage / dump_session's"]
    assert verdict.met is False
    assert verdict.cases[0].value == math.inf


def test_nothing_to_judge_is_not_met() -> None:
    verdicts = judged([])
    assert {verdict.met for verdict in verdicts.values()} == {None}
    assert "| ? |" in tables.goals(list(verdicts.values()))


def test_every_undo_of_every_round_counts() -> None:
    records = [*stored("cluster", kishu=1), *stored("cluster", kishu=1), *stored("cluster", kishu=1)]
    for turn, (each, seconds) in enumerate(zip(records, (0.1, 0.1, 0.4), strict=True)):
        each.round = turn
        each.restores = [RestoreRecord("undo", 3, seconds)]
    verdict = judged(records)["every undo, of every round"]
    assert verdict.met is False
    assert goals.worst(verdict.cases) == goals.Case("Cluster cell 4", 0.4)


def test_wrong_states_are_counted_and_named() -> None:
    records = stored("objects", kishu=1, dill=1)
    records[0].restores = [RestoreRecord("undo", 3, 0.1, wrong=["x"]), RestoreRecord("undo", 5, None, "refused")]
    records[1].restores = [RestoreRecord("undo", 3, 0.1, wrong=["x"])]
    verdict = judged(records)["wrong states after checkout"]
    assert verdict.met is False
    assert "| 1 (objects: 1) | **no** |" in tables.goals([verdict])


def test_the_shared_list_is_judged_by_its_changing_cells() -> None:
    records = []
    for name, first, change in (("kishu", 10**9, 10), ("dill", 1, 2000)):
        cells = [CellRecord(1, 0.9, 0, first), CellRecord(1, 0.9, 0, change, tags=["undo"])]
        records.append(SessionRecord("shared_list", name, 0, {"SCALE": 1.0, "SHARE": 100}, cells))
        records.append(SessionRecord("shared_list", name, 0, {"SCALE": 1.0, "SHARE": 10}, cells[:1]))
    verdict = judged(records)["shared list 100 %, what a changing cell stores / dump_session's"]
    assert [case.value for case in verdict.cases] == [0.005]
