"""`hibernate`: what was done is on the disk, or named; then the kernel may be killed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel
from .test_disks import SQUEEZE
from .test_resume import on, write_notebook


@pytest.mark.parametrize("channel", ["control", "shell"])
def test_what_it_calls_durable_survives_a_kill_at_once(start: Start, tmp_path: Path, channel: str) -> None:
    kernel = start(environment=on(write_notebook(tmp_path / "book.ipynb")))
    kernel.ok("import random; x = [random.randbytes(3 << 20)]; y = x")
    kernel.ok("x.append('last')")
    told = kernel.done("hibernate", channel=channel)
    assert (told["durable"], told["missing"]) == (True, [])
    assert told["head"] == kernel.done("status")["head"]
    assert told["seconds"] < 10
    kept = kernel.value("(len(x[0]), x[0][:8])")
    kernel.restart(kill=True)
    kernel.done("resume")
    assert kernel.value("(len(x[0]), x[0][:8], x[1], x is y)") == (*kept, "last", True)


def test_what_something_else_than_a_cell_has_changed_is_written_too(start: Start, tmp_path: Path) -> None:
    kernel = start(environment=on(write_notebook(tmp_path / "book.ipynb")))
    kernel.ok("x = [1]")
    kernel.run("x.append(2)", silent=True)
    assert kernel.done("hibernate", channel="control")["durable"]
    kernel.restart(kill=True)
    kernel.done("resume")
    assert kernel.value("x") == [1, 2]


def test_while_a_cell_runs_it_says_so_and_the_cell_goes_on(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    with kernel.hold(after="x = 2") as held:
        began = time.monotonic()
        told = kernel.done("hibernate", channel="control", timeout=5)
        assert time.monotonic() - began < 8
        [missing] = told["missing"]
        assert (told["durable"], missing["checkpoint"]) == (False, None)
        assert "running" in missing["reason"]
        assert told["head"] is not None
        assert held.let_go().status == "ok"
    assert kernel.value("x") == 2
    assert kernel.done("hibernate", channel="control")["durable"]


def test_on_the_way_to_another_state_it_says_so_and_the_way_goes_on(kernel: Kernel) -> None:
    held = kernel.hold(before="open('begun', 'w').close()", after="numbers = (i for i in [1, 2])")
    assert held.let_go().status == "ok"
    kernel.ok("del numbers")
    begun = kernel.home / "begun"
    begun.unlink()
    held.gate.unlink()
    with held:  # the cell runs again, and waits again
        undo = kernel.send("kishu_request", {"operation": "undo", "replay": "auto"})
        while not begun.exists():
            time.sleep(0.01)
        told = kernel.done("hibernate", channel="control", timeout=0.3)
        assert (told["durable"], [each["checkpoint"] for each in told["missing"]]) == (False, [None])
        assert "gone to" in told["missing"][0]["reason"]
    assert kernel.reply(undo)["status"] == "ok"
    assert kernel.value("next(numbers)") == 1
    assert kernel.done("hibernate", channel="control")["durable"]


def test_with_no_time_it_names_what_is_not_written(kernel: Kernel) -> None:
    kernel.ok("import random; x = random.randbytes(60 << 20)")
    told = kernel.done("hibernate", channel="control", timeout=0)
    assert told["durable"] == (not told["missing"])
    for missing in told["missing"]:
        assert missing["checkpoint"] == told["head"]
        assert "being written" in missing["reason"]
    assert kernel.done("hibernate", timeout=60.0)["durable"]
    assert kernel.value("len(x)") == 60 << 20


def test_a_session_that_has_done_nothing_is_durable(kernel: Kernel) -> None:
    told = kernel.done("hibernate", channel="control")
    assert (told["durable"], told["head"], told["missing"]) == (True, None, [])
    kernel.ok("x = 1")
    assert "everything is written" in kernel.ok("%kishu hibernate").text


def test_a_history_in_memory_is_not_durable(start: Start) -> None:
    kernel = start("--KishuKernel.in_memory=True")
    kernel.ok("x = 1")
    told = kernel.done("hibernate", channel="control")
    assert (told["durable"], [each["checkpoint"] for each in told["missing"]]) == (False, [told["head"]])
    assert "memory" in told["missing"][0]["reason"]


def test_what_a_full_disk_takes_no_more_is_named(kernel: Kernel) -> None:
    kernel.ok(SQUEEZE)
    assert kernel.done("hibernate")["durable"]
    kernel.ok("import os; room(1_000_000)")
    kernel.ok("blob = fresh(1)")
    told = kernel.done("hibernate", channel="control")
    assert not told["durable"]
    assert told["missing"][-1]["checkpoint"] is not None
    assert "room" in told["missing"][-1]["reason"] or "full" in told["missing"][-1]["reason"]
    kernel.ok("room(hard)")
    assert kernel.done("hibernate", channel="control")["durable"]
    assert kernel.value("blob == fresh(1)")


@pytest.mark.parametrize("timeout", [-1, "10", True, None, float("nan"), float("inf"), 10**400])
def test_nonsense_is_refused(kernel: Kernel, timeout: object) -> None:
    reply = kernel.request("hibernate", channel="control", timeout=timeout)
    assert (reply["status"], reply["ename"]) == ("error", "RequestError")
    assert "'timeout' of hibernate must be" in reply["evalue"]
    assert kernel.value("1 + 1") == 2
