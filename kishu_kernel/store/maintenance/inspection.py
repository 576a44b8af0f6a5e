"""One look at all rows of a store: what is there, what of it cannot stay, and what that means.

Law: looks only, in one transaction, so that all its findings are of one moment.
Neighbours: `fsck` asks, `repair` mends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import CheckpointId, Names, Version
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.store.disk.identity import StoreIdentity
from kishu_kernel.store.disk.rows import not_brought
from kishu_kernel.store.format import chunks, schema
from kishu_kernel.store.format.schema import Manifest, Piece
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.format.validation import (
    check_outputs,
    cycles,
    validated_checkpoint,
    validated_manifest,
    validated_ref,
    verified_chunk,
)

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

_MOMENT = 0.001
"""Seconds by which a checkpoint is at least younger than its parent."""

_ENDS = ("head/", "branch/")
"""Refs that move to each new checkpoint."""

Kind = Literal["permissions", "file", "record", "outputs", "chunk", "payload", "ref", "mark"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a store.

    Attributes:
        what: where it is.
        consequence: what it means for the user; after a repair, what was done.
    """

    kind: Kind
    what: str
    consequence: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        chunks: how many are stored.
        bytes: of all chunks as they are stored.
        orphans: how many chunks no manifest names. That is no problem: a collection removes them.
        orphan_bytes: of those.
        untrusted: records, payloads and outputs that this user has not signed.
        elsewhere: stored versions that never came from the remote. That is no problem: who loads one is told.
    """

    path: Path
    problems: tuple[Problem, ...]
    checkpoints: int = 0
    versions: int = 0
    chunks: int = 0
    bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    untrusted: int = 0
    elsewhere: int = 0

    @property
    def clean(self) -> bool:
        """Whether there is no problem, or all were repaired."""
        return all(problem.repaired for problem in self.problems)


class Record(NamedTuple):
    """What is needed of a checkpoint while the other tables are looked at.

    Attributes:
        names: of variables that it made, read or removed.
        created: those of them that had not been there.
        ambient: the kinds of ambient state that it changed.
    """

    parent: CheckpointId | None
    session: str
    timestamp: float
    trusted: bool
    stored: dict[bytes, Names]
    names: frozenset[str]
    created: frozenset[str]
    ambient: frozenset[str]


@dataclass
class Findings:
    """What the tables hold, and what of it cannot stay.

    Attributes:
        snapshot: the transaction that all this is true of.
        records: those that can be read.
        broken_records: keys of those that cannot.
        missing: checkpoints that others name, and that are not there or not readable, with the time of one of those.
        cycles: checkpoints that are their own ancestors, one of each circle.
        payloads: those that are whole, with the names and whether they are marked.
        lost: stored versions whose payloads are not whole, with the reason.
        to_delete: keys by table of what is to be removed.
    """

    snapshot: int = 0
    problems: list[Problem] = field(default_factory=list)
    records: dict[CheckpointId, Record] = field(default_factory=dict)
    broken_records: set[bytes] = field(default_factory=set)
    missing: dict[CheckpointId, float] = field(default_factory=dict)
    cycles: list[CheckpointId] = field(default_factory=list)
    payloads: dict[bytes, tuple[Manifest, bool]] = field(default_factory=dict)
    lost: dict[Version, str] = field(default_factory=dict)
    to_delete: dict[str, set[bytes]] = field(default_factory=dict)
    sizes: dict[bytes, int] = field(default_factory=dict)
    outputs: int = 0
    untrusted: int = 0
    elsewhere: int = 0

    def delete_later(self, table: str, key: bytes) -> None:
        """Note a row that a repair has to delete."""
        self.to_delete.setdefault(table, set()).add(key)

    def add_problem(self, kind: Kind, what: str, consequence: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, what, consequence))


class Inspection:
    """Looks at all tables, in one transaction. O(bytes of the store)."""

    def __init__(
        self,
        store: Environment,
        txn: Transaction[memoryview],
        signer: Signer,
        progress: Progress | None,
    ) -> None:
        self._path = store.path
        self._tables = store.tables
        self._txn = txn
        self._signatures = StoreIdentity(signer).signatures(txn, store.tables)
        self._progress = progress
        self.findings = Findings(snapshot=txn.id())
        self._stored_bytes: dict[bytes, int] = {}
        self._places: dict[bytes, str] = {}
        self._ends: dict[CheckpointId, float] = {}
        self._needed: set[bytes] = set()
        self._total = sum(
            stat["psize"] * (stat["leaf_pages"] + stat["overflow_pages"])
            for stat in (txn.stat(self._tables[table]) for table in ("chunks", "packed"))
        )
        self._done = 0
        for table in ("chunks", "packed"):
            self._chunks(table)
        self._records()
        self._manifests()
        self._unstored()
        self._outputs()
        self._refs()
        self._graph()
        self._unmarked()

    def report(self) -> Report:
        """The report, with figures and without problems: those are in `findings`."""
        orphans = self._stored_bytes.keys() - self._needed
        counts = {table: self._txn.stat(self._tables[table])["entries"] for table in ("checkpoints", "versions")}
        return Report(
            path=self._path,
            problems=(),
            checkpoints=counts["checkpoints"],
            versions=counts["versions"],
            chunks=len(self._stored_bytes),
            bytes=sum(self._stored_bytes.values()),
            orphans=len(orphans),
            orphan_bytes=sum(self._stored_bytes[digest] for digest in orphans),
            untrusted=self.findings.untrusted,
            elsewhere=self.findings.elsewhere,
        )

    def _rows(self, table: str) -> Iterator[tuple[bytes, memoryview]]:
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, value in cursor:
                yield bytes(key), value

    def _chunks(self, table: str) -> None:
        for key, value in self._rows(table):
            try:
                size = verified_chunk(table, key, value).nbytes
            except LoadError as error:
                if isinstance(error.__cause__, ImportError):  # nothing is wrong with the chunk
                    raise StoreError(str(error)) from error
                self.findings.delete_later(table, key)
                self.findings.add_problem("chunk", str(error), "what it was part of does not load")
            else:
                self.findings.sizes[key] = size
                self._places[key] = table
                self._stored_bytes[key] = len(value)
            self._done += len(value)
            if self._progress:
                self._progress(min(self._done, self._total), self._total)

    def _records(self) -> None:
        for key, data in self._rows("checkpoints"):
            value = bytes(data)
            trusted = self._signatures.verifies("checkpoints", key, value)
            try:
                checkpoint = validated_checkpoint(key, schema.without_signature(value))
            except StoreError as error:
                self.findings.broken_records.add(key)
                self.findings.add_problem("record", str(error), "its code and what it did are not known any more")
                continue
            stored = {
                schema.version_key(Version(record.names, checkpoint.id)): record.names
                for record in checkpoint.versions
                if record.stored
            }
            self.findings.records[checkpoint.id] = Record(
                checkpoint.parent,
                checkpoint.session,
                checkpoint.timestamp,
                trusted,
                stored,
                frozenset(checkpoint.inputs).union(*checkpoint.covariables, *checkpoint.dropped),
                frozenset(checkpoint.created),
                frozenset(checkpoint.ambient),
            )
            self.findings.untrusted += not trusted

    def _manifests(self) -> None:
        for key, data in self._rows("versions"):
            value = bytes(data)
            try:
                manifest = validated_manifest(key, schema.without_signature(value))
            except LoadError:
                self.findings.delete_later("versions", key)
                self._lose(key, "the list of its chunks is damaged")
                continue
            self._needed |= manifest.digests
            try:
                stream = self._stream(manifest)
            except LoadError as error:
                self.findings.delete_later("versions", key)
                self._lose(key, str(error), manifest.names)
                continue
            marked = self._signatures.verifies_payload(key, value, manifest, stream)
            self.findings.payloads[key] = manifest, marked
            self.findings.untrusted += not marked

    def _lose(self, key: bytes, reason: str, names: Names = ()) -> None:
        if len(key) != schema.DIGEST_SIZE + schema.ID_SIZE:
            return
        id = schema.version_checkpoint(key)
        record = self.findings.records.get(id)
        names = names or (record.stored.get(key, ()) if record else ())
        if record and key in record.stored:
            self.findings.lost[Version(names, id)] = reason
        label = ", ".join(names) or "a payload"
        self.findings.add_problem(
            "payload", f"{label} of state {id}: {reason}", "its cell has to be re-run, or it is lost"
        )

    def _stream(self, manifest: Manifest) -> bytes:
        """The pickle stream of a payload. LoadError where that or a buffer cannot be put together."""
        sizes = self.findings.sizes
        missing = sum(digest not in sizes for digest in manifest.digests)
        if missing:
            raise LoadError(f"{missing:,} of its {len(manifest.digests):,} chunks are damaged or missing")
        if any(sum(sizes[digest] for digest in piece.digests) != piece.nbytes for piece in manifest.pieces):
            raise LoadError("its chunks do not add up")
        return chunks.join_stream(manifest, self._parts)

    def _parts(self, piece: Piece) -> Iterator[memoryview]:
        for digest in piece.digests:
            table = self._places[digest]
            yield verified_chunk(table, digest, self._txn.get(digest, b"", db=self._tables[table]))

    def _unstored(self) -> None:
        """Note versions that are stored according to their records, and of which there is nothing.

        Where they may never have come, they may come yet: a record that called them lost would outlast that.
        """
        may_come = bool(not_brought(self._txn, self._tables, self._path))
        for id, record in self.findings.records.items():
            for key, names in record.stored.items():
                version = Version(names, id)
                if key in self.findings.payloads or version in self.findings.lost:
                    continue
                if may_come:
                    self.findings.elsewhere += 1
                else:
                    self._lose(key, "nothing of it is there", names)

    def _outputs(self) -> None:
        for key, data in self._rows("outputs"):
            value = bytes(data)
            try:
                check_outputs(schema.without_signature(value))
                self.findings.outputs += 1
                self.findings.untrusted += not self._signatures.verifies("outputs", key, value)
            except StoreError as error:
                self.findings.delete_later("outputs", key)
                self.findings.add_problem("outputs", f"{error}", "they are not shown any more")

    def _refs(self) -> None:
        for key, value in self._rows("refs"):
            try:
                name, id = validated_ref(key, bytes(value))
            except StoreError as error:
                self.findings.delete_later("refs", key)
                self.findings.add_problem("ref", str(error), "it leads nowhere")
                continue
            if id in self.findings.records:
                continue
            if name.startswith(_ENDS):  # of a branch or a session: there was something, whatever it was
                self._ends[id] = max(self._ends.get(id, 0.0), self._end_of(name))
            elif schema.checkpoint_key(id) not in self.findings.broken_records:
                self.findings.delete_later("refs", key)
                self.findings.add_problem("ref", f"{name} points to state {id}, which is missing", "it leads nowhere")

    def _end_of(self, name: str) -> float:
        """When a ref's missing checkpoint was taken: after all others of its session. 0 where that is not known."""
        times = (record.timestamp for record in self.findings.records.values() if f"head/{record.session}" == name)
        return max((time + _MOMENT for time in times), default=0.0)

    def _graph(self) -> None:
        found = self.findings
        for record in found.records.values():
            if record.parent is not None and record.parent not in found.records:
                found.missing[record.parent] = min(record.timestamp, found.missing.get(record.parent, record.timestamp))
        for id, timestamp in self._ends.items():
            found.missing.setdefault(id, timestamp)
        for key in found.payloads:
            if schema.version_checkpoint(key) not in found.records:
                found.missing.setdefault(schema.version_checkpoint(key), 0.0)
        for key in found.broken_records:
            if len(key) == schema.ID_SIZE:
                found.missing.setdefault(schema.checkpoint_id(key), 0.0)
        for id in sorted(found.missing):
            if schema.checkpoint_key(id) not in found.broken_records:
                found.add_problem("record", f"state {id} is missing", "states after it are incomplete")
        parents = {id: record.parent for id, record in found.records.items()}
        found.cycles = cycles(parents)
        for id in found.cycles:
            found.add_problem("record", f"state {id} is its own ancestor", "its history has no beginning")

    def _unmarked(self) -> None:
        count = self.findings.untrusted
        if count:
            total = len(self.findings.records) + len(self.findings.payloads) + self.findings.outputs
            self.findings.add_problem(
                "mark",
                f"{count:,} of {total:,} records, payloads and outputs are not signed with your key",
                "somebody else may have written them, so they can only be read: `jupyter kishu trust` accepts them",
            )
