"""A store in memory, for tests and for kernels without a disk. It behaves as the one on the disk.

Law: it keeps encoded bytes, never the caller's objects or memory: what comes out went through `schema` and `chunks`, as
on the disk. It signs with a key of its own, and compresses nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    Collected,
    Digest,
    Payload,
    StoreStatistics,
    Version,
)
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store import garbage
from kishu_kernel.store.base import BetweenWrites, Commit, ReadProgress, Refs, StoredPayload
from kishu_kernel.store.format import chunks, schema, torn_reads
from kishu_kernel.store.format.checkpoints import decode_checkpoint, encode_checkpoint, encode_outputs, record_size
from kishu_kernel.store.format.compression import stored_size
from kishu_kernel.store.format.schema import Piece
from kishu_kernel.store.format.signatures import StoreSignatures
from kishu_kernel.store.format.signing import Signer


class _Loader:
    """The `Loader` of such a store.

    Args:
        opened: is held while chunks are read.
    """

    def __init__(self, held: dict[Digest, bytes], opened: Callable[[], AbstractContextManager[None]]) -> None:
        self._held = held
        self._opened = opened

    def fill(self, piece: Piece, target: memoryview, on_read: ReadProgress | None) -> None:
        """As in `Loader`."""
        with self._opened():
            place = 0
            for data in chunks.verified_chunks(self._held.get, piece):
                target[place : place + data.nbytes] = data
                place += data.nbytes
                if on_read:
                    on_read(data.nbytes)

    def sizes(self, piece: Piece) -> list[int]:
        """As in `Loader`."""
        with self._opened():
            return [data.nbytes for data in chunks.verified_chunks(self._held.get, piece)]


class MemoryStore:
    """A `Store` that is gone with its process. `statistics().path` is None."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._signatures = StoreSignatures(Signer(os.urandom(32)), os.urandom(16))
        self._checkpoints: dict[CheckpointId, bytes] = {}
        self._outputs: dict[CheckpointId, bytes] = {}
        self._versions: dict[bytes, bytes] = {}
        self._chunks: dict[Digest, bytes] = {}
        self._refs: dict[bytes, bytes] = {}
        self._made: dict[bytes, bytes] = {}
        self._closed = False

    def commit(
        self,
        checkpoint: Checkpoint,
        payloads: Sequence[Payload],
        refs: Refs,
        between_writes: BetweenWrites = lambda: None,
    ) -> Checkpoint:
        """As in `Store`. O(bytes of the payloads)."""
        between_writes()
        with self._open():
            new: dict[Digest, bytes] = {}
            manifests: dict[bytes, bytes] = {}
            torn: set[Digest] = set()
            changed: list[Payload] = []

            def take(chunk: chunks.Chunk) -> None:
                if chunk.digest not in self._chunks and chunk.digest not in new:
                    data = chunks.unchanged_bytes(chunk)
                    if data is None:
                        torn.add(chunk.digest)
                    else:
                        new[chunk.digest] = bytes(data)

            taken = [(payload, chunks.split_payload(payload, take)) for payload in payloads]
            named: set[Digest] = set()
            for payload, manifest in taken:
                if not torn.isdisjoint(manifest.digests) or not torn_reads.is_unchanged(payload, manifest):
                    changed.append(payload)
                    continue
                named |= manifest.digests
                key = schema.version_key(Version(manifest.names, checkpoint.id))
                body = schema.encode_manifest(manifest)
                manifests[key] = self._signatures.signed("versions", key, body)
            new = {digest: data for digest, data in new.items() if digest in named}
            kept = torn_reads.without_payloads(checkpoint, changed)
            written = record_size(kept) + sum(map(len, new.values())) + sum(map(len, manifests.values()))
            kept = replace(kept, written_bytes=written)
            self._put_record(kept, refs)
            if not kept.outputs:  # a commit, unlike an amendment, replaces all
                self._outputs.pop(kept.id, None)
            self._made.update((made.key, made.value) for made in (schema.encode_made(p.made_by) for p in payloads))
            self._chunks.update(new)
            for payload in changed:  # of an earlier commit of the same id
                self._versions.pop(schema.version_key(Version(payload.names, checkpoint.id)), None)
            self._versions.update(manifests)
            return kept

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        """As in `Store`."""
        with self._open():
            new: dict[Digest, bytes] = {}

            def take(chunk: chunks.Chunk) -> None:
                if chunk.digest not in self._chunks and (data := chunks.unchanged_bytes(chunk)) is not None:
                    new[chunk.digest] = bytes(data)

            manifest = chunks.split_payload(payload, take)
            key = schema.version_key(Version(payload.names, id))
            self._chunks.update(new)
            self._versions[key] = self._signatures.signed("versions", key, schema.encode_manifest(manifest))

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        """As in `Store`."""
        return [self.commit(each.checkpoint, each.payloads, each.refs) for each in commits]

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`."""
        with self._open():
            return self._decoded(id, self._checkpoints[id], self._outputs.get(id, b""))

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
        return (self._decoded(id, record, extras.get(id, b"")) for id, record in records.items())

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """As in `Store`."""
        with self._open():
            data = self._versions.get(schema.version_key(version))
            if data is None:
                raise LoadError(f"the store holds no {', '.join(version.names)} of {version.checkpoint}")
            manifest = schema.decode_manifest(schema.without_signature(data))
            stream = chunks.join_stream(manifest, lambda piece: chunks.verified_chunks(self._chunks.get, piece))
            made_by = schema.decode_made(self._made.get(schema.made_key(manifest.made)))
            return chunks.stored_payload(manifest, stream, made_by, _Loader(self._chunks, self._open), on_read)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._open():
            return {schema.ref_name(key): schema.checkpoint_id(value) for key, value in self._refs.items()}

    def update_refs(self, refs: Refs) -> None:
        """As in `Store`."""
        with self._open():
            self._refs = self._with_refs(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`."""
        with self._open():
            if checkpoint.id not in self._checkpoints:
                raise KeyError(checkpoint.id)
            before = self._decoded(
                checkpoint.id, self._checkpoints[checkpoint.id], self._outputs.get(checkpoint.id, b"")
            )
            trusted = checkpoint.trusted and before.trusted
            shown = checkpoint.outputs_trusted and before.outputs_trusted
            self._put_record(replace(checkpoint, trusted=trusted, outputs_trusted=shown), refs)

    def collect(
        self,
        drop: Collection[Version],
        evict: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """As in `Store`."""
        with self._open():
            stored_versions = garbage.stored_versions(self._versions.items())
            sizes = {digest: stored_size(len(digest) + len(data)) for digest, data in self._chunks.items()}
            plan = garbage.plan_collection(stored_versions, sizes, drop, evict, limit)
            if not dry_run:
                self._remove(plan, reason)
            return plan.collected

    @property
    def free_of_orphans(self) -> bool:
        """As in `Store`. Always true."""
        return True

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """As in `Store`. There are never any."""
        return True

    def statistics(self) -> StoreStatistics:
        """As in `Store`, but O(chunks). `bytes` counts the values held."""
        with self._open():
            tables = (self._checkpoints, self._outputs, self._versions, self._chunks, self._refs)
            size = sum(len(value) for table in tables for value in table.values())
            return StoreStatistics(None, size, len(self._checkpoints), len(self._chunks))

    def close(self) -> None:
        """As in `Store`. Everything that it held is lost."""
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

    def _decoded(self, id: CheckpointId, value: bytes, outputs: bytes) -> Checkpoint:
        key = schema.checkpoint_key(id)
        trusted = self._signatures.verifies("checkpoints", key, value)
        shown = not outputs or self._signatures.verifies("outputs", key, outputs)
        return decode_checkpoint(id, schema.without_signature(value), schema.without_signature(outputs), trusted, shown)

    def _remove(self, plan: garbage.CollectionPlan, reason: str) -> None:
        for id in {schema.version_checkpoint(key) for key in plan.versions} & self._checkpoints.keys():
            kept = garbage.without_versions(self._decoded(id, self._checkpoints[id], b""), plan.versions, reason)
            self._put_record(kept, {})
        for key in plan.versions:
            del self._versions[key]
        for digest in plan.chunks:
            del self._chunks[digest]

    def _put_record(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """Set the record, the outputs and refs. Whatever can raise comes before the first assignment."""
        key = schema.checkpoint_key(checkpoint.id)
        record = self._marked("checkpoints", key, encode_checkpoint(checkpoint), checkpoint.trusted)
        outputs = encode_outputs(checkpoint.outputs)
        self._refs = self._with_refs(refs)
        self._checkpoints[checkpoint.id] = record
        if outputs:
            self._outputs[checkpoint.id] = self._marked("outputs", key, outputs, checkpoint.outputs_trusted)

    def _marked(self, table: str, key: bytes, body: bytes, trusted: bool) -> bytes:
        return self._signatures.signed(table, key, body) if trusted else body + schema.NO_SIGNATURE

    def _with_refs(self, refs: Refs) -> dict[bytes, bytes]:
        pointed = dict(self._refs)
        for name, id in refs.items():
            if id is None:
                pointed.pop(schema.ref_key(name), None)
            else:
                pointed[schema.ref_key(name)] = schema.checkpoint_key(id)
        return pointed
