"""The benchmark of forks, very small: who is measured has the state, and what it has lost is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.figures.forks import figures, turns
from benchmarks.figures.run import markdown
from kishu_kernel.store.format.signing import KEY_FILE


@pytest.mark.skipif(sys.platform != "linux", reason="os.fork, and spare processes, are measured on Linux")
def test_each_has_the_state_and_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.delenv(KEY_FILE, raising=False)
    monkeypatch.setattr(turns, "RUNS", tmp_path)
    run = turns.run({1: {1: 1}}, (turns.SPARE, turns.OS_FORK))
    [record] = run.records()
    ours, forked = record["ways"][turns.SPARE], record["ways"][turns.OS_FORK]
    assert "error" not in ours | forked
    assert {thing for thing, is_there in ours["there"].items() if not is_there} == set(ours["told"])
    assert len(ours["told"]) == 2
    assert not forked["there"]["an answer to a client's cell"]
    for each in (ours, forked):
        assert 0 < each["seconds"] < 100
        assert 0 < each["uss"] <= each["pss"]
    again = turns.run({1: {1: 1}}, (turns.SPARE, turns.OS_FORK))
    assert again.records() == [record]
    table = markdown(figures.figures([record], again.losses()))
    assert "| 1 kernel in a state of 1 MB: until all have answered in it |" in table
    assert "the sockets of ZeroMQ" in table
    again.forget()
    assert not list(tmp_path.iterdir())
