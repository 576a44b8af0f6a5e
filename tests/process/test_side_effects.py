"""What a cell does to the world is known from what it did, and nothing is done where nothing may be."""

from __future__ import annotations

import io
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.process.audit_hook import (
    ForbiddenSideEffectError,
    allowed_on_this_thread,
    side_effects_forbidden,
    start_recording,
)
from kishu_kernel.process.tracing import own_thread
from kishu_kernel.store.disk.parallel import run_in_parallel

HERE = "__main__"


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(code: str, **names: Any) -> tuple[str, ...]:
    """What a cell does, whatever it raises."""
    recorder = start_recording()
    try:
        exec(code, {"__name__": HERE, **names})
    except OSError:
        pass
    finally:
        told = recorder.stop()
    return told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("open('a.csv', 'w').close()", "writes files (a.csv)"),
        ("open('a.csv', 'ab').close()", "writes files (a.csv)"),
        ("open('there', 'r+').close()", "writes files (there)"),
        ("import os; os.close(os.open('a.csv', os.O_WRONLY | os.O_CREAT))", "writes files (a.csv)"),
        ("from pathlib import Path; Path('a.txt').write_text('b')", "writes files (a.txt)"),
        ("import os; os.makedirs('a/b')", "writes files (a, a/b)"),
        ("import shutil; shutil.copyfile('there', 'too')", "writes files (too)"),
        ("for i in range(5): open(f'f{i}', 'w').close()", "writes files (f0, f1, f2, ...)"),
        ("import os; os.remove('there')", "deletes or moves files (there)"),
        ("import os; os.rename('there', 'away')", "deletes or moves files (there)"),
        ("from pathlib import Path; Path('there').unlink()", "deletes or moves files (there)"),
        ("import sqlite3; sqlite3.connect('a.db').close()", "talks to a database (a.db)"),
        ("import subprocess; subprocess.run(['true', 'secret'])", "starts processes (true)"),
        ("import os; os.system('true secret')", "starts processes (true)"),
        ("import os; os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)", "starts processes (true)"),
        ("import os; os.kill(os.getpid(), 0)", "signals processes"),
        (
            "import socket\nwith socket.socket() as s: s.settimeout(0.1); s.connect(('127.0.0.1', 9))",
            "talks to other processes (127.0.0.1:9)",
        ),
        (
            "import socket\nwith socket.socket(type=socket.SOCK_DGRAM) as s: s.connect(('192.0.2.1', 9))",
            "talks to the network (192.0.2.1:9)",
        ),
        ("import urllib.request; urllib.request.urlopen('http://localhost:9/')", "talks to other processes (localhost"),
    ],
)
def test_what_a_cell_does_is_told(somewhere: Path, code: str, told: str) -> None:
    (somewhere / "there").write_text("text")
    effects = done(code)
    assert any(effect.startswith(told) for effect in effects), effects
    assert not any("secret" in effect for effect in effects)


@pytest.mark.parametrize(
    "code",
    [
        "from pathlib import Path; x = Path('there').read_text()",
        "x = [id(each) for each in range(10)]",
        "open('/dev/null', 'w').close()",
        "import os; os.makedirs('.', exist_ok=True)",
        "from pathlib import Path; Path('nowhere').unlink(missing_ok=True)",
        "import sqlite3; sqlite3.connect(':memory:').close()",
        "import tempfile; tempfile.TemporaryFile().close()",
        "import threading; t = threading.Thread(target=print); t.start(); t.join()",
        "import os; a, b = os.pipe(); open(b, 'wb').close(); os.close(a)",
    ],
)
def test_what_leaves_nothing_behind_is_not_told(somewhere: Path, code: str) -> None:
    (somewhere / "there").write_text("text")
    assert done(code) == ()


def test_bytecode_that_an_import_writes_is_not_the_cells(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (somewhere / "kishu_quiet.py").write_text("x = 1")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(somewhere)
    assert done("import kishu_quiet") == ()
    assert list(somewhere.glob("__pycache__/kishu_quiet*"))


def test_what_an_installed_library_does_when_it_is_imported_is_not_the_cells(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "open('cache', 'w').close()\ndef work(): open('result', 'w').close()"
    for place, name in (("site-packages", "kishu_installed"), ("project", "kishu_mine")):
        (somewhere / place).mkdir()
        (somewhere / place / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(somewhere / place)
    assert done("import kishu_installed") == ()
    assert done("kishu_installed.work()", kishu_installed=sys.modules["kishu_installed"]) == ("writes files (result)",)
    assert done("import kishu_mine") == ("writes files (cache)",)


def test_threads_of_the_notebook_work_for_the_cell_that_runs(somewhere: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0).result()  # the worker is older than the cell
        assert done("pool.submit(open, 'a', 'w').result().close()", pool=pool) == ("writes files (a)",)


def test_a_thread_that_goes_on_is_told() -> None:
    gate = threading.Event()
    try:
        assert done("import threading; threading.Thread(target=gate.wait).start()", gate=gate) == ("starts threads",)
    finally:
        gate.set()


def test_what_the_kernels_own_threads_do_is_not_the_cells(somewhere: Path) -> None:
    class Saving(threading.Thread):
        __module__ = "IPython.core.history"

        def run(self) -> None:
            open("history", "w").close()

    saving = Saving()
    recorder = start_recording()
    saving.start()
    saving.join()
    assert recorder.stop() == ()
    assert (somewhere / "history").exists()


def test_what_is_ours_is_not_the_cells() -> None:
    code = compile("def write(): open('ours', 'w').close()", "<kishu>", "exec")
    ours: dict[str, Any] = {"__name__": "kishu_kernel.store.somewhere"}
    exec(code, ours)
    assert done("write()", write=ours["write"]) == ()
    assert Path("ours").exists()


def test_spawned_processes_are_told() -> None:
    code = "import multiprocessing as m\np = m.get_context('spawn').Process(target=print)"
    assert done(code) == ("starts processes",)


def test_cells_on_two_threads_are_told_apart(somewhere: Path) -> None:
    found: dict[str, tuple[str, ...]] = {}
    both = threading.Barrier(2)

    def cell(name: str) -> None:
        both.wait()
        recorder = start_recording()
        both.wait()
        exec(f"open({name!r}, 'w').close()", {"__name__": HERE})
        both.wait()
        found[name] = recorder.stop()

    threads = [threading.Thread(target=cell, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": ("writes files (a)",), "b": ("writes files (b)",)}


def test_a_cell_within_a_cell_is_told_of_both() -> None:
    outer = start_recording()
    assert done("open('a', 'w').close()") == ("writes files (a)",)
    assert done("import os; os.remove('a')") == ("deletes or moves files (a)",)
    assert outer.stop() == ("deletes or moves files (a)", "writes files (a)")


def test_nothing_is_noted_after_the_end() -> None:
    recorder = start_recording()
    recorder.stop()
    open("late", "w").close()
    assert recorder.stop() == ()


def test_a_name_of_many_lines_takes_one() -> None:
    (told,) = done("open('a\\nb' + 'c' * 200, 'w').close()")
    assert "\n" not in told
    assert len(told) < 80


def test_a_hot_loop_costs_little_more() -> None:
    """Of an order of magnitude: the figures are in the benchmarks."""
    start_recording().stop()
    loop = "for _ in range(200_000): id(loop)"
    started = time.perf_counter()
    recorder = start_recording()
    exec(loop, {"__name__": HERE, "loop": loop})
    recorder.stop()
    assert time.perf_counter() - started < 2


# -- where nothing may be done -----------------------------------------------------------------------


class Writes:
    def __setstate__(self, state: dict[str, Any]) -> None:
        open("emptied", "w").close()


class Appends(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        os.close(os.open("emptied", os.O_WRONLY | os.O_APPEND))


class Reads(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        with open("emptied") as file:
            file.read()


class Starts(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        subprocess.run(["touch", "made"], check=True)


class Forks(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        if os.fork() == 0:
            os._exit(0)


class Connects(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        sqlite3.connect("made")


class Calls(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        import socket

        with socket.socket() as sock:
            sock.connect(("127.0.0.1", 9))


def test_threads_of_our_own_are_nobodys_doing() -> None:
    """A large value is read by several, some of which may only begin when all is read."""
    done_by = set()
    both, gate = threading.Barrier(2), threading.Event()

    def read(number: int) -> None:
        both.wait(30)
        done_by.add(threading.get_ident())

    late = own_thread(gate.wait, "late")
    with side_effects_forbidden() as guard:
        run_in_parallel(read, [1, 2], 1)
        with allowed_on_this_thread():
            late.start()
    gate.set()
    late.join()
    assert len(done_by) == 2
    assert guard.forbidden is None


class Threads(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        gate = threading.Event()
        threading.Thread(target=gate.wait, args=(0.5,)).start()


class Removes(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        os.remove("emptied")


class Moves(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        os.chdir("/")


class Swallows(Writes):
    def __setstate__(self, state: dict[str, Any]) -> None:
        try:
            open("emptied", "w").close()
        except OSError:
            self.fallback = True


@pytest.mark.parametrize(
    "kind", [Writes, Appends, Reads, Starts, Forks, Connects, Calls, Threads, Removes, Moves, Swallows]
)
def test_what_would_touch_the_world_when_it_is_loaded_does_not(somewhere: Path, kind: type) -> None:
    thing = kind()
    thing.state = 1
    stream = pickle.dumps(thing)
    (somewhere / "emptied").write_text("text")
    raised = None
    with side_effects_forbidden() as guard:
        try:
            pickle.loads(stream)
        except ForbiddenSideEffectError as error:
            raised = error
    assert guard.forbidden
    assert (raised is None) is (kind is Swallows or (kind is Threads and sys.version_info < (3, 12)))
    assert (somewhere / "emptied").read_text() == "text"
    assert [path.name for path in somewhere.iterdir()] == ["emptied"]
    assert Path.cwd() == somewhere


def test_values_are_loaded_there(somewhere: Path) -> None:
    values = {"a": [1, 2.5, "x", b"y"], "b": Path("c"), "c": threading.Event, "d": io.BytesIO(b"abc")}
    stream = pickle.dumps(values)
    with side_effects_forbidden() as guard:
        back = pickle.loads(stream)
    assert back["a"] == values["a"]
    assert back["d"].read() == b"abc"
    assert guard.forbidden is None


def test_modules_are_imported_there(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (somewhere / "kishu_needed.py").write_text("def f(): return 3")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(somewhere)
    with side_effects_forbidden() as guard:
        back = pickle.loads(b"ckishu_needed\nf\n.")
    assert (back(), guard.forbidden) == (3, None)
    assert not (somewhere / "__pycache__").exists()
    assert sys.dont_write_bytecode is False


def test_other_threads_are_free(somewhere: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0).result()
        with side_effects_forbidden() as guard:
            pool.submit(open, "a", "w").result().close()
    assert guard.forbidden is None
    assert (somewhere / "a").exists()


def test_one_within_another() -> None:
    with side_effects_forbidden() as outer:
        with side_effects_forbidden(), pytest.raises(ForbiddenSideEffectError):
            open("a", "w").close()
        with pytest.raises(ForbiddenSideEffectError):
            open("a", "w").close()
    assert outer.forbidden
    open("a", "w").close()
