"""Commands that go to another state of a live kernel: what a person accepts is what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner

from kishu_kernel.errors import PlanChangedError, SideEffectsError
from kishu_kernel.frontend.command import live


def plan(target: str, *cells: str) -> dict[str, Any]:
    effects = {"seconds": 0.1, "side_effects": ["writes files"]}
    return {
        "target": target,
        "lost": [],
        "replay": [{"checkpoint": cell, "code": f"code of {cell}", **effects} for cell in cells],
    }


def test_each_plan_is_asked_about_and_no_more_accepted_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [SideEffectsError("effects", plan("a", "b")), PlanChangedError("this leads to another state", plan("c"))]
    asked: list[dict[str, Any]] = []

    class There:
        def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
            asked.append(parameters)
            if parameters["dry_run"]:
                return {"plan": {**plan("a"), "lost": [{"names": ["con"], "reason": "gone"}]}}
            if refusals:
                raise refusals.pop(0)
            return {"status": "ok"}

    @contextmanager
    def source(*_: Any) -> Iterator[There]:
        yield There()

    monkeypatch.setattr(live, "live_source", source)
    monkeypatch.setattr(live, "print_reply", lambda *_: None)
    monkeypatch.setattr(live, "_is_terminal", lambda: True)
    result = CliRunner().invoke(live.undo, ["book.ipynb"], input="y\ny\n")
    assert result.exit_code == 0, result.output
    assert "code of b" in result.output
    assert "Re-run it? [y]es, [w]ithout con, or [N]o:" in result.output
    assert "this leads to another state" in result.output
    assert "Go there?" in result.output
    first, _, second, third = [(each["replay"], each.get("shown")) for each in asked]
    assert first == ("ask", None)
    assert second == ("auto", {"target": "a", "replay": ["b"]})
    assert third == ("auto", {"target": "c", "replay": []})
