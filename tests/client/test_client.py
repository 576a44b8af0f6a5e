"""The client: a real kernel with its frontend, and a script that asks it from outside."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel import errors
from kishu_kernel.client import LOOKING, Client, connect
from kishu_kernel.client.connection import Connection
from kishu_kernel.errors import (
    AmbiguousTargetError,
    KishuError,
    LostError,
    NoKernelError,
    NoReplyError,
    NothingToUndoError,
    NotKishuError,
    ReplyError,
    RequestError,
    UnknownTargetError,
)
from kishu_kernel.frontend.protocol.operations import OPERATIONS
from kishu_kernel.store.catalog.running_kernels import live_kernels
from tests.frontend.command.commanding import write_notebook
from tests.kernel.driver import Kernel, environment_of

Start = Callable[..., Kernel]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts kernels of a notebook, `book.ipynb` where no other is told; scripts run in the same environment."""
    for name, value in environment_of(tmp_path, {}).items():
        if name.startswith(("JUPYTER_", "KISHU_", "PYTHONPATH")):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as kernels:

        def starting(*arguments: str, notebook: Path | None = None, **how: Any) -> Kernel:
            notebook = notebook or write_notebook(tmp_path / "book.ipynb")
            environment = {"JPY_SESSION_NAME": str(notebook), **how.pop("environment", {})}
            return kernels.enter_context(Kernel(tmp_path, *arguments, environment=environment, **how))

        yield starting


@pytest.fixture
def kernel(start: Start) -> Kernel:
    """The kernel of `book.ipynb`."""
    return start()


def announced(home: Path) -> list[Path]:
    """What kernels say of themselves."""
    return sorted((home / "jupyter_runtime").glob("kishu-live-*"))


# --- asking


def test_the_example(kernel: Kernel) -> None:
    """While the notebook is open in its frontend, a script takes cells back, and the frontend goes on."""
    for cell in ("x = [1]", "x.append(2)", "x.append(3)", "x.append(4)"):
        kernel.ok(cell)
    with connect("book.ipynb") as k:
        assert k.undo()["applied"] is True
        assert kernel.value("x") == [1, 2, 3]
        k.checkout("main~3")
        assert kernel.value("x") == [1]
        assert k.run("x.append('script')")["status"] == "ok"
        kernel.ok("x.append('notebook')")
        assert kernel.value("x") == [1, "script", "notebook"]
        newest = k.log()["checkpoints"][0]
    assert newest["code"] == "x.append('notebook')"
    kernel.nothing_more()


def test_each_operation_has_its_method() -> None:
    for name, operation in OPERATIONS.items():
        takes = dict(inspect.signature(getattr(Client, name)).parameters)
        if name == "take":  # "as" is a word of Python's
            takes["as"] = takes.pop("copies").replace(default={})
        assert set(takes) - {"self"} == set(operation.parameters), name
        for key, parameter in operation.parameters.items():
            if takes[key].default is not inspect.Parameter.empty:
                assert takes[key].default == (parameter.default if name != "show" else "HEAD"), (name, key)
    assert {name for name, operation in OPERATIONS.items() if not operation.changes} == LOOKING


def test_each_operation_is_answered(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    with connect(tmp_path / "book.ipynb") as k:
        first, second = reversed([each["id"] for each in k.log(graph=True)["checkpoints"]])
        assert k.status()["head"] == second
        assert k.show()["checkpoint"]["code"] == "x = 2"
        assert k.show("In[1]")["checkpoint"]["id"] == first
        assert k.diff("HEAD~1", values=True)["modified"] == ["x"]
        assert [each["name"] for each in k.inspect()["variables"]] == ["x"]
        assert k.inspect(["x"], "In[1]")["variables"][0]["summary"] == "1"
        assert len(k.variable("x")["checkpoints"]) == 2
        assert [each["id"] for each in k.search("X = 2")["checkpoints"]] == [second]
        assert k.export()["notebook"]["cells"][1]["source"] == "x = 2"
        assert k.commit("two")["head"] == second
        assert k.tag("good")["tags"] == {"good": second}
        assert k.branch("other", "good~1")["branches"] == {"main": second, "other": first}
        assert k.branch("other", delete=True)["branches"] == {"main": second}
        assert k.undo(dry_run=True)["applied"] is False
        assert k.undo()["head"] == first
        assert k.redo()["head"] == second
        assert k.gc(dry_run=True)["dry_run"] is True
        assert [each["own"] for each in k.stores()["stores"]] == [True]
        with pytest.raises(UnknownTargetError, match="no earlier session"):
            k.resume()
        with pytest.raises(RequestError, match="already has a history"):
            k.attach(k.stores()["stores"][0]["name"])


def test_export_goes_where_the_script_is(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.ok("x = 1")
    (tmp_path / "script").mkdir()
    monkeypatch.chdir(tmp_path / "script")
    with connect(tmp_path / "book.ipynb") as k:
        assert k.export(path="way.ipynb")["path"] == str(tmp_path / "script" / "way.ipynb")
    assert json.loads(Path("way.ipynb").read_text())["cells"][0]["source"] == "x = 1"


def test_errors_are_those_of_the_package(kernel: Kernel) -> None:
    with connect(kernel.manager) as k:
        with pytest.raises(NothingToUndoError):
            k.undo()
        kernel.ok("x = 1")
        with pytest.raises(UnknownTargetError, match="'nowhere'"):
            k.checkout("nowhere")
        with pytest.raises(RequestError, match="unknown operation 'undoo': did you mean 'undo'"):
            k.request("undoo")
        with pytest.raises(RequestError, match="it takes steps"):
            k.request("undo", step=3)
        kernel.ok(f"import os\nwith open({'out'!r}, 'w') as file:\n    lines = (line for line in 'ab')\nfile = lines")
        kernel.ok("del file, lines")
        with pytest.raises(LostError) as lost:
            k.undo(replay="never")
        assert "allow_lost" in lost.value.hint
        head = k.status()["head"]
        k.tag("beef", "In[1]")
        k.tag(head[:4])
        k.tag(head[:4], "In[1]")
        with pytest.raises(AmbiguousTargetError) as caught:
            k.show(head[:4])
        assert head in caught.value.candidates


def test_an_error_of_another_kind(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("import kishu_kernel.frontend.protocol.reading as reading\nreading.Reader.log = None")
    with connect(kernel.manager) as k, pytest.raises(ReplyError, match="unexpected TypeError") as caught:
        k.log()
    assert caught.value.ename == "TypeError"
    assert "kernel's log" in caught.value.hint


def test_each_error_says_what_to_do_instead() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KishuError)]
    assert len(kinds) > 15
    assert [each for each in kinds if not re.fullmatch(r"[A-Z].+\.", each.hint)] == []


# --- cells


def test_what_a_cell_shows(kernel: Kernel) -> None:
    with connect(kernel.manager) as k:
        ran = k.run("import sys\nprint('a')\nprint('b')\nprint('c', file=sys.stderr)\n6 * 7")
        assert ran["status"] == "ok"
        assert ran["execution_count"] == 1
        assert ran["checkpoint"]["id"] == k.log()["checkpoints"][0]["id"]
        assert ran["outputs"] == [
            {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
            {"output_type": "stream", "name": "stderr", "text": "c\n"},
            {
                "output_type": "execute_result",
                "data": {"text/plain": "42"},
                "metadata": {},
                "execution_count": 1,
            },
        ]
        failed = k.run("print('before')\n1 / 0")
        assert failed["status"] == "error"
        assert [each.get("ename") for each in failed["outputs"]] == [None, "ZeroDivisionError"]
        shown = k.run("h = display('one', display_id=True); h.update('two'); print('x')")
        assert [each.get("data", {}).get("text/plain") for each in shown["outputs"]] == ["'two'", None]
        assert "transient" not in shown["outputs"][0]
        cleared = k.run(
            "from IPython.display import clear_output\n"
            "print(1)\nclear_output()\nprint(2)\nclear_output(wait=True)\nprint(3)"
        )
        assert [each["text"] for each in cleared["outputs"]] == ["3\n"]
        asked = k.run("input()")
        assert asked["outputs"][0]["ename"] == "StdinNotImplementedError"
        assert k.run("%kishu log")["checkpoint"] is None
        assert len(k.log()["checkpoints"]) == 5


def test_to_connect_and_to_run_a_cell_draws_no_number(kernel: Kernel) -> None:
    """IPython's banner, which is in each `kernel_info_reply`, has a tip that is drawn from `random`."""
    kernel.ok("import random; random.seed(1); before = random.getstate()")
    with connect(kernel.manager) as k:
        for _ in range(2):
            assert k.run("print(random.getstate() == before)")["outputs"][0]["text"] == "True\n"


def test_many_cells_in_a_row_lose_nothing(kernel: Kernel) -> None:
    with connect(kernel.manager) as k:
        for number in range(20):
            (output,) = k.run(f"print({number})\nfor i in range(500): print(i)")["outputs"]
            assert output["text"].splitlines() == [str(number), *map(str, range(500))]


# --- a kernel that is busy


def test_looking_does_not_wait_for_the_cell_and_changing_does(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    waited: list[bool] = []
    with connect("book.ipynb", timeout=1.2, waiting=lambda: waited.append(True)) as k:
        with kernel.hold(after="x = 3") as held:
            assert k.status()["branch"] == "main"
            assert [each["code"] for each in k.log()["checkpoints"]] == ["x = 2", "x = 1"]
            assert k.show()["variables"][0]["summary"] == "2"
            assert k.diff("HEAD~1")["modified"] == ["x"]
            assert waited == []
            with pytest.raises(NoReplyError, match="does this when its cell has ended"):
                k.tag("later")
            assert waited == [True]
            held.let_go()
        assert k.tag("sooner")["tags"].keys() == {"later", "sooner"}
        assert kernel.value("x") == 3


def test_a_cell_that_takes_too_long_is_interrupted(kernel: Kernel) -> None:
    with connect(kernel.manager) as k:
        with pytest.raises(NoReplyError, match="the cell still runs"):
            k.run("import time\nwhile True: time.sleep(0.01)", timeout=1)
        k.interrupt()
        assert k.run("x = 1")["status"] == "ok"
        assert k.log()["checkpoints"][1]["status"] == "interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")
def test_a_kernel_that_is_stopped(kernel: Kernel) -> None:
    with connect(kernel.manager, patience=0.5) as k:
        pid = kernel.manager.provisioner.process.pid
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        try:
            with pytest.raises(NoReplyError, match="did not answer in time"):
                k.status()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert k.status()["status"] == "ok"


# --- a kernel that ends


def test_a_kernel_that_dies_of_the_cell(kernel: Kernel) -> None:
    with connect("book.ipynb") as k:
        started = time.monotonic()
        with pytest.raises(NoKernelError, match="ended before it answered"):
            k.run("import os; os._exit(1)")
        assert time.monotonic() - started < 20
        with pytest.raises(NoKernelError):
            k.status()


def test_a_kernel_that_is_restarted_meanwhile(kernel: Kernel) -> None:
    """The new process listens in the place of the old one, and knows nothing of what was asked."""
    kernel.ok("x = 1")
    caught: list[BaseException] = []
    waits = threading.Event()

    def script() -> None:
        try:
            with connect("book.ipynb", waiting=waits.set) as k:
                k.undo()
        except NoKernelError as error:
            caught.append(error)

    with kernel.hold():
        thread = threading.Thread(target=script)
        thread.start()
        assert waits.wait(30)
        kernel.restart(kill=True)
        thread.join(60)
    assert [type(error) for error in caught] == [NoKernelError]
    with connect("book.ipynb") as k:
        assert k.status()["head"] is None


def test_a_client_that_nobody_closes_is_waited_for_by_nobody(kernel: Kernel) -> None:
    code = (
        "import gc, sys; from kishu_kernel.client import connect\n"
        "print(connect(sys.argv[1]).run('1 + 1')['status']); gc.collect(); print('collected')"
    )
    command = [sys.executable, "-c", code, kernel.manager.connection_file]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.stdout.split() == ["ok", "collected"]


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "kill -9"])
def test_no_kernel_any_more(start: Start, kernel: Kernel, tmp_path: Path, kill: bool) -> None:
    kernel.ok("x = 1")
    kernel.done("gc", dry_run=True)  # now it is on the disk
    file = kernel.manager.connection_file
    saved = Path(file).read_text()
    kernel.close(gracefully=not kill)
    Path(file).write_text(saved)  # as a crash of the server leaves it
    assert len(announced(tmp_path)) == kill
    with pytest.raises(NoKernelError, match=r"no kernel with Kishu is live on book.ipynb: open it"):
        connect("book.ipynb")
    with pytest.raises(NoKernelError, match="has ended"):
        connect(file)
    Path(file).unlink()
    with pytest.raises(NoKernelError, match="there is no connection file"):
        connect(file)
    again = start()
    again.ok("x = 2")
    assert len(announced(tmp_path)) == 1  # what the killed one left is gone
    with connect("book.ipynb") as k:
        assert [each["code"] for each in k.log(all=True)["checkpoints"]] == ["x = 2", "x = 1"]
        k.resume()
        assert again.value("x") == 1


def test_an_end_by_the_cell_itself_leaves_nothing(kernel: Kernel, tmp_path: Path) -> None:
    assert len(announced(tmp_path)) == 1
    kernel.begin("exit()")
    kernel.manager.provisioner.process.wait(30)
    assert announced(tmp_path) == []


# --- which kernel


def test_a_kernel_has_many_names(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("x = 1")
    head = kernel.done("status")["head"]
    file = Path(kernel.manager.connection_file)
    (tmp_path / "link").symlink_to(tmp_path / "book.ipynb")
    runtime = tmp_path / "jupyter_runtime" / "kernel-known.json"
    runtime.symlink_to(file)
    for where in ("book.ipynb", "./book.ipynb", tmp_path / "link", file, str(file), "kernel-known.json"):
        with connect(where) as k:
            assert k.status()["head"] == head, where
            assert Path(k.connection_file or "").name == file.name
    (tmp_path / "jupyter_runtime" / f"kernel-{uuid.UUID(int=7)}.json").symlink_to(file)
    with connect(str(uuid.UUID(int=7))) as k:  # as a server has named it
        assert k.status()["head"] == head
    for client in (kernel.manager, kernel.client, kernel.second_client()):
        with connect(client) as k:
            assert k.status()["head"] == head
    kernel.ok("x = 2")  # the frontend's own connection is as it was
    kernel.nothing_more()


def test_a_path_as_a_server_shows_it(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person copies it from there, and a script runs anywhere."""
    (tmp_path / "root" / "work").mkdir(parents=True)
    (tmp_path / "away").mkdir()
    notebook = write_notebook(tmp_path / "root" / "work" / "a.ipynb")
    kernel = start(notebook=notebook)
    kernel.ok("x = 1")
    monkeypatch.chdir(tmp_path / "away")
    for where in ("a.ipynb", "work/a.ipynb"):
        with pytest.raises(NoKernelError, match=re.escape(f"{tmp_path}/away/{where} here: there is one on")) as caught:
            connect(where)
        assert str(caught.value.hint).endswith(str(notebook))
    told = tmp_path / "jupyter_runtime" / "jpserver-1.json"
    told.write_text(json.dumps({"root_dir": str(tmp_path / "root"), "pid": 1}))
    with connect("work/a.ipynb") as k:
        assert k.undo()["applied"]
    write_notebook(tmp_path / "away" / "work.ipynb").rename(tmp_path / "away" / "a.ipynb")
    told.write_text(json.dumps({"root_dir": str(tmp_path / "root" / "work")}))
    with pytest.raises(NoKernelError, match="there is one on"):  # what lies here is meant, and not open
        connect("a.ipynb")


def test_a_notebook_that_was_renamed_while_it_is_open(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    (tmp_path / "book.ipynb").rename(tmp_path / "renamed.ipynb")
    with connect("renamed.ipynb") as k:
        k.undo()
    assert kernel.value("x") == 1
    kernel.ok("x = 3")
    write_notebook(tmp_path / "other.ipynb")
    with pytest.raises(NoKernelError, match=r"live on other.ipynb: there are some on .*renamed.ipynb"):
        connect("other.ipynb")
    write_notebook(tmp_path / "book.ipynb", "f00d")  # another one takes the old name
    kernel.ok("x = 4")
    with pytest.raises(NoKernelError, match=r"live on book.ipynb: there are some on .*renamed.ipynb"):
        connect("book.ipynb")


def test_a_history_in_memory_has_a_kernel_too(start: Start) -> None:
    start("--KishuKernel.in_memory=True").ok("x = 1")
    with connect("book.ipynb") as k:
        assert k.status()["store"]["path"] is None


def test_a_notebook_that_is_told_late(start: Start, tmp_path: Path) -> None:
    """VS Code tells the notebook's path by a variable."""
    notebook = write_notebook(tmp_path / "late.ipynb")
    kernel = start(environment={"JPY_SESSION_NAME": None})
    kernel.ok(f"__vsc_ipynb_file__ = {str(notebook)!r}", store_history=False, silent=True)
    kernel.ok("x = 1")
    with connect("late.ipynb") as k:
        assert k.status()["head"]


def test_two_kernels_of_one_notebook(start: Start) -> None:
    kernels = start(), start()
    files = {kernel.manager.connection_file for kernel in kernels}
    with pytest.raises(RequestError, match=r"2 kernels are live on book\.ipynb") as caught:
        connect("book.ipynb")
    assert all(file in str(caught.value) for file in files)
    sessions = set()
    for file in files:
        with connect(file) as k:
            sessions.add(k.status()["session"])
    assert sessions == {kernel.done("status")["session"] for kernel in kernels}
    assert {each.connection_file for each in live_kernels()} == files


@pytest.mark.parametrize("off", [False, True], ids=["ipykernel", "switched off"])
def test_a_kernel_without_kishu(start: Start, off: bool) -> None:
    plain = (sys.executable, "-m", "kishu_kernel" if off else "ipykernel_launcher")
    kernel = start(command=plain, environment={"KISHU_ENABLED": "0"})
    sentence = 'keeps no history: choose the kernel "Python 3 \\(Kishu\\)"'
    with pytest.raises(NotKishuError, match=sentence):
        connect(kernel.manager)
    with pytest.raises(NotKishuError, match=sentence):
        connect(kernel.manager.connection_file)
    with pytest.raises(NoKernelError):
        connect("book.ipynb")


def test_who_waits_for_a_kernel_that_starts(start: Start) -> None:
    """A manager's kernel is given time to begin to listen."""
    kernel = start()
    kernel.client.stop_channels()
    kernel.manager.restart_kernel(now=True)
    with connect(kernel.manager) as k:
        assert k.run("1 + 1")["outputs"][0]["data"]["text/plain"] == "2"
    kernel._connect()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nothing stops a process for a while here")
def test_a_kernel_that_is_heard_late(kernel: Kernel) -> None:
    """What it publishes comes when the next question was asked already: it is heard all the same."""
    pid = kernel.manager.provisioner.process.pid
    over = threading.Event()

    def hinder() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.25)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)

    with connect("book.ipynb", timeout=60) as k:
        hindering = threading.Thread(target=hinder)
        hindering.start()
        try:
            for _ in range(3):
                assert k.run("6 * 7")["outputs"][0]["data"]["text/plain"] == "42"
        finally:
            over.set()
            hindering.join()


def test_no_connection_file(tmp_path: Path, start: Start) -> None:
    for content in ("", "[]", "{}", '{"shell_port": 1}', "\0" * 100_000):
        (tmp_path / "wrong.json").write_text(content)
        with pytest.raises(NoKernelError, match="not the connection file of a kernel"):
            connect("wrong.json")


# --- what it costs


def test_to_import_it_is_light() -> None:
    code = (
        "import sys, kishu_kernel.client\n"
        "heavy = ('IPython', 'ipykernel', 'jupyter_client', 'jupyter_core', 'zmq', 'traitlets', 'tornado', 'lmdb',"
        " 'numpy', 'pandas', 'blosc2', 'backports.zstd', 'zstandard', 'psutil', 'cloudpickle', 'dill', 'asyncio')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_connection_leaves_nothing_behind(kernel: Kernel) -> None:
    before = threading.active_count()
    for _ in range(5):
        with connect(kernel.manager) as k:
            k.run("1")
    assert threading.active_count() == before
    connection = Connection.to(kernel.manager)
    connection.close()
