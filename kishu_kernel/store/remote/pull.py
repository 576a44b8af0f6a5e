"""A history pulled: what the remote holds and this store does not comes here, all of it or nothing.

Law: nothing that this user trusts is replaced by what he does not. What was dropped here to save space does not come
back, and what changed here stays. Chunks are written ahead; the rows that name them, the names and the link are one
transaction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError, RemoteError, StoreError
from kishu_kernel.model import CheckpointId, Version
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.identity import StoreIdentity
from kishu_kernel.store.disk.parallel import run_in_parallel
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.seals import HISTORY_KEY, row_of
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.format.validation import check_graph, validated_checkpoint, verified_chunk
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.encrypted_objects import encryption_of
from kishu_kernel.store.remote.holdings import (
    READS,
    GoneError,
    Holdings,
    digests_at,
    named_there,
    read_holdings,
    read_rows,
    still_named,
)
from kishu_kernel.store.remote.layout import Place, RowKey
from kishu_kernel.store.remote.link import Link, new_link, read_link, write_link
from kishu_kernel.store.remote.names import received_refs
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.recipients import opened
from kishu_kernel.store.remote.row_checks import CheckedRows, states_of

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

LANES = 3
"""Packs that are read at once."""
ATTEMPTS = 5
"""So often a pull begins anew because the store was changed meanwhile."""
_PAGE = 4096

Progress = Callable[[int, int], None]
Parents = dict[CheckpointId, CheckpointId | None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Attributes:
        bytes: of chunks.
        names: branches, tags and heads that were set.
        names_left: none were, since nobody whom this user trusts vouches for them, and somebody did so before.
    """

    checkpoints: int = 0
    versions: int = 0
    chunks: int = 0
    bytes: int = 0
    names: tuple[str, ...] = ()
    names_left: bool = False


class _ChangedError(Exception):
    """The store was changed meanwhile."""


def pull(
    path: Path,
    objects: Objects,
    progress: Progress | None = None,
    signer: Signer | None = None,
    *,
    in_use: bool = False,
    only: Collection[Version] | None = None,
) -> Pulled:
    """Pull what a remote holds into a store. O(records) to compare, and O(bytes that the store lacks).

    Args:
        path: of the store.
        objects: the remote; it becomes that of the store, if that is empty.
        signer: knows what this user trusts.
        in_use: a kernel has the store open, so that no branch moves that it may stand on.
        only: the versions whose values are brought; None: all.

    Raises:
        RemoteError: it cannot be reached or read, is empty, or is another history's.
        StoreError: what is in it is damaged, or the disk failed. The store is as it was.
    """
    with environment_pool.opened(path) as store:
        clean, store.free_of_orphans = store.free_of_orphans, False
        for attempt in range(ATTEMPTS):
            try:
                found = _Pull(store, objects, progress, signer or user_signer(), in_use).run(only)
            except _ChangedError:
                continue
            except GoneError:  # of a head that was the newest when this began
                if attempt < READS - 1:
                    continue
                raise
            except LoadError as error:
                raise RemoteError(
                    f"what the remote {objects.url} holds is damaged ({error}): nothing is used"
                ) from error
            store.free_of_orphans = clean
            return found
        raise StoreError(f"the store at {path} is changed all the time: pull again when no cell runs")


class _Pull:
    def __init__(
        self, store: Environment, objects: Objects, progress: Progress | None, signer: Signer, in_use: bool
    ) -> None:
        self._store = store
        self._tables = store.tables
        self._objects = objects
        self._progress = progress
        self._signer = signer
        self._identity = StoreIdentity(signer)
        self._in_use = in_use

    def run(self, only: Collection[Version] | None) -> Pulled:
        known, empty = self._linked()
        link = known or new_link(self._objects.url)
        self._objects = opened(self._objects, known)
        holdings = read_holdings(self._objects, link, signer=self._signer)
        if holdings.head is None:
            raise RemoteError(f"there is no history at {self._objects.url}: push one there first")
        if not link.history and not empty:
            raise RemoteError(
                f"the remote {self._objects.url} is not that of this history: `jupyter kishu clone` makes a store of it"
            )
        wanted, local = self._wanted(digests_at(link.segments, holdings), holdings, link.partial)
        values = dict(read_rows(self._objects, holdings, wanted))
        parents, named = self._checked(values)
        values = {row: value for row, value in values.items() if self._is_taken(row, values, local)}
        if only is not None:
            keys = {schema.version_key(each) for each in only}
            values = {row: value for row, value in values.items() if row[0] != "versions" or row[1] in keys}
        digests = {digest for row in values for digest in named.get(row, ())}
        chunks, size = self._fetch(holdings, digests)
        names_left = link.sealed and not holdings.vouch.is_trusted
        refs = self._refs(link, holdings, parents)
        if names_left:
            refs["set"] = {}
        received = {name: id for name, id in link.received.items() if refs["before"].get(name) == id}
        encryption = encryption_of(self._objects)
        link = link.seen(holdings.number, holdings.head, holdings.vouch, holdings.segments, encryption)
        segments = still_named(link.segments, holdings)
        received |= refs["set"]
        thinned = link.thinned or bool(holdings.dropped)
        link = replace(link, segments=segments, received=received, partial=only is not None, thinned=thinned)
        self._store.write(
            lambda txn: self._put(txn, values, local, digests, refs, (known, link)),
            sum(map(len, values.values())) + _PAGE * len(values),
        )
        tables = [table for table, _ in values]
        names = tuple(sorted(refs["set"]))
        return Pulled(tables.count("checkpoints"), tables.count("versions"), chunks, size, names, names_left)

    def _linked(self) -> tuple[Link | None, bool]:
        """What the store knows of this remote, and whether it is empty."""
        with self._store.reading() as txn:
            link = read_link(txn, self._tables)
            empty = not txn.stat(self._tables["checkpoints"])["entries"]
        if link is not None and link.url != self._objects.url:
            raise RemoteError(f"the remote of this history is {link.url}: pull from there")
        return link, empty

    # -- what is missing here

    def _wanted(
        self, base: dict[RowKey, bytes], holdings: Holdings, partial: bool
    ) -> tuple[list[RowKey], dict[RowKey, bytes]]:
        """The rows to read, and what stands in their places here."""
        wanted, local = [], {}
        with self._store.reading() as txn:
            for row, (digest, _) in holdings.rows.items():
                table, key = row
                value = txn.get(key, db=self._tables[table])
                if value is None:
                    if row not in base or table == "checkpoints" or partial:  # else it was here, and was dropped
                        wanted.append(row)
                    continue
                here = layout.body_digest(table, bytes(value))
                if table != "meta" and here != digest and here == base.get(row):  # it changed there, and not here
                    wanted.append(row)
                    local[row] = bytes(value)
        return wanted, local

    def _checked(self, values: dict[RowKey, bytes]) -> tuple[Parents, dict[RowKey, set[Any]]]:
        """Check each row. The parents of all states, of here and there; and the chunks that the manifests name."""
        parents: Parents = {}
        with self._store.reading() as txn, txn.cursor(db=self._tables["checkpoints"]) as cursor:
            for found, record in cursor:
                checkpoint = validated_checkpoint(bytes(found), schema.without_signature(bytes(record)))
                parents[checkpoint.id] = checkpoint.parent
        checked = CheckedRows(parents)
        for row, value in values.items():
            checked.add(row, value)
        check_graph(parents)
        for id in states_of(values):
            if id not in parents:
                raise RemoteError(f"the remote holds something of state {id}, which is not in it: nothing is used")
        return parents, checked.digests

    def _is_taken(self, row: RowKey, values: dict[RowKey, bytes], here: dict[RowKey, bytes]) -> bool:
        """Whether a row takes the place of the one that is here, if any. A seal goes with its row."""
        if row[0] == "seals" and row_of(row[1]) in values:
            return self._is_taken(row_of(row[1]), values, here)
        if row not in here:
            return True
        table, key = row_of(row[1]) if row[0] == "seals" else row
        with self._store.reading() as txn:
            local = bytes(txn.get(key, b"", db=self._tables[table]))
            value = values.get((table, key), local)
            signatures = self._identity.signatures(txn, self._tables)
            seals = {name: value for (of, name), value in values.items() if of == "seals"}
            coming = signatures.with_seals(seals, values.get(("meta", HISTORY_KEY)))
            if signatures.verifies(table, key, local) and not coming.verifies(table, key, value):
                return False
            if row[0] != "checkpoints":
                return True
            ours, theirs = (validated_checkpoint(key, schema.without_signature(each)) for each in (local, value))
            stored = {each.names for each in theirs.versions if each.stored}
            brought = {names for names in stored if ("versions", schema.key_in_checkpoint(names, key)) in values}
            lacking = [
                names
                for names in stored - brought
                if txn.get(schema.key_in_checkpoint(names, key), db=self._tables["versions"]) is None
            ]
        return stored >= {each.names for each in ours.versions if each.stored} and not lacking

    # -- chunks

    def _fetch(self, holdings: Holdings, digests: Iterable[bytes]) -> tuple[int, int]:
        """Write the chunks that are not here yet. How many, and their bytes."""
        with self._store.reading() as txn:
            missing = [digest for digest in digests if not self._has(txn, digest)]
        by_pack: dict[str, list[tuple[Place, bytes]]] = {}
        for digest in missing:
            place = holdings.chunks.get(digest)
            if place is None:
                raise RemoteError("the remote lacks chunks that it names: nothing is used")
            by_pack.setdefault(place.pack, []).append((place, digest))
        total, done = sum(holdings.chunks[digest].length for digest in missing), 0
        counting = threading.Lock()

        def bring(job: tuple[str, list[tuple[Place, bytes]]]) -> None:
            nonlocal done
            pack, batch = job
            with named_there(self._objects, pack):
                values = self._objects.get_parts(pack, [(place.start, place.length) for place, _ in batch])
            for (place, digest), value in zip(batch, values, strict=True):
                verified_chunk(place.table, digest, value)
            size = sum(map(len, values))
            self._store.write(lambda txn: self._put_chunks(txn, batch, values), size + _PAGE * len(values))
            with counting:
                done += size
                if self._progress:
                    self._progress(done, total)

        jobs = [
            (pack, batch)
            for pack, places in by_pack.items()
            for batch in layout.batches((each, each[0].length) for each in sorted(places))
        ]
        run_in_parallel(bring, jobs, LANES - 1)
        return len(missing), done

    def _put_chunks(
        self, txn: Transaction[bytes], batch: list[tuple[Place, bytes]], values: Sequence[bytes | memoryview]
    ) -> None:
        for (place, digest), value in zip(batch, values, strict=True):
            txn.put(digest, value, db=self._tables[place.table])

    def _has(self, txn: Transaction[Any], digest: bytes) -> bool:
        return any(txn.get(digest, db=self._tables[table]) is not None for table in schema.CHUNK_TABLES)

    # -- names

    def _refs(self, link: Link, holdings: Holdings, parents: Parents) -> dict[str, dict[str, CheckpointId]]:
        """The names as they are here, and those to set."""
        with self._store.reading() as txn, txn.cursor(db=self._tables["refs"]) as cursor:
            local = {schema.ref_name(key): schema.checkpoint_id(value) for key, value in cursor}
        others = {id: each for id, each in holdings.manifest.replicas.items() if id != link.replica}

        def leads_to(one: CheckpointId, other: CheckpointId) -> bool:
            at: CheckpointId | None = other
            while at is not None and at != one:
                at = parents.get(at)
            return at is not None

        found = received_refs(local, link.received, others, leads_to, self._in_use)
        return {"before": local, "set": {name: id for name, id in found.items() if id in parents}}

    # -- writing

    def _put(
        self,
        txn: Transaction[bytes],
        values: dict[RowKey, bytes],
        local: dict[RowKey, bytes],
        digests: Iterable[bytes],
        refs: dict[str, dict[str, CheckpointId]],
        links: tuple[Link | None, Link],
    ) -> None:
        """Put all rows, names and the link, unless the store was changed meanwhile."""
        before, link = links
        if read_link(txn, self._tables) != before or not all(self._has(txn, digest) for digest in digests):
            raise _ChangedError
        for (table, key), value in values.items():
            if txn.get(key, db=self._tables[table]) != local.get((table, key)):
                raise _ChangedError
            txn.put(key, value, db=self._tables[table])
        for name, id in refs["set"].items():
            key, was = schema.ref_key(name), refs["before"].get(name)
            if txn.get(key, db=self._tables["refs"]) != (was and schema.checkpoint_key(was)):
                raise _ChangedError
            txn.put(key, schema.checkpoint_key(id), db=self._tables["refs"])
        write_link(txn, self._tables, link)
