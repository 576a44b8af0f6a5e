from __future__ import annotations

import os
from pathlib import Path

import pytest

from kishu_kernel.model import SessionId
from kishu_kernel.store import store_path

BASE = Path("stores").absolute()
SESSION = SessionId("0b6d2e5c")


def name(notebook: str | None, session: SessionId = SESSION) -> str:
    path = store_path(BASE, notebook, session)
    assert path.parent == BASE
    return path.name


def test_a_notebook_has_one_directory() -> None:
    stem, mark = name("/home/ada/My analysis.ipynb").rsplit("-", 1)
    assert stem == "My-analysis"
    assert len(mark) == 16
    assert int(mark, 16) >= 0


def test_the_same_notebook_however_it_is_spelt() -> None:
    there = os.path.join(os.getcwd(), "a.ipynb")
    assert name("a.ipynb") == name("./b/../a.ipynb") == name(there)
    assert name("a.ipynb", SessionId("other")) == name("a.ipynb")


def test_other_notebooks_have_others() -> None:
    assert len({name(path) for path in ("/a/n.ipynb", "/b/n.ipynb", "/a/n.py", "/a/N b.ipynb")}) == 4


@pytest.mark.parametrize("notebook", [None, ""])
def test_without_a_notebook_a_session_has_its_own(notebook: str | None) -> None:
    assert name(notebook) == "session-0b6d2e5c"
    assert name(notebook, SessionId("../x")) != name(notebook, SessionId("x"))


@pytest.mark.parametrize(
    "odd",
    [
        *("../../etc/passwd", "/", "..", ".", "a/../..", "-rf *", "x" * 5000, "~root/.x"),
        *("\ud800\n\t\x01.ipynb", "C:\\nb\\CON.ipynb", "нотатки.ipynb", "a:b|c?.ipynb", "  .ipynb"),
    ],
)
def test_odd_names_stay_in_the_base(odd: str) -> None:
    for made in (name(odd), name(None, SessionId(odd))):
        assert len(made) < 100
        assert made.isascii()
        assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
        assert not made.startswith("-")


def test_stores_lie_in_the_jupyter_data_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert store_path(None, "a.ipynb", SESSION).parent == tmp_path / "kishu" / "stores"
    assert list(tmp_path.iterdir()) == []
