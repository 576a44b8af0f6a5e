"""What can still be read of a store with a broken file, copied into a new file.

Law: the broken file is kept, for whoever knows more. Nothing is judged here: what was rescued is checked like any other
store.
Neighbour: `disk.untrusted_data_file` reads files on which LMDB would crash.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import StoreError
from kishu_kernel.store.disk import directory, environment_pool
from kishu_kernel.store.disk.directory import DATA, LOCK
from kishu_kernel.store.disk.store_files import exclusively
from kishu_kernel.store.disk.untrusted_data_file import DataFile, Item, Tree
from kishu_kernel.store.format import schema

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 16 << 20
_PAGE = 4096


def rescue(path: Path) -> Path:
    """Replace a broken data file by a new one with what can be read of it. Needs as many free bytes of disk.

    Returns:
        The new path of the broken one.

    Raises:
        StoreError: somebody has the store open, nothing of it can be read, or the disk fails.
            The store is as it was.
    """
    with exclusively(path) as place:
        kept = _free_name(place)
        work = Path(tempfile.mkdtemp(prefix=".fsck-", dir=place))
        try:
            work.chmod(0o700)
            with DataFile(place / DATA) as image:
                _copy(image, work)
            os.rename(place / DATA, kept)
            try:
                os.rename(work / DATA, place / DATA)
            except BaseException:
                os.rename(kept, place / DATA)
                raise
            (place / LOCK).unlink(missing_ok=True)  # its readers are those of the old file
            directory.sync_directory(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return kept


def _copy(image: DataFile, work: Path) -> None:
    tables = image.tables()
    if "checkpoints" not in tables:
        raise StoreError(f"nothing of the store can be read: {'; '.join(image.damage[:1])}; restore it from a backup")
    store = environment_pool.acquire(work)
    try:
        for name in schema.TABLES:
            if name in tables:
                _copy_table(image, name, tables[name], store)
    finally:
        environment_pool.release(store)


def _copy_table(image: DataFile, name: str, tree: Tree, store: Environment) -> None:
    batch: list[Item] = []
    size = 0

    def put(txn: Transaction[bytes]) -> None:
        for item in batch:
            txn.put(item.key, image.value(item), db=store.tables[name])

    for item in image.items(name, tree):
        if not 0 < len(item.key) <= schema.REF_SIZE:
            continue
        batch.append(item)
        size += item.size
        if size >= BATCH:
            store.write(put, size + _PAGE * len(batch))
            batch.clear()
            size = 0
    store.write(put, size + _PAGE * len(batch))


def _free_name(place: Path) -> Path:
    number = 0
    while True:
        kept = place / f"{DATA}.damaged{f'-{number}' if number else ''}"
        if not os.path.lexists(kept):
            return kept
        number += 1
