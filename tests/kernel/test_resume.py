"""Coming back to a notebook: what a new kernel says, how to return, and notebooks that were moved or copied."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Kernel, Ran, environment_of

CELLS = ["e5f1", "a7c2", "9b3d", "c4d8"]


def on(notebook: Path) -> dict[str, str | None]:
    """The environment that Jupyter Server gives a notebook's kernel."""
    return {"JPY_SESSION_NAME": str(notebook)}


def write_notebook(path: Path, cells: list[str] = CELLS) -> Path:
    content = {
        "cells": [
            {"cell_type": "code", "id": id, "source": "", "metadata": {}, "outputs": [], "execution_count": None}
            for id in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path


def notices(ran: Ran) -> list[str]:
    """What was said of earlier sessions in the output area of a cell."""
    return [bundle["text/plain"] for bundle in ran.results if "This notebook" in bundle.get("text/plain", "")]


def written(kernel: Kernel) -> None:
    """As after some think time."""
    while kernel.done("status")["pending"]:
        pass


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "book.ipynb")


def work(kernel: Kernel) -> None:
    kernel.ok("x = [1]; y = x")
    kernel.ok("x.append(2)")
    written(kernel)


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "kill -9"])
def test_a_new_kernel_says_once_that_there_is_a_history(start: Start, book: Path, kill: bool) -> None:
    kernel = start(environment=on(book))
    assert notices(kernel.ok("x = [1]; y = x")) == []
    kernel.ok("x.append(2)")
    written(kernel)
    kernel.restart(kill=kill)
    assert kernel.run("hidden = 1", silent=True).outputs == []
    assert notices(kernel.ok("%kishu status")) == []
    [told] = notices(kernel.ok("z = 3"))
    for fact in ("just now", "In[2]", "2 variables", "%kishu resume", "%kishu log --all"):
        assert fact in told
    assert kernel.value("'x' in globals()") is False  # nobody asked for it
    assert notices(kernel.ok("z = 4")) == []
    outputs = kernel.done("show", target="HEAD~1")["outputs"]
    assert not any("This notebook" in str(output) for output in outputs)  # it is ours, not the cell's


def test_what_there_is_to_resume_can_be_asked_for(start: Start, book: Path) -> None:
    """As a sidebar does, before any cell has run: then no output, which is saved in the notebook, says it again."""
    kernel = start(environment=on(book))
    assert kernel.done("status", offers=True)["ended"] is None  # there is no earlier session
    work(kernel)
    ended_at = kernel.done("status")["head"]
    kernel.restart()
    ended = kernel.done("status", channel="control", offers=True)["ended"]
    assert (ended["head"], ended["execution_count"], ended["variables"]) == (ended_at, 2, 2)
    assert ended["trusted"]
    assert ended["bytes"] > 0
    assert ended["note"] is None
    assert kernel.run("x").reply["ename"] == "NameError"
    assert notices(kernel.ok("%kishu status")) == []
    assert kernel.done("status")["ended"] == ended  # nothing would be taken away
    kernel.done("resume")
    assert kernel.done("status")["ended"] is None
    kernel.done("undo", steps=2)
    assert kernel.done("status")["ended"] is None  # it was brought back once
    kernel.restart()
    kernel.ok("own = 1")
    assert kernel.done("status")["ended"] is None


def test_where_redo_leads_can_be_asked_for(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    assert kernel.done("status")["redo"] is kernel.done("log")["redo"] is None
    undone = kernel.done("undo")["from"]
    assert kernel.done("status")["redo"] == kernel.done("log", all=True)["redo"] == undone
    kernel.done("redo")
    assert "nothing to redo" in kernel.request("redo")["evalue"]


def test_resume_brings_everything_back(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    work(kernel)
    kernel.restart(kill=True)
    kernel.ok("mine = 1")
    mine = kernel.done("status")["head"]
    said = kernel.ok("%kishu resume").text
    assert "brought back: x, y" in said
    assert kernel.value("x, y is x, 'mine' in globals()") == ([1, 2], True, False)
    kernel.ok("x.append(3)")
    status = kernel.done("status")
    assert status["branch"] == "main"  # the line goes on
    kernel.done("undo", steps=2)
    assert kernel.value("x") == [1]
    kernel.done("checkout", target=mine)
    assert kernel.value("mine") == 1


def test_resume_by_message_takes_a_session(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    work(kernel)
    first = kernel.done("status")["session"]
    kernel.restart()
    kernel.ok("x = 'second'")
    written(kernel)
    kernel.restart()
    planned = kernel.done("resume", dry_run=True)
    assert planned["applied"] is False
    kernel.done("resume")
    assert kernel.value("x") == "second"
    kernel.done("resume", session=first)
    assert kernel.value("x") == [1, 2]
    reply = kernel.request("resume", session="nobody")
    assert reply["status"] == "error"
    assert first in reply["evalue"]


def test_nothing_to_resume(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    reply = kernel.request("resume")
    assert reply["ename"] == "UnknownTargetError"
    assert kernel.value("x") == 1


def test_auto_resume_is_asked_for_once(start: Start, book: Path) -> None:
    kernel = start("--KishuKernel.auto_resume=True", environment=on(book))
    work(kernel)
    kernel.restart()
    ran = kernel.ok("y.append(3); x")
    assert ran.results[-1]["text/plain"] == "[1, 2, 3]"
    assert "brought back" in ran.results[0]["text/plain"]
    kernel.done("undo")
    assert kernel.value("x") == [1, 2]


def test_auto_resume_leaves_a_session_alone_that_another_kernel_has(start: Start, book: Path) -> None:
    options = "--KishuKernel.auto_resume=True"
    one = start(options, environment=on(book))
    one.ok("xs = [1]")
    other = start(options, environment=on(book))
    [told] = notices(other.ok("ys = [2]"))
    assert "runs in another kernel" in told
    assert other.value("'xs' in globals()") is False
    one.ok("xs.append(2)")
    written(one)
    one.close()
    other.ok("ys.append(3)")  # the latest of all, and it still runs
    again = start(options, environment=on(book))
    again.ok("pass")
    assert again.value("xs, 'ys' in globals()") == ([1, 2], False)


def test_auto_resume_re_runs_nothing(start: Start, book: Path) -> None:
    kernel = start(environment={**on(book), "KISHU_AUTO_RESUME": "1"})
    kernel.ok("gen = (i for i in [1])")
    written(kernel)
    kernel.restart()
    assert "gen" in kernel.ok("z = 1").text
    assert kernel.value("'gen' in globals(), z") == (False, 1)


def test_a_renamed_notebook_keeps_its_history(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    work(kernel)
    kernel.close(gracefully=True)
    renamed = book.rename(book.with_name("better name.ipynb"))
    kernel = start(environment=on(renamed))
    [told] = notices(kernel.ok("z = 1"))
    assert str(book) in told
    kernel.done("resume")
    assert kernel.value("x") == [1, 2]
    kernel.close(gracefully=True)
    other = start(environment=on(write_notebook(book, ["f00d", "beef"])))  # a new notebook of the old name
    assert notices(other.ok("x = 'other'")) == []
    other.close(gracefully=True)
    kernel = start(environment=on(renamed))
    kernel.done("resume")
    assert kernel.value("x") == [1, 2]


def test_a_copied_notebook_is_attached_by_hand(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    work(kernel)
    kernel.close(gracefully=True)
    copied = Path(shutil.copy(book, book.with_name("copy.ipynb")))
    kernel = start(environment=on(copied))
    [told] = notices(kernel.ok("mine = 1"))
    written(kernel)
    name = told.split("%kishu attach ")[1].split()[0]
    assert "restart the kernel" in str(kernel.request("attach", store=name)["evalue"])
    kernel.close(gracefully=True)
    # its own history is in the way, and is moved away by hand, as the sentence says
    refused = start(environment=on(copied))
    said = refused.request("attach", store=name)["evalue"]
    assert "history of its own" in said
    refused.close(gracefully=True)
    [own] = [each for each in (book.parent / "stores").iterdir() if each.name.startswith("copy-")]
    shutil.rmtree(own)
    kernel = start(environment=on(copied))
    assert "resume" in kernel.ok(f"%kishu attach {name}").text
    kernel.ok("%kishu resume")
    kernel.ok("x.append('copy')")
    assert kernel.value("x") == [1, 2, "copy"]
    kernel.close(gracefully=True)
    original = start(environment=on(book))  # and the histories are not mixed up
    original.done("resume")
    assert original.value("x") == [1, 2]
    assert len(original.done("log", all=True)["checkpoints"]) == 2


def test_stores_are_listed(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    work(kernel)
    [listed] = kernel.done("stores")["stores"]
    assert (listed["notebook"], listed["exists"], listed["own"]) == (str(book), True, True)
    assert listed["bytes"] > 1000
    assert str(book) in kernel.ok("%kishu stores").text
    assert kernel.request("attach", store="nothing like it")["ename"] == "RequestError"


def test_a_history_of_somebody_else_is_only_read(start: Start, tmp_path: Path, book: Path) -> None:
    """The same directory, another key: it may have been copied, or planted."""
    theirs = start(environment={**on(book), "KISHU_KEY_FILE": str(tmp_path / "theirs")})
    theirs.ok(f"x = [1]; y = open({str(tmp_path / 'trace')!r}, 'w')")
    theirs.ok("x.append(2)")
    written(theirs)
    theirs.close(gracefully=True)
    (tmp_path / "trace").unlink()
    kernel = start(environment=on(book))
    [told] = notices(kernel.ok("mine = 1"))
    assert "jupyter kishu trust" in told
    assert [each["code"] for each in kernel.done("log", all=True)["checkpoints"]][1] == "x.append(2)"
    reply = kernel.request("resume")
    assert reply["ename"] == "LostError"
    assert "jupyter kishu trust" in reply["evalue"]
    assert kernel.value("mine, 'x' in globals()") == (1, False)
    kernel.done("resume", allow_lost=True)
    assert kernel.value("'x' in globals() or 'y' in globals()") is False
    assert not (tmp_path / "trace").exists()
    accepted = subprocess.run(
        [sys.executable, "-m", "kishu_kernel.frontend.command.commands", "trust", "--yes", str(book)],
        env=environment_of(kernel.home, {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert accepted.returncode == 0, accepted.stderr
    asked = kernel.request("resume", replay="auto")  # at once, in the same kernel; the file of `y` is gone
    assert asked["ename"] == "SideEffectsError"
    kernel.done("resume")
    assert kernel.value("x") == [1, 2]


def test_gc_drops_what_a_deleted_branch_held(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("import random; waste = random.Random(1).randbytes(3_000_000)")
    dead = kernel.done("status")["head"]
    kernel.done("undo")
    kernel.ok("y = 2")
    written(kernel)
    before = kernel.done("status")["store"]
    assert kernel.done("gc")["removed"] == {"checkpoints": 0, "chunks": 0, "bytes": 0}
    kernel.done("branch", name="dead", target=dead)
    kernel.done("branch", name="dead", delete=True)
    planned = kernel.done("gc", dry_run=True)
    assert kernel.done("status")["store"] == before
    swept = kernel.done("gc")
    assert (swept["removed"], swept["kept"]) == (planned["removed"], planned["kept"])
    assert swept["removed"]["bytes"] >= 3_000_000
    assert swept["removed"]["chunks"] >= 3
    after = kernel.done("status")["store"]
    assert after["checkpoints"] == before["checkpoints"]  # the code stays
    assert after["bytes"] <= before["bytes"] - 2_900_000
    [waste] = [each for each in kernel.done("log", all=True)["checkpoints"] if "waste" in each["code"]]
    assert ["waste"] in [each["names"] for each in waste["not_stored"]]
    kernel.done("checkout", target=waste["id"])  # and can be replayed
    assert kernel.value("len(waste), x") == (3_000_000, 1)


def history(kernel: Kernel) -> list[dict[str, Any]]:
    return list(kernel.done("log", limit=0)["checkpoints"])


def test_a_store_stays_below_its_limit(start: Start) -> None:
    kernel = start("--KishuKernel.store_limit=20000000")
    kernel.ok("import random\ndef fresh(seed):\n    return random.Random(seed).randbytes(2_000_000)")
    for seed in range(40):
        kernel.ok(f"blob = fresh({seed}); n = {seed}")
    written(kernel)
    assert kernel.done("status")["store"]["bytes"] <= 22_000_000
    kernel.ok("pass")
    assert any("limit" in warning for warning in kernel.done("status")["warnings"])
    checkpoints = history(kernel)
    assert len(checkpoints) == 42  # all are in the log
    kept = [each for each in checkpoints if "blob" in each["code"] and not each["not_stored"]]
    assert 5 <= len(kept) <= 11
    assert kept[0]["code"].startswith("blob = fresh(39)")
    for back in (1, 38):
        kernel.done("checkout", target=f"main~{back}")
        seed = 40 - back
        assert kernel.value(f"n, blob == fresh({seed})") == (seed, True)


def test_what_the_user_excludes_is_re_run(start: Start) -> None:
    kernel = start(
        "--KishuKernel.exclude=tmp_*", "--KishuKernel.exclude_types=bytearray", "--KishuKernel.version_limit=100000"
    )
    kernel.ok("tmp_x = [1]; kept = [2]; buf = bytearray(b'ab'); big = list(range(200_000))")
    reasons = {each["names"][0]: each["reason"] for each in history(kernel)[0]["not_stored"]}
    assert sorted(reasons) == ["big", "buf", "tmp_x"]
    assert "tmp_*" in reasons["tmp_x"]
    assert "limit" in reasons["big"]
    assert kernel.done("status")["store"]["bytes"] < 100_000
    kernel.ok("del tmp_x, kept, buf, big")
    plan = kernel.done("undo", dry_run=True)["plan"]
    assert plan["load"] == [{"names": ["kept"], "bytes": plan["load"][0]["bytes"]}]
    kernel.done("undo")
    assert kernel.value("tmp_x, kept, bytes(buf), len(big)") == ([1], [2], b"ab", 200_000)


def test_what_the_last_cell_did_is_there_after_exit(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    kernel.ok("import numpy as np")
    kernel.ok("a = np.random.default_rng(0).random(10_000_000)")
    kernel.send("execute_request", {"code": "exit()", "silent": False, "store_history": True, "allow_stdin": False})
    while kernel.manager.is_alive():
        pass
    kernel.close()
    kernel = start(environment=on(book))
    kernel.done("resume")
    assert kernel.value("a.size") == 10_000_000


def test_who_looks_before_the_notebook_is_known_loses_nothing(start: Start, book: Path) -> None:
    """VS Code tells the path by a variable, after the kernel has started."""
    kernel = start()
    kernel.run(f"__vsc_ipynb_file__ = {str(book)!r}", store_history=False)
    work(kernel)
    kernel.close(gracefully=True)
    kernel = start()
    assert kernel.done("status")["head"] is None
    kernel.run(f"__vsc_ipynb_file__ = {str(book)!r}", store_history=False)
    assert notices(kernel.ok("z = 1")) != []
    kernel.done("resume")
    assert kernel.value("x") == [1, 2]
    assert [each["notebook"] for each in kernel.done("stores")["stores"]] == [str(book)]
