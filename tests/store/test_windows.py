"""What Windows and macOS lack is done without: the branches for them, run here over an `os` that lacks it, too.

What can only be seen there, CI's workflow sees there.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kishu_kernel.process import inherited_memory
from kishu_kernel.session.checker import sandbox
from kishu_kernel.store.catalog import elsewhere, filesystems
from kishu_kernel.store.disk import directory, integrity, locks
from kishu_kernel.store.format import key_files, signing
from kishu_kernel.store.maintenance import fsck
from kishu_kernel.store.write_behind import handover

_POSIX_ONLY = frozenset(
    {
        *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fchmod", "fork", "geteuid", "getuid"),
        *("memfd_create", "posix_fallocate", "pread"),
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


@pytest.mark.usefixtures("windows")
def test_locks_where_directories_cannot_be_opened(tmp_path: Path) -> None:
    """LMDB's own locks remain."""
    as_there = runpy.run_path(str(locks.__file__))  # which functions there are is decided when it is imported
    assert as_there["_lock"](0, True)
    as_there["_unlock"](0)
    of_directory = locks.FileLock(tmp_path)
    assert of_directory.try_lock(exclusive=True)
    of_directory.unlock()
    of_directory.close()
    (tmp_path / "data").write_bytes(b"abc")
    writer = locks.WriterLock(tmp_path / "data")
    with writer.hold():
        assert writer.is_held
        assert writer.read_start(2) == b"ab"
    writer.close()


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
