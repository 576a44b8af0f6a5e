"""LMDB's data file is walked before LMDB opens it, unless it is unchanged since it was last known to be whole.

Law: LMDB never sees a file that was not walked, or that something else than LMDB has written to since. The walk is our
own, with reads that cannot end the process. Its result stands in a file beside the store (`whole.json`), and is valid
as long as inode, size and times of the data file are those that stand there; whoever closes a store renews it.
Neighbours: `untrusted_data_file` walks; `environment` and `store_files` ask before they open.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreDamagedError
from kishu_kernel.store.disk.directory import DATA
from kishu_kernel.store.disk.disk_errors import store_error

VERIFIED_FILE = "whole.json"

_ATTEMPTS = 3
"""Walks over a file that another process may be writing, before what looks like damage is believed."""
_PAUSE = 0.3
_MAX_SIZE = 4096
_LEAST = 8192
"""Bytes of the two meta pages, which every whole file has."""


def find_damage(path: Path, attempts: int = _ATTEMPTS) -> list[str]:
    """What is wrong with the structure of the data file, one clause each; empty where it is whole.

    O(pages of keys): 7 ms for 1 GB in large chunks, 0.35 s for 100,000 small ones.

    Args:
        attempts: walks until damage is believed; 1 where the caller holds the writer's lock.
    """
    from kishu_kernel.store.disk.untrusted_data_file import SUPPORTED, DataFile  # a new store is not looked through

    damage: list[str] = []
    for attempt in range(attempts if SUPPORTED else 0):
        if attempt:
            time.sleep(_PAUSE)
        with DataFile(path / DATA) as image:
            damage = image.walk()
        if not damage:
            break
    return damage


def verify(path: Path, attempts: int = _ATTEMPTS) -> None:
    """Walk the data file. Cost and `attempts` as in `find_damage`.

    Raises:
        StoreDamagedError: LMDB would crash on it, or could.
        StoreError: it cannot be read.
    """
    try:
        damage = find_damage(path, attempts)
    except OSError as error:
        raise store_error(path, error) from error
    if damage:
        more = f", and {len(damage) - 1:,} more places" if len(damage) > 1 else ""
        raise StoreDamagedError(
            f"the store at {path} is damaged or is not a store ({damage[0]}{more}): "
            f"`jupyter kishu fsck --repair {path}` saves what can be read, "
            "or move the directory away to begin a new one"
        )


def check_not_emptied(path: Path) -> None:
    """Refuse a data file that was emptied: LMDB would begin a new store in it, and nobody would notice the loss.

    Raises:
        StoreDamagedError: it has less than its meta pages, and was known to be whole.
    """
    try:
        size = (path / DATA).stat(follow_symlinks=False).st_size
    except OSError:  # a file that was removed, was removed on purpose
        return
    if size < _LEAST and (path / VERIFIED_FILE).exists():
        raise StoreDamagedError(
            f"the store at {path} was emptied: {DATA} has {size} bytes left. "
            "Put a whole copy in its place, or move the directory away to begin a new one"
        )


def is_verified(path: Path) -> bool:
    """Whether the data file is unchanged since it was last known to be whole. O(1)."""
    return _read_verified(path) is not None


def is_free_of_orphans(path: Path) -> bool:
    """Whether it is unchanged, and held no orphans then. O(1)."""
    verified = _read_verified(path)
    return verified is not None and verified.get("tidy") is True


def record_verified(path: Path, free_of_orphans: bool) -> None:
    """Record that the data file is whole as it is now. Never raises: without the record it is walked again."""
    new = path / f"{VERIFIED_FILE}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with suppress(OSError):
        content = json.dumps({"facts": _facts(path), "tidy": free_of_orphans})
        descriptor = os.open(new, flags, 0o600)
        try:
            if os.name != "nt":
                os.fchmod(descriptor, 0o600)  # whatever the umask left of it
            os.write(descriptor, content.encode())
        finally:
            os.close(descriptor)
        os.replace(new, path / VERIFIED_FILE)


def forget_verified(path: Path) -> None:
    """Remove the record."""
    for name in (VERIFIED_FILE, f"{VERIFIED_FILE}.new"):
        (path / name).unlink(missing_ok=True)


def _read_verified(path: Path) -> dict[str, object] | None:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    with suppress(OSError, ValueError, RecursionError):
        descriptor = os.open(path / VERIFIED_FILE, flags)
        try:
            content = json.loads(os.read(descriptor, _MAX_SIZE))
        finally:
            os.close(descriptor)
        if isinstance(content, dict) and content.get("facts") == _facts(path):
            return content
    return None


def _facts(path: Path) -> list[int]:
    facts = (path / DATA).stat(follow_symlinks=False)
    return [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
