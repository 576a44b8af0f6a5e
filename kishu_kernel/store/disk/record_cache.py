"""The decoded records of a store's checkpoints, so that a list of all of them costs what changed since the last one.

Law: what is returned is what the store holds in the given transaction. Nothing is remembered of a record that is not
trusted or cannot be read: the user may accept it, or repair it, at any moment.
Neighbours: `lmdb_store` asks, and tells what it wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint
from kishu_kernel.model.dataclass import dataclass, field

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Decode = Callable[[bytes, bytes], Checkpoint]
"""Makes a checkpoint, without its outputs, of a key and a value. Raises StoreError where that is damaged."""


@dataclass(slots=True)
class _Remembered:
    """What one transaction showed.

    Attributes:
        scope: what else the records depend on: the opened file, and whose signatures count.
        transaction: the number of the last write that is included.
        values: key -> the record as it was stored. Only trusted ones.
        decoded: the same, as checkpoints.
        unsettled: keys of records that must be read again.
    """

    scope: object = None
    transaction: int = -1
    values: dict[bytes, bytes] = field(default_factory=dict)
    decoded: dict[bytes, Checkpoint] = field(default_factory=dict)
    unsettled: set[bytes] = field(default_factory=set)


class RecordCache:
    """The records of one store. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = _Remembered()

    def checkpoints(
        self, txn: Transaction[memoryview], table: _Database, scope: object, decode: Decode
    ) -> list[Checkpoint]:
        """All checkpoints whose records can be read, without outputs.

        O(checkpoints) in nanoseconds each if only this store wrote since the last call; else all records are compared,
        and those that changed are decoded.
        """
        with self._lock:
            last, self._last = self._last, _Remembered()  # should it be interrupted, nothing is remembered
            if scope != last.scope:
                last = _Remembered(scope)
            values: Mapping[bytes, bytes | None]
            if txn.id() != last.transaction:  # others wrote meanwhile; or this transaction is older than the last look
                values = self._compared(txn, table, last)
            else:
                found = {key: txn.get(key, db=table) for key in last.unsettled}
                values = {key: None if value is None else bytes(value) for key, value in found.items()}
            last.transaction = txn.id()
            passing = self._settle(last, values, decode)
            self._last = last
            return [*passing, *last.decoded.values()]

    def wrote(self, transaction: int, keys: Collection[bytes]) -> None:
        """Takes note of what a write of this store changed. Other writes are noticed without this.

        Args:
            transaction: its number. It must have changed something: else LMDB gives the number to the next one, too.
            keys: of the records that it put.
        """
        with self._lock:
            if transaction == self._last.transaction + 1:  # nobody else wrote in between
                self._last.transaction = transaction
                self._last.unsettled.update(keys)

    @staticmethod
    def _compared(txn: Transaction[memoryview], table: _Database, last: _Remembered) -> Mapping[bytes, bytes | None]:
        """The records that differ from those that are remembered; None for those that are gone."""
        differing: dict[bytes, bytes | None] = {}
        gone = set(last.values)
        with txn.cursor(db=table) as cursor:
            for key, value in cursor:
                known, stored = bytes(key), bytes(value)  # a memoryview would be compared byte by byte
                gone.discard(known)
                if last.values.get(known) != stored:
                    differing[known] = stored
        return {**differing, **dict.fromkeys(gone)}

    @staticmethod
    def _settle(last: _Remembered, values: Mapping[bytes, bytes | None], decode: Decode) -> list[Checkpoint]:
        """Remembers these records. Returns the checkpoints that are not remembered."""
        passing = []
        last.unsettled = set()
        for key, value in values.items():
            last.values.pop(key, None)
            last.decoded.pop(key, None)
            if value is None:
                continue
            try:
                checkpoint = decode(key, value)
            except StoreError:
                last.unsettled.add(key)
                continue
            if checkpoint.trusted:
                last.values[key], last.decoded[key] = value, checkpoint
            else:
                last.unsettled.add(key)
                passing.append(checkpoint)
        return passing


__all__ = ["RecordCache"]
