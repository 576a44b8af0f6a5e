"""Chunks read from an environment, each straight into its final place, by several threads where that pays.

Law: when a function here returns or raises, no thread writes to the target any more, and no transaction is open. A
transaction lasts for `GROUP_BYTES` at most, since a writer that must grow the map waits for it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Digest
from kishu_kernel.process.memory import LARGE_BYTES, UntouchedPages, address_of
from kishu_kernel.store.base import ReadProgress
from kishu_kernel.store.disk.direct_reads import DirectReader, Value
from kishu_kernel.store.format import compression
from kishu_kernel.store.format.chunks import damaged_chunk, digest, missing_chunk, wrong_length, zeros_digest
from kishu_kernel.store.format.schema import Piece

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

GROUP_BYTES = 64 << 20
PARALLEL_BYTES = 16 << 20
"""From this size on a second thread is worth its start (measured: 0.1 ms, the time of a MiB or two)."""

MAX_THREADS = 4
"""Memory is no faster for more."""

Job = TypeVar("Job")
Reading = Callable[[], "AbstractContextManager[Transaction[memoryview]]"]


class FoundChunk(NamedTuple):
    """Where a chunk is. Valid while the transaction is open.

    Attributes:
        packed: it is compressed.
        size: of its raw bytes.
    """

    digest: Digest
    packed: bool
    value: Value
    size: int


class ChunkTables:
    """The tables of chunks, raw and compressed, in one read transaction. For one thread."""

    def __init__(self, environment: Environment, txn: Transaction[memoryview], stack: ExitStack) -> None:
        self.txn = txn
        self._tables = environment.tables
        self.reader = DirectReader(environment.path, txn.stat(self._tables["chunks"])["psize"])
        stack.callback(self.reader.close)
        self._raw = stack.enter_context(txn.cursor(db=self._tables["chunks"]))
        self._packed = stack.enter_context(txn.cursor(db=self._tables["packed"]))

    def holds(self, digest: Digest) -> bool:
        """Whether a chunk is stored."""
        return any(self.reader.find(cursor, digest) for cursor in (self._raw, self._packed))

    def find(self, digest: Digest) -> FoundChunk:
        """A chunk. LoadError where there is none."""
        value = self.reader.find(self._raw, digest)
        if value is not None:
            return FoundChunk(digest, False, value, value.size)
        value = self.reader.find(self._packed, digest)
        if value is None:
            raise missing_chunk(digest)
        head = self.reader.read(value.place, compression.HEADER_SIZE) if value.view is None else value.view
        return FoundChunk(digest, True, value, compression.raw_size(head))

    def through_map(self, found: FoundChunk) -> FoundChunk:
        """The same chunk, to be read through the map. LoadError where it has another size there."""
        view = self.txn.get(found.digest, db=self._tables["packed" if found.packed else "chunks"])
        assert view is not None  # it was there, and the transaction is the same
        size = compression.raw_size(view) if found.packed else view.nbytes
        if size != found.size:
            raise damaged_chunk(found.digest)
        return found._replace(value=Value(view.nbytes, view, 0))

    def keys(self, table: str, start: bytes, most: int) -> list[bytes]:
        """The first `most` keys of one of the two tables from `start` on. O(most)."""
        cursor = self._packed if table == "packed" else self._raw
        return [key for key, _ in islice(self.reader.sizes(cursor, start), most)]

    def sizes(self) -> dict[Digest, int]:
        """The bytes that each chunk occupies. O(chunks)."""
        found: dict[Digest, int] = {}
        for cursor in (self._raw, self._packed):
            for key, size in self.reader.sizes(cursor):
                found[Digest(key)] = found.get(Digest(key), 0) + compression.stored_size(len(key) + size)
        return found


@contextmanager
def chunk_tables(environment: Environment, reading: Reading) -> Iterator[ChunkTables]:
    """The tables of chunks within one read transaction. Keep the block short.

    Args:
        reading: begins the transaction.
    """
    with ExitStack() as stack:
        yield ChunkTables(environment, stack.enter_context(reading()), stack)


class ChunkLoader:
    """Loads chunks from one environment.

    Args:
        reading: begins a read transaction.
    """

    def __init__(self, environment: Environment, reading: Reading) -> None:
        self._environment = environment
        self._reading = reading

    def fill(self, piece: Piece, target: memoryview, on_read: ReadProgress | None = None) -> None:
        """Put a piece together in `target`, a view of bytes. LoadError where it is not what was stored.

        Chunks of zeros are not written to pages that were never touched, so those take no memory.
        """
        from kishu_kernel.process import inherited_memory

        if inherited_memory.given(piece.digests, target):
            if on_read:
                on_read(piece.nbytes)
            return
        start = 0
        untouched_pages = UntouchedPages(address_of(target), target.nbytes) if target.nbytes >= LARGE_BYTES else None
        with closing(self._groups(piece)) as groups:
            for tables, group in groups:
                jobs = []
                for found in group:
                    untouched = untouched_pages is not None and found.digest == zeros_digest(found.size)
                    if untouched_pages is None or not (untouched and untouched_pages.covers(start, found.size)):
                        jobs.append((found, target[start : start + found.size]))
                    elif on_read:
                        on_read(found.size)
                    start += found.size
                _fill(tables, jobs, on_read)

    def sizes(self, piece: Piece) -> list[int]:
        """Bytes of each chunk of a piece, of whose value the head is read. LoadError as in `fill`."""
        with closing(self._groups(piece)) as groups:
            return [found.size for _, group in groups for found in group]

    def chunks(self, piece: Piece) -> Iterator[memoryview]:
        """The chunks of a piece in order, each in memory of its own. LoadError as in `fill`."""
        with closing(self._groups(piece)) as groups:
            for tables, group in groups:
                jobs = [(found, memoryview(bytearray(found.size))) for found in group]
                _fill(tables, jobs, None)
                for _, loaded in jobs:
                    yield loaded

    def _groups(self, piece: Piece) -> Generator[tuple[ChunkTables, list[FoundChunk]], None, None]:
        """The chunks of a piece in groups, each found in a transaction that is open until the next is asked for."""
        todo = deque(piece.digests)
        total = 0
        while todo:
            with chunk_tables(self._environment, self._reading) as here:
                group: list[FoundChunk] = []
                stop = total + GROUP_BYTES
                while todo and total < stop:
                    group.append(here.find(todo.popleft()))
                    total += group[-1].size
                    if total > piece.nbytes:
                        raise wrong_length(piece)
                yield here, group
        if total != piece.nbytes:
            raise wrong_length(piece)


def _fill(tables: ChunkTables, jobs: list[tuple[FoundChunk, memoryview]], on_read: ReadProgress | None) -> None:
    from kishu_kernel.store.disk.parallel import run_in_parallel

    again = []

    def work(job: tuple[FoundChunk, memoryview]) -> None:
        try:
            _load(tables.reader, *job)
        except (OSError, LoadError):
            again.append(job)
            return
        if on_read:
            on_read(job[0].size)

    extra_threads = min(MAX_THREADS, _cores()) - 1 if sum(found.size for found, _ in jobs) >= PARALLEL_BYTES else 0
    run_in_parallel(work, jobs, extra_threads)
    for found, target in again:
        _load(tables.reader, tables.through_map(found), target)
        if on_read:
            on_read(found.size)


def _load(reader: DirectReader, found: FoundChunk, target: memoryview) -> None:
    value = found.value
    if found.packed:
        data = reader.read(value.place, value.size) if value.view is None else value.view
        if compression.raw_size(data) != target.nbytes:
            raise damaged_chunk(found.digest)
        compression.decompress(data, target)
    elif value.view is not None:
        target[:] = value.view
    elif not reader.readinto(value.place, target):
        raise damaged_chunk(found.digest)
    if digest(target) != found.digest:
        raise damaged_chunk(found.digest)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
