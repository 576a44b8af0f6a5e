"""A notebook's session on another machine: pushed by a command or by itself, brought there, and resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.store.remote.recipients import new_identity
from tests.frontend.command.commanding import ok

from .conftest import Start
from .driver import Kernel
from .test_resume import on, write_notebook, written

pytest.importorskip("obstore", reason="a remote needs obstore")


@pytest.mark.parametrize("own_key", [True, False], ids=["my own key", "another user's key"])
def test_a_session_wakes_on_another_machine(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_key: bool
) -> None:
    """What is there: the remote, and a copy of the notebook. The first machine goes on meanwhile."""
    here, there, url = tmp_path / "here", tmp_path / "there", (tmp_path / "remote").as_uri()
    for machine in (here, there):
        machine.mkdir()
    key = here / "key"
    book = write_notebook(here / "book.ipynb")
    first = start(home=here, environment={**on(book), "KISHU_KEY_FILE": str(key)})
    first.ok("x = [1, 2]; y = x\ndef double():\n    return [each * 2 for each in x]")
    first.ok("x.append(3)")
    written(first)
    monkeypatch.setenv("KISHU_KEY_FILE", str(key))
    assert "sent to" in ok("push", book, url, "--dir", here / "stores")
    first.ok("x.append('not pushed')")
    if own_key:
        shutil.copy(key, there / "key")
    monkeypatch.setenv("KISHU_KEY_FILE", str(there / "key"))
    copy = shutil.copy(book, there / "book.ipynb")
    told = ok("clone", url, "--notebook", copy, "--dir", there / "stores")
    if not own_key:
        assert "none of its values are loaded" in told
        ok("trust", copy, "--yes", "--dir", there / "stores")
    second = start(home=there, environment={**on(copy), "KISHU_KEY_FILE": str(there / "key")})
    second.done("resume")
    assert second.value("(x, y is x, double())") == ([1, 2, 3], True, [2, 4, 6])
    second.ok("x.append('there')")
    written(second)
    assert "sent to" in ok("push", copy, "--dir", there / "stores")
    written(first)
    monkeypatch.setenv("KISHU_KEY_FILE", str(key))
    assert "1 state" in ok("pull", book, "--dir", here / "stores")
    assert first.value("x") == [1, 2, 3, "not pushed"]
    assert "x.append('there')" in [each["code"] for each in first.done("log", all=True)["checkpoints"]]


# --- by itself


def _until(kernel: Kernel, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not holds(remote := kernel.done("status")["remote"]):
        assert time.monotonic() < deadline, remote
        time.sleep(0.5)  # who asks all the time leaves no pause
    return dict(remote)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_what_was_done_is_there_after_a_pause_and_wakes_on_a_machine_without_any_of_it(
    start: Start, tmp_path: Path, encrypted: bool
) -> None:
    here, there, remote = tmp_path / "here", tmp_path / "there", (tmp_path / "remote").as_uri()
    for machine in (here, there):
        (machine / "work").mkdir(parents=True)
    key = {"KISHU_KEY_FILE": str(tmp_path / "key"), "KISHU_REMOTE": remote}
    if encrypted:
        pytest.importorskip("pyrage", reason="an encrypted remote needs pyrage")
        key["KISHU_AGE_IDENTITY"] = str(tmp_path / "age")
        key["KISHU_REMOTE_RECIPIENTS"] = new_identity(tmp_path / "age").public
    book = write_notebook(here / "work" / "a book.ipynb")
    first = start(home=here, environment={**on(book), **key, "HOME": str(here)})
    assert first.ok("x = [1, 2]; y = x").text == ""
    told = _until(first, lambda remote: remote["doing"] == "pushed")
    assert told["error"] is None
    assert told["url"] == f"{remote}/work/a%20book.ipynb"
    first.ok("x.append(3)")
    assert first.done("hibernate", channel="control")["remote"] == {"pushed": True, "error": None, "missing": []}
    assert "pushed just now" in first.ok("%kishu status").text
    first.ok("x.append('at the end')")
    first.restart()
    assert _until(first, lambda remote: remote["doing"] != "pushing")["error"] is None
    copy = write_notebook(there / "work" / "a book.ipynb")
    second = start(home=there, environment={**on(copy), **key, "HOME": str(there), "KISHU_AUTO_RESUME": "1"})
    second.ok("pass")
    assert second.value("(x, x is y)") == ([1, 2, 3, "at the end"], True)
    files = [file for file in (tmp_path / "remote").rglob("*") if file.is_file()]
    assert any(b"manifest" in file.read_bytes() for file in files) is not encrypted  # of heads


def test_where_it_cannot_be_pushed_it_goes_on_and_says_so_and_catches_up(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "remote"
    place.write_text("a file, where the remote is to be")
    book = write_notebook(tmp_path / "book.ipynb")
    kernel = start(environment={**on(book), "KISHU_REMOTE": place.as_uri()})
    assert kernel.ok("x = 1").text == ""
    told = kernel.done("hibernate", channel="control")
    assert told["durable"]
    assert (told["remote"]["pushed"], told["remote"]["missing"]) == (False, [told["head"]])
    assert told["remote"]["error"]
    assert kernel.ok("y = x").text == ""
    assert "what came since is not there" in kernel.ok("%kishu status").text
    assert "It is tried again" in kernel.ok("%kishu log").text
    place.unlink()
    assert kernel.done("hibernate", channel="control")["remote"]["pushed"]
    assert "not there" not in kernel.ok("%kishu log").text
