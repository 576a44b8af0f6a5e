"""Contained cells beside a writer that fails: what the writer lost, and the cell did not do, is kept all the same."""

from __future__ import annotations

import os

import pytest

from tests.support.harness import Notebook


def test_a_failure_that_is_heard_of_while_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KISHU_N", raising=False)
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import os\nn = 1")
    store = notebook.store
    store.gate.clear()
    notebook.run("os.environ['KISHU_N'] = '1'\nm = 1")
    ticket = notebook.begin("n = 2")
    assert ticket.contained
    store.commits = "all"
    store.gate.set()
    notebook.session.timeline.store.flush()  # that is lost
    store.commits = "none"
    kept = notebook.end(ticket, "n = 2")
    assert kept is not None
    assert "environment variables" in kept.ambient
    notebook.session.undo(2)  # the parent is the cell that was lost, and says so
    assert "KISHU_N" not in os.environ
    assert "m" not in notebook.variables
    notebook.session.redo(2)
    assert os.environ["KISHU_N"] == "1"
    assert notebook.variables["m"] == 1
