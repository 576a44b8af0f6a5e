"""What becomes of the store of a kernel without a notebook when it ends, and of what others have left."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from kishu_kernel.client import connect
from kishu_kernel.frontend.kernel import launcher
from kishu_kernel.model import SessionId, Version
from kishu_kernel.model.storage import DAY
from kishu_kernel.store.catalog.assignment import claim_store, list_stores
from kishu_kernel.store.disk.directory import DATA
from kishu_kernel.store.format.signing import KEY_FILE
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.client.test_spares import until
from tests.frontend.command.commanding import put, write_notebook
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel, environment_of
from tests.store.values import checkpoint_id


def named(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.done("tag", name="good")


def asked(kernel: Kernel) -> None:
    """A console whose user leaves it by mistake."""
    kernel.ok("x = input()", answers=["1"])


def failed(kernel: Kernel) -> None:
    kernel.run("x = 1; 1 / 0")


def passed(kernel: Kernel) -> None:
    kernel.ok("import os; x = os.urandom(32 << 20)")  # it still waits to be written


def inspected(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    with connect(kernel.manager) as k:
        k.status()


@pytest.mark.parametrize(
    ("run", "keep", "stays"),
    [
        (passed, None, False),
        (failed, None, True),
        (asked, None, True),
        (named, None, True),
        (inspected, None, True),
        (passed, "always", True),
        (failed, "never", False),
        (named, "never", True),
    ],
)
def test_a_store_goes_if_nobody_will_go_back_to_it(
    start: Start, run: Callable[[Kernel], None], keep: str | None, stays: bool
) -> None:
    kernel = start(environment={"KISHU_KEEP": keep})
    run(kernel)
    kernel.close(gracefully=True)
    assert [each.notebook for each in list_stores(kernel.stores)] == [None] * stays
    assert len(list(kernel.stores.iterdir())) == stays


def test_nothing_is_given_up_of_a_store_that_another_process_has_open(start: Start) -> None:
    kernel = start(environment={KEY_FILE: os.environ[KEY_FILE]})
    passed(kernel)
    (listed,) = list_stores(kernel.stores)
    looking = LmdbStore(listed.path, readonly=True)
    kernel.close(gracefully=True)
    until(lambda: not list(listed.path.glob("unwritten-*")))
    store = LmdbStore(listed.path)
    (checkpoint,) = store.checkpoints()
    assert len(store.load(Version(("x",), checkpoint.id)).stream) > 32 << 20
    for each in (store, looking):
        each.close()


def test_a_restart_and_a_kill_are_no_orderly_end(start: Start) -> None:
    kernel = start()
    kernel.ok("x = 1")
    kernel.restart()
    assert len(list_stores(kernel.stores)) == 1
    kernel.ok("x = 1")
    kernel.restart(kill=True)
    assert len(list_stores(kernel.stores)) == 2


def test_a_notebook_keeps_its_history(start: Start, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "book.ipynb")
    kernel = start(environment={"JPY_SESSION_NAME": str(book), "KISHU_KEEP": "never"})
    kernel.ok("x = 1")
    kernel.close(gracefully=True)
    assert [each.exists for each in list_stores(kernel.stores)] == [True]


def test_nbclient_leaves_a_store_where_a_cell_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_of(tmp_path, {}).items():
        monkeypatch.setenv(name, value)
    launcher.install(user=True)
    for code, left in (("x = 1", 0), ("1 / 0", 1)):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in ("y = 2", code)])
        with suppress(CellExecutionError):
            NotebookClient(notebook, kernel_name="kishu").execute()
        assert len(list_stores(tmp_path / "stores")) == left


def test_what_papermill_writes_has_the_history_of_a_run_that_failed(start: Start, tmp_path: Path) -> None:
    """Its cells are those of the notebook that it was made of, which keeps its own."""
    source, made = (write_notebook(tmp_path / name, "a", "b") for name in ("book.ipynb", "made.ipynb"))
    own = start(environment={"JPY_SESSION_NAME": str(source)})
    own.ok("x = 'own'")
    own.close(gracefully=True)
    run = start()
    run.ok(f"PAPERMILL_OUTPUT_PATH = {made.name!r}")
    run.run("x = 'run'; 1 / 0")
    run.close(gracefully=True)
    assert {each.notebook for each in list_stores(run.stores)} == {str(source), str(made)}
    for book, value in ((source.rename(tmp_path / "renamed.ipynb"), "own"), (made, "run")):
        later = start(environment={"JPY_SESSION_NAME": str(book)})
        later.ok("pass")
        later.done("resume")
        assert later.value("x") == value
        later.close()


def test_what_others_have_left_goes_by_its_age(start: Start, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    gone = claim_store(stores, str(tmp_path / "gone.ipynb"), SessionId("s")).path
    alone, named, young = (claim_store(stores, None, SessionId(name)).path for name in ("alone", "named", "young"))
    for path in (gone, alone, named, young):
        store = LmdbStore(path)
        put(store, 1, {"branch/main": checkpoint_id(1), "head/s": checkpoint_id(1)})
        store.update_refs({"tag/good": checkpoint_id(1)} if path == named else {})
        store.close()
        os.utime(path / DATA, (0, time.time() - (DAY if path == young else 40 * DAY)))
    kernel = start()
    kernel.ok("x = 1")
    until(lambda: not alone.exists())
    until(lambda: kernel.done("status")["warnings"])
    [told] = kernel.done("status")["warnings"]
    assert re.fullmatch(r"What 1 kernel without a notebook had left was removed, since .*: \d.* kB\.", told)
    assert {each.path for each in list_stores(stores)} >= {gone, named, young}


def test_kernels_that_run_at_once_share_the_total_limit(start: Start, tmp_path: Path) -> None:
    most = 16 << 20
    environment = {"KISHU_TOTAL_LIMIT": str(most)}
    books = [write_notebook(tmp_path / f"{name}.ipynb") for name in ("ada", "bob")]
    kernels = [start(environment={**environment, "JPY_SESSION_NAME": str(book)}) for book in books]
    for _ in range(8):
        for kernel in kernels:
            kernel.ok("import os; x = os.urandom(2 << 20)")
    for kernel in kernels:
        assert kernel.done("hibernate")["durable"]
    stores = list_stores(kernels[0].stores)
    assert len(stores) == 2
    assert sum(each.bytes for each in stores) < 1.6 * most  # files keep pages that are free; alone each has 1.1
