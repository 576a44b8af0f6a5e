"""A store in front of another one that takes commits at once and writes them later, on a thread of its own.

Law: readers see what was taken as if it were written.
Neighbours: `write_queue` writes; `session.timeline` uses this, and says what a failure means.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from kishu_kernel.model import Checkpoint, CheckpointId, Collected, Payload, StoreStatistics, Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.base import BetweenWrites, Commit, ReadProgress, Refs, Store, StoredPayload
from kishu_kernel.store.write_behind.jobs import Job
from kishu_kernel.store.write_behind.write_queue import WriteQueue


class WriteBehindStore(WriteQueue):
    """A `Store` whose commits are written behind. Safe from any thread.

    Changes other than commits are made at once, after what was taken before them.
    """

    def commit(
        self,
        checkpoint: Checkpoint,
        payloads: Sequence[Payload],
        refs: Refs,
        between_writes: BetweenWrites | None = None,
    ) -> Checkpoint:
        """Take a checkpoint to be written. Its buffers are read later, while they are `in_flight`.

        Args:
            between_writes: never called: nothing is written on the caller's thread.

        Returns:
            The checkpoint as given. What it adds to the store is not known yet.

        Raises:
            StoreError: an earlier one could not be written, and `take_failure` was not called since.
        """
        job = Job(refs, checkpoint, tuple(payloads))
        self._enqueue(job, job.waiting_bytes, job.held_bytes)
        return checkpoint

    def attach(self, id: CheckpointId, payload: Payload) -> None:
        """As in `Store`, later. What cannot be attached then is not."""
        job = Job({}, attached=(id, payload))
        self._enqueue(job, payload.size, 0)

    def waiting_attachment(self, version: Version) -> Payload | None:
        """A payload that is still to be attached."""
        with self._locked():
            waiting = [job.attached for job in self._jobs if job.attached is not None]
        found = [payload for id, payload in waiting if Version(payload.names, id) == version]
        return found[-1] if found else None

    def commit_together(self, commits: Sequence[Commit]) -> list[Checkpoint]:
        """As `commit`, of each."""
        return [self.commit(each.checkpoint, each.payloads, each.refs) for each in commits]

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
        written = self._inner.checkpoints(outputs=outputs)  # at the call, as promised
        return chain(waiting.values(), (each for each in written if each.id not in waiting))

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
        """As in `Store`. Checkpoints count as soon as they are taken."""
        with self._locked():
            waiting = sum(job.checkpoint is not None and not job.written and not job.recorded for job in self._jobs)
        found = self._inner.statistics()
        return replace(found, checkpoints=found.checkpoints + waiting)

    # -- changing at once, after what was taken --------------------------------------------------

    def update_refs(self, refs: Refs) -> None:
        """As in `Store`. StoreError, too, where something taken before could not be written."""
        self._flush_or_raise()
        self._inner.update_refs(refs)

    def amend(self, checkpoint: Checkpoint, refs: Refs) -> None:
        """As in `Store`. StoreError, too, where something taken before could not be written."""
        self._flush_or_raise()
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
        """As in `Store`, of what is written: the caller flushes first, or is the writer's thread."""
        return self._inner.collect(drop, evict, limit, reason=reason, dry_run=dry_run)

    @property
    def free_of_orphans(self) -> bool:
        """As in `Store`."""
        return self._inner.free_of_orphans

    def remove_orphans(self, should_stop: Callable[[], bool]) -> bool:
        """As in `Store`. The writer's thread does it by itself when it is idle."""
        return self._inner.remove_orphans(should_stop)

    def move_to(self, target: Store, refs: Refs) -> None:
        """Copy all that there is to another store, go on with that one, and close the old one.

        Commits that come meanwhile wait; readers do not.

        Args:
            refs: to set in the other store.

        Raises:
            StoreError: the other store cannot be written; nothing has changed here.
        """
        from kishu_kernel.store.transfer import transfer

        self._flush_or_raise()
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
        """Write what was taken, then close. In a forked child this does nothing."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._inner.close()

    def _flush_or_raise(self) -> None:
        self.flush()
        self.raise_failure()
