"""`%load_ext kishu_kernel` in a plain ipykernel, as hosted platforms have it, and in IPython in a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Content, Kernel, Ran, environment_of
from .test_execution import Debugger, configure

PLAIN = (sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher")
"""What the kernelspec `python3` starts."""

LOAD = "%load_ext kishu_kernel"
PlainStart = Callable[..., Kernel]


@pytest.fixture
def plain(start: Start) -> PlainStart:
    """Starts plain kernels, on the same notebook."""

    def starting(*arguments: str, environment: dict[str, str | None] | None = None) -> Kernel:
        return start(
            *arguments, command=PLAIN, environment={"JPY_SESSION_NAME": "/home/ada/book.ipynb", **(environment or {})}
        )

    return starting


@pytest.fixture
def loaded(plain: PlainStart) -> Kernel:
    """A plain kernel that has just loaded us."""
    kernel = plain()
    kernel.ok(LOAD)
    return kernel


def log(kernel: Kernel, **how: Any) -> list[Content]:
    """The oldest first."""
    return list(reversed(kernel.done("log", **how)["checkpoints"]))


def said(ran: Ran) -> list[str]:
    return [line for line in ran.stdout.splitlines() if line.startswith("[kishu]")]


def written(kernel: Kernel) -> None:
    while kernel.done("status")["pending"]:
        pass


# -- the same as in our own kernel --------------------------------------------------------------------------------


def test_a_cell_can_be_undone_by_magic_and_by_request(loaded: Kernel) -> None:
    loaded.ok("xs = [1]; ys = xs")
    loaded.ok("xs.append(2)")
    loaded.ok("%kishu undo")
    assert loaded.value("xs, ys, xs is ys") == ([1], [1], True)
    loaded.done("redo")
    assert loaded.value("ys") == [1, 2]
    loaded.done("checkout", target="In[2]")
    assert loaded.value("ys") == [1]
    assert loaded.done("status")["warnings"] == []


def test_clients_learn_of_it_and_are_answered_while_a_cell_runs(plain: PlainStart) -> None:
    kernel = plain()
    before = kernel.message("kernel_info_request")
    kernel.ok(LOAD)
    for channel in ("shell", "control"):
        info = kernel.message("kernel_info_request", channel=channel)
        assert info["supported_features"] == [*before.get("supported_features", []), "kishu"]
        assert info["language_info"] == before["language_info"]
    with kernel.hold() as held:
        assert [each["code"] for each in kernel.done("log", "control")["checkpoints"]] == [LOAD]
        refused = kernel.request("undo", "control")
        assert (refused["status"], "shell channel" in refused["evalue"]) == ("error", True)
        held.let_go()
    kernel.nothing_more()


def test_what_cells_showed_is_kept(loaded: Kernel) -> None:
    loaded.ok("print('hello'); 6 * 7")
    outputs = loaded.done("show", target="HEAD")["outputs"]
    assert [each["output_type"] for each in outputs] == ["stream", "execute_result"]
    assert outputs[0]["text"] == "hello\n"


def test_errors_awaits_and_hidden_executions(loaded: Kernel) -> None:
    assert loaded.run("xs = [1]\n1 / 0").status == "error"
    loaded.ok("import asyncio\nawait asyncio.sleep(0)\nxs.append(2)")
    loaded.ok("silent = 1", silent=True)
    loaded.ok("unlisted = 1", store_history=False)
    loaded.ok("seen = 1")
    assert [(each["status"], each["created"], each["modified"]) for each in log(loaded)[1:]] == [
        ("error", ["xs"], []),
        ("ok", ["asyncio"], ["xs"]),
        ("ok", ["seen"], []),
    ]
    assert [each["execution_count"] for each in log(loaded)] == [1, 2, 3, 4]
    loaded.ok("seen = silent + unlisted")
    assert log(loaded)[-1]["created"] == ["silent", "unlisted"]


def test_a_widget_s_callback_is_in_the_next_checkpoint(loaded: Kernel) -> None:
    pytest.importorskip("ipywidgets")
    loaded.ok("import ipywidgets\nslider = ipywidgets.IntSlider(0)\nmoves = []")
    loaded.ok("slider.observe(lambda change: moves.append(change.new), 'value')")
    comm = loaded.value("slider.comm.comm_id")
    loaded.idle(loaded.send("comm_msg", {"comm_id": comm, "data": {"method": "update", "state": {"value": 5}}}))
    loaded.ok("n = 1")
    assert "moves" in log(loaded)[-1]["modified"]
    assert loaded.value("moves") == [5]


def test_the_debugger_goes_on_working(loaded: Kernel) -> None:
    pytest.importorskip("debugpy")
    debugger = Debugger(loaded)
    assert debugger("configurationDone")["success"]
    loaded.ok("n = 1")
    assert {each["name"] for each in debugger("inspectVariables")["body"]["variables"]} >= {"n"}
    assert debugger("disconnect", restart=False, terminateDebuggee=False)["success"]
    loaded.ok("n = 2")
    assert log(loaded)[-1]["modified"] == ["n"]


def test_a_thread_that_ran_before_is_seen(plain: PlainStart) -> None:
    kernel = plain()
    kernel.ok(
        "import threading\n"
        "heard, more = [], threading.Event()\n"
        "def listen():\n"
        "    while True:\n"
        "        more.wait(); more.clear(); heard.append(len(heard))\n"
        "listener = threading.Thread(target=listen, daemon=True); listener.start()"
    )
    kernel.ok(LOAD)
    kernel.ok("more.set()\nwhile not len(globals()['heard']): pass")
    kernel.ok("n = 1; more.set()\nwhile more.is_set(): pass")
    assert any("heard" in each["modified"] for each in log(kernel))


# -- the cell that loads it ---------------------------------------------------------------------------------------


def test_what_there_was_before_is_in_the_first_checkpoint(plain: PlainStart) -> None:
    kernel = plain()
    kernel.ok("xs = [1]; ys = xs\ndef grow():\n    xs.append(len(xs))")
    kernel.ok("grow(); 'shown'")
    code = f"here = 1\nprint('before')\n{LOAD}\nprint('after')\nlater = 2"
    kernel.ok(code)
    [first] = log(kernel)
    assert (first["code"], first["execution_count"], first["status"]) == (code, 3, "ok")
    assert first["created"] == ["_2", "grow", "here", "later", "xs", "ys"]
    [output] = kernel.done("show", target="HEAD")["outputs"]
    assert output["text"].endswith("after\n")
    kernel.ok("grow(); del here; later = 3")
    kernel.ok("ys = None")
    kernel.done("checkout", target=first["id"])
    assert kernel.value("xs, ys, xs is ys, here, later, _2") == ([1, 1], [1, 1], True, 1, 2, "shown")
    kernel.ok("grow()")
    assert kernel.value("ys") == [1, 1, 2]


def test_what_cannot_be_stored_and_was_there_before_is_not_made_up(plain: PlainStart) -> None:
    """The cell that loads it did not make it, so that running that cell again would not bring it back."""
    kernel = plain()
    kernel.ok("g = (i for i in range(3)); n = 0")
    kernel.ok(LOAD)
    kernel.ok("n = next(g)")
    refused = kernel.request("undo")
    assert (refused["status"], "g" in refused["evalue"]) == ("error", True)
    assert kernel.value("n, next(g)") == (0, 1)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (f"{LOAD}\n1 / 0", "error"),
        (f"import asyncio\n{LOAD}\nawait asyncio.sleep(0)", "ok"),
        ("get_ipython().run_line_magic('load_ext', 'kishu_kernel')", "ok"),
        (f"get_ipython().run_cell('{LOAD}', store_history=False)\nlast = 1", "ok"),
    ],
    ids=["that fails", "that awaits", "in Python", "in a cell of its own"],
)
def test_a_cell_that_loads_it(plain: PlainStart, code: str, status: str) -> None:
    kernel = plain()
    kernel.ok("xs = [1]")
    assert kernel.run(code).status == status
    kernel.ok("xs.append(2)")
    assert [(each["code"], each["status"]) for each in log(kernel)] == [(code, status), ("xs.append(2)", "ok")]
    assert "xs" in log(kernel)[0]["created"]
    kernel.done("undo")
    assert kernel.value("xs") == [1]


def test_loaded_without_a_visible_cell(plain: PlainStart) -> None:
    """As by the start-up commands of VS Code."""
    kernel = plain()
    kernel.ok("xs = [1]", store_history=False)
    assert kernel.ok(LOAD, store_history=False).outputs == []
    kernel.ok("n = 1")
    kernel.ok("xs.append(n)")
    assert [each["created"] for each in log(kernel)] == [["n", "xs"], []]
    kernel.done("undo")
    assert kernel.value("xs, n") == ([1], 1)


def test_loaded_by_ipython_s_config(plain: PlainStart, tmp_path: Path) -> None:
    configure(tmp_path, "c.InteractiveShellApp.extensions = ['kishu_kernel']")
    kernel = plain()
    assert "kishu" in kernel.message("kernel_info_request")["supported_features"]
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    kernel.ok("%kishu undo")
    assert kernel.value("xs") == [1]
    assert len(log(kernel, all=True)) == 2


# -- more than once, and no more ----------------------------------------------------------------------------------


def test_loaded_twice(loaded: Kernel) -> None:
    assert "already loaded" in loaded.ok(LOAD).stdout
    assert said(loaded.ok("import kishu_kernel\nkishu_kernel.load_ipython_extension(get_ipython())")) == [
        "[kishu] Kishu is loaded already."
    ]
    loaded.ok("n = 1")
    assert [each["execution_count"] for each in log(loaded)] == [1, 2, 3, 4]


def test_it_is_not_needed_in_our_own_kernel(kernel: Kernel) -> None:
    [told] = said(kernel.ok(LOAD))
    assert "not needed" in told
    [told] = said(kernel.ok("%unload_ext kishu_kernel"))
    assert "goes on" in told
    kernel.ok("n = 1")
    assert [each["created"] for each in log(kernel)] == [[], [], ["n"]]


def test_unloaded_the_kernel_is_plain_again(plain: PlainStart) -> None:
    kernel = plain()
    before = kernel.message("kernel_info_request")
    kernel.ok(LOAD)
    kernel.ok("xs = [1]")
    assert said(kernel.ok("xs.append(2)\n%unload_ext kishu_kernel")) == [
        "[kishu] No more states are stored. The history stays."
    ]
    kernel.ok("xs.append(3)")
    refusal = kernel.ask({"operation": "status"})
    assert refusal["ename"] == "Disabled"
    assert refusal["hint"]
    assert "not found" in kernel.run("%kishu log").stderr
    after = kernel.message("kernel_info_request")
    assert {**after, "banner": ""} == {**before, "banner": ""}  # it has a tip of the day
    ours = "[name for name in vars(get_ipython().kernel) if name.startswith('do_')]"
    assert kernel.value(ours) == []
    assert kernel.message("complete_request", {"code": "%kish", "cursor_pos": 5})["matches"] == []
    kernel.nothing_more()
    # The history is still there, and goes on.
    told = kernel.ok(LOAD)
    assert "%kishu resume" in str(told.results)
    assert kernel.value("xs") == [1, 2, 3]
    assert [each["modified"] for each in log(kernel, all=True)] == [[], [], ["xs"], []]
    kernel.done("resume")
    assert kernel.value("xs") == [1, 2]


def test_reloaded_in_the_middle_of_a_cell(loaded: Kernel) -> None:
    loaded.ok("xs = [1]")
    loaded.ok("xs.append(2)\n%reload_ext kishu_kernel\nxs.append(3)")
    loaded.ok("n = 1")
    assert [each["created"] for each in log(loaded)] == [["xs"], ["n"]]
    assert len(log(loaded, all=True)) == 5
    assert loaded.done("status")["warnings"] == []


# -- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "kill -9"])
def test_resumed_in_a_second_kernel(plain: PlainStart, kill: bool) -> None:
    kernel = plain()
    kernel.ok("xs = [1]; ys = xs")
    kernel.ok(LOAD)
    kernel.ok("xs.append(2)")
    written(kernel)
    kernel.restart(kill=kill)
    told = kernel.ok(LOAD)
    assert "%kishu resume" in str(told.results)
    kernel.ok("%kishu resume")
    assert kernel.value("xs, xs is ys") == ([1, 2], True)
    kernel.done("undo")
    assert kernel.value("ys") == [1]


def test_resumed_by_the_cell_that_loads_it(plain: PlainStart) -> None:
    kernel = plain()
    kernel.ok(f"{LOAD}\nxs = [1]")
    kernel.restart()
    kernel.ok(f"mine = 1\n{LOAD}\n%kishu resume\nxs.append(2)")
    assert kernel.value("xs, 'mine' in globals()") == ([1, 2], False)
    kernel.done("undo")
    assert kernel.value("xs") == [1]


def test_resumed_in_our_own_kernel(plain: PlainStart, start: Start) -> None:
    kernel = plain()
    kernel.ok("xs = [1]")
    kernel.ok(LOAD)
    kernel.close(gracefully=True)
    own = start(environment={"JPY_SESSION_NAME": "/home/ada/book.ipynb"})
    own.ok("%kishu resume")
    assert own.value("xs") == [1]


def test_auto_resume_takes_nothing_away(plain: PlainStart) -> None:
    kernel = plain(environment={"KISHU_AUTO_RESUME": "1"})
    kernel.ok(f"{LOAD}\nxs = [1]")
    kernel.restart()
    kernel.ok(LOAD)
    assert kernel.value("xs") == [1]
    kernel.restart()
    kernel.ok("mine = 1")
    assert "%kishu resume" in str(kernel.ok(LOAD).results)
    assert kernel.value("mine, 'xs' in globals()") == (1, False)


# -- settings -----------------------------------------------------------------------------------------------------


def test_options_are_those_of_our_own_kernel(plain: PlainStart, tmp_path: Path) -> None:
    configure(tmp_path, "c.KishuKernel.in_memory = True\nc.KishuKernel.exclude = ['tmp_*']")
    kernel = plain()
    kernel.ok(LOAD)
    kernel.ok("tmp_x = [1]")
    assert kernel.done("status")["store"]["path"] is None
    assert [each["names"] for each in log(kernel)[-1]["not_stored"]] == [["tmp_x"]]
    assert not kernel.stores.exists()


def test_a_notebook_that_the_platform_does_not_tell(start: Start) -> None:
    told = {"KISHU_NOTEBOOK": "/content/study.ipynb"}
    kernel = start(command=PLAIN)
    kernel.ok(f"%env KISHU_NOTEBOOK={told['KISHU_NOTEBOOK']}", store_history=False)
    kernel.ok(LOAD)
    assert Path(kernel.done("status")["store"]["path"]).name.startswith("study-")
    kernel.close(gracefully=True)
    assert "%kishu resume" in str(start(environment=told).ok("n = 1").results)


def test_switched_off(plain: PlainStart) -> None:
    kernel = plain(environment={"KISHU_ENABLED": "0"})
    [told] = said(kernel.ok(LOAD))
    assert "switched off" in told
    assert "kishu" not in kernel.message("kernel_info_request").get("supported_features", [])


def test_the_tracker_that_needs_a_namespace_of_its_own(plain: PlainStart, tmp_path: Path) -> None:
    configure(tmp_path, "c.KishuKernel.tracker = 'namespace'")
    kernel = plain()
    assert len(said(kernel.ok(LOAD))) == 2
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    kernel.done("undo")
    assert kernel.value("xs") == [1]


# -- a terminal ---------------------------------------------------------------------------------------------------


def in_terminal(home: Path, *lines: str, **further: str) -> str:
    """What IPython without a kernel prints."""
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit"]
    done = subprocess.run(
        [*command, "--colors=NoColor"],
        input="\n".join([*lines, "exit", ""]),
        env=environment_of(home, dict(further)),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_in_a_terminal(tmp_path: Path) -> None:
    printed = in_terminal(
        tmp_path,
        "xs = [1]; ys = xs",
        LOAD,
        "xs.append(2)",
        "1 / 0",
        "get_ipython().run_cell('xs.append(3)');",
        "print('then', ys)",
        "%kishu undo 3",
        "print('undone', ys, xs is ys)",
        "%kishu checkout In[2]",
        "print('loaded', ys)",
        "g = (i for i in range(3))",
        "first = next(g)",
        "%kishu undo",
        "print('replayed', next(g))",
        "%unload_ext kishu_kernel",
        "print('still', ys)",
    )
    for fact in ("then [1, 2, 3]", "undone [1, 2] True", "loaded [1]", "replayed 0", "still [1]"):
        assert fact in printed, printed
    assert printed.count("you can go back to the state after any cell") == 1


def test_from_terminal_to_terminal(tmp_path: Path) -> None:
    told = {"KISHU_NOTEBOOK": str(tmp_path / "study.py")}
    in_terminal(tmp_path, LOAD, "xs = [1]", **told)
    printed = in_terminal(tmp_path, LOAD, "%kishu resume", "print('again', xs)", **told)
    assert "This notebook has a history" in printed
    assert "again [1]" in printed
