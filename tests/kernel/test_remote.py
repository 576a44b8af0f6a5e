"""A notebook's session on another machine: pushed, cloned there by a command, and resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.frontend.command.commanding import ok

from .conftest import Start
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
