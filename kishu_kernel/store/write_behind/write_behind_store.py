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
from kishu_kernel.store.base import Arrived, Refs, Store, StoredPayload
from kishu_kernel.store.write_behind.jobs import Failure, Job, Stopped, announce, correct, first, unannounced

WAITING_BYTES = 32 << 20
"""Of streams, copies and outputs that wait to be written."""
WAITING_BUFFERS = 1 << 30
"""Bytes. Mostly they are the user's memory and cost nothing, but it may be let go of meanwhile."""
WAITING_JOBS = 256
COURTESY = 0.004
"""Seconds between a checkpoint's arrival and its writing, so that the cell's reply leaves first."""

QUIET = 0.5
"""Seconds without anything to write, after which there is time to put the store in order."""


class WriteBehind:
    """Takes commits at once and writes them on a thread of its own. Safe from any thread.

    Args:
        written: told, on that thread, of each checkpoint as the store keeps it.
    """

    def __init__(self, inner: Store, written: Callable[[Checkpoint], None] = lambda _: None) -> None:
        self._inner = inner
        self._written = written
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._weights: dict[Job, tuple[int, int]] = {}
        self._arriving: list[Job] = []
        self._begun: Job | None = None
        self._last = False
        self._failure: Failure | None = None
        self._owed: dict[str, CheckpointId | None] = {}
        self._thread: threading.Thread | None = None
        self._hurried = 0
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
        self._take(job, job.weight, job.held)
        return checkpoint

    def note(self, refs: Refs) -> None:
        """Takes refs to be set after what was taken before. If that fails, they are set with the next commit."""
        self._take(Job(refs), 0, 0)

    def _take(self, job: Job, weight: int, held: int) -> None:
        with self._guarded():
            self._arriving.append(job)  # while it waits for room its record can go before it
            try:
                self._changed.wait_for(
                    lambda: not self._jobs or self._failure or self._closed or self._has_room(weight, held)
                )
            except KeyboardInterrupt:
                if not job.announced:  # else it comes too late
                    raise
            finally:
                self._arriving.remove(job)
            self.check()
            self._check()
            self._jobs.append(job)
            self._weights[job] = weight, held
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kishu-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _has_room(self, weight: int, held: int) -> bool:
        waiting, borrowed = map(sum, zip(*self._weights.values(), strict=True))
        fits = waiting + weight <= WAITING_BYTES and borrowed + held <= WAITING_BUFFERS
        return fits and len(self._jobs) < WAITING_JOBS

    def _run(self) -> None:
        while self._next():
            error = self._attempt()  # its frame is gone before anybody learns that the job is done:
            with self._changed:  # an idle thread must not keep the user's objects alive
                job, self._begun = self._begun, None
                if job in self._weights:  # else it is somebody else's by now
                    if error is None:
                        self._drop(job)
                    else:
                        self._give_up(job, error)
                del job
                self._changed.notify_all()

    def _next(self) -> bool:
        self._rest()
        with self._changed:
            self._changed.wait_for(lambda: (self._jobs and not self._paused) or self._closed)
            if self._jobs:
                self._changed.wait_for(lambda: self._hurried or self._closed or len(self._jobs) > 1, COURTESY)
            if self._jobs:
                self._begun = first(self._jobs, self._last)
            return self._begun is not None

    def _rest(self) -> None:
        """Removes what a commit that was cut short has left in the store, when there is nothing else to do."""
        with suppress(StoreError):
            if self._inner.tidy:
                return
            with self._changed:
                wanted = self._changed.wait_for(self._wanted, QUIET)
            if not wanted:
                self._inner.sweep(self._wanted)

    def _wanted(self) -> bool:
        return bool(self._jobs) or self._closed or self._paused

    def _attempt(self) -> StoreError | None:
        """Writes the job that was begun."""
        job = self._begun
        assert job is not None
        try:
            kept = self._write(job)
        except BaseException as error:  # whatever it is, the thread lives on
            told = StoreError(str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}")
            drop_frames(error)  # its frames hold the payloads
            if job in self._weights:
                correct(job, self._inner, told)
            return told
        job.written = True
        self._owed.clear()
        if kept is not None:
            with suppress(Exception):  # what is written is written
                self._written(kept)
        return None

    def _write(self, job: Job) -> Checkpoint | None:
        if job.heavy or self._last:
            self._announce()
        if job.written:
            return job.kept
        refs = {**self._owed, **({} if job.announced else job.refs)}
        if job.checkpoint is None:
            if refs:
                self._inner.update(refs)
            return None
        if not job.heavy:
            return self._inner.commit(job.checkpoint, job.payloads, refs)
        return self._inner.commit(job.checkpoint, job.payloads, refs, self._meanwhile)

    def _drop(self, job: Job) -> None:
        self._jobs.remove(job)
        del self._weights[job]

    def _give_up(self, job: Job, error: StoreError) -> None:
        if job.checkpoint is None:  # nothing of the user's is lost: it goes with the next one
            self._owed.update(job.refs)
            self._drop(job)
            return
        failed = [job] if self._last else list(self._jobs)
        lost = tuple(each.checkpoint for each in failed if each.checkpoint is not None)
        before = self._failure.checkpoints if self._failure else ()
        self._failure = Failure(error, (*before, *lost))
        for each in failed:
            self._drop(each)

    def _meanwhile(self) -> None:
        """Between two pieces of a heavy payload. `Stopped` where somebody else is to write it."""
        if self._begun not in self._weights:
            raise Stopped
        self._announce()

    def _announce(self) -> None:
        """Whatever takes long from here on: the store has a record of it first."""
        for job in unannounced((*self._jobs, *self._arriving), self._last):
            announce(job, self._inner, self._owed)
            if job.announced:
                self._owed.clear()
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
        with self._hurrying():
            self._last = True
            self._changed.wait_for(lambda: all(job.announced or job.refused for job in self._jobs), patience)
            jobs = [job for job in self._jobs if job.announced and not job.written and job.checkpoint is not None]
            weights = {job: self._weights[job] for job in jobs}
            for job in jobs:  # the writer lets go of it: copying is urgent now
                self._drop(job)
        taken = bool(jobs) and take(jobs)
        with self._hurrying():
            if taken:
                self._changed.wait_for(lambda: self._begun is None, patience)
            else:
                self._jobs.extendleft(reversed(jobs))
                self._weights.update(weights)
            return not self._jobs

    @property
    def waiting_bytes(self) -> int:
        """Of payloads that are not written."""
        return sum(job.size for job in tuple(self._jobs) if not job.written)

    def last(self) -> None:
        """The process ends: all is announced, and what is worth most is written first."""
        self._last = True

    # -- waiting ---------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Something is still being written, or could not be and nobody has asked for it yet."""
        return bool(self._jobs) or self._failure is not None

    def borrowed(self) -> frozenset[Names]:
        """Co-variables whose live memory is still to be read."""
        with self._guarded():
            return frozenset().union(*(job.borrowed for job in self._jobs if not job.written))

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was taken is written or has failed. False where the time was too short."""
        with self._hurrying():
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def give_back(self, touched: Callable[[Names], bool]) -> None:
        """Waits until the memory of the co-variables that are touched has been read."""
        with self._hurrying():
            self._changed.wait_for(lambda: not any(map(touched, self.borrowed())))

    def take_failure(self) -> Failure | None:
        """What could not be written since this was last asked; then commits are taken again."""
        with self._guarded():
            failure, self._failure = self._failure, None
            return failure

    @contextmanager
    def _hurrying(self) -> Iterator[None]:
        with self._guarded():
            self._hurried += 1
            self._changed.notify_all()
            try:
                yield
            finally:
                self._hurried -= 1

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """The lock, which a forked child must not even try: the thread that held it does not exist there."""
        if os.getpid() != self._pid:
            raise StoreError("a forked process cannot use the store of its parent")
        with self._changed:
            yield

    def check(self) -> None:
        """Nothing is to be built on what could not be written. StoreError if something could not."""
        if self._failure:
            raise StoreError(str(self._failure.error))

    def _flushed(self) -> None:
        self.flush()
        self.check()

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def unwritten(self) -> frozenset[CheckpointId]:
        """Checkpoints that are taken and not written, be it that they cannot be."""
        with self._guarded():
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

    def load(self, version: Version, arrived: Arrived | None = None) -> StoredPayload:
        """As in `Store`. Waits until the version is written."""
        with self._hurrying():
            self._changed.wait_for(lambda: version.checkpoint not in {each.id for each in self._waiting()})
        return self._inner.load(version, arrived) if arrived else self._inner.load(version)

    def refs(self) -> dict[str, CheckpointId]:
        """As in `Store`."""
        with self._guarded():
            waiting = [dict(self._owed), *(job.refs for job in self._jobs)]
        refs: dict[str, CheckpointId | None] = {**self._inner.refs()}
        for each in waiting:
            refs.update(each)
        return {name: id for name, id in refs.items() if id is not None}

    def statistics(self) -> StoreStatistics:
        """As in `Store`; checkpoints count as soon as they are taken."""
        with self._guarded():
            waiting = sum(job.checkpoint is not None and not job.written and not job.announced for job in self._jobs)
        found = self._inner.statistics()
        return replace(found, checkpoints=found.checkpoints + waiting)

    def _waiting(self) -> list[Checkpoint]:
        with self._guarded():
            return [job.checkpoint for job in self._jobs if job.checkpoint is not None and not job.written]

    # -- at once, after what was taken -----------------------------------------------------------

    def update(self, refs: Refs) -> None:
        """As in `Store`."""
        self._flushed()
        self._inner.update(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`."""
        self._flushed()
        self._inner.amend(checkpoint, refs)

    def collect(
        self,
        drop: Collection[Version],
        thin: Sequence[Version] = (),
        limit: int | None = None,
        *,
        reason: str,
        dry_run: bool = False,
    ) -> Collected:
        """As in `Store`, of what is written: the caller flushes first, or is the writer."""
        return self._inner.collect(drop, thin, limit, reason=reason, dry_run=dry_run)

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
            with self._guarded():
                self._paused = True
            transfer(self._inner, target)
            target.update(refs)
            with self._guarded():
                before, self._inner = self._inner, target
        finally:
            with self._guarded():
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
