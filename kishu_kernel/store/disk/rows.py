"""Rows of tables, copied and checked: what LMDB returns is valid only during its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kishu_kernel.store.base import Refs
from kishu_kernel.store.format import schema

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
