"""Small segments of a remote merged into larger ones, so that no push makes the manifest longer for ever.

Law: what a replica knew of the remote can still be told afterwards, exactly: a merged segment lists the keys of those
that it stands for (`holdings.digests_at`). They stay until a collection: who reads an older head
finds them.
Neighbours: `push` merges what its new head would name; `layout` has the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.holdings import held_by, read_rows
from kishu_kernel.store.remote.layout import Packed, RowKey, Segment
from kishu_kernel.store.remote.objects import Objects

TOGETHER = 16
"""So many segments of about one size become one of the next: the manifest names O(log pushes) of them."""
SMALL_PACK = 1 << 20
"""Bytes. Smaller packs are joined, as far as one pack goes."""

Put = Callable[[str, bytes], str]
"""Puts an object, and returns its name."""


def merge(segments: Mapping[str, Segment], objects: Objects, write: str, put: Put) -> Mapping[str, Segment]:
    """Merge what has become many, at the end: the same segments, or others that hold the same. O(what is merged).

    Args:
        segments: of a remote, by name, in order.
        write: the id of the push.

    Raises:
        RemoteError: it cannot be read or written.
    """
    while (last := _alike(segments)) is not None:
        held = held_by(last)
        values = read_rows(objects, held, held.rows)
        keys = {key: digest for key, (digest, _) in held.rows.items()}
        small = {name: each for segment in last.values() for name, each in segment.packs.items()}
        packs = _joined(small, objects, write, put)
        rows_name = put(*layout.named(write, layout.encode_rows(values[key] for key in keys)))
        merged = Segment(rows_name, keys, packs, _ledger(last), frozenset(held.dropped))
        kept = {name: each for name, each in segments.items() if name not in last}
        segments = {**kept, put(*layout.named(write, layout.encode_segment(merged))): merged}
    return segments


def _alike(segments: Mapping[str, Segment]) -> dict[str, Segment] | None:
    """The last segments, where they are so many of one size."""
    last = dict([*segments.items()][-TOGETHER:])
    sizes = {_size(segment) for segment in last.values()}
    fits = sum(len(segment.keys) for segment in last.values()) <= layout.MOST_ROWS
    return last if len(last) == TOGETHER and len(sizes) == 1 and fits else None


def _size(segment: Segment) -> int:
    """0 of a push, 1 of one that was merged of these, and so on."""
    size, count = 0, len(segment.merged)
    while count >= TOGETHER:
        size, count = size + 1, count // TOGETHER
    return size


def _ledger(segments: Mapping[str, Segment]) -> dict[str, Mapping[RowKey, bytes]]:
    """What each of them said, and each that they stand for, in order."""
    found: dict[str, Mapping[RowKey, bytes]] = {}
    for name, segment in segments.items():
        found.update(segment.merged)
        found[name] = segment.keys
    return found


def _joined(packs: Mapping[str, Packed], objects: Objects, write: str, put: Put) -> dict[str, Packed]:
    """The packs, the small ones in one."""
    kept, parts, chunks, size = {}, [], [], 0
    for name, pack in packs.items():
        total = sum(each[3] for each in pack)
        if total >= SMALL_PACK or size + total > layout.PACK_BYTES:
            kept[name] = pack
            continue
        data = layout.verified_pack(name, objects.get(name))
        parts.append(data)
        chunks += [(table, digest, size + start, length) for table, digest, start, length in pack]
        size += len(data)
    return {**kept, put(*layout.named_pack(write, b"".join(parts))): tuple(chunks)} if chunks else kept
