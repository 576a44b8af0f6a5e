"""Everything kept for one notebook, and the only part of the package that touches disk.

- `base`: the contract, `Store`. `lmdb_store` keeps it on the disk, `memory_store` in memory.
- `write_behind/`: a `Store` in front of another one, which writes while the user thinks.
- `layered_store`: a store that can only be read, and one above it; `transfer` brings what is new to a disk later.
- `garbage`: what a collection removes.
- `disk/`: LMDB and its files. Here bytes reach the disk: `disk.chunk_writer`, in transactions of `disk.environment`.
- `format/`: what stands in a store, byte by byte.
- `catalog/`: which store is whose, where it lies, and which kernels are live.
- `maintenance/`: stores at rest: check, repair, accept, carry to another machine.

After a kill (`kill -9`, a crash, a power cut) the next kernel finds:

- *A transaction, whole or absent*: LMDB sees to it. A checkpoint that was not written yet is absent; a light one is
  written within milliseconds of the reply (`write_behind.write_queue`).
- *A record whose heavy payloads are missing*: a placeholder (`write_behind.placeholders`). The versions count as not
  stored; the notice in `frontend.shell.history_notice` names them, and a checkout re-runs their cells.
- *Chunks that no manifest names*: orphans. The writer's thread removes them when it is idle (`disk.orphans`).
- *The reader slot of a dead process*: freed when the store is opened (`disk.environment`). Locks end with the process.
- *A data file that nobody closed*: it is walked before LMDB opens it (`disk.integrity`, `disk.untrusted_data_file`).
  Where it is damaged, `maintenance.fsck` repairs it, or `maintenance.salvage` rescues what can be read.
- *A marker that another process still writes* (after a kernel that could still hand over its jobs): the next kernel
  waits for it before a checkout (`write_behind.handover`).
- *A file that calls a dead kernel live*: passed over, and removed by the next one (`catalog.running_kernels`).

The cell that was running is not in the history. Of a write that fails in a live session `session` takes care.

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
