"""The user's key, and the HMAC signatures under it that show that this user wrote what a store holds.

Law: loading a payload runs code, so nothing is loaded that this user has not signed. The key never leaves its file and
this process's memory: it is in no store, bundle, message or `repr`.
Neighbours: `team` and `seals` have what shows to others who wrote; `user_signer` puts both together.

The key is 32 random bytes in `<Jupyter data directory>/kishu/key`, or in the file that the environment variable
KISHU_KEY_FILE names. A key that somebody else could have chosen is refused: a link, a file of another user, a file that
others may write (a group, too), or one in a directory where others may replace it. A key that others may only read is
made private again, as nbformat does with its own: backups and copies open files to readers all the time. Whoever doubts
a key deletes it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import StoreError
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.format import key_files
from kishu_kernel.store.format.signing_policy import MODE, SigningPolicy, policy_of_environment, with_mode

if TYPE_CHECKING:
    from kishu_kernel.store.format.team import Team

KEY_SIZE = 32
SIGNATURE_SIZE = 16
KEY_FILE = "KISHU_KEY_FILE"

_LARGE = 1 << 14
"""Bytes. Shorter parts are put together: a thousand small variables are a thousand signatures."""

_PATIENCE = 2.0
"""Seconds for another process to finish writing a key, where the file system has no links."""


class Signer:
    """Makes and checks signatures. Safe from any thread.

    Attributes:
        persistent: false where the key is gone with this process: what it signs, no later one will trust.
        team: whose seals count, beside these signatures; None where none do.
    """

    __slots__ = ("_blank", "persistent", "team")

    def __init__(self, key: bytes, *, persistent: bool = True, team: Team | None = None) -> None:
        self._blank = hmac.new(key, digestmod=hashlib.sha256)
        self.persistent = persistent
        self.team = team

    def sign(self, *parts: bytes | memoryview) -> bytes:
        """The signature of some parts: `SIGNATURE_SIZE` bytes that only the holder of the key can make. O(bytes).

        ("ab", "c") and ("a", "bc") have different signatures.

        Args:
            parts: bytes or contiguous views.
        """
        code = self._blank.copy()
        message: list[bytes | memoryview] = []
        for part in parts:
            size = part.nbytes if isinstance(part, memoryview) else len(part)
            message += size.to_bytes(8, "little"), part
            if size > _LARGE:  # is not copied
                code.update(b"".join(message[:-1]))
                code.update(message[-1])
                message.clear()
        code.update(b"".join(message))
        return code.digest()[:SIGNATURE_SIZE]

    def verifies(self, signature: bytes | memoryview, *parts: bytes | memoryview) -> bool:
        """Whether this is the signature of these parts. The time that it takes says nothing about the right one."""
        return hmac.compare_digest(bytes(signature), self.sign(*parts))


def user_signer() -> Signer:
    """The signer of this user, with the key in the key file, which is created where there is none.

    Where it cannot be created, the signer is not `persistent`: it is one for all stores of this process.

    Raises:
        StoreError: somebody else may have chosen the key that is there, or a key of his team is refused.
    """
    path = key_path()
    team = _team()
    try:
        return Signer(_read(path), team=team)
    except OSError:
        pass
    try:
        _make(path)
        return Signer(_read(path), team=team)
    except OSError:
        return _temporary_signer(team)


def signing_policy() -> SigningPolicy:
    """Whose signatures count: what `choose` was told, else what the environment says."""
    return _decided[0] if _decided else policy_of_environment(key_path().parent)


def choose(mode: str, trusted: tuple[str, ...]) -> None:
    """Take what a person chose for this process, at its start.

    Args:
        mode: off, on, strict; empty: as the environment says.
        trusted: public keys, or files of them, instead of those that the environment names; empty: those.

    Raises:
        StoreError: there is no such mode.
    """
    found = policy_of_environment(key_path().parent)
    if trusted:
        found = replace(found, trusted=trusted)
    _decided[:] = [with_mode(found, mode or os.environ.get(MODE, ""))]


def _team() -> Team | None:
    policy = signing_policy()
    if policy.mode == "off":
        return None
    from kishu_kernel.store.format.team_files import read_team

    return read_team(policy)


_decided: list[SigningPolicy] = []


def key_path() -> Path:
    """The file of this user's key, which need not exist."""
    named = os.environ.get(KEY_FILE)
    if named:
        return Path(named)
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kishu" / "key"


# --- reading


def _read(path: Path) -> bytes:
    """The key. OSError where there is none or it cannot be read; StoreError where it must not be used."""
    descriptor = key_files.opened(path, _refused)
    try:
        facts = os.fstat(descriptor)
        key_files.check(path, facts, _refused)
        key_files.check_place(path, _refused)
        if os.name != "nt" and facts.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        return _content(path, descriptor)
    finally:
        os.close(descriptor)


def _content(path: Path, descriptor: int) -> bytes:
    deadline = time.monotonic() + _PATIENCE
    while True:
        key = os.pread(descriptor, KEY_SIZE + 1, 0) if hasattr(os, "pread") else os.read(descriptor, KEY_SIZE + 1)
        if len(key) == KEY_SIZE:
            return key
        if len(key) > KEY_SIZE or time.monotonic() > deadline or not hasattr(os, "pread"):
            raise _refused(path, f"does not have {KEY_SIZE} bytes")
        time.sleep(0.01)


def _refused(path: Path, why: str, mending: str = "") -> StoreError:
    return StoreError(
        f"the key {path} {why}, so it is not used: {mending}remove it, and a new one is made, after which "
        f"`jupyter kishu trust` accepts the stores that you know; or name another file in {KEY_FILE}"
    )


# --- making


def _make(path: Path) -> None:
    """Create a key where there is none. Of several processes the first one wins.

    Raises:
        OSError: it cannot be written.
        StoreError: somebody else could replace it there.
    """
    _make_directory(path)
    key_files.check_place(path, _refused)
    with suppress(FileExistsError):  # another process was faster: its key it is
        key_files.make(path, secrets.token_bytes(KEY_SIZE))


def _make_directory(path: Path) -> None:
    """Create missing directories for this user only. Our own directory is made private even where it exists."""
    missing = [place for place in path.parents if not place.exists()]
    for place in reversed(missing):
        place.mkdir(0o700, exist_ok=True)  # another process may be doing the same
        place.chmod(0o700)
    if not os.environ.get(KEY_FILE) and not path.parent.is_symlink():
        path.parent.chmod(0o700)


_temporary: list[bytes] = []
_lock = threading.Lock()


def _temporary_signer(team: Team | None) -> Signer:
    """A signer with a random key, one for all stores of this process."""
    with _lock:
        if not _temporary:
            _temporary.append(secrets.token_bytes(KEY_SIZE))
        return Signer(_temporary[0], persistent=False, team=team)


def _forget() -> None:
    """In a forked child: the lock may be held by a thread that is not there."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget)
