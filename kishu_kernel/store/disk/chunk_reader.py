"""Chunks out of an environment, each straight into its final place, by several threads where that pays.

Law: when a function here returns or raises, whatever it raises, no thread writes to the target any more and no
transaction is open. A transaction lasts for `GROUP_BYTES` bytes at most: a writer that must grow the map waits for it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
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
"""Bytes from which on a second thread is worth its start (measured: 0.1 ms, a MiB or two)."""

MAX_THREADS = 4
"""At most: memory is no faster for more."""

Job = TypeVar("Job")
Reading = Callable[[], "AbstractContextManager[Transaction[memoryview]]"]


class FoundChunk(NamedTuple):
    """A chunk where LMDB has it. Valid while the transaction is open.

    Attributes:
        size: of its raw bytes.
    """

    digest: Digest
    packed: bool
    value: Value
    size: int


class ChunkTables:
    """The chunks of an environment, raw and packed, as one read transaction sees them. For one thread."""

    def __init__(self, environment: Environment, txn: Transaction[memoryview], stack: ExitStack) -> None:
        self.txn = txn
        self._tables = environment.tables
        self.pages = DirectReader(environment.path, txn.stat(self._tables["chunks"])["psize"])
        stack.callback(self.pages.close)
        self._raw = stack.enter_context(txn.cursor(db=self._tables["chunks"]))
        self._packed = stack.enter_context(txn.cursor(db=self._tables["packed"]))

    def holds(self, digest: Digest) -> bool:
        """Whether a chunk is there."""
        return any(self.pages.find(cursor, digest) for cursor in (self._raw, self._packed))

    def find(self, digest: Digest) -> FoundChunk:
        """A chunk. LoadError where there is none."""
        value = self.pages.find(self._raw, digest)
        if value is not None:
            return FoundChunk(digest, False, value, value.size)
        value = self.pages.find(self._packed, digest)
        if value is None:
            raise missing_chunk(digest)
        head = self.pages.read(value.place, compression.HEADER_SIZE) if value.view is None else value.view
        return FoundChunk(digest, True, value, compression.raw_size(head))

    def through_map(self, found: FoundChunk) -> FoundChunk:
        """The same chunk, to be read as LMDB reads. LoadError where it is another one then."""
        view = self.txn.get(found.digest, db=self._tables["packed" if found.packed else "chunks"])
        assert view is not None  # it was there, and the transaction is the same
        size = compression.raw_size(view) if found.packed else view.nbytes
        if size != found.size:
            raise damaged_chunk(found.digest)
        return found._replace(value=Value(view.nbytes, view, 0))

    def keys(self, table: str, start: bytes, most: int) -> list[bytes]:
        """The next keys of one of the two tables from `start` on. O(most)."""
        cursor = self._packed if table == "packed" else self._raw
        return [key for key, _ in islice(self.pages.sizes(cursor, start), most)]

    def sizes(self) -> dict[Digest, int]:
        """All chunks, with the bytes that they occupy. O(chunks)."""
        found: dict[Digest, int] = {}
        for cursor in (self._raw, self._packed):
            for key, size in self.pages.sizes(cursor):
                found[Digest(key)] = found.get(Digest(key), 0) + compression.stored_size(len(key) + size)
        return found


@contextmanager
def chunk_tables(environment: Environment, reading: Reading) -> Iterator[ChunkTables]:
    """The chunks, as long as the block lasts. Keep it short."""
    with ExitStack() as stack:
        yield ChunkTables(environment, stack.enter_context(reading()), stack)


class ChunkLoader:
    """Loads from one environment."""

    def __init__(self, environment: Environment, reading: Reading) -> None:
        self._environment = environment
        self._reading = reading

    def fill(self, piece: Piece, target: memoryview, on_read: ReadProgress | None = None) -> None:
        """Put a piece together in `target`, of single bytes. LoadError where it is not what was stored."""
        start = 0
        # Zeros need not be written over zeros: memory that was never touched stays so.
        untouched_pages = UntouchedPages(address_of(target), target.nbytes) if target.nbytes >= LARGE_BYTES else None
        with closing(self._groups(piece)) as groups:
            for chunk_tables, group in groups:
                jobs = []
                for found in group:
                    untouched = untouched_pages is not None and found.digest == zeros_digest(found.size)
                    if untouched_pages is None or not (untouched and untouched_pages.covers(start, found.size)):
                        jobs.append((found, target[start : start + found.size]))
                    elif on_read:
                        on_read(found.size)
                    start += found.size
                _fill(chunk_tables, jobs, on_read)

    def chunks(self, piece: Piece) -> Iterator[memoryview]:
        """The chunks of a piece in order, in memory of their own. LoadError as in `fill`."""
        with closing(self._groups(piece)) as groups:
            for chunk_tables, group in groups:
                jobs = [(found, memoryview(bytearray(found.size))) for found in group]
                _fill(chunk_tables, jobs, None)
                for _, loaded in jobs:
                    yield loaded

    def _groups(self, piece: Piece) -> Generator[tuple[ChunkTables, list[FoundChunk]], None, None]:
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


def _fill(chunk_tables: ChunkTables, jobs: list[tuple[FoundChunk, memoryview]], on_read: ReadProgress | None) -> None:
    again = []

    def work(job: tuple[FoundChunk, memoryview]) -> None:
        try:
            _load(chunk_tables.pages, *job)
        except (OSError, LoadError):
            again.append(job)
            return
        if on_read:
            on_read(job[0].size)

    extra_threads = min(MAX_THREADS, _cores()) - 1 if sum(found.size for found, _ in jobs) >= PARALLEL_BYTES else 0
    run_in_parallel(work, jobs, extra_threads)
    for found, target in again:
        _load(chunk_tables.pages, chunk_tables.through_map(found), target)
        if on_read:
            on_read(found.size)


def _load(pages: DirectReader, found: FoundChunk, target: memoryview) -> None:
    value = found.value
    if found.packed:
        data = pages.read(value.place, value.size) if value.view is None else value.view
        if compression.raw_size(data) != target.nbytes:
            raise damaged_chunk(found.digest)
        compression.decompress(data, target)
    elif value.view is not None:
        target[:] = value.view
    elif not pages.readinto(value.place, target):
        raise damaged_chunk(found.digest)
    if digest(target) != found.digest:
        raise damaged_chunk(found.digest)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_parallel(work: Callable[[Job], None], jobs: Sequence[Job], extra_threads: int) -> None:
    """Do the jobs, by this thread and by some extra_threads, in any order.

    When this returns or raises, none is being done any more. The first error of a job is raised, and so is an
    interrupt of this thread; both end it early.
    """
    workers = _Workers(work, jobs)
    try:
        for number in range(min(extra_threads, len(jobs) - 1)):
            threading.Thread(target=workers.help, name=f"kishu-load-{number}", daemon=True).start()
        workers.work()
    finally:
        workers.finish()
    error, workers.error = workers.error, None
    try:
        if error is not None:
            raise error
    finally:
        del error  # this frame is in its traceback


class _Workers:
    def __init__(self, do: Callable[[Job], None], jobs: Sequence[Job]) -> None:
        self.error: Exception | None = None
        self._do = do
        self._todo = deque(jobs)
        self._quiet = threading.Condition()
        self._busy = 0
        self._over = False

    def help(self) -> None:
        """Work on a thread of its own, where no interrupt arrives. One that comes too late does nothing."""
        with self._quiet:
            if self._over:
                return
            self._busy += 1
        self.work()
        with self._quiet:
            self._busy -= 1
            self._quiet.notify_all()

    def work(self) -> None:
        """Do jobs as long as there are any."""
        try:
            while self._todo and not self._over:
                try:
                    job = self._todo.popleft()
                except IndexError:  # another one was faster
                    break
                self._do(job)
        except Exception as error:
            self.error = self.error or error
            self._over = True

    def finish(self) -> None:
        """Wait for the extra_threads, each of which finishes the chunk in hand. No interrupt cuts this short."""
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                with self._quiet:
                    self._over = True
                    self._quiet.wait_for(lambda: not self._busy)
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt
