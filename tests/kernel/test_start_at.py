"""A kernel that begins in a state of another session: KISHU_START_AT, and what is told where that cannot be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kishu_kernel.client import connect
from kishu_kernel.store.catalog.running_kernels import is_listening, read_connection_file

from .conftest import Start
from .driver import Kernel, environment_of
from .test_resume import on, write_notebook, written

SHARED = "xs = [1, 2]; ys = [xs]; seen = {'n': 1}"


@pytest.fixture
def base(start: Start, tmp_path: Path) -> Kernel:
    """A kernel with three states; the second has a tag."""
    kernel = start(environment=on(write_notebook(tmp_path / "book.ipynb")))
    kernel.ok(SHARED)
    kernel.ok("xs.append(3)")
    kernel.done("tag", name="good")
    kernel.ok("seen['n'] = 2; late = True")
    written(kernel)
    return kernel


def at(base: Kernel, target: str) -> str:
    return f"{base.done('status')['store']['path']}@{target}"


def test_it_stands_there_in_a_session_and_on_a_branch_of_its_own(start: Start, base: Kernel, tmp_path: Path) -> None:
    fork = start(environment={"KISHU_START_AT": at(base, "good"), **on(write_notebook(tmp_path / "fork.ipynb", ["a"]))})
    assert fork.value("(xs, ys[0] is xs, seen, 'late' in globals())") == ([1, 2, 3], True, {"n": 1}, False)
    here, there = fork.done("status"), base.done("status")
    assert here["store"]["path"] == there["store"]["path"]
    assert here["head"] == fork.done("show", target="good")["checkpoint"]["id"] == here["kernel"]["resumed_from"]
    assert here["session"] != there["session"]
    assert here["branch"] not in (None, there["branch"])
    assert here["warnings"] == []
    assert "KISHU_START_AT" not in fork.value("dict(__import__('os').environ)")
    fork.ok("xs.append('fork')")
    base.ok("xs.append('base')")
    assert (fork.value("ys"), base.value("ys")) == ([[1, 2, 3, "fork"]], [[1, 2, 3, "base"]])
    written(fork)
    written(base)
    branches = {
        name: id
        for each in base.done("log", all=True)["checkpoints"]
        for name in each["branches"]
        for id in [each["id"]]
    }
    assert branches[here["branch"]] == fork.done("status")["head"]
    assert branches[there["branch"]] == base.done("status")["head"]
    fork.done("undo")
    assert fork.value("xs") == [1, 2, 3]


def test_where_another_kernel_works_it_does_not_go_on(start: Start, base: Kernel, tmp_path: Path) -> None:
    """Neither a fork that goes back to where it began, nor a second kernel that resumes what the first one is at."""
    fork = start(environment={"KISHU_START_AT": at(base, "HEAD")})
    own = fork.done("status")["branch"]
    fork.ok("xs.append('fork')")
    fork.done("undo")
    fork.ok("xs.append('other')")
    second = start(environment=on(tmp_path / "book.ipynb"))
    second.done("resume")
    second.ok("xs.append('second')")
    base.ok("xs.append('base')")
    ends = base.done("status"), fork.done("status"), second.done("status")
    for each in (base, fork, second):
        written(each)
    branches = {name: each["id"] for each in base.done("log", all=True)["checkpoints"] for name in each["branches"]}
    assert branches == {each["branch"]: each["head"] for each in ends}
    assert (ends[0]["branch"], ends[1]["branch"]) == ("main", own)
    second.done("checkout", target="main")  # where it is asked to by name
    assert second.done("status")["branch"] == "main"


@pytest.mark.parametrize(
    ("target", "value"),
    [("HEAD", [2, True, 3]), ("HEAD~1", [1, False, 3]), ("In[1]", [1, False, 2]), ("main", [2, True, 3])],
)
def test_its_first_answer_is_from_there(start: Start, base: Kernel, target: str, value: list[object]) -> None:
    """Whatever is asked first: a hidden execution, an expression, a request."""
    fork = start(environment={"KISHU_START_AT": at(base, target)})
    told = fork.done("inspect", channel="control")
    assert told["total"] == (4 if value[1] else 3)
    assert fork.value("[seen['n'], 'late' in globals(), len(xs)]") == value
    assert fork.done("status")["pending"] in (False, True)


def test_the_store_may_be_named_by_its_notebook(start: Start, base: Kernel, tmp_path: Path) -> None:
    environment: dict[str, str | None] = {"KISHU_START_AT": f"{tmp_path / 'book.ipynb'}@good"}
    environment["KISHU_STORE_DIR"] = os.path.dirname(base.done("status")["store"]["path"])
    assert start(environment=environment).value("xs") == [1, 2, 3]


def test_a_restart_begins_there_again_and_its_own_line_is_kept(start: Start, base: Kernel) -> None:
    fork = start(environment={"KISHU_START_AT": at(base, "good")})
    fork.ok("mine = 1")
    written(fork)
    left = fork.done("status")
    fork.restart(kill=True)
    assert fork.value("(xs, 'mine' in globals())") == ([1, 2, 3], False)
    assert fork.done("status")["branch"] != left["branch"]
    fork.done("checkout", target=left["branch"])
    assert fork.value("mine") == 1


def test_what_is_not_stored_is_rerun_and_what_does_harm_is_not(start: Start, base: Kernel, tmp_path: Path) -> None:
    base.ok("squares = (n * n for n in range(3))")
    base.ok(f"file = open({str(tmp_path / 'out.txt')!r}, 'w'); file.write('once')")
    written(base)
    (tmp_path / "out.txt").write_text("kept")
    fork = start(environment={"KISHU_START_AT": at(base, "HEAD")})
    assert fork.value("(list(squares), 'file' in globals())") == ([0, 1, 4], False)
    assert (tmp_path / "out.txt").read_text() == "kept"
    assert any("file" in warning for warning in fork.done("status")["warnings"])


def test_many_at_once(start: Start, base: Kernel) -> None:
    environment: dict[str, str | None] = {"KISHU_START_AT": at(base, "good")}
    forks = [start(environment=environment) for _ in range(3)]
    for number, fork in enumerate(forks):
        fork.ok(f"xs.append({number})")
    assert [fork.value("xs") for fork in forks] == [[1, 2, 3, number] for number in range(3)]
    assert len({fork.done("status")["branch"] for fork in forks}) == 3
    forks[0].restart(kill=True)
    assert [fork.value("xs[-1]") for fork in forks[1:]] == [1, 2]


def test_one_that_takes_too_long_is_interrupted(start: Start, base: Kernel, tmp_path: Path) -> None:
    """Its kernel begins with a cell that is re-run, and would not end."""
    base.ok("import os, time\ntime.sleep(float(os.environ.get('SLOW', '0')))\nnumbers = (n for n in range(3))")
    written(base)
    file = tmp_path / "slow.json"
    environment = environment_of(tmp_path, {"KISHU_START_AT": at(base, "HEAD"), "SLOW": "600"})
    command = [sys.executable, "-m", "kishu_kernel", "-f", str(file)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        try:
            while not ((info := read_connection_file(str(file))) and is_listening(info)):
                assert process.poll() is None
                time.sleep(0.05)
            time.sleep(2)  # the cell has begun
            process.send_signal(signal.SIGINT)
            with connect(file, timeout=60) as fork:
                assert fork.run("x = 1")["status"] == "ok"
                status = fork.status()
                assert any("interrupted" in warning for warning in status["warnings"])
                assert status["store"]["path"] != base.done("status")["store"]["path"]
                assert fork.run("xs")["status"] == "error"
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("{path}@nothing", "nothing"),
        ("{path}@", "STORE@TARGET"),
        ("good", "STORE@TARGET"),
        ("{path}-gone@HEAD", "no store"),
        ("{path}@ffff0000", "ffff0000"),
    ],
)
def test_a_kernel_that_cannot_begin_there_starts_and_says_why(
    start: Start, base: Kernel, wanted: str, told: str
) -> None:
    path = base.done("status")["store"]["path"]
    fork = start(environment={"KISHU_START_AT": wanted.format(path=path)})
    ran = fork.ok("x = 1")
    assert told in ran.stderr
    assert "no variables" in ran.stderr
    status = fork.done("status")
    assert any(told in warning for warning in status["warnings"])
    assert status["store"]["path"] != path
    fork.done("undo")
    assert fork.value("'x' in globals()") is False


def test_a_kernel_that_runs_already_begins_there_before_its_first_cell(
    start: Start, base: Kernel, tmp_path: Path
) -> None:
    fork = start(environment=on(write_notebook(tmp_path / "copy.ipynb", ["a"])))
    own = fork.done("status")["store"]["path"]
    refused = fork.request("begin", at=at(base, "nothing"))
    assert (refused["ename"], "nothing" in refused["evalue"]) == ("UnknownTargetError", True)
    begun = fork.done("begin", at=at(base, "good"))
    assert (begun["store"], begun["branch"][:5]) == (base.done("status")["store"]["path"], "fork-")
    assert own != begun["store"]
    assert fork.value("(xs, ys[0] is xs, 'late' in globals())") == ([1, 2, 3], True, False)
    fork.ok("xs.append('copy')")
    assert base.value("xs") == [1, 2, 3]
    late = fork.request("begin", at=at(base, "HEAD"))
    assert (late["status"], "before the first cell" in late["evalue"]) == ("error", True)
    assert fork.value("xs") == [1, 2, 3, "copy"]
    base.done("checkout", target=begun["branch"])
    assert base.value("xs") == [1, 2, 3, "copy"]


def test_whoever_looks_while_it_begins_there_sees_the_one_history_or_the_other(
    start: Start, base: Kernel, tmp_path: Path
) -> None:
    """As a sidebar does, which hears that something happened."""
    head = base.done("log")["head"]
    fork = start(environment=on(write_notebook(tmp_path / "copy.ipynb", ["a"])))
    fork.done("log")
    wanted = [at(base, "nothing")] * 20 + [at(base, "HEAD")]  # each time stores are changed, most often to and fro
    begun = [fork.send("kishu_request", {"operation": "begin", "at": each}) for each in wanted]
    seen = [fork.request("log", channel="control", all=True, graph=True)]
    while seen[-1].get("head") != head:
        seen.append(fork.request("log", channel="control", all=True, graph=True))
    assert [fork.reply(each)["status"] for each in begun] == ["error"] * 20 + ["ok"]
    assert [each["evalue"] for each in seen if each["status"] != "ok"] == []


def test_of_what_somebody_else_may_have_written_nothing_is_loaded(start: Start, base: Kernel, tmp_path: Path) -> None:
    path = Path(base.done("status")["store"]["path"])
    base.close(gracefully=True)
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    fork = start(
        environment={"KISHU_START_AT": f"{copy}@good", "JUPYTER_DATA_DIR": str(tmp_path / "another_key")},
    )
    ran = fork.ok("x = 1")
    assert "not trusted" in ran.stderr
    assert fork.value("'xs' in globals()") is False
