"""Rows of tables, copied and checked: what LMDB returns is valid only during its transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint
from kishu_kernel.store.base import Refs
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.checkpoints import decode_checkpoint
from kishu_kernel.store.format.signatures import StoreSignatures

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Result = TypeVar("Result")


def check_refs(refs: Refs) -> None:
    """StoreError or KeyError where one cannot be stored."""
    for name, id in refs.items():
        schema.ref_key(name)
        if id is not None:
            schema.checkpoint_key(id)


def items(txn: Transaction[bytes] | Transaction[memoryview], table: _Database) -> list[tuple[bytes, bytes]]:
    """A copy of a table: what LMDB returns is valid only during the transaction."""
    with txn.cursor(db=table) as cursor:
        return [(bytes(key), bytes(value)) for key, value in cursor]


def decoded(signatures: StoreSignatures, key: bytes, value: bytes, outputs: bytes) -> Checkpoint:
    """The checkpoint in a row and its outputs' row (empty: there is none). StoreError where the record is damaged."""
    return decode_checkpoint(
        schema.checkpoint_id(key),
        schema.without_signature(value),
        schema.without_signature(outputs),
        signatures.verifies("checkpoints", key, value),
        not outputs or signatures.verifies("outputs", key, outputs),
        signatures.author("checkpoints", key, value),
    )


def readable(
    signatures: StoreSignatures, records: list[tuple[bytes, bytes]], outputs: Mapping[bytes, bytes]
) -> Iterator[Checkpoint]:
    """The checkpoints in some rows, without those whose records are damaged.

    Args:
        outputs: rows of the outputs, by key.
    """
    for key, value in records:
        try:
            checkpoint = decoded(signatures, key, value, outputs.get(key, b""))
        except StoreError:
            continue
        yield checkpoint


def not_brought(txn: Transaction[Any], tables: Mapping[str, _Database], path: Path) -> str:
    """Says where a value may be that is not here, if only some were brought, or why it is nowhere; else nothing."""
    found = txn.get(schema.REMOTE_KEY, db=tables["meta"])
    link = {} if found is None else schema.load_json(bytes(found))
    if link.get("partial"):
        return f", but its remote may: `jupyter kishu pull {path}` brings what is there"
    return (
        ": when this history came from its remote, values had been dropped there to save space"
        if link.get("thinned")
        else ""
    )
