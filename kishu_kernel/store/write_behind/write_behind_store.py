"""Commits in the user's think time: a store in front of a store, and the thread that writes.

Law: what was taken is written in the order it came, or given back as failed, with all that came after it. Readers
see what was taken as if it were written. Memory that waits is bounded: who brings more waits. What takes long is
announced first (`promise`): whatever ends the process then, the next one knows what is missing.
Neighbours: `base.Store` behind it; `timeline` in front of it, which says what a failure means; `handover`, which takes
what waits when the process ends.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Collected, Names, Payload, StoreStatistics, Version
from kishu_kernel.process.tracebacks import drop_frames
from kishu_kernel.store.base import ReadProgress, Refs, Store, StoredPayload
from kishu_kernel.store.write_behind.jobs import (
    Failure,
    Job,
    WriteStopped,
    correct_record,
    next_job,
    record_first,
    unrecorded,
)

MAX_WAITING_BYTES = 32 << 20
"""Of streams, copies and outputs that wait to be written."""
MAX_HELD_BYTES = 1 << 30
"""Bytes. Mostly they are the user's memory and cost nothing, but it may be let go of meanwhile."""
MAX_WAITING_JOBS = 256
REPLY_DELAY = 0.004
"""Seconds between a checkpoint's arrival and its writing, so that the cell's reply leaves first."""

IDLE_TIME = 0.5
"""Seconds without anything to write, after which there is time to put the store in order."""


class WriteBehindStore:
    """Takes commits at once and writes them on a thread of its own. Safe from any thread.

    Args:
        written: told, on that thread, of each checkpoint as the store keeps it.
    """

    def __init__(self, inner: Store, on_written: Callable[[Checkpoint], None] = lambda _: None) -> None:
        self._inner = inner
        self._on_written = on_written
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._weights: dict[Job, tuple[int, int]] = {}
        self._arriving: list[Job] = []
        self._current: Job | None = None
        self._ending = False
        self._failure: Failure | None = None
        self._pending_refs: dict[str, CheckpointId | None] = {}
        self._thread: threading.Thread | None = None
        self._urgent = 0
        self._closed = False
        self._paused = False

    # -- writing ---------------------------------------------------------------------------------

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs) -> Checkpoint:
        """Takes a checkpoint to be written. Its buffers are read until it no longer is `borrowed`.

        Returns:
            The checkpoint. What it adds to the store is not known yet.

        Raises:
            StoreError: an earlier one could not be written, and `take_failure` was not asked for it.
        """
        job = Job(refs, checkpoint, tuple(payloads))
        self._take(job, job.waiting_bytes, job.held_bytes)
        return checkpoint

    def set_refs_later(self, refs: Refs) -> None:
        """Takes refs to be set after what was taken before. If that fails, they are set with the next commit."""
        self._take(Job(refs), 0, 0)

    def _take(self, job: Job, weight: int, held: int) -> None:
        with self._locked():
            self._arriving.append(job)  # while it waits for room its record can go before it
            try:
                self._changed.wait_for(
                    lambda: not self._jobs or self._failure or self._closed or self._has_room(weight, held)
                )
            except KeyboardInterrupt:
                if not job.recorded:  # else it comes too late
                    raise
            finally:
                self._arriving.remove(job)
            self.raise_failure()
            self._check_open()
            self._jobs.append(job)
            self._weights[job] = weight, held
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kishu-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _has_room(self, weight: int, held: int) -> bool:
        waiting, borrowed = map(sum, zip(*self._weights.values(), strict=True))
        fits = waiting + weight <= MAX_WAITING_BYTES and borrowed + held <= MAX_HELD_BYTES
        return fits and len(self._jobs) < MAX_WAITING_JOBS

    def _run(self) -> None:
        while self._next():
            error = self._attempt()  # its frame is gone before anybody learns that the job is done:
            with self._changed:  # an idle thread must not keep the user's objects alive
                job, self._current = self._current, None
                if job in self._weights:  # else it is somebody else's by now
                    if error is None:
                        self._drop(job)
                    else:
                        self._give_up(job, error)
                del job
                self._changed.notify_all()

    def _next(self) -> bool:
        self._remove_orphans_when_idle()
        with self._changed:
            self._changed.wait_for(lambda: (self._jobs and not self._paused) or self._closed)
            if self._jobs:
                self._changed.wait_for(lambda: self._urgent or self._closed or len(self._jobs) > 1, REPLY_DELAY)
            if self._jobs:
                self._current = next_job(self._jobs, self._ending)
            return self._current is not None

    def _remove_orphans_when_idle(self) -> None:
        """Removes what a commit that was cut short has left in the store, when there is nothing else to do."""
        with suppress(StoreError):
            if self._inner.free_of_orphans:
                return
            with self._changed:
                wanted = self._changed.wait_for(self._wanted, IDLE_TIME)
            if not wanted:
                self._inner.sweep(self._wanted)

    def _wanted(self) -> bool:
        return bool(self._jobs) or self._closed or self._paused

    def _attempt(self) -> StoreError | None:
        """Writes the job that was begun."""
        job = self._current
        assert job is not None
        try:
            kept = self._write(job)
        except BaseException as error:  # whatever it is, the thread lives on
            told = StoreError(str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}")
            drop_frames(error)  # its frames hold the payloads
            if job in self._weights:
                correct_record(job, self._inner, told)
            return told
        job.written = True
        self._pending_refs.clear()
        if kept is not None:
            with suppress(Exception):  # what is written is written
                self._on_written(kept)
        return None

    def _write(self, job: Job) -> Checkpoint | None:
        if job.is_heavy or self._ending:
            self._record_first()
        if job.written:
            return job.kept
        refs = {**self._pending_refs, **({} if job.recorded else job.refs)}
        if job.checkpoint is None:
            if refs:
                self._inner.update_refs(refs)
            return None
        if not job.is_heavy:
            return self._inner.commit(job.checkpoint, job.payloads, refs)
        return self._inner.commit(job.checkpoint, job.payloads, refs, self._between_writes)

    def _drop(self, job: Job) -> None:
        self._jobs.remove(job)
        del self._weights[job]

    def _give_up(self, job: Job, error: StoreError) -> None:
        if job.checkpoint is None:  # nothing of the user's is lost: it goes with the next one
            self._pending_refs.update(job.refs)
            self._drop(job)
            return
        failed = [job] if self._ending else list(self._jobs)
        lost = tuple(each.checkpoint for each in failed if each.checkpoint is not None)
        before = self._failure.checkpoints if self._failure else ()
        self._failure = Failure(error, (*before, *lost))
        for each in failed:
            self._drop(each)

    def _between_writes(self) -> None:
        """Between two pieces of a heavy payload. `WriteStopped` where somebody else is to write it."""
        if self._current not in self._weights:
            raise WriteStopped
        self._record_first()

    def _record_first(self) -> None:
        """Whatever takes long from here on: the store has a record of it first."""
        for job in unrecorded((*self._jobs, *self._arriving), self._ending):
            record_first(job, self._inner, self._pending_refs)
            if job.recorded:
                self._pending_refs.clear()
            with self._changed:
                self._changed.notify_all()

    # -- ending ----------------------------------------------------------------------------------

    def hand_over(self, take: Callable[[Sequence[Job]], bool], patience: float) -> bool:
        """The process ends: what waits is given to somebody else, when the store has a record of all of it.

        Args:
            take: copies the jobs, which are checkpoints; false where it cannot.
            patience: seconds to wait for the records.

        Returns:
            Whether nothing waits any more.
        """
        with self._urgently():
            self._ending = True
            self._changed.wait_for(lambda: all(job.recorded or job.unrecordable for job in self._jobs), patience)
            jobs = [job for job in self._jobs if job.recorded and not job.written and job.checkpoint is not None]
            weights = {job: self._weights[job] for job in jobs}
            for job in jobs:  # the writer lets go of it: copying is urgent now
                self._drop(job)
        taken = bool(jobs) and take(jobs)
        with self._urgently():
            if taken:
                self._changed.wait_for(lambda: self._current is None, patience)
            else:
                self._jobs.extendleft(reversed(jobs))
                self._weights.update(weights)
            return not self._jobs

    @property
    def waiting_bytes(self) -> int:
        """Of payloads that are not written."""
        return sum(job.size for job in tuple(self._jobs) if not job.written)

    def prepare_to_end(self) -> None:
        """The process ends: all is announced, and what is worth most is written first."""
        self._ending = True

    # -- waiting ---------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Something is still being written, or could not be and nobody has asked for it yet."""
        return bool(self._jobs) or self._failure is not None

    def in_flight(self) -> frozenset[Names]:
        """Co-variables whose live memory is still to be read."""
        with self._locked():
            return frozenset().union(*(job.in_flight for job in self._jobs if not job.written))

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was taken is written or has failed. False where the time was too short."""
        with self._urgently():
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def wait_until_read(self, touched: Callable[[Names], bool]) -> None:
        """Waits until the memory of the co-variables that are touched has been read."""
        with self._urgently():
            self._changed.wait_for(lambda: not any(map(touched, self.in_flight())))

    def take_failure(self) -> Failure | None:
        """What could not be written since this was last asked; then commits are taken again."""
        with self._locked():
            failure, self._failure = self._failure, None
            return failure

    @contextmanager
    def _urgently(self) -> Iterator[None]:
        with self._locked():
            self._urgent += 1
            self._changed.notify_all()
            try:
                yield
            finally:
                self._urgent -= 1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock, which a forked child must not even try: the thread that held it does not exist there."""
        if os.getpid() != self._pid:
            raise StoreError("a forked process cannot use the store of its parent")
        with self._changed:
            yield

    def raise_failure(self) -> None:
        """Nothing is to be built on what could not be written. StoreError if something could not."""
        if self._failure:
            raise StoreError(str(self._failure.error))

    def _flushed(self) -> None:
        self.flush()
        self.raise_failure()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def unwritten(self) -> frozenset[CheckpointId]:
        """Checkpoints that are taken and not written, be it that they cannot be."""
        with self._locked():
            lost = self._failure.checkpoints if self._failure else ()
            return frozenset(each.id for each in (*self._waiting(), *lost))

    # -- reading ---------------------------------------------------------------------------------

    def checkpoint(self, id: CheckpointId) -> Checkpoint:
        """As in `Store`."""
        for each in reversed(self._waiting()):  # one can be written twice
            if each.id == id:
                return each
        return self._inner.checkpoint(id)

    def contains(self, id: CheckpointId) -> bool:
        """As in `Store`."""
        return any(each.id == id for each in self._waiting()) or self._inner.contains(id)

    def find(self, prefix: str, limit: int) -> list[CheckpointId]:
        """As in `Store`."""
        waiting = {each.id for each in self._waiting() if each.id.startswith(prefix)}
        return sorted(waiting | set(self._inner.find(prefix, limit)))[:limit]

    def checkpoints(self, *, outputs: bool = True) -> Iterator[Checkpoint]:
        """As in `Store`."""
        waiting = {
            each.id: each if outputs else replace(each, outputs=(), outputs_trusted=True) for each in self._waiting()
        }
        written = self._inner.checkpoints(outputs=outputs)
        yield from waiting.values()
        yield from (each for each in written if each.id not in waiting)

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        """As in `Store`. Waits until the version is written."""
        with self._urgently():
            self._changed.wait_for(lambda: version.checkpoint not in {each.id for each in self._waiting()})
        return self._inner.load(version, on_read) if on_read else self._inner.load(version)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._locked():
            waiting = [dict(self._pending_refs), *(job.refs for job in self._jobs)]
        refs: dict[str, CheckpointId | None] = {**self._inner.refs()}
        for each in waiting:
            refs.update(each)
        return {name: id for name, id in refs.items() if id is not None}

    def statistics(self) -> StoreStatistics:
        """As in `Store`; checkpoints count as soon as they are taken."""
        with self._locked():
            waiting = sum(job.checkpoint is not None and not job.written and not job.recorded for job in self._jobs)
        found = self._inner.statistics()
        return replace(found, checkpoints=found.checkpoints + waiting)

    def _waiting(self) -> list[Checkpoint]:
        with self._locked():
            return [job.checkpoint for job in self._jobs if job.checkpoint is not None and not job.written]

    # -- at once, after what was taken -----------------------------------------------------------

    def update_refs(self, refs: Refs) -> None:
        """As in `Store`."""
        self._flushed()
        self._inner.update_refs(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`."""
        self._flushed()
        self._inner.amend(checkpoint, refs)

    def collect(
        self,
        drop: Collection[Version],
        evict: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """As in `Store`, of what is written: the caller flushes first, or is the writer."""
        return self._inner.collect(drop, evict, limit, reason=reason, dry_run=dry_run)

    def move_to(self, target: Store, refs: Refs) -> None:
        """Goes on with another store, to which it brings all that there is. The old one is closed.

        What is taken meanwhile waits; nobody who reads does.

        Args:
            refs: to set there.

        Raises:
            StoreError: the other one cannot be written; nothing has changed.
        """
        from kishu_kernel.store.transfer import transfer

        self._flushed()
        try:
            with self._locked():
                self._paused = True
            transfer(self._inner, target)
            target.update_refs(refs)
            with self._locked():
                before, self._inner = self._inner, target
        finally:
            with self._locked():
                self._paused = False
                self._changed.notify_all()
        before.close()

    def close(self) -> None:
        """Writes what was taken, then closes. In a forked child nothing happens."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._inner.close()
