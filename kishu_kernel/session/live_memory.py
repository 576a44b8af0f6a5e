"""Loads a version of memory that the session has: nothing equal is read nor, where nobody else has it, allocated.

A cell that assigns a column makes a block for it, and leaves the others where they are. The state before is one block:
it is there yet, but for the names of its columns. So of a version that takes the place of another one, each chunk that
the other one has under the same digest is taken from memory, and a buffer all of which lies there, in its order,
becomes the memory of the new array.

Law: as `in_place`, whose rules of who may hold such an array are asked. What is copied, and what the present version
does not vouch for where it lies, is hashed, and is what was stored. Nothing is written to live memory. What was handed
over belongs to two states until the names are rebound; whoever lets a checkout fail lets go of the new objects only.
Neighbour: `in_place`, which asks for it where objects differ in more than the memory of some arrays.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any, NamedTuple

from kishu_kernel.model import Buffer, Digest
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.objects.sole_holders import Reached
from kishu_kernel.process.memory import address, address_of, bounds, memory_at
from kishu_kernel.store.base import Blob, StoredPayload
from kishu_kernel.store.format.chunking import buffer_spans
from kishu_kernel.store.format.chunks import digest

LEAST_BYTES = 1 << 20
"""Shorter buffers are read as fast."""
HELD_SHARE = 2
"""Of memory that is handed over at least one in so many bytes is wanted: the rest stays allocated with it."""


@dataclass(frozen=True, slots=True)
class LiveChunk:
    """Where bytes with a digest should be. No more is said of whose they are than the id of the array."""

    digest: Digest
    start: int
    size: int
    owner: int


class _Place(NamedTuple):
    """Where all of a buffer lies.

    Attributes:
        owner: id of the array that owns the memory.
        offset: in it, of the first byte.
    """

    owner: int
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class _Copied:
    """A `Blob` of which some chunks are copied from memory.

    Attributes:
        known: by their digests.
        blob: as it is stored.
    """

    known: Mapping[Digest, memoryview]
    blob: Blob
    nbytes: int
    direct: bool = True

    def readinto(self, target: memoryview) -> None:
        """As in `Blob`."""
        starts = [*accumulate(self.blob.sizes(), initial=0)]
        parts = enumerate(zip(self.blob.digests, pairwise(starts), strict=True))
        read = [number for number, (each, (start, end)) in parts if not self._copy(each, target[start:end])]
        for run in _runs(read):
            self.blob.read_parts(run, target[starts[run[0]] : starts[run[-1] + 1]])

    def _copy(self, wanted: Digest, target: memoryview) -> bool:
        """Whether it was there, and is in the target now."""
        live = self.known.get(wanted)
        if live is None or live.nbytes != target.nbytes:
            return False
        ctypes.memmove(address_of(target), address_of(live), live.nbytes)  # other threads go on meanwhile
        return digest(target) == wanted


@dataclass(frozen=True, slots=True)
class _HandedOver:
    """A `rebuild.arrays.HandedOver`."""

    owner: Any
    offset: int
    nbytes: int
    direct: bool = True

    def memory(self) -> tuple[Any, int]:
        """As in `HandedOver`."""
        return self.owner, self.offset

    def readinto(self, target: memoryview) -> None:
        """As in `Blob`."""
        target[:] = memory_at(address(self.owner) + self.offset, self.nbytes, self.owner)


def live_chunks(buffers: Sequence[Buffer], blobs: Sequence[Blob], owner_of: Callable[[Buffer], Any]) -> list[LiveChunk]:
    """The chunks of a payload that was made of live objects.

    Args:
        blobs: as they are stored.
        owner_of: the array that owns the memory of a buffer, and may be written to; None: there is none.
    """
    found: list[LiveChunk] = []
    for buffer, blob in zip(buffers, blobs, strict=True):
        owner = None if buffer.copied or not buffer.direct or blob.nbytes < LEAST_BYTES else owner_of(buffer)
        if owner is not None:
            start = address_of(buffer.data)
            spans = zip(blob.digests, buffer_spans(buffer), strict=True)
            found += [LiveChunk(each, start + first, end - first, id(owner)) for each, (first, end) in spans]
    return found


class LiveMemory:
    """What live arrays have of a payload.

    Args:
        stored: as the store has it.
        live: the chunks that are in memory.
        object_of: an array, by its id. The caller holds it.
        may_be_taken: whether nobody but those who lose these arrays, by their ids, holds them or what leads to them.

    Attributes:
        handed_over: arrays whose memory some of its buffers may have.
    """

    def __init__(
        self,
        stored: StoredPayload,
        live: Sequence[LiveChunk],
        object_of: Callable[[int], Any],
        may_be_taken: Callable[[set[int]], bool],
    ) -> None:
        self._stored = stored
        known = {each.digest: each for each in live}
        self._wanted = {number for number, blob in enumerate(stored.blobs) if _is_wanted(blob, known)}
        vouched = {(each.start, each.digest) for each in live}
        places = {number: _place(stored.blobs[number], known, vouched, object_of) for number in self._wanted}
        whole = {number: place for number, place in places.items() if place is not None}
        taken = {key for key in _enough(whole.values(), object_of) if may_be_taken({key})}  # nobody holds any for this
        self._whole = {number: place for number, place in whole.items() if place.owner in taken}
        self.handed_over = [*map(object_of, taken)]
        self._known = {each.digest: memory_at(each.start, each.size, object_of(each.owner)) for each in known.values()}

    def payload(self, *, handing_over: bool) -> StoredPayload:
        """The same payload, of which some is in memory."""
        owners = {id(each): each for each in self.handed_over if handing_over}

        def source(number: int, blob: Blob) -> Any:
            place = self._whole.get(number)
            if place is not None and place.owner in owners:
                return _HandedOver(owners[place.owner], place.offset, place.nbytes)
            return _Copied(self._known, blob, blob.nbytes) if number in self._wanted else blob

        return replace(
            self._stored, blobs=tuple(source(number, blob) for number, blob in enumerate(self._stored.blobs))
        )

    def looks_owned(self, reached: Reached) -> bool:
        """Whether nobody can tell that an array of what was loaded is over memory that another one owns.

        Those that a library keeps to itself may be.
        """
        owners = set(map(id, self.handed_over))
        return reached.complete and all(id(each) in owners for each in reached.open_arrays_over(owners))


def _is_wanted(blob: Blob, known: Mapping[Digest, LiveChunk]) -> bool:
    return blob.direct and blob.nbytes >= LEAST_BYTES and not known.keys().isdisjoint(blob.digests)


def _place(
    blob: Blob,
    known: Mapping[Digest, LiveChunk],
    vouched: Container[tuple[int, Digest]],
    object_of: Callable[[int], Any],
) -> _Place | None:
    """Where all of it lies in one live array, one chunk behind the other. None where it does not.

    Args:
        vouched: addresses at which the present version has a chunk with that digest.
    """
    starts = [*accumulate(blob.sizes(), initial=0)]
    number = next(number for number, each in enumerate(blob.digests) if each in known)
    one = known[blob.digests[number]]
    owner, begin = object_of(one.owner), one.start - starts[number]
    first, end = bounds(owner)
    if begin < first or begin + blob.nbytes > end or not owner.flags.forc:  # with other axes first, it is copied
        return None
    memory = memory_at(begin, blob.nbytes, owner)
    for each, (start, stop) in zip(blob.digests, pairwise(starts), strict=True):
        if (begin + start, each) not in vouched and digest(memory[start:stop]) != each:
            return None
    return _Place(one.owner, begin - first, blob.nbytes)


def _enough(places: Iterable[_Place], object_of: Callable[[int], Any]) -> set[int]:
    """Ids of the arrays of which enough is wanted, and no part twice."""
    found: set[int] = set()
    for key, of_one in groupby(sorted(places), lambda place: place.owner):
        parts = [*of_one]
        apart = all(one.offset + one.nbytes <= other.offset for one, other in pairwise(parts))
        if apart and sum(part.nbytes for part in parts) * HELD_SHARE >= object_of(key).nbytes:
            found.add(key)
    return found


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Numbers that follow each other, together."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]
