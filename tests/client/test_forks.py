"""Forks: kernels that begin in one state and go on at the same time, each on a branch of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.client import Client, connect, fork_limit
from kishu_kernel.errors import ForkLimitError, NoKernelError, RequestError, StoreError, UnknownTargetError
from kishu_kernel.store.catalog.running_kernels import (
    is_listening,
    is_process_running,
    read_connection_file,
    runtime_directory,
)
from kishu_kernel.store.format.signing import KEY_FILE
from tests.client.test_client import Start, kernel, start
from tests.kernel.driver import Kernel
from tests.kernel.test_disks import SQUEEZE

__all__ = ["kernel", "start"]  # fixtures


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the kernel, which is the person's."""
    monkeypatch.delenv(KEY_FILE, raising=False)


def pid_of(client: Client) -> int:
    return int(client.run("import os; print(os.getpid())")["outputs"][0]["text"])


def text(reply: dict[str, Any]) -> str:
    return "".join(each.get("text", "") for each in reply["outputs"])


def test_three_ways_of_going_on_at_the_same_time(kernel: Kernel) -> None:
    kernel.ok("xs = [1]; ys = [xs]")
    kernel.ok("xs.append(2)")
    with connect("book.ipynb") as k:
        forks = k.fork(3)
        try:
            assert len({fork.own_branch for fork in forks} | {k.status()["branch"]}) == 4
            for number, fork in enumerate(forks):
                assert fork.run(f"xs.append({number * 10}); print(ys)")["status"] == "ok"
            kernel.ok("xs.append('here')")
            assert [text(fork.run("print(ys[0] is xs, xs)")) for fork in forks] == [
                f"True [1, 2, {number}]\n" for number in (0, 10, 20)
            ]
            pids = [pid_of(fork) for fork in forks]
        finally:
            for fork in forks:
                fork.end()
        assert not any(map(is_process_running, pids))
        assert kernel.value("xs") == [1, 2, "here"]
        k.checkout(forks[1].own_branch)
        assert kernel.value("xs") == [1, 2, 10]
    assert not list(runtime_directory().glob("*fork*"))


def test_what_a_fork_did_comes_back(kernel: Kernel, start: Start, tmp_path: Path) -> None:
    """One variable of it, by the fork itself or by its branch; what differs between two; and all of it, as the line."""
    kernel.ok("xs = [1]; ys = [xs]; other = 0")
    with connect("book.ipynb") as k:
        old = k.status()["head"]
        one, two = k.fork(2)
        with one, two:
            one.run("xs.append('one'); other = 1")
            two.run("xs.append('two')")
            assert k.diff(one, two)["modified"] == ["other", "xs", "ys"]
            assert two.diff(one, values=True)["modified"] == ["other", "xs", "ys"]
            assert k.take("xs", one)["along"] == ["ys"]
            assert kernel.value("(xs, ys[0] is xs, other)") == ([1, "one"], True, 0)
            assert two.take("other", one.own_branch)["taken"] == ["other"]
            assert text(two.run("print(xs, other)")) == "[1, 'two'] 1\n"
            left = k.status()["head"]
            assert k.promote(two, dry_run=True)["told"] == ["main would go on from In [2]."]
            done = k.promote(two)
            assert done["branch"] == "main"
            assert kernel.value("(xs, other)") == ([1, "two"], 1)
            kernel.ok("xs.append('main')")
            assert text(two.run("print(xs)")) == "[1, 'two']\n"  # it goes on by itself
            assert k.status()["branch"] == "main"
            ids = [each["id"] for each in k.log()["checkpoints"]]
            assert (old in ids, left in ids) == (True, False)
            k.checkout(left)  # the line that was left stays
            assert kernel.value("xs") == [1, "one"]
            with pytest.raises(UnknownTargetError, match="nowhere"):
                k.promote("nowhere")
            elsewhere = start(notebook=tmp_path / "elsewhere.ipynb")
            elsewhere.ok("y = 1")
            with connect(tmp_path / "elsewhere.ipynb") as there, pytest.raises(RequestError, match="of its own"):
                k.take("y", there)


def test_from_a_state_that_is_not_written_yet(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("import random; x = random.randbytes(30 << 20); ys = []")
    kernel.run("ys.append('from a hidden cell')", silent=True)
    with connect("book.ipynb") as k:
        [now] = k.fork()
        [first] = k.fork(target="In[1]")
        with now, first:
            assert text(now.run("print(len(x), *ys)")) == f"{30 << 20} from a hidden cell\n"
            assert text(first.run("print(x)")) == "1\n"
            assert first.undo()["applied"]
            assert first.undo()["applied"]
            assert first.run("x")["status"] == "error"
    assert kernel.value("len(x)") == 30 << 20


def test_from_a_state_for_which_the_disk_had_no_room(kernel: Kernel) -> None:
    """It is told, also where another kernel asks for it; states that are on the disk are reached all the same."""
    kernel.ok(SQUEEZE)
    kernel.ok("xs = [1]")
    with connect("book.ipynb") as k, k.fork(target="In[2]")[0] as early:
        kernel.ok("room(100_000); xs.append(2); blob = fresh(1)")
        for cannot in (k.fork, lambda: early.promote(k)):
            with pytest.raises(StoreError, match=r"which is not on the disk: .* no room left"):
                cannot()
        lost = k.status()["head"]
        assert k.show()["checkpoint"]["id"] == lost
        assert k.export()["notebook"]["cells"][-1]["source"].startswith("room(100_000)")
        with k.fork(target="In[2]")[0] as other:
            assert text(other.run("print(xs)")) == "[1]\n"
        kernel.ok("room(hard)")
        with k.fork()[0] as now:
            assert text(now.run("print(xs, len(blob))")) == "[1, 2] 3000000\n"


def test_a_fork_that_is_killed_harms_no_other(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    with connect("book.ipynb") as k:
        one, two = k.fork(2)
        os.kill(pid_of(one), signal.SIGKILL)
        with pytest.raises(NoKernelError):
            one.run("x")
        one.end()
        assert text(two.run("x.append(2); print(x)")) == "[1, 2]\n"
        two.end()
        kernel.ok("x.append('here')")
        assert kernel.value("x") == [1, "here"]


FORK_TWICE = """
from kishu_kernel.client import connect
with connect("book.ipynb") as k:
    for keep in (False, True):
        [fork] = k.fork(keep=keep)
        fork.run(f"x.append({keep})")
        print(fork.connection_file)
"""
"""A script that ends: the second of its forks is to stay."""


def test_forks_end_with_whoever_made_them_unless_they_are_kept(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("x = [1]")
    script = [sys.executable, "-W", "error", "-c", FORK_TWICE]
    made = subprocess.run(script, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert made.stderr.count("ResourceWarning: subprocess") == 1  # the one that was not closed
    gone, kept = made.stdout.split()
    with connect(kept) as k:
        assert text(k.run("print(x)")) == "[1, True]\n"
        pid = pid_of(k)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (info := read_connection_file(gone)) and is_listening(info):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("how", "error", "told"),
    [
        ({"target": "nowhere"}, UnknownTargetError, "nowhere"),
        ({"number": 0}, RequestError, "one kernel or more"),
        ({"number": -3}, RequestError, "one kernel or more"),
    ],
)
def test_nonsense_starts_nothing(kernel: Kernel, how: dict[str, object], error: type[Exception], told: str) -> None:
    kernel.ok("x = 1")
    with connect("book.ipynb") as k, pytest.raises(error, match=told):
        k.fork(**how)  # type: ignore[arg-type]
    assert not list(runtime_directory().glob("*fork*"))


def test_more_than_there_is_memory_for_are_refused_and_none_is_started(start: Start) -> None:
    """Memory is asked before the number; what there is, what it needs, and what to do are in one sentence."""
    kernel = start("--KishuForks.limit=3", "--KishuForks.memory_limit=500_000_000")
    kernel.ok("x = bytearray(30_000_000)")
    kernel.ok("x = 1")
    with connect("book.ipynb") as k:
        with pytest.raises(
            ForkLimitError, match=r"9 forks .* need about .* MB, and c.KishuForks.memory_limit leaves 500 MB"
        ):
            k.fork(9)
        with pytest.raises(ForkLimitError, match=r"there is no fork here, and 4 more .*limit, 3: ask for fewer"):
            k.fork(4)
        assert not list(runtime_directory().glob("*fork*"))
        with k.fork()[0] as one:
            small, large = (
                fork_limit.needed(k.status(memory=True)["kernel"], 0, fork_limit.state_bytes(k.show(target)))
                for target in ("In[2]", "In[1]")
            )
            assert large - small > 29_000_000
            with pytest.raises(ForkLimitError, match=r"there is one fork here, and 3 more .* lists it"):
                one.fork(3)
            assert "which uses" in str(_refusal(k, 10))


def _refusal(client: Client, number: int) -> ForkLimitError:
    with pytest.raises(ForkLimitError) as refused:
        client.fork(number)
    return refused.value


def test_a_history_in_memory_cannot_be_forked(start: Start) -> None:
    kernel = start("--KishuKernel.in_memory=True")
    kernel.ok("x = 1")
    with connect("book.ipynb") as k, pytest.raises(RequestError, match="memory only"):
        k.fork()
