"""Forks that begin in a process which has the libraries imported: as forks without it. It ends with its kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.client import Client, connect, explore
from kishu_kernel.client.fork_limit import running_forks
from kishu_kernel.client.forks import end_process
from kishu_kernel.store.catalog.running_kernels import is_process_running, runtime_directory
from tests.client.test_client import Start, start
from tests.client.test_forks import FORK_TWICE, key, text
from tests.kernel.driver import Kernel

__all__ = ["key", "start"]  # fixtures

SPARE = "--KishuForks.spare=True"


def until(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def spare_of(client: Client) -> dict[str, Any]:
    """What `status` says of it, when it is ready."""

    def ready() -> dict[str, Any] | None:
        forks: dict[str, Any] = client.status(memory=True)["kernel"]["forks"]
        return forks if forks["spare"] else None

    return dict(until(ready))


def test_a_fork_of_it_is_as_any_other(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("made = []")
    kernel = start(SPARE)
    kernel.ok("import numpy as np, random, os; x = np.arange(6.0); y = x[:3]; random.seed(1); np.random.seed(1)")
    kernel.ok("import mine; mine.made.append(os.getpid()); from colorsys import hsv_to_rgb")
    look = (
        "import sys, threading; print(y.base is x, x.sum(), random.random(), np.random.rand(), len(mine.made), "
        "os.getcwd(), "
        "sys.argv[0], sys.path, threading.current_thread() is threading.main_thread(), sys.stdin.fileno() == 0)"
    )
    with connect("book.ipynb") as k:
        told = spare_of(k)
        assert told["spare_memory"] > 1e7
        one, two = k.fork(2)
        [early] = k.fork(target="In[1]")
        with one, two, early:
            first = text(one.run(look))
            assert text(two.run(look)) == first
            assert text(early.run("import sys; print('mine' in sys.modules, x.sum())")) == "False 15.0\n"
            assert text(one.run("import signal; os.kill(os.getpid(), signal.SIGINT)\nwhile True: pass")) == ""
            assert text(one.run("print((x @ np.ones((6, 6))).sum())")) == "90.0\n"
            assert one.undo(2)["applied"]
            assert {each.pid for each in running_forks()} == {_pid(each) for each in (one, two, early)}
        assert running_forks() == []
        os.kill(told["spare_pid"], signal.SIGKILL)
        with k.fork()[0] as cold:  # where it is gone, a fork is started as without it
            assert text(cold.run(look)) == first


def _pid(fork: Client) -> int:
    return int(text(fork.run("print(os.getpid())")))


SIZE = 32_000_000


def own_memory(client: Client) -> int:
    """The bytes that it shares with no other process."""
    return int(text(client.run("import psutil; print(psutil.Process().memory_full_info().uss)")))


def test_forks_share_the_memory_of_large_arrays_until_one_writes_to_it(start: Start) -> None:
    kernel = start(SPARE)
    kernel.ok("import numpy as np, psutil; x = np.arange(4_000_000.0); same = [x]; y = x[1:3]; z = x * 0 + 1")
    look = (
        "print(x.sum(), z.sum(), x[-1], x.flags.owndata, x.flags.writeable, same[0] is x, np.shares_memory(x, y), "
        "[list(map(float, part)) for part in (x[:3], x[2_000_000:2_000_003], y)])"
    )
    expected = kernel.run(look, silent=True).stdout
    with connect("book.ipynb") as k:
        spare_of(k)
        for forks in (k.fork(3), k.fork(1)):  # where there is one, there is nobody to share with
            assert {text(fork.run(look)) for fork in forks} == {expected}
            assert [own_memory(fork) < SIZE for fork in forks] == [len(forks) > 1] * len(forks)
            forks[0].run("x += 1; z[:] = 0; y[0] = -1")
            assert own_memory(forks[0]) > 2 * SIZE
            assert text(forks[0].run("print(x[:3], x[-1], z.sum(), y[0])")) == "[ 1. -1.  3.] 4000000.0 0.0 -1.0\n"
            for fork in forks[1:]:
                assert text(fork.run(look)) == expected
                assert own_memory(fork) < SIZE
            for fork in forks:
                fork.end()
        tried = explore(k, [f"x[{number}] = -1; {look}" for number in range(2)], at="In[1]")
        assert [each.outputs[0]["text"] == expected for each in tried] == [False, False]
        assert kernel.run(look, silent=True).stdout == expected
    assert running_forks() == []
    assert len(list(runtime_directory().glob("kishu-spare-*"))) == 1


def test_it_ends_with_its_kernel_and_its_forks_with_who_made_them(start: Start, tmp_path: Path) -> None:
    kernel = start(SPARE)
    kernel.ok("x = [1]")
    with connect("book.ipynb") as k:
        told = spare_of(k)
    made = subprocess.run([sys.executable, "-c", FORK_TWICE], cwd=tmp_path, check=True, capture_output=True, text=True)
    _, file = made.stdout.split()
    os.kill(kernel.value("__import__('os').getpid()"), signal.SIGKILL)
    until(lambda: not is_process_running(told["spare_pid"]))
    assert not list(runtime_directory().glob("kishu-spare-*"))
    until(lambda: [each.connection_file for each in running_forks()] == [file])
    with connect(file) as kept:
        assert text(kept.run("print(x)")) == "[1, True]\n"
    end_process(file, running_forks()[0].pid)


@pytest.mark.parametrize(
    "does",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()",
        "from IPython import get_ipython; shell = get_ipython()",
        "import socket; line = socket.socketpair()",
    ],
)
def test_a_library_that_does_more_when_it_is_imported_is_left_to_each_fork(
    start: Start, tmp_path: Path, does: str
) -> None:
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "busy_library.py").write_text(f"import os; made_in = os.getpid()\n{does}")
    (library / "quiet_library.py").write_text("import os; made_in = os.getpid()")
    kernel = start(SPARE, environment={"PYTHONPATH": f"{library}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    kernel.ok("import busy_library, quiet_library")

    def made_in(fork: Client) -> str:
        return text(
            fork.run("import os; print(busy_library.made_in == os.getpid(), quiet_library.made_in == os.getpid())")
        )

    with connect("book.ipynb") as k:
        spare_of(k)
        with k.fork()[0] as fork:
            assert made_in(fork) == "True False\n"


def test_a_kernel_without_the_option_has_none(start: Start) -> None:
    kernel: Kernel = start()
    kernel.ok("x = 1")
    with connect("book.ipynb") as k:
        assert k.status()["kernel"]["forks"]["spare"] is None
