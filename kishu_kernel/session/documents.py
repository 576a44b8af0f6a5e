"""The notebook's cells, as a store keeps them beside its checkpoints."""

from __future__ import annotations

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import DOCUMENT, CheckpointId, NotebookCell, Version
from kishu_kernel.store.base import Store
from kishu_kernel.store.format.documents import decode_document


def load_document(store: Store, id: CheckpointId) -> tuple[NotebookCell, ...] | None:
    """The notebook's cells as they were when a checkpoint was taken; None where they are not known, or damaged."""
    try:
        stored = store.load(Version(DOCUMENT, id))
        groups = [bytearray(blob.nbytes) for blob in stored.blobs]
        for blob, group in zip(stored.blobs, groups, strict=True):
            blob.readinto(memoryview(group))
        return decode_document(stored.stream, map(bytes, groups))
    except (LoadError, StoreError):
        return None
