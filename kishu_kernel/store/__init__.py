"""Everything kept for one notebook, and the only part of the package that touches disk.

Law: the rest of the package sees `Store` and its value types; nobody else knows LMDB or files.
Neighbours: `model` and `errors` below, `session` above. The other stages are not known here.
"""

from typing import TYPE_CHECKING, Any

from kishu_kernel.store.base import Blob, Store, StoredPayload
from kishu_kernel.store.catalog.paths import store_path

if TYPE_CHECKING:
    from kishu_kernel.store.lmdb_store import LmdbStore
    from kishu_kernel.store.memory_store import MemoryStore


def __getattr__(name: str) -> Any:
    """The stores are imported when one is wanted: a kernel starts without them."""
    if name == "LmdbStore":
        from kishu_kernel.store.lmdb_store import LmdbStore

        return LmdbStore
    if name == "MemoryStore":
        from kishu_kernel.store.memory_store import MemoryStore

        return MemoryStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Blob", "LmdbStore", "MemoryStore", "Store", "StoredPayload", "store_path"]
