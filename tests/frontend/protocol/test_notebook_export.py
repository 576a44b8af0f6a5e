"""Checkpoints as a notebook: what is in it, where it may be written, and that running it leads to the same state."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.notebook_export import as_notebook, write_notebook
from kishu_kernel.model import CellStatus, Checkpoint, CheckpointId, SessionId
from tests.kernel.driver import Kernel, environment_of


def cell(
    code: str, number: int = 1, status: CellStatus = "ok", outputs: Sequence[Any] = (), created: Sequence[str] = ()
) -> Checkpoint:
    return Checkpoint(
        *(CheckpointId(f"{number:016x}"), None, SessionId("s"), 1.5 * number, number or None, code, status),
        *(None, 0.1, tuple(created), (), (), (), (), (), ()),
        outputs=tuple(outputs),
    )


def valid(notebook: Any) -> Any:
    """The notebook, which nbformat finds nothing wrong with."""
    nbformat.validate(nbformat.from_dict(notebook), relax_add_props=False)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return json.loads(json.dumps(notebook))


# -- what is in it -------------------------------------------------------------------------------------


def test_cells_come_with_their_outputs() -> None:
    shown = {"output_type": "execute_result", "execution_count": 2, "data": {"text/plain": "7"}, "metadata": {}}
    printed = {"output_type": "stream", "name": "stdout", "text": "hi\n"}
    notebook = valid(as_notebook([cell("a = 7", 1), cell("print('hi')\na", 2, outputs=[printed, shown])]))
    assert [each["source"] for each in notebook["cells"]] == ["a = 7", "print('hi')\na"]
    assert [each["execution_count"] for each in notebook["cells"]] == [1, 2]
    assert [each["outputs"] for each in notebook["cells"]] == [[], [printed, shown]]
    assert [each["metadata"]["kishu"]["checkpoint"] for each in notebook["cells"]] == [f"{n:016x}" for n in (1, 2)]
    assert notebook["metadata"]["kernelspec"]["name"] == "kishu"


def test_a_run_goes_on_where_the_first_one_did() -> None:
    cells = valid(as_notebook([cell("1 / 0", 1, "error"), cell("2", 2, "interrupted"), cell("3", 3)]))["cells"]
    assert [each["metadata"].get("tags", []) for each in cells] == [["raises-exception"], ["raises-exception"], []]


def test_what_no_cell_did_is_told() -> None:
    [told] = valid(as_notebook([cell("", 0, created=["a", "b"])]))["cells"]
    assert told["cell_type"] == "markdown"
    assert "`a`, `b`" in told["source"]


def test_nothing_is_a_notebook_too() -> None:
    assert valid(as_notebook([]))["cells"] == []


HOSTILE = (
    '"}], "cells": [',
    "'''\n\"\"\"\\",
    "%%html\n<script>alert(1)</script>",
    "!rm -rf {x} # $HOME %s {0} \\N{DIGIT ONE}",
    "\x00\x1b[31m\r\n\u2028\ufeff\U0001f600",
    "x = 1\n" * 10_000,
    " \n\t",
)


@settings(deadline=None)
@given(st.one_of(st.sampled_from(HOSTILE), st.text()), st.text(max_size=9))
def test_any_code_is_only_text(code: str, name: str) -> None:
    notebook = valid(as_notebook([cell(code or " ", created=[name]), cell("", 2, created=[name])]))
    assert notebook["cells"][0]["source"] == (code or " ")


def test_text_that_no_file_can_hold(tmp_path: Path) -> None:
    """Half a surrogate pair comes out as the escape that stands for it."""
    path = write_notebook(as_notebook([cell("x = '\ud83d'")]), str(tmp_path / "odd"), None, force=False)
    assert nbformat.read(path, 4).cells[0].source == "x = '\\ud83d'"


# -- where it goes -------------------------------------------------------------------------------------


NOTEBOOK = as_notebook([cell("a = 1")])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory to work in, in which nothing is left behind besides what a test made on purpose."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    assert [each.name for each in tmp_path.rglob("*") if each.name.endswith(".part")] == []


def written(path: str, own: str | None = None, *, force: bool = False) -> Path:
    """Where it was written, and readable."""
    file = Path(write_notebook(NOTEBOOK, path, own, force=force))
    assert file.is_absolute()
    assert nbformat.read(file, 4).cells[0].source == "a = 1"
    return file


def refused(path: str, own: str | None = None, *, force: bool = False) -> str:
    """Why it was not written."""
    with pytest.raises(RequestError) as raised:
        write_notebook(NOTEBOOK, path, own, force=force)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_it_is_written_where_it_is_said(here: Path) -> None:
    assert written("out.ipynb") == here / "out.ipynb"
    assert written("a" * 240) == here / f"{'a' * 240}.ipynb"
    assert written("plain") == here / "plain.ipynb"
    (here / "sub").mkdir()
    assert written("sub/../sub/x.ipynb") == here / "sub" / "x.ipynb"
    assert written(str(here / "ä ö.ipynb")).name == "ä ö.ipynb"
    assert written("~/home.ipynb") == here / "home.ipynb"


def test_what_is_there_stays_unless_one_says_so(here: Path) -> None:
    there = here / "there.ipynb"
    there.write_text("precious")
    assert "--force" in refused("there.ipynb")
    assert "--force" in refused("there")
    assert there.read_text() == "precious"
    (here / "dangling.ipynb").symlink_to(here / "nowhere")
    assert "--force" in refused("dangling.ipynb")
    assert written("there.ipynb", force=True) == there


@pytest.mark.parametrize("way", ["own.ipynb", "own", "./sub/../own.ipynb", "link.ipynb", "hard.ipynb"])
@pytest.mark.parametrize("force", [False, True])
def test_the_session_s_own_notebook_is_never_written(here: Path, way: str, force: bool) -> None:
    own = here / "own.ipynb"
    own.write_text("precious")
    (here / "sub").mkdir()
    (here / "link.ipynb").symlink_to(own)
    os.link(own, here / "hard.ipynb")
    assert "this notebook itself" in refused(way, str(own), force=force)
    assert own.read_text() == "precious"
    own.unlink()  # not saved yet
    assert "this notebook itself" in refused("own.ipynb", str(own), force=force)
    assert written("other.ipynb", str(own)).name == "other.ipynb"


@pytest.mark.parametrize("force", [False, True])
def test_directories_are_none(here: Path, force: bool) -> None:
    (here / "folder").mkdir()
    (here / "folder.ipynb").mkdir()
    for path in ("folder", "folder/", "new/", "folder.ipynb", "", ".", "/", "~"):
        assert "directory" in refused(path, force=force), path
    assert sorted(each.name for each in here.iterdir()) == ["folder", "folder.ipynb"]


@pytest.mark.parametrize("path", ["nowhere/x.ipynb", "file/x.ipynb", "/proc/x.ipynb", "\0", "a" * 300, "\ud83d/x"])
def test_where_nothing_can_be_written(here: Path, path: str) -> None:
    (here / "file").touch()
    assert "cannot be written" in refused(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permission_denied(here: Path) -> None:
    locked = here / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    try:
        assert "Permission denied" in refused("locked/x.ipynb")
    finally:
        locked.chmod(0o700)


def test_what_cannot_be_written_whole_leaves_what_was_there(here: Path) -> None:
    (here / "there.ipynb").write_text("precious")
    limited = (
        "import resource, signal\n"
        "from kishu_kernel.errors import RequestError\n"
        "from kishu_kernel.frontend.protocol.notebook_export import write_notebook\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    write_notebook({'cells': ['x' * 100_000]}, 'there.ipynb', None, force=True)\n"
        "except RequestError as error:\n"
        "    assert 'cannot be written' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('written')\n"
    )
    ran = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, cwd=here)
    assert ran.returncode == 0, ran.stderr
    assert (here / "there.ipynb").read_text() == "precious"
    assert [each.name for each in here.iterdir()] == ["there.ipynb"]


# -- that it can be run ----------------------------------------------------------------------------------


CELLS = (
    "import math\nxs = [1, 2]; ys = xs",
    "ys.append(math.floor(3.5)); xs",
    "def area(r):\n    '''of a \"circle\" {r} \\ %s'''\n    return r * r",
    "before = area(2)\n1 / 0",
    "print('late', area(3)); class_ = type('C', (), {'n': before})()",
    "%%capture said\nprint('quiet')",
)

STATE = "(xs, xs is ys, area(5), area.__doc__, before, class_.n, said.stdout, 'aside' in globals())"


class OneSpec(KernelSpecManager):
    """Knows one kernel, by whatever name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "kishu_kernel", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


def executed(notebook: Any, home: Path) -> Any:
    """The notebook as nbclient leaves it."""
    home.mkdir()
    manager = AsyncKernelManager(kernel_spec_manager=OneSpec())
    client = NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(home)}})

    async def run() -> None:
        await client.async_execute(cleanup_kc=True, env=environment_of(home, {}))

    asyncio.run(run())
    return notebook


def test_running_it_leads_to_the_same_state(tmp_path: Path) -> None:
    """The way to a checkpoint alone: what was run on another branch is not in it."""
    with Kernel(tmp_path) as kernel:
        for code in CELLS[:3]:
            kernel.ok(code)
        kernel.ok("aside = 1")
        kernel.done("undo")
        for code in CELLS[3:]:
            kernel.run(code)
        state = kernel.value(STATE)
        before = kernel.done("log", all=True, limit=0)
        reply = kernel.done("export", path="way.ipynb")
        inline = kernel.done("export")["notebook"]
        earlier = kernel.done("export", target="In[2]")
        assert "--force" in kernel.request("export", path="way.ipynb")["evalue"]
        assert kernel.done("export", path="way.ipynb", force=True)["path"] == reply["path"]
        assert kernel.done("log", all=True, limit=0) == before  # looking changes nothing
    assert (reply["cells"], reply["path"]) == (len(CELLS), str(tmp_path / "way.ipynb"))
    assert (earlier["cells"], [each["source"] for each in earlier["notebook"]["cells"]]) == (2, list(CELLS[:2]))

    notebook = nbformat.read(reply["path"], 4)
    assert valid(inline) == json.loads(json.dumps(notebook))
    assert [each.source for each in notebook.cells] == list(CELLS)
    outputs = [[output.output_type for output in each.outputs] for each in notebook.cells]
    assert outputs == [[], ["execute_result"], [], ["error"], ["stream"], []]
    first_outputs = [each.outputs for each in notebook.cells]

    notebook.cells.append(nbformat.v4.new_code_cell(f"{STATE} == {state!r}"))
    again = executed(notebook, tmp_path / "again")
    assert again.cells[-1].outputs[0].data["text/plain"] == "True"
    for was, now in zip(first_outputs, again.cells, strict=False):
        assert [each.get("text") or each.get("data") for each in was] == [
            each.get("text") or each.get("data") for each in now.outputs
        ]


def test_the_notebook_that_is_open_is_not_written(tmp_path: Path) -> None:
    own = tmp_path / "mine.ipynb"
    own.write_text("precious")
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(own)}) as kernel:
        kernel.ok("a = 1")
        for path in ("mine.ipynb", str(own)):
            assert "this notebook itself" in kernel.request("export", path=path, force=True)["evalue"]
        refusal = kernel.request("export", path="nowhere/x.ipynb")
        assert (refusal["ename"], "unexpected" in refusal["evalue"]) == ("RequestError", False)
        assert "nowhere_made" in kernel.request("export", target="nowhere_made")["evalue"]
    assert own.read_text() == "precious"


@pytest.mark.parametrize(
    ("code", "exported"),
    [
        ("%kishu undo\nn = 1", "pass  # %kishu undo\nn = 1"),
        ("if 1:\n    %kishu tag x", "if 1:\n    pass  # %kishu tag x"),
        ("x = '''\n%kishu undo\n'''", "x = '''\n%kishu undo\n'''"),
        ("%time 1\n%kishu undo", "%time 1\npass  # %kishu undo"),
    ],
)
def test_journeys_are_no_part_of_the_way(code: str, exported: str) -> None:
    assert as_notebook([cell(code)])["cells"][0]["source"] == exported


def test_numbers_that_json_has_not_are_null() -> None:
    shown = {"output_type": "display_data", "data": {"application/json": {"a": float("nan")}}, "metadata": {}}
    (exported,) = as_notebook([cell("1", outputs=[shown])])["cells"]
    assert exported["outputs"][0]["data"] == {"application/json": {"a": None}}
