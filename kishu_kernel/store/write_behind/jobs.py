"""What waits for the writer: a checkpoint with its payloads, or refs alone.

Neighbours: `write_behind` writes jobs, `handover` gives them to another process.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kishu_kernel.errors import StoreError
from kishu_kernel.model import Buffer, Checkpoint, Names, Payload
from kishu_kernel.store.base import Refs, Store
from kishu_kernel.store.write_behind.placeholders import UNWRITTEN, placeholder

HEAVY_BYTES = 8 << 20
"""Bytes of payloads that take so long to write that a record goes before them."""
SMALL_BYTES = 1 << 20

_SAMPLE = 1 << 14


@dataclass(eq=False)
class Job:
    """Something to write.

    Attributes:
        refs: to be set with it.
        recorded: its record, or its refs, are written already, with nothing of its payloads.
        unrecordable: they could not be.
        written: all of it is written.
        kept: the checkpoint as the store keeps it, where that was before its turn.
    """

    refs: Refs
    checkpoint: Checkpoint | None = None
    payloads: tuple[Payload, ...] = ()
    recorded: bool = False
    unrecordable: bool = False
    written: bool = False
    kept: Checkpoint | None = None

    @property
    def extends_written(self) -> bool:
        """It adds to a checkpoint that is written already."""
        return self.checkpoint is not None and not self.refs

    @property
    def is_heavy(self) -> bool:
        """Writing it takes a while."""
        return self.size > HEAVY_BYTES

    @property
    def size(self) -> int:
        """Bytes of its payloads."""
        return sum(payload.size for payload in self.payloads)

    @property
    def small_payloads(self) -> tuple[Payload, ...]:
        """Those of its payloads that can go with its record."""
        small = tuple(payload for payload in self.payloads if payload.size <= SMALL_BYTES)
        return small if sum(payload.size for payload in small) <= HEAVY_BYTES else ()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait in memory because of it."""
        outputs = self.checkpoint.outputs if self.checkpoint else ()
        copies = (buffer.data.nbytes for payload in self.payloads for buffer in payload.buffers if buffer.copied)
        streams = (len(payload.stream) for payload in self.payloads)
        return sum(streams) + sum(copies) + sum(map(_output_weight, outputs))

    @property
    def held_bytes(self) -> int:
        """Bytes that cannot be freed because of it."""
        return sum(buffer.data.nbytes for payload in self.payloads for buffer in payload.buffers)

    @property
    def in_flight(self) -> frozenset[Names]:
        """Co-variables whose live memory is to be read."""
        return frozenset(
            payload.names for payload in self.payloads if not all(buffer.copied for buffer in payload.buffers)
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """What was taken and could not be written: the first, and all that came after it, oldest first."""

    error: StoreError
    checkpoints: tuple[Checkpoint, ...]


class WriteStopped(Exception):
    """A job is not to be written any further."""


# --- announcing


def unrecorded(jobs: Sequence[Job], behind: bool) -> list[Job]:
    """Of what waits, what is to be announced now: what is heavy, and all that comes after it. In their order.

    Args:
        behind: there is something heavy before these.
    """
    found = []
    for job in jobs:
        behind = behind or job.is_heavy
        if not behind or job.unrecordable:  # what comes later would stand on it
            break
        if not job.recorded:
            found.append(job)
    return found


def record_first(job: Job, store: Store, owed: Refs) -> None:
    """Writes, in a small transaction, the record of a heavy checkpoint; all of what is light. It may fail.

    Args:
        owed: refs to be set before those of the job.
    """
    refs = {**owed, **job.refs}
    try:
        if job.checkpoint is None:
            store.update_refs(refs)
        elif not job.is_heavy:
            job.kept = store.commit(job.checkpoint, job.payloads, refs)
        elif not job.extends_written:
            store.commit(_promised(job, UNWRITTEN), job.small_payloads, refs)
    except Exception:
        job.unrecordable = True
    else:
        job.recorded = True
        job.written = job.checkpoint is not None and not job.is_heavy


def correct_record(job: Job, store: Store, error: StoreError) -> None:
    """What was announced could not be written, and the process goes on."""
    if job.recorded and job.checkpoint is not None and not job.extends_written:
        with suppress(Exception):  # a disk can be full: then it says what would be true after an end
            store.commit(_promised(job, f"it could not be written: {error}"), job.small_payloads, {})


def _promised(job: Job, reason: str) -> Checkpoint:
    assert job.checkpoint is not None
    light = {payload.names for payload in job.small_payloads}
    return placeholder(job.checkpoint, {payload.names for payload in job.payloads} - light, reason)


# --- in which order


def next_job(jobs: Sequence[Job], last: bool) -> Job:
    """The oldest; in the end, where not all may be written, the one that is worth most."""
    if not last or not all(job.recorded for job in jobs):
        return jobs[0]
    return max(jobs, key=job_value)


def job_value(job: Job) -> float:
    """How much is saved by each byte that is written, where not all can be. Highest first."""
    if job.checkpoint is None or not job.payloads:
        return float("inf")
    return max(payload_value(job.checkpoint, payload) for payload in job.payloads)


def payload_value(checkpoint: Checkpoint, payload: Payload) -> float:
    """The same, of one payload.

    What another run of the cell gives back in a moment, or what does not compress, comes last; what no re-run gives
    back comes first, the light ones before the heavy.
    """
    replayable = checkpoint.status == "ok" and checkpoint.record(payload.names).replayable
    seconds = checkpoint.duration if replayable else _FOR_EVER
    return (seconds + 0.01) / (1 + sum(map(_expected, payload.buffers)) + len(payload.stream))


_FOR_EVER = 1e6
"""Stands for the seconds that a re-run takes which does not give the same."""


def _expected(buffer: Buffer) -> float:
    """Bytes that a buffer will occupy, judged by a little of its middle."""
    from kishu_kernel.store.format.chunks import flat_bytes  # a kernel starts without it

    data = flat_bytes(buffer.data)
    start = max(0, (data.nbytes - _SAMPLE) // 2)
    sample = data[start : start + _SAMPLE]
    return data.nbytes * min(1.0, len(zlib.compress(sample, 1)) / max(1, sample.nbytes))


def _output_weight(output: Mapping[str, object]) -> int:
    data = output.get("data")
    parts = data.values() if isinstance(data, Mapping) else (output.get("text"),)
    return sum(len(part) for part in parts if isinstance(part, (str, bytes)))
