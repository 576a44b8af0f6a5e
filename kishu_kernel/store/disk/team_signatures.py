"""The signatures of a user who has a team: his own, and the seals of those whom he trusts, in one transaction.

Law: a row is trusted for its own bytes. A seal that is for other bytes, another row or another history is none. A
record of somebody else's in which something was noted (a message, a value that was dropped) stays his: it is trusted
as long as both are, who wrote it and who noted it.
Neighbours: `format.seals` has the format, `format.team` says whose count; `identity` makes these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import StoreError
from kishu_kernel.store.format import schema, seals
from kishu_kernel.store.format.schema import NO_SIGNATURE, Manifest, without_signature
from kishu_kernel.store.format.seals import HISTORY_BYTES, HISTORY_KEY, Seal, seal_key
from kishu_kernel.store.format.signatures import StoreSignatures, sha256
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.format.team import Team

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

Tables = Mapping[str, "_Database"]
Memo = dict[object, bool]


class TeamSignatures(StoreSignatures):
    """The signatures of one user and his team in one store, valid in one transaction.

    Args:
        team: with what this user trusts.
        memo: what was found out by others of these, of the same store.
    """

    __slots__ = ("_history", "_memo", "_one_store", "_pending", "_seals", "_tables", "_team", "_txn")

    def __init__(
        self, signer: Signer, identity: bytes | None, team: Team, txn: Transaction[Any], tables: Tables, memo: Memo
    ) -> None:
        super().__init__(signer, identity)
        self._memo = memo
        self._one_store: bool | None = None
        self._team = team
        self._txn = txn
        self._tables = tables
        self._history = _history(txn, tables)
        self._seals: dict[bytes, bytes | None] = {}
        self._pending: dict[tuple[str, bytes], tuple[bytes, bytes]] = {}

    @property
    def scope(self) -> object:
        """As in `StoreSignatures`."""
        return self.identity, self._history, self._team.scope

    # -- whom it is from

    def prepare(self, table: str, key: bytes) -> None:
        """As in `StoreSignatures`: the seal is read now."""
        self._seal(table, key)
        self._is_one_store()

    def with_seals(self, found: Mapping[bytes, bytes], history: bytes | None) -> StoreSignatures:
        """As in `StoreSignatures`."""
        made = TeamSignatures(self._signer, self.identity, self._team, self._txn, self._tables, self._memo)
        made._seals.update(found)
        made._history = made._history or history
        return made

    def verifies(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a stored value has the user's signature, or the seal of somebody whom he trusts."""
        own = not self._team.strict and self.is_signed(table, key, value) and self._is_one_store()
        return own or self._is_sealed(table, key, value)

    def verifies_payload(self, key: bytes, value: bytes, manifest: Manifest, stream: bytes) -> bool:
        """As in `StoreSignatures`, or with such a seal."""
        if self._is_sealed("versions", key, value):
            return sha256(stream) == manifest.stream.sha256
        own = not self._team.strict and super().verifies_payload(key, value, manifest, stream)
        return own and self._is_one_store()

    @property
    def writer(self) -> str:
        """As in `StoreSignatures`."""
        return self._team.name(self._team.own.public) if self._team.own else ""

    def author(self, table: str, key: bytes, value: bytes) -> str:
        """As in `StoreSignatures`."""
        seal = self._held(table, key, value)
        return self._team.name(seal.author) if seal else ""

    def _is_one_store(self) -> bool:
        """Whether the store's identity, and the history, belong together: some row of this user's is of both.

        Somebody who can write to the store could else bring another store's identity, and its rows with their HMACs,
        into a history whose own rows are known by their seals.
        """
        if self._history is None or self._team.own is None:
            return True
        if self._one_store is None:
            lasting = self.identity, self._history
            now = *lasting, self._txn.id()
            self._one_store = self._memo.get(lasting, self._memo.get(now))
        if self._one_store is None:
            known = self._own_sealed_rows_are_signed()
            self._one_store = known is not False
            self._memo.clear()
            self._memo[lasting if known else now] = self._one_store
        return self._one_store

    def _own_sealed_rows_are_signed(self) -> bool | None:
        """Whether a row that this user has sealed has his HMAC, too; None where he has sealed none. O(rows)."""
        found: bool | None = None
        if "seals" not in self._tables or self._team.own is None:
            return found
        with self._txn.cursor(db=self._tables["seals"]) as cursor:
            for name, value in cursor:
                if bytes(value[1:33]) != self._team.own.public:
                    continue
                with suppress(StoreError):
                    table, key = seals.row_of(bytes(name))
                    row = bytes(self._txn.get(key, b"", db=self._tables[table]))
                    if self._held(table, key, row):
                        found = self.is_signed(table, key, row)
                if found:
                    break
        return found

    def _is_sealed(self, table: str, key: bytes, value: bytes) -> bool:
        seal = self._seal(table, key)
        return seal is not None and self._team.trusts(seal) and self._held(table, key, value) is not None

    def _held(self, table: str, key: bytes, value: bytes) -> Seal | None:
        """The seal of a row that its signer has made for just this value; trusted or not."""
        seal = self._seal(table, key)
        if seal is None or self._history is None:
            return None
        leaf = seals.leaf(self._history, seal.author, table, key, without_signature(value))
        return seal if self._team.holds(seal, leaf) else None

    def _seal(self, table: str, key: bytes) -> Seal | None:
        name = seal_key(table, key)
        if name not in self._seals:
            found = self._txn.get(name, db=self._tables["seals"]) if "seals" in self._tables else None
            self._seals[name] = None if found is None else bytes(found)
        value = self._seals[name]
        try:
            return None if value is None else seals.decode_seal(value)
        except StoreError:
            return None

    # -- writing

    def signed(self, table: str, key: bytes, body: bytes) -> bytes:
        """As in `StoreSignatures`. `finish` puts the seal."""
        if self._team.own:
            self._pending[table, key] = body, self._team.own.public
        return super().signed(table, key, body)

    def signed_again(self, table: str, key: bytes, body: bytes, before: bytes) -> bytes:
        """As in `StoreSignatures`. It stays its author's, and trusted by what it was trusted by."""
        if not before:
            return self.signed(table, key, body)
        if not self.verifies(table, key, before):
            return body + NO_SIGNATURE
        seal = self._held(table, key, before)
        if self._team.own and seal:
            self._pending[table, key] = body, seal.author
        own = self.is_signed(table, key, before)
        return super().signed(table, key, body) if own else body + NO_SIGNATURE

    def finish(self) -> None:
        """As in `StoreSignatures`: what was signed in this transaction gets its seals, by one signature."""
        for name, value in self.made_seals().items():
            self._txn.put(name, value, db=self._tables["seals"])
            self._seals[name] = value

    def made_seals(self) -> dict[bytes, bytes]:
        """As in `StoreSignatures`."""
        pending, self._pending = self._pending, {}
        if not pending or not self._team.own:
            return {}
        history = self._history = self._history or self._begun(pending)
        rows = list(pending.items())
        leaves = [seals.leaf(history, author, table, key, body) for (table, key), (body, author) in rows]
        made = self._team.sealed(leaves, [author for _, (_, author) in rows])
        return {seal_key(*row): seals.encode_seal(seal) for (row, _), seal in zip(rows, made, strict=True)}

    def _begun(self, pending: Mapping[tuple[str, bytes], object]) -> bytes:
        """Say which history this is: two machines that begin to seal one history say the same.

        It goes by the record of the oldest state that this user knows as his own: by those of others, somebody who can
        write to the store could make it another history of his.
        """
        oldest: tuple[float, bytes, bytes] | None = None
        with self._txn.cursor(db=self._tables["checkpoints"]) as cursor:
            for key, value in cursor:
                if self.is_signed("checkpoints", bytes(key), bytes(value)):
                    found = _moment(bytes(value)), bytes(key), without_signature(bytes(value))
                    oldest = found if oldest is None else min(oldest, found)
        start = b"".join(oldest[1:]) if oldest else min(key for _, key in pending)
        history = hashlib.sha256(HISTORY_KEY + start).digest()[:HISTORY_BYTES]
        self._txn.put(HISTORY_KEY, history, db=self._tables["meta"])
        return history


def _history(txn: Transaction[Any], tables: Tables) -> bytes | None:
    found = txn.get(HISTORY_KEY, db=tables["meta"])
    return bytes(found) if found is not None and len(found) == HISTORY_BYTES else None


def _moment(value: bytes) -> float:
    try:
        return float(schema.load_json(without_signature(value))["timestamp"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
