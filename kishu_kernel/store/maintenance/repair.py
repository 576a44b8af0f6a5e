"""Mends what an inspection found, in one transaction: all of it or nothing.

Law: what cannot be read is removed, and what needed it says so; nothing in a record is invented. A checkpoint whose
record is lost becomes a placeholder in the graph: no code, no parent (it is not known), and of its versions those whose
payloads this user has signed. The paths of its descendants begin there. It says so (`severed`), with the names that
older records have; plans report those as lost unless a later cell says what became of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.model import DOCUMENT, Checkpoint, CheckpointId, Digest, SessionId, VersionRecord
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.identity import StoreIdentity
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.checkpoints import encode_checkpoint
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.format.validation import validated_checkpoint
from kishu_kernel.store.maintenance.inspection import Findings

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

GONE = "its record was damaged: what its cell did, and what was there before, is not known any more"
LOST = "its stored value was damaged"


def repair_store(path: Path, findings: Findings, signer: Signer) -> bool:
    """Repair what an inspection found.

    Returns:
        False, and nothing was done, where the store has changed since the inspection.

    Raises:
        StoreError: the store cannot be opened or written.
    """
    with environment_pool.opened(path) as store:
        return store.write(lambda txn: _Repair(store, txn, findings, signer).run())


class _Repair:
    def __init__(self, store: Environment, txn: Transaction[bytes], findings: Findings, signer: Signer) -> None:
        self._tables = store.tables
        self._txn = txn
        self._findings = findings
        self._identity = StoreIdentity(signer)

    def run(self) -> bool:
        found = self._findings
        if self._txn.id() != found.snapshot + 1:
            return False
        self._signatures = self._identity.signatures_for_writing(self._txn, self._tables)
        for table, keys in found.to_delete.items():
            for key in keys:
                self._txn.delete(key, db=self._tables[table])
        if any(found.to_delete.get(table) for table in schema.CHUNK_TABLES):
            schema.count_removal(self._txn, self._tables)
        for key in found.broken_records:
            self._txn.delete(key, db=self._tables["checkpoints"])
        self._note_lost()
        for id in found.cycles:
            checkpoint = self._checkpoint(id)
            names, ambient = self._before(id, checkpoint.timestamp)
            self._put(
                replace(
                    checkpoint,
                    parent=None,
                    incomplete=checkpoint.incomplete or GONE,
                    severed=tuple(sorted(names)),
                    ambient={**dict.fromkeys(ambient, b""), **checkpoint.ambient},
                    trusted=False,
                )
            )
        for id, timestamp in found.missing.items():
            self._put(self._place(id, timestamp))
        self._signatures.finish()
        return True

    def _note_lost(self) -> None:
        """Let the records say which versions are not stored, since their payloads are not whole."""
        lost: dict[CheckpointId, dict[tuple[str, ...], str]] = {}
        for version, reason in self._findings.lost.items():
            lost.setdefault(version.checkpoint, {})[version.names] = reason
        for id, reasons in lost.items():
            checkpoint = self._checkpoint(id)
            records = tuple(
                replace(record, stored=False, size=0, reason=f"{LOST}: {reasons[record.names]}")
                if record.names in reasons
                else record
                for record in checkpoint.versions
            )
            self._put(replace(checkpoint, versions=records))

    def _place(self, id: CheckpointId, timestamp: float) -> Checkpoint:
        """The record that stands for a checkpoint whose own record is lost."""
        made = []
        names, ambient = self._before(id, timestamp)
        for key, (manifest, marked) in self._findings.payloads.items():
            if marked and schema.version_checkpoint(key) == id and manifest.names != DOCUMENT:
                size = sum(piece.nbytes for piece in manifest.pieces)
                made.append(VersionRecord(manifest.names, Digest(b""), size, True, None, False, ()))
        return Checkpoint(
            id=id,
            parent=None,
            session=SessionId("lost"),
            timestamp=timestamp,
            execution_count=None,
            code="",
            status="ok",
            error=None,
            duration=0.0,
            created=(),
            modified=(),
            deleted=(),
            accessed=(),
            inputs=(),
            versions=tuple(made),
            dropped=(),
            ambient=dict.fromkeys(sorted(ambient), b""),
            payload_bytes=sum(record.size for record in made),
            incomplete=GONE,
            severed=tuple(sorted(names)),
        )

    def _before(self, id: CheckpointId, timestamp: float) -> tuple[set[str], set[str]]:
        """Names of variables, and kinds of ambient state, that a checkpoint of that time may have had.

        Args:
            timestamp: the checkpoint is not younger; 0.0: nobody knows.
        """
        records = self._findings.records
        older = [each for each in records.values() if not timestamp or each.timestamp < timestamp]
        younger = [each for each in records.values() if timestamp and each.timestamp >= timestamp]
        names = {name for each in younger for name in each.names}
        names -= {name for each in younger for name in each.created}
        names.update(name for each in older for name in each.names)
        for key, (manifest, marked) in self._findings.payloads.items():
            if marked and schema.version_checkpoint(key) not in records:
                names.update(manifest.names)
        return names, {kind for each in older for kind in each.ambient}

    def _checkpoint(self, id: CheckpointId) -> Checkpoint:
        key = schema.checkpoint_key(id)
        value = self._txn.get(key, db=self._tables["checkpoints"])
        assert value is not None
        body, trusted = schema.without_signature(value), self._signatures.verifies("checkpoints", key, value)
        return validated_checkpoint(key, body, trusted=trusted)

    def _put(self, checkpoint: Checkpoint) -> None:
        """Write a record, signed only where it was signed before. One that stands for a lost record is signed."""
        key = schema.checkpoint_key(checkpoint.id)
        body = encode_checkpoint(checkpoint)
        before = self._txn.get(key, b"", db=self._tables["checkpoints"])
        again = self._signatures.signed_again("checkpoints", key, body, before)
        value = again if checkpoint.trusted else body + schema.NO_SIGNATURE
        self._txn.put(key, value, db=self._tables["checkpoints"])
