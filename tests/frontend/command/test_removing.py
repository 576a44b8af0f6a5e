"""Whole stores go: those that a person names, and those to which nobody will go back."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from kishu_kernel.model import SessionId
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.about_file import ABOUT
from kishu_kernel.store.catalog.assignment import claim_store, list_stores
from kishu_kernel.store.disk.directory import DATA
from tests.frontend.command.commanding import LARGE, fill, in_json, of, ok, put, refused, run, write_notebook
from tests.kernel.driver import Kernel
from tests.store.values import checkpoint_id


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stores"
    monkeypatch.setenv("KISHU_STORE_DIR", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def book(base: Path, tmp_path: Path) -> Path:
    return of(write_notebook(tmp_path / "book.ipynb"), base)


def nameless(base: Path, name: str, days: float, *, tag: bool = False) -> Path:
    """What a kernel without a notebook has left so many days ago."""
    path = claim_store(base, None, SessionId(name)).path
    store = LmdbStore(path)
    put(store, 1, {"branch/main": checkpoint_id(1), "head/s": checkpoint_id(1)})
    store.update_refs({"tag/good": checkpoint_id(1)} if tag else {})
    store.close()
    return aged(path, days)


def aged(path: Path, days: float) -> Path:
    os.utime(path / DATA, (0, time.time() - days * 86400))
    return path


def left(base: Path) -> set[Path]:
    return {each.path for each in list_stores(base)}


def test_rm_asks_and_says_what_it_frees(base: Path, book: Path, tmp_path: Path) -> None:
    other = fill(claim_store(base, None, SessionId("other")).path)
    answered = run("rm", "book.ipynb", input="n\n")
    assert answered.exit_code == 1
    assert "book.ipynb" in answered.output
    assert "Remove it? This cannot be taken back" in answered.output
    assert "Freed" not in answered.output
    assert "Would free" in ok("rm", "book.ipynb", "--dry-run")
    assert left(base) == {book, other}
    assert "Freed 1." in ok("rm", "book.ipynb", input="y\n")
    assert not book.exists()
    assert (tmp_path / "book.ipynb").exists()
    [told] = in_json("rm", other.name, "--yes")["stores"]
    assert (told["name"], told["bytes"] > 4 * LARGE, told["error"]) == (other.name, True, None)
    assert left(base) == set()
    assert "has no history" in refused("rm", "book.ipynb", "-y")


def test_what_a_kernel_uses_is_not_removed(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what it has open, nor what it will open."""
    notebook = write_notebook(tmp_path / "book.ipynb")
    path = of(notebook, base)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter_runtime"))
    with Kernel(tmp_path, environment={"JPY_SESSION_NAME": str(notebook)}) as kernel:
        assert "a kernel is live on" in refused("rm", path.name, "-y")
        kernel.ok("x = 1")
        assert "a kernel is live on" in refused("rm", path.name, "-y")
        aged(path, 99)
        assert ok("stores", "--prune", "--all", "--older-than", "0", "-y") == "No store is to be removed.\n"
    store = LmdbStore(path)  # a process that nobody has announced
    try:
        assert "is open in this very process" in refused("rm", path.name, "-y")
    finally:
        store.close()
    assert left(base) == {path}


def test_prune_takes_what_nobody_will_go_back_to(base: Path, book: Path) -> None:
    old, named, young = nameless(base, "old", 40), nameless(base, "named", 40, tag=True), nameless(base, "young", 9)
    aged(book, 500)
    everything = {book, old, named, young}
    shown = ok("stores", "--prune", "--dry-run")
    assert old.name in shown
    assert not any(each.name in shown for each in everything - {old})
    assert left(base) == everything
    ok("stores", "--prune", "-y")
    assert left(base) == everything - {old}
    assert ok("stores", "--prune", "-y") == "No store is to be removed.\n"
    assert [each["name"] for each in in_json("stores", "--prune", "--older-than", "1w", "-n")["stores"]] == [young.name]
    ok("stores", "--prune", "--limit", "1MB", "-y")
    assert left(base) == {book, named}
    assert [each["name"] for each in in_json("stores", "--prune", "--all", "-n")["stores"]] == [book.name, named.name]
    ok("stores", "--prune", "--all", "--older-than", "100d", "-y")
    assert left(base) == {named}


def test_what_a_person_brought_here_does_not_go_by_its_age(base: Path, book: Path, tmp_path: Path) -> None:
    """A history that was imported has no notebook, as little as one whose notebook is not known any more."""
    run_left = nameless(base, "run", 1)
    ok("export", run_left.name, f"{run_left.name}.kishu")
    brought = aged(Path(in_json("import", f"{run_left.name}.kishu")["path"]), 99)
    (book / ABOUT).unlink()
    aged(book, 99)
    assert ok("stores", "--prune", "-y") == "No store is to be removed.\n"
    assert left(base) == {run_left, brought, book}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX, and links")
def test_rm_leaves_alone_what_is_around_a_store(base: Path, book: Path, tmp_path: Path) -> None:
    """A directory of a person's with a store in it stays as open as it was; a link to one goes, too."""
    project = tmp_path / "project"
    project.mkdir()
    project.chmod(0o755)
    shutil.copytree(book, project / "copy")
    ok("rm", "./project/copy", "-y")
    assert [*project.iterdir()] == []
    assert stat.S_IMODE(project.stat().st_mode) == 0o755
    book.rename(project / "moved")
    book.symlink_to(project / "moved")
    ok("rm", "book.ipynb", "-y")
    assert [*project.iterdir()] == []
    fill(claim_store(base, str(tmp_path / "book.ipynb"), SessionId("s")).path)
    assert left(base) == {book}


@pytest.mark.parametrize("wrong", [("--yes",), ("--limit", "1GB"), ("--prune", "--older-than", "soon")])
def test_wrong_usage_removes_nothing(base: Path, book: Path, wrong: tuple[str, ...]) -> None:
    assert run("stores", *wrong).exit_code == 2
    assert run("stores", "--prune", "--all", "--json").exit_code == 2
    assert left(base) == {book}
