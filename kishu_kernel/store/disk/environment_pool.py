"""The open LMDB environments of this process: one per directory, shared by all who use it.

Law: LMDB must never open a directory twice in one process (its POSIX locks belong to the process), and an environment
must not be used after a fork. A forked child forgets all of them.
Neighbours: `environment` is what is shared.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kishu_kernel.errors import StoreError, StoreFormatError
from kishu_kernel.store.disk import directory
from kishu_kernel.store.disk.directory import DATA
from kishu_kernel.store.disk.environment import MAP_SIZE, Environment

_environments: dict[str, tuple[Environment, int]] = {}
_opening = threading.Lock()
_inherited: list[object] = []


def acquire(path: Path, sync: bool = True, map_size: int = MAP_SIZE, readonly: bool = False) -> Environment:
    """The environment of this directory; the first caller opens it. Every caller must `release` it.

    The `sync` and `map_size` of the first caller hold for all. An environment that was opened for reading only is
    opened again for the first caller who wants to write. Callers who asked for reading must not write.

    Raises:
        StoreError: it cannot be opened or created; or it was asked for reading, and there is none.
    """
    if not readonly:
        directory.make_private(path)
    elif not path.is_dir():
        raise StoreError(f"there is no store at {path}")
    key = os.path.realpath(path)
    with _opening:
        environment, users = _environments.get(key) or (Environment(Path(key), sync, map_size, readonly), 0)
        if not readonly:
            environment.allow_writing()
        _environments[key] = environment, users + 1
        return environment


def is_open(path: Path) -> bool:
    """Whether this process has the environment of this directory open."""
    with _opening:
        return os.path.realpath(path) in _environments


def keep_others_out(path: Path) -> bool:
    """As `Environment.keep_others_out`, of one that this process has open. False where it has not."""
    with _opening:
        environment, _ = _environments.get(os.path.realpath(path)) or (None, 0)
        return environment is not None and environment.keep_others_out()


def release(environment: Environment) -> None:
    """Give an environment back. With its last user it is closed. In a forked child this does nothing."""
    if not environment.is_owned():
        return
    key = str(environment.path)
    with _opening:
        users = _environments[key][1] - 1
        _environments[key] = environment, users
        if not users:
            del _environments[key]
            environment.close()


@contextmanager
def opened(path: Path, *, readonly: bool = False) -> Iterator[Environment]:
    """The environment of an existing store, within this context. An older format is migrated, even for reading.

    Raises:
        StoreError: there is none, or it cannot be opened.
    """
    if not (path / DATA).exists():
        raise StoreError(f"there is no store at {path}")
    try:
        environment = acquire(path, readonly=readonly)
    except StoreFormatError:
        environment = acquire(path)  # raises again for a newer format
    try:
        yield environment
    finally:
        release(environment)


def _forget() -> None:
    """In a forked child: the lock may be held by a thread that is not there, and closing would harm the parent."""
    global _opening
    _opening = threading.Lock()
    _inherited.append(dict(_environments))
    for environment, _ in _environments.values():
        environment.release_locks()
    _environments.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget)
