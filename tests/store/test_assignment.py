"""Notebooks that are renamed, moved, copied, and replaced: found again, never mixed up."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from kishu_kernel.errors import RequestError, StoreError
from kishu_kernel.model import SessionId
from kishu_kernel.store import LmdbStore, store_path
from kishu_kernel.store.catalog.about_file import About, notebook_cells, read_about, write_about
from kishu_kernel.store.catalog.assignment import (
    StoreAssignment,
    attach,
    claim_store,
    find_assignment,
    list_stores,
    remember_cells,
    renamed,
)

from .values import checkpoint_id, payload, trivial

SESSION = SessionId("0b6d2e5c")
CELLS = [f"cell{number:04}" for number in range(8)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "stores"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return written(tmp_path / "work" / "a.ipynb")


def written(path: Path, cells: Sequence[str] = CELLS) -> Path:
    """A notebook's file, as Jupyter writes it."""
    path.parent.mkdir(exist_ok=True)
    content = {
        "cells": [{"cell_type": "code", "id": id, "metadata": {}, "outputs": [], "source": ""} for id in cells],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path


def run(base: Path, notebook: Path | str, number: int = 1) -> StoreAssignment:
    """A session: it takes its place and leaves a checkpoint."""
    place = claim_store(base, str(notebook), SESSION)
    store = LmdbStore(place.path)
    store.commit(trivial(number), [payload(b"%d" % number)], {"head/s": checkpoint_id(number)})
    store.close()
    remember_cells(place.path, str(notebook))
    return place


def history(path: Path) -> list[int]:
    store = LmdbStore(path, readonly=True)
    try:
        return sorted(int(checkpoint.id, 16) for checkpoint in store.checkpoints())
    finally:
        store.close()


# --- finding


def test_a_new_notebook_gets_the_directory_of_its_name(base: Path, notebook: Path) -> None:
    place = run(base, notebook)
    assert place == StoreAssignment(store_path(base, str(notebook), SESSION), "new")
    assert run(base, notebook, 2) == StoreAssignment(place.path, "own")
    assert history(place.path) == [1, 2]
    about = read_about(place.path)
    assert about is not None
    assert about.notebook == str(notebook)
    assert about.cells == set(CELLS)
    assert about.created.startswith("20")
    if sys.platform != "win32":
        assert (place.path / "about.json").stat().st_mode & 0o777 == 0o600


def test_looking_creates_nothing(base: Path, notebook: Path) -> None:
    assert find_assignment(base, str(notebook), SESSION).found == "new"
    assert list_stores(base) == []
    assert not base.exists()


@pytest.mark.parametrize("notebook", [None, ""])
def test_a_session_without_a_notebook(base: Path, notebook: str | None) -> None:
    place = claim_store(base, notebook, SESSION)
    assert place == StoreAssignment(store_path(base, notebook, SESSION), "new")
    LmdbStore(place.path).close()
    assert claim_store(base, notebook, SESSION).found == "own"
    assert read_about(place.path) is None
    assert list_stores(base)[0].notebook is None


def test_a_store_that_says_nothing_belongs_to_its_name(base: Path, notebook: Path) -> None:
    """As earlier versions left them."""
    path = store_path(base, str(notebook), SESSION)
    LmdbStore(path).close()
    assert run(base, notebook) == StoreAssignment(path, "own")
    assert read_about(path) is not None


def test_a_renamed_notebook_is_found_again(base: Path, notebook: Path) -> None:
    first = run(base, notebook)
    renamed = notebook.with_name("b.ipynb")
    notebook.rename(renamed)
    place = run(base, renamed, 2)
    assert place == StoreAssignment(first.path, "moved", previous=str(notebook))
    assert history(place.path) == [1, 2]
    assert run(base, renamed, 3) == StoreAssignment(first.path, "attached")


def test_the_list_of_stores_follows_a_rename(base: Path, notebook: Path) -> None:
    place = run(base, notebook)
    moved = notebook.with_name("b.ipynb")
    notebook.rename(moved)
    written(notebook.with_name("c.ipynb"), ["other1"])
    assert renamed(place.path) == str(moved)
    [listing] = list_stores(base)
    assert (listing.notebook, listing.exists) == (str(moved), True)
    written(notebook, ["fresh1"])  # there is always another Untitled.ipynb
    assert list_stores(base)[0].notebook == str(moved)
    shutil.copy(moved, notebook.with_name("d.ipynb"))  # which of the two it is nobody can tell
    assert list_stores(base)[0].notebook == str(notebook)
    run(base, notebook.with_name("d.ipynb"), 2)
    assert [each.notebook for each in list_stores(base)] == [str(notebook.with_name("d.ipynb"))]


def test_a_new_notebook_under_the_old_name_has_a_history_of_its_own(base: Path, notebook: Path) -> None:
    """There is always another Untitled.ipynb."""
    first = run(base, notebook)
    notebook.rename(notebook.with_name("b.ipynb"))
    for cells in (["fresh1"], []):  # Jupyter writes a new notebook without cells at first
        written(notebook, cells)
        assert find_assignment(base, str(notebook), SESSION).found == "new"
    second = run(base, notebook, 10)
    assert second.path != first.path
    found = run(base, notebook.with_name("b.ipynb"), 2)
    assert found == StoreAssignment(first.path, "moved", previous=str(notebook))
    written(notebook, ["fresh1", "fresh2"])
    assert run(base, notebook, 11).path == second.path
    assert history(first.path) == [1, 2]
    assert history(second.path) == [10, 11]


def test_a_moved_directory_is_found_again(base: Path, tmp_path: Path) -> None:
    notebooks = [
        written(tmp_path / "work" / f"{name}.ipynb", [f"{name}{number}" for number in range(4)]) for name in "abc"
    ]
    paths = [run(base, notebook).path for notebook in notebooks]
    (tmp_path / "work").rename(tmp_path / "moved")
    for notebook, path in zip(notebooks, paths, strict=True):
        place = run(base, tmp_path / "moved" / notebook.name, 2)
        assert (place.path, place.found) == (path, "moved")


def test_an_edited_notebook_is_known_by_half_of_its_cells(base: Path, notebook: Path) -> None:
    first = run(base, notebook)
    notebook.unlink()
    other = written(notebook.with_name("b.ipynb"), [*CELLS[:4], "n1", "n2", "n3", "n4"])
    assert find_assignment(base, str(other), SESSION) == StoreAssignment(first.path, "moved", previous=str(notebook))
    written(other, [*CELLS[:3], "n1", "n2", "n3", "n4"])
    assert find_assignment(base, str(other), SESSION).found == "new"


def test_a_copy_gets_a_history_of_its_own_and_a_hint(base: Path, notebook: Path) -> None:
    first = run(base, notebook)
    copy = Path(shutil.copy(notebook, notebook.with_name("copy.ipynb")))
    place = run(base, copy, 2)
    assert place == StoreAssignment(store_path(base, str(copy), SESSION), "new", resembles=first.path)
    assert run(base, copy, 3).found == "own"
    assert run(base, notebook, 4) == StoreAssignment(first.path, "own")
    assert (history(first.path), history(place.path)) == ([1, 4], [2, 3])


def test_two_that_match_alike_are_not_guessed(base: Path, notebook: Path) -> None:
    run(base, notebook)
    copy = Path(shutil.copy(notebook, notebook.with_name("copy.ipynb")))
    run(base, copy)
    notebook.rename(notebook.with_name("third.ipynb"))
    copy.unlink()
    place = find_assignment(base, str(notebook.with_name("third.ipynb")), SESSION)
    assert place.found == "new"
    assert place.resembles is not None


def test_of_several_that_are_gone_the_best_is_taken(base: Path, tmp_path: Path) -> None:
    close = written(tmp_path / "close.ipynb", CELLS[:7])
    closer = written(tmp_path / "closer.ipynb", CELLS)
    run(base, close)
    best = run(base, closer).path
    close.unlink()
    closer.rename(tmp_path / "now.ipynb")
    assert find_assignment(base, str(tmp_path / "now.ipynb"), SESSION).path == best


def test_two_kernels_that_look_at_once_do_not_share_a_store(base: Path, notebook: Path) -> None:
    run(base, notebook)
    names = [notebook.with_name(f"copy{number}.ipynb") for number in range(4)]
    for name in names:
        shutil.copy(notebook, name)
    notebook.unlink()
    places: list[StoreAssignment] = []
    threads = [
        threading.Thread(target=lambda n=name: places.append(claim_store(base, str(n), SESSION))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({place.path for place in places}) == 4
    assert [place.found for place in places].count("moved") == 1


def test_a_running_kernel_does_not_take_its_store_back(base: Path, notebook: Path) -> None:
    place = run(base, notebook)
    renamed = notebook.with_name("b.ipynb")
    notebook.rename(renamed)
    remember_cells(place.path, str(notebook))  # the old kernel, still running
    run(base, renamed)
    written(notebook, ["other"])
    remember_cells(place.path, str(notebook))
    about = read_about(place.path)
    assert about is not None
    assert (about.notebook, about.cells) == (str(renamed), set(CELLS))


def test_refresh_follows_the_cells(base: Path, notebook: Path) -> None:
    written(notebook, [])
    place = run(base, notebook)
    for cells in (CELLS[:3], CELLS):
        written(notebook, cells)
        remember_cells(place.path, str(notebook))
        about = read_about(place.path)
        assert about is not None
        assert about.cells == set(cells)
    before = (place.path / "about.json").stat().st_mtime_ns
    remember_cells(place.path, str(notebook))
    assert (place.path / "about.json").stat().st_mtime_ns == before
    written(notebook, ["another", "notebook"])  # under the same name, while the kernel runs on
    remember_cells(place.path, str(notebook))
    about = read_about(place.path)
    assert about is not None
    assert about.cells == set(CELLS)
    remember_cells(base / "nothing", str(notebook))


# --- listing


def test_stores_are_listed_the_last_used_first(base: Path, notebook: Path, tmp_path: Path) -> None:
    first = run(base, notebook).path
    second = run(base, written(tmp_path / "gone.ipynb", ["x"])).path
    (tmp_path / "gone.ipynb").unlink()
    (base / "empty").mkdir()
    (base / "file").write_text("")
    now = time.time()
    os.utime(first / "data.mdb", (now, now))
    os.utime(second / "data.mdb", (now - 1000, now - 1000))
    one, two = list_stores(base)
    assert (one.path, one.notebook, one.exists) == (first, str(notebook), True)
    assert (two.path, two.notebook, two.exists) == (second, str(tmp_path / "gone.ipynb"), False)
    assert one.used == pytest.approx(now)
    assert 8192 < one.bytes < 1 << 20
    os.truncate(second / "data.mdb", 1 << 30)  # sparse
    assert list_stores(base)[1].bytes < 1 << 20


# --- attaching


def test_attaching_what_is_left_over(base: Path, notebook: Path, tmp_path: Path) -> None:
    path = run(base, notebook).path
    notebook.unlink()
    other = written(tmp_path / "rewritten.ipynb", ["all", "new"])
    assert find_assignment(base, str(other), SESSION).found == "new"
    assert attach(base, path, str(other)) == path
    assert run(base, other, 2) == StoreAssignment(path, "attached")
    assert history(path) == [1, 2]
    assert len(list_stores(base)) == 1


def test_attaching_what_another_notebook_has_is_a_copy(base: Path, notebook: Path) -> None:
    path = run(base, notebook).path
    copy = Path(shutil.copy(notebook, notebook.with_name("copy.ipynb")))
    target = attach(base, path, str(copy))
    assert target == store_path(base, str(copy), SESSION)
    assert run(base, copy, 2) == StoreAssignment(target, "own")
    assert run(base, notebook, 3).path == path
    assert (history(path), history(target)) == ([1, 3], [1, 2])


def test_attaching_while_the_other_is_in_use(base: Path, notebook: Path) -> None:
    path = run(base, notebook).path
    store = LmdbStore(path)
    copy = Path(shutil.copy(notebook, notebook.with_name("copy.ipynb")))
    assert history(attach(base, path, str(copy))) == [1]
    store.close()


def test_attaching_a_store_that_says_nothing_is_a_copy(base: Path, notebook: Path) -> None:
    place = claim_store(base, None, SESSION)
    store = LmdbStore(place.path)
    store.commit(trivial(7), [payload(b"7")], {})
    store.close()
    target = attach(base, place.path, str(notebook))
    assert target != place.path
    assert history(target) == [7]


def test_a_notebook_with_a_history_keeps_it(base: Path, notebook: Path, tmp_path: Path) -> None:
    path = run(base, notebook).path
    other = written(tmp_path / "other.ipynb", ["y"])
    own = run(base, other, 5).path
    with pytest.raises(RequestError, match="move that directory away"):
        attach(base, path, str(other))
    assert history(own) == [5]
    own.rename(tmp_path / "away")
    assert history(attach(base, path, str(other))) == [1]


@pytest.mark.parametrize("gone", [True, False])
def test_an_empty_history_gives_way(base: Path, notebook: Path, tmp_path: Path, gone: bool) -> None:
    path = run(base, notebook).path
    if gone:
        notebook.unlink()
    other = written(tmp_path / "other.ipynb", ["y"])
    own = claim_store(base, str(other), SESSION).path
    store = LmdbStore(own)
    with pytest.raises(StoreError, match="open in this very process"):
        attach(base, path, str(other))
    store.close()
    target = attach(base, path, str(other))
    assert target == (path if gone else own)
    assert run(base, other, 2).path == target
    assert history(target) == [1, 2]
    assert (base / own.name).exists() != gone


def test_attaching_twice_or_nothing(base: Path, notebook: Path, tmp_path: Path) -> None:
    path = run(base, notebook).path
    assert attach(base, path, str(notebook)) == path
    for nothing in (base / "nothing", base, tmp_path, Path("/"), base / ".." / "stores"):
        with pytest.raises(RequestError, match="no store"):
            attach(base, nothing, str(notebook))


def test_a_copy_that_fails_leaves_nothing(base: Path, notebook: Path) -> None:
    path = run(base, notebook).path
    (path / "data.mdb").write_bytes(b"garbage" * 2000)
    copy = Path(shutil.copy(notebook, notebook.with_name("copy.ipynb")))
    with pytest.raises(StoreError, match="not a store"):
        attach(base, path, str(copy))
    assert [each.name for each in base.iterdir()] == [path.name]


# --- what about.json may be


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", '"x"', "1", "[" * 100_000, "\x00", "{}", '{"notebook": 1, "cells": []}'),
        *(
            '{"notebook": "/x.ipynb"}',
            '{"notebook": "/x.ipynb", "cells": {}}',
            '{"notebook": "/x.ipynb", "cells": [1]}',
        ),
        *('{"notebook": "relative.ipynb", "cells": []}', '{"notebook": "", "cells": []}'),
        *('{"notebook": "/x\\u001b[2J.ipynb", "cells": []}', '{"notebook": "/x\\n.ipynb", "cells": []}'),
        *('{"notebook": "/gpj.\\u202ebpyni", "cells": []}', '{"notebook": "/x", "cells": ["../x"]}'),
        *('{"notebook": "/' + "x" * 40_000 + '", "cells": []}', '{"notebook": "/x", "cells": []}' + " " * (5 << 20)),
        *('{"notebook": NaN, "cells": []}', '{"notebook": "/\\u0000", "cells": []}', "9" * 5000),
    ],
)
def test_what_cannot_be_believed_says_nothing(base: Path, notebook: Path, content: str) -> None:
    path = run(base, notebook).path
    (path / "about.json").write_text(content)
    assert read_about(path) is None
    assert [(each.path, each.notebook) for each in list_stores(base)] == [(path, None)]
    assert run(base, notebook, 2) == StoreAssignment(path, "own")
    assert read_about(path) is not None


@pytest.mark.skipif(os.name == "nt", reason="links")
@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "directory", "loop"])
def test_about_is_a_plain_file_or_nothing(base: Path, notebook: Path, tmp_path: Path, what: str) -> None:
    path = run(base, notebook).path
    about = path / "about.json"
    theirs = tmp_path / "theirs.json"
    content = about.read_text()
    about.unlink()
    if what == "link":
        theirs.write_text(content)
        about.symlink_to(theirs)
    elif what == "dangling":
        about.symlink_to(theirs)
    elif what == "pipe":
        os.mkfifo(about)
    elif what == "directory":
        about.mkdir()
    else:
        about.symlink_to(about)
    assert read_about(path) is None
    assert find_assignment(base, str(notebook), SESSION).path == path
    if what != "directory":
        claim_store(base, str(notebook), SESSION)
        assert not about.is_symlink()
        assert read_about(path) is not None
    else:
        with pytest.raises(StoreError, match="cannot be written"):
            claim_store(base, str(notebook), SESSION)
    assert theirs.exists() == (what == "link")
    if what == "link":
        assert theirs.read_text() == content


def test_odd_but_honest_abouts(tmp_path: Path) -> None:
    for about in (
        About("/home/Ada Łovelace/дослід 1 🐍.ipynb", frozenset(CELLS), "2026-01-02T03:04:05+00:00", (1, 2)),
        About("/lone \udcff surrogate.ipynb", created="2026-01-02T03:04:05+00:00"),
    ):
        write_about(tmp_path, about)
        assert read_about(tmp_path) == about
    (tmp_path / "about.json").write_text('{"notebook": "/x", "cells": [], "created": "\\u001b", "seen": ["a", 1]}')
    assert read_about(tmp_path) == About("/x")


# --- notebooks


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", "{}", '{"cells": 1}', '{"cells": [1, null, {}]}', '{"cells": [{"id": 1}]}'),
        *('{"cells": [{"id": ""}, {"id": "../x"}, {"id": "a b"}]}', "[" * 100_000, '{"cells": [{"source": "x"}]}'),
    ],
)
def test_notebooks_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    assert notebook_cells(path) == frozenset()


def test_cells_of_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.ipynb")
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert notebook_cells(path) == set(CELLS)
    (tmp_path / "link.ipynb").symlink_to(path)
    assert notebook_cells(tmp_path / "link.ipynb") == set(CELLS)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    with path.open("ab") as file:
        file.write(b" " * (51 << 20))
    for none in (path, tmp_path, tmp_path / "missing.ipynb", Path("/dev/zero"), "a\0b", "x" * 5000):
        assert notebook_cells(none) == frozenset()
