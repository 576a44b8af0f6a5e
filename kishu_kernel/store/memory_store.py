"""The store in memory, for tests and for those who want no disk; it behaves as the one on disk.

Law: it keeps encoded bytes, never the caller's objects or memory: what comes out went through
`schema` and `chunks`, as it does on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Digest,
    Payload,
    StoreStatistics,
    Version,
)
from kishu_kernel.store import chunks, schema
from kishu_kernel.store.base import Refs, StoredPayload
from kishu_kernel.store.schema import Piece


class MemoryStore:
    """A `Store` that is gone with its process. `statistics().path` is None."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._checkpoints: dict[CheckpointId, bytes] = {}
        self._outputs: dict[CheckpointId, bytes] = {}
        self._versions: dict[bytes, bytes] = {}
        self._chunks: dict[Digest, bytes] = {}
        self._refs: dict[bytes, bytes] = {}
        self._closed = False

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs) -> Checkpoint:
        """As in `Store`. O(bytes of the payloads)."""
        with self._open():
            new: dict[Digest, bytes] = {}
            manifests: dict[bytes, bytes] = {}
            for cut in map(chunks.cut, payloads):
                key = schema.version_key(Version(cut.manifest.names, checkpoint.id))
                manifests[key] = schema.encode_manifest(cut.manifest)
                for digest, data in cut.chunks:
                    if digest not in self._chunks and digest not in new:
                        new[digest] = bytes(data)
            written = schema.record_size(checkpoint)
            written += sum(map(len, new.values())) + sum(map(len, manifests.values()))
            kept = replace(checkpoint, written_bytes=written)
            self._put_record(kept, refs)
            if not kept.outputs:  # a commit, unlike an amendment, replaces all
                self._outputs.pop(kept.id, None)
            self._chunks.update(new)
            self._versions.update(manifests)
            return kept

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`."""
        with self._open():
            return schema.decode_checkpoint(id, self._checkpoints[id], self._outputs.get(id, b""))

    def contains(self, id: CheckpointId) -> bool:
        """As in `Store`."""
        with self._open():
            return id in self._checkpoints

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """As in `Store`. O(checkpoints)."""
        with self._open():
            return sorted(id for id in self._checkpoints if id.startswith(prefix))[:limit]

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """As in `Store`."""
        with self._open():
            records = dict(self._checkpoints)
            extras = dict(self._outputs) if outputs else {}
        return (schema.decode_checkpoint(id, record, extras.get(id, b"")) for id, record in records.items())

    def load(self, version: Version) -> StoredPayload:
        """As in `Store`."""
        with self._open():
            data = self._versions.get(schema.version_key(version))
            if data is None:
                raise LoadError(f"the store holds no {', '.join(version.names)} of {version.checkpoint}")
            manifest = schema.decode_manifest(data)
            stream = b"".join(chunks.verified(self._get, manifest.stream))
            return chunks.stored(manifest, stream, self._copy)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._open():
            return {schema.ref_name(key): schema.checkpoint_id(value) for key, value in self._refs.items()}

    def update(self, refs: Refs) -> None:
        """As in `Store`."""
        with self._open():
            self._refs = self._pointed(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`."""
        with self._open():
            if checkpoint.id not in self._checkpoints:
                raise KeyError(checkpoint.id)
            self._put_record(checkpoint, refs)

    def statistics(self) -> StoreStatistics:
        """As in `Store`, but O(chunks). `bytes` are those of the values held."""
        with self._open():
            tables = (self._checkpoints, self._outputs, self._versions, self._chunks, self._refs)
            size = sum(len(value) for table in tables for value in table.values())
            return StoreStatistics(None, size, len(self._checkpoints), len(self._chunks))

    def close(self) -> None:
        """As in `Store`. What it held is gone."""
        with self._lock:
            self._closed = True
            for table in (self._checkpoints, self._outputs, self._versions, self._chunks):
                table.clear()

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise StoreError("the store in memory is closed")
            yield

    def _get(self, digest: Digest) -> memoryview | None:
        data = self._chunks.get(digest)
        return None if data is None else memoryview(data)

    def _copy(self, piece: Piece, target: memoryview) -> None:
        with self._open():
            chunks.copy(self._get, piece, target)

    def _put_record(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """All that can fail comes before the first assignment."""
        schema.checkpoint_key(checkpoint.id)
        record = schema.encode_checkpoint(checkpoint)
        outputs = schema.encode_outputs(checkpoint.outputs)
        self._refs = self._pointed(refs)
        self._checkpoints[checkpoint.id] = record
        if outputs:
            self._outputs[checkpoint.id] = outputs

    def _pointed(self, refs: Refs) -> dict[bytes, bytes]:
        pointed = dict(self._refs)
        for name, id in refs.items():
            if id is None:
                pointed.pop(schema.ref_key(name), None)
            else:
                pointed[schema.ref_key(name)] = schema.checkpoint_key(id)
        return pointed
