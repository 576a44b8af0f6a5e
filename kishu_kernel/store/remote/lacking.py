"""What a remote lacks of a store: found out in one read transaction, before anything is sent.

Law: what changed in the remote meanwhile is not written over, nor is a record of a value that this store dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Version
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.known_pages import KnownPages, PagesLook
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.seals import HISTORY_KEY, seal_key
from kishu_kernel.store.format.signatures import IDENTITY_PREFIX
from kishu_kernel.store.format.validation import cycles, validated_checkpoint, validated_ref
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.holdings import Holdings, keys_at
from kishu_kernel.store.remote.layout import RowKey
from kishu_kernel.store.remote.link import Link
from kishu_kernel.store.remote.names import Refs, own_refs
from kishu_kernel.store.remote.row_checks import CheckedRows, states_of

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

    from kishu_kernel.store.disk.environment import Environment

MADE_PREFIX = b"made/"

Needed = Callable[[Sequence[Checkpoint], Refs], Collection[Version]]
"""Of all records and some names: the versions that these need."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a remote lacks.

    Attributes:
        rows: of each the bytes.
        chunks: of each the bytes, in the order of their digests: who tries again makes the same packs.
        refs: of this replica.
    """

    rows: dict[RowKey, int]
    chunks: dict[bytes, int]
    refs: Refs


def what_is_lacking(
    store: Environment, link: Link, holdings: Holdings, needed: Needed | None = None, again: bool = True
) -> Lacking:
    """What to push. O(records); of rows that were found to be there before, O(their pages).

    Args:
        needed: of what was removed from the remote to save space, that goes there again which names of this replica
            or of others need. None: nothing of it.
        again: it will be asked again of these holdings, so that it pays to note what was found.

    Raises:
        StoreError: a name is damaged.
        LoadError: a row that is to be sent is, so that no pull would take it; or a chunk is not there.
    """
    with store.reading() as txn:
        refs = {}
        with txn.cursor(db=store.tables["refs"]) as cursor:
            for key, value in cursor:
                name, id = validated_ref(bytes(key), bytes(value))
                if txn.get(bytes(value), db=store.tables["checkpoints"]) is not None:
                    refs[name] = id
        refs = own_refs(refs, link.received)
        names = {**names_there(holdings), **refs}
        needed_rows = cache(partial(_needed_rows, txn, store.tables, names, needed))
        rows = _rows(store, txn, link, holdings, needed_rows, holdings.pages if again else None)
        digests = {bytes(digest) for each in _checked(txn, store.tables, rows, holdings).values() for digest in each}
        missing = sorted(digest for digest in digests if digest not in holdings.chunks)
        chunks = {digest: len(find_chunk(txn, store.tables, digest)[1]) for digest in missing}
    return Lacking(rows, chunks, refs)


def unpushed(path: Path, holdings: Holdings | None) -> list[CheckpointId]:
    """The states of a store that a remote did not hold when it was last read (None: never). O(states)."""
    with (
        environment_pool.opened(path, readonly=True) as store,
        store.reading() as txn,
        txn.cursor(db=store.tables["checkpoints"]) as cursor,
    ):
        keys = [bytes(key) for key in cursor.iternext(values=False)]
    held = {} if holdings is None else holdings.rows
    return [schema.checkpoint_id(key) for key in keys if ("checkpoints", key) not in held]


def find_chunk(txn: Transaction[Any], tables: Mapping[str, _Database], digest: bytes) -> tuple[str, memoryview]:
    """The table and the value of a chunk, valid in this transaction. LoadError where it is missing."""
    for table in schema.CHUNK_TABLES:
        value = txn.get(digest, db=tables[table])
        if value is not None:
            return table, memoryview(value)
    raise LoadError(f"chunk {digest.hex()} is missing")


def _rows(
    store: Environment,
    txn: Transaction[memoryview],
    link: Link,
    holdings: Holdings,
    needed: Callable[[], Collection[RowKey]],
    pages: KnownPages | None,
) -> dict[RowKey, int]:
    """The rows that the remote does not have, or has as they were here before they changed. Of each the bytes."""
    rows: dict[RowKey, int] = {}
    base = keys_at(link.segments, holdings)
    look = PagesLook(store, txn, pages)
    for table in layout.TABLES:
        differing = []
        for key, value in look.rows(table):
            if table == "meta" and not key.startswith((IDENTITY_PREFIX, MADE_PREFIX, HISTORY_KEY)):
                continue
            there, _ = holdings.rows.get((table, key), (None, ""))
            if there is not None and (table == "meta" or layout.body_digest(table, bytes(value)) == there):
                continue
            if there is not None and table == "checkpoints" and _stores_less(key, bytes(value), holdings):
                continue
            differing.append(key)  # also of what is sent now: it may be sent as it is by then, and it may not arrive
            if there is None and (table, key) in holdings.dropped and (table, key) not in needed():
                continue
            if there not in (None, next((keys[table, key] for keys in reversed(base) if (table, key) in keys), None)):
                continue
            rows[table, key] = len(value)
        look.settle(table, differing)
    return rows


def _checked(
    txn: Transaction[Any], tables: Mapping[str, _Database], rows: Iterable[RowKey], holdings: Holdings
) -> Mapping[RowKey, set[Any]]:
    """Check what is to be sent: LoadError where no pull would take it. The digests of the chunks that it names."""

    def is_there(id: CheckpointId) -> bool:
        key = schema.checkpoint_key(id)
        return ("checkpoints", key) in holdings.rows or txn.get(key, db=tables["checkpoints"]) is not None

    checked = CheckedRows()
    try:
        for table, key in rows:
            checked.add((table, key), bytes(txn.get(key, b"", db=tables[table])))
        states = states_of(rows)
    except StoreError as error:
        raise LoadError(str(error)) from error
    for id in states:
        if not is_there(id):
            raise LoadError(f"it holds something of state {id}, and not its record")
    for id, parent in checked.parents.items():
        if parent is not None and not is_there(parent):
            raise LoadError(f"state {id} has a parent that is not there")
    for id in cycles(checked.parents):
        raise LoadError(f"state {id} is its own ancestor")
    return checked.digests


def names_there(holdings: Holdings) -> dict[str, CheckpointId]:
    """The names of all replicas, as a remote has them."""
    return {f"{name}@{id}": at for id, each in holdings.manifest.replicas.items() for name, at in each.refs.items()}


def _needed_rows(
    txn: Transaction[Any], tables: Mapping[str, _Database], refs: Refs, needed: Needed | None
) -> set[RowKey]:
    """The rows of the versions that some names need, and their seals."""
    if needed is None:
        return set()
    with txn.cursor(db=tables["checkpoints"]) as cursor:
        records = [validated_checkpoint(bytes(key), schema.without_signature(bytes(value))) for key, value in cursor]
    return set(version_rows(map(schema.version_key, needed(records, refs))))


def version_rows(keys: Iterable[bytes]) -> Iterator[RowKey]:
    """The rows of the versions with these keys: their manifests, and the seals of these."""
    for key in keys:
        yield "versions", key
        yield "seals", seal_key("versions", key)


def _stores_less(key: bytes, value: bytes, holdings: Holdings) -> bool:
    """Whether a record says that something is not stored which the remote has, or had: it may come back."""
    try:
        checkpoint = validated_checkpoint(key, schema.without_signature(value))
    except StoreError:  # it is told with all else that would be sent
        return False
    rows = [("versions", schema.key_in_checkpoint(each.names, key)) for each in checkpoint.versions if not each.stored]
    return any(row in holdings.rows or row in holdings.dropped for row in rows)
