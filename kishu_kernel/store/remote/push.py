"""A history pushed: what the remote lacks goes there, then one new head names it.

The order of writes: packs, then rows, segments and the manifest, then the head. Whatever ends a push before the head
leaves objects that nothing names; the next try finds those of its own again, unless `collect` has removed objects
since, which a head says. Two who push at once want to create the same head: one does, the other reads that and goes on
from there.

Law: values of cells that were dropped here to save space stay in the remote. Nothing of another replica's is changed.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kishu_kernel.errors import LoadError, RemoteError, StoreError
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.disk.directory import PUSHING
from kishu_kernel.store.disk.disk_errors import store_error
from kishu_kernel.store.disk.locks import FileLock, wait_for
from kishu_kernel.store.disk.parallel import run_in_parallel
from kishu_kernel.store.format.validation import verified_chunk
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.encrypted_objects import encryption_of
from kishu_kernel.store.remote.head_seals import can_be_sealed, judged, sealed
from kishu_kernel.store.remote.holdings import LANES as SMALL_LANES
from kishu_kernel.store.remote.holdings import (
    Held,
    Holdings,
    KnownHoldings,
    created_head,
    other_history,
    read_holdings,
    still_named,
)
from kishu_kernel.store.remote.lacking import Lacking, Needed, find_chunk, what_is_lacking
from kishu_kernel.store.remote.layout import Head, Packed, Replica, Segment
from kishu_kernel.store.remote.link import Link, new_link, read_link, write_link
from kishu_kernel.store.remote.merging import merge
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.recipients import secured

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

ATTEMPTS = 30
"""So often a push begins anew because somebody else was faster."""
LANES = 3
_PAGE = 4096

Progress = Callable[[int, int], None]
"""Called with the bytes done, and all bytes."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push sent.

    Attributes:
        bytes: of all objects that were written.
    """

    checkpoints: int = 0
    versions: int = 0
    chunks: int = 0
    bytes: int = 0


def push(
    path: Path,
    objects: Objects,
    progress: Progress | None = None,
    known: KnownHoldings | None = None,
    lanes: int = LANES,
    recipients: Sequence[str] | None = None,
    needed: Needed | None = None,
) -> Pushed:
    """Push what a store holds to its remote. O(records) to compare, and O(bytes that the remote lacks).

    With what an earlier call has learnt, rows are compared that have changed since, and O(pages of keys) looked at.

    Args:
        objects: the remote; it becomes the store's, if it has none.
        known: what an earlier call has learnt of this remote, which saves reading it again. It learns, too; only one of
            several at once has what was known.
        lanes: packs that are sent at once, each of which is twice in memory.
        recipients: who shall be able to read it: as of `recipients.secured`.
        needed: as of `lacking.what_is_lacking`.

    Raises:
        RemoteError: it cannot be reached or written, or it is another history's. Nothing in it has changed; what was
            sent is found again by the next push.
        StoreError: the store is damaged, or cannot be written.
    """
    with environment_pool.opened(path) as store, _alone(path):
        try:
            remote = secured(store, objects, recipients)
            return _Push(store, remote, progress, lanes, needed).run(known)
        except LoadError as error:
            raise StoreError(
                f"the store at {path} cannot be pushed as it is ({error}): repair it with `jupyter kishu fsck --repair`"
            ) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else pushes the store in this context: two who do would take each other for copies of it.

    Raises:
        StoreError: another process pushes it, and does not end; or the disk failed.
    """
    try:
        place = path / PUSHING
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        lock = FileLock(place)
    except OSError as error:
        raise store_error(path, error) from error
    try:
        wait_for(lambda: lock.try_lock(True), f"the history in {path} is being pushed by another process")
        yield
    finally:
        lock.close()


class _Sent(NamedTuple):
    """What a push has sent, all but its head."""

    held: Held
    name: str
    added: tuple[str, ...]


class _Later:
    """Small objects that are put together, several at a time: their names are known before."""

    def __init__(self, put: Callable[[str, bytes], str]) -> None:
        self._put = put
        self._waiting: list[tuple[str, bytes]] = []

    def put(self, name: str, data: bytes) -> str:
        """An object that will be put; its name. Those that are put together are as much as a pack."""
        if sum(len(each) for _, each in self._waiting) + len(data) > layout.PACK_BYTES:
            self.flush()
        self._waiting.append((name, data))
        return name

    def flush(self) -> None:
        """Put what waits."""
        waiting, self._waiting = self._waiting, []
        run_in_parallel(lambda each: (self._put(*each), None)[1], waiting, SMALL_LANES - 1)


class _Push:
    def __init__(
        self, store: Environment, objects: Objects, progress: Progress | None, lanes: int, needed: Needed | None
    ) -> None:
        self._store = store
        self._tables = store.tables
        self._objects = objects
        self._progress = progress
        self._lanes = lanes
        self._needed = needed
        self._counting = threading.Lock()
        self._sent = self._done = self._total = 0
        self._fresh = True
        self._known: Holdings | None = None

    def run(self, known: KnownHoldings | None) -> Pushed:
        if known is None:
            return self._run(False)
        self._known = known.take()
        try:
            return self._run(True)
        finally:
            known.give_back(self._known)

    def _run(self, again: bool) -> Pushed:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.random() * min(2.0, 0.02 * 2**attempt))  # several who push wait differently long
            link = self._linked()
            self._known = holdings = read_holdings(self._objects, link, self._known)
            link = self._settled(link, holdings)
            if holdings.head is not None and not link.history:
                raise other_history(self._objects)
            plan = what_is_lacking(self._store, link, holdings, self._needed, again)
            self._sent, self._done, self._total = 0, 0, sum(plan.chunks.values()) + sum(plan.rows.values())
            known = holdings.manifest.replicas.get(link.replica)
            is_new = bool(plan.rows) or holdings.head is None or known is None or known.refs != plan.refs
            if not is_new and not can_be_sealed(holdings.vouch):
                self._keep_link(link)
                return Pushed()
            link = self._pending(link, holdings.manifest.sweeps)
            sent = self._send(link, holdings, plan)
            number = holdings.number + 1
            head = sealed(number, Head(link.history or secrets.token_hex(16), link.pending, sent.name))
            if created_head(self._objects, number, head):
                holdings.grow(number, head, judged(self._objects.url, number, head), sent.held)
                self._end(link, holdings, head, sent.added)
                tables = [table for table, _ in plan.rows]
                return Pushed(tables.count("checkpoints"), tables.count("versions"), len(plan.chunks), self._sent)
        raise RemoteError(f"others push to {self._objects.url} all the time: try again")

    # -- the link

    def _linked(self) -> Link:
        """What the store knows of this remote."""
        with self._store.reading() as txn:
            link = read_link(txn, self._tables)
        if link is None or (link.url != self._objects.url and not link.history):  # nothing was pushed there
            link = new_link(self._objects.url)
        if link.url != self._objects.url:
            raise RemoteError(
                f"this history is pushed to {link.url}: `jupyter kishu remote STORE URL` names another address for it"
            )
        return link

    def _settled(self, link: Link, holdings: Holdings) -> Link:
        """The link, after a push that was interrupted, and in a copy of a store."""
        known = holdings.manifest.replicas.get(link.replica)
        if holdings.head is None or known is None or known.pushed == link.pushed:
            return link
        if known.pushed == link.pending:  # its head was created, and that was not heard
            said = (each for name, segment in holdings.segments.items() for each in (segment.merged or (name,)))
            added = [name for name in said if name.startswith(f"writes/{link.pending}/")]
            encryption = encryption_of(self._objects)
            seen = link.seen(holdings.number, holdings.head, holdings.vouch, added, encryption)
            return seen.settled(known.pushed)
        # another copy of this directory has pushed since: from now on they are two
        return replace(link, replica=secrets.token_hex(16), pushed="", pending="")

    def _pending(self, link: Link, sweeps: int) -> Link:
        """The link, with the id of this push. It is in the store before anything is sent.

        Where objects were removed since it began, it begins anew: what it sent may be among them, or may be soon.
        """
        if not link.pending or link.sweeps != sweeps:
            link = replace(link, pending=secrets.token_hex(16), sweeps=sweeps)
            self._fresh = True
            self._keep_link(link)
        else:
            self._fresh = False
        return link

    def _keep_link(self, link: Link) -> None:
        self._store.write(lambda txn: write_link(txn, self._tables, link), _PAGE)

    def _end(self, link: Link, holdings: Holdings, head: Head, added: Iterable[str]) -> None:
        """The push has ended. What a pull of another process has remembered meanwhile stays."""

        def remember(txn: Transaction[bytes]) -> None:
            now = read_link(txn, self._tables)
            known = now if now is not None and now.replica == link.replica else link
            encryption = encryption_of(self._objects)
            seen = known.seen(holdings.number, head, holdings.vouch, added, encryption).settled(head.write)
            write_link(txn, self._tables, replace(seen, segments=still_named(seen.segments, holdings)))

        self._store.write(remember, _PAGE)

    # -- sending

    def _send(self, link: Link, holdings: Holdings, plan: Lacking) -> _Sent:
        """Send all but the head."""
        packs = self._packs(link.pending, plan)
        segments: dict[str, Segment] = {}
        later = _Later(self._put)
        small = partial(layout.named, link.pending)
        batches = list(layout.batches(plan.rows.items()))
        for number, batch in enumerate(batches):
            keys, values = {}, []
            with self._store.reading() as txn:
                for table, key in batch:
                    value = txn.get(key, db=self._tables[table])
                    if value is not None:  # else it has been removed meanwhile
                        keys[table, key] = layout.body_digest(table, bytes(value))
                        values.append(bytes(value))
            rows = later.put(*small(layout.encode_rows(values)))
            last = number == len(batches) - 1
            segment = Segment(rows, keys, packs if last else {})
            segments[later.put(*small(layout.encode_segment(segment)))] = segment
            self._tell(sum(map(len, values)))
        replicas = {**holdings.manifest.replicas, link.replica: Replica(link.label, link.pending, plan.refs)}
        kept: Mapping[str, Segment] = holdings.segments
        with suppress(RemoteError):  # what is damaged there keeps nobody from pushing; a network that is gone will tell
            kept = merge(kept, self._objects, link.pending, self._put)
        held = {**kept, **segments}
        manifest = replace(holdings.manifest, segments=tuple(held), replicas=replicas)
        name = later.put(*small(layout.encode_manifest(manifest)))
        later.flush()
        return _Sent(Held(manifest, held), name, tuple(segments))

    def _packs(self, write: str, plan: Lacking) -> dict[str, Packed]:
        """Send the chunks, in packs, some at a time: the name of each, and what is in it."""
        found: dict[int, tuple[str, Packed]] = {}

        def send(job: tuple[int, list[bytes]]) -> None:
            number, batch = job
            places, parts, start = [], [], 0
            with self._store.reading(LoadError) as txn:
                for digest in batch:
                    table, value = find_chunk(txn, self._tables, digest)
                    verified_chunk(table, digest, value)
                    parts.append(value)
                    places.append((table, digest, start, len(value)))
                    start += len(value)
                pack = b"".join(parts)  # one copy, and no transaction is open while it is sent
            found[number] = self._put(*layout.named_pack(write, pack)), tuple(places)
            self._tell(start)

        run_in_parallel(send, list(enumerate(layout.batches(plan.chunks.items()))), self._lanes - 1)
        return dict(found[number] for number in sorted(found))

    def _put(self, name: str, data: bytes) -> str:
        """Put an object; one that this push has put before it was interrupted is there."""
        if self._fresh or not self._objects.exists(name):
            self._objects.put(name, data)
            with self._counting:
                self._sent += len(data)
        return name

    def _tell(self, size: int) -> None:
        with self._counting:
            self._done += size
            if self._progress:
                self._progress(min(self._done, self._total), self._total)
