"""The history of a notebook outlives its kernels: shutdown, kill -9, two at once; and who may read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Kernel

FUNCTION = (
    "xs = [1]\nys = xs\nclass Point:\n    pass\np = Point()\ndef grow():\n    xs.append(len(xs) + 1)\n    return xs"
)


def ids(kernel: Kernel, **how: Any) -> list[str]:
    return [each["id"] for each in kernel.done("log", limit=0, **how)["checkpoints"]]


def on(notebook: Path) -> dict[str, str | None]:
    """The environment that Jupyter Server gives a notebook's kernel."""
    return {"JPY_SESSION_NAME": str(notebook)}


def check_old_history(kernel: Kernel, third: str, second: str, first: str) -> None:
    """A new kernel starts with nothing, and every old state is one checkout away."""
    assert kernel.done("status")["head"] is None
    assert kernel.value("'xs' in globals()") is False
    assert ids(kernel) == []
    assert ids(kernel, all=True) == [third, second, first]
    kernel.done("checkout", target=second)
    assert kernel.value("xs, ys is xs, type(p) is Point") == ([1, 2], True, True)
    kernel.done("checkout", target=third[:8])
    assert kernel.value("xs, 'p' in globals()") == ([1, 2, 3], False)
    kernel.done("checkout", target="main~2")
    assert kernel.value("xs, type(p) is Point") == ([1], True)
    assert kernel.ok("grow(), ys").results[0]["text/plain"] == "([1, 2], [1, 2])"  # functions see what is live
    newest = kernel.done("log")["checkpoints"][0]
    assert newest["parent"] == first
    assert newest["execution_count"] == 1
    assert newest["session"] == kernel.done("status")["session"]
    assert kernel.done("log")["checkpoints"][1]["session"] != newest["session"]
    kernel.done("undo")
    assert kernel.value("xs") == [1]


def make_history(kernel: Kernel) -> list[str]:
    kernel.ok(FUNCTION)
    kernel.ok("grow();")
    kernel.ok("grow(); del p")
    return ids(kernel)


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "kill -9"])
def test_a_restart(start: Start, tmp_path: Path, kill: bool) -> None:
    kernel = start(environment=on(tmp_path / "book.ipynb"))
    history = make_history(kernel)
    kernel.restart(kill=kill)
    check_old_history(kernel, *history)


@pytest.mark.parametrize("kill", [False, True], ids=["shutdown", "kill -9"])
def test_the_next_day(start: Start, tmp_path: Path, kill: bool) -> None:
    """Another process, from another directory; the name of the notebook is all that they share."""
    first = start(environment=on(tmp_path / "book.ipynb"))
    history = make_history(first)
    first.close(gracefully=not kill)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = start(environment=on(tmp_path / "book.ipynb"), cwd=elsewhere)
    check_old_history(second, *history)


def test_what_the_first_cell_does_to_its_surroundings_moves_no_store(start: Start, tmp_path: Path) -> None:
    """The store is made behind its reply; where, and with whose key, was found out before it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    surroundings: dict[str, str | None] = {**on(Path("book.ipynb")), "KISHU_STORE_DIR": None}
    first = start(environment=surroundings)
    first.ok(
        f"import os; os.chdir({str(elsewhere)!r}); os.environ.update(HOME=os.getcwd(), JUPYTER_DATA_DIR=os.getcwd())\n"
        "xs = [1]"
    )
    assert len(ids(first)) == 1
    first.close(gracefully=False)
    second = start(environment=surroundings)
    second.done("resume")
    assert second.value("xs") == [1]
    assert not list(elsewhere.iterdir())


def test_killed_in_the_middle_of_a_cell(start: Start, tmp_path: Path) -> None:
    kernel = start(environment=on(tmp_path / "book.ipynb"))
    history = make_history(kernel)
    with kernel.hold("xs.append('half')"):
        kernel.restart(kill=True)
    check_old_history(kernel, *history)


def test_what_was_given_names_keeps_them(start: Start, tmp_path: Path) -> None:
    kernel = start(environment=on(tmp_path / "book.ipynb"))
    kernel.ok("print('shown'); n = 1")
    kernel.ok("n = 2")
    kernel.done("tag", name="v1", target="HEAD~1")
    kernel.done("branch", name="idea", target="HEAD~1")
    kernel.done("commit", message="the good one")
    before = kernel.done("log", all=True)["checkpoints"]
    shown = kernel.done("show", target="v1")
    kernel.restart()
    assert kernel.done("log", all=True)["checkpoints"] == before
    assert kernel.done("show", target="v1") == shown
    assert shown["outputs"][0]["text"] == "shown\n"
    kernel.done("checkout", target="idea")
    assert kernel.value("n") == 1
    assert kernel.done("status")["branch"] == "idea"
    kernel.ok("n = 3")
    assert kernel.done("log")["checkpoints"][0]["branches"] == ["idea"]


def test_a_new_session_that_runs_first_and_looks_back_later(start: Start, tmp_path: Path) -> None:
    """It starts a root of its own and works on `main`; nothing of either is lost by going to the other."""
    kernel = start(environment=on(tmp_path / "book.ipynb"))
    kernel.ok("n = 'old'")
    [old] = ids(kernel)
    kernel.restart()
    kernel.ok("n = 'new'; m = 1")
    [new] = kernel.done("log")["checkpoints"]
    assert (new["parent"], new["execution_count"]) == (None, 1)
    assert new["branches"] == ["main"]
    assert kernel.done("show", target="In[1]")["checkpoint"]["id"] == new["id"]
    kernel.done("checkout", target=old)
    assert kernel.value("n, 'm' in globals()") == ("old", False)
    assert kernel.done("show", target="In[1]")["checkpoint"]["id"] == old
    kernel.done("checkout", target="main")
    assert kernel.value("n, m") == ("new", 1)
    assert kernel.done("diff", target=old)["modified"] == ["n"]


# -- which notebook is it? ------------------------------------------------------------------------------------------


def test_vs_code_tells_the_notebook_by_a_variable(start: Start, tmp_path: Path) -> None:
    """It is set by a silent execution before the first cell of the user."""
    tell = f"__vsc_ipynb_file__ = {str(tmp_path / 'book.ipynb')!r}"
    first = start()
    first.ok(tell, silent=True)
    history = make_history(first)
    first.close(gracefully=True)
    second = start()
    second.ok(tell, store_history=False)
    check_old_history(second, *history)


def test_jupyter_server_and_vs_code_mean_the_same_notebook(start: Start, tmp_path: Path) -> None:
    book = tmp_path / "book.ipynb"
    first = start(environment=on(book))
    first.ok("n = 1")
    second = start()
    second.ok(f"__vsc_ipynb_file__ = {str(book)!r}", silent=True)
    assert ids(second, all=True) == ids(first)


def test_the_setting_tells_the_notebook(start: Start, tmp_path: Path) -> None:
    book = tmp_path / "book.ipynb"
    first = start(environment=on(book))
    first.ok("n = 1")
    second = start(f"--KishuKernel.notebook={book}")
    assert ids(second, all=True) == ids(first)


def test_notebooks_have_stores_of_their_own(start: Start, tmp_path: Path) -> None:
    first = start(environment=on(tmp_path / "a" / "book.ipynb"))
    first.ok("n = 1")
    second = start(environment=on(tmp_path / "b" / "book.ipynb"))
    second.ok("n = 2")
    assert len(ids(first, all=True)) == len(ids(second, all=True)) == 1
    assert first.done("status")["store"]["path"] != second.done("status")["store"]["path"]
    assert "book" in Path(first.done("status")["store"]["path"]).name


def test_without_a_name_each_start_has_a_store_of_its_own(start: Start) -> None:
    first, second = start(), start()
    first.ok("n = 1")
    second.ok("n = 2")
    assert len(ids(first, all=True)) == len(ids(second, all=True)) == 1
    first.restart()
    first.ok("n = 3")
    assert len(ids(first, all=True)) == 1
    assert len(list(first.stores.iterdir())) == 3


def test_who_only_starts_a_kernel_leaves_nothing(start: Start) -> None:
    kernel = start()
    assert kernel.ok("", silent=True).status == "ok"
    kernel.close(gracefully=True)
    assert not kernel.stores.exists() or list(kernel.stores.iterdir()) == []


# -- two at once ----------------------------------------------------------------------------------------------------


def test_two_kernels_on_one_notebook(start: Start, tmp_path: Path) -> None:
    """Each has its head and goes its way; each sees, and can go to, the states of the other."""
    one, two = (start(environment=on(tmp_path / "book.ipynb")) for _ in range(2))
    one.ok("n = 'one'; big = bytes(100_000)")
    two.ok("n = 'two'; big = bytes(100_000)")
    for number in range(5):
        one.ok(f"n1 = {number}")
        two.ok(f"n2 = {number}")
    assert len(ids(one)) == len(ids(two)) == 6
    assert set(ids(one, all=True)) == set(ids(two, all=True)) == {*ids(one), *ids(two)}
    assert ids(one, all=True) == ids(two, all=True)
    assert one.done("status")["head"] != two.done("status")["head"]
    assert one.done("status")["branch"] != two.done("status")["branch"]

    one.done("checkout", target=ids(two)[0])
    assert one.value("n, n2, 'n1' in globals()") == ("two", 4, False)
    assert two.value("n, n2, 'n1' in globals()") == ("two", 4, False)
    one.ok("n = 'one again'")
    two.ok("n = 'two again'")
    assert two.value("n") == "two again"
    two.done("checkout", target=ids(one)[0])
    assert two.value("n") == "one again"
    two.done("undo")
    assert two.value("n, n2") == ("two", 4)
    for kernel in (one, two):
        assert kernel.done("status")["warnings"] == []


def test_one_of_two_dies(start: Start, tmp_path: Path) -> None:
    one, two = (start(environment=on(tmp_path / "book.ipynb")) for _ in range(2))
    one.ok("n = 1")
    two.ok("n = 2")
    with one.hold("n = 'half'"):
        one.close()
    two.ok("n = 3")
    two.done("undo")
    assert two.value("n") == 2
    assert len(ids(two, all=True)) == 3
    assert two.done("status")["warnings"] == []


# -- who may read it ------------------------------------------------------------------------------------------------


@contextmanager
def everything_allowed() -> Iterator[None]:
    """The most careless umask; kernels inherit it."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_user_can_read_the_store(start: Start, tmp_path: Path) -> None:
    with everything_allowed():
        kernel = start(environment=on(tmp_path / "book.ipynb"))
    kernel.ok("secret = 1")
    store = Path(kernel.done("status")["store"]["path"])
    assert store.parent == kernel.stores
    for path in (kernel.stores, store, *(each for each in store.rglob("*") if each.is_dir())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in store.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
