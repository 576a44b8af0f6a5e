"""What the writer's thread writes: a checkpoint with its payloads, or refs alone. What of it comes first.

Neighbours: `write_queue` writes jobs, `handover` gives them to another process.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import accumulate, takewhile

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Buffer, Checkpoint, CheckpointId, Names, Payload
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.base import Commit, Refs, Store
from kishu_kernel.store.write_behind.placeholders import UNWRITTEN, placeholder

HEAVY_BYTES = 8 << 20
"""A job with more bytes of payloads takes so long that its record is written first."""
SMALL_BYTES = 1 << 20
"""A payload of a heavy job with no more bytes is written with its record."""

MOST_TOGETHER = 64
"""Jobs that are written in one transaction."""

_SAMPLE_SIZE = 1 << 14


@dataclass(eq=False)
class Job:
    """Something to write.

    Attributes:
        refs: to be set with it.
        checkpoint: None where there are refs only.
        recorded: its record and refs are written already, without its payloads.
        unrecordable: that was tried, and failed.
        written: all of it is written.
        kept: the checkpoint as the store keeps it, where it was written before its turn.
        attached: a payload to be attached to a checkpoint that is written before it. It is no loss if it cannot be.
    """

    refs: Refs
    checkpoint: Checkpoint | None = None
    payloads: tuple[Payload, ...] = ()
    recorded: bool = False
    unrecordable: bool = False
    written: bool = False
    kept: Checkpoint | None = None
    attached: tuple[CheckpointId, Payload] | None = None

    @property
    def extends_written(self) -> bool:
        """Whether it adds versions to a checkpoint that was written by an earlier job."""
        return self.checkpoint is not None and not self.refs

    @property
    def is_heavy(self) -> bool:
        """Whether writing it takes a while."""
        return self.size > HEAVY_BYTES

    @cached_property
    def size(self) -> int:
        """Bytes of its payloads."""
        return sum(payload.size for payload in self.payloads)

    @property
    def is_light(self) -> bool:
        """Whether it is a small checkpoint, of which several can be written in one transaction."""
        return self.checkpoint is not None and bool(self.refs) and not self.recorded and self.size <= SMALL_BYTES

    @property
    def small_payloads(self) -> tuple[Payload, ...]:
        """Those payloads that are written with its record."""
        small = tuple(payload for payload in self.payloads if payload.size <= SMALL_BYTES)
        return small if sum(payload.size for payload in small) <= HEAVY_BYTES else ()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of our own memory that it needs: streams, copied buffers, outputs."""
        outputs = self.checkpoint.outputs if self.checkpoint else ()
        copies = (buffer.data.nbytes for payload in self.payloads for buffer in payload.buffers if buffer.copied)
        streams = (len(payload.stream) for payload in self.payloads)
        return sum(streams) + sum(copies) + sum(map(_output_size, outputs))

    @property
    def held_bytes(self) -> int:
        """Bytes of buffers that cannot be freed as long as it waits."""
        return sum(buffer.data.nbytes for payload in self.payloads for buffer in payload.buffers)

    @property
    def in_flight(self) -> frozenset[Names]:
        """The co-variables whose live memory is still to be read."""
        return frozenset(
            payload.names for payload in self.payloads if not all(buffer.copied for buffer in payload.buffers)
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Checkpoints that were taken and could not be written.

    Attributes:
        checkpoints: the one that failed, and all that came after it, oldest first.
    """

    error: StoreError
    checkpoints: tuple[Checkpoint, ...]


class WriteStopped(Exception):
    """Another process writes the job from here on."""


# --- the record first


def jobs_to_record_first(jobs: Sequence[Job], behind_heavy: bool) -> list[Job]:
    """The jobs whose records are to be written now: the first heavy one, and all behind it. In their order.

    Args:
        behind_heavy: a heavy job is in front of these already.
    """
    found = []
    for job in jobs:
        behind_heavy = behind_heavy or job.is_heavy
        if not behind_heavy or job.unrecordable:  # later records would be descendants of one that is missing
            break
        if not job.recorded:
            found.append(job)
    return found


def record_first(job: Job, store: Store, pending_refs: Refs) -> None:
    """Write the placeholder of a heavy job, in a small transaction; any other job whole. Never raises.

    Args:
        pending_refs: to be set before those of the job.
    """
    refs = {**pending_refs, **job.refs}
    try:
        if job.checkpoint is None:
            store.update_refs(refs)
        elif not job.is_heavy:
            job.kept = store.commit(job.checkpoint, job.payloads, refs)
        elif not job.extends_written:
            store.commit(_placeholder(job, UNWRITTEN), job.small_payloads, refs)
    except Exception:
        job.unrecordable = True
    else:
        job.recorded = True
        job.written = job.checkpoint is not None and not job.is_heavy


def correct_record(job: Job, store: Store, error: StoreError) -> None:
    """The payloads of a recorded job could not be written: let its record say why. Never raises."""
    if job.recorded and job.checkpoint is not None and not job.extends_written:
        with suppress(Exception):  # on a full disk the placeholder stays
            store.commit(_placeholder(job, f"it could not be written: {error}"), job.small_payloads, {})


def _placeholder(job: Job, reason: str) -> Checkpoint:
    assert job.checkpoint is not None
    small = {payload.names for payload in job.small_payloads}
    return placeholder(job.checkpoint, {payload.names for payload in job.payloads} - small, reason)


# --- which is next


def next_job(jobs: Sequence[Job], ending: bool) -> Job:
    """The oldest job; where the process ends soon and all records are written, the most valuable one."""
    if not ending or not all(job.recorded for job in jobs):
        return jobs[0]
    return max(jobs, key=job_value)


def next_jobs(jobs: Sequence[Job], ending: bool) -> tuple[Job, ...]:
    """The next job; and where that is light, the light ones right behind it, for one transaction."""
    first = next_job(jobs, ending)
    if ending or not first.is_light:
        return (first,)
    together = list(takewhile(lambda job: job.is_light, jobs))[:MOST_TOGETHER]
    sizes = accumulate(job.size for job in together)
    return tuple(job for job, size in zip(together, sizes, strict=True) if job is first or size <= HEAVY_BYTES)


def write_together(jobs: Sequence[Job], store: Store, pending_refs: Refs) -> bool:
    """Write light jobs in one transaction. Never raises.

    Args:
        pending_refs: to be set before those of the jobs.

    Returns:
        Whether they are written. Else some of them may be.
    """
    commits = [Commit(job.checkpoint, job.payloads, job.refs) for job in jobs if job.checkpoint is not None]
    commits[0] = replace(commits[0], refs={**pending_refs, **commits[0].refs})
    try:
        kept = store.commit_together(commits)
    except Exception:
        return False
    for job, checkpoint in zip(jobs, kept, strict=True):
        job.kept, job.written = checkpoint, True
    return True


def job_value(job: Job) -> float:
    """The value of its most valuable payload; infinite for a job without payloads."""
    if job.checkpoint is None or not job.payloads:
        return float("inf")
    return max(payload_value(job.checkpoint, payload) for payload in job.payloads)


def payload_value(checkpoint: Checkpoint, payload: Payload) -> float:
    """Seconds of a re-run that each byte written saves. O(1): buffers are sampled.

    A payload that a quick re-run gives back, or that does not compress, has a low value; one that no re-run gives back
    has the highest, the smaller the higher.
    """
    replayable = checkpoint.status == "ok" and checkpoint.record(payload.names).replayable
    seconds = checkpoint.duration if replayable else _NOT_REPLAYABLE
    return (seconds + 0.01) / (1 + sum(map(_expected_size, payload.buffers)) + len(payload.stream))


_NOT_REPLAYABLE = 1e6
"""Seconds that stand for a re-run that does not give the same value."""


def _expected_size(buffer: Buffer) -> float:
    """Bytes that a buffer will occupy, estimated from a sample of its middle."""
    from kishu_kernel.store.format.chunks import flat_bytes  # a kernel starts without it

    data = flat_bytes(buffer.data)
    start = max(0, (data.nbytes - _SAMPLE_SIZE) // 2)
    sample = data[start : start + _SAMPLE_SIZE]
    return data.nbytes * min(1.0, len(zlib.compress(sample, 1)) / max(1, sample.nbytes))


def _output_size(output: Mapping[str, object]) -> int:
    data = output.get("data")
    parts = data.values() if isinstance(data, Mapping) else (output.get("text"),)
    return sum(len(part) for part in parts if isinstance(part, (str, bytes)))
