"""Clients that know nothing of us: a console, at a terminal and in a pipe, and nbclient, which runs notebooks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

from tests.kernel.driver import Kernel, KernelDied, environment_of

from .test_jupyter_kernel import KERNEL_NAME

PLAIN_NAME = "plain-under-test"
COMMANDS = {KERNEL_NAME: "kishu_kernel", PLAIN_NAME: "ipykernel_launcher"}

PATIENCE = 30
"""Times that a console is given two more seconds."""

both = pytest.mark.parametrize("name", COMMANDS)
"""In our own kernel, and in a plain one that loads us."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Both kernels are installed in it, and nothing of the person who runs the tests."""
    for name, module in COMMANDS.items():
        spec = tmp_path / "share" / "kernels" / name
        spec.mkdir(parents=True)
        argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
        text = json.dumps({"argv": argv, "display_name": name, "language": "python"})
        (spec / "kernel.json").write_text(text, "utf-8")
    further: dict[str, str | None] = {
        "JUPYTER_PATH": str(tmp_path / "share"),
        "PROMPT_TOOLKIT_NO_CPR": "1",  # the terminal of this test does not say where its cursor is
        "TERM": "xterm",
    }
    return environment_of(tmp_path, further)


def loading(name: str) -> list[str]:
    return ["%load_ext kishu_kernel"] if name == PLAIN_NAME else []


# -- jupyter console ----------------------------------------------------------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path, name: str) -> Iterator[Kernel]:
    """A kernel that runs already, for a console to come to."""
    with Kernel(tmp_path, command=(sys.executable, "-m", COMMANDS[name])) as kernel:
        yield kernel


def console(kernel: Kernel) -> list[str]:
    pytest.importorskip("jupyter_console")
    connection = str(kernel.manager.connection_file)
    return [sys.executable, "-m", "jupyter_console", "--existing", connection]


def nudge(kernel: Kernel) -> None:
    """A console that is quicker than its subscription misses the end of its first cell, and waits for the next one."""
    with suppress(KernelDied):  # the console's last word ends it
        kernel.message("kernel_info_request")


@both
def test_a_console_in_a_pipe(tmp_path: Path, environment: dict[str, str], kernel: Kernel, name: str) -> None:
    lines = [
        *loading(name),
        "xs = [1]; ys = xs",
        "xs.append(2)",
        "%kishu log",
        "%kishu undo",
        "print('undone', ys, xs is ys)",
        "xs.append(3)",
        "%kishu undo",
        "%kishu redo",
        "print('redone', ys)",
        "%kishu nonsense",
        "exit",
    ]
    (tmp_path / "typed").write_text("\n".join(lines) + "\n", "utf-8")
    with (tmp_path / "typed").open() as typed, (tmp_path / "printed").open("w") as writing:
        client = subprocess.Popen(
            [*console(kernel), "--simple-prompt"],
            stdin=typed,
            stdout=writing,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONUTF8": "1"},
            cwd=tmp_path,
        )
        try:
            for _ in range(PATIENCE):
                try:
                    client.wait(timeout=2)
                    break
                except subprocess.TimeoutExpired:
                    nudge(kernel)
        finally:
            client.kill()
    printed = (tmp_path / "printed").read_text("utf-8")
    assert client.returncode == 0, printed
    listed = [line for line in printed.splitlines() if re.search(r"In ?\[\d+\] +xs", line)]
    assert ["xs.append(2)" in line for line in listed[:2]] == [True, False]  # the newest first
    assert "undone [1] True" in printed
    assert "redone [1, 3]" in printed
    assert "UsageError" in printed
    assert "Traceback" not in printed


@both
@pytest.mark.skipif(os.name == "nt", reason="pexpect needs a pseudo-terminal")
def test_a_console_at_a_terminal(tmp_path: Path, environment: dict[str, str], kernel: Kernel, name: str) -> None:
    pexpect = pytest.importorskip("pexpect")
    command, *arguments = console(kernel)
    terminal = pexpect.spawn(
        command, arguments, env=environment, cwd=str(tmp_path), encoding="utf-8", dimensions=(50, 160)
    )

    def expect(pattern: Any) -> None:
        for _ in range(PATIENCE):
            if terminal.expect([pattern, pexpect.TIMEOUT], timeout=2) == 0:
                return
            nudge(kernel)
        raise AssertionError(f"no {pattern} in {terminal.before}")

    try:
        for line, expected in [
            *((line, "you can go back to the state after any cell") for line in loading(name)),
            ("xs = [1]; ys = xs", ""),
            ("xs.append(2)", ""),
            ("len(ys) * 111", "222"),
            ("%kishu undo 2", "brought back: xs, ys"),
            ("len(ys) * 111", "111"),
            ("%kishu log", r"In ?\[\d+\]"),
        ]:
            expect(r"In \[")
            terminal.sendline(line)
            if expected:
                expect(expected)
        expect(r"In \[")
        terminal.sendline("exit")
        expect(pexpect.EOF)
    finally:
        terminal.close(force=True)


# -- nbclient -----------------------------------------------------------------------------------------------------


def executed(cells: list[str], name: str, home: Path, environment: dict[str, str], **how: Any) -> list[Any]:
    """The outputs of each cell, as nbclient leaves them in a valid notebook."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    specs = KernelSpecManager(kernel_dirs=[str(home / "share" / "kernels")])
    manager = AsyncKernelManager(kernel_name=name, kernel_spec_manager=specs)
    client = NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(home)}}, **how)

    async def run() -> None:
        await client.async_execute(cleanup_kc=True, env=environment)

    asyncio.run(run())
    nbformat.validate(notebook)
    return [cell.outputs for cell in notebook.cells]


def text(outputs: list[Any]) -> str:
    return "".join(
        output["text"] if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        for output in outputs
    )


@both
def test_nbclient(tmp_path: Path, environment: dict[str, str], name: str) -> None:
    cells = [*loading(name), "xs = [1]; ys = xs", "xs.append(2); len(ys)", "%kishu log", "%kishu undo", "ys, xs is ys"]
    *_, before, log, undone, after = executed(cells, name, tmp_path, environment)
    assert text(before) == "2"
    assert "xs.append(2); len(ys)" in text(log)
    assert "brought back: " in text(undone)
    assert text(after) == "([1], True)"


@both
def test_nbclient_goes_on_after_an_error(tmp_path: Path, environment: dict[str, str], name: str) -> None:
    cells = [*loading(name), "xs = [1]", "xs.append(2)\n1 / 0", "%kishu undo", "xs"]
    *_, failed, _undone, after = executed(cells, name, tmp_path, environment, allow_errors=True)
    assert [output.ename for output in failed] == ["ZeroDivisionError"]
    assert text(after) == "[1]"


@both
def test_nbclient_run_again_on_the_same_notebook(tmp_path: Path, environment: dict[str, str], name: str) -> None:
    """As in a scheduled job: each run has a history, and the second one is told of the first."""
    told = {**environment, "JPY_SESSION_NAME": str(tmp_path / "job.ipynb")}
    executed([*loading(name), "xs = [1]"], name, tmp_path, told)
    first, *_, resumed, after = executed([*(loading(name) or ["n = 1"]), "%kishu resume", "xs"], name, tmp_path, told)
    assert "This notebook has a history" in text(first)
    assert "brought back: xs" in text(resumed)
    assert text(after) == "[1]"
