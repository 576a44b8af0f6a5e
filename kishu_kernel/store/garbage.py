"""What a garbage collection removes: versions that are dropped, and chunks that no version names any more. Pure.

Law: a chunk stays as long as a version that stays names it. What no version names is removed, whatever left it there (a
commit that was killed while it wrote ahead). A dry run counts exactly what is removed otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, Collected, Digest, StoreShare, Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.compression import stored_size


class StoredVersion(NamedTuple):
    """A version in a store.

    Attributes:
        size: bytes that its manifest occupies.
        digests: of the chunks that it names.
    """

    size: int
    digests: frozenset[Digest]


class CollectionPlan(NamedTuple):
    """What a collection removes.

    Attributes:
        versions: their keys.
        chunks: their digests.
        collected: the figures.
    """

    versions: frozenset[bytes]
    chunks: frozenset[Digest]
    collected: Collected


def stored_version(key: bytes, value: bytes) -> StoredVersion:
    """A row of the table `versions`. A damaged one names no chunks, since it cannot be loaded."""
    try:
        digests = frozenset(schema.decode_manifest(schema.without_signature(value)).digests)
    except LoadError:
        digests = frozenset()
    return StoredVersion(stored_size(len(key) + len(value)), digests)


def stored_versions(rows: Iterable[tuple[bytes, bytes]]) -> dict[bytes, StoredVersion]:
    """All rows of the table `versions`, by their keys."""
    return {key: stored_version(key, value) for key, value in rows}


def plan_collection(
    stored: Mapping[bytes, StoredVersion],
    sizes: Mapping[Digest, int],
    drop: Collection[Version],
    evict: Sequence[Version],
    limit: int | None,
) -> CollectionPlan:
    """Decide what to remove. O(digests that the versions name).

    Args:
        stored: all versions, by their keys.
        sizes: the bytes that each chunk occupies.
        drop: as in `Store.collect`.
        evict: as in `Store.collect`.
        limit: as in `Store.collect`.
    """
    named = Counter(digest for held in stored.values() for digest in held.digests)
    gone = set(sizes).difference(named)
    versions: set[bytes] = set()
    total = sum(sizes.values()) + sum(held.size for held in stored.values())
    occupied = total - sum(sizes[digest] for digest in gone)

    def forget(version: Version) -> None:
        nonlocal occupied
        key = schema.version_key(version)
        if key in versions or key not in stored:
            return
        versions.add(key)
        occupied -= stored[key].size
        for digest in stored[key].digests:
            named[digest] -= 1
            if not named[digest] and digest in sizes:
                gone.add(digest)
                occupied -= sizes[digest]

    for version in drop:
        forget(version)
    for version in evict:
        if limit is None or occupied <= limit:
            break
        forget(version)
    before = len({schema.version_checkpoint(key) for key in stored})
    after = len({schema.version_checkpoint(key) for key in stored if key not in versions})
    removed = StoreShare(before - after, len(gone), total - occupied)
    kept = StoreShare(after, len(sizes) - len(gone), occupied)
    return CollectionPlan(frozenset(versions), frozenset(gone), Collected(removed, kept))


def without_versions(checkpoint: Checkpoint, versions: Collection[bytes], reason: str) -> Checkpoint:
    """The checkpoint's record after the payloads of these versions were removed.

    Args:
        versions: their keys.
        reason: why they are not stored, as a clause.
    """
    records = tuple(
        replace(record, size=0, stored=False, reason=reason)
        if record.stored and schema.version_key(Version(record.names, checkpoint.id)) in versions
        else record
        for record in checkpoint.versions
    )
    return replace(checkpoint, versions=records)
