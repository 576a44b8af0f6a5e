"""Exact or told: after damage, on a disk that may only be read, and where something cannot be brought back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.store.format.signing import KEY_FILE, Signer, user_signer
from kishu_kernel.store.maintenance.fsck import check
from tests.attack import records
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel, environment_of
from tests.kernel.test_disks import SQUEEZE
from tests.kernel.test_resume import notices, on, write_notebook, written


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_notebook(tmp_path / "book.ipynb")


def losses(reply: dict[str, Any]) -> dict[str, str]:
    """What a plan says is lost, by name, with the reasons."""
    return {name: each["reason"] for each in reply["plan"]["lost"] for name in each["names"] or [""]}


def store_of(kernel: Kernel) -> Path:
    return Path(kernel.done("status")["store"]["path"])


def command(kernel: Kernel, *arguments: str) -> str:
    """What `jupyter kishu` says."""
    done = subprocess.run(
        [sys.executable, "-m", "kishu_kernel.frontend.command.commands", *arguments],
        env=environment_of(kernel.home, {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- after damage


def key_of(kernel: Kernel) -> Signer:
    """The key of the user whose kernel it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(KEY_FILE)
        patch.setenv("JUPYTER_DATA_DIR", str(kernel.home / "jupyter_data"))
        return user_signer()


def damaged(kernel: Kernel, id: str, how: str = "flipped") -> None:
    """The kernel ends; the record of a checkpoint is damaged and the store repaired; another kernel is there."""
    path = store_of(kernel)
    kernel.close(gracefully=True)
    records.damage(path, [id], how)
    assert check(path, repair=True, signer=key_of(kernel)).clean


@pytest.mark.parametrize("how", ["flipped", "gone", "gone with its payloads"])
def test_what_came_through_a_damaged_record_is_refused_or_listed(start: Start, book: Path, how: str) -> None:
    kernel = start(environment=on(book))
    ids = []
    for cell in ("a = [1]", "b = [2]", "a.append(3)", "c = 4"):
        kernel.ok(cell)
        ids.append(kernel.done("status")["head"])
    damaged(kernel, ids[1], how)
    kernel = start(environment=on(book))
    refused = kernel.request("checkout", target=ids[3])
    assert refused["ename"] == "LostError"
    assert "b" in refused["evalue"] or how == "gone with its payloads"
    assert ids[1] in refused["evalue"]
    assert "allow_lost" in refused["hint"]
    reply = kernel.done("resume")
    assert kernel.value("a, c") == ([1, 3], 4)
    assert kernel.value("'b' in globals()") is (how != "gone with its payloads")
    assert ("" in losses(reply)) is (how == "gone with its payloads")  # else there are as many as there were
    assert any("random" in name for name in losses(reply))
    kernel.ok("d = 5")  # from here on all is known again
    here = kernel.done("status")["head"]
    kernel.done("checkout", target=ids[0])
    assert kernel.value("a") == [1]
    again = kernel.done("checkout", target=here)
    assert kernel.value("a, c, d") == ([1, 3], 4, 5)
    assert again["plan"]["lost"] == []


def test_what_a_later_cell_states_anew_is_known(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    ids = []
    for cell in ("a = [1]", "b = [2]; gen = (i for i in b)", "a = 5; b = 6; gen = 7"):
        kernel.ok(cell)
        ids.append(kernel.done("status")["head"])
    damaged(kernel, ids[1])
    kernel = start(environment=on(book))
    kernel.done("resume")
    assert kernel.value("a, b, gen") == (5, 6, 7)
    told = losses(kernel.done("checkout", target=ids[2], dry_run=True))
    assert not {"a", "b", "gen", ""} & told.keys()  # as many variables as there were


def test_no_cell_is_re_run_on_what_is_not_known(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    ids = []
    for cell in ("n = 1", "n = 2", "gen = (i + n for i in [1])", "pass"):
        kernel.ok(cell)
        ids.append(kernel.done("status")["head"])
    damaged(kernel, ids[1], "gone with its payloads")
    kernel = start(environment=on(book))
    reply = kernel.done("checkout", target=ids[3], allow_lost=True)
    assert {"n", "gen"} <= losses(reply).keys()
    assert reply["plan"]["replay"] == []


def test_the_end_of_a_session_is_not_forgotten_with_its_record(start: Start, book: Path) -> None:
    """Not silently the session before it."""
    kernel = start(environment=on(book))
    kernel.ok("old = 1")
    kernel.restart()
    kernel.ok("new = 2")
    kernel.ok("newer = 3")
    damaged(kernel, kernel.done("status")["head"], "gone with its payloads")
    kernel = start(environment=on(book))
    reply = kernel.done("resume")
    assert "new" in losses(reply)
    assert kernel.value("'old' in globals()") is False


# --- a full disk


def test_a_checkpoint_of_which_only_the_code_is_left(kernel: Kernel) -> None:
    kernel.ok(SQUEEZE)
    kernel.ok("xs = [1]; gone = 'here'; blob = fresh(1)")
    written(kernel)
    kernel.ok("import os; room(4_000_000)")
    kernel.ok("xs.append(2); made = 3; del gone; blob = fresh(2)")
    written(kernel)
    kernel.ok("room(hard)")
    kernel.ok("xs.append(4)")
    written(kernel)
    lost = next(each for each in kernel.done("log")["checkpoints"] if "made = 3" in each["code"])
    assert lost["incomplete"]
    planned = kernel.done("checkout", target=lost["id"], dry_run=True)
    told = losses(planned)
    assert {"xs", "made", "gone", "blob"} <= told.keys()
    assert all("room" in told[name] for name in ("xs", "made"))
    refused = kernel.request("checkout", target=lost["id"])
    assert refused["ename"] == "LostError"
    assert kernel.value("xs, made") == ([1, 2, 4], 3)
    kernel.done("checkout", target=lost["id"], allow_lost=True)
    assert kernel.value("[n for n in ('xs', 'made', 'gone', 'blob') if n in globals()]") == []
    assert kernel.value("callable(fresh)") is True
    kernel.done("redo", steps=2)
    assert kernel.value("xs, made, 'gone' in globals()") == ([1, 2, 4], 3, False)


# --- a disk that may only be read


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with a store in it that a session has left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64m", "kishu-test", str(disk)]
    if not shutil.which("mount") or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def test_a_disk_that_may_only_be_read_gives_its_history(start: Start, disk: Path) -> None:
    book = write_notebook(disk / "book.ipynb")
    environment = {**on(book), "KISHU_STORE_DIR": str(disk / "stores")}
    kernel = start(environment=environment)
    kernel.ok("x = [1]; y = x")
    kernel.ok("x.append(2)")
    written(kernel)
    kernel.close(gracefully=True)
    remount(disk, "ro")
    kernel = start(environment=environment)
    said = kernel.ok("mine = 'new'")
    assert said.stderr.count("[kishu]") == 1
    assert "cannot be written" in said.stderr
    assert "memory" in said.stderr
    [told] = notices(said)
    assert "%kishu resume" in told
    log = kernel.done("log", all=True)["checkpoints"]
    assert {"x.append(2)", "mine = 'new'"} <= {each["code"] for each in log}
    first = next(each["id"] for each in log if each["code"] == "x = [1]; y = x")
    assert kernel.done("show", target=first)["variables"][0]["name"] == "x"
    last = next(each["id"] for each in log if each["code"] == "x.append(2)")
    assert kernel.done("diff", target=first, base=last)["modified"]
    kernel.done("checkout", target=last)
    assert kernel.value("x, y is x") == ([1, 2], True)
    kernel.ok("x.append(3)")
    kernel.done("commit", message="of here")
    kernel.done("tag", name="seen", target=first)
    kernel.done("undo", steps=2)
    assert kernel.value("x") == [1]
    kernel.done("checkout", target="HEAD")
    kernel.done("redo", steps=2)
    assert kernel.value("x") == [1, 2, 3]
    assert kernel.ok("pass").stderr == ""


def test_what_was_new_goes_to_the_disk_when_it_may_be_written(tmp_path: Path, disk: Path) -> None:
    from kishu_kernel.frontend.shell import store_opener

    book = write_notebook(disk / "book.ipynb")
    warned: list[str] = []

    def opener(name: str) -> store_opener.StoreOpener:
        return store_opener.StoreOpener(
            store_opener.StoreLocation(base=disk / "stores"),
            store_opener.SessionId(name),
            lambda: str(book),
            warned.append,
        )

    from tests.support.harness import Notebook

    first = Notebook(session="first", store=None)
    timeline = opener("first").open()
    first.session._lazy_timeline.opened = timeline
    first.store = timeline.store  # type: ignore[assignment]
    first.ok("x = [1]")
    first.session.close()
    remount(disk, "ro")
    second = Notebook(session="second", store=None)
    opened = opener("second")
    timeline = opened.open()
    second.session._lazy_timeline.opened = timeline
    second.store = timeline.store  # type: ignore[assignment]
    assert len(warned) == 1
    second.session.resume()
    second.ok("x.append(2)")
    opened._retry_at = 0.0
    opened.retry(timeline)
    assert len(warned) == 1
    remount(disk, "rw")
    opened._retry_at = 0.0
    opened.retry(timeline)
    assert "stored on disk" in warned[-1]
    second.ok("x.append(3)")
    second.session.close()
    third = Notebook(session="third", store=None)
    third.session._lazy_timeline.opened = opener("third").open()
    third.session.checkout("main")
    assert third["x"] == [1, 2, 3]
    assert set(third.session.timeline.names("branch/")) == {"main"}
    third.session.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to become somebody else")
def test_files_that_this_user_may_only_read(start: Start, book: Path, tmp_path: Path) -> None:
    """As nobody, whom permissions bind."""
    kernel = start(environment=on(book))
    kernel.ok("x = [1]")
    written(kernel)
    path = store_of(kernel)
    kernel.close(gracefully=True)
    place = Path(shutil.copytree(path, Path("/tmp") / f"kishu-test-{os.getpid()}"))
    code = f"""
import os
import tempfile
from pathlib import Path
from kishu_kernel.errors import UnwritableError
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.lmdb_store import LmdbStore
signer = Signer(bytes(32))
LmdbStore(Path(tempfile.mkdtemp()), signer=signer).close()  # imports what somebody else might not be allowed to
os.setgid(65534); os.setuid(65534)
path = Path({str(place)!r})
try:
    LmdbStore(path, signer=signer)
    raise SystemExit("it could be written")
except UnwritableError as error:
    print(error)
print(sorted(each.code for each in LmdbStore(path, signer=signer, readonly=True).checkpoints()))
"""
    try:
        for each in (place, *place.iterdir()):
            os.chown(each, 65534, 65534)
            each.chmod(0o500 if each == place else 0o400)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(place)
    assert "['x = [1]']" in done.stdout, done.stderr
    assert "cannot be written" in done.stdout


# --- what cannot be brought back


HELPER = "helper_of_this_test"


def leaving(kernel: Kernel, tmp_path: Path) -> None:
    """`gen` needs a module to be made again, which is gone by then; `res` and `model` are stored."""
    (tmp_path / f"{HELPER}.py").write_text("def numbers(n):\n    return (i for i in range(n))\n")
    kernel.ok("res = [1, 2]; model = {'w': res}")
    kernel.ok(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    kernel.ok(f"def make():\n    import {HELPER}\n    return {HELPER}.numbers(3)")
    kernel.ok("gen = make()")
    kernel.ok("other = (i for i in [7, 8]); next(other);")
    written(kernel)
    (tmp_path / f"{HELPER}.py").unlink()


def test_a_re_run_that_fails_costs_what_it_was_to_give(start: Start, book: Path, tmp_path: Path) -> None:
    kernel = start(environment=on(book))
    leaving(kernel, tmp_path)
    kernel.restart()
    reply = kernel.done("resume")
    told = losses(reply)
    assert set(told) == {"gen", f"module {HELPER}"}  # its data are part of the state, and it is gone
    assert "ModuleNotFoundError" in told["gen"]
    assert HELPER in told["gen"]
    assert kernel.value("res, model['w'] is res, next(other), 'gen' in globals()") == ([1, 2], True, 8, False)


def test_a_re_run_that_fails_with_and_without_allow_lost(start: Start, book: Path, tmp_path: Path) -> None:
    kernel = start(environment=on(book))
    leaving(kernel, tmp_path)
    kernel.restart()
    kernel.ok("mine = 1")
    before = kernel.done("status")["head"]
    refused = kernel.request("resume")
    assert refused["ename"] == "LostError"  # the module's data do not load: nothing is re-run before that is accepted
    assert "ModuleNotFoundError" in refused["evalue"]
    assert HELPER in refused["evalue"]
    assert "allow_lost" in refused["hint"]
    assert kernel.value("mine, 'res' in globals()") == (1, False)
    assert kernel.done("status")["head"] == before
    assert "gen" in losses(kernel.done("resume", allow_lost=True))
    assert kernel.value("res, next(other), 'mine' in globals()") == ([1, 2], 8, False)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("import threading; bad = threading.Thread(); bad_too = bad", "bad"),
        ("bad = __import__('os').environ.get('KISHU_TEST_RUN') and 5 or (i for i in [1])", "as int"),
        ("bad = (i for i in [__import__('os').environ['KISHU_TEST_RUN_1']])", "KeyError"),
        (
            "bad = (i for i in [1]) if 'KISHU_TEST_RUN' not in __import__('os').environ else exec('raise OSError')",
            "OSEr",
        ),
    ],
)
def test_one_object_does_not_refuse_a_whole_resume(start: Start, book: Path, cell: str, told: str) -> None:
    kernel = start(environment={**on(book), "KISHU_TEST_RUN_1": "1"})
    kernel.ok("import numpy as np; big = np.arange(1000.0); some = {'big': big}")
    kernel.ok(cell)
    kernel.ok("good = (i for i in [5])")
    written(kernel)
    kernel.close(gracefully=True)
    kernel = start(environment={**on(book), "KISHU_TEST_RUN": "2"})
    reply = kernel.done("resume")
    assert kernel.value("float(some['big'].sum()), some['big'] is big, next(good)") == (499500.0, True, 5)
    lost = losses(reply)
    if "bad" in lost:
        assert told in " ".join([*lost, *lost.values()])
    assert kernel.value("'bad' in globals()") is ("bad" not in lost)


def test_a_re_run_that_draws_other_numbers(start: Start, book: Path) -> None:
    kernel = start(environment=on(book))
    kernel.ok("import random; kept = 'kept'")
    kernel.ok(
        "import os\n"
        "for _ in range(int(os.environ.get('KISHU_TEST_RUN', 1))): random.random()\n"
        "gen = (i for i in [random.random()])"
    )
    written(kernel)
    kernel.close(gracefully=True)
    kernel = start(environment={**on(book), "KISHU_TEST_RUN": "2"})
    assert "random" in losses(kernel.done("resume")).get("gen", "")
    assert kernel.value("kept") == "kept"


def test_cells_that_came_back_are_not_run_twice(start: Start, book: Path, tmp_path: Path) -> None:
    trace, once = tmp_path / "trace", tmp_path / "once"
    kernel = start(environment=on(book))
    kernel.ok(f"good = (i for i in [open({str(trace)!r}, 'a').write('x')])")
    kernel.ok(f"bad = (i for i in [open({str(once)!r}, 'x').close()])")
    kernel.ok(f"worse = (i for i in [bad, open({str(trace)!r}, 'a').write('y')])")
    written(kernel)
    kernel.close(gracefully=True)
    trace.unlink()
    kernel = start(environment=on(book))
    told = losses(kernel.done("resume"))
    assert set(told) == {"bad", "worse"}
    assert all("FileExistsError" in reason for reason in told.values())
    assert kernel.value("next(good)") == 1
    assert trace.read_text() == "x"


# --- whose it is, and which session


def test_an_auto_resume_of_what_somebody_else_may_have_written(start: Start, book: Path, tmp_path: Path) -> None:
    theirs = start(environment={**on(book), "KISHU_KEY_FILE": str(tmp_path / "theirs")})
    theirs.ok("x = [1]")
    theirs.ok("y = 2; z = (i for i in x)")
    written(theirs)
    theirs.close(gracefully=True)
    kernel = start("--KishuKernel.auto_resume=True", environment=on(book))
    ran = kernel.ok("print('read')")
    assert "could not look" not in ran.stderr
    assert "brought nothing back" in ran.stderr
    [told] = notices(ran)
    assert "jupyter kishu trust" in told
    refused = kernel.request("resume")
    assert refused["evalue"].count("jupyter kishu trust") == 1
    assert all(name in refused["evalue"] for name in "xyz")
    kernel.close(gracefully=True)
    command(kernel, "trust", "--yes", str(book))
    kernel = start(environment=on(book))
    kernel.done("resume")
    assert kernel.value("x, y, next(z)") == ([1], 2, 1)


@pytest.mark.parametrize("cells", [["print(1)"], ["1 + 1"], ["%kishu log", "print(2)"], ["n = 1; del n"]])
def test_sessions_that_changed_nothing_are_passed_over(start: Start, book: Path, cells: list[str]) -> None:
    kernel = start(environment=on(book))
    kernel.ok("x = [1]")
    written(kernel)
    for _ in range(2):
        kernel.restart()
        for cell in cells:
            kernel.ok(cell)
        written(kernel)
    kernel.restart()
    [told] = notices(kernel.ok("print(3)"))
    assert "1 variable" in told
    kernel.done("resume")
    assert kernel.value("x") == [1]


def test_a_bundle_of_one_state_can_be_resumed(start: Start, book: Path, tmp_path: Path) -> None:
    kernel = start(environment=on(book))
    kernel.ok("x = [1]; gen = (i for i in x)")
    kernel.ok("x.append(2)")
    kernel.ok("x = 'later'")
    written(kernel)
    target = kernel.done("log")["checkpoints"][1]["id"]
    kernel.close(gracefully=True)
    bundle = tmp_path / "state.kishu"
    command(kernel, "export", str(book), str(bundle), "--target", target)
    other = write_notebook(tmp_path / "other.ipynb", ["f00d", "beef"])
    command(kernel, "import", str(bundle), "--notebook", str(other))
    kernel = start(environment=on(other))
    [told] = notices(kernel.ok("print('what is there?')"))
    assert "%kishu resume" in told
    reply = kernel.done("resume")
    assert kernel.value("x") == [1, 2]
    assert reply["head"] == target


def test_every_error_reply_has_a_hint(kernel: Kernel) -> None:
    for content in (
        None,
        {"operation": "nothing"},
        {"operation": "checkout", "target": "nowhere"},
        {"operation": "undo"},
    ):
        reply = kernel.ask(content)
        assert reply["status"] == "error"
        assert reply["hint"].endswith("."), json.dumps(reply)
