"""Loads a version by changing the live arrays in which it differs, instead of making all of it anew.

Where the stream of a version is, byte for byte, that of the co-variable as it is now, the two states are the same
objects, and differ in the memory of some arrays. Then only the chunks that differ are read, and written over the live
ones: the arrays, and all views and frames over them, stay the objects that they are.

Law: nobody may be able to tell. So nobody else holds these arrays (`objects.sole_holders`), and what is overwritten is
what the store has under the digest of the version that the session is in. Whatever cannot be proven is loaded as ever.
All chunks are in hand, and verified, before the first byte is written (`written`), and what was there is put back if
the checkout fails.
Neighbours: `restore` asks for each version that it loads; `checkout` has it written, in its last step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from typing import Any, TypeVar

from kishu_kernel.errors import CheckoutError
from kishu_kernel.model import Buffer, Digest, LoadStep, Payload, State, Version
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.arrays import array_library, array_type
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.shared_memory import Segment
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.sole_holders import Reached, is_running_elsewhere
from kishu_kernel.process.memory import address_of, bounds, is_writeable, memory_at, owner_of
from kishu_kernel.session.live_memory import LiveMemory, live_chunks
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.base import Blob, StoredPayload
from kishu_kernel.store.format.chunking import buffer_spans
from kishu_kernel.store.format.chunks import digest

Found = TypeVar("Found")

WORTHWHILE = 4 << 20
"""Bytes beside the stream from which on it pays to look for what is equal."""
STREAM_SHARE = 16
"""A stream of more than one in so many bytes takes longer to compare than its arrays to load."""
CHANGED_SHARE = 2
"""Where more than one in so many bytes differs, to load all of it takes less memory."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A chunk in live memory that is to be another one.

    Attributes:
        blob: the number of the buffer.
        part: the number of the chunk in it.
        owner: id of the array that owns the memory.
        start: the address.
    """

    blob: int
    part: int
    owner: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class _Patch:
    """Bytes to be written at an address in the memory of a live array."""

    owner: Any
    start: int
    content: memoryview

    @property
    def is_in_place(self) -> bool:
        """Whether that is its memory still: a resize that checks no references moves it, whoever holds the array."""
        first, end = bounds(self.owner) if self.owner.size else (0, 0)
        return first <= self.start and self.start + self.content.nbytes <= end

    @property
    def live(self) -> memoryview:
        """The bytes that are there."""
        return memory_at(self.start, self.content.nbytes, self.owner)

    def swap(self, spare: memoryview) -> None:
        """Exchanges them with what is there: a copy of what was there would take new memory, which is slow to get.

        Args:
            spare: at least so many bytes.
        """
        live, spare = self.live, spare[: self.content.nbytes]
        spare[:] = live
        live[:] = self.content
        self.content[:] = spare


class InPlace:
    """The live objects of one moment, and what is to be written into them.

    Args:
        here: the session state of this moment.
        variables: the user's, as they are.
    """

    def __init__(self, names: UserNamespace, table: ReductionTable, here: State, variables: Mapping[str, Any]) -> None:
        self._names = names
        self._table = table
        self._here = here
        self._variables = variables
        self._patches: dict[Version, list[_Patch]] = {}
        self._sharing: set[Version] = set()
        """Versions that were loaded into memory of live arrays."""
        self._given_up = False

    def load(
        self,
        timeline: Timeline,
        version: Version,
        stored: StoredPayload,
        decode: Callable[[StoredPayload], dict[str, Any]],
    ) -> dict[str, Any]:
        """The objects of a version: the live ones, which will be it once the patches are written, or fresh ones.

        Args:
            stored: the version, as the store has it.
            decode: makes fresh ones.
        """
        objects = self._if_provable(lambda: self._objects(timeline, version, stored))
        if objects is not None:
            return objects
        live = self._if_provable(lambda: self._live_memory(timeline, version, stored))
        if live is None:
            return decode(stored)
        objects = decode(live.payload(handing_over=True))
        if live.handed_over and not self._if_provable(lambda: live.looks_owned(Reached(objects.values()))):
            del objects
            return decode(live.payload(handing_over=False))
        self._sharing.update({version} if live.handed_over else ())
        return objects

    def _if_provable(self, find: Callable[[], Found | None]) -> Found | None:
        try:
            return find()
        except Exception:
            return None  # then it is loaded, and who loads it will say what is wrong

    def may_be_patched(self, timeline: Timeline, step: LoadStep) -> bool:
        """Whether it is worth a look. Such versions are loaded last: what is found out of them must not grow old."""
        is_large = step.size >= WORTHWHILE and step.version.names in self._here
        return is_large and not self._given_up and _are_data_alone(timeline, (step.version,))

    def give_up(self) -> list[Version]:
        """Cells are about to be re-run, and may read what was obtained: it has to be what it says, and nobody's else.

        Returns:
            The versions whose objects are not what they say, as nothing is written yet, or share memory with others.
        """
        given_up = [*self._patches, *self._sharing]
        self._patches, self._sharing, self._given_up = {}, set(), True
        return given_up

    def is_patched(self, version: Version) -> bool:
        """Whether the objects of this version are live ones."""
        return version in self._patches

    @contextmanager
    def written(self, versions: Collection[Version]) -> Iterator[None]:
        """Writes the patches of these versions. If the block raises, all bytes are as they were.

        Raises:
            CheckoutError: an array has got another memory since the patches were made. Nothing is written then.
        """
        patches = [*chain.from_iterable(self._patches.get(version, ()) for version in versions)]
        if not all(patch.is_in_place for patch in patches):
            raise CheckoutError("another thread has given an array another size meanwhile: try it again")
        spare = memoryview(bytearray(max((patch.content.nbytes for patch in patches), default=0)))
        swapped: list[_Patch] = []
        try:
            for patch in patches:
                patch.swap(spare)
                swapped.append(patch)
            yield
        except BaseException:
            for patch in reversed(swapped):
                patch.swap(spare)
            raise

    def _stored_now(self, timeline: Timeline, version: Version, stored: StoredPayload) -> StoredPayload | None:
        """What the live objects are. None where they are not looked at."""
        here = self._here.get(version.names)
        if not here or self._given_up or not _is_worthwhile(stored.stream, stored.blobs):
            return None
        now = Version(version.names, here)
        if not _are_data_alone(timeline, (version, now)) or is_running_elsewhere(self._names.live):
            return None
        timeline.store.flush()  # what is still to be written holds arrays
        return timeline.store.load(now)

    def _live_memory(self, timeline: Timeline, version: Version, stored: StoredPayload) -> LiveMemory | None:
        """What the live objects have of a version."""
        live = self._stored_now(timeline, version, stored)
        if live is None or not _is_worthwhile(live.stream, live.blobs):
            return None
        objects = {name: self._variables[name] for name in version.names}
        reached = Reached(objects.values())
        if not reached.complete:
            return None
        lasting = reached.ids()  # to encode may make arrays, which are gone afterwards
        del reached  # what it holds would count as shared
        encoded = encode(tuple(objects), objects, self._table)
        if not isinstance(encoded, Payload) or encoded.stream != live.stream:
            return None
        found = [each for each in live_chunks(encoded.buffers, live.blobs, _owner) if each.owner in lasting]
        del encoded
        reached = Reached(objects.values())
        bound = Counter(map(id, chain(objects.values(), self._variables.values()))) + self._names.references(objects)
        return LiveMemory(stored, found, reached.object, lambda owners: reached.are_sole_holders(owners, bound))

    def _objects(self, timeline: Timeline, version: Version, stored: StoredPayload) -> dict[str, Any] | None:
        live = self._stored_now(timeline, version, stored)
        differing = {} if live is None else _differing_parts(live, stored)
        if live is None or not differing:
            return None
        objects = {name: self._variables[name] for name in version.names}
        if not Reached(objects.values()).complete:
            return None
        places = self._places(objects, stored.stream, differing)
        reached = Reached(objects.values())  # anew: what it holds would count as shared when it is encoded
        if not places or not self._are_ours(objects, reached, {place.owner for place in places}):
            return None
        patches = _patches(places, reached, live.blobs, stored.blobs)
        if patches is None:
            return None
        self._patches[version] = patches
        return objects

    def _places(
        self, objects: Mapping[str, Any], stream: bytes, differing: Mapping[int, Sequence[int]]
    ) -> list[_Place] | None:
        """Where the chunks lie that are to be others. None where something else differs, or they cannot be written."""
        encoded = encode(tuple(objects), objects, self._table)
        if not isinstance(encoded, Payload) or encoded.stream != stream or _are_entangled(encoded.buffers, differing):
            return None
        places: list[_Place] = []
        for number, parts in differing.items():
            buffer = encoded.buffers[number]
            owner = _owner(buffer)
            if owner is None:
                return None
            spans, start = list(buffer_spans(buffer)), address_of(buffer.data)
            if parts[-1] >= len(spans):
                return None
            places += [_Place(number, part, id(owner), start + spans[part][0], _length(spans[part])) for part in parts]
        return places

    def _are_ours(self, objects: Mapping[str, Any], reached: Reached, owners: set[int]) -> bool:
        """Whether nobody but these variables can see the memory of these arrays, and all of them see the same."""
        bound = Counter(map(id, chain(objects.values(), self._variables.values())))
        bound += self._names.references(objects)
        return reached.are_sole_holders(owners, bound) and reached.shows_all_as_stored(owners)


def _is_worthwhile(stream: bytes, blobs: Sequence[Blob]) -> bool:
    beside = sum(blob.nbytes for blob in blobs if blob.direct)
    return beside >= WORTHWHILE and len(stream) * STREAM_SHARE <= beside


def _are_data_alone(timeline: Timeline, versions: Sequence[Version]) -> bool:
    """No class and no function of the notebook's belongs to what these are."""
    records = [timeline.lookup(each.checkpoint).record(each.names) for each in versions]
    return not any(record.calls or record.requires or record.provides for record in records)


def _differing_parts(live: StoredPayload, stored: StoredPayload) -> dict[int, list[int]]:
    """By the numbers of buffers, the chunks in which two versions differ. Empty where they differ in more, or in much.

    Buffers are as long as ever where the streams say the same.
    """
    if live.stream != stored.stream or [*map(_shape, live.blobs)] != [*map(_shape, stored.blobs)]:
        return {}
    found: dict[int, list[int]] = {}
    total = differing = 0
    for number, (one, other) in enumerate(zip(live.blobs, stored.blobs, strict=True)):
        parts = [part for part, (a, b) in enumerate(zip(one.digests, other.digests, strict=True)) if a != b]
        if parts:
            found[number] = parts
        total += one.nbytes
        differing += len(parts) * -(-one.nbytes // max(1, len(one.digests)))
    return found if differing * CHANGED_SHARE <= total else {}


def _shape(blob: Blob) -> tuple[int, bool, int]:
    return blob.nbytes, blob.direct, len(blob.digests)


def _are_entangled(buffers: Sequence[Buffer], written: Container[int]) -> bool:
    """Some are copies of memory, or others lie in the memory of those that are to be written to."""
    if any(buffer.copied or not buffer.direct for buffer in buffers):
        return True
    ranges = sorted(
        (start := address_of(buffer.data), start + buffer.data.nbytes, number in written)
        for number, buffer in enumerate(buffers)
        if buffer.data.nbytes
    )
    end = end_of_written = 0
    for start, stop, is_written in ranges:
        if start < (end if is_written else end_of_written):
            return True
        end = max(end, stop)
        end_of_written = max(end_of_written, stop if is_written else 0)
    return False


def _owner(buffer: Buffer) -> Any:
    """The array that owns all of this memory, if it can be written to. None where none does."""
    shown = buffer.owner.arrays[0] if type(buffer.owner) is Segment else buffer.owner
    owner: Any = owner_of(shown) if type(shown) is array_type() else None
    if type(owner) is not array_type() or not owner.flags.owndata or not is_writeable(owner):
        return None
    start, end = bounds(owner)
    first = address_of(buffer.data)
    return owner if start <= first and first + buffer.data.nbytes <= end else None


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _patches(
    places: Sequence[_Place], reached: Reached, live: Sequence[Blob], stored: Sequence[Blob]
) -> list[_Patch] | None:
    """All that is to be written, read and verified. None where the memory is not what the store says that it is."""
    if any(digest(memory_at(each.start, each.size)) != _digest(live, each) for each in places):
        return None
    content: dict[_Place, memoryview] = {}
    for number, of_one in groupby(places, lambda place: place.blob):
        wanted = [*of_one]
        data = memoryview(array_library().empty(sum(place.size for place in wanted), "B"))
        stored[number].read_parts([place.part for place in wanted], data)
        for place in wanted:
            content[place], data = data[: place.size], data[place.size :]
    if any(digest(data) != _digest(stored, place) for place, data in content.items()):  # of another length, too
        return None
    return [_Patch(reached.object(place.owner), place.start, data) for place, data in content.items()]


def _digest(blobs: Sequence[Blob], place: _Place) -> Digest:
    return blobs[place.blob].digests[place.part]
