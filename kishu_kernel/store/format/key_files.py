"""Files with keys, read only where nobody else can have chosen what is in them.

Law: a link, a file of another user, one that others may write, or that lies where others may replace it, is refused:
with one sentence, which the caller words, since he knows the way out.
Neighbours: `signing` reads the user's own key, `team_files` those of a team.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreError

Refused = Callable[[Path, str, str], StoreError]
"""Makes the error for a file: given its path, why it is refused, and how that can be mended (or an empty text)."""

_WRITERS = stat.S_IWGRP | stat.S_IWOTH
_READERS = stat.S_IRWXG | stat.S_IRWXO


def opened(path: Path, refused: Refused) -> int:
    """A descriptor of the file, to be closed. OSError where there is none or it cannot be read."""
    # not blocking: a pipe in the key's place would keep us waiting for ever
    flags = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # Linux and macOS; FreeBSD
            raise refused(path, "is a link", "") from error
        if error.errno == errno.ENOENT:  # at this moment: another process may be making it
            raise
        with suppress(OSError):
            facts = os.lstat(path)
            check(path, facts, refused)
            raise refused(path, f"cannot be read ({error.strerror})", "") from error
        raise


def check(path: Path, facts: os.stat_result, refused: Refused, *, shared: bool = False) -> None:
    """Raise what `refused` makes, where somebody else may have chosen what is in this file.

    Args:
        facts: of the file that was opened: the path may name something else by now.
        shared: it may be root's, as what an administrator has written for all.
    """
    if not stat.S_ISREG(facts.st_mode):
        raise refused(path, "is no plain file", "")
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid() and not (shared and facts.st_uid == 0):
        raise refused(path, "belongs to another user", "")
    if os.name != "nt" and facts.st_mode & _WRITERS:
        raise refused(path, _may_be_written(facts), f"if you know that it is yours, `chmod 600 {path}`; else ")


def check_secret(path: Path, facts: os.stat_result, refused: Refused) -> None:
    """Raise what `refused` makes, where others may read this file: the key in it may be known."""
    if os.name != "nt" and facts.st_mode & _READERS:
        raise refused(
            path, "may be read by others", f"if nobody has, `chmod 600 {path}`; else take it back from your team and "
        )


def check_place(path: Path, refused: Refused) -> None:
    """Raise what `refused` makes, where somebody else may replace this file."""
    facts = path.parent.stat()
    if os.name == "nt":
        return
    if facts.st_mode & _WRITERS and not facts.st_mode & stat.S_ISVTX:
        why = f"lies in a directory that {_may_be_written(facts)}"
        raise refused(path, why, f"if you know that it is yours, `chmod go-w {path.parent}`; else ")
    if os.geteuid() != 0 and facts.st_uid not in (os.geteuid(), 0):  # root works in directories of others
        raise refused(path, "lies in a directory of another user", "")


def read(path: Path, most: int, refused: Refused, *, secret: bool = False, shared: bool = False) -> bytes:
    """What is in a file that nobody else can have written. OSError where there is none or it cannot be read.

    Args:
        most: bytes; a longer file is refused.
        secret: nobody else may read it, either.
        shared: as of `check`.
    """
    descriptor = opened(path, refused)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        check(path, facts, refused, shared=shared)
        check_place(path, refused)
        if secret:
            check_secret(path, facts, refused)
        data = file.read(most + 1)
    if len(data) > most:
        raise refused(path, "is far too long", "")
    return data


def make(path: Path, content: bytes) -> None:
    """Write a file for this user only, where there is none. Nobody sees a part of it, where the file system has links.

    Raises:
        FileExistsError: there is one; of several processes the first one wins.
        OSError: it cannot be written. There is none then.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, 0o600)  # whatever the umask left of it
            _write(descriptor, content)
        finally:
            os.close(descriptor)
        _name(name, path, content)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _name(made: str, path: Path, content: bytes) -> None:
    """Give the complete file its final name. FileExistsError where there is such a file."""
    try:
        os.link(made, path)
        return
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):  # no links here: FAT, some network and user file systems
        pass
    # A rename would replace what another process has just made. Who reads at that moment sees a part.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        _write(descriptor, content)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    if os.write(descriptor, content) != len(content):  # a quota or a full disk can cut it short
        raise OSError(errno.ENOSPC, "the disk is full")
    os.fsync(descriptor)


def _may_be_written(facts: os.stat_result) -> str:
    return "may be written by anybody" if facts.st_mode & stat.S_IWOTH else "may be written by a group"
