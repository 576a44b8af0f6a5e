"""What a store remembers of its remote: one row of `meta`, which goes along with no bundle and no copy.

Law: it is written after what it says is so, but for `pending`, which is written before: who is interrupted knows its
own push again.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import CheckpointId
from kishu_kernel.model.dataclass import dataclass, field, replace
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.format import schema
from kishu_kernel.store.remote.head_seals import Vouch
from kishu_kernel.store.remote.layout import Head

if TYPE_CHECKING:
    from lmdb import Transaction, _Database


@dataclass(frozen=True, slots=True)
class Link:
    """A store's remote.

    Attributes:
        url: where it is.
        history: of the remote's heads; empty before the first push.
        replica: this copy of the store.
        label: of this machine.
        number: of the newest head seen, and
        write: its write id,
        at: when it was made, as it says, in seconds since the epoch,
        by: who vouches for it.
        sealed: somebody whom this user trusts has vouched for one, so that others can check it.
        segments: of what the remote held, that which came from here or was pulled.
        pushed: the write id of this replica's last push.
        pending: that of a push that is under way, or was interrupted.
        sweeps: how often objects had been removed from the remote when it began.
        received: branches, tags and heads that a pull set, and where.
        encryption: tells the secret with which the remote is encrypted; empty where it is not.
        partial: only some values were brought; the others are there, and a pull brings them.
        thinned: values had been dropped there to save space, when something was pulled.
    """

    url: str
    replica: str
    label: str = ""
    history: str = ""
    number: int = 0
    write: str = ""
    at: int = 0
    by: str = ""
    sealed: bool = False
    segments: tuple[str, ...] = ()
    pushed: str = ""
    pending: str = ""
    sweeps: int = 0
    received: Mapping[str, CheckpointId] = field(default_factory=dict)
    encryption: str = ""
    partial: bool = False
    thinned: bool = False

    def seen(self, number: int, head: Head, vouch: Vouch, segments: Iterable[str], encryption: str) -> Link:
        """The same, after what the remote holds at a head was read, and these segments are here, too."""
        return replace(
            self,
            history=head.history,
            number=number,
            write=head.write,
            at=head.at,
            by=vouch.by,
            sealed=self.sealed or (vouch.is_sealed and vouch.is_trusted),
            segments=tuple(dict.fromkeys((*self.segments, *segments))),
            encryption=encryption,
        )

    def settled(self, pushed: str) -> Link:
        """The same, after a push: none is under way."""
        return replace(self, pushed=pushed, pending="")


def new_link(url: str) -> Link:
    """The link of a store that has none, or of a copy that becomes a replica of its own."""
    return Link(url, secrets.token_hex(16), machine_label())


def read_link(txn: Transaction[Any], tables: Mapping[str, _Database]) -> Link | None:
    """The remote of a store; None where it has none, or what is said of it is damaged."""
    value = txn.get(schema.REMOTE_KEY, db=tables["meta"])
    try:
        found = schema.load_json(bytes(value)) if value is not None else None
        if found is None:
            return None
        known = {each.name: found[each.name] for each in fields(Link) if each.name in found}
        return Link(**{**known, "segments": tuple(found["segments"])})
    except (ValueError, TypeError, KeyError):
        return None


def write_link(txn: Transaction[bytes], tables: Mapping[str, _Database], link: Link | None) -> None:
    """Remember a remote, or none."""
    if link is None:
        txn.delete(schema.REMOTE_KEY, db=tables["meta"])
    else:
        txn.put(schema.REMOTE_KEY, schema.dump_json(asdict(link)), db=tables["meta"])


def remote_of(path: Path) -> Link | None:
    """The remote of a store; None where it has none. StoreError where there is no store."""
    with environment_pool.opened(path, readonly=True) as store, store.reading() as txn:
        return read_link(txn, store.tables)


def set_remote(path: Path, url: str | None) -> None:
    """Give a store another remote, or none, and forget what was pushed. The remote itself stays as it is."""
    with environment_pool.opened(path) as store:
        store.write(lambda txn: write_link(txn, store.tables, new_link(url) if url else None))


def machine_label() -> str:
    """What this machine is called in names of branches."""
    name = "".join(each if each.isalnum() or each in "-." else "-" for each in socket.gethostname().partition(".")[0])
    return name[:40] or "machine"
