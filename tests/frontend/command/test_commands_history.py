"""The command line over one history: of a kernel that is live, maybe busy, or at rest."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from kishu_kernel.frontend.command import sources
from kishu_kernel.frontend.protocol.content import PROTOCOL
from kishu_kernel.model import SessionId, VariableInfo
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.assignment import claim_store
from kishu_kernel.store.disk.directory import DATA
from tests.frontend.command.commanding import (
    environment,
    in_json,
    of,
    ok,
    program,
    refused,
    run,
    write_notebook,
)
from tests.kernel.driver import Kernel, environment_of
from tests.store.values import checkpoint_id, payload, record, trivial

Start = Callable[..., Kernel]
LOOKS = (
    ("log", ()),
    ("log", ("--all", "-n", "0")),
    ("show", ()),
    ("show", ("main~1",)),
    ("diff", ("base",)),
    ("diff", ("main", "base")),
    ("variable", ("x",)),
    ("search", ("append",)),
    ("branch", ()),
    ("tag", ()),
)


def in_the_place_of(home: Path, patch: pytest.MonkeyPatch) -> None:
    """What the kernels of this home see is what commands see."""
    theirs = environment_of(home, {})
    for name in {*os.environ, *theirs}:
        if name.startswith(("JUPYTER_", "KISHU_")):
            patch.setenv(name, theirs[name]) if name in theirs else patch.delenv(name)
    patch.chdir(home)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts kernels of `book.ipynb`."""
    in_the_place_of(tmp_path, monkeypatch)
    with ExitStack() as kernels:

        def starting(*arguments: str, **how: Any) -> Kernel:
            notebook = write_notebook(tmp_path / "book.ipynb")
            environment = {"JPY_SESSION_NAME": str(notebook), **how.pop("environment", {})}
            return kernels.enter_context(Kernel(tmp_path, *arguments, environment=environment, **how))

        yield starting


@pytest.fixture
def kernel(start: Start) -> Kernel:
    return start()


def live_through(kernel: Kernel) -> None:
    """A short life: a cell that fails, a way that was left, names, a message."""
    kernel.ok("x = [1]")
    kernel.ok("x.append(2)\ny = 'why'")
    kernel.run("print('hello')\nz = 3\n1 / 0")
    kernel.done("tag", name="base", target="HEAD~1")
    kernel.done("branch", name="idea", target="In[1]")
    kernel.done("checkout", target="idea")
    kernel.ok("x.append(5); x")
    kernel.done("commit", message="another way")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with the history of a kernel that has ended, and what commands said while it lived."""
    home = tmp_path_factory.mktemp("past")
    notebook = write_notebook(home / "book.ipynb")
    with (
        pytest.MonkeyPatch.context() as patch,
        Kernel(home, environment={"JPY_SESSION_NAME": str(notebook)}) as kernel,
    ):
        in_the_place_of(home, patch)
        live_through(kernel)
        kernel.done("gc", dry_run=True)  # waits until all is written: it is known then how much that was
        # Once the audit is over, nothing more becomes known. Asked on control: questions on shell would put it off.
        while not kernel.done("log", "control", limit=1)["checkpoints"][0]["audited"]:
            time.sleep(0.05)
        said = {" ".join([name, *more]): in_json(name, "book.ipynb", *more) for name, more in LOOKS}
        kernel.close(gracefully=True)
    return home, said


@pytest.fixture
def home(past: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where there is a history at rest. To be looked at only."""
    in_the_place_of(past[0], monkeypatch)
    return past[0]


# --- at rest


@pytest.mark.parametrize(("name", "more"), LOOKS, ids=[" ".join([name, *more]) for name, more in LOOKS])
def test_at_rest_a_store_says_what_its_kernel_said(
    past: tuple[Path, dict[str, Any]], home: Path, name: str, more: tuple[str, ...]
) -> None:
    said = in_json(name, "book.ipynb", *more)
    assert said == past[1][" ".join([name, *more])]
    assert (said["status"], said["protocol"]) == ("ok", PROTOCOL)


def test_nothing_is_written_where_one_only_looks(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*.mdb") if path.name == DATA}
    for name, more in LOOKS:
        ok(name, "book.ipynb", *more)
    ok("status", "book.ipynb")
    assert {path: path.read_bytes() for path in before} == before
    assert not list((home / "jupyter_runtime").glob("*"))


def test_the_log_draws_lanes(home: Path) -> None:
    lines = ok("log", "book.ipynb", "--all").splitlines()
    assert lines[0].startswith("●")
    assert "In[4]" in lines[0]
    assert "x.append(5); x" in lines[0]
    assert any("(idea)" in line and "another way" in line for line in lines)
    assert any("│ ○" in line for line in lines)
    assert any(line.startswith("├─╯") for line in lines)
    assert any("tag base" in line for line in lines)
    short = ok("log", "book.ipynb")
    assert short.count("○") + short.count("●") == 2
    assert "2 states on other branches or in other sessions: --all shows all" in short
    assert "... and older ones: --limit 0 shows all" in ok("log", "book.ipynb", "-n", "1")
    assert [each["code"] for each in in_json("log", "book.ipynb", "--since", "In[1]")["checkpoints"]] == [
        "x.append(5); x"
    ]


def test_lanes_on_a_terminal_without_boxes(home: Path) -> None:
    command = [sys.executable, "-m", "kishu_kernel.frontend.command.commands", "log", "book.ipynb", "--all"]
    how = {"capture_output": True, "timeout": 60, "cwd": home}
    done = subprocess.run(command, env=environment(PYTHONIOENCODING="latin-1"), **how)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("ascii").splitlines()
    assert lines[0].startswith("*")
    assert any(line.startswith("+-'") for line in lines)


def test_a_cell_as_it_was(home: Path) -> None:
    told = ok("show", "book.ipynb", "main")
    assert "    print('hello')\n    z = 3\n" in told
    assert "\nOutput:\n    hello\n" in told
    assert "ZeroDivisionError: division by zero" in told
    assert "\x1b" not in told
    assert {line.split()[0] for line in told.splitlines() if " B  " in line} == {"x", "y", "z"}
    assert "    [1, 5]" in ok("show", "book.ipynb")


def test_what_differs_and_when_it_changed(home: Path) -> None:
    told = ok("diff", "book.ipynb", "main")
    assert "from HEAD to main" in told
    assert "~ x  list: [1, 5]  ->  list: [1, 2]" in told
    assert "+ y  str: 'why'" in told
    assert "only a kernel can load values to compare" in refused("diff", "book.ipynb", "main", "--values")
    changed = ok("variable", "book.ipynb", "x")
    assert "In[4]  changed" in changed
    assert "In[1]  made" in changed
    assert "x.append(5)" in ok("search", "book.ipynb", "ANOTHER way")
    assert "nothing found: 'nonsense'" in ok("search", "book.ipynb", "nonsense")


def test_status_at_rest(home: Path) -> None:
    told = ok("status", "book.ipynb")
    assert f"notebook  {home / 'book.ipynb'}" in told
    assert "kernel    (none is live; this is how the last session ended)" in told
    assert "on branch idea" in told
    said = in_json("status", "book.ipynb")
    assert said["kernel"] is None
    assert said["store"]["checkpoints"] == 4
    assert said["latest"] == said["head"]
    assert in_json("stores")["stores"][0]["live"] is False


def test_names_are_listed(home: Path) -> None:
    assert [line.split()[:-1] for line in ok("branch", "book.ipynb").splitlines()] == [["*", "idea"], ["main"]]
    assert ok("tag", "book.ipynb").split()[0] == "base"


def test_what_has_no_answer_is_one_sentence(home: Path) -> None:
    assert "no state of In[77]" in refused("show", "book.ipynb", "In[77]")
    assert "`jupyter kishu log --all`" in refused("diff", "book.ipynb", "nowhere")
    assert "did you mean 'x'?" in refused("variable", "book.ipynb", "xx")
    assert "search needs a text" in refused("search", "book.ipynb", "")
    assert "did you mean book-" in refused("log", "bok.ipynb")
    for command, *more in (("undo",), ("redo",), ("checkout", "main"), ("commit", "m"), ("tag", "t"), ("run", "1")):
        told = refused(command, "book.ipynb", *more)
        assert "no kernel with Kishu is live on book.ipynb: open it in Jupyter" in told
    assert "there is no connection file kernel-gone.json" in refused("log", "kernel-gone.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",),
        ("log", "book.ipynb", "-n", "-1"),
        ("undo", "book.ipynb", "0"),
        ("undo", "book.ipynb", "some"),
        ("tag", "book.ipynb", "--delete"),
        ("run", "book.ipynb", "1", "--timeout", "-3"),
        ("variable", "book.ipynb"),
    ],
    ids=" ".join,
)
def test_wrong_usage(home: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


# --- as a notebook


def test_a_history_becomes_a_notebook(home: Path, tmp_path: Path) -> None:
    own = (home / "book.ipynb").read_bytes()
    way = tmp_path / "way.ipynb"
    assert ok("export", "book.ipynb", way, "--target", "base") == f"{way}: 2 cells. Open it in Jupyter\n"
    notebook = nbformat.read(way, as_version=4)
    nbformat.validate(notebook)
    values: dict[str, Any] = {}
    for cell in notebook.cells:
        exec(cell.source, values)
    assert (values["x"], values["y"]) == ([1, 2], "why")
    assert "already exists" in refused("export", "book.ipynb", way)
    said = in_json("export", "book.ipynb", way, "--force")
    assert said == {"path": str(way), "cells": 2}
    assert nbformat.read(way, as_version=4).cells[1].outputs[0]["data"]["text/plain"] == "[1, 5]"
    assert "is this notebook itself" in refused("export", "book.ipynb", "book.ipynb", "--force")
    assert (home / "book.ipynb").read_bytes() == own


def test_any_other_file_is_for_another_machine(home: Path, tmp_path: Path) -> None:
    said = in_json("export", "book.ipynb", tmp_path / "book.kishu")
    assert said["path"] == str(tmp_path / "book.kishu")
    assert said["checkpoints"] == 4
    told = in_json("import", tmp_path / "book.kishu", "--to", tmp_path / "new")
    assert (told["path"], told["trusted"], told["checkpoints"]) == (str(tmp_path / "new"), True, 4)
    assert in_json("log", tmp_path / "new")["checkpoints"] == in_json("log", "book.ipynb")["checkpoints"]


# --- what may stand in a store


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where there are no histories yet."""
    in_the_place_of(tmp_path, monkeypatch)
    monkeypatch.setenv("KISHU_STORE_DIR", str(tmp_path / "stores"))
    return tmp_path / "stores"


EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\x9b1m"


def test_what_a_history_says_does_not_reach_the_terminal(base: Path, tmp_path: Path) -> None:
    path = claim_store(base, str(write_notebook(tmp_path / "book.ipynb")), SessionId("s")).path
    store = LmdbStore(path)
    name = f"x{EVIL}"
    outputs = (
        {"output_type": "stream", "name": "stdout", "text": f"{EVIL}\n"},
        {"output_type": "display_data", "data": {"text/plain": EVIL, EVIL: "x"}, "metadata": {}},
        {"output_type": "display_data", "data": {EVIL: "x"}, "metadata": {}},
        {"output_type": "error", "ename": EVIL, "evalue": EVIL, "traceback": [EVIL]},
    )
    made = record((name,), VariableInfo(name, f"type{EVIL}", f"summary{EVIL}"))
    one = replace(
        trivial(1, f"code {EVIL}\nmore"),
        created=(name,),
        versions=(replace(made, stored=False, reason=f"reason{EVIL}"),),
        message=f"message{EVIL}",
        error=f"error{EVIL}",
        outputs=outputs,
    )
    refs = {f"branch/b{EVIL}": one.id, f"tag/t{EVIL}": one.id, f"head/h{EVIL}": one.id}
    store.commit(one, [], refs)
    store.close()
    for arguments in (
        ("log", "book.ipynb", "--all"),
        ("show", "book.ipynb"),
        ("show", "book.ipynb", checkpoint_id(1)),
        ("diff", "book.ipynb", "HEAD"),
        ("variable", "book.ipynb", name),
        ("variable", "book.ipynb", "typo"),
        ("search", "book.ipynb", "e"),
        ("branch", "book.ipynb"),
        ("tag", "book.ipynb"),
        ("status", "book.ipynb"),
        ("show", "book.ipynb", f"none{EVIL}"),
        ("export", "book.ipynb", f"out{EVIL}.ipynb"),
    ):
        for more in ((), ("--json",)):
            result = run(*arguments, *more)
            assert not set(EVIL) & set(result.output) - set("]0;owned[2J1m"), (arguments, result.output)
            assert result.exit_code == 0 or result.output.startswith("Error: "), (arguments, result.output)
    assert r"\x1b]0;owned\x07" in ok("log", "book.ipynb")


def test_lines_of_output_do_not_pass_for_ours(base: Path, tmp_path: Path) -> None:
    path = claim_store(base, str(write_notebook(tmp_path / "book.ipynb")), SessionId("s")).path
    store = LmdbStore(path)
    text = "10%\r20%\r100%\r\n\x1b[31mred\x1b[0m\ttab\nlast"
    one = replace(trivial(1), message="a\n●  faked", outputs=({"output_type": "stream", "name": "a", "text": text},))
    store.commit(one, [payload(b"")], {"branch/main": one.id, "head/s": one.id})
    store.close()
    assert ok("show", "book.ipynb").endswith("Output:\n    100%\n    red tab\n    last\n")
    assert r"a\n●  faked" in ok("log", "book.ipynb")


def test_nothing_is_unpickled(base: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "owned",))

    path = claim_store(base, str(write_notebook(tmp_path / "book.ipynb")), SessionId("s")).path
    store = LmdbStore(path)
    for number in (1, 2):
        at = {"branch/main": checkpoint_id(number), "head/s": checkpoint_id(number)}
        store.commit(trivial(number), [payload(pickle.dumps(Evil()))], at)
    store.close()
    commands = [["log"], ["show"], ["diff", "HEAD~1"], ["variable", "x"], ["search", "x"], ["status"], ["branch"]]
    commands.append(["export", "way.ipynb"])
    code = (
        "import json, sys\n"
        "from kishu_kernel.frontend.command.commands import commands\n"
        "for name, *more in json.loads(sys.argv[1]):\n"
        "    commands.main([name, 'book.ipynb', *more], standalone_mode=False)\n"
        "heavy = ('numpy', 'pandas', 'IPython', 'ipykernel', 'jupyter_client', 'cloudpickle', 'dill')\n"
        "print([each for each in heavy if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("wrong", ["circle", "gap", "time"])
def test_a_history_that_is_damaged(base: Path, tmp_path: Path, wrong: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "circle": {"parent": checkpoint_id(3)},
        "gap": {"parent": checkpoint_id(77)},
        "time": {"timestamp": 1e300},
    }
    path = of(write_notebook(tmp_path / "book.ipynb"), base)
    store = LmdbStore(path)
    store.commit(replace(trivial(1), versions=(), **changes[wrong]), [], {})
    store.close()
    for arguments in (("log",), ("log", "--all"), ("show",), ("search", "x"), ("status",), ("variable", "x")):
        result = run(arguments[0], "book.ipynb", *arguments[1:])
        assert result.exit_code in (0, 1)
        if result.exit_code:
            assert "fsck --repair" in result.output
            assert result.output.count("\n") == 1


def test_files_about_live_kernels_may_say_anything(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    book = str(home / "book.ipynb")
    mine = {"session": "s", "pid": os.getpid(), "host": os.uname().nodename, "connection_file": "/nowhere"}
    contents = ["", "[]", "{}", "[" * 100_000, "\0" * 1_000_000, json.dumps({**mine, "notebook": book})]
    contents += [json.dumps({**mine, "notebook": book, key: [None]}) for key in mine]
    contents += [json.dumps({**mine, "notebook": book, "pid": pid}) for pid in (-1, 0, 1 << 70, True)]
    connection = tmp_path / "connection.json"
    for number, port in enumerate((1, 0, -1, 1 << 40)):
        said = {"transport": "tcp", "ip": "127.0.0.1", "control_port": port, "shell_port": port, "key": ""}
        connection.with_name(f"c{number}.json").write_text(json.dumps(said))
        contents.append(json.dumps({**mine, "notebook": book, "connection_file": f"{tmp_path}/c{number}.json"}))
    for number, content in enumerate(contents):
        (runtime / f"kishu-live-{number}.json").write_text(content)
    os.mkfifo(runtime / "kishu-live-fifo.json")
    assert in_json("status", "book.ipynb")["kernel"] is None
    assert in_json("stores")["stores"][0]["live"] is False


# --- a live kernel


def test_from_outside_while_the_notebook_is_open(kernel: Kernel) -> None:
    kernel.done("log")  # as a panel does that is opened before any cell
    assert in_json("stores")["stores"][0]["live"] is True
    kernel.ok("x = [1]")
    kernel.ok("x.append(2)")
    assert f"kernel    {kernel.manager.connection_file}" in ok("status", "book.ipynb")
    assert "live" in ok("stores")
    told = ok("undo", "book.ipynb")
    assert told.startswith("Took back In ")
    assert "In [2] is not in this state" in told
    assert kernel.value("x") == [1]
    assert in_json("redo", "book.ipynb")["applied"] is True
    assert kernel.value("x") == [1, 2]
    assert ok("checkout", "book.ipynb", "In[1]", "--dry-run").startswith("Would go to In [1].")
    assert kernel.value("x") == [1, 2]
    assert ok("run", "book.ipynb", "x.append(3)") == ""
    assert kernel.value("x") == [1, 2, 3]
    assert "has the message" in ok("commit", "book.ipynb", "three")
    assert "base" in ok("tag", "book.ipynb", "base", "In[1]")
    assert "three" in ok("log", "book.ipynb")
    assert in_json("checkout", "book.ipynb", "base")["head"] == in_json("tag", "book.ipynb")["tags"]["base"]
    assert kernel.value("x") == [1]
    assert ok("take", "book.ipynb", "x@In[2]", "as", "y").startswith("took x as y from In[2]")
    assert kernel.value("(x, y)") == ([1], [1, 2])
    assert "no variable 'z'" in refused("take", "book.ipynb", "z@In[2]")
    assert "NAME@TARGET" in refused("take", "book.ipynb", "x")
    ok("undo", "book.ipynb")
    assert ok("tag", "book.ipynb", "base", "--delete") == "no tags\n"
    assert in_json("diff", "book.ipynb", "In[3]", "--values")["details"][0]["change"] is not None
    kernel.nothing_more()


def test_refusals_of_the_kernel(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    assert "no earlier session to resume" in refused("resume", "book.ipynb")
    assert "no state, branch or tag 'nowhere'" in refused("checkout", "book.ipynb", "nowhere")
    assert "beyond" in refused("checkout", "book.ipynb", "HEAD~5")
    assert "cannot name a branch" in refused("branch", "book.ipynb", "no good name")
    ok("undo", "book.ipynb")
    refused("undo", "book.ipynb")


def test_a_busy_kernel_is_looked_at(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    with kernel.hold(after="x = 2") as held:
        assert "x = 1" in ok("log", "book.ipynb")
        assert in_json("status", "book.ipynb")["kernel"] == kernel.manager.connection_file
        late = refused("tag", "book.ipynb", "late", "--timeout", "0.5")
        assert "the kernel of book.ipynb did not answer in time: it is busy, and does this when" in late
        held.let_go()
    for _ in range(1000):  # its turn may come after that of another client
        if in_json("tag", "book.ipynb")["tags"].keys() == {"late"}:
            break
        kernel.value("x")
    else:
        raise AssertionError("what was asked for is not done")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")
def test_who_only_looks_does_not_need_the_kernel(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE", "LONG_PATIENCE"):
        monkeypatch.setattr(sources, name, 0.5)
    kernel.ok("x = 1")
    kernel.done("gc", dry_run=True)  # now it is on the disk
    pid = kernel.manager.provisioner.process.pid
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    try:
        told = ok("log", "book.ipynb")
        assert "Note: the kernel of book.ipynb did not answer in time: it is stopped or blocked. This is what" in told
        assert "x = 1" in told
        assert "did not answer in time" in refused("undo", "book.ipynb")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert kernel.value("x") == 1


def test_a_kernel_by_its_connection_file(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"JPY_SESSION_NAME": None})
    kernel.ok("x = 1")
    file = kernel.manager.connection_file
    assert "x = 1" in ok("log", file)
    ok("undo", file)
    assert kernel.value("'x' in globals()") is False
    kernel.close()
    assert "has ended" in refused("log", file) or not Path(file).exists()


def test_two_kernels(start: Start) -> None:
    kernels = start(), start()
    kernels[0].ok("x = 1")
    assert "2 kernels are live on book.ipynb: name one by its connection file" in refused("log", "book.ipynb")
    assert "x = 1" in ok("log", kernels[0].manager.connection_file)
    assert ok("log", kernels[1].manager.connection_file).startswith("no states yet: run a cell")
    kernels[1].close()
    assert "x = 1" in ok("log", "book.ipynb")


def test_a_dead_kernel_is_passed_over(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok("x = 1")
    kernel.done("gc", dry_run=True)
    saved = Path(kernel.manager.connection_file).read_text()
    kernel.close()
    Path(kernel.manager.connection_file).write_text(saved)
    assert len(list((tmp_path / "jupyter_runtime").glob("kishu-live-*"))) == 1
    assert "x = 1" in ok("log", "book.ipynb")
    assert in_json("status", "book.ipynb")["kernel"] is None
    assert "no kernel with Kishu is live" in refused("undo", "book.ipynb")
    assert "has ended" in refused("log", kernel.manager.connection_file)


def test_a_kernel_without_kishu(start: Start) -> None:
    kernel = start(command=(sys.executable, "-m", "ipykernel_launcher"))
    assert "keeps no history: choose the kernel" in refused("log", kernel.manager.connection_file)


def test_run_is_a_cell(kernel: Kernel) -> None:
    assert ok("run", "book.ipynb", "print('a')\n6 * 7") == "a\n42\n"
    assert ok("run", "book.ipynb", "-", input="y = 5\n") == ""
    assert kernel.value("y") == 5
    failed = run("run", "book.ipynb", "1 / 0")
    assert failed.exit_code == 1
    assert "ZeroDivisionError: division by zero" in failed.output
    assert "\x1b" not in failed.output
    said = in_json("run", "book.ipynb", "1 / 0", status=1)
    assert (said["status"], said["execution_count"]) == ("error", 4)
    assert "the cell still runs" in refused("run", "book.ipynb", "import time; time.sleep(2)", "--timeout", "0.5")
    assert len(in_json("log", "book.ipynb")["checkpoints"]) >= 4


# --- the shell


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("jupyter-kishu show book.ipynb ", {"HEAD", "main", "idea", "base"}),
        ("jupyter-kishu diff book.ipynb b", {"base"}),
        ("jupyter-kishu diff book.ipynb main ba", {"base"}),
        ("jupyter-kishu variable book.ipynb ", {"x", "_4"}),
        ("jupyter-kishu show nowhere.ipynb ", set()),
        ("jupyter-kishu und", {"undo"}),
    ],
)
def test_a_shell_completes(home: Path, words: str, offered: set[str]) -> None:
    number = str(len(words.split(" ")) - 1)
    done = program(_JUPYTER_KISHU_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)
    assert {line.partition(",")[2] for line in done.stdout.split()} == offered, done.stderr


def test_a_shell_completes_ids(home: Path) -> None:
    head = in_json("status", "book.ipynb")["head"]
    words = f"jupyter-kishu show book.ipynb {head[:3]}"
    done = program(_JUPYTER_KISHU_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="3")
    assert f"plain,{head}" in done.stdout.splitlines()


def test_help_has_sections() -> None:
    told = ok("--help")
    order = [told.index(title) for title in ("One history:", "In a live notebook:", "Stores:")]
    assert order == sorted(order)
    assert told.index("  undo ") > order[1]
    assert not [line for line in told.splitlines()[1:] if line.endswith("...")]  # no sentence is cut off
