"""The user's key: made once, for this user only, and never taken from somebody else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.store.format.signing import KEY_FILE, KEY_SIZE, SIGNATURE_SIZE, Signer, key_path, user_signer

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
root = os.name != "nt" and os.geteuid() == 0


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the key will be, two directories that do not exist deep."""
    path = tmp_path / "new" / "kishu" / "key"
    monkeypatch.setenv(KEY_FILE, str(path))
    return path


def same(one: Signer, other: Signer) -> bool:
    return one.sign(b"x") == other.sign(b"x")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- marks


def test_a_mark_holds_for_what_it_was_made_of_only() -> None:
    signer = Signer(b"k" * KEY_SIZE)
    mark = signer.sign(b"checkpoints", b"key", memoryview(b"body"))
    assert len(mark) == SIGNATURE_SIZE
    assert signer.verifies(memoryview(mark), b"checkpoints", b"key", b"body")
    for parts in (
        (b"versions", b"key", b"body"),
        (b"checkpoints", b"keyb", b"ody"),
        (b"checkpoints", b"key", b"body", b""),
        (b"checkpoints", b"keybody"),
        (),
    ):
        assert not signer.verifies(mark, *parts)
    assert not Signer(b"K" * KEY_SIZE).verifies(mark, b"checkpoints", b"key", b"body")


@pytest.mark.parametrize("mark", [b"", bytes(SIGNATURE_SIZE), bytes(99)])
def test_what_is_no_mark_holds_for_nothing(mark: bytes) -> None:
    assert not Signer(b"k" * KEY_SIZE).verifies(mark, b"x")


def test_an_array_is_its_bytes() -> None:
    signer = Signer(b"k" * KEY_SIZE)
    wide = memoryview(bytes(range(16))).cast("d")
    assert signer.sign(wide) == signer.sign(bytes(range(16)))


def test_the_key_shows_nowhere() -> None:
    key = b"secret-secret-secret-secret-key!"
    assert b"secret" not in repr(vars(type(Signer(key))) | {"it": repr(Signer(key))}).encode()


# --- the file


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o377, 0o777])
def test_a_key_is_made_once_for_this_user_only(key: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        signer = user_signer()
    finally:
        os.umask(old)
    assert signer.persistent
    assert same(signer, user_signer())
    assert len(key.read_bytes()) == KEY_SIZE
    assert mode(key) == 0o600
    assert mode(key.parent) == mode(key.parent.parent) == 0o700
    assert os.listdir(key.parent) == ["key"]


def test_keys_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "one"))
    one = user_signer()
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "other"))
    assert not same(one, user_signer())


@posix
def test_it_lies_in_jupyters_data_directory_in_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_FILE)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    (tmp_path / "kishu").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    assert user_signer().persistent
    assert key_path() == tmp_path / "kishu" / "key"
    assert mode(tmp_path / "kishu") == 0o700
    assert mode(tmp_path) == 0o755  # Jupyter's own


def test_processes_that_start_at_once_end_with_one_key(key: Path) -> None:
    code = """
import sys, time
from kishu_kernel.store.format.signing import user_signer
print("ready", flush=True)
sys.stdin.read(1)
signer = user_signer()
print(signer.persistent, signer.sign(b"x").hex())
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("g")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert said == {f"True {user_signer().sign(b'x').hex()}\n"}
    assert os.listdir(key.parent) == ["key"]


@posix
def test_without_links_too_the_first_one_wins(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*arguments: object) -> None:
        raise PermissionError("this file system has none")

    monkeypatch.setattr(os, "link", no_links)
    assert same(user_signer(), user_signer())
    assert mode(key) == 0o600
    assert os.listdir(key.parent) == ["key"]


# --- what is refused


@posix
@pytest.mark.parametrize("to", ["nothing", "a key", "our own"])
def test_a_link_is_refused_wherever_it_leads(key: Path, tmp_path: Path, to: str) -> None:
    key.parent.mkdir(parents=True)
    target = tmp_path / "target"
    if to == "a key":
        target.write_bytes(bytes(KEY_SIZE))
    elif to == "our own":
        user_signer()
        key.rename(target)
    key.symlink_to(target)
    with pytest.raises(StoreError, match=r"is a link.*jupyter kishu trust"):
        user_signer()
    assert target.exists() == (to != "nothing")


@posix
def test_what_is_no_file_is_refused_and_not_waited_for(key: Path) -> None:
    key.parent.mkdir(parents=True)
    os.mkfifo(key)
    with pytest.raises(StoreError, match="no plain file"):
        user_signer()
    key.unlink()
    key.mkdir()
    with pytest.raises(StoreError, match="no plain file"):
        user_signer()


@pytest.mark.parametrize("size", [0, KEY_SIZE - 1, KEY_SIZE + 1, 1 << 20])
def test_a_key_of_another_length_is_refused(key: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kishu_kernel.store.format.signing._PATIENCE", 0.05)
    key.parent.mkdir(parents=True)
    key.write_bytes(bytes(size))
    with pytest.raises(StoreError, match="32 bytes"):
        user_signer()
    assert key.stat().st_size == size


@posix
@pytest.mark.skipif(not root, reason="only root can give files away")
def test_the_key_of_another_user_is_refused(key: Path) -> None:
    user_signer()
    os.chown(key, 4242, 4242)
    with pytest.raises(StoreError, match="belongs to another user"):
        user_signer()


@posix
@pytest.mark.parametrize("open_to", [0o602, 0o666, 0o777, 0o620, 0o660, 0o664])
def test_a_key_that_others_could_have_chosen_is_refused(key: Path, open_to: int) -> None:
    before = user_signer()
    key.chmod(open_to)
    who = "anybody" if open_to & 0o002 else "a group"
    with pytest.raises(StoreError, match=f"may be written by {who}, .*`chmod 600 .*jupyter kishu trust"):
        user_signer()
    assert mode(key) == open_to  # the user decides
    key.chmod(0o600)
    assert same(before, user_signer())


@posix
@pytest.mark.parametrize("open_to", [0o702, 0o777, 0o720, 0o770, 0o775])
@pytest.mark.parametrize("there", [True, False])
def test_a_key_that_others_could_exchange_is_refused(key: Path, open_to: int, there: bool) -> None:
    key.parent.mkdir(parents=True)
    if there:
        user_signer()
    key.parent.chmod(open_to)
    who = "anybody" if open_to & 0o002 else "a group"
    with pytest.raises(StoreError, match=f"in a directory that may be written by {who}, .*`chmod go-w "):
        user_signer()
    assert os.listdir(key.parent) == ["key"] * there
    key.parent.chmod(0o755)
    assert user_signer().persistent


@posix
def test_where_nobody_may_touch_what_others_put_a_key_is_safe(key: Path) -> None:
    """As in /tmp."""
    key.parent.mkdir(parents=True)
    key.parent.chmod(0o1777)
    assert same(user_signer(), user_signer())


@posix
@pytest.mark.skipif(not root, reason="only root can give files away")
def test_a_key_in_the_directory_of_another_user_is_refused(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_signer()
    os.chown(key, 4242, 4242)
    os.chown(key.parent, 4243, 4243)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(StoreError, match="lies in a directory of another user"):
        user_signer()
    os.chown(key.parent, 4242, 4242)
    assert user_signer().persistent


@posix
@pytest.mark.parametrize("open_to", [0o640, 0o644, 0o604])
def test_a_key_that_was_opened_is_made_private_again(key: Path, open_to: int) -> None:
    before = user_signer()
    key.chmod(open_to)
    assert same(before, user_signer())
    assert mode(key) == 0o600


# --- where none can be kept


def test_where_it_cannot_be_written_this_process_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "file" / "key"))
    signer = user_signer()
    assert not signer.persistent
    assert same(signer, user_signer())  # stores of one process trust one another


@posix
@pytest.mark.skipif(root, reason="root writes everywhere")
def test_a_directory_that_cannot_be_written(key: Path) -> None:
    key.parent.mkdir(parents=True)
    key.parent.chmod(0o500)
    try:
        assert not user_signer().persistent
    finally:
        key.parent.chmod(0o700)


@posix
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a way to become somebody else")
@pytest.mark.skipif(not root, reason="needs a way to become somebody else")
def test_as_somebody_who_may_not_write_there(tmp_path: Path, key: Path) -> None:
    key.parent.mkdir(parents=True)
    for place in (key.parent, *key.parents[1:4]):
        place.chmod(0o755)
    code = """
import os
from kishu_kernel.store.format.signing import user_signer
os.setgid(4242), os.setuid(4242)
print(user_signer().persistent)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
    assert not key.exists()


@posix
def test_a_disk_that_cuts_a_key_short_leaves_none(key: Path) -> None:
    pytest.importorskip("resource")
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from kishu_kernel.store.format.signing import user_signer
resource.setrlimit(resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
print(user_signer().persistent)
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
    assert os.listdir(key.parent) == []
    assert user_signer().persistent
