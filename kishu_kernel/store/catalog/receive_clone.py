"""Where the clone of a remote goes: to a notebook that has no history yet, or among the stores.

Law: as in `receive_bundle`. Neighbours: `remote.clone` makes the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import KishuError
from kishu_kernel.store.catalog.assignment import list_stores
from kishu_kernel.store.catalog.paths import slug
from kishu_kernel.store.catalog.receive_bundle import cleared_place, free_place, give_to
from kishu_kernel.store.remote.clone import Choose, clone
from kishu_kernel.store.remote.holdings import check_known
from kishu_kernel.store.remote.link import Link, remote_of
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.pull import Progress, Pulled
from kishu_kernel.store.remote.recipients import opened


def receive_clone(
    base: Path,
    objects: Objects,
    notebook: str | None = None,
    progress: Progress | None = None,
    choose: Choose | None = None,
    after: str = "",
) -> tuple[Path, Pulled]:
    """Make a store of a remote, in `base`. O(bytes).

    Args:
        notebook: the one whose history it becomes; None for none.
        choose: as of `clone`.
        after: as of `check_known`.

    Returns:
        The directory of the store, and what is in it.

    Raises:
        RequestError: the notebook has a history.
        RemoteError: the remote cannot be read, or holds nothing, or less than a store in `base` has seen there.
        StoreError: a process has the notebook's own, empty store open, or the disk failed.
    """
    check_known(opened(objects, None), _links(base, objects.url), after)
    name = slug(objects.url.rstrip("/").rpartition("/")[2])
    path = free_place(base, name) if notebook is None else cleared_place(base, notebook)
    found = clone(objects, path, progress, choose)
    if notebook is not None:
        give_to(path, notebook)
    return path, found


def _links(base: Path, url: str) -> Iterator[Link]:
    """What the stores in a directory know of a remote."""
    for each in list_stores(base):
        with suppress(KishuError):
            link = remote_of(each.path)
            if link is not None and link.url == url:
                yield link
