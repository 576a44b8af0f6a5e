"""Whose the files are, and what is refused before LMDB sees it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import directory

from .processes import HEAD, python, succeed
from .values import checkpoint_id, payload, trivial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither modes nor such links")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stores" / "notebook"


def modes(path: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in [path, *path.iterdir()]}


PRIVATE = {"notebook": 0o700, "data.mdb": 0o600, "lock.mdb": 0o600, "whole.json": 0o600}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o377, 0o777])
def test_nobody_else_may_look_whatever_the_umask(path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        store = LmdbStore(path)
        store.commit(trivial(1), [payload(b"s")], {})
        store.close()
        LmdbStore(path).close()
    finally:
        os.umask(old)
    assert modes(path) == PRIVATE
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_others_may_look_at_is_closed(path: Path) -> None:
    LmdbStore(path).close()
    path.chmod(0o755)
    for file in path.iterdir():
        file.chmod(0o666)
    LmdbStore(path).close()
    assert modes(path) == PRIVATE


def test_to_read_changes_no_modes(path: Path) -> None:
    LmdbStore(path).close()
    path.chmod(0o755)
    LmdbStore(path, readonly=True).close()
    assert modes(path) == {**PRIVATE, "notebook": 0o755}


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb"])
@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "directory"])
def test_what_is_no_file_is_refused(path: Path, tmp_path: Path, name: str, what: str) -> None:
    """LMDB would write through a link: a lock file is cut and filled, whatever it was."""
    LmdbStore(path).close()
    (path / name).unlink()
    theirs = tmp_path / "theirs"
    if what == "link":
        theirs.write_text("theirs")
        (path / name).symlink_to(theirs)
    elif what == "dangling":
        (path / name).symlink_to(theirs)
    elif what == "pipe":
        os.mkfifo(path / name)
    else:
        (path / name).mkdir()
    for readonly in (False, True):
        with pytest.raises(StoreError, match="a link" if what in ("link", "dangling") else "no plain file"):
            LmdbStore(path, readonly=readonly)
    if what == "link":
        assert theirs.read_text() == "theirs"
    assert theirs.exists() == (what == "link")


def test_a_data_directory_that_is_a_link_is_fine(path: Path, tmp_path: Path) -> None:
    LmdbStore(path).close()
    (tmp_path / "elsewhere").symlink_to(path.parent)
    (tmp_path / "straight").symlink_to(path)
    for place in (tmp_path / "elsewhere" / "notebook", tmp_path / "straight"):
        store = LmdbStore(place)
        assert not store.contains(checkpoint_id(1))
        store.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_others_could_exchange_is_refused(path: Path, tmp_path: Path) -> None:
    LmdbStore(path).close()
    link = tmp_path / "link"
    link.symlink_to(path)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(StoreError, match="belongs to another user"):
        LmdbStore(link)
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        theirs = Path(place, "theirs")
        theirs.mkdir()
        theirs.chmod(0o777)
        os.chown(theirs, 12345, 12345)
        process = python(
            HEAD
            + """
    from kishu_kernel.store.disk import directory
    os.setuid(65534)
    try:
        directory.make_private(Path(sys.argv[1]))
    except StoreError as error:
        assert "belongs to another user" in str(error), error
    else:
        sys.exit("used")
    """,
            theirs,
        )
        succeed(process)


@pytest.mark.parametrize("content", [b"x", b"garbage" * 1000, bytes(16) + b"\xde\xc0\xef\xbe" * 3000, b"\xff" * 9000])
def test_garbage_is_told_and_left_alone(path: Path, content: bytes) -> None:
    path.mkdir(parents=True)
    (path / "data.mdb").write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"is not a store|not supported"):
            LmdbStore(path)
    assert (path / "data.mdb").read_bytes() == content


def test_a_lock_file_that_is_garbage_is_told_or_mended(path: Path) -> None:
    store = LmdbStore(path)
    store.commit(trivial(1), [payload(b"s")], {})
    store.close()
    for content in (b"", b"x", os.urandom(8192), bytes(8192), b"\xff" * 100_000):
        (path / "lock.mdb").write_bytes(content)
        store = LmdbStore(path)
        assert store.contains(checkpoint_id(1))
        store.commit(trivial(2), [payload(b"s")], {})
        store.close()


def test_the_lock_file_has_its_blocks(path: Path) -> None:
    """A hole in it would be a SIGBUS on a full disk."""
    LmdbStore(path).close()
    (path / "lock.mdb").unlink()
    LmdbStore(path, readonly=True).close()
    size = (path / "lock.mdb").stat().st_size
    assert directory.disk_bytes(path / "lock.mdb") >= size > 0
