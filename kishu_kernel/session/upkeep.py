"""Which stores of a user nobody will go back to: they may go, by their age or where all occupy too much.

Law: by itself only what a kernel without a notebook has left goes, and of that nothing with a name: a tag, a branch or
a message of a person. Nothing goes that a running kernel uses, and nothing of which this cannot be told.
Neighbours: `store.catalog.removal` removes one; `frontend.shell.store_fate` and the command line ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.history.targets import BRANCH, HEAD, TAG
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.model.pattern import pattern
from kishu_kernel.model.storage import DAY, MAX_AGE
from kishu_kernel.store.base import Store

_OF_ITSELF = pattern(r"main(-\d+)?|branch-\d+|fork-[0-9a-f]+(-\d+)?")
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


def has_name(store: Store) -> bool:
    """Whether a person has given a name to something in a history: a tag, a branch, a message. O(checkpoints)."""
    for name in store.refs():
        if name.startswith(TAG) or (name.startswith(BRANCH) and not _OF_ITSELF.fullmatch(name[len(BRANCH) :])):
            return True
    return any(each.message is not None for each in store.checkpoints(outputs=False))


def is_of_one_session(store: Store) -> bool:
    """Whether no more than one session, or fork, has ever been in a history."""
    return sum(name.startswith(HEAD) for name in store.refs()) <= 1


def removable(base: Path, rules: UpkeepRules) -> list[Path]:
    """The stores that may go, the one first that was not used for longest. Each is opened, to look for names."""
    return [path for path in _looked_at(base, rules) if path is not None]


def _looked_at(base: Path, rules: UpkeepRules) -> Iterator[Path | None]:
    """Looks at one store after the other: yields it if it may go, else None."""
    from kishu_kernel.store.catalog.assignment import list_stores
    from kishu_kernel.store.catalog.removal import is_live
    from kishu_kernel.store.catalog.running_kernels import live_kernels

    now, listings, kernels = time.time(), list_stores(base), live_kernels()
    total = sum(each.bytes for each in listings)
    for each in reversed(listings):
        old = rules.max_age is not None and now - each.used > rules.max_age
        over = rules.limit is not None and total > rules.limit
        if not (old or over):
            break  # all others were used later
        if (rules.everything or (each.is_nobodys and not _may_have_name(each.path))) and not is_live(each, kernels):
            total -= each.bytes
            yield each.path
        else:
            yield None


def tidy(base: Path, rules: UpkeepRules, should_stop: Callable[[], bool]) -> Iterator[int]:
    """Removes what may go, once a day whoever asks. What cannot be removed now stays until then.

    Where the last look was long ago, or is to come, nothing goes for its age: the clock may have jumped, and who comes
    back after weeks has a day to look for what there is.

    Args:
        should_stop: asked after each store that was looked at: the next one who asks goes on, if any has gone.

    Yields:
        Of each that has gone, its bytes.
    """
    from kishu_kernel.store.catalog.paths import last_look
    from kishu_kernel.store.catalog.removal import remove_store
    from kishu_kernel.store.disk.directory import make_missing
    from kishu_kernel.store.maintenance.new_store import remove_unfinished

    mark = last_look(base)
    any_gone = False
    with suppress(OSError):
        ago = time.time() - mark.stat().st_mtime
        if 0 <= ago < DAY:
            return
        if not 0 <= ago <= MAX_AGE:
            rules = replace(rules, max_age=None)
    remove_unfinished(base)
    for path in _looked_at(base, rules):
        if path is not None:
            with suppress(StoreError):
                removed = remove_store(path)
                any_gone = True
                yield removed
        if should_stop():
            if any_gone:
                return
            break
    with suppress(OSError):
        make_missing(mark.parent)
        mark.touch(0o600)
        mark.chmod(0o600)  # whatever the umask left of it


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
