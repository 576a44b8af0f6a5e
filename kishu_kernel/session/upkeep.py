"""Which stores of a user nobody will go back to: they may go, by their age or where all occupy too much.

Law: by itself only what a kernel without a notebook has left goes, and of that nothing with a name: a tag, a branch or
a message of a person. Nothing goes that a running kernel uses, and nothing of which this cannot be told.
Neighbours: `store.catalog.removal` removes one; `frontend.shell.store_fate` and the command line ask.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.history.targets import BRANCH, HEAD, TAG
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.store.base import Store

DAY = 86400.0
MAX_AGE = 30 * DAY
"""Seconds since a store was last used, after which it may go."""

_OF_ITSELF = re.compile(r"main(-\d+)?|branch-\d+|fork-[0-9a-f]+(-\d+)?")
"""Names of branches that no person has given."""


@dataclass(frozen=True, slots=True)
class UpkeepRules:
    """What may go.

    Attributes:
        max_age: seconds since it was last used; None: none goes for its age.
        limit: bytes that all stores may occupy; None: no limit.
        everything: also histories of notebooks, and those with names.
    """

    max_age: float | None = MAX_AGE
    limit: int | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """What has gone: how many stores, and their bytes."""

    stores: int = 0
    bytes: int = 0


def has_name(store: Store) -> bool:
    """Whether a person has given a name to something in a history: a tag, a branch, a message. O(checkpoints)."""
    for name in store.refs():
        if name.startswith(TAG) or (name.startswith(BRANCH) and not _OF_ITSELF.fullmatch(name[len(BRANCH) :])):
            return True
    return any(each.message is not None for each in store.checkpoints(outputs=False))


def is_of_one_session(store: Store) -> bool:
    """Whether no more than one session, or fork, has ever been in a history."""
    return sum(name.startswith(HEAD) for name in store.refs()) <= 1


def removable(base: Path, rules: UpkeepRules, should_stop: Callable[[], bool] = lambda: False) -> list[Path]:
    """The stores that may go, the one first that was not used for longest. Each that may is opened, to look for names.

    Args:
        should_stop: says whether to leave it at those that were found.
    """
    from kishu_kernel.store.catalog.assignment import list_stores
    from kishu_kernel.store.catalog.removal import is_live
    from kishu_kernel.store.catalog.running_kernels import live_kernels

    now, listings, kernels = time.time(), list_stores(base), live_kernels()
    total = sum(each.bytes for each in listings)
    found: list[Path] = []
    for each in reversed(listings):
        old = rules.max_age is not None and now - each.used > rules.max_age
        over = rules.limit is not None and total > rules.limit
        if not (old or over) or should_stop():
            break  # all others were used later
        if (rules.everything or (each.is_nobodys and not _may_have_name(each.path))) and not is_live(each, kernels):
            found.append(each.path)
            total -= each.bytes
    return found


def tidy(base: Path, rules: UpkeepRules, should_stop: Callable[[], bool]) -> Removed:
    """Removes what may go, once a day whoever asks. What cannot be removed now stays until then."""
    from kishu_kernel.store.catalog.paths import last_look
    from kishu_kernel.store.catalog.removal import remove_store
    from kishu_kernel.store.disk.directory import make_missing

    mark = last_look(base)
    gone: list[int] = []
    with suppress(OSError):
        if time.time() - mark.stat().st_mtime < DAY:
            return Removed()
    for path in removable(base, rules, should_stop):
        if should_stop():
            return _counted(gone)  # the next one goes on
        with suppress(StoreError):
            gone.append(remove_store(path))
    with suppress(OSError):
        make_missing(mark.parent)
        mark.touch(0o600)
        mark.chmod(0o600)  # whatever the umask left of it
    return _counted(gone)


def _counted(bytes: Sequence[int]) -> Removed:
    return Removed(len(bytes), sum(bytes))


def _may_have_name(path: Path) -> bool:
    from kishu_kernel.store.lmdb_store import LmdbStore

    try:
        store = LmdbStore(path, readonly=True)
    except StoreError:  # damaged, or of another version: nobody knows
        return True
    try:
        return has_name(store)
    except (StoreError, ValueError, KeyError):
        return True
    finally:
        store.close()
