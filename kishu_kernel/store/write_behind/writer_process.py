"""The process that writes what a kernel that had to end could not (`handover`).

Law: it ends before its deadline, whatever it waits for. It unpickles nothing: payloads are bytes here. The most
valuable payload is written first, each in a transaction of its own, so that whatever ends the process, what was written
stays.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from pathlib import Path

from kishu_kernel.errors import KishuError
from kishu_kernel.model import Checkpoint, CheckpointId, Names, Payload
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.base import Store
from kishu_kernel.store.format.signing import KEY_FILE
from kishu_kernel.store.write_behind.jobs import payload_value
from kishu_kernel.store.write_behind.parcel import Parcel
from kishu_kernel.store.write_behind.placeholders import placeholder


def main(file: int, marker: str) -> None:
    """Write the payloads of a parcel, and end the process. Never returns.

    Args:
        file: descriptor of the memory with the parcel.
        marker: the file that is removed at the end.
    """
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as memory:
            _finish(Parcel(memoryview(memory)), marker)
    except (KishuError, OSError, ValueError):  # the records say what is missing
        pass
    finally:
        _end(marker)


def _finish(parcel: Parcel, marker: str) -> None:
    from kishu_kernel.store.lmdb_store import LmdbStore

    os.environ[KEY_FILE] = str(parcel.key)
    timer = threading.Timer(max(0.0, parcel.deadline - time.monotonic()), _end, (marker,))
    timer.daemon = True
    timer.start()
    finish(LmdbStore(parcel.path), parcel.jobs)


def finish(store: Store, jobs: list[tuple[Checkpoint, list[Payload]]]) -> None:
    """Write payloads whose records are in the store, the most valuable first. O(bytes).

    Raises:
        KishuError: the disk fails, or the records are gone or not this user's.
    """
    writers = {checkpoint.id: _CheckpointWriter(store, checkpoint, payloads) for checkpoint, payloads in jobs}
    order: list[tuple[float, CheckpointId, Payload]] = [
        (payload_value(checkpoint, payload), checkpoint.id, payload)
        for checkpoint, payloads in jobs
        for payload in payloads
    ]
    for _, id, payload in sorted(order, key=lambda each: each[0], reverse=True):
        writers[id].write(payload)


class _CheckpointWriter:
    """Writes the payloads of one checkpoint whose placeholder is in the store."""

    def __init__(self, store: Store, checkpoint: Checkpoint, payloads: list[Payload]) -> None:
        self._store = store
        self._checkpoint = checkpoint
        self._left: set[Names] = {payload.names for payload in payloads}
        self._written = 0

    def write(self, payload: Payload) -> None:
        """Write one payload, and a record that says so. KishuError as in `finish`."""
        there = self._store.checkpoint(self._checkpoint.id)
        if not there.trusted:  # the key is not the one that it was
            raise KishuError("the store is not this user's")
        self._left.discard(payload.names)
        record = placeholder(self._checkpoint, self._left) if self._left else self._checkpoint
        kept = self._store.commit(replace(record, outputs=there.outputs), [payload], {})
        self._written += kept.written_bytes
        if not self._left:
            self._store.amend(replace(kept, written_bytes=self._written), {})


def _end(marker: str) -> None:
    """End the process at once, without the interpreter's own cleaning up."""
    Path(marker).unlink(missing_ok=True)
    os._exit(0)
