"""The signatures of a user who has a team: his own, and the seals of those whom he trusts, in one transaction.

Law: a row is trusted for its own bytes. A seal that is for other bytes, another row or another history is none. A
record of somebody else's in which something was noted (a message, a value that was dropped) stays his: it is trusted
as long as both are, who wrote it and who noted it.
Neighbours: `format.seals` has the format, `format.team` says whose count; `identity` makes these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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


class TeamSignatures(StoreSignatures):
    """The signatures of one user and his team in one store, valid in one transaction.

    Args:
        team: with what this user trusts.
    """

    __slots__ = ("_history", "_pending", "_seals", "_tables", "_team", "_txn")

    def __init__(
        self, signer: Signer, identity: bytes | None, team: Team, txn: Transaction[Any], tables: Tables
    ) -> None:
        super().__init__(signer, identity)
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

    def with_seals(self, found: Mapping[bytes, bytes], history: bytes | None) -> StoreSignatures:
        """As in `StoreSignatures`."""
        made = TeamSignatures(self._signer, self.identity, self._team, self._txn, self._tables)
        made._seals.update(found)
        made._history = made._history or history
        return made

    def verifies(self, table: str, key: bytes, value: bytes) -> bool:
        """Whether a stored value has the user's signature, or the seal of somebody whom he trusts."""
        own = not self._team.strict and super().verifies(table, key, value)
        return own or self._is_sealed(table, key, value)

    def verifies_payload(self, key: bytes, value: bytes, manifest: Manifest, stream: bytes) -> bool:
        """As in `StoreSignatures`, or with such a seal."""
        if self._is_sealed("versions", key, value):
            return sha256(stream) == manifest.stream.sha256
        return not self._team.strict and super().verifies_payload(key, value, manifest, stream)

    def author(self, table: str, key: bytes, value: bytes) -> str:
        """As in `StoreSignatures`."""
        seal = self._held(table, key, value)
        return self._team.name(seal.author) if seal else ""

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
        own = super().verifies(table, key, before)
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

        It goes by the oldest state that this user knows as his own: by those of others, somebody who can write to the
        store could make it another history of his.
        """
        oldest: tuple[float, bytes] | None = None
        with self._txn.cursor(db=self._tables["checkpoints"]) as cursor:
            for key, value in cursor:
                if super().verifies("checkpoints", bytes(key), bytes(value)):
                    found = _moment(bytes(value)), bytes(key)
                    oldest = found if oldest is None else min(oldest, found)
        start = oldest[1] if oldest else min(key for _, key in pending)
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
