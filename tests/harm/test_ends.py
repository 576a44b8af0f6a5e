"""Whatever ends a kernel: what was done is there afterwards, or named, and the process ends as it would have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel, environment_of
from tests.kernel.test_execution import Gate
from tests.kernel.test_extension import PLAIN

Book = Callable[..., Kernel]
UNWRITTEN = "the kernel ended before this was written"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture
def book(start: Start, tmp_path: Path) -> Book:
    """Starts kernels on the same notebook, one after the other."""

    def starting(*arguments: str, environment: dict[str, str | None] | None = None, **how: Any) -> Kernel:
        told = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb"), **(environment or {})}
        return start(*arguments, environment=told, **how)

    return starting


def heavy(name: str, megabytes: int) -> str:
    """A cell that makes bytes that do not compress."""
    return f"import numpy as np; {name} = np.random.default_rng(1).integers(0, 255, {megabytes} << 20, np.uint8)"


def slow_disk(kernel: Kernel) -> None:
    """From now on a megabyte takes a tenth of a second; by no code of the notebook's, which would be noticed."""
    slower = "import time\nplain = compress\ndef compress(*how):\n    time.sleep(0.1)\n    return plain(*how)"
    kernel.ok(f"import kishu_kernel.store.disk.chunk_writer as it; exec({slower!r}, vars(it)); del it", silent=True)


def gone(kernel: Kernel, seconds: float = 30) -> int:
    """Waits until the process is gone; its exit status."""
    return int(kernel.manager.provisioner.process.wait(seconds))


def send(kernel: Kernel, number: int) -> None:
    os.kill(kernel.manager.provisioner.pid, number)


def delete(kernel: Kernel) -> None:
    """As a Jupyter server ends the kernel of a session."""
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel()


def not_stored(kernel: Kernel) -> dict[str, str]:
    """Names -> why, in all of the history."""
    checkpoints = kernel.done("log", all=True, limit=0)["checkpoints"]
    return {n: each["reason"] for c in checkpoints for each in c["not_stored"] for n in each["names"]}


def whole(kernel: Kernel, state: str, expected: Any) -> None:
    """The next kernel has it all, and ran nothing again."""
    plan = kernel.done("resume")["plan"]
    assert (plan["replay"], plan["lost"]) == ([], [])
    assert kernel.value(state) == expected
    assert not_stored(kernel) == {}


# -- signals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("kind", ["ours", "plain"])
def test_what_waits_is_written_first(book: Book, number: int, kind: str) -> None:
    kernel = book() if kind == "ours" else book(command=PLAIN)
    if kind == "plain":
        kernel.ok("%load_ext kishu_kernel")
    kernel.ok("n = 1")
    kernel.ok(heavy("x", 48))
    kernel.ok("y = 'after'")
    send(kernel, number)
    assert gone(kernel) == -number
    whole(book(), "n, len(x), y", (1, 48 << 20, "after"))


def test_a_signal_while_nothing_waits_ends_at_once(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    while kernel.done("status")["pending"]:
        pass
    began = time.monotonic()
    send(kernel, signal.SIGTERM)
    assert gone(kernel) == -signal.SIGTERM
    assert time.monotonic() - began < 3


def test_a_signal_while_a_cell_runs(book: Book) -> None:
    """Also one that no handler of Python's could interrupt: it is in compiled code."""
    kernel = book()
    kernel.ok("n = 1")
    running = kernel.begin("print('runs'); n = 2; import time; time.sleep(1000)")
    kernel.until(running, "runs")
    send(kernel, signal.SIGTERM)
    assert gone(kernel, 8) == -signal.SIGTERM
    kernel = book()
    told = kernel.ok("1").text
    assert "ended while In[2] ran" in told
    assert any("ended while In[2] ran" in each for each in kernel.done("status")["warnings"])
    [cell] = [each for each in kernel.done("log", all=True)["checkpoints"] if "sleep" in each["code"]]
    assert (cell["status"], cell["modified"]) == ("interrupted", [])
    assert cell["incomplete"] == "the kernel was ended while this cell ran"
    kernel.done("resume", allow_lost=True)


def test_a_handler_of_the_notebooks_wins(kernel: Kernel) -> None:
    kernel.ok("import signal, os\ngot = []\nbefore = signal.signal(signal.SIGTERM, lambda *_: got.append(1))")
    assert kernel.value("int(before)") == signal.SIG_DFL
    kernel.ok("os.kill(os.getpid(), signal.SIGTERM)")
    assert kernel.value("got") == [1]


def test_signals_look_as_they_do_without_us(kernel: Kernel) -> None:
    kernel.ok("import signal, threading")
    assert kernel.value("[int(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGHUP)]") == [0, 0]
    assert kernel.value("signal.set_wakeup_fd(-1)") == -1
    assert kernel.value("sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])))") == []


def test_children_are_ended_as_ever(kernel: Kernel) -> None:
    """Forked, spawned or executed: a signal to them is no affair of ours."""
    kernel.ok("import multiprocessing, subprocess, sys, time, os, signal")
    kernel.ok("forked = multiprocessing.get_context('fork').Process(target=time.sleep, args=(1000,))")
    kernel.ok("forked.start(); forked.terminate(); forked.join(20)")
    kernel.ok("run = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE); run.terminate()")
    kernel.ok("child = os.fork()\nif not child:\n    while True: time.sleep(1)")
    kernel.ok("os.kill(child, signal.SIGHUP)")
    assert kernel.value("forked.exitcode, run.wait(20)") == (-15, -15)
    assert kernel.value("os.WTERMSIG(os.waitpid(child, 0)[1])") == signal.SIGHUP


def test_ignored_by_who_started_the_kernel(start: Start) -> None:
    """As `nohup` does it."""
    ignoring = "import os, signal, sys; signal.signal(1, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    kernel = start(command=(sys.executable, "-c", ignoring, sys.executable, "-m", "kishu_kernel"))
    send(kernel, signal.SIGHUP)
    assert kernel.ok("1").text == "1"


# -- asked to end ---------------------------------------------------------------------------------------------------


def test_a_deleted_session(book: Book) -> None:
    """Much: another process writes on, whatever the notebook did to its own."""
    kernel = book()
    kernel.ok("n = 1; import os, sys; sys.path.insert(0, '/nowhere'); os.chdir('/')")
    kernel.ok("os.environ.pop('KISHU_KEY_FILE', None); os.environ.update(HOME='/nowhere', PYTHONPATH='/nowhere')")
    kernel.ok(heavy("x", 272))
    kernel.ok("y = 'after'")
    delete(kernel)
    whole(book(), "n, len(x), y", (1, 272 << 20, "after"))


def test_a_deleted_session_where_nothing_can_be_given_away(book: Book) -> None:
    """As on other systems: the kernel itself writes as long as it is let."""
    kernel = book()
    kernel.ok("import os; vars(os).pop('memfd_create', None)")
    kernel.ok(heavy("x", 64))
    delete(kernel)
    whole(book(), "len(x)", 64 << 20)


def test_beyond_the_bound_it_is_told(book: Book) -> None:
    kernel = book(environment={"KISHU_END_TIMEOUT": "0.2"})
    slow_disk(kernel)
    kernel.ok("n = 1")
    kernel.ok(heavy("x", 64))
    kernel.ok("z = 3")
    delete(kernel)
    kernel = book()
    assert "ended before x was written" in kernel.ok("1").text
    assert not_stored(kernel) == {"x": UNWRITTEN}
    assert any("before x was written" in each for each in kernel.done("status")["warnings"])
    plan = kernel.done("resume", dry_run=True, replay="never")["plan"]
    assert [each["names"] for each in plan["lost"]] == [["x"]]
    assert UNWRITTEN in plan["lost"][0]["reason"]
    plan = kernel.done("resume", replay="auto")["plan"]
    assert [each["gives"] for each in plan["replay"]] == [["x"]]
    assert kernel.value("n, len(x), z") == (1, 64 << 20, 3)


def test_a_shutdown_while_a_cell_runs(book: Book) -> None:
    """As papermill and nbclient end a kernel, with the cell's outputs still listened to."""
    kernel = book()
    kernel.ok("n = 1")
    running = kernel.begin("print('runs')\nn = 2\nwhile True: pass")
    kernel.until(running, "runs")
    kernel.interrupt()
    shutdown = kernel.send("shutdown_request", {"restart": False}, channel="control")
    ran = kernel.end(running)
    assert "kishu" not in (ran.stdout + ran.stderr).lower()
    assert kernel.reply(shutdown, "control")["status"] == "ok"
    gone(kernel)
    kernel = book()
    kernel.done("resume")
    [last] = kernel.done("log", limit=1)["checkpoints"]
    assert (last["status"], last["modified"]) == ("interrupted", ["n"])
    assert kernel.value("n") == 2


def test_a_shutdown_while_a_cell_does_not_hear_the_interrupt(book: Book) -> None:
    kernel = book()
    kernel.ok("n = 1; import time")
    code = "print('runs')\nn = 2\nwhile True:\n    try: time.sleep(100)\n    except KeyboardInterrupt: print('no')"
    kernel.until(kernel.begin(code), "runs")
    delete(kernel)
    kernel = book()
    assert "ended while In[2] ran" in kernel.ok("1").text


def test_a_shutdown_makes_up_for_an_interrupted_checkpoint(book: Book) -> None:
    kernel = book()
    gate = Gate(kernel)
    running = kernel.begin("slow = Slow(); n = 5")
    kernel.reply(running)
    while not gate.reached.exists():
        time.sleep(0.005)
    gate.open()
    kernel.interrupt()
    shutdown = kernel.send("shutdown_request", {"restart": False}, channel="control")
    assert "kishu" not in str(kernel.idle(running))
    kernel.reply(shutdown, "control")
    gone(kernel)
    kernel = book()
    kernel.done("resume", allow_lost=True)
    assert kernel.value("n") == 5


def test_a_shutdown_takes_what_nothing_has_looked_at_yet(book: Book) -> None:
    kernel = book()
    kernel.ok("xs = [1]")
    kernel.run("xs.append(2)", silent=True)
    delete(kernel)
    kernel = book()
    kernel.done("resume")
    assert kernel.value("xs") == [1, 2]


def test_a_closed_terminal(tmp_path: Path) -> None:
    """IPython without a kernel, that loaded us."""
    home = {"KISHU_NOTEBOOK": str(tmp_path / "study.py")}
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"]
    how: Any = {"env": environment_of(tmp_path, dict(home)), "cwd": tmp_path, "text": True, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **how) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("%load_ext kishu_kernel\n" + heavy("x", 32) + "\nn = 7\nprint('re' + 'ady')\n")
        shell.stdin.flush()
        said = ""
        while "In [" not in said.partition("ready")[2]:  # the prompt after it: the cell itself is over
            said += shell.stdout.read(1)
        shell.send_signal(signal.SIGHUP)
        assert shell.wait(30) == -signal.SIGHUP
    lines = "%load_ext kishu_kernel\n%kishu resume\nprint('again', n, len(x))\nexit\n"
    done = subprocess.run(command, input=lines, timeout=60, check=True, **how)
    assert f"again 7 {32 << 20}" in done.stdout


def test_a_server_that_died(book: Book, tmp_path: Path) -> None:
    """ipykernel ends its kernels within a second then."""
    server = tmp_path / "server.py"
    server.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom tests.kernel.driver import Kernel\nhome = Path(sys.argv[1])\n"
        "kernel = Kernel(home, environment={'JPY_SESSION_NAME': str(home / 'book.ipynb')})\n"
        f"kernel.ok({heavy('x', 64)!r}); kernel.ok('n = 7')\n"
        "print(kernel.manager.provisioner.pid, flush=True); os._exit(0)"
    )
    path = str(Path(__file__).parents[2])
    run: Any = {"env": {**os.environ, "PYTHONPATH": path}, "text": True, "timeout": 90}
    pid = int(subprocess.run([sys.executable, server, tmp_path], stdout=subprocess.PIPE, check=True, **run).stdout)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    whole(book(), "n, len(x)", (7, 64 << 20))


# -- nobody is asked --------------------------------------------------------------------------------------------------


def test_exit_in_a_cell_writes_all(book: Book) -> None:
    kernel = book()
    kernel.ok(heavy("x", 48))
    kernel.run("exit()")
    assert gone(kernel) == 0
    whole(book(), "len(x)", 48 << 20)


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 9)"], ids=["_exit", "as by the OOM killer"])
def test_an_end_that_nobody_hears_of(book: Book, end: str) -> None:
    kernel = book()
    slow_disk(kernel)
    kernel.ok("n = 1; import os")
    kernel.ok(heavy("x", 64))
    kernel.ok("y = 'after'")
    while kernel.done("log", limit=1)["checkpoints"][0]["code"] != "y = 'after'":
        pass
    time.sleep(1.5)  # its turn comes within eight megabytes
    kernel.begin(end)
    assert gone(kernel) in (3, -9)
    kernel = book()
    told = kernel.ok("1").text
    assert "In[3]" in told
    assert "ended before x was written" in told
    assert not_stored(kernel) == {"x": UNWRITTEN}
    kernel.done("resume", replay="auto")
    assert kernel.value("n, len(x), y") == (1, 64 << 20, "after")
