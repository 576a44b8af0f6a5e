"""What a remote no longer needs, removed: values that nobody's names need, and objects that nothing names.

Two steps, days apart. A head is created in which the values are no more, and what shared a pack with them has a pack of
its own. The objects that this leaves are removed by a later collection: until then who reads an older head finds them.

Law: nothing that a head, a branch or a tag of any replica needs goes, nor any record; what is dropped comes again with
the next push of who has it, once a name needs it (`lacking`). Before an object is removed a head says that some are:
who pushes meanwhile has to read it, since it has taken the number of his, and begins anew (`push`). So no clock keeps
anything whole. That of the remote, never this machine's, only says for how long others may still go on.
Neighbours: `push` creates heads, too; `session.garbage` says what names need.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import accumulate

from kishu_kernel.errors import LoadError, NotThereError, RemoteError
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Version
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store import garbage
from kishu_kernel.store.disk.parallel import run_in_parallel
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.validation import validated_checkpoint, verified_chunk
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.head_seals import sealed
from kishu_kernel.store.remote.holdings import (
    READS,
    GoneError,
    Holdings,
    created_head,
    named_there,
    read_holdings,
    read_rows,
)
from kishu_kernel.store.remote.lacking import names_there, version_rows
from kishu_kernel.store.remote.layout import Head, Packed, Place, RowKey, Segment
from kishu_kernel.store.remote.link import Link
from kishu_kernel.store.remote.objects import Listed, Objects
from kishu_kernel.store.remote.recipients import opened

GRACE = timedelta(days=7)
"""How old an object is, at least, that is removed: a push that was interrupted finds what it has sent."""
READING = timedelta(days=1)
"""How long what a head names stays after another one was created: so long may a clone take."""
ATTEMPTS = 30
"""So often a collection begins anew because somebody pushes."""
WASTE = 0.25
"""A pack of which so much is not needed is replaced by one with the rest."""
_LANES = 6
_CLOCK = layout.named("0" * 32, b"")[0]

Named = Callable[[str, bytes], tuple[str, bytes]]
ByNeed = tuple[Collection[Version], Sequence[Version]]
Choose = Callable[[Sequence[Checkpoint], Mapping[str, CheckpointId]], ByNeed]
"""Of all records, and all names of all replicas: the versions that go, and those that go over the limit, in order."""


@dataclass(frozen=True, slots=True)
class RemoteCollected:
    """What a collection of a remote did, or would do.

    Attributes:
        states: whose values were dropped.
        needed_before: bytes of the packs that the newest head named, and
        needed_after: of those that it names now.
        removed: objects that are gone, and
        removed_bytes: theirs.
        left_bytes: of all objects that are there still. What is not needed of them goes later.
    """

    states: int
    needed_before: int
    needed_after: int
    removed: int
    removed_bytes: int
    left_bytes: int


def collect(
    objects: Objects,
    link: Link | None = None,
    choose: Choose = lambda *_: ((), ()),
    refs: Mapping[str, CheckpointId] | None = None,
    limit: int | None = None,
    *,
    grace: timedelta = GRACE,
    reading: timedelta = READING,
    dry_run: bool = False,
) -> RemoteCollected:
    """Drop values that nobody needs, and remove objects that nothing has named for long. O(objects + records).

    Args:
        link: what is known of the remote.
        choose: which values may go. By itself none do.
        refs: names of this store, which may not have been pushed.
        limit: bytes to which the values are brought, if that can be; None: only what `choose` says goes at once.
        dry_run: only tells what it would do.

    Raises:
        RemoteError: the remote cannot be read or written, or holds nothing. It holds all that it did, or what is told
            here; some objects that nothing names may be removed already.
        StoreError: a record in it is damaged.
    """
    objects = opened(objects, link)
    for attempt in range(ATTEMPTS):
        try:
            found = _Collection(objects, link, grace, reading).run(choose, refs or {}, limit, dry_run)
        except GoneError:
            if attempt >= READS - 1:
                raise
            continue
        if found is not None:
            return found
    raise RemoteError(f"others push to {objects.url} all the time: try again")


class _Collection:
    def __init__(self, objects: Objects, link: Link | None, grace: timedelta, reading: timedelta) -> None:
        self._objects = objects
        objects.put(_CLOCK, b"")
        # before the newest head is read: what is put for a later one is not listed
        self._listed = {each.name: each for each in objects.list("writes/")}
        self._heads = {each.name: each.modified for each in objects.list("heads/")}
        self._holdings = read_holdings(objects, link)
        self._grace = grace
        self._reading = reading
        self._write = secrets.token_hex(16)

    def run(
        self, choose: Choose, refs: Mapping[str, CheckpointId], limit: int | None, dry_run: bool
    ) -> RemoteCollected | None:
        """Collect; None where somebody has pushed meanwhile."""
        before = self._holdings
        if before.head is None:
            raise RemoteError(f"there is no history at {self._objects.url}: push one there first")
        unneeded = self._unneeded()
        plan = self._plan(choose, refs, limit)
        live = {digest: place.pack for digest, place in before.chunks.items() if digest not in plan.chunks}
        weights = self._weights(live)
        wasteful = {pack for pack, (all_of_it, needed) in weights.items() if needed <= (1 - WASTE) * all_of_it}
        rows = {row for row in version_rows(plan.versions) if row in before.rows}
        if not dry_run and (unneeded or wasteful or rows):
            segments = self._segments(rows, wasteful, live)
            sweeps = before.manifest.sweeps + bool(unneeded)
            manifest = replace(before.manifest, segments=tuple(segments), sweeps=sweeps)
            head = Head(before.head.history, self._write, self._put(layout.encode_manifest(manifest)))
            if not created_head(self._objects, before.number + 1, sealed(before.number + 1, head)):
                return None
            run_in_parallel(lambda each: self._objects.delete(each.name), unneeded, _LANES - 1)
        return RemoteCollected(
            len({schema.version_checkpoint(key) for key in plan.versions}),
            sum(each[0] for each in weights.values()),
            sum(each[pack in wasteful] for pack, each in weights.items()),
            len(unneeded),
            sum(each.size for each in unneeded),
            sum(each.size for each in self._listed.values()) - sum(each.size for each in unneeded),
        )

    # -- values

    def _plan(self, choose: Choose, refs: Mapping[str, CheckpointId], limit: int | None) -> garbage.CollectionPlan:
        """What is not needed."""
        holdings = self._holdings
        values = read_rows(
            self._objects, holdings, [row for row in holdings.rows if row[0] in ("checkpoints", "versions")]
        )
        records, stored = [], {}
        for (table, key), value in values.items():
            if table == "checkpoints":
                records.append(validated_checkpoint(key, schema.without_signature(value)))
            else:
                stored[key] = garbage.stored_version(key, value)
        drop, evict = choose(records, {**names_there(holdings), **refs})
        sizes = {Digest(digest): place.length for digest, place in holdings.chunks.items()}
        return garbage.plan_collection(stored, sizes, drop, evict, limit)

    def _weights(self, live: Mapping[bytes, str]) -> dict[str, tuple[int, int]]:
        """Of each pack its bytes, and those that are needed."""
        found: dict[str, tuple[int, int]] = {}
        for segment in self._holdings.segments.values():
            for pack, chunks in segment.packs.items():
                listed = self._listed.get(pack)
                weight = sum(length for _, _, _, length in chunks)
                needed = sum(length for _, digest, _, length in chunks if live.get(digest) == pack)
                found[pack] = listed.size if listed else weight, needed
        return found

    def _segments(self, rows: set[RowKey], wasteful: set[str], live: Mapping[bytes, str]) -> Mapping[str, Segment]:
        """Those of a head that has no such rows any more, and none of these packs."""
        made, kept = self._repacked(wasteful, live)
        segments: dict[str, Segment] = {}
        for name, segment in self._holdings.segments.items():
            gone = rows & segment.keys.keys()
            if not gone and not wasteful & segment.packs.keys():
                segments[name] = segment
                continue
            packs = {pack: chunks for pack, chunks in segment.packs.items() if pack not in wasteful or pack in kept}
            changed = Segment(
                self._rows_without(segment, gone),
                {row: digest for row, digest in segment.keys.items() if row not in gone},
                {**packs, **made},
                {**segment.merged, name: segment.keys},
                segment.dropped | gone,
            )
            made = {}
            segments[self._put(layout.encode_segment(changed))] = changed
        return segments

    def _rows_without(self, segment: Segment, gone: Collection[RowKey]) -> str:
        if not gone:
            return segment.rows
        with named_there(self._objects, segment.rows):
            data = layout.verified(segment.rows, self._objects.get(segment.rows))
        values = zip(segment.keys, layout.decode_rows(data, len(segment.keys)), strict=True)
        return self._put(layout.encode_rows(value for row, value in values if row not in gone))

    def _repacked(self, wasteful: set[str], live: Mapping[bytes, str]) -> tuple[dict[str, Packed], set[str]]:
        """Put what is needed of some packs into new ones. These, and the packs that are damaged, which stay."""
        made: dict[str, Packed] = {}
        kept: set[str] = set()
        moving: list[tuple[str, bytes, bytes]] = []

        def flush() -> None:
            starts = [*accumulate((len(value) for _, _, value in moving), initial=0)]
            chunks = tuple(
                (table, digest, at, len(value)) for at, (table, digest, value) in zip(starts, moving, strict=False)
            )
            made[self._put(b"".join(value for _, _, value in moving), layout.named_pack)] = chunks
            moving.clear()

        by_pack: dict[str, list[tuple[bytes, Place]]] = {}
        for digest, place in self._holdings.chunks.items():
            if place.pack in wasteful and digest in live:
                by_pack.setdefault(place.pack, []).append((digest, place))
        for pack, wanted in by_pack.items():
            with named_there(self._objects, pack):
                parts = self._objects.get_parts(pack, [(place.start, place.length) for _, place in wanted])
            found = [(place.table, digest, bytes(part)) for (digest, place), part in zip(wanted, parts, strict=True)]
            try:
                for each in found:
                    verified_chunk(*each)
            except LoadError:
                kept.add(pack)
                continue
            if sum(len(value) for _, _, value in (*moving, *found)) > layout.PACK_BYTES and moving:
                flush()
            moving += found
        if moving:
            flush()
        return made, kept

    # -- objects

    def _unneeded(self) -> list[Listed]:
        """Objects that nothing has named for long."""
        if _CLOCK not in self._listed:
            raise RemoteError(f"the remote {self._objects.url} does not list what was just put there: try again later")
        now = self._listed[_CLOCK].modified
        named = {_CLOCK} | self._named(self._holdings, now)
        return [each for each in self._listed.values() if each.name not in named and now - each.modified >= self._grace]

    def _named(self, newest: Holdings, now: datetime) -> set[str]:
        """The objects of the heads that somebody may still read: the newest, and those that were so not long ago."""
        numbers = range(1, newest.number + 1)
        times = [(number, self._heads.get(layout.head_name(number))) for number in numbers]
        recent = [number for number, time in times if time is None or now - time <= self._reading]  # lists may be late
        oldest = max(1, min(recent) - 1) if recent else newest.number
        heads = self._read({layout.head_name(number) for number in range(oldest, newest.number)})
        manifests = self._read({layout.decode_head(data).manifest for data in heads.values()})
        names = {name: layout.decode_manifest(layout.verified(name, data)).segments for name, data in manifests.items()}
        wanted = {each for segments in names.values() for each in segments} - newest.segments.keys()
        older = {name: layout.decode_segment(layout.verified(name, data)) for name, data in self._read(wanted).items()}
        named = {*manifests, *([newest.head.manifest] if newest.head else [])}
        for name, segment in {**older, **newest.segments}.items():
            named |= {name, segment.rows, *segment.packs}
        return named

    def _read(self, names: Collection[str]) -> dict[str, bytes]:
        """Some objects, several at a time, without those that are gone: nobody can read what named them."""
        found: dict[str, bytes] = {}

        def read(name: str) -> None:
            with suppress(NotThereError):
                found[name] = self._objects.get(name)

        run_in_parallel(read, sorted(names), _LANES - 1)
        return found

    def _put(self, data: bytes, named: Named = layout.named) -> str:
        name, data = named(self._write, data)
        self._objects.put(name, data)
        return name
