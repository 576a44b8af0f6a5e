"""The parcel: checkpoints and their payloads in one piece of memory, for another process to write.

All bytes come first, then a JSON object that says what they are, then 16 bytes: the place and the length of that.

Law: what the parcel holds is a copy, of one moment. A payload whose memory changed while it was copied is left out, and
its record says so.
Neighbours: `handover` packs, `writer_process` unpacks.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import xxhash

from kishu_kernel.model import Buffer, Checkpoint, CheckpointId, Payload
from kishu_kernel.store.format import schema, torn_reads
from kishu_kernel.store.format.checkpoints import decode_checkpoint, encode_checkpoint
from kishu_kernel.store.format.chunks import flat_bytes, is_live
from kishu_kernel.store.write_behind.jobs import Job

_STEP = 8 << 20
"""Bytes that one thread copies at a time."""
_THREADS = 6
"""More than there are processors: a busy machine gives a share to each."""

_PLACE = struct.Struct("<QQ")
assert _PLACE.size == 16


class Parcel:
    """A parcel, read.

    Attributes:
        path: the store.
        key: the file of the user's key.
        deadline: of the machine's monotonic clock.
        jobs: checkpoints, without their cells' outputs, and their payloads: views of `memory`.
    """

    def __init__(self, memory: memoryview) -> None:
        start, size = _PLACE.unpack(memory[-_PLACE.size :])
        content = schema.load_json(bytes(memory[start : start + size]))
        self.path = Path(content["path"])
        self.key = Path(content["key"])
        self.deadline = float(content["deadline"])
        self.jobs = [(_checkpoint(job, memory), _payloads(job, memory)) for job in content["jobs"]]


def pack(jobs: Sequence[Job], path: Path, key: Path, deadline: float, file: int) -> None:
    """Write a parcel. O(bytes of the payloads).

    Args:
        jobs: with checkpoints.
        path: the store.
        key: the file of the user's key.
        deadline: of the machine's monotonic clock.
        file: descriptor of an empty file in memory.
    """
    copies = _Copies(file)
    packed = [[(payload, _describe(payload, copies)) for payload in job.payloads] for job in jobs]
    torn = copies.make()
    content = {
        "path": str(path.resolve()),
        "key": str(key.resolve()),
        "deadline": deadline,
        "jobs": [_describe_job(job, payloads, torn, copies) for job, payloads in zip(jobs, packed, strict=True)],
    }
    copies.append(_PLACE.pack(*copies.append(schema.dump_json(content))))


# --- reading


def _checkpoint(job: dict[str, Any], memory: memoryview) -> Checkpoint:
    return decode_checkpoint(CheckpointId(job["id"]), bytes(_at(job["record"], memory)), b"")


def _payloads(job: dict[str, Any], memory: memoryview) -> list[Payload]:
    return [
        Payload(
            tuple(each["names"]),
            each["codec"],
            bytes(_at(each["stream"], memory)),
            tuple(
                Buffer(_at(place, memory).toreadonly(), row, item, direct, copied=True)
                for place, row, item, direct in each["buffers"]
            ),
            each["made_by"],
        )
        for each in job["payloads"]
    ]


def _at(place: Sequence[int], memory: memoryview) -> memoryview:
    start, size = place
    return memory[start : start + size]


# --- writing


def _describe(payload: Payload, copies: _Copies) -> dict[str, Any]:
    return {
        "names": payload.names,
        "codec": payload.codec,
        "stream": copies.add(memoryview(payload.stream), live=False),
        "buffers": [
            (copies.add(flat_bytes(each.data), is_live(each)), each.row_bytes, each.item_bytes, each.direct)
            for each in payload.buffers
        ],
        "made_by": dict(payload.made_by),
    }


def _describe_job(
    job: Job, payloads: Sequence[tuple[Payload, dict[str, Any]]], torn: Container[int], copies: _Copies
) -> dict[str, Any]:
    assert job.checkpoint is not None
    changed = [
        payload for payload, described in payloads if any(place[0] in torn for place, *_ in described["buffers"])
    ]
    return {
        "id": job.checkpoint.id,
        "record": copies.append(encode_checkpoint(torn_reads.without_payloads(job.checkpoint, changed))),
        "payloads": [described for payload, described in payloads if all(payload is not each for each in changed)],
    }


class _Part(NamedTuple):
    """A part of something that begins at `start` in the parcel; it goes to `at`."""

    start: int
    at: int
    data: memoryview
    live: bool


class _Copies:
    """Copies, one behind the other, made by several threads."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._end = 0
        self._parts: list[_Part] = []

    def add(self, data: memoryview, live: bool) -> tuple[int, int]:
        """Something to copy later. Its place and length in the parcel."""
        start = self._end
        for at in range(0, data.nbytes, _STEP):
            self._parts.append(_Part(start, start + at, data[at : at + _STEP], live))
        self._end += data.nbytes
        return start, data.nbytes

    def make(self) -> frozenset[int]:
        """Copy everything, then look at all live memory again. The places of what changed in between."""
        with ThreadPoolExecutor(_THREADS) as pool:
            before = list(pool.map(self._copy, self._parts))
            after = list(pool.map(_digest, self._parts))
        parts = zip(self._parts, before, after, strict=True)
        return frozenset(part.start for part, one, other in parts if one != other)

    def append(self, data: bytes) -> tuple[int, int]:
        """Copy something at once. Its place and length in the parcel."""
        place = self.add(memoryview(data), live=False)
        self._copy(self._parts[-1])
        return place

    def _copy(self, part: _Part) -> bytes:
        digest, at, view = _digest(part), part.at, part.data
        while view.nbytes:
            written = os.pwrite(self._file, view, at)
            at, view = at + written, view[written:]
        return digest


def _digest(part: _Part) -> bytes:
    return xxhash.xxh3_128_digest(part.data) if part.live else b""
