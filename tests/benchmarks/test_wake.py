"""The benchmark of waking, very small: who is measured comes back, and what is compared is told."""

from __future__ import annotations

import pytest

from benchmarks.figures import wake
from benchmarks.figures.run import markdown
from kishu_kernel.store.format.signing import KEY_FILE


def test_each_comes_back_and_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_FILE, raising=False)
    state = wake.Slept(("xs = list(range(1000))",), "sum(xs)", rounds=1, one="xs")
    result = wake.measure({"1 MB": state}, (wake.OURS, wake.DILL))
    [turn] = result.details["1 MB"]  # type: ignore[misc, call-overload]
    assert list(turn["ways"]) == [wake.OURS, wake.DILL, wake.ONE]
    for each in (*turn["ways"].values(), *turn["units"].values()):
        assert 0 < each["processor"] < each["seconds"] * 8 < 1000
    table = markdown(list(result.figures))
    assert "| wake: 1 MB: processor time / a bare kernel's start |" in table
    assert "| dill.load_session |" in table
