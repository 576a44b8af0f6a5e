"""What a remote holds, as one of its heads says.

Law: the newest head is found by asking for names: a list may be late, and only says where to begin. Heads are never
removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat
from typing import NamedTuple

from kishu_kernel.errors import NotThereError, RemoteError
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.store.disk.known_pages import KnownPages
from kishu_kernel.store.disk.parallel import run_in_parallel
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.head_seals import Vouch, judged
from kishu_kernel.store.remote.layout import DamagedError, Head, Place, RemoteManifest, RowKey, Segment
from kishu_kernel.store.remote.link import Link
from kishu_kernel.store.remote.objects import Objects

READS = 3
"""So often what a head names is looked for: a collection may have removed it, of a head that is not the newest now."""


LANES = 8
"""Small objects that are read or put at once."""


HALF_GROWN = -1
"""In place of a head's number, while it grows: whom an interrupt leaves with such, reads it anew."""


class GoneError(RemoteError):
    """Something that a head names is not there: a newer head may do without it."""


@dataclass
class Holdings:
    """What a remote holds at one head.

    Attributes:
        number: of the head; 0 where nothing was ever pushed.
        vouch: who vouches for it.
        segments: by name, in order.
        rows: of each row the digest of its body, and the segment that has it.
        chunks: where each is.
        dropped: the rows that were removed to save space, and have not come back since.
        pages: of a store, those whose rows are all here, as they are there, or stay as they are. It grows by rows of
            other pages alone.
    """

    number: int = 0
    head: Head | None = None
    vouch: Vouch = Vouch()
    manifest: RemoteManifest = field(default_factory=RemoteManifest)
    segments: dict[str, Segment] = field(default_factory=dict)
    rows: dict[RowKey, tuple[bytes, str]] = field(default_factory=dict)
    chunks: dict[bytes, Place] = field(default_factory=dict)
    dropped: set[RowKey] = field(default_factory=set)
    pages: KnownPages = field(default_factory=KnownPages, compare=False, repr=False)

    def add(self, name: str, segment: Segment) -> None:
        """It holds this segment, too, as the newest. O(segment)."""
        self.segments[name] = segment
        for key in segment.dropped:
            self.rows.pop(key, None)
        self.dropped |= segment.dropped
        self.dropped -= segment.keys.keys()
        self.rows.update(zip(segment.keys, zip(segment.keys.values(), repeat(name)), strict=True))
        for pack, chunks in segment.packs.items():
            for table, digest, start, length in chunks:
                self.chunks[digest] = Place(pack, table, start, length)

    def is_begin_of(self, segments: Mapping[str, Segment]) -> bool:
        """Whether it grows into these by rows that nobody has yet: what is known of others stays so."""
        fresh = [segment for name, segment in segments.items() if name not in self.segments]
        return (
            self.number != HALF_GROWN
            and [*segments][: len(self.segments)] == [*self.segments]
            and not any(segment.dropped for segment in fresh)
            and not any(key in self.rows or key in self.dropped for segment in fresh for key in segment.keys)
        )

    def grow(self, number: int, head: Head, vouch: Vouch, held: Held) -> None:
        """A push has ended: it holds what that has added, too. In place; O(what is new, or was merged)."""
        self.number = HALF_GROWN
        fresh = {name: segment for name, segment in held.segments.items() if name not in self.segments}
        self.segments = {name: segment for name, segment in self.segments.items() if name in held.segments}
        for name, segment in fresh.items():
            self.add(name, segment)
        self.number, self.head, self.vouch, self.manifest = number, head, vouch, held.manifest


class Held(NamedTuple):
    """What a head names.

    Attributes:
        segments: all of them, by name, in order. Those that are new are the last, and stand for those that are gone.
    """

    manifest: RemoteManifest
    segments: Mapping[str, Segment]


def held_by(segments: Mapping[str, Segment]) -> Holdings:
    """What some segments hold, in this order. O(segments)."""
    found = Holdings()
    for name, segment in segments.items():
        found.add(name, segment)
    return found


class KnownHoldings:
    """What was last known of one remote, for who asks it again and again.

    It is lent to one push at a time, which lets it grow: another one at the same time knows nothing.
    """

    def __init__(self) -> None:
        self._last: list[Holdings] = []

    @property
    def last(self) -> Holdings | None:
        """That; None before anything was, and while it is lent."""
        return next(iter(self._last), None)

    def take(self) -> Holdings | None:
        """Take it; None where there is nothing. It is the caller's until he gives it back."""
        try:
            return self._last.pop()
        except IndexError:
            return None

    def give_back(self, holdings: Holdings | None) -> None:
        """Remember this from now on."""
        self._last = [holdings] if holdings is not None else []


def read_holdings(
    objects: Objects, link: Link | None, before: Holdings | None = None, signer: Signer | None = None
) -> Holdings:
    """What a remote holds now. O(what is new since `before`).

    Args:
        link: where to look for the newest head first.
        signer: knows whom this user trusts.

    Raises:
        RemoteError: it cannot be read; or it is another history's, or an older state than was seen, than `link` says.
    """
    signer = signer or user_signer()
    for _ in range(READS - 1):
        with suppress(GoneError):
            return _read_holdings(objects, link, before, signer)
    return _read_holdings(objects, link, before, signer)


def _read_holdings(objects: Objects, link: Link | None, before: Holdings | None, signer: Signer) -> Holdings:
    number, head = newest_head(objects, link.number if link and link.history else _listed_head(objects))
    check_link(objects, link, number, head)
    if before is not None and before.number == number and before.head == head:
        return before
    if head is None:
        return Holdings()
    vouch = judged(objects.url, number, head, signer)
    if link and link.sealed and not vouch.is_trusted and signer.team and signer.team.strict:
        raise RemoteError(
            f"the newest push to {objects.url} is signed by nobody whom you trust, and earlier ones were: nothing was "
            "sent or taken. Who made it can make a key (`jupyter kishu keys`) and push again, or you `trust --key` him"
        )
    manifest = layout.decode_manifest(_read(objects, head.manifest))
    known = before.segments if before else {}
    read = _read_each(objects, [name for name in manifest.segments if name not in known])
    segments = {name: known.get(name) or layout.decode_segment(read.pop(name)) for name in manifest.segments}
    found = before if before is not None and before.is_begin_of(segments) else Holdings()
    found.grow(number, head, vouch, Held(manifest, segments))
    return found


def newest_head(objects: Objects, known: int) -> tuple[int, Head | None]:
    """The newest head and its number; 0 and None where there is none. O(log heads) requests.

    Args:
        known: the number of one that was there.
    """
    if not objects.exists(layout.head_name(known + 1)):
        low = known
        if known and not objects.exists(layout.head_name(known)):  # `check_link` tells what that means
            low = 0
    else:
        low, step = known + 1, 1
        while objects.exists(layout.head_name(low + step)):
            low, step = low + step, 2 * step
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if objects.exists(layout.head_name(middle)) else (low, middle)
    return low, _head(objects, low) if low else None


def _head(objects: Objects, number: int) -> Head:
    try:
        return layout.decode_head(objects.get(layout.head_name(number)))
    except DamagedError as error:
        raise RemoteError(
            f"the newest head of the remote {objects.url} is damaged, or is none of kishu-kernel's: nothing was "
            f"sent or taken. Name another address, or have whoever can write there look at {layout.head_name(number)}"
        ) from error


def created_head(objects: Objects, number: int, head: Head) -> bool:
    """Create a head, as of `head_seals.sealed`. False where somebody else's is there."""
    if objects.create(layout.head_name(number), layout.encode_head(head)):
        return True
    # a try whose answer got lost may have created it, and be refused now
    return layout.decode_head(objects.get(layout.head_name(number))) == head


def check_link(objects: Objects, link: Link | None, number: int, head: Head | None) -> None:
    """Raise RemoteError where a remote is not the one that a store knows, or has gone back."""
    if link is None or not link.history:
        return
    if head is not None and head.history != link.history:
        raise other_history(objects)
    if number >= link.number:
        seen = head if number == link.number else layout.decode_head(objects.get(layout.head_name(link.number)))
        if seen is not None and seen.write == link.write:
            return
    raise RemoteError(
        f"the remote {objects.url} has gone back, or was emptied: what was pushed there before is not there any more. "
        "Nothing was sent or taken; if that is as it should be, `jupyter kishu remote STORE --forget` begins anew"
    )


def check_known(objects: Objects, links: Iterable[Link], after: str = "") -> None:
    """Raise RemoteError where a remote does not hold what somebody has seen there.

    Args:
        links: of stores that have the same address; those of another history say nothing.
        after: the number of a push, a colon, and how its write id begins; empty for none.
    """
    links = list(links)
    number, head = newest_head(objects, _listed_head(objects)) if links or after else (0, None)
    if head is None:
        return
    seen = [(each.number, each.write) for each in links if each.history == head.history]
    if after:
        known, _, write = after.partition(":")
        if not known.isdecimal() or not write:
            raise RemoteError(f"{after} names no push: `jupyter kishu remote STORE` shows one, like 12:3f2a9c41")
        seen.append((int(known), write))
    for known_number, write in seen:
        found = layout.decode_head(objects.get(layout.head_name(known_number))) if known_number <= number else None
        if found is None or not found.write.startswith(write):
            raise RemoteError(
                f"the remote {objects.url} does not hold push {known_number} ({write[:8]}), which was there: it was "
                "put back to an older state, or is another history's. Nothing was taken"
            )


def _listed_head(objects: Objects) -> int:
    """The newest head in a list, which may be late; 0 where there is none.

    Raises:
        RemoteError: there are heads above one that is missing: somebody wants that an older one is used, or his own.
    """
    listed = {layout.head_number(each.name) for each in objects.list("heads/")}
    newest = max(listed, default=0)
    for number in range(1, newest):
        if number not in listed and not objects.exists(layout.head_name(number)):
            raise RemoteError(
                f"the remote {objects.url} lacks push {number}, and has later ones: somebody removed it. Nothing was "
                "sent or taken"
            )
    return newest


def other_history(objects: Objects) -> RemoteError:
    """The error where a remote holds another history than this store's."""
    return RemoteError(
        f"the remote {objects.url} holds another history: push to another address, or clone that one beside this one"
    )


def digests_at(segments: Iterable[str], holdings: Holdings) -> dict[RowKey, bytes]:
    """The digests of the rows that a remote held when it consisted of these segments. Empty where that is not known."""
    found: dict[RowKey, bytes] = {}
    for keys in keys_at(segments, holdings):
        found.update(keys)
    return found


def keys_at(segments: Iterable[str], holdings: Holdings) -> list[Mapping[RowKey, bytes]]:
    """As `digests_at`, of each segment: what a later one says of a row holds. O(segments)."""
    known = set(segments)
    found = [
        (each, keys)
        for name, segment in holdings.segments.items()
        for each, keys in (*segment.merged.items(), (name, segment.keys))
        if each in known
    ]
    return [keys for _, keys in found] if {each for each, _ in found} == known else []


def still_named(segments: Iterable[str], holdings: Holdings) -> tuple[str, ...]:
    """The same knowledge of a remote by fewer names: of a merged segment that is known wholly, its own."""
    known = set(segments)
    for name, segment in holdings.segments.items():
        if segment.merged and (name in known or known.issuperset(segment.merged)):
            known = {name, *(known - segment.merged.keys())}
    return tuple(sorted(known))


def read_rows(objects: Objects, holdings: Holdings, wanted: Iterable[RowKey]) -> Mapping[RowKey, bytes]:
    """The values of some rows, as the newest segments with them have them. O(their segments).

    Raises:
        RemoteError: one is damaged, or another than the segment says.
    """
    by_segment: dict[str, list[RowKey]] = {}
    for key in wanted:
        by_segment.setdefault(holdings.rows[key][1], []).append(key)
    found = {}
    read = _read_each(objects, [holdings.segments[name].rows for name in by_segment])
    for name, keys in by_segment.items():
        segment = holdings.segments[name]
        values = dict(zip(segment.keys, layout.decode_rows(read[segment.rows], len(segment.keys)), strict=True))
        for key in keys:
            if layout.body_digest(key[0], values[key]) != segment.keys[key]:
                raise RemoteError(f"the rows {segment.rows} of the remote are others than it says: nothing is used")
            found[key] = values[key]
    return found


@contextmanager
def named_there(objects: Objects, name: str) -> Iterator[None]:
    """What is read here, a head names. GoneError where it is not there."""
    try:
        yield
    except NotThereError as error:
        raise GoneError(f"the remote {objects.url} lacks {name}, which it names: somebody removed it") from error


def _read_each(objects: Objects, names: Sequence[str]) -> dict[str, bytes]:
    """Some objects, several at a time: what passes is mostly the way to the remote and back."""
    found: dict[str, bytes] = {}

    def read(name: str) -> None:
        found[name] = _read(objects, name)

    run_in_parallel(read, list(dict.fromkeys(names)), LANES - 1)
    return found


def _read(objects: Objects, name: str) -> bytes:
    with named_there(objects, name):
        return layout.verified(name, objects.get(name))
