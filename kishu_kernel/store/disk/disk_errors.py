"""Errors of LMDB and of the disk as sentences for a person.

Law: every sentence names the store and the way out.
"""

from __future__ import annotations

import errno
from pathlib import Path

import lmdb

from kishu_kernel.errors import StoreError, UnwritableError
from kishu_kernel.store.disk.directory import DATA, growth_error, is_forbidden

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""A full disk, a quota, the longest file that the process or the file system allows."""

_DAMAGED = (
    lmdb.InvalidError,
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.IncompatibleError,
    lmdb.VersionMismatchError,
)


def store_error(path: Path, error: Exception) -> StoreError:
    """The exception to raise for an error of LMDB or of the disk, with a sentence for a person.

    Args:
        path: the store's directory.
    """
    code = getattr(error, "errno", None) or getattr(error, "code", None)
    if code == errno.EIO:
        code = growth_error(path / DATA) or code
    if code in _FULL or isinstance(error, lmdb.DiskError):
        what = "has no room left on its disk: free some space there, and states are stored again"
    elif isinstance(error, lmdb.ReadonlyError) or is_forbidden(error):
        what = "cannot be written: make it writable, or name another store directory"
        return UnwritableError(f"the store at {path} {what}")
    elif isinstance(error, _DAMAGED):
        what = f"is damaged or is not a store ({error}): move it away, or name another directory"
    else:
        what = f"failed: {error}"
    return StoreError(f"the store at {path} {what}")
