"""The directory of a store and the files in it, before LMDB sees them: whose they are, and whether they are whole.

Law: a directory may hold damaged or hostile files, and LMDB trusts what it finds: it follows links, and a map without a
file behind it ends the process (SIGBUS). What LMDB would not survive is refused here, with one sentence.
Neighbours: `environment` opens what was accepted here.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreError, UnwritableError

DATA = "data.mdb"
LOCK = "lock.mdb"
PUSHING = "pushing.lock"
"""Locked by who pushes the store to its remote. Empty; it stays."""

READERS = 126
"""LMDB's default. All who open a store must use the same number."""

_LOCK_SIZE = 8192
"""Of the lock file of so many readers, in every build of LMDB that has 64-byte cache lines."""

_META = struct.Struct("<16xI4x16x96xQQ")
"""The first page of a data file: LMDB's magic number, the last page in use, the last transaction."""
_MAGIC = 0xBEEFC0DE
_PAGE = 4096
"""The smallest page that LMDB uses."""

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}

_POSIX = os.name != "nt"


# --- the directory


def is_forbidden(error: BaseException) -> bool:
    """Whether an error says that a disk or a directory can only be read."""
    code = getattr(error, "errno", None) or getattr(error, "code", None)
    return isinstance(error, PermissionError) or code in _FORBIDDEN


def make_private(path: Path) -> None:
    """As `make`. Take the permissions of others from a directory that exists."""
    make(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if _POSIX and mode & 0o077:
            with suppress(PermissionError):  # root's: file systems without owners look like that
                path.chmod(mode & 0o700)
    except OSError as error:
        raise StoreError(f"the store directory {path} cannot be looked at ({error})") from error


def make(path: Path) -> None:
    """Create a directory for this user only, with missing parents. One that exists stays as open as it is.

    Raises:
        UnwritableError: it cannot be created, as the place can only be read.
        StoreError: it cannot be created, or belongs to somebody else.
    """
    try:
        for place in make_missing(path):
            sync_directory(place.parent)
        check_owner(path)
    except OSError as error:
        kind = UnwritableError if is_forbidden(error) else StoreError
        raise kind(f"the store directory {path} cannot be created ({error})") from error


def make_missing(path: Path) -> list[Path]:
    """Create a directory and its parents where they are missing, for this user only. Returns those that were created.

    Raises:
        OSError: one cannot be created.
    """
    missing = [place for place in (path, *path.parents) if not place.exists()][::-1]
    for place in missing:
        place.mkdir(0o700, exist_ok=True)  # another process may be doing the same
        place.chmod(0o700)  # whatever the umask left of it
    return missing


def make_file_private(descriptor: int) -> None:
    """Give a new file the permissions 0600, whatever the umask left of them."""
    if hasattr(os, "fchmod"):
        with suppress(OSError):  # there are file systems without permissions
            os.fchmod(descriptor, 0o600)


def check_owner(path: Path) -> None:
    """Refuse a directory, or a link to one, that another user could replace.

    Raises:
        StoreError: it belongs to neither this user nor root.
        OSError: it is no directory, or cannot be looked at.
    """
    if not stat.S_ISDIR(path.stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if not _POSIX:
        return
    root = os.geteuid() == 0  # works in directories of others, of which containers are full; links are another matter
    facts = ([path.lstat()] if path.is_symlink() else []) + ([] if root else [path.stat()])
    if any(fact.st_uid not in (os.geteuid(), 0) for fact in facts):
        raise StoreError(f"the store directory {path} belongs to another user: name another directory")


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (fsync), where the platform can. Never raises."""
    with suppress(OSError):  # not every system can open or sync a directory
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- its files


def check_files(path: Path) -> None:
    """Refuse links and special files in the place of a store's files: LMDB would follow them, and write there.

    Raises:
        StoreError: there is one.
    """
    for name in (DATA, LOCK):
        with suppress(FileNotFoundError):
            mode = (path / name).lstat().st_mode
            if not stat.S_ISREG(mode):
                what = "a link" if stat.S_ISLNK(mode) else "no plain file"
                raise StoreError(
                    f"{path / name} is {what}, and stores are not read through those: "
                    "put the file itself there, or name another store directory"
                )


def close_files(path: Path, new: bool) -> None:
    """Take from other users the permissions that the umask or copying gave them.

    Args:
        new: the data file was just created.
    """
    for name in (DATA, LOCK):
        file = path / name
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(file.stat().st_mode)
            wanted = 0o600 if new or name == LOCK else mode & 0o600
            if mode != wanted:
                file.chmod(wanted)


def has_data(path: Path) -> bool:
    """Whether there is a data file that is not empty."""
    with suppress(OSError):
        return (path / DATA).stat().st_size > 0
    return False


def create_data(path: Path) -> None:
    """Create an empty data file where there is none, or one to which nothing was ever committed.

    A full disk or a kill at the very first moment leaves such a file, and LMDB would refuse it for ever. LMDB itself
    would create a file that the umask can keep it from opening again. No process may have the file open.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    if _unfinished(path / DATA):
        (path / DATA).unlink()
    os.close(_opened(path / DATA))


def reserve_lock(path: Path) -> None:
    """Allocate the lock file: LMDB writes to it through a map, where a full disk is a SIGBUS.

    This process must not have it open: closing a file ends the POSIX locks that the process has on it.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    descriptor = _opened(path / LOCK)
    try:
        if hasattr(os, "posix_fallocate"):
            _allocate(descriptor, 0, _LOCK_SIZE)
        elif not os.fstat(descriptor).st_size:
            os.write(descriptor, bytes(_LOCK_SIZE))
    finally:
        os.close(descriptor)


def check_size(path: Path, needed: int, size: int) -> None:
    """Refuse a data file that is shorter than LMDB expects.

    Args:
        needed: bytes up to the end of the last page in use.
        size: bytes that it has.

    Raises:
        StoreError: it is shorter.
    """
    if size < needed:
        raise StoreError(
            f"the store at {path} was cut short: {DATA} has {size} bytes of {needed}. "
            "Put a whole copy in its place, or move the directory away to begin a new one"
        )


def _opened(file: Path) -> int:
    """A descriptor of a file, which is created for this user only where it is missing."""
    flags = os.O_RDWR | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
    try:
        descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(file, flags)
    make_file_private(descriptor)
    return descriptor


def _unfinished(data: Path) -> bool:
    """Whether a data file was begun, and nothing was ever committed to it."""
    try:
        with data.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(_META.size)
    except FileNotFoundError:
        return False
    if not 0 < size < 2 * _PAGE:
        return False
    magic, last_page, transaction = _META.unpack(head.ljust(_META.size, b"\0"))
    return not any(head) or (magic == _MAGIC and last_page <= 1 and transaction == 0)


# --- the disk


def growth_error(data: Path) -> int | None:
    """The errno with which the disk refuses to let a data file grow; None where it lets it grow (by 64 KiB).

    LMDB reports every incomplete write as an input/output error; asked again, the disk says what stopped it.
    """
    if not hasattr(os, "posix_fallocate"):
        return errno.ENOSPC if _free(data.parent) < _LITTLE else None
    try:
        descriptor = os.open(data, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return error.errno
    try:  # allocating overwrites nothing, even if somebody writes there at this moment
        _allocate(descriptor, os.fstat(descriptor).st_size, 1 << 16)
    except OSError as error:
        return error.errno
    finally:
        os.close(descriptor)
    return errno.ENOSPC if _free(data.parent) < _LITTLE else None


_LITTLE = 1 << 20
"""With fewer free bytes an input/output error is taken for a full disk."""


def _free(path: Path) -> int:
    with suppress(OSError):
        return shutil.disk_usage(path).free
    return 0


def _allocate(descriptor: int, start: int, length: int) -> None:
    """Allocate a part of a file. OSError where there is no room; does nothing where the file system cannot."""
    try:
        os.posix_fallocate(descriptor, start, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV):
            raise


def disk_bytes(path: Path) -> int:
    """The bytes that a file occupies on the disk (LMDB's may be sparse). 0 where there is none."""
    with suppress(OSError):
        facts = path.stat(follow_symlinks=False)
        blocks = getattr(facts, "st_blocks", None)
        return facts.st_size if blocks is None else int(blocks) * 512
    return 0
