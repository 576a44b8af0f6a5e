"""Who can write to a store has no key: nothing of what he puts there runs, and that it is not the user's is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from kishu_kernel.model import CheckpointId
from kishu_kernel.store.format import schema
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel, environment_of

from .driving import thought
from .tampering import HOSTILE, displays, put, remove, rows


def notebook(start: Start, home: Path, name: str) -> Kernel:
    """A kernel of a notebook of this name."""
    return start(environment={"JPY_SESSION_NAME": str(home / f"{name}.ipynb")})


def left(start: Start, home: Path, name: str, *cells: str) -> Path:
    """A notebook whose cells ran, and whose kernel has ended: its store."""
    kernel = notebook(start, home, name)
    for cell in cells:
        kernel.ok(cell)
    thought(kernel)
    store = Path(kernel.done("status")["store"]["path"])
    kernel.close()
    return store


def ids(kernel: Kernel) -> dict[str, str]:
    """The checkpoints by their code."""
    return {each["code"]: each["id"] for each in kernel.done("log", all=True, limit=0)["checkpoints"]}


def command(home: Path, *words: str, status: int = 0) -> str:
    code = "from kishu_kernel.frontend.command.commands import main; main()"
    started = [sys.executable, "-c", code, *words]
    done = subprocess.run(started, capture_output=True, text=True, env=environment_of(home, {}), cwd=home, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def evil(file: Path) -> str:
    return f"import os; os.mkdir({str(file)!r}); x = [0]"


# --- outputs


def shown_kinds(outputs: list[Any]) -> set[str]:
    return {kind for each in outputs for kind in each.get("data", {"text/plain": ""})}


def test_outputs_that_were_replaced_are_text(start: Start, tmp_path: Path) -> None:
    """In `%kishu show`, the protocol, the command line and an exported notebook, for every kind that runs something."""
    kernel = notebook(start, tmp_path, "mine")
    kernel.ok("x = 1\nprint('mine')\nx")
    thought(kernel)
    store = Path(kernel.done("status")["store"]["path"])
    assert kernel.done("show", target="HEAD")["outputs_note"] is None
    assert "All of it is yours." in command(tmp_path, "trust", str(store), "--check")
    (key,) = rows(store, "outputs")
    forged = displays(*HOSTILE.values())[: -len(schema.NO_SIGNATURE)]
    old = rows(store, "outputs")[key][-16:]
    record = rows(store, "checkpoints")[key][-16:]
    for mark in (schema.NO_SIGNATURE, old, record, bytes(range(16))):
        put(store, "outputs", {key: forged + mark})
        reply = kernel.done("show", target="HEAD")
        assert shown_kinds(reply["outputs"]) == {"text/plain"}
        assert f"jupyter kishu trust {store}" in reply["outputs_note"]
        ran = kernel.ok("%kishu show HEAD~0")
        assert [set(bundle) for bundle in ran.results[1:]] == [{"text/plain"}] * len(HOSTILE)
        assert "text and pictures only" in ran.results[0]["text/html"]
        assert "<script>" not in ran.results[0]["text/html"]
        assert "text and pictures only" in command(tmp_path, "show", str(store))
    kernel.done("export", path=str(tmp_path / "exported.ipynb"), target=reply["checkpoint"]["id"])
    note, cell = nbformat.read(tmp_path / "exported.ipynb", 4).cells
    assert "jupyter kishu trust" in note.source
    assert shown_kinds(cell.outputs) == {"text/plain"}
    checked = command(tmp_path, "trust", str(store), "--check", status=1)
    assert "1 of 1 output" in checked
    assert "Not all of it is yours." in checked
    assert "signed with your key" in command(tmp_path, "fsck", str(store), status=1)
    command(tmp_path, "trust", str(store), "--yes")
    assert "text/html" in shown_kinds(kernel.done("show", target=reply["checkpoint"]["id"])["outputs"])


@pytest.mark.parametrize("where", ["another checkpoint", "another notebook"])
def test_outputs_of_elsewhere_are_text(start: Start, tmp_path: Path, where: str) -> None:
    """The user's own, where he did not show them."""
    page = "from IPython.display import HTML, display; display(HTML('<b>hi</b>'))"
    other = left(start, tmp_path, "other", page)
    store = left(start, tmp_path, "mine", "print('mine')", page)
    newest = max(rows(store, "checkpoints").items(), key=lambda row: json.loads(row[1][:-16])["timestamp"])[0]
    source = store if where == "another checkpoint" else other
    (html,) = [value for value in rows(source, "outputs").values() if b"text/html" in value]
    put(
        store,
        "outputs",
        {key: html for key in rows(store, "outputs") if where != "another checkpoint" or key != newest},
    )
    kernel = notebook(start, tmp_path, "mine")
    known = ids(kernel)
    first, second = (kernel.done("show", target=known[code])["outputs"] for code in ("print('mine')", page))
    assert shown_kinds(first) == {"text/plain"}
    assert ("text/html" in shown_kinds(second)) == (where == "another checkpoint")


# --- records and values


def refused(kernel: Kernel, target: str, pwned: Path) -> str:
    """It does not come back, and why is told."""
    reply = kernel.request("checkout", target=target, replay="auto")
    assert not pwned.exists()
    assert reply["status"] == "error"
    assert "jupyter kishu trust" in reply["evalue"]
    return str(reply["evalue"])


def test_a_record_of_another_notebook_is_not_run_again(start: Start, tmp_path: Path) -> None:
    """What it stands for has no payload any more, so that the session would like to run the cell."""
    pwned = tmp_path / "pwned"
    other = left(start, tmp_path, "other", evil(pwned), "y = 1")
    pwned.rmdir()
    store = left(start, tmp_path, "mine", "z = 1", "z = 2")
    put(store, "checkpoints", rows(other, "checkpoints"))
    put(store, "refs", rows(other, "refs"))
    remove(store, "versions")
    put(store, "versions", rows(other, "versions"))
    kernel = notebook(start, tmp_path, "mine")
    target = next(iter(schema.checkpoint_id(key) for key in rows(other, "checkpoints")))
    refused(kernel, target, pwned)
    listed = kernel.done("log", all=True, limit=0)["checkpoints"]
    assert sorted(each["trusted"] for each in listed) == [False, False, True, True]
    kernel.request("resume")
    assert not pwned.exists()
    assert "Not all of it is yours." in command(tmp_path, "trust", str(store), "--check", status=1)


def test_a_value_of_another_notebook_is_not_loaded(start: Start, tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    bomb = f"class Bomb:\n    def __reduce__(self): import os; return os.mkdir, ({str(pwned)!r},)\n"
    other = left(start, tmp_path, "other", f"import os\nx = [{str(pwned)!r}]")
    store = left(start, tmp_path, "mine", "x = [0]", f"{bomb}y = 1")
    theirs, ours = rows(other, "versions"), rows(store, "versions")
    (x,) = [key for key, value in theirs.items() if b'"x"' in value]
    (here,) = [key for key, value in ours.items() if b'["x"]' in value]
    put(store, "versions", {here: theirs[x]})
    for table in ("chunks", "packed"):
        put(store, table, rows(other, table))
    kernel = notebook(start, tmp_path, "mine")
    refused(kernel, ids(kernel)["x = [0]"], pwned)
    assert "x" not in kernel.ok("print(dir())").stdout.split("'")


def test_two_records_in_each_others_place_are_nobodys(start: Start, tmp_path: Path) -> None:
    kernel = notebook(start, tmp_path, "mine")
    kernel.ok("x = [1]")
    kernel.ok("x.append(2)")
    kernel.done("undo")
    kernel.ok("x.append(3)")
    thought(kernel)
    store = Path(kernel.done("status")["store"]["path"])
    one, other = (schema.checkpoint_key(CheckpointId(ids(kernel)[f"x.append({number})"])) for number in (2, 3))
    kernel.close()
    found = rows(store, "checkpoints")
    put(store, "checkpoints", {one: found[other], other: found[one]})
    kernel = notebook(start, tmp_path, "mine")
    listed = {each["code"]: each["trusted"] for each in kernel.done("log", all=True, limit=0)["checkpoints"]}
    assert listed == {"x = [1]": True, "x.append(2)": False, "x.append(3)": False}
    for key in (one, other):
        reply = kernel.request("checkout", target=schema.checkpoint_id(key), replay="auto")
        assert "jupyter kishu trust" in reply["evalue"]


def test_refs_in_each_others_place_lead_to_the_users_own_states(start: Start, tmp_path: Path) -> None:
    """Refs have no signatures: who moves one chooses among the states of this notebook, and the reply says which."""
    kernel = notebook(start, tmp_path, "mine")
    kernel.ok("x = 'first'")
    kernel.done("tag", name="a")
    kernel.ok("x = 'second'")
    kernel.done("tag", name="b")
    thought(kernel)
    store = Path(kernel.done("status")["store"]["path"])
    tags = kernel.done("tag", name="c", target="HEAD")["tags"]
    found = rows(store, "refs")
    put(store, "refs", {b"tag/a": found[b"tag/b"], b"tag/b": found[b"tag/a"]})
    reply = kernel.done("checkout", target="b")
    assert reply["head"] == tags["a"]
    assert kernel.ok("print(x)").stdout == "first\n"


@pytest.mark.parametrize(
    "name", ["branch/<img src=x onerror=alert(1)>", "tag/'><script>alert(1)</script>", "tag/\x1b[2J"]
)
def test_names_are_text(start: Start, tmp_path: Path, name: str) -> None:
    kernel = notebook(start, tmp_path, "mine")
    kernel.ok("x = 1")
    thought(kernel)
    store = Path(kernel.done("status")["store"]["path"])
    put(store, "refs", {name.encode(): next(iter(rows(store, "checkpoints")))})
    shown = name.partition("/")[2]
    for line in ("log", "log --all", "branch", "tag", "show HEAD~0", "status", "search x"):
        for bundle in kernel.ok(f"%kishu {line}").results:
            assert shown not in bundle.get("text/html", "")
            assert "\x1b" not in bundle["text/plain"]
