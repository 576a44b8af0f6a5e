"""Everything kept for one notebook, and the only part of the package that touches the disk.

- `base`: the contract, `Store`.
- Stores: `lmdb_store` on the disk, `memory_store` for tests and for kernels without a disk. Wrappers of other stores:
  `layered_store`, `write_behind/`.
- `format/`: what stands in a store, byte by byte. `disk/`: LMDB and its files.
- `catalog/`: which store belongs to which notebook. `maintenance/`: stores that no kernel has open.
- `garbage`: what a collection removes. `transfer`: a history copied from one store to another.

Law: the rest of the package sees `Store` and its values; nobody else knows LMDB or files.
"""

from typing import TYPE_CHECKING, Any

from kishu_kernel.store.base import Blob, Store, StoredPayload
from kishu_kernel.store.catalog.paths import store_path

if TYPE_CHECKING:
    from kishu_kernel.store.lmdb_store import LmdbStore
    from kishu_kernel.store.memory_store import MemoryStore


def __getattr__(name: str) -> Any:
    """Import a store when it is first used: a kernel starts without."""
    if name == "LmdbStore":
        from kishu_kernel.store.lmdb_store import LmdbStore

        return LmdbStore
    if name == "MemoryStore":
        from kishu_kernel.store.memory_store import MemoryStore

        return MemoryStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Blob", "LmdbStore", "MemoryStore", "Store", "StoredPayload", "store_path"]
