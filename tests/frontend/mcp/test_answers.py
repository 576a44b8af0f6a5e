"""Answers have limits, whatever the notebook holds, and say how to get the rest."""

from __future__ import annotations

import json

import pytest

from kishu_kernel.client import Explored
from kishu_kernel.frontend.mcp import answers

MOST = 40_000
"""Characters of an answer at the very worst; nearly all have some hundred."""

TEXT = "many words " * 2_000
NAMES = [f"{number}{'x' * 500}" for number in range(200)]
OUTPUTS = [{"output_type": "stream", "name": "stdout", "text": TEXT}]
LOST = [{"names": NAMES, "reason": f"{number} {TEXT}"} for number in range(50)]
STEP = {
    "execution_count": 7,
    "checkpoint": "abcd",
    "code": TEXT,
    "gives": NAMES,
    "seconds": 1,
    "side_effects": [TEXT] * 99,
}
PLAN = {
    **dict.fromkeys(("delete", "notes"), NAMES),
    "target": "abcd",
    "load": [{"names": NAMES}] * 100,
    "replay": [STEP] * 50,
    "lost": LOST,
}
CHECKPOINT = {
    **dict.fromkeys(("created", "modified", "deleted", "effects", "branches", "tags"), NAMES),
    **{"id": "abcd", "execution_count": 7, "code": TEXT, "take": None, "status": "error", "error": "E"},
    **{"not_stored": LOST, "message": TEXT, "duration": 1.0},
}
VARIABLE = {
    "name": "x",
    "type": "list",
    "shape": [1],
    "bytes": 1,
    "preview": TEXT,
    "along": NAMES,
    "changed_by": "a",
    "stored": True,
}
CHANGE = {"aspects": [{"aspect": TEXT, "before": TEXT, "after": TEXT}] * 99, "cells": [], "note": TEXT}
DETAILS = [{"name": each, "before": TEXT, "after": TEXT, "change": CHANGE} for each in NAMES]


@pytest.mark.parametrize(
    "answer",
    [
        answers.ran_answer({"status": "ok", "outputs": OUTPUTS * 5, "checkpoint": CHECKPOINT}, "digest"),
        answers.travel_answer({"told": [], "applied": True, "head": "abcd", "plan": PLAN, "warnings": [TEXT] * 99}),
        answers.explored_answer([Explored("x", "ok", TEXT, outputs=tuple(OUTPUTS), created=tuple(NAMES))] * 50),
        answers.fitting(answers.state_answer(CHECKPOINT) for _ in range(100)),
        answers.fitting(answers.variable_answer(VARIABLE) for _ in range(100)),
        answers.difference_answer(
            {**dict.fromkeys(("created", "modified", "deleted"), NAMES), "details": DETAILS, "unknown": LOST[0]}
        ),
    ],
    ids=["run", "travel", "explore", "log", "variables", "diff"],
)
def test_the_largest_answers_fit(answer: object) -> None:
    assert 300 < len(json.dumps(answer)) < MOST


def test_a_text_is_cut_in_its_middle_and_pages_join() -> None:
    assert answers.cut("a" * 20, 9, "ask") == "aaaaaa\n[... 11 characters left out; ask ...]\naaa"
    assert answers.cut("short", 9) == "short"
    pages, start = [], 0
    while start is not None:
        page = answers.page("code", "0123456789", start, "show(code_start=", most=4)
        pages.append(page["code"])
        start = int(page["code_cut"].partition("=")[2][:-1]) if "code_cut" in page else None
    assert pages == ["0123", "4567", "89"]
    assert answers.names(["_1", "b"]) == ["b"]
    assert answers.names(["_1"]) == ["_1"]
