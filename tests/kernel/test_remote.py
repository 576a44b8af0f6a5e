"""A notebook's session on another machine: pushed by a command or by itself, brought there, and resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.store.remote.holdings import read_holdings
from kishu_kernel.store.remote.objects import connect
from kishu_kernel.store.remote.recipients import new_identity, opened
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
    while not holds(remote := kernel.done("status", channel="control")["remote"]):
        assert time.monotonic() < deadline, remote
        time.sleep(0.5)  # who asks all the time leaves no pause
    return dict(remote)


def _heads(url: str) -> int:
    return read_holdings(opened(connect(url), None), None).number


def test_what_a_client_runs_for_itself_puts_no_push_off(start: Start, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "book.ipynb")
    kernel = start(environment={**on(book), "KISHU_REMOTE": (tmp_path / "remote").as_uri()})
    kernel.ok("x = 1")
    _until(kernel, lambda remote: bool(kernel.ok("x", store_history=False)) and remote["doing"] == "pushed")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_what_was_done_is_there_after_a_pause_and_wakes_on_a_machine_without_any_of_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
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
    for name, value in key.items():
        monkeypatch.setenv(name, value)
    before = _heads(told["url"])
    first.restart()
    deadline = time.monotonic() + 60
    while _heads(told["url"]) == before:  # by a process that may outlive the first kernel
        assert time.monotonic() < deadline
        time.sleep(0.1)
    copy = write_notebook(there / "work" / "a book.ipynb")
    second = start(home=there, environment={**on(copy), **key, "HOME": str(there), "KISHU_AUTO_RESUME": "1"})
    second.ok("pass")
    assert second.value("(x, x is y)") == ([1, 2, 3, "at the end"], True)
    files = [file for file in (tmp_path / "remote").rglob("*") if file.is_file()]
    assert any(b"manifest" in file.read_bytes() for file in files) is not encrypted  # of heads


def test_a_place_that_a_stranger_prepared_is_not_used_where_a_kernel_is_configured_to_be_strict(
    start: Start, tmp_path: Path
) -> None:
    pytest.importorskip("pyrage", reason="an encrypted remote needs pyrage")
    pytest.importorskip("cryptography", reason="signatures of a team need cryptography")
    remote = (tmp_path / "remote").as_uri()

    def environment(home: Path) -> dict[str, str | None]:
        home.mkdir()
        keys = {"KISHU_KEY_FILE": str(home / "key"), "KISHU_AGE_IDENTITY": str(home / "age"), "HOME": str(home)}
        return {**on(write_notebook(home / "book.ipynb")), "KISHU_REMOTE": remote, **keys}

    hers, his = environment(tmp_path / "her"), environment(tmp_path / "his")
    his["KISHU_REMOTE_RECIPIENTS"] = new_identity(tmp_path / "her" / "age").public
    new_identity(tmp_path / "his" / "age")
    stranger = start(home=tmp_path / "his", environment=his)
    stranger.ok("x = 1")
    assert stranger.done("hibernate", channel="control", timeout=30)["remote"]["pushed"]
    kernel = start("--KishuKernel.signing=strict", home=tmp_path / "her", environment=hers)
    assert kernel.ok("pass").text == ""
    assert "somebody whom you do not trust" in kernel.done("status")["warnings"][0]
    assert len(kernel.done("log", all=True)["checkpoints"]) == 1


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
