"""What kernels say of themselves while they live, and who is believed. Real kernels: see test_client."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.running_kernels import Announcement, LiveKernel, live_in, live_kernels, live_on


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runtime"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(path))
    return path


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    """A connection file that this process listens behind."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield connection_file(tmp_path, server.getsockname()[1])


def connection_file(directory: Path, port: int) -> str:
    said = {"transport": "tcp", "ip": "127.0.0.1", "control_port": port, "shell_port": port, "key": "secret"}
    path = directory / f"kernel-{port}.json"
    path.write_text(json.dumps(said))
    return str(path)


def said(runtime: Path) -> dict[str, Any]:
    (file,) = runtime.iterdir()
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def test_a_kernel_is_found_by_its_notebook_and_by_its_store(runtime: Path, listening: str, tmp_path: Path) -> None:
    mine = Announcement("one", listening)
    assert live_kernels() == []
    mine.tell(str(tmp_path / "book.ipynb"), None)
    (file,) = runtime.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert [each.session for each in live_on(tmp_path / "book.ipynb")] == ["one"]
    assert live_in(tmp_path / "store") == []
    mine.tell(str(tmp_path / "book.ipynb"), tmp_path / "store")
    assert [each.session for each in live_in(tmp_path / "store")] == ["one"]
    assert live_on(tmp_path / "other.ipynb") == []
    assert live_kernels() == [
        LiveKernel(
            "one", os.getpid(), socket.gethostname(), listening, f"{tmp_path}/book.ipynb", str(tmp_path / "store")
        )
    ]
    mine.withdraw()
    assert live_kernels() == []
    assert list(runtime.iterdir()) == []


def test_a_path_is_told_whole(runtime: Path, listening: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Announcement("one", listening).tell("book.ipynb", None)
    assert said(runtime)["notebook"] == str(tmp_path / "book.ipynb")


def test_who_cannot_be_connected_to_says_nothing(runtime: Path) -> None:
    mine = Announcement("one", None)
    mine.tell("book.ipynb", None)
    mine.withdraw()
    assert not runtime.exists()


def test_who_cannot_write_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listening: str) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    mine = Announcement("one", listening)
    mine.tell("book.ipynb", None)
    mine.withdraw()
    assert live_kernels() == []


def test_what_the_dead_left_goes_and_what_others_say_stays(runtime: Path, listening: str, tmp_path: Path) -> None:
    Announcement("here", listening).tell("book.ipynb", None)
    (file,) = runtime.iterdir()
    here = json.loads(file.read_text())
    (tmp_path / "closed").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = connection_file(tmp_path / "closed", server.getsockname()[1])
    others = {
        "elsewhere": {**here, "session": "elsewhere", "host": "another-machine"},
        "dead": {**here, "session": "dead", "pid": 2**22 + 1},
        "silent": {**here, "session": "silent", "connection_file": closed},
        "gone": {**here, "session": "gone", "connection_file": str(tmp_path / "gone.json")},
    }
    for name, content in others.items():
        (runtime / f"kishu-live-{name}.json").write_text(json.dumps(content))
    (runtime / "kishu-live-strange.json").write_text("{}")
    (runtime / "kernel-1.json").write_text("{}")
    assert [each.session for each in live_on("book.ipynb")] == ["here"]
    Announcement("new", listening)
    left = {each.name for each in runtime.iterdir()}
    assert left == {file.name, "kishu-live-elsewhere.json", "kishu-live-strange.json", "kernel-1.json"}


def test_of_a_restart_the_new_one_counts(runtime: Path, listening: str) -> None:
    """The processes have the same connection file, and the system may give the old one's number to somebody else."""
    for session in ("20260101T000000Z-b", "20260101T000001Z-a"):
        Announcement(session, listening).tell("book.ipynb", None)
    assert [each.session for each in live_kernels()] == ["20260101T000001Z-a"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_withdraws_nothing(runtime: Path, listening: str) -> None:
    mine = Announcement("one", listening)
    mine.tell("book.ipynb", None)
    child = os.fork()
    if not child:
        mine.withdraw()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(live_kernels()) == 1


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no such sockets")
def test_a_kernel_that_listens_at_a_path(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # such paths are short
    connection = {"transport": "ipc", "ip": "kernel", "control_port": 4}
    assert not running_kernels.is_listening(connection)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("kernel-4")
        server.listen()
        assert running_kernels.is_listening(connection)
    assert not running_kernels.is_listening(connection)
