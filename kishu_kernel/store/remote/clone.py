"""A remote's history made into a new store, which appears whole.

Neighbours: `pull` fills it; `catalog.receive_clone` says where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.maintenance.new_store import appearing
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.pull import Progress, Pulled, pull

Choose = Callable[[Path], Collection[Version]]
"""Given a store that has all records and no values, says whose values to bring."""


def clone(objects: Objects, path: Path, progress: Progress | None = None, choose: Choose | None = None) -> Pulled:
    """Make a store of a remote. O(bytes). The remote is its own from then on.

    Args:
        path: of the new store; there is none yet.
        choose: says what to bring; None: all.

    Raises:
        RemoteError: as of `pull`. Nothing is left behind.
        StoreError: there is something at `path`, or the disk failed. Nothing is left behind.
    """
    try:
        with appearing(path) as place:
            environment = environment_pool.acquire(place, sync=False)  # nobody sees the store before it is whole
            try:
                if choose is None:
                    found = pull(place, objects, progress)
                else:
                    records = pull(place, objects, only=())
                    brought = pull(place, objects, progress, only=choose(place))
                    found = replace(brought, checkpoints=records.checkpoints, names=records.names)
                environment.make_durable()
            finally:
                environment_pool.release(environment)
            return found
    except OSError as error:
        raise StoreError(f"the store cannot be made at {path} ({error.strerror or error})") from error
