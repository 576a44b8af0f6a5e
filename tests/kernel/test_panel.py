"""The line between the panel and the session: what is answered where, and that nothing is changed out of turn."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from inspect import signature
from typing import Any

import pytest
from ipykernel.ipkernel import IPythonKernel

from .driver import Content, Kernel

ASYNC_WAIT = "import asyncio, os\nwhile not os.path.exists({gate!r}):\n    await asyncio.sleep(0.005)"


COMMS_AT_AN_AWAIT = "concurrent" in signature(IPythonKernel.dispatch_shell).parameters
"""Whether ipykernel handles comm messages on the main thread while a cell awaits there: from 7.4 on."""


class Panel:
    """The browser's side of a panel: what goes over its comm, and nothing else."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        opening = kernel.begin("%kishu panel")
        self.comm = ""
        for kind, content in kernel.heard(opening):
            if kind == "comm_open" and content["data"]["state"].get("_model_module") == "anywidget":
                self.comm = content["comm_id"]
                self.state: Content = content["data"]["state"]
            if kind == "display_data":
                self.shown: Content = content["data"]
            if kind == "status" and content["execution_state"] == "idle":
                break
        assert kernel.reply(opening)["status"] == "ok"
        assert self.comm

    def send(self, request: Any, *, subshell: str | None = None) -> tuple[str, str]:
        """Sends a request; returns what `reply` takes."""
        mark = uuid.uuid4().hex
        data = {"method": "custom", "content": {"kind": "request", "mark": mark, "content": request}}
        message = self.kernel.send("comm_msg", {"comm_id": self.comm, "data": data}, subshell=subshell)
        return mark, message

    def reply(self, sent: tuple[str, str]) -> Content:
        """Waits for the reply; what else was said meanwhile is in `said`."""
        mark, _ = sent
        while True:
            said = self._next()
            if said["kind"] == "reply" and said["mark"] == mark:
                return dict(said["content"])

    def ask(self, operation: str, *, subshell: str | None = None, **parameters: Any) -> Content:
        """The reply to an operation."""
        return self.reply(self.send({"operation": operation, **parameters}, subshell=subshell))

    def until(self, kind: str) -> Content:
        """The next word of this kind."""
        while (said := self._next())["kind"] != kind:
            pass
        return said

    def _next(self) -> Content:
        while True:
            message = self.kernel._get(self.kernel.client.iopub_channel)
            content = message["content"]
            if message["msg_type"] == "comm_msg" and content["comm_id"] == self.comm:
                data = content["data"]
                if data["method"] == "custom":
                    return dict(data["content"])
            else:
                of = message["parent_header"].get("msg_id", "")
                self.kernel._iopub.setdefault(of, []).append((message["msg_type"], content))


@pytest.fixture
def panel(kernel: Kernel) -> Panel:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    return Panel(kernel)


@pytest.fixture
def subshell(kernel: Kernel) -> Iterator[str]:
    """A thread of its own, as JupyterLab gives to comms."""
    made = kernel.message("create_subshell_request", channel="control")["subshell_id"]
    yield made
    kernel.message("delete_subshell_request", {"subshell_id": made}, channel="control")


@pytest.fixture(params=["main", "subshell"])
def where(request: pytest.FixtureRequest) -> str | None:
    """On which shell messages of the panel arrive."""
    return None if request.param == "main" else str(request.getfixturevalue("subshell"))


def test_looks_and_changes_are_answered(panel: Panel, where: str | None) -> None:
    assert panel.ask("log", subshell=where, graph=True)["graph"]["width"] == 1
    assert panel.ask("undo", subshell=where)["applied"]
    assert panel.kernel.value("x") == 1
    assert panel.ask("redo", subshell=where)["applied"]
    assert panel.kernel.value("x") == 2


def test_the_widget_carries_the_timeline_and_shows_itself(panel: Panel) -> None:
    assert "export function mount" in panel.state["_esm"]
    assert "export default" in panel.state["_esm"]
    assert ".kishu-timeline" in panel.state["_css"]
    assert panel.shown["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.comm
    # A console shows no widgets, and a notebook that is kept has none that lives: they show the log.
    log = panel.kernel.ok("%kishu log").results[0]["text/plain"]
    assert panel.shown["text/plain"] == log
    assert log.splitlines()[0].split()[2:5] == ["In[2]", "x", "="]


def test_the_panel_is_no_part_of_the_notebook(panel: Panel, where: str | None) -> None:
    kernel = panel.kernel
    names = kernel.value("sorted(dir())")
    count = len(kernel.done("log")["checkpoints"])
    panel.ask("log", subshell=where)
    panel.ask("tag", subshell=where, name="here")
    panel.ask("undo", subshell=where)
    panel.ask("redo", subshell=where)
    assert kernel.value("sorted(dir())") == names
    assert len(kernel.done("log")["checkpoints"]) == count
    kernel.ok("y = 1")
    assert kernel.done("log")["checkpoints"][0]["created"] == ["y"]


def test_looking_does_not_wait_for_the_cell_that_runs(panel: Panel, subshell: str) -> None:
    with panel.kernel.hold() as held:
        assert panel.ask("log", subshell=subshell)["status"] == "ok"
        assert panel.ask("show", subshell=subshell, target="In[2]")["variables"]
        assert held.let_go().status == "ok"


@pytest.mark.parametrize("operation", [{"operation": "undo"}, {"operation": "diff", "target": "In[1]", "values": True}])
def test_what_needs_the_session_waits_for_the_cell(panel: Panel, where: str | None, operation: Content) -> None:
    with panel.kernel.hold(after="x += 40; seen = x") as held:
        sent = panel.send(operation, subshell=where)
        if where:  # it has arrived
            assert panel.ask("status", subshell=where)["status"] == "ok"
        assert held.let_go().status == "ok"
    reply = panel.reply(sent)
    assert reply["status"] == "ok", reply
    if operation["operation"] == "undo":  # of that cell, as a person sees it
        assert panel.kernel.value("x") == 2
        panel.ask("redo")
    assert panel.kernel.value("seen") == 42


def test_it_waits_for_a_cell_that_awaits(panel: Panel, where: str | None) -> None:
    """The main thread takes up comm messages meanwhile, if this ipykernel lets it."""
    kernel = panel.kernel
    gate = kernel.home / "gate"
    running = kernel.begin("print('begun')\n" + ASYNC_WAIT.format(gate=str(gate)) + "\nx += 40")
    kernel.until(running, "begun")
    sent = panel.send({"operation": "undo"}, subshell=where)
    if where or COMMS_AT_AN_AWAIT:
        assert panel.ask("status", subshell=where)["status"] == "ok"
    gate.touch()
    assert kernel.end(running).status == "ok"
    assert panel.reply(sent)["applied"]
    assert kernel.value("x") == 2


def test_it_takes_its_turn_behind_cells_that_were_sent_before(panel: Panel, subshell: str) -> None:
    kernel = panel.kernel
    with kernel.hold() as held:
        second = kernel.begin("x = 'second'")
        third = kernel.begin("x = 'third'")
        # On its way through the same thread of the kernel as they, and behind them.
        kernel.message("kernel_info_request", channel="control")
        panel.ask("status", subshell=subshell)
        sent = panel.send({"operation": "undo"}, subshell=subshell)
        panel.ask("status", subshell=subshell)
        held.let_go()
    assert kernel.end(second).status == kernel.end(third).status == "ok"
    assert panel.reply(sent)["applied"]
    assert kernel.value("x") == "second"


def test_new_checkpoints_and_travels_are_told(panel: Panel) -> None:
    kernel = panel.kernel
    running = kernel.begin("z = 1")
    panel.until("changed")
    assert kernel.end(running).status == "ok"
    kernel.client.session.send(
        kernel.client.shell_channel.socket, kernel.client.session.msg("kishu_request", {"operation": "undo"})
    )
    panel.until("changed")


def test_the_stop_button_ends_a_checkout_of_the_panel(panel: Panel, where: str | None) -> None:
    kernel = panel.kernel
    kernel.library(
        "slowly",
        "import time\nclass Slow(dict):\n    def __reduce__(self):\n        return _slow, ()\n"
        "def _slow():\n    open('loading', 'w').close()\n    time.sleep(30)\n    return Slow()",
    )
    kernel.ok("from slowly import Slow")
    kernel.ok("slow = Slow()")
    kernel.ok("del slow")
    sent = panel.send({"operation": "undo"}, subshell=where)
    loading = kernel.home / "loading"
    while not loading.exists():
        assert panel.kernel.manager.is_alive()
    kernel.interrupt()
    reply = panel.reply(sent)
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert kernel.value("'slow' in globals()") is False
    assert panel.ask("status")["status"] == "ok"
    assert kernel.ok("1 + 1").status == "ok"


def test_progress_goes_to_the_panel_and_not_into_a_cell(panel: Panel) -> None:
    kernel = panel.kernel
    kernel.ok("import time\nclass Open:\n    def __reduce__(self): raise TypeError('open')")
    kernel.ok("time.sleep(1.2); held = Open()")
    kernel.ok("del held")
    sent = panel.send({"operation": "undo"})
    assert panel.until("progress")["told"]["what"] == "re-running"
    assert panel.reply(sent)["applied"]
    assert not any(kind == "display_data" for each in kernel._iopub.values() for kind, _ in each)


@pytest.mark.parametrize(
    "content", [None, 7, "undo", {"kind": "request"}, {"kind": "request", "mark": 1, "content": {"operation": 3}}]
)
def test_nonsense_does_no_harm(panel: Panel, content: Any) -> None:
    data = {"method": "custom", "content": content}
    panel.kernel.idle(panel.kernel.send("comm_msg", {"comm_id": panel.comm, "data": data}))
    assert panel.ask("status")["status"] == "ok"


def test_a_client_cannot_run_work_by_its_message(panel: Panel) -> None:
    panel.kernel.idle(panel.kernel.send("kishu_work", {"number": 1}))
    panel.kernel.idle(panel.kernel.send("kishu_work", None))
    assert panel.ask("undo")["applied"]


def test_hooks_of_the_user_are_not_called_for_it(panel: Panel, where: str | None) -> None:
    kernel = panel.kernel
    kernel.ok("calls = []\nget_ipython().events.register('post_execute', lambda: calls.append(1))")
    before = kernel.value("len(calls)")
    for _ in range(5):
        panel.ask("status", subshell=where)
    after = kernel.value("len(calls)")
    kernel.value("len(calls)")
    again = kernel.value("len(calls)")
    assert after - before <= again - after  # what looking at the list itself calls


def test_shown_again_it_is_the_same_panel(panel: Panel) -> None:
    again = panel.kernel.ok("%kishu panel")
    assert again.results[0]["application/vnd.jupyter.widget-view+json"]["model_id"] == panel.comm


def test_a_closed_panel_is_told_nothing_and_a_new_one_can_be_shown(panel: Panel) -> None:
    kernel = panel.kernel
    kernel.idle(kernel.send("comm_close", {"comm_id": panel.comm, "data": {}}))
    ran = kernel.begin("x = 3")
    assert [kind for kind, _ in kernel.idle(ran) if kind == "comm_msg"] == []
    kernel.reply(ran)
    other = Panel(kernel)
    assert other.comm != panel.comm
    assert other.ask("undo")["applied"]
    assert kernel.value("x") == 2


def test_it_survives_a_checkout_to_before_it(panel: Panel) -> None:
    assert panel.ask("undo", steps=2)["applied"]
    assert panel.ask("redo", steps=2)["applied"]
    assert panel.kernel.value("x") == 2


def test_without_anywidget_one_sentence_says_so(start: Any, tmp_path: Any) -> None:
    (tmp_path / "anywidget.py").write_text("raise ImportError('not here')")
    kernel = start(environment={"PYTHONPATH": str(tmp_path)})
    kernel.ok("x = 1")
    ran = kernel.run("%kishu panel")
    assert ran.status == "error"
    assert "needs the package anywidget" in json.dumps(ran.outputs)


def _notice_of(panel: Panel, code: str) -> Content:
    """The notice that comes with a cell."""
    running = panel.kernel.begin(code)
    said = panel.until("changed")
    assert panel.kernel.end(running).status == "ok"
    return said


def _notice_of_request(panel: Panel, **request: Any) -> Content:
    sent = panel.send(request)
    said = panel.until("changed")
    assert panel.reply(sent)["status"] == "ok"
    return said


def test_a_notice_brings_what_a_cell_added(panel: Panel) -> None:
    before = panel.kernel.done("status")["head"]
    said = _notice_of(panel, "y = 1")
    log = said["log"]
    assert (said["told"], log["since"], log["truncated"]) == (False, before, False)
    (fresh,) = log["checkpoints"]
    asked = panel.ask("log", all=True, since=before)
    assert fresh["id"] == asked["head"] == log["head"]
    assert {**fresh, "written_bytes": 0} == {**asked["checkpoints"][0], "written_bytes": 0}  # it was not written yet
    assert log["total"] == asked["total"] == len(panel.ask("log", all=True, limit=0)["checkpoints"])


def test_a_notice_of_a_travel_or_of_names_brings_nothing(panel: Panel) -> None:
    assert _notice_of_request(panel, operation="undo") == {"kind": "changed", "told": False, "log": None}
    assert _notice_of_request(panel, operation="tag", name="here") == {"kind": "changed", "told": True, "log": None}


def _see(panel: Panel, view: str, told: bool, follows: bool = False) -> None:
    data = {"method": "custom", "content": {"kind": "seen", "view": view, "told": told, "follows": follows}}
    panel.kernel.send("comm_msg", {"comm_id": panel.comm, "data": data})
    panel.ask("status")


def test_the_state_is_brought_to_a_view_that_shows_it(panel: Panel) -> None:
    _see(panel, "wide", True, follows=True)
    brought = _notice_of(panel, "made = [1, 2]\nprint('said')")["log"]["state"]
    asked = panel.ask("show", target="HEAD")
    for reply in (brought, asked):  # it was not written yet
        reply["checkpoint"]["written_bytes"] = 0
    assert brought == asked
    assert "made" in {each["name"] for each in brought["variables"]}
    assert brought["outputs"][0]["text"] == "said\n"
    _see(panel, "wide", True)
    assert "state" not in _notice_of(panel, "made = 3")["log"]
    _see(panel, "wide", False, follows=True)
    _see(panel, "narrow", True)
    assert "state" not in _notice_of(panel, "made = 4")["log"]


def test_nothing_is_sent_while_no_view_is_seen(panel: Panel) -> None:
    for number, (seen, unseen) in enumerate([("one", "two"), ("two", "one")]):
        _see(panel, seen, False)
        _see(panel, unseen, False)
        panel.kernel.ok(f"hidden = {number}")
        _see(panel, seen, True)
        assert _notice_of(panel, f"shown = {number}")["log"]["checkpoints"][0]["code"] == f"shown = {number}"
