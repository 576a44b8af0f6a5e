"""The store on the disk: one LMDB environment per notebook.

Law: a call makes all its changes in one write transaction, so that they are whole or absent whatever ends the process;
chunks that a large commit writes ahead change nothing. A read transaction ends with the call that began it, since one
that is forgotten keeps its pages from reuse. Nothing is returned as trusted that the user has not signed.
Neighbours: `schema` says what stands where; `environment` keeps LMDB's rules; `chunk_writer` and `chunk_reader` move
the payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from kishu_kernel.errors import KishuError, LoadError, StoreError, UntrustedError
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
from kishu_kernel.store.base import BetweenWrites, Commit, ReadProgress, Refs, StoredPayload
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.chunk_reader import ChunkLoader, chunk_tables
from kishu_kernel.store.disk.chunk_writer import ChunkWriter
from kishu_kernel.store.disk.environment import MAP_SIZE
from kishu_kernel.store.disk.identity import StoreIdentity
from kishu_kernel.store.disk.record_cache import RecordCache
from kishu_kernel.store.disk.rows import check_refs, decoded, items, not_brought, readable
from kishu_kernel.store.format import chunks, compression, schema, torn_reads
from kishu_kernel.store.format.checkpoints import EncodedRecord
from kishu_kernel.store.format.schema import Manifest
from kishu_kernel.store.format.signatures import StoreSignatures
from kishu_kernel.store.format.signing import Signer, user_signer

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Result = TypeVar("Result")


class LmdbStore:
    """A `Store` in a directory of its own, which is created for this user only.

    Several processes may use a directory at once. Within a process, stores in it share one environment.

    Args:
        path: the directory. It must not be on a network file system.
        sync: false is faster, and loses the last commits in a power failure, but not when the process is killed.
        map_size: address space to begin with. It grows as needed.
        signer: signs what is written, and recognises what this user wrote. None: the one of the user's own key.
        readonly: nothing will be written or created.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote it.
        StoreError: it cannot be opened or created.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: bool = True,
        map_size: int = MAP_SIZE,
        signer: Signer | None = None,
        readonly: bool = False,
    ) -> None:
        self._identity = StoreIdentity(signer or user_signer())
        self._environment = environment_pool.acquire(path, sync, map_size, readonly)
        self._closed = False
        self._loader = ChunkLoader(self._environment, lambda: self._reading(LoadError))
        self._records = RecordCache()

    def commit(
        self,
        checkpoint: Checkpoint,
        payloads: Sequence[Payload],
        refs: Refs,
        between_writes: BetweenWrites = lambda: None,
    ) -> Checkpoint:
        """As in `Store`. O(bytes of the payloads) to hash them, then O(new bytes) to compress and write."""
        [kept] = self._commit([Commit(checkpoint, payloads, refs)], between_writes)
        return kept

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        """As in `Store`: one transaction, and all of them or none."""
        return self._commit(commits)

    def _commit(self, commits: Sequence[Commit], between_writes: BetweenWrites = lambda: None) -> list[Checkpoint]:
        self._check_open()
        records = [EncodedRecord.of(each.checkpoint) for each in commits]  # raises before anything is written
        for each in commits:
            check_refs(each.refs)
        payloads = [payload for each in commits for payload in each.payloads]
        made = {entry.key: entry.value for entry in (schema.encode_made(p.made_by) for p in payloads) if entry.short}
        writer = ChunkWriter(self._environment, payloads, between_writes)
        try:
            manifests = writer.prepare()

            def work(txn: Transaction[bytes]) -> list[Checkpoint]:
                added = writer.finish(txn)
                changed = writer.changed_payloads
                signatures = self._identity.signatures_for_writing(txn, self._tables)
                for key, value in made.items():
                    txn.put(key, value, db=self._tables["meta"], overwrite=False)
                rest = iter(manifests)
                kept = [
                    self._put(txn, signatures, each, record, list(islice(rest, len(each.payloads))), added, changed)
                    for each, record in zip(commits, records, strict=True)
                ]
                signatures.finish()
                return kept

            keys = [schema.checkpoint_key(each.checkpoint.id) for each in commits]
            kept = self._write(work, keys, writer.waiting_bytes)
        except StoreError:
            if writer.has_written_ahead:  # a full disk would stay full
                self._remove_orphans()
            raise
        if writer.leaves_orphans:  # memory that changes all the time would fill the disk with them
            self._remove_orphans()
        return kept

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        """As in `Store`."""
        self._check_open()
        key = schema.version_key(Version(payload.names, id))
        writer = ChunkWriter(self._environment, [payload])
        bodies = [schema.encode_manifest(manifest) for manifest in writer.prepare()]

        def work(txn: Transaction[bytes]) -> None:
            writer.finish(txn)
            signatures = self._identity.signatures_for_writing(txn, self._tables)
            for body in bodies:
                txn.put(key, signatures.signed("versions", key, body), db=self._tables["versions"])
            signatures.finish()

        self._environment.write(work, writer.waiting_bytes)

    def _put(
        self,
        txn: Transaction[bytes],
        signatures: StoreSignatures,
        commit: Commit,
        record: EncodedRecord,
        manifests: Sequence[Manifest],
        added: dict[Digest, int],
        changed: Sequence[Payload],
    ) -> Checkpoint:
        """Put the manifests, the record and the refs of a commit, whose chunks are there. The checkpoint as kept.

        Args:
            added: bytes of new chunks. What this commit accounts for is taken out.
            changed: payloads that must not be stored.
        """
        lost = [each for each in commit.payloads if any(each is other for other in changed)] if changed else []
        written, checkpoint = 0, schema.checkpoint_key(commit.checkpoint.id)
        for payload, manifest in zip(commit.payloads, manifests, strict=True):
            key = schema.key_in_checkpoint(manifest.names, checkpoint)
            if lost and any(payload is each for each in lost):
                txn.delete(key, db=self._tables["versions"])  # of an earlier commit of the same id
                continue
            value = signatures.signed("versions", key, schema.encode_manifest(manifest))
            txn.put(key, value, db=self._tables["versions"])
            written += len(value)
            for digest in manifest.digests:
                written += added.pop(digest, 0)
        kept = commit.checkpoint
        if lost:
            kept = torn_reads.without_payloads(kept, lost)
            record = EncodedRecord.of(kept)
        kept = replace(kept, written_bytes=written + record.size, by=signatures.writer)
        txn.delete(schema.checkpoint_key(kept.id), db=self._tables["outputs"])
        self._put_record(txn, signatures, kept, record)
        self._set_refs(txn, commit.refs)
        return kept

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`. StoreError where its record is damaged."""
        key = schema.checkpoint_key(id)
        with self._reading() as txn:
            record = txn.get(key, db=self._tables["checkpoints"])
            if record is None:
                raise KeyError(id)
            outputs = txn.get(key, b"", db=self._tables["outputs"])
            signatures = self._identity.signatures(txn, self._tables)
            return decoded(signatures, key, bytes(record), bytes(outputs))

    def contains(self, id: CheckpointId) -> bool:
        """As in `Store`."""
        return self.find(id, 1) == [id]

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """As in `Store`. O(limit)."""
        first = schema.first_key(prefix)
        if first is None:
            return []
        with self._reading() as txn, txn.cursor(db=self._tables["checkpoints"]) as cursor:
            cursor.set_range(first)
            ids = (schema.checkpoint_id(key) for key in cursor.iternext(values=False))
            return list(islice(takewhile(lambda id: id.startswith(prefix), ids), limit))

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """As in `Store`. All records are copied at the call, so that no transaction stays open.

        Damaged records are left out, since the rest of the history is usable. `damaged` lists them.
        """
        with self._reading() as txn:
            signatures = self._identity.signatures(txn, self._tables)
            if not outputs:
                decode = partial(decoded, signatures, outputs=b"")
                scope = (self._tables, signatures.scope)
                return iter(self._records.checkpoints(txn, self._tables["checkpoints"], scope, decode))
            records = items(txn, self._tables["checkpoints"])
            extras = dict(items(txn, self._tables["outputs"]))
            for key, _ in records:
                signatures.prepare("checkpoints", key)
                signatures.prepare("outputs", key)
        return readable(signatures, records, extras)

    def damaged(self) -> list[CheckpointId]:
        """The ids of the checkpoints whose records cannot be read. O(checkpoints)."""
        with self._reading() as txn:
            keys = [key for key, _ in items(txn, self._tables["checkpoints"])]
        return sorted({schema.checkpoint_id(key) for key in keys} - {each.id for each in self.checkpoints()})

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """As in `Store`. O(bytes of the stream)."""
        key = schema.version_key(version)
        with self._reading(LoadError) as txn:
            data = txn.get(key, db=self._tables["versions"])
            if data is None:
                where = not_brought(txn, self._tables, self._environment.path)
                raise LoadError(f"the store holds no {', '.join(version.names)} of {version.checkpoint}{where}")
            value = bytes(data)
            manifest = schema.decode_manifest(schema.without_signature(value))
            made = txn.get(schema.made_key(manifest.made), db=self._tables["meta"])
            made_by = schema.decode_made(None if made is None else bytes(made))
            signatures = self._identity.signatures(txn, self._tables)
            signatures.prepare("versions", key)
        stream = None if value.endswith(schema.NO_SIGNATURE) else chunks.join_stream(manifest, self._loader.chunks)
        if stream is None or not signatures.verifies_payload(key, value, manifest, stream):
            raise UntrustedError(
                f"{', '.join(version.names)} of {version.checkpoint} is not loaded: nothing shows that you stored it, "
                f"and it could run anybody's code. If you know whose it is: "
                f"`jupyter kishu trust {self._environment.path}`"
            )
        return chunks.stored_payload(manifest, stream, made_by, self._loader, on_read)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._reading() as txn:
            rows = items(txn, self._tables["refs"])
        return {schema.ref_name(key): schema.checkpoint_id(value) for key, value in rows}

    def update_refs(self, refs: Refs) -> None:
        """As in `Store`."""
        self._check_open()
        check_refs(refs)
        writes = any(id is not None for id in refs.values())  # else there may be nothing to change
        (self._write if writes else self._environment.write)(lambda txn: self._set_refs(txn, refs))

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`. A record that was not trusted is not trusted afterwards."""
        self._check_open()
        key = schema.checkpoint_key(checkpoint.id)

        def work(txn: Transaction[bytes]) -> None:
            signatures = self._identity.signatures_for_writing(txn, self._tables)
            value = txn.get(key, db=self._tables["checkpoints"])
            if value is None:
                raise KeyError(checkpoint.id)
            outputs = txn.get(key, b"", db=self._tables["outputs"])
            trusted = checkpoint.trusted and signatures.verifies("checkpoints", key, value)
            shown = checkpoint.outputs_trusted and (not outputs or signatures.verifies("outputs", key, outputs))
            changed = replace(checkpoint, trusted=trusted, outputs_trusted=shown)
            self._put_record(txn, signatures, changed, before={"checkpoints": value, "outputs": outputs})
            self._set_refs(txn, refs)
            signatures.finish()

        self._write(work, [key])

    def collect(
        self,
        drop: Collection[Version],
        evict: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """As in `Store`. May remove chunks that another process wrote ahead; its commit writes them again."""
        from kishu_kernel.store.garbage import plan_collection, stored_versions

        with chunk_tables(self._environment, self._reading) as there:
            sizes, seen = there.sizes(), there.txn.id()
            if dry_run:
                versions = stored_versions(items(there.txn, self._tables["versions"]))
                return plan_collection(versions, sizes, drop, evict, limit).collected

        def work(txn: Transaction[bytes]) -> Collected:
            current = sizes if txn.id() == seen + 1 else self._sizes(txn, sizes)
            versions = stored_versions(items(txn, self._tables["versions"]))
            plan = plan_collection(versions, current, drop, evict, limit)
            self._remove(txn, plan.versions, plan.chunks, reason)
            return plan.collected

        return self._environment.write(work)

    @property
    def free_of_orphans(self) -> bool:
        """As in `Store`. True after a regular close, and after `remove_orphans`."""
        return self._environment.free_of_orphans

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """As in `Store`. May remove chunks that another process wrote ahead; its commit writes them again."""
        self._check_open()
        if not self.free_of_orphans:
            from kishu_kernel.store.disk.orphans import remove_orphans

            self._environment.free_of_orphans = remove_orphans(self._environment, should_stop)
        return self.free_of_orphans

    def statistics(self) -> StoreStatistics:
        """As in `Store`. `bytes` counts pages in use, without free pages and the unused rest of the map."""
        with self._reading() as txn:
            count = {table: txn.stat(self._tables[table])["entries"] for table in self._tables}
        stored = sum(count[table] for table in schema.CHUNK_TABLES)
        used = self._environment.used_bytes()
        return StoreStatistics(str(self._environment.path), used, count["checkpoints"], stored)

    def close(self) -> None:
        """As in `Store`. In a forked child this does nothing: the environment is the parent's."""
        if not self._closed:
            self._closed = True
            environment_pool.release(self._environment)

    @property
    def _tables(self) -> Mapping[str, _Database]:
        return self._environment.tables

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the store at {self._environment.path} is closed")

    def _reading(self, error: type[KishuError] = StoreError) -> AbstractContextManager[Transaction[memoryview]]:
        self._check_open()
        return self._environment.reading(error)

    def _write(
        self, work: Callable[[Transaction[bytes]], Result], records: Collection[bytes] = (), incoming: int = 0
    ) -> Result:
        """As `Environment.write`, of what certainly changes something.

        Args:
            records: the keys of the checkpoints whose records it puts.
        """

        def numbered(txn: Transaction[bytes]) -> tuple[int, Result]:
            return txn.id(), work(txn)

        number, result = self._environment.write(numbered, incoming)
        self._records.wrote(number, records)
        return result

    # --- records

    def _put_record(
        self,
        txn: Transaction[bytes],
        signatures: StoreSignatures,
        checkpoint: Checkpoint,
        encoded: EncodedRecord | None = None,
        before: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """Put a record and outputs, in the place of rows before. What is not trusted is not signed."""
        encoded = encoded or EncodedRecord.of(checkpoint)
        key = schema.checkpoint_key(checkpoint.id)
        values = {"checkpoints": (encoded.record(checkpoint.written_bytes), checkpoint.trusted)}
        if encoded.outputs:
            values["outputs"] = encoded.outputs, checkpoint.outputs_trusted
        for table, (body, trusted) in values.items():
            signed = partial(signatures.signed_again, before=before.get(table, b""))
            value = signed(table, key, body) if trusted else body + schema.NO_SIGNATURE
            txn.put(key, value, db=self._tables[table])

    def _set_refs(self, txn: Transaction[bytes], refs: Refs) -> None:
        table = self._tables["refs"]
        for name, id in refs.items():
            if id is None:
                txn.delete(schema.ref_key(name), db=table)
            else:
                txn.put(schema.ref_key(name), schema.checkpoint_key(id), db=table)

    # --- collections

    def _remove_orphans(self) -> None:
        """Remove the chunks that a commit left and nothing names. Where that fails, a later plan does it."""
        self._environment.free_of_orphans = False
        with suppress(KishuError):
            self.collect((), reason="")
            self._environment.free_of_orphans = True

    def _sizes(self, txn: Transaction[bytes], known: Mapping[Digest, int]) -> dict[Digest, int]:
        """As `ChunkTables.sizes`, in a write transaction.

        Args:
            known: sizes that were read before; most chunks are among them.
        """
        found, size_of = {}, compression.stored_size
        for table in schema.CHUNK_TABLES:
            with txn.cursor(db=self._tables[table]) as cursor:
                for key in cursor.iternext(values=False):
                    found[Digest(key)] = known.get(Digest(key)) or size_of(len(key) + len(cursor.value()))
        return found

    def _remove(
        self, txn: Transaction[bytes], versions: Collection[bytes], digests: Collection[Digest], reason: str
    ) -> None:
        from kishu_kernel.store.format.seals import seal_key
        from kishu_kernel.store.garbage import without_versions

        for key in versions:
            txn.delete(key, db=self._tables["versions"])
            txn.delete(seal_key("versions", key), db=self._tables["seals"])
        signatures = self._identity.signatures_for_writing(txn, self._tables) if versions else None
        for id in {schema.version_checkpoint(key) for key in versions}:
            key = schema.checkpoint_key(id)
            value = txn.get(key, db=self._tables["checkpoints"])
            with suppress(StoreError):  # a damaged record stays as it is
                if value is not None and signatures is not None:
                    checkpoint = decoded(signatures, key, value, b"")
                    changed = without_versions(checkpoint, versions, reason)
                    self._put_record(txn, signatures, changed, before={"checkpoints": value})
        if signatures:
            signatures.finish()
        for digest in digests:
            for table in schema.CHUNK_TABLES:
                txn.delete(digest, db=self._tables[table])
        if digests:
            schema.count_removal(txn, self._tables)
