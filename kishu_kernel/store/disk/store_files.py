"""Whole stores as files: compact, copy, remove.

Law: a file gets its final name when it is complete and on the disk, never before. No file is replaced or removed while
a process has it open.
Neighbours: `environment_pool` opens stores; `catalog.assignment` decides what is copied where.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb

from kishu_kernel.errors import StoreError
from kishu_kernel.store.disk import directory, environment_pool, integrity
from kishu_kernel.store.disk.directory import DATA, LOCK, PUSHING
from kishu_kernel.store.disk.disk_errors import store_error
from kishu_kernel.store.disk.environment import MAX_TABLES
from kishu_kernel.store.disk.locks import FileLock

_NEW = DATA + ".new"


def compact(path: Path) -> tuple[int, int]:
    """Give the free space in a store back to the disk. O(bytes of the store); needs as many free bytes meanwhile.

    Returns:
        The bytes that its data file occupied before, and occupies now.

    Raises:
        StoreError: a process has it open, this one or another; or there is none; or the disk fails.
            The store is as it was.
    """
    with exclusively(path) as place:
        data, new = place / DATA, place / _NEW
        before = directory.disk_bytes(data)
        new.unlink(missing_ok=True)  # of a compaction that was killed
        try:
            integrity.verify(place)
            directory.reserve_lock(place)
            env = lmdb.Environment(
                str(place),
                readonly=True,
                create=False,
                max_dbs=MAX_TABLES,
                max_readers=directory.READERS,
            )
            try:
                with _complete(new) as file:
                    env.copyfd(file, compact=True)
            finally:
                env.close()
            if directory.disk_bytes(new) < before:
                os.replace(new, data)
                directory.sync_directory(place)
        finally:
            new.unlink(missing_ok=True)
        return before, directory.disk_bytes(data)


def copy(source: Path, target: Path) -> None:
    """Copy a store into a directory that has none. O(bytes of the store). The source may be in use.

    Raises:
        StoreError: the source cannot be read, or the target not be written, or has a store.
    """
    directory.make_private(target)
    directory.check_files(target)
    if (target / DATA).exists():
        raise StoreError(f"there is a store at {target} already: name another directory")
    opened = environment_pool.acquire(source)  # brings older formats to ours
    new = target / _NEW
    try:
        new.unlink(missing_ok=True)
        with _complete(new) as file:
            opened.copy(file)
        os.replace(new, target / DATA)
        directory.sync_directory(target)
    except OSError as error:
        raise store_error(target, error) from error
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        environment_pool.release(opened)


def is_empty(path: Path) -> bool:
    """Whether a directory holds no checkpoint, or no store at all.

    Raises:
        StoreError: there is a store that cannot be read.
    """
    if not (path / DATA).exists():
        return True
    opened = environment_pool.acquire(path)
    try:
        with opened.reading() as txn:
            return not txn.stat(opened.tables["checkpoints"])["entries"]
    finally:
        environment_pool.release(opened)


def remove(path: Path, *others: str) -> None:
    """Remove a store and its directory.

    Args:
        others: names of other files to remove with it. Where any other file is left, the directory stays.

    Raises:
        StoreError: a process has it open, or it cannot be removed.
    """
    with exclusively(path) as place:
        for name in (DATA, LOCK, _NEW, PUSHING, *others):
            (place / name).unlink(missing_ok=True)
        integrity.forget_verified(place)
        with suppress(OSError):
            place.rmdir()
            if path.is_symlink():  # where it led is nothing any more, and a new store could not be made there
                path.unlink()


@contextmanager
def exclusively(path: Path) -> Iterator[Path]:
    """The real path of a store that nobody has open, and that nobody can open within this context.

    Raises:
        StoreError: there is no store, a process has it open, or LMDB or the disk fails within the context.
    """
    place = Path(os.path.realpath(path))
    if not (place / DATA).is_file():
        raise StoreError(f"there is no store at {path}")
    if environment_pool.is_open(place):
        raise StoreError(f"the store at {path} is open in this very process: close it, or do this from a terminal")
    try:
        lock = FileLock(place)
    except OSError as error:
        raise store_error(place, error) from error
    try:
        if not lock.try_lock(True):
            raise StoreError(f"the store at {path} is in use: shut down the kernels that have it open, and try again")
        directory.check_files(place)
        yield place
    except (lmdb.Error, OSError) as error:
        raise store_error(place, error) from error
    finally:
        lock.close()


@contextmanager
def _complete(new: Path) -> Iterator[int]:
    """The descriptor of a new file, for this user only. At the end of the context its content is on the disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(new, flags, 0o600)
    try:
        directory.make_file_private(file)
        yield file
        os.fsync(file)
    finally:
        os.close(file)
