"""A store that comes from elsewhere appears whole, by a rename, or not at all.

Neighbours: `bundle_import` fills one from a file, `remote.clone` from a remote.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.store.disk import directory
from kishu_kernel.store.disk.locks import FileLock

UNFINISHED = ".import-"
"""How the directory's name begins while it is filled."""
QUIET = 60.0
"""Seconds without a change after which one that nobody has open was left by a process that was killed."""


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A new directory beside `path`, to be filled; it gets that name at the end, or is removed after an error.

    Raises:
        StoreError: there is something at `path`, or the directory around it belongs to another user.
        OSError: the disk failed.
    """
    if os.path.lexists(path) and not (path.is_dir() and not path.is_symlink() and not os.listdir(path)):
        raise StoreError(f"there is something at {path} already: name another place for the store")
    directory.make_missing(path.parent)
    directory.check_owner(path.parent)  # that it is open to others is somebody's wish: it is left so
    remove_unfinished(path.parent)
    place = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
    try:
        place.chmod(0o700)  # whatever the umask left of it
        yield place
        (place / directory.LOCK).unlink(missing_ok=True)  # of the processes that had it open; that was us
        try:
            os.rename(place, path)
        except OSError as error:  # something has come there meanwhile
            raise StoreError(f"the store cannot be put at {path} ({error.strerror})") from error
        directory.sync_directory(path.parent)
    except StoreError as error:
        if str(place) not in str(error):
            raise
        raise type(error)(str(error).replace(str(place), str(path))) from error  # where that is, nothing is by now
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove_unfinished(base: Path) -> None:
    """Remove what killed processes have left of new stores: no list shows it, and it can be all of a history."""
    for place in base.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # somebody else's, or gone by now
            facts = [each.lstat() for each in (place, *place.iterdir())]
            is_own = not hasattr(os, "geteuid") or facts[0].st_uid == os.geteuid()
            if is_own and time.time() - max(fact.st_mtime for fact in facts) > QUIET:
                with closing(FileLock(place)) as lock:
                    if lock.try_lock(True):  # who fills one has it open
                        shutil.rmtree(place, ignore_errors=True)
