"""How near the store comes to LMDB itself: the same bytes put to disk, and copied out of it into new memory.

Plain LMDB puts chunks of the same size under keys of the same length in one transaction, and syncs as the store does;
it hashes and checks nothing. The bytes are random: nothing is gained by compression.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb

from benchmarks.harness import BenchmarkError, Figure, Result, ratio, scratch
from kishu_kernel.model import (
    Buffer,
    CellRun,
    CheckpointId,
    Digest,
    Payload,
    SessionId,
    VariableInfo,
    Version,
    VersionRecord,
)
from kishu_kernel.session.records import checkpoint_of
from kishu_kernel.store.lmdb_store import LmdbStore

ARRAYS = 8
SIZE = 64 << 20
CHUNK = 1 << 20
ROUNDS = 5
LOADS = 7
NAMES = ("arrays",)
MB = 1_000_000


def measure() -> Result:
    """In turns, each round in fresh directories."""
    import numpy

    arrays = [numpy.random.default_rng(number).integers(0, 256, SIZE, "u1") for number in range(ARRAYS)]
    writes = ([], [])  # type: tuple[list[float], list[float]]
    loads = ([], [])  # type: tuple[list[float], list[float]]
    with scratch() as place:
        for turn in range(ROUNDS):
            for which in (0, 1) if turn % 2 else (1, 0):
                write = _write_plain if which else _write
                writes[which].append(write(place / f"{which}-{turn}", arrays))
        for turn in range(LOADS + 1):
            for which in (0, 1) if turn % 2 else (1, 0):
                load = _load_plain if which else _load
                seconds = load(place / f"{which}-0", arrays)
                if turn:  # the first warms up
                    loads[which].append(seconds)
    total = ARRAYS * SIZE
    name = f"{total >> 20} MiB of random bytes"
    return Result(
        [
            Figure(f"{name} to disk: time / plain LMDB puts", ratio(*writes), "x", 1.25),
            Figure(f"{name} to disk: throughput", total / MB / statistics.median(writes[0]), "MB/s"),
            Figure(f"{name} loaded: time / plain copy out of LMDB", ratio(*loads), "x", 1.25),
            Figure(f"{name} loaded: throughput", total / MB / statistics.median(loads[0]), "MB/s"),
        ],
        {
            "write": dict(zip(("kishu", "LMDB"), writes, strict=True)),
            "load": dict(zip(("kishu", "LMDB"), loads, strict=True)),
        },
    )


def _write(path: Path, arrays: Sequence[Any]) -> float:
    id = CheckpointId("0" * 16)
    record = VersionRecord(
        NAMES, Digest(bytes(16)), SIZE * ARRAYS, True, None, True, (VariableInfo("arrays", "list", ""),)
    )
    run = CellRun("", 1, "ok", 0.0, 0.0)
    checkpoint = replace(checkpoint_of(run, id, None, SessionId("benchmark")), versions=(record,))
    payload = Payload(NAMES, "cloudpickle", b"", tuple(Buffer(memoryview(each), direct=True) for each in arrays))
    store = LmdbStore(path)
    try:
        started = time.perf_counter()
        store.commit(checkpoint, [payload], {})
        return time.perf_counter() - started
    finally:
        store.close()


def _load(path: Path, arrays: Sequence[Any]) -> float:
    import numpy

    store = LmdbStore(path)
    try:
        started = time.perf_counter()
        loaded = []
        for blob in store.load(Version(NAMES, CheckpointId("0" * 16))).blobs:
            loaded.append(numpy.empty(blob.nbytes, "u1"))
            blob.readinto(memoryview(loaded[-1]))
        seconds = time.perf_counter() - started
    finally:
        store.close()
    return _checked(loaded, arrays, seconds)


def _environment(path: Path) -> lmdb.Environment:
    return lmdb.open(str(path), max_dbs=8, map_size=4 * ARRAYS * SIZE)


def _chunks() -> list[tuple[int, int, bytes]]:
    places = ((number, start) for number in range(ARRAYS) for start in range(0, SIZE, CHUNK))
    return [(*place, b"%016d" % (index * 7919 % 1_000_003)) for index, place in enumerate(places)]  # no order


def _write_plain(path: Path, arrays: Sequence[Any]) -> float:
    with _environment(path) as environment:
        table = environment.open_db(b"chunks")
        started = time.perf_counter()
        with environment.begin(write=True) as txn:
            for number, start, key in _chunks():
                txn.put(key, memoryview(arrays[number])[start : start + CHUNK], db=table)
        return time.perf_counter() - started


def _load_plain(path: Path, arrays: Sequence[Any]) -> float:
    import numpy

    with _environment(path) as environment:
        table = environment.open_db(b"chunks")
        started = time.perf_counter()
        loaded = [numpy.empty(SIZE, "u1") for _ in arrays]
        with environment.begin(buffers=True) as txn:
            for number, start, key in _chunks():
                memoryview(loaded[number])[start : start + CHUNK] = txn.get(key, db=table)
        seconds = time.perf_counter() - started
    return _checked(loaded, arrays, seconds)


def _checked(loaded: Sequence[Any], arrays: Sequence[Any], seconds: float) -> float:
    if not all((one == other).all() for one, other in zip(loaded, arrays, strict=True)):
        raise BenchmarkError("what was loaded is not what was stored")
    return seconds
