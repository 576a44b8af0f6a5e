"""Handles of an engine that is made up here: what is told of their re-runs, and that no second engine is begun.

Real ones: `tests/kernel/test_engines.py`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

from kishu_kernel.detect.walk import twins
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registry import registry
from tests.support.harness import Notebook

CODE = """
import itertools, threading
begun = itertools.count()

class Client:
    def __init__(self):
        self.number, self.open, self.lock = next(begun), True, threading.Lock()
    def close(self):
        self.open = False

class Future:
    def __init__(self, client):
        self.client, self.lock = client, threading.Lock()
"""


class Engine(Library):
    packages = ("engine_made_up",)

    def __init__(self) -> None:
        self.labels = self.untraversable = self.called_anew = {"Client"}
        self.visible_state = {
            "Client": lambda client: (client.number, client.open),
            "Future": lambda future: (future.client,),
        }


@pytest.fixture(params=["native", "pure"])
def notebook(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    if request.param == "pure":
        monkeypatch.setattr(twins, "NATIVE", None)
    module = types.ModuleType("engine_made_up")
    exec(CODE, vars(module))
    monkeypatch.setitem(sys.modules, "engine_made_up", module)
    monkeypatch.setattr(registry, "_registered", [])
    registry.register(Engine)
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import engine_made_up as engine, itertools; clock = itertools.count().__next__")
    notebook.ok("client = engine.Client()")
    return notebook


def not_the_same(notebook: Notebook) -> list[str]:
    told = [each for each in notebook.warnings if each.startswith("Re-run, and not the same")]
    return [each.partition(": ")[2].partition(". ")[0] for each in told]


def test_a_container_joins_no_handle_and_its_rerun_reads_the_one_that_lives(notebook: Notebook) -> None:
    notebook.ok("class Job: pass\njob = Job(); job.client = client; bag = {'clients': [client], 'size': 3}")
    notebook.ok("future = engine.Future(client)")
    client = notebook["client"]
    notebook.session.undo(2)
    assert notebook["client"] is client
    notebook.session.redo(2)
    for holder in (notebook["job"].client, notebook["bag"]["clients"][0], notebook["future"].client):
        assert holder is notebook["client"] is client
    assert client.number == 0
    assert next(sys.modules["engine_made_up"].begun) == 1
    assert not_the_same(notebook) == []


def test_made_anew_it_is_called_otherwise_and_only_what_else_differs_is_told(notebook: Notebook) -> None:
    notebook.ok("bag = [client, {'deep': client}]")
    notebook.ok("import time; stamp = [client, time.time_ns()]")
    notebook.ok("client.close()")
    notebook.session.undo(replay="auto")
    client = notebook["client"]
    assert (client.number, client.open) == (1, True)
    assert notebook["bag"][0] is notebook["bag"][1]["deep"] is notebook["stamp"][0] is client
    assert not_the_same(notebook) == ["stamp"]
    ran = notebook.ok("seen = bag[0].number, stamp[0].number")
    assert ran.modified == ()  # that they are called otherwise is no change of this cell's


def test_a_handle_that_its_cell_changes_is_not_lent(notebook: Notebook) -> None:
    notebook.ok("client.close(); closed = [client]")
    notebook.session.undo(replay="auto")
    notebook.session.redo(replay="auto")
    assert (notebook["client"].open, notebook["closed"][0] is notebook["client"]) == (False, True)
