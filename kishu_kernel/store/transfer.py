"""The history of one store copied to another, by the methods of `Store` alone.

Law: checkpoints are copied whole, or the error says so. A payload that cannot be read is left out, and its record says
so: the code of its cell is still there.
"""

from __future__ import annotations

from kishu_kernel.errors import LoadError
from kishu_kernel.model import DOCUMENT, Buffer, Checkpoint, Payload, Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.base import Store


def transfer(source: Store, target: Store) -> None:
    """Copy the checkpoints that the target does not hold, with their payloads. O(bytes). Refs are left to the caller.

    Raises:
        StoreError: the target cannot be written; what was copied until then stays there.
    """
    for checkpoint in sorted(source.checkpoints(), key=lambda each: each.timestamp):
        if target.contains(checkpoint.id) and _same(checkpoint, target.checkpoint(checkpoint.id)):
            continue
        found = [
            _payload(source, Version(record.names, checkpoint.id)) if record.stored else None
            for record in checkpoint.versions
        ]
        records = tuple(
            record if payload or not record.stored else replace(record, stored=False, reason="it could not be read")
            for record, payload in zip(checkpoint.versions, found, strict=True)
        )
        target.commit(replace(checkpoint, versions=records), [each for each in found if each], {})
        document = _payload(source, Version(DOCUMENT, checkpoint.id))
        if document is not None:
            target.attach(checkpoint.id, document)


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    return replace(one, written_bytes=0) == replace(other, written_bytes=0)


def _payload(source: Store, version: Version) -> Payload | None:
    try:
        stored = source.load(version)
        buffers = []
        for blob in stored.blobs:
            data = bytearray(blob.nbytes)
            blob.readinto(memoryview(data))
            buffers.append(Buffer(memoryview(data), direct=blob.direct))
        return Payload(stored.names, stored.codec, stored.stream, tuple(buffers), stored.made_by)
    except LoadError:
        return None
