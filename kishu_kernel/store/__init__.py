"""Everything kept for one notebook, and the only part of the package that touches the disk.

- `base`: the contract, `Store`.
- Stores: `lmdb_store` on the disk, `memory_store` for tests and for kernels without a disk. Wrappers of other stores:
  `layered_store`, `write_behind/`.
- `format/`: what stands in a store, byte by byte.
- `disk/`: LMDB and its files. Here bytes reach the disk: `disk.chunk_writer`, in transactions of `disk.environment`.
- `catalog/`: which store belongs to which notebook. `maintenance/`: stores that no kernel has open.
- `remote/`: a history in an object store, pushed, pulled and cloned. `courier/`: the process that does so by itself.
- `garbage`: what a collection removes. `transfer`: a history copied from one store to another.

What the next kernel finds after a kill (`kill -9`, a crash, a power cut), and who deals with it:

- *A transaction, whole or absent*: LMDB sees to that. A checkpoint that was not written yet is absent. A small one is
  written within milliseconds after the reply, and within 0.2 s while cells follow each other closely, whose states
  share a transaction (`write_behind.write_queue`).
- *A record without its large payloads*: a placeholder (`write_behind.placeholders`). These versions count as not
  stored; `frontend.shell.history_notice` names them, and a checkout re-runs their cells where that gives them back.
- *Orphans*, chunks that no version names: the writer's thread removes them when it is idle (`disk.orphans`).
- *The reader slot of a process that is gone*: freed when the store is opened (`disk.environment`). Locks end with their
  process (`disk.locks`).
- *A data file that nobody closed*: it is walked before LMDB opens it (`disk.integrity`, `disk.untrusted_data_file`).
  If it is damaged, `maintenance.fsck` repairs it, or rescues what can still be read (`maintenance.salvage`).
- *A marker that somebody still writes*: the kernel could still hand over its jobs to another process
  (`write_behind.handover`). A checkout waits for that process.
- *A new store that was being filled*, by a clone or an import: the next one removes it, or a kernel that tidies up
  (`maintenance.new_store`).
- *A file that calls the dead kernel running*: ignored, then removed (`catalog.running_kernels`).

The cell that ran at the kill is not in the history. A write that fails in a live session is another matter: the session
goes back to before it (`session.write_failures`).

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
