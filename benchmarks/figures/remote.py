"""How near a push and a clone come to what the client of object stores moves by itself, and what a second push sends.

The client (obstore) puts pieces of the same size from memory, as many at once, and gets them into one file, with fsync
as the clone's. Random bytes: nothing is gained by compression. In turns, to a directory, and to an S3 server on
loopback, which takes most of the time that passes there: processor time is that of this process alone.
It needs the extra `remote`, moto and flask.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.harness import BenchmarkError, Figure, Result, ratio, scratch
from kishu_kernel.model import (
    Buffer,
    CellRun,
    CheckpointId,
    Digest,
    Payload,
    SessionId,
    VariableInfo,
    VersionRecord,
)
from kishu_kernel.session.records import checkpoint_of
from kishu_kernel.store.lmdb_store import LmdbStore
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.layout import PACK_BYTES
from kishu_kernel.store.remote.link import set_remote
from kishu_kernel.store.remote.objects import RemoteObjects, connect
from kishu_kernel.store.remote.push import LANES, push
from tests.support.s3 import CREDENTIALS, s3_server

ARRAYS = 10
SIZE = 64_000_000
MOVED = 256 << 20
ROUNDS = 5
TARGET = 1.25
NAMES = ("arrays",)
MB = 1_000_000

Timed = tuple[float, float]
"""Seconds of the processor, and seconds that passed."""


def measure() -> Result:
    """A directory, an S3 server, and the second push."""
    figures, details = [], {}
    with scratch() as place, s3_server() as port:
        store = place / "store"
        pieces = _random_pieces()
        _stored(store, 1, pieces)
        remotes = {"a directory": (place / "remote").as_uri(), "S3 on loopback": "s3://team/figures"}
        told = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        with mock.patch.dict(os.environ, told):
            for name, url in remotes.items():
                found = _moved(place, store, pieces, url)
                for what, (ours, plain) in found.items():
                    for which, kind in enumerate(("processor time", "time")):
                        pair = [each[which] for each in ours], [each[which] for each in plain]
                        target = TARGET if which and name != "a directory" else None
                        named = f"{what} {MOVED >> 20} MiB, {name}: {kind} / the client's own"
                        figures.append(Figure(named, ratio(*pair), "x", target))
                details[name] = {key: {"kishu": ours, "client": plain} for key, (ours, plain) in found.items()}
        figures.append(_second_push(place))
    return Result(figures, details)


def _random_pieces() -> list[bytes]:
    return [os.urandom(PACK_BYTES) for _ in range(MOVED // PACK_BYTES)]


def _stored(path: Path, number: int, arrays: Sequence[Any]) -> None:
    size = sum(len(each) for each in arrays)
    record = VersionRecord(NAMES, Digest(bytes(16)), size, True, None, True, (VariableInfo("arrays", "list", ""),))
    run = CellRun("", number, "ok", 0.0, 0.0)
    parent = CheckpointId(f"{number - 1:016x}") if number > 1 else None
    id = CheckpointId(f"{number:016x}")
    checkpoint = replace(checkpoint_of(run, id, parent, SessionId("benchmark")), versions=(record,))
    payload = Payload(NAMES, "cloudpickle", b"", tuple(Buffer(memoryview(each), direct=True) for each in arrays))
    store = LmdbStore(path)
    store.commit(checkpoint, [payload], {"branch/main": id})
    store.close()


def _moved(place: Path, store: Path, pieces: Sequence[bytes], url: str) -> dict[str, tuple[list[Timed], list[Timed]]]:
    pushes, puts, clones, gets = [], [], [], []  # type: tuple[list[Timed], list[Timed], list[Timed], list[Timed]]
    for turn in range(ROUNDS):
        set_remote(store, None)
        remote, plain = connect(f"{url}-{turn}"), connect(f"{url}-plain-{turn}")
        copy, file = place / f"copy-{turn}", place / "file"
        steps: list[tuple[list[Timed], Callable[[], object]]] = [
            (puts, lambda: _put(plain, pieces)),  # noqa: B023 - they run now
            (pushes, lambda: push(store, remote)),  # noqa: B023
        ]
        later: list[tuple[list[Timed], Callable[[], object]]] = [
            (gets, lambda: _get(plain, len(pieces), file)),  # noqa: B023
            (clones, lambda: clone(remote, copy)),  # noqa: B023
        ]
        for pair in (steps, later):
            for times, work in pair if turn % 2 else reversed(pair):
                times.append(_timed(work))
        shutil.rmtree(copy)
    return {"pushed": (pushes, puts), "cloned": (clones, gets)}


def _timed(work: Callable[[], object]) -> Timed:
    processor, passed = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - passed


def _put(remote: RemoteObjects, pieces: Sequence[bytes]) -> None:
    with ThreadPoolExecutor(LANES) as threads:
        list(threads.map(lambda number: remote.put(f"pieces/{number}", pieces[number]), range(len(pieces))))


def _get(remote: RemoteObjects, count: int, path: Path) -> None:
    with open(path, "wb") as file, ThreadPoolExecutor(LANES) as threads:
        whole = [(0, PACK_BYTES)]
        for [piece] in threads.map(lambda number: remote.get_parts(f"pieces/{number}", whole), range(count)):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _second_push(place: Path) -> Figure:
    """Ten arrays of 64 MB, of which one element has changed."""
    arrays = [bytearray(os.urandom(SIZE)) for _ in range(ARRAYS)]
    store, remote = place / "second", connect((place / "second-remote").as_uri())
    _stored(store, 1, arrays)
    push(store, remote)
    arrays[3][SIZE // 2] ^= 1
    _stored(store, 2, arrays)
    sent = push(store, remote)
    if sent.checkpoints != 1:
        raise BenchmarkError("the second state was not pushed")
    name = f"one element of {ARRAYS * SIZE // MB} MB changed: bytes of the second push"
    return Figure(name, sent.bytes / MB, "MB", 2.0)
