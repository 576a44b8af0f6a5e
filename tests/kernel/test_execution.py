"""Cells of every kind in a real kernel: all of ipykernel still works, and every change can be taken back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Content, Kernel


def log(kernel: Kernel, **how: Any) -> list[Content]:
    checkpoints: list[Content] = kernel.done("log", limit=0, **how)["checkpoints"]
    return checkpoints


def last(kernel: Kernel) -> Content:
    return log(kernel)[0]


def shown(ran: Any) -> str:
    """The one result of a cell, as text."""
    [data] = ran.results
    return str(data["text/plain"])


# -- how a cell can end -------------------------------------------------------------------------------------


def test_after_a_cell_that_ended_well(kernel: Kernel) -> None:
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    assert (last(kernel)["status"], last(kernel)["modified"]) == ("ok", ["xs"])
    kernel.done("undo")
    assert kernel.value("xs") == [1]


def test_after_a_cell_that_raised_half_way(kernel: Kernel) -> None:
    kernel.ok("xs = [1]; n = 1")
    failed = kernel.run("xs.append(2); new = 3\nraise ZeroDivisionError('no')\nn = 2")
    assert (failed.status, failed.reply["ename"]) == ("error", "ZeroDivisionError")
    assert "ZeroDivisionError" in "".join(failed.outputs[-1]["traceback"])
    checkpoint = last(kernel)
    assert checkpoint["status"] == "error"
    assert (checkpoint["created"], checkpoint["modified"]) == (["new"], ["xs"])
    kernel.done("undo")
    assert kernel.value("xs, n, 'new' in globals()") == ([1], 1, False)
    kernel.done("redo")
    assert kernel.value("xs, n, new") == ([1, 2], 1, 3)


@pytest.mark.parametrize("code", ["x = = 1", "  indented", "await", "%no_such_magic", "%%no_such_magic\nx = 1"])
def test_after_a_cell_that_did_not_start(shared: Kernel, code: str) -> None:
    before = len(log(shared))
    assert shared.run(code).status == "error"
    checkpoint = last(shared)
    assert len(log(shared)) == before + 1
    assert (checkpoint["code"], checkpoint["status"], checkpoint["created"]) == (code, "error", [])


def test_after_a_cell_that_was_interrupted(kernel: Kernel) -> None:
    kernel.ok("import time; xs = []")
    running = kernel.begin("n = 1\nprint('begun')\nwhile True:\n    xs.append(len(xs))\n    time.sleep(0.001)")
    kernel.until(running, "begun")
    kernel.interrupt()
    ended = kernel.end(running)
    assert ended.reply["ename"] == "KeyboardInterrupt"
    assert "kishu" not in ended.stderr.lower()
    checkpoint = last(kernel)
    assert checkpoint["status"] == "interrupted"
    assert (checkpoint["created"], checkpoint["modified"]) == (["n"], ["xs"])
    half = kernel.value("xs")
    assert half != []
    kernel.done("undo")
    assert kernel.value("xs, 'n' in globals()") == ([], False)
    kernel.done("redo")
    assert kernel.value("xs") == half


def test_an_interrupt_as_soon_as_a_cell_is_heard_of_is_the_cells(kernel: Kernel) -> None:
    """It came too early, between two steps of the kernel's, and was lost; or the request got no reply."""
    kernel.ok("import time")
    for _ in range(40):
        running = kernel.begin("while True: time.sleep(0.001)", stop_on_error=False)
        kernel.taken_up(running)
        kernel.interrupt()
        ran = kernel.end(running)
        assert ran.reply["ename"] == "KeyboardInterrupt", ran
        assert {each["ename"] for each in ran.outputs if each["output_type"] == "error"} == {"KeyboardInterrupt"}, ran
    assert last(kernel)["status"] == "interrupted"
    assert kernel.value("7") == 7


def test_an_interrupt_that_a_callback_of_the_shells_swallows_is_the_cells(kernel: Kernel) -> None:
    """IPython shows it as an error of the callback, and the cell ran on."""
    press = "def press(info):\n    if 'while' in info.raw_cell: os.kill(os.getpid(), signal.SIGINT); time.sleep(1)"
    kernel.ok(f"import os, signal, time\n{press}\nget_ipython().events.register('pre_run_cell', press)")
    assert kernel.run("while True: time.sleep(0.001)").reply["ename"] == "KeyboardInterrupt"
    assert kernel.ok("print('run_ast_nodes' in vars(get_ipython()))").stdout == "False\n"


def test_after_an_await_that_was_interrupted(kernel: Kernel) -> None:
    kernel.ok("import asyncio; xs = []")
    # In small steps: ipykernel's loop does not wake up for a signal alone.
    running = kernel.begin("xs.append(1)\nprint('begun')\nwhile True:\n    await asyncio.sleep(0.01)")
    kernel.until(running, "begun")
    kernel.interrupt()
    assert kernel.end(running).status == "error"
    assert (last(kernel)["status"], last(kernel)["modified"]) == ("interrupted", ["xs"])
    kernel.done("undo")
    assert kernel.value("xs") == []


def test_a_cell_that_is_made_the_parent_again_can_be_interrupted(kernel: Kernel) -> None:
    """As ipykernel does with one that awaits, when a widget's message came meanwhile."""
    again = "kernel = get_ipython().kernel; kernel.set_parent([], kernel.get_parent())"
    running = kernel.begin(f"import time\n{again}\nprint('begun')\nfor _ in range(3000): time.sleep(0.01)")
    kernel.until(running, "begun")
    kernel.interrupt()
    assert kernel.end(running).reply["ename"] == "KeyboardInterrupt"


def test_cells_that_an_error_cancels_did_not_run(kernel: Kernel) -> None:
    with kernel.hold(after="1 / 0") as held:
        waiting = kernel.begin("never = 1")
        assert held.let_go().status == "error"
        assert kernel.reply(waiting)["status"] == "aborted"
    assert [each["status"] for each in log(kernel)] == ["error"]
    kernel.ok("after = 1")
    assert last(kernel)["created"] == ["after"]


def test_a_checkout_after_cancelled_cells_can_be_interrupted(kernel: Kernel, tmp_path: Path) -> None:
    """They were asked for, and never began: an interrupt of what came next was kept for them."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    gate.touch()
    waiting = f"open({str(begun)!r}, 'w').close()\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.005)"
    kernel.ok(f"import os, time\nx = (n for n in 'ab')\n{waiting}")
    kernel.ok("del x")
    with kernel.hold(after="1 / 0") as held:
        waits = kernel.begin("never = 1")
        held.let_go()
    assert kernel.end(waits).status == "aborted"
    gate.unlink()
    begun.unlink()
    request = kernel.send("kishu_request", {"operation": "undo", "steps": 2, "replay": "auto"})
    while not begun.exists():
        assert kernel.manager.is_alive()
        time.sleep(0.01)
    kernel.interrupt()
    assert kernel.reply(request)["ename"] == "KeyboardInterrupt"
    assert kernel.value("'x' in globals()") is False


def test_leaving_a_cell_by_exit(kernel: Kernel) -> None:
    assert kernel.run("n = 1; raise SystemExit(3)").status == "error"
    assert (last(kernel)["status"], last(kernel)["created"]) == ("error", ["n"])
    kernel.done("undo")
    assert kernel.value("'n' in globals()") is False


# -- what takes no checkpoint ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"silent": True}, {"store_history": False}], ids=["silent", "not in the history"])
def test_hidden_executions_are_in_the_next_checkpoint(kernel: Kernel, how: Any) -> None:
    kernel.ok("xs = [1]; ys = [1]; gone = 1")
    before = log(kernel)
    kernel.ok("xs.append(2); xs, made = xs, 1; del gone", **how)
    assert kernel.run("ys.append(2); 1 / 0", **how).status == "error"
    assert log(kernel) == before
    kernel.ok("other = 2")
    checkpoint = last(kernel)
    assert checkpoint["code"] == "other = 2"
    assert checkpoint["created"] == ["other"]
    assert checkpoint["modified"] == ["xs", "ys"]
    assert checkpoint["deleted"] == ["gone"]
    kernel.done("undo")
    assert kernel.value("xs, ys, gone, made") == ([1], [1], 1, 1)  # `made` is of whoever bound it
    kernel.done("redo")
    assert kernel.value("xs, ys, made, 'gone' in globals()") == ([1, 2], [1, 2], 1, False)
    kernel.ok("twice = made * 2")
    assert last(kernel)["created"] == ["made", "twice"]


def test_an_undo_right_after_a_hidden_execution_loses_nothing(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    kernel.ok("n = 2")
    kernel.ok("n = 3", silent=True)
    kernel.done("undo")
    assert kernel.value("n") == 1  # the parent of the head that a client saw
    kernel.done("redo")
    assert kernel.value("n") == 2
    kernel.done("redo")
    assert kernel.value("n") == 3  # kept on the way


def test_an_empty_cell(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    for code in ("", "   \n", "# nothing"):
        assert kernel.ok(code).status == "ok"
    assert kernel.ok("n").reply["execution_count"] >= 2
    kernel.done("checkout", target="In[1]")
    assert kernel.value("n") == 1


# -- what IPython adds to Python --------------------------------------------------------------------------------


def test_top_level_await(kernel: Kernel) -> None:
    kernel.ok("import asyncio\nxs = [0]")
    assert shown(kernel.ok("await asyncio.sleep(0)\nxs.append(await asyncio.sleep(0, 5))\nxs")) == "[0, 5]"
    assert last(kernel)["modified"] == ["xs"]
    kernel.ok("async def get():\n    await asyncio.sleep(0)\n    return xs\n(await get()).append(6)")
    assert last(kernel)["modified"] == ["_2", "xs"]
    kernel.done("undo")
    assert kernel.value("xs") == [0, 5]
    kernel.done("undo")
    assert kernel.value("xs") == [0]


MAGICS = [
    ("%time made = 1", ["made"], []),
    ("%time xs.append(1)", [], ["xs"]),
    ("%%time\nmade = 1\nxs.append(2)", ["made"], ["xs"]),
    ("%%capture kept\nprint('hi')\nxs.append(3)", ["kept"], ["xs"]),
    ("%timeit -n1 -r1 xs.append(4)", [], ["xs"]),
    ("%%timeit -n1 -r1\nxs.append(5)", [], ["xs"]),
    ("timing = %timeit -n1 -r1 -o -q xs.append(6)", ["timing"], ["xs"]),
    ("listed = !echo one", ["listed"], []),
    ("word = 'two'\nlisted = !echo {word} $word", ["listed", "word"], []),
    ("%run made_by_run.py", ["made_by_run"], []),
    ("%run -i appends.py", [], ["xs"]),
    ("%prun -q xs.append(7)", [], ["xs"]),
    ("%cd .", [], []),
    ("%env KISHU_TEST=1", [], []),
    ("%reset_selective -f ^gone$", [], []),
    ("get_ipython().run_line_magic('time', 'made = 1')", ["made"], []),
    ("get_ipython().run_cell('made = 1; xs.append(8)')", ["made"], ["xs"]),
    ("exec('made = 1; xs.append(9)')", ["made"], ["xs"]),
    ("globals()['made'] = 1", ["made"], []),
    ("get_ipython().push({'made': 1})", ["made"], []),
]


@pytest.fixture(scope="module")
def magics(shared: Kernel) -> Kernel:
    (shared.home / "made_by_run.py").write_text("made_by_run = 1\n", "utf-8")
    (shared.home / "appends.py").write_text("xs.append('run')\n", "utf-8")
    shared.ok("xs = []; gone = 1")
    shared.done("tag", name="before-magics")
    return shared


@pytest.mark.parametrize(("code", "created", "modified"), MAGICS, ids=[code for code, *_ in MAGICS])
def test_magics(magics: Kernel, code: str, created: list[str], modified: list[str]) -> None:
    magics.done("checkout", target="before-magics")
    magics.ok(code)
    checkpoint = last(magics)
    assert [name for name in checkpoint["created"] if not name.startswith("_")] == created
    assert checkpoint["modified"] == modified
    after = magics.value("xs")
    magics.done("undo")
    assert magics.value("xs") == []
    assert magics.value("'made' in globals()") is False
    magics.done("redo")
    assert magics.value("xs") == after


def test_reset_can_be_undone(kernel: Kernel) -> None:
    kernel.ok("xs = [1]\ndef double():\n    return xs * 2")
    kernel.ok("41 + 1")
    kernel.ok("%reset -f")
    assert kernel.value("'xs' in globals()") is False
    assert {"double", "xs"} <= set(last(kernel)["deleted"])
    kernel.done("undo")
    assert shown(kernel.ok("double()")) == "[1, 1]"
    kernel.ok("xs.append(2)")
    assert shown(kernel.ok("double()")) == "[1, 2, 1, 2]"
    assert shown(kernel.ok("_2, Out[2]")) == "(42, 42)"


def test_user_expressions_that_change_something(kernel: Kernel) -> None:
    kernel.ok("xs = []")
    ran = kernel.ok("n = 1", user_expressions={"popped": "xs.append(1)", "value": "len(xs)", "bad": "1 +", "no": "zz"})
    answers = ran.reply["user_expressions"]
    assert answers["value"]["data"]["text/plain"] == "1"
    assert (answers["bad"]["status"], answers["no"]["ename"]) == ("error", "NameError")
    assert last(kernel)["modified"] == ["xs"]
    kernel.done("undo")
    assert kernel.value("xs") == []
    kernel.done("redo")
    assert kernel.value("xs") == [1]


def test_payloads(kernel: Kernel) -> None:
    [page] = kernel.ok("print?").reply["payload"]
    assert page["source"] == "page"
    assert "Prints the values" in page["data"]["text/plain"]
    [next_input] = kernel.ok("get_ipython().set_next_input('n = 1')").reply["payload"]
    assert (next_input["source"], next_input["text"]) == ("set_next_input", "n = 1")
    assert kernel.ok("1;").reply["payload"] == []


def test_stdin(kernel: Kernel) -> None:
    kernel.ok(
        "import getpass\nname = input('who? ')\nsecret = getpass.getpass()",
        answers=["Ada", "hush"],
    )
    assert {"name", "secret"} <= set(last(kernel)["created"])
    kernel.ok("name = secret = None")
    kernel.done("undo")
    assert kernel.value("name, secret") == ("Ada", "hush")
    assert kernel.run("input()").reply["ename"] == "StdinNotImplementedError"


def test_the_cell_s_id_and_metadata_arrive(kernel: Kernel) -> None:
    kernel.ok(
        "cells = []\n"
        "def heard(info):\n"
        "    cells.append(info.cell_id)\n"
        "get_ipython().events.register('pre_run_cell', heard)"
    )
    kernel.ok("1;", metadata={"cellId": "cell-7"})
    assert "cell-7" in kernel.value("cells")


def test_hooks_of_the_user_run_and_are_seen(kernel: Kernel) -> None:
    kernel.ok("ran = []\ndef hook(*_):\n    ran.append(1)")
    kernel.ok("get_ipython().events.register('post_run_cell', hook)")
    kernel.ok("n = 1")
    assert "ran" in last(kernel)["modified"]


def test_history_request(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    kernel.ok("n = 2", store_history=False)
    kernel.ok("n + 1")
    kernel.done("undo")
    kernel.ok("n = 3")
    content = {"hist_access_type": "range", "session": 0, "start": 1, "output": False, "raw": True}
    history = kernel.message("history_request", content)["history"]
    assert [entry[1:] for entry in history] == [[1, "n = 1"], [2, "n + 1"], [3, "n = 3"]]


# -- displays -----------------------------------------------------------------------------------------------------


def test_matplotlib_inline(kernel: Kernel) -> None:
    pytest.importorskip("matplotlib")
    kernel.ok("%matplotlib inline\nimport matplotlib.pyplot as plt\nys = [1, 3, 2]")
    drawn = kernel.ok("plt.plot(ys); ys.append(4)")
    assert [set(each) for each in drawn.results] == [{"text/plain", "image/png"}]
    assert last(kernel)["modified"] == ["ys"]
    [kept] = kernel.done("show", target="HEAD")["outputs"]
    assert kept["data"]["image/png"] == drawn.results[0]["image/png"]
    kernel.done("undo")
    assert kernel.value("ys") == [1, 3, 2]
    assert [set(each) for each in kernel.ok("plt.plot(ys);").results] == [{"text/plain", "image/png"}]


def test_outputs_are_kept_as_the_frontend_shows_them(kernel: Kernel) -> None:
    ran = kernel.run(
        "from IPython.display import clear_output, display\n"
        "import os, sys\n"
        "print('erased')\n"
        "clear_output()\n"
        "print('one'); print('two')\n"
        "print('three', file=sys.stderr)\n"
        "display({'a': 1})\n"
        "os.system('echo from below')\n"
        "1 / 0"
    )
    kept = kernel.done("show", target="HEAD")["outputs"]
    assert kept[0]["output_type"] == "stream"
    assert not any("erased" in str(each) for each in kept)
    text = "".join(each["text"] for each in kept if each.get("name") == "stdout")
    assert text.startswith("one\ntwo\n")
    assert [each["text"] for each in kept if each.get("name") == "stderr"] == ["three\n"]
    assert [each["data"]["text/plain"] for each in kept if "data" in each] == ["{'a': 1}"]
    assert kept[-1] == ran.outputs[-1]
    assert kept[-1]["ename"] == "ZeroDivisionError"


# -- time travel and what IPython remembers --------------------------------------------------------------------------


def test_the_execution_count_only_grows(kernel: Kernel) -> None:
    for _ in range(3):
        kernel.ok("n = 1")
    kernel.done("checkout", target="In[1]")
    assert kernel.ok("n = 4").reply["execution_count"] == 4
    kernel.done("undo")
    kernel.done("redo")
    assert kernel.ok("n = 5").reply["execution_count"] == 5
    assert [each["execution_count"] for each in log(kernel)] == [5, 4, 1]


def test_results_travel(kernel: Kernel) -> None:
    kernel.ok("'one'")
    kernel.ok("'two'")
    kernel.ok("quiet = 1")
    kernel.ok("'four'")
    assert shown(kernel.ok("_, __, ___, Out")) == "('four', 'two', 'one', {1: 'one', 2: 'two', 4: 'four'})"

    kernel.done("checkout", target="In[2]")
    # `Out` grows by the result that is being shown, hence the copy
    assert shown(kernel.ok("_, __, ___, dict(Out), '_4' in globals()")) == (
        "('two', 'one', '', {1: 'one', 2: 'two'}, False)"
    )
    kernel.done("checkout", target="In[2]")
    kernel.ok("'seven'")
    assert shown(kernel.ok("_, __, _7, Out[7]")) == "('seven', 'two', 'seven', 'seven')"

    kernel.done("undo", steps=2)
    assert kernel.value("_, __") == ("two", "one")
    kernel.done("undo", steps=2)
    assert kernel.value("_, __, Out") == ("", "", {})
    kernel.done("redo")
    assert kernel.value("_, __, Out, _1") == ("one", "", {1: "one"}, "one")


def test_a_result_is_the_object_itself(kernel: Kernel) -> None:
    kernel.ok("xs = [1]")
    kernel.ok("xs")
    kernel.ok("xs.append(2)")
    kernel.done("undo")
    assert kernel.value("xs, _, _2, Out[2]") == ([1], [1], [1], [1])
    assert kernel.value("_ is xs and _2 is xs and Out[2] is xs") is True


def test_underscore_of_the_user(kernel: Kernel) -> None:
    """Who binds `_` has taken it from IPython."""
    kernel.ok("_ = 'mine'")
    kernel.ok("_ = 'changed'")
    kernel.done("undo")
    assert kernel.value("_") == "mine"


def test_completion_and_inspection_follow(kernel: Kernel) -> None:
    def complete(code: str) -> list[str]:
        matches: list[str] = kernel.message("complete_request", {"code": code, "cursor_pos": len(code)})["matches"]
        return matches

    def inspect(code: str) -> Content:
        return kernel.message("inspect_request", {"code": code, "cursor_pos": len(code), "detail_level": 0})

    kernel.ok("alpha_one = [1]")
    kernel.ok("alpha_two = 'two'; alpha_one.append(2)")
    assert complete("alpha_") == ["alpha_one", "alpha_two"]
    assert inspect("alpha_two")["found"]
    kernel.done("undo")
    assert complete("alpha_") == ["alpha_one"]
    assert inspect("alpha_two")["found"] is False
    assert "[1]" in inspect("alpha_one")["data"]["text/plain"]
    kernel.done("redo")
    assert complete("alpha_") == ["alpha_one", "alpha_two"]
    assert "[1, 2]" in inspect("alpha_one")["data"]["text/plain"]
    # Looking is not touching.
    assert len(log(kernel)) == 2


def test_modules_stay_and_main_is_the_namespace(kernel: Kernel) -> None:
    kernel.ok("import sys, __main__\nclass Point:\n    pass\np = Point(); n = 1")
    kernel.ok("n = 2")
    kernel.done("undo")
    assert kernel.value("__main__.n, sys.modules['__main__'] is __main__, __main__.__dict__ is globals()") == (
        1,
        True,
        True,
    )
    assert kernel.value("type(p) is Point, Point.__module__, __name__") == (True, "__main__", "__main__")
    assert shown(kernel.ok("import pickle; pickle.loads(pickle.dumps(p)).__class__ is Point")) == "True"


@pytest.fixture
def subshell(kernel: Kernel) -> str:
    return str(kernel.message("create_subshell_request", channel="control")["subshell_id"])


# -- widgets ------------------------------------------------------------------------------------------------------


WIDGET = """
import ipywidgets
slider = ipywidgets.IntSlider(value=1)
chosen = [1]
def choose(change):
    chosen.append(change['new'])
slider.observe(choose, 'value')
slider
"""


@pytest.mark.parametrize("on_subshell", [False, True], ids=["shell", "subshell"])
def test_a_widget_s_callback_is_in_the_next_checkpoint(kernel: Kernel, on_subshell: bool) -> None:
    """JupyterLab sends the messages of widgets to a subshell."""
    made = kernel.ok(WIDGET)
    assert "application/vnd.jupyter.widget-view+json" in made.results[0]
    comm = kernel.value("slider.comm.comm_id")
    assert comm in kernel.message("comm_info_request")["comms"]
    kernel.ok("n = 1")
    before = log(kernel)

    subshell = kernel.message("create_subshell_request", channel="control")["subshell_id"] if on_subshell else None
    data = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    kernel.idle(kernel.send("comm_msg", {"comm_id": comm, "data": data}, subshell=subshell))
    assert log(kernel) == before
    kernel.ok("n = 2")
    assert "chosen" in last(kernel)["modified"]
    kernel.ok("chosen = 0")
    kernel.done("undo")
    assert kernel.value("chosen") == [1, 42]
    kernel.done("undo")
    assert kernel.value("chosen, n") == ([1], 1)


def test_an_undo_right_after_a_widget_s_callback(kernel: Kernel) -> None:
    kernel.ok(WIDGET)
    kernel.ok("n = 1")
    comm = kernel.value("slider.comm.comm_id")
    data = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    kernel.idle(kernel.send("comm_msg", {"comm_id": comm, "data": data}))
    kernel.done("undo")
    assert kernel.value("chosen, 'n' in globals()") == ([1], False)
    kernel.done("redo", steps=2)
    assert kernel.value("chosen, n") == ([1, 42], 1)


def test_a_callback_that_outlasts_a_cell(kernel: Kernel, subshell: str, tmp_path: Path) -> None:
    """It runs on a subshell; what it does after the cell's checkpoint is in the one after that."""
    gate = tmp_path / "gate"
    kernel.ok(
        "import ipywidgets, os, time\n"
        "slider = ipywidgets.IntSlider(value=1); early, late = [], []\n"
        "def choose(change):\n"
        "    early.append(change['new'])\n"
        "    print('held')\n"
        f"    while not os.path.exists({str(gate)!r}): time.sleep(0.005)\n"
        "    late.append(change['new'])\n"
        "slider.observe(choose, 'value')",
        subshell=subshell,  # where a widget was made, ipykernel runs its callbacks
    )
    comm = kernel.value("slider.comm.comm_id")
    data = {"method": "update", "state": {"value": 42}, "buffer_paths": []}
    moved = kernel.send("comm_msg", {"comm_id": comm, "data": data}, subshell=subshell)
    kernel.until(moved, "held")
    kernel.ok("n = 1")
    assert "early" in last(kernel)["modified"]
    gate.touch()
    kernel.idle(moved)
    kernel.ok("n = 2")
    assert "late" in last(kernel)["modified"]
    kernel.done("undo")
    assert kernel.value("early, late") == ([42], [])


# -- subshells ----------------------------------------------------------------------------------------------------


def test_a_cell_on_a_subshell_alone(kernel: Kernel, subshell: str) -> None:
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)", subshell=subshell)
    assert (last(kernel)["code"], last(kernel)["modified"]) == ("xs.append(2)", ["xs"])
    kernel.done("undo")
    assert kernel.value("xs") == [1]


def test_a_subshell_cell_within_a_main_one(kernel: Kernel, subshell: str) -> None:
    """Both are in the history when both have ended, and not before."""
    kernel.ok("main = []; side = []")
    first = last(kernel)
    with kernel.hold("main.append('half')", "main.append('whole')") as held:
        kernel.ok("side.append('done')", subshell=subshell)
        assert kernel.done("log", "control")["checkpoints"] == [first]
        held.let_go()
    newest, older, oldest = log(kernel)
    assert oldest["id"] == first["id"]
    assert {newest["code"], older["code"]} == {held.code, "side.append('done')"}
    assert {*newest["modified"], *older["modified"]} == {"main", "side"}
    kernel.done("undo", steps=2)
    assert kernel.value("main, side") == ([], [])
    kernel.done("redo", steps=2)
    assert kernel.value("main, side") == (["half", "whole"], ["done"])


def test_a_main_cell_within_a_subshell_one(kernel: Kernel, subshell: str) -> None:
    kernel.ok("main = []; side = []")
    with kernel.hold("side.append('half')", "side.append('whole')", subshell=subshell) as held:
        kernel.ok("main.append(1)")
        inner = last(kernel)
        assert (inner["code"], inner["modified"]) == ("main.append(1)", ["main"])
        for operation, how in (("undo", {}), ("checkout", {"target": "HEAD"})):
            refused = kernel.request(operation, **how)
            assert "subshell" in refused["evalue"]
        assert kernel.value("main") == [1]
        held.let_go()
    assert last(kernel)["code"] == held.code
    assert last(kernel)["modified"] == ["side"]
    kernel.done("undo")
    assert kernel.value("main, side") == ([1], [])
    kernel.done("undo")
    assert kernel.value("main, side") == ([], [])


def test_no_checkpoint_is_torn(kernel: Kernel, subshell: str) -> None:
    """Two lists grow in step on a subshell; in every state that can be visited, they are in step."""
    kernel.ok("left, right, counts = [], [], []\nimport time\ngoing = True")
    running = kernel.begin(
        "print('begun')\nwhile going:\n    left.append(len(left))\n    time.sleep(0.002)\n    right.append(len(right))",
        subshell=subshell,
    )
    kernel.until(running, "begun")
    for number in range(15):
        kernel.ok(f"counts.append({number}); len(left), len(right)")
    kernel.ok("going = False")
    assert kernel.end(running).status == "ok"
    kernel.ok("counts.append('end')")
    assert kernel.value("len(left) == len(right) > 0")
    states = log(kernel)
    assert len(states) == 19
    for state in states:
        kernel.done("checkout", target=state["id"])
        assert kernel.value("len(left) == len(right)"), state
    kernel.done("checkout", target=states[0]["id"])
    assert kernel.value("counts") == [*range(15), "end"]
    assert kernel.value("len(left) > 0")


def test_an_interrupt_ends_the_main_cell_only(kernel: Kernel, subshell: str) -> None:
    kernel.ok("side = []")
    with kernel.hold("side.append(1)", "side.append(2)", subshell=subshell) as on_subshell:
        with kernel.hold() as on_main:
            kernel.interrupt()
            assert kernel.end(on_main.running).reply["ename"] == "KeyboardInterrupt"
        assert last(kernel)["status"] == "interrupted"
        assert on_subshell.let_go().status == "ok"
    assert kernel.value("side") == [1, 2]
    kernel.done("undo")
    assert kernel.value("side") == []


def test_a_cell_that_waits_for_a_checkpoint_can_be_interrupted(kernel: Kernel, subshell: str) -> None:
    """It does not run, and its reply comes."""
    reducing, gate = kernel.home / "reducing", kernel.home / "gate"
    kernel.library(
        "slowly",
        "import pathlib, time\nclass Slow:\n    def __reduce__(self):\n"
        f"        pathlib.Path({str(reducing)!r}).touch()\n"
        f"        while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.005)\n"
        "        return Slow, ()",
    )
    kernel.ok("from slowly import Slow")
    on_subshell = kernel.begin("slow = Slow()", subshell=subshell)
    while not reducing.exists():  # its checkpoint is under way
        time.sleep(0.005)
    waiting = kernel.begin("late = 1")
    time.sleep(0.3)
    kernel.interrupt()
    try:
        assert kernel.end(waiting).reply["ename"] == "KeyboardInterrupt"
    finally:
        gate.touch()
    assert kernel.end(on_subshell).status == "ok"
    assert "late" not in kernel.value("dir()")


class Gate:
    """Lets checkpoints of `Slow` objects pass, or holds them."""

    def __init__(self, kernel: Kernel) -> None:
        self.file = kernel.home / "gate"
        self.reached = kernel.home / "reached"
        self.file.touch()
        kernel.library(
            "slowly",
            "import pathlib, time\nclass Slow:\n    def __reduce__(self):\n"
            f"        pathlib.Path({str(self.reached)!r}).touch()\n"
            f"        while not pathlib.Path({str(self.file)!r}).exists(): time.sleep(0.005)\n"
            "        return Slow, ()",
        )
        kernel.ok("from slowly import Slow")
        self.file.unlink()

    def open(self) -> None:
        self.file.touch()


def test_the_reply_does_not_wait_for_the_checkpoint(kernel: Kernel) -> None:
    gate = Gate(kernel)
    running = kernel.begin("slow = Slow()")
    assert kernel.reply(running)["status"] == "ok"
    status = kernel.done("status", channel="control")
    assert status["pending"] is True
    gate.open()
    assert kernel.done("log")["checkpoints"][0]["created"] == ["slow"]


def test_who_has_seen_the_reply_sees_the_checkpoint(kernel: Kernel) -> None:
    gate = Gate(kernel)
    running = kernel.begin("slow = Slow()")
    kernel.reply(running)
    asked = kernel.send("kishu_request", {"operation": "log"}, channel="control")
    gate.open()
    assert kernel.reply(asked, "control")["checkpoints"][0]["created"] == ["slow"]


def test_a_shutdown_right_after_the_reply_loses_nothing(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    gate = Gate(kernel)
    running = kernel.begin("slow = Slow(); n = 5")
    kernel.reply(running)
    shutdown = kernel.send("shutdown_request", {"restart": False}, channel="control")
    gate.open()
    assert kernel.reply(shutdown, "control")["status"] == "ok"
    kernel.restart()
    kernel.done("resume")
    assert kernel.value("n") == 5


def test_an_interrupt_after_the_reply(kernel: Kernel) -> None:
    """The cell has ended well; what it did is taken before the next one."""
    gate = Gate(kernel)
    running = kernel.begin("slow = Slow(); n = 5")
    while not gate.reached.exists():
        time.sleep(0.005)
    kernel.interrupt()
    ran = kernel.end(running)
    assert ran.status == "ok"
    assert "could not store the state after this cell" in ran.stderr
    gate.open()
    kernel.ok("n = 6")
    kernel.done("undo")
    assert kernel.value("n, type(slow).__name__") == (5, "Slow")


def test_a_cell_right_after_the_reply_to_one_on_another_shell(kernel: Kernel, subshell: str) -> None:
    """Each checkpoint has its own cell's doing, however early the next cell comes."""
    gate = Gate(kernel)
    for first, second in ((subshell, None), (None, subshell)):
        gate.file.unlink(missing_ok=True)
        running = kernel.begin("slow, xs = Slow(), []", subshell=first)
        kernel.reply(running)
        later = kernel.begin("xs.append(1)", subshell=second)
        time.sleep(0.2)
        gate.open()
        assert kernel.end(later).status == "ok"
        kernel.done("undo")
        assert kernel.value("xs") == []
        kernel.done("redo")
        assert kernel.value("xs") == [1]


def test_requests_on_a_subshell_only_read(kernel: Kernel, subshell: str) -> None:
    kernel.ok("n = 1")

    def ask(**content: Any) -> Content:
        return kernel.reply(kernel.send("kishu_request", content, subshell=subshell))

    with kernel.hold():
        assert len(ask(operation="log")["checkpoints"]) == 1
        assert ask(operation="undo")["status"] == "error"
    assert kernel.value("n") == 1


# -- debugger -----------------------------------------------------------------------------------------------------


class Debugger:
    """The requests that a frontend sends, numbered."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.number = 0
        initialized = self(
            "initialize",
            clientID="test",
            adapterID="",
            pathFormat="path",
            linesStartAt1=True,
            columnsStartAt1=True,
        )
        assert initialized["success"], initialized
        assert self("attach")["success"]

    def __call__(self, command: str, **arguments: Any) -> Content:
        self.number += 1
        content = {"type": "request", "seq": self.number, "command": command, "arguments": arguments}
        return self.kernel.message("debug_request", content, channel="control")


@pytest.fixture
def debugger(kernel: Kernel) -> Debugger:
    pytest.importorskip("debugpy")
    return Debugger(kernel)


def test_the_debugger_attaches_and_cells_go_on(kernel: Kernel, debugger: Debugger) -> None:
    assert debugger("configurationDone")["success"]
    kernel.ok("n = 1")
    kernel.ok("n = 2")
    assert {each["name"] for each in debugger("inspectVariables")["body"]["variables"]} >= {"n"}
    kernel.done("undo")
    assert kernel.value("n") == 1
    assert debugger("disconnect", restart=False, terminateDebuggee=False)["success"]
    kernel.ok("n = 3")
    assert last(kernel)["modified"] == ["n"]


def test_who_traces_a_notebook_sees_nothing_of_our_work(kernel: Kernel) -> None:
    """A debugger would follow each of our functions: its first cell took seconds."""
    kernel.ok(
        "import sys, threading\nseen = set()\n"
        "def tracer(frame, event, arg):\n    seen.add(frame.f_code.co_filename)\n"
        "threading.settrace(tracer); sys.settrace(tracer)"
    )
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    kernel.ok("%kishu log")
    kernel.ok("%kishu undo")
    kernel.ok("total = sum(xs)", silent=True)
    kernel.done("redo")
    kernel.ok("sys.settrace(None); threading.settrace(None)")
    files = kernel.value("sorted(seen)")
    assert len(files) > 10
    ours = {file.partition("kishu_kernel/")[2].partition("/")[0] for file in files if "kishu_kernel/" in file}
    assert ours <= {"frontend", "process"}  # the frames around a cell


def test_what_the_debugger_changes_at_a_breakpoint_is_in_the_checkpoint(kernel: Kernel, debugger: Debugger) -> None:
    kernel.ok("xs = [1]; untouched = [0]")
    code = "def f():\n    local = 2\n    return local\nxs.append(f())"
    source = debugger("dumpCell", code=code)["body"]["sourcePath"]
    points = debugger("setBreakpoints", breakpoints=[{"line": 3}], source={"path": source}, sourceModified=False)
    assert points["success"], points
    assert debugger("configurationDone")["success"]
    running = kernel.begin(code)
    while not (stopped := debugger("debugInfo")["body"]["stoppedThreads"]):
        pass
    stacks = {thread: debugger("stackTrace", threadId=thread)["body"]["stackFrames"] for thread in stopped}
    [(thread, frame)] = [
        (thread, frames[0]) for thread, frames in stacks.items() if frames and frames[0]["name"] == "f"
    ]
    assert kernel.done("status", "control")["store"]["checkpoints"] == 1  # answered at a breakpoint too
    for expression in ("untouched.append('debugger')", "local = 7"):
        done = debugger("evaluate", expression=expression, frameId=frame["id"], context="repl")
        assert done["success"], done
    assert debugger("continue", threadId=thread)["success"]
    assert kernel.end(running).status == "ok"
    after = kernel.value("xs")
    assert {"untouched", "xs"} <= set(last(kernel)["modified"])
    kernel.done("undo")
    assert kernel.value("xs, untouched") == ([1], [0])
    kernel.done("redo")
    assert kernel.value("xs, untouched") == (after, [0, "debugger"])


# -- settings -----------------------------------------------------------------------------------------------------


def road(kernel: Kernel) -> None:
    """The short way through everything: changes in place, functions, an undo, a branch, a replay."""
    kernel.ok("xs = [1]; ys = xs; n = 0\ndef grow():\n    global n\n    n += 1\n    xs.append(n)")
    kernel.ok("grow()")
    kernel.ok("numbers = iter(range(3)); g = (i for i in range(4))")
    kernel.ok("grow(); got = next(g)")
    assert last(kernel)["modified"][:2] == ["g", "n"]
    assert kernel.value("xs, n, got") == ([1, 1, 2], 2, 0)
    kernel.done("checkout", target="In[2]")
    assert kernel.value("xs, n, 'got' in globals()") == ([1, 1], 1, False)
    kernel.ok("grow()")
    assert kernel.value("ys, n, xs is ys") == ([1, 1, 2], 2, True)
    kernel.done("checkout", target="In[3]")
    assert shown(kernel.ok("list(g)")) == "[0, 1, 2, 3]"
    kernel.done("checkout", target="In[1]")
    assert kernel.value("xs, ys, n, 'g' in globals()") == ([1], [1], 0, False)
    assert kernel.done("status")["warnings"] == []


def test_the_namespace_is_a_plain_dict(kernel: Kernel) -> None:
    assert kernel.value("type(globals()) is dict, type(get_ipython().user_ns) is dict") == (True, True)
    kernel.ok("n = 1")
    kernel.done("undo")
    assert kernel.value("type(globals()) is dict, globals() is get_ipython().user_ns") == (True, True)


@pytest.mark.parametrize("tracker", ["code", "namespace", "all"])
def test_trackers(start: Start, tracker: str) -> None:
    kernel = start(f"--KishuKernel.tracker={tracker}")
    kind = kernel.value("type(get_ipython().user_ns).__name__")
    assert kind == ("PatchedNamespace" if tracker == "namespace" else "dict")
    road(kernel)


def configure(home: Path, text: str) -> None:
    profile = home / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(f"c = get_config()\n{text}\n", "utf-8")


def test_in_memory_by_the_command_line(start: Start) -> None:
    kernel = start("--KishuKernel.in_memory=True")
    road(kernel)
    assert kernel.done("status")["store"]["path"] is None
    assert not kernel.stores.exists()


def test_in_memory_by_the_config_file(start: Start, tmp_path: Path) -> None:
    configure(tmp_path, "c.KishuKernel.in_memory = True")
    kernel = start()
    kernel.ok("n = 1")
    kernel.ok("n = 2")
    kernel.done("undo")
    assert kernel.value("n") == 1
    assert kernel.done("status")["store"]["path"] is None
    assert not kernel.stores.exists()


def test_store_dir_by_the_config_file(start: Start, tmp_path: Path) -> None:
    configure(tmp_path, f"c.KishuKernel.store_dir = {str(tmp_path / 'elsewhere')!r}\nc.KishuKernel.output_limit = 50")
    kernel = start()
    kernel.ok("print('x' * 1000)")
    assert Path(kernel.done("status")["store"]["path"]).parent == tmp_path / "elsewhere"
    assert not kernel.stores.exists()
    outputs = kernel.done("show", target="HEAD")["outputs"]
    assert outputs[0]["text"] == "x" * 50
    assert "not kept" in str(outputs)


def test_store_dir_by_the_environment(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"KISHU_STORE_DIR": str(tmp_path / "from env")})
    kernel.ok("n = 1")
    assert Path(kernel.done("status")["store"]["path"]).parent == tmp_path / "from env"


def test_store_dir_is_under_jupyter_s_data_when_not_told(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"KISHU_STORE_DIR": None})
    kernel.ok("n = 1")
    assert Path(kernel.done("status")["store"]["path"]).is_relative_to(tmp_path / "jupyter_data")


@pytest.mark.parametrize("off", ["0", "false", "config"])
def test_switched_off_it_is_plain_ipykernel(start: Start, tmp_path: Path, off: str) -> None:
    if off == "config":
        configure(tmp_path, "c.KishuKernel.enabled = False")
        kernel = start()
    else:
        kernel = start(environment={"KISHU_ENABLED": off})
    assert "kishu" not in kernel.message("kernel_info_request")["supported_features"]
    assert shown(kernel.ok("n = 1; n")) == "1"
    assert kernel.request("log")["status"] == "error"
    assert kernel.request("status", "control")["status"] == "error"
    assert "kishu" in kernel.run("%kishu").stderr
    assert kernel.value("n") == 1
    assert not kernel.stores.exists()


def test_a_store_that_cannot_be_opened_harms_no_cell(start: Start, tmp_path: Path) -> None:
    (tmp_path / "stores").write_text("a file is in the way", "utf-8")
    kernel = start()
    told = kernel.ok("n = 1")
    assert told.stderr.count("[kishu]") == 1
    kernel.ok("n = 2")
    kernel.done("undo")
    assert kernel.value("n") == 1
    assert len(kernel.done("status")["warnings"]) == 1


# -- names that are not the user's ------------------------------------------------------------------------------------


def test_names_that_frontends_inject_do_not_travel(kernel: Kernel) -> None:
    """VS Code's helpers run silently, or not in the history, between the cells of the user."""
    kernel.ok("n = 1")
    kernel.ok(
        "__vsc_ipynb_file__ = '/home/ada/book.ipynb'\n"
        "def _VSCODE_getVariable(): pass\n"
        "__VSCODE_compute_hash = 1\n"
        "__jupyter_exec_background__ = 1",
        store_history=False,
    )
    kernel.ok("n = 2")
    assert (last(kernel)["created"], last(kernel)["modified"]) == ([], ["n"])
    assert [each["name"] for each in kernel.done("show", target="HEAD")["variables"]] == ["n"]
    kernel.ok("__vsc_ipynb_file__ = '/home/ada/renamed.ipynb'", silent=True)
    kernel.done("undo")
    assert kernel.value("n, __vsc_ipynb_file__, __VSCODE_compute_hash") == (1, "/home/ada/renamed.ipynb", 1)
    assert kernel.value("callable(_VSCODE_getVariable)") is True
    assert len(log(kernel, all=True)) == 2


def test_names_with_an_underscore_travel(kernel: Kernel) -> None:
    kernel.ok("_private = 1; __dunder = 2; _5x = 3; I = 4; Output = 5")
    assert last(kernel)["created"] == ["I", "Output", "_5x", "__dunder", "_private"]
    kernel.ok("_private = __dunder = I = 0")
    kernel.done("undo")
    assert kernel.value("_private, __dunder, I") == (1, 2, 4)


def test_what_ipython_injects_is_the_user_s_once_bound(kernel: Kernel) -> None:
    kernel.ok("get_ipython = 'mine'; open = 'too'")
    assert last(kernel)["created"] == ["get_ipython", "open"]
    kernel.done("undo")
    assert kernel.value("callable(get_ipython), callable(open)") == (True, True)
    kernel.done("redo")
    assert kernel.value("get_ipython, open") == ("mine", "too")


def test_what_is_printed_shown_and_flushed_comes_in_its_order(shared: Kernel) -> None:
    ran = shared.run(
        "import sys\nprint('a', end='', flush=True)\nsys.stdout.flush()\nsys.stderr.write('b'); sys.stderr.flush()\n"
        "display('c')\nprint('d')\nsys.stdout.flush()\n'e'"
    )
    assert ran.text == "a\nb\n'c'\nd\n\n'e'"
