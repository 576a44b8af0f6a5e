"""A queue of commits, and the thread that writes them to a store while the user thinks.

Law: jobs are written in the order in which they came, or given back as failed together with all that came after them.
Memory that waits is bounded: whoever brings more waits for room. What takes long gets a record first (`placeholders`),
so that whoever opens the store next knows what is missing, whatever ends this process.
Neighbours: `jobs` says what a job is and which one is next; `handover` takes the jobs that are left when the process
ends; `write_behind_store` adds the methods of a `Store`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Names
from kishu_kernel.process.tracebacks import drop_frames
from kishu_kernel.process.tracing import own_thread
from kishu_kernel.store.base import Refs, Store
from kishu_kernel.store.write_behind.jobs import (
    MOST_TOGETHER,
    Failure,
    Job,
    WriteStopped,
    correct_record,
    jobs_to_record_first,
    next_jobs,
    record_first,
    write_together,
)

MAX_WAITING_BYTES = 32 << 20
"""Bytes of streams, copies and outputs that wait to be written."""
MAX_HELD_BYTES = 1 << 30
"""Bytes of buffers in flight. Mostly they are the user's memory and cost nothing, but he may want it freed."""
MAX_WAITING_JOBS = 256
STILL_WRITTEN = "it is still being written"
REPLY_DELAY = 0.004
"""Seconds between the arrival of a job and its writing, so that the cell's reply leaves first."""

TOGETHER = 0.2
"""Seconds between two transactions where one small checkpoint follows the other, at most: what comes meanwhile shares
the second. So much of such cells is lost if the process is killed while they run."""

QUIET = 0.05
"""Seconds after the last of them, after which no other is waited for."""

IDLE_TIME = 0.5
"""Seconds without a job, after which there is time to remove orphans from the store."""


class WriteQueue:
    """Takes jobs at once, and writes them on a thread of its own. Safe from any thread.

    Args:
        inner: the store that is written to.
        on_written: called on that thread with each checkpoint as the store keeps it.
    """

    def __init__(self, inner: Store, on_written: Callable[[Checkpoint], None] = lambda _: None) -> None:
        self._inner = inner
        self._on_written = on_written
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._sizes: dict[Job, tuple[int, int]] = {}
        """Bytes waiting, and bytes held, by the jobs in the queue."""
        self._waiting_bytes = self._held_bytes = 0
        """Their sums."""
        self._arriving: list[Job] = []
        """Jobs that wait for room."""
        self._current: tuple[Job, ...] = ()
        """What is being written: one job, or several light ones."""
        self._collecting = False
        """The thread waits for more light jobs, and need not be woken by one."""
        self._arrived_at = self._wrote_at = 0.0
        self._failure: Failure | None = None
        self._pending_refs: dict[str, CheckpointId | None] = {}
        """Refs that could not be set, and go with the next job."""
        self._thread: threading.Thread | None = None
        self._urgent = 0
        """How many callers wait for jobs to be written."""
        self._ending = False
        self._closed = False
        self._paused = False

    # -- taking jobs -----------------------------------------------------------------------------

    def set_refs_later(self, refs: Refs) -> None:
        """Set refs after what was taken before. If that fails, they are set with the next commit."""
        self._enqueue(Job(refs), 0, 0)

    def _enqueue(self, job: Job, waiting: int, held: int) -> None:
        """Take a job; wait for room. StoreError as in `raise_failure`, and where the store is closed."""
        with self._locked():
            if not self._may_take(waiting, held):
                self._wait_for_room(job, waiting, held)
            self.raise_failure()
            self._check_open()
            self._jobs.append(job)
            self._note_size(job, waiting, held)
            self._arrived_at = time.monotonic()
            if self._collecting and job.is_light and not self._is_due():
                return
            if self._thread is None:
                self._thread = own_thread(self._run, "kishu-writer")
                self._thread.start()
            self._changed.notify_all()

    def _wait_for_room(self, job: Job, waiting: int, held: int) -> None:
        self._arriving.append(job)  # its record can be written meanwhile
        try:
            self._changed.notify_all()  # it is not the time to wait for more
            self._changed.wait_for(lambda: self._may_take(waiting, held))
        except KeyboardInterrupt:
            if not job.recorded:  # else it comes too late
                raise
        finally:
            self._arriving.remove(job)

    def _may_take(self, waiting: int, held: int) -> bool:
        return not self._jobs or self._failure is not None or self._closed or self._has_room(waiting, held)

    def _has_room(self, waiting: int, held: int) -> bool:
        fits = self._waiting_bytes + waiting <= MAX_WAITING_BYTES and self._held_bytes + held <= MAX_HELD_BYTES
        return fits and len(self._jobs) < MAX_WAITING_JOBS

    # -- the writer's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        while self._next():
            error = self._attempt()  # its frame is gone before anybody learns that the job is done:
            with self._changed:  # an idle thread must not keep the user's objects alive
                jobs, self._current = self._current, ()
                for job in jobs:
                    if job in self._sizes:  # else another process writes it by now
                        if error is None:
                            self._remove(job)
                        else:
                            self._fail(job, error)
                    del job
                del jobs
                self._changed.notify_all()

    def _next(self) -> bool:
        """Wait for jobs to write. False where the store was closed and nothing is left."""
        self._remove_orphans_when_idle()
        with self._changed:
            self._changed.wait_for(lambda: (self._jobs and not self._paused) or self._closed)
            if self._jobs:
                self._collect()
            if self._jobs:
                self._current = next_jobs(self._jobs, self._ending)
                self._wrote_at = time.monotonic()
            return bool(self._current)

    def _collect(self) -> None:
        """Wait until the reply has left; where small checkpoints follow each other, until a moment brings no more."""
        began = time.monotonic()
        self._collecting = True
        try:
            while not self._is_due() and (left := self._due_at(began) - time.monotonic()) > 0:
                self._changed.wait(left)
        finally:
            self._collecting = False

    def _is_due(self) -> bool:
        """Whether what waits is to be written at once."""
        ends = self._closed or self._paused or self._ending
        return bool(ends or self._urgent or self._arriving or not self._jobs or len(self._jobs) >= MOST_TOGETHER)

    def _due_at(self, began: float) -> float:
        """When what waits is to be written."""
        reply_left = began + REPLY_DELAY
        if not (self._jobs[0].is_light and self._jobs[-1].is_light):
            return reply_left
        return max(reply_left, min(self._arrived_at + QUIET, self._wrote_at + TOGETHER))

    def _remove_orphans_when_idle(self) -> None:
        with suppress(StoreError):
            if self._inner.free_of_orphans:
                return
            with self._changed:
                wanted = self._changed.wait_for(self._is_wanted, IDLE_TIME)
            if not wanted:
                self._inner.remove_orphans(self._is_wanted)

    def _is_wanted(self) -> bool:
        return bool(self._jobs) or self._closed or self._paused

    def _attempt(self) -> StoreError | None:
        """Write the current jobs, or the first of them. The error, without frames, where that failed."""
        if len(self._current) > 1:
            if write_together(self._current, self._inner, self._pending_refs):
                self._note_written(self._current)
                return None
            with self._changed:
                self._current = self._current[:1]
        [job] = self._current
        try:
            kept = self._write(job)
        except BaseException as error:  # whatever it is, the thread lives on
            failure = StoreError(str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}")
            drop_frames(error)  # they hold the payloads
            if job in self._sizes:
                correct_record(job, self._inner, failure)
            return failure
        job.written, job.kept = True, kept
        self._note_written((job,))
        return None

    def _note_written(self, jobs: Sequence[Job]) -> None:
        self._pending_refs.clear()
        for job in jobs:
            if job.kept is not None:
                with suppress(Exception):  # what is written is written
                    self._on_written(job.kept)

    def _write(self, job: Job) -> Checkpoint | None:
        """Write a job. The checkpoint as kept; None for a job of refs alone."""
        if job.is_heavy or self._ending:
            self._write_records_first()
        if job.written:
            return job.kept
        refs = {**self._pending_refs, **({} if job.recorded else job.refs)}
        if job.attached is not None:
            with suppress(StoreError):
                self._inner.attach(*job.attached)
        if job.checkpoint is None:
            if refs:
                self._inner.update_refs(refs)
            return None
        if not job.is_heavy:
            return self._inner.commit(job.checkpoint, job.payloads, refs)
        return self._inner.commit(job.checkpoint, job.payloads, refs, self._between_writes)

    def _between_writes(self) -> None:
        """Called between two transactions of a heavy job. `WriteStopped` where another process is to write it."""
        if not all(job in self._sizes for job in self._current):
            raise WriteStopped
        self._write_records_first()

    def _write_records_first(self) -> None:
        """Write the records of jobs that have to wait longer from here on."""
        for job in jobs_to_record_first((*self._jobs, *self._arriving), self._ending):
            record_first(job, self._inner, self._pending_refs)
            if job.recorded:
                self._pending_refs.clear()
            with self._changed:
                self._changed.notify_all()

    def _note_size(self, job: Job, waiting: int, held: int) -> None:
        self._sizes[job] = waiting, held
        self._waiting_bytes += waiting
        self._held_bytes += held

    def _remove(self, job: Job) -> None:
        self._jobs.remove(job)
        waiting, held = self._sizes.pop(job)
        self._waiting_bytes -= waiting
        self._held_bytes -= held

    def _fail(self, job: Job, error: StoreError) -> None:
        """A job could not be written: it is given back, with all that stand on it."""
        if job.checkpoint is None:  # refs alone: nothing of the user's is lost
            self._pending_refs.update(job.refs)
            self._remove(job)
            return
        failed = [job] if self._ending else list(self._jobs)
        lost = tuple(each.checkpoint for each in failed if each.checkpoint is not None)
        before = self._failure.checkpoints if self._failure else ()
        self._failure = Failure(error, (*before, *lost))
        for each in failed:
            self._remove(each)

    # -- waiting ---------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether something is not written yet, or could not be and `take_failure` was not called."""
        return bool(self._jobs) or self._failure is not None

    @property
    def waiting_bytes(self) -> int:
        """Bytes of payloads that are not written."""
        return sum(job.size for job in tuple(self._jobs) if not job.written)

    def in_flight(self) -> frozenset[Names]:
        """The co-variables whose live memory is still to be read. Quick where there is no such memory."""
        if not self._held_bytes:
            return frozenset()
        with self._locked():
            return frozenset().union(*(job.in_flight for job in self._jobs if not job.written))

    def unwritten(self) -> frozenset[CheckpointId]:
        """The checkpoints that are taken and not written, including those that could not be."""
        return frozenset(self.reasons())

    def reasons(self) -> dict[CheckpointId, str]:
        """Why each of `unwritten` is not written, as a clause."""
        with self._locked():
            found = {each.id: STILL_WRITTEN for each in self._waiting()}
            if self._failure:
                found |= {each.id: str(self._failure.error) for each in self._failure.checkpoints}
            return found

    def is_unwritten(self, id: CheckpointId) -> bool:
        """As `id in unwritten()`."""
        with self._locked():
            lost = self._failure.checkpoints if self._failure else ()
            if any(each.id == id for each in lost):
                return True
            return any(not job.written and job.checkpoint and job.checkpoint.id == id for job in self._jobs)

    @property
    def has_failed(self) -> bool:
        """Whether `take_failure` has something to give."""
        return self._failure is not None

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was taken is written or has failed. False where the timeout passed first."""
        with self._urgently():
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def wait_until_read(self, touched: Callable[[Names], bool]) -> None:
        """Wait until no buffer of these co-variables is in flight.

        Args:
            touched: whether a co-variable is one of them.
        """
        with self._urgently():
            self._changed.wait_for(lambda: not any(map(touched, self.in_flight())))

    def take_failure(self) -> Failure | None:
        """What could not be written since this was last called. From now on commits are taken again."""
        with self._locked():
            failure, self._failure = self._failure, None
            return failure

    def raise_failure(self) -> None:
        """Raise where something could not be written: nothing must be built on it.

        Raises:
            StoreError: `take_failure` has not been called since.
        """
        if self._failure:
            raise StoreError(str(self._failure.error))

    def _waiting(self) -> list[Checkpoint]:
        with self._locked():
            return [job.checkpoint for job in self._jobs if job.checkpoint is not None and not job.written]

    # -- ending ----------------------------------------------------------------------------------

    def prepare_to_end(self) -> None:
        """The process ends soon: write all records first, then the payloads that are worth most."""
        self._ending = True

    def hand_over(self, accept: Callable[[Sequence[Job]], bool], timeout: float) -> bool:
        """The process ends: give what waits to another process, once the store has a record of all of it.

        Args:
            accept: copies these jobs, which are checkpoints. False where it cannot.
            timeout: seconds to wait for the records, and for the writer's thread.

        Returns:
            Whether nothing waits any more.
        """
        with self._urgently():
            self._ending = True
            self._changed.wait_for(lambda: all(job.recorded or job.unrecordable for job in self._jobs), timeout)
            jobs = [job for job in self._jobs if job.recorded and not job.written and job.checkpoint is not None]
            sizes = {job: self._sizes[job] for job in jobs}
            for job in jobs:  # the writer's thread stops: copying is urgent now
                self._remove(job)
        accepted = bool(jobs) and accept(jobs)
        with self._urgently():
            if accepted:
                self._changed.wait_for(lambda: not self._current, timeout)
            else:
                self._jobs.extendleft(reversed(jobs))
                for job, size in sizes.items():
                    self._note_size(job, *size)
            return not self._jobs

    def abandon(self) -> None:
        """The store is to go: what waits is not written any more. The writer's thread stops as soon as it can."""
        with self._locked():
            self._closed = True
            for job in tuple(self._jobs):
                self._remove(job)
            self._changed.notify_all()

    # -- locking ---------------------------------------------------------------------------------

    def _locked(self) -> threading.Condition:
        """The lock, to be entered. A forked child must not even try it: who held it does not exist there."""
        if os.getpid() != self._pid:
            raise StoreError("a forked process cannot use the store of its parent")
        return self._changed

    @contextmanager
    def _urgently(self) -> Iterator[None]:
        """The lock, for a caller who waits: the next job is written without delay."""
        with self._locked():
            self._urgent += 1
            self._changed.notify_all()
            try:
                yield
            finally:
                self._urgent -= 1

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")
