"""Makes `store_v4/`, a store of format 4 that every later kishu-kernel must read: it has items that are numbered.

Run once, with the version that wrote format 4; never again when the format has moved on::

    PYTHONPATH=. python tests/data/make_store_v4.py

The key is in the open: signatures of a fixture protect nobody.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy

from kishu_kernel.model import Buffer, CheckpointId, Digest, Payload, VersionRecord
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format.signing import Signer
from tests.data.make_store_v3 import FIRST, KEY, first

HERE = Path(__file__).parent / "store_v4"
NUMBERED = CheckpointId("00000000000000d4")


def marks() -> numpy.ndarray:
    """Of 700 values, in no order: 8,192 of 8 bytes."""
    return numpy.sqrt(numpy.arange(8192, dtype="<u8") * 7919 % 8191 % 700)


def pixels() -> numpy.ndarray:
    """Of 251 values: 8,192 of 4 bytes."""
    return (numpy.arange(8192, dtype="<u8") * 7919 % 8191 % 251 / 255).astype("<f4")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = LmdbStore(Path(directory), signer=Signer(KEY))
        store.commit(first(), [Payload(("x",), "cloudpickle", b"x stream")], {"branch/main": FIRST})
        buffers = tuple(
            Buffer(memoryview(each).cast("B"), direct=True, item_bytes=each.itemsize) for each in (marks(), pixels())
        )
        versions = (VersionRecord(("a",), Digest(b"d" * 16), 8, True, None, True, ()),)
        numbered = replace(first(), id=NUMBERED, parent=FIRST, created=("a",), versions=versions)
        store.commit(numbered, [Payload(("a",), "cloudpickle", b"a stream", buffers)], {"branch/main": NUMBERED})
        store.close()
        HERE.mkdir(exist_ok=True)
        with lmdb.Environment(directory) as env:
            env.copy(str(HERE), compact=True)


if __name__ == "__main__":
    main()
