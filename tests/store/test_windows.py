"""What Windows and macOS lack is done without: the branches for them, run here over an `os` that lacks it, too.

What can only be seen there, CI's workflow sees there.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kishu_kernel.frontend.kernel import idle_scheduler
from kishu_kernel.frontend.protocol import notebook_export
from kishu_kernel.process import inherited_memory
from kishu_kernel.session.checker import connection, sandbox
from kishu_kernel.store.catalog import elsewhere, filesystems
from kishu_kernel.store.disk import chunk_reader, directory, integrity, locks, untrusted_data_file, windows_locks
from kishu_kernel.store.format import key_files, signing
from kishu_kernel.store.maintenance import fsck
from kishu_kernel.store.write_behind import handover

_POSIX_ONLY = frozenset(
    {
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fchmod", "fork", "geteuid", "getuid"),
        *("memfd_create", "posix_fallocate", "pread", "preadv", "sched_getaffinity"),
    }
)


class WindowsOs:
    """The module `os` as Windows has it, as far as it concerns us."""

    name = "nt"

    def __getattr__(self, name: str) -> Any:
        if name in _POSIX_ONLY:
            raise AttributeError(f"there is no os.{name} on Windows")
        return getattr(os, name)


def on_windows(monkeypatch: pytest.MonkeyPatch, modules: Iterable[Any]) -> None:
    for module in modules:
        monkeypatch.setattr(module, "os", WindowsOs())


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    on_windows(monkeypatch, (directory, elsewhere, filesystems, fsck, handover, integrity, key_files, locks, signing))
    monkeypatch.setattr(directory, "_POSIX", False)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.usefixtures("windows")
def test_a_key_is_made_and_read_again_where_there_are_no_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "data" / "key"
    monkeypatch.setenv(signing.KEY_FILE, str(key))
    first = signing.user_signer()
    assert first.persistent
    key.chmod(0o666)  # what Windows says of any file
    assert signing.user_signer().verifies(first.sign(b"x"), b"x")

    def refused(*what: object) -> Exception:
        return AssertionError(what)

    assert key_files.read(key, 100, refused, secret=True)  # of a team
    key_files.check_place(key, refused)


@pytest.mark.usefixtures("windows")
def test_a_directory_and_its_files_belong_to_who_can_open_them(tmp_path: Path) -> None:
    store = tmp_path / "above" / "store"
    directory.make_private(store)
    directory.create_data(store)
    directory.reserve_lock(store)
    directory.check_owner(store)
    directory.close_files(store, new=True)
    assert (store / directory.LOCK).stat().st_size > 0
    assert directory.growth_error(store / directory.DATA) is None
    integrity.record_verified(store, free_of_orphans=True)
    assert integrity.is_free_of_orphans(store)
    store.chmod(0o777)
    assert list(fsck._permissions(store)) == []


@pytest.mark.usefixtures("windows")
def test_stores_go_to_a_local_directory_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    mapped = SimpleNamespace(device="H:", mountpoint=str(tmp_path / "home"), fstype="NTFS", opts="rw,remote")
    local, told = filesystems.base_for(tmp_path / "home" / "stores", partitions=[mapped])
    assert local.is_relative_to(tmp_path)
    assert not local.is_relative_to(tmp_path / "home")
    assert local.parent.is_dir()
    assert "network file system" in str(told)
    assert not elsewhere.is_elsewhere("/ann@0123456789abcdef/book.ipynb")


class Kernel32:
    """Locks as Windows has them: each belongs to a handle, and is in the way of its own handle, too."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], dict[int, bool]] = {}
        self.error = 0

    def LockFileEx(self, handle: int, how: int, reserved: int, low: int, high: int, where: Any) -> int:
        assert (how & 1, reserved, low, high) == (1, 0, 1, 0)  # it never waits
        assert where._obj.OffsetHigh == 1 << 30  # where no file has anything to be read
        held, exclusive = self.held.setdefault(self._file(handle), {}), bool(how & 2)
        self.error = 33 if held and (exclusive or any(held.values())) else 0
        if not self.error:
            held[handle] = exclusive
        return int(not self.error)

    def UnlockFileEx(self, handle: int, reserved: int, low: int, high: int, where: Any) -> int:
        return int(self.held.get(self._file(handle), {}).pop(handle, None) is not None)

    def _file(self, handle: int) -> tuple[int, int]:
        facts = os.fstat(handle)
        return facts.st_dev, facts.st_ino


@pytest.mark.usefixtures("windows")
def test_locks_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel32 = Kernel32()
    monkeypatch.setattr(windows_locks, "system", lambda: (kernel32, lambda descriptor: descriptor))
    monkeypatch.setattr(windows_locks, "last_error", lambda: kernel32.error)
    there = runpy.run_path(str(locks.__file__))  # which functions there are is decided when it is imported
    store = tmp_path / "store"
    store.mkdir()
    one, other = there["FileLock"](store), there["FileLock"](store)
    assert one.try_lock(True)
    assert not other.try_lock(False)
    assert one.try_lock(False)  # now of the other kind
    assert other.try_lock(False)
    assert not other.try_lock(True)
    one.unlock()
    one.unlock()
    assert other.try_lock(True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.descriptor()  # it is no directory's
    store.rmdir()  # what is locked can be removed
    assert [each.name for each in tmp_path.iterdir()] == [".store.lock"]  # which no search for stores sees
    for each in (one, other):
        each.close()
    (tmp_path / "data").write_bytes(b"abc")
    writer, late = there["WriterLock"](tmp_path / "data"), there["FileLock"](tmp_path / "data")
    with writer.hold():
        assert writer.is_held
        assert not late.try_lock(True)
        assert writer.read(2) == b"ab"
    assert late.try_lock(True)
    kernel32.error = 0
    monkeypatch.setattr(kernel32, "LockFileEx", lambda *_: 0)
    for error, expected in ((1, True), (33, False)):
        kernel32.error = error
        assert late.try_lock(True) is expected
    kernel32.error = 6
    with pytest.raises(OSError, match="cannot be locked"):
        late.try_lock(True)
    writer.close()
    late.close()


@pytest.mark.usefixtures("windows")
def test_who_may_only_read_on_windows_locks_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(locks.os, "open", refused, raising=False)
        lock = locks.FileLock(tmp_path)
    assert lock.try_lock(exclusive=True)
    lock.unlock()
    lock.close()


@pytest.mark.usefixtures("windows")
def test_files_are_read_and_made_without_what_windows_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_windows(monkeypatch, (chunk_reader, notebook_export, untrusted_data_file))
    (tmp_path / "data").write_bytes(bytes(range(200)))
    with (tmp_path / "data").open("rb") as file:
        data = object.__new__(untrusted_data_file.DataFile)
        data._descriptor = file.fileno()
        assert [data._read_some(place, 2) for place in (100, 3, 199)] == [b"de", b"\x03\x04", b"\xc7"]
    assert chunk_reader._cores() == os.cpu_count()
    os.close(notebook_export._private(str(tmp_path / "new"), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    assert (tmp_path / "new").exists()


def test_without_signals_to_threads_the_main_one_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "pthread_kill")
    with pytest.raises(KeyboardInterrupt):
        for _ in [idle_scheduler._interrupt_main(), *range(10_000_000)]:
            pass  # it comes when the interpreter looks


def test_without_a_way_to_fork_nothing_is_tried_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    on_windows(monkeypatch, [connection])
    assert not connection._can_be_started()


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_what_only_linux_has_is_done_without(platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kishu_kernel.frontend.kernel import spare
    from kishu_kernel.frontend.shell import remote_courier

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sandbox, "_forbid_unheard", lambda: None)  # else this process could not run tests any more
    assert inherited_memory._functions() is None
    assert sandbox.confine() is False
    assert not spare.can_be_kept()
    assert not handover.hand_over([], tmp_path, tmp_path / "key", 1.0)
    on_windows(monkeypatch, [remote_courier])
    courier = object.__new__(remote_courier.RemoteCourier)  # it asks nothing of itself there
    assert "use `jupyter kishu push`" in str(courier._why_not())
