"""Makes `store_v3/`, a store of format 3 that every later kishu-kernel must read.

Run once, with the version that wrote format 3; never again when the format has moved on::

    python tests/data/make_store_v3.py

The key is in the open: marks of a fixture protect nobody.
"""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy

from kishu_kernel.model import (
    Buffer,
    Checkpoint,
    CheckpointId,
    Digest,
    Payload,
    SessionId,
    VariableInfo,
    VersionRecord,
)
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format import chunking
from kishu_kernel.store.format.signing import Signer

HERE = Path(__file__).parent / "store_v3"
KEY = bytes(range(32))
FIRST = CheckpointId("00000000000000a1")
SECOND = CheckpointId("00000000000000b2")
THIRD = CheckpointId("00000000000000c3")
BLOCK = bytes(range(256)) * 12
COUNTING = numpy.arange(2000, dtype="<i8")
LINES = [f"{number}: {number * number % 7919}" for number in range(12_000)]
MADE_BY = {"numpy": "2.4.0", "python": "3.11.4"}


def main() -> None:
    # readers take the lengths of chunks as they come: small ones keep the fixture small
    chunking.CHUNK_SIZE, chunking.ROW_SIZE = 1024, 512
    with tempfile.TemporaryDirectory() as directory:
        store = LmdbStore(Path(directory), signer=Signer(KEY))
        store.commit(first(), [Payload(("x",), "cloudpickle", b"x stream")], {"branch/main": FIRST})
        store.commit(second(), second_payloads(), {"branch/main": SECOND, "tag/good": FIRST})
        chunking.CHUNK_SIZE = 1 << 20
        store.commit(third(), third_payloads(), {"branch/main": THIRD})
        store.collect([], reason="nothing is")
        store.close()
        HERE.mkdir(exist_ok=True)
        with lmdb.Environment(directory) as env:
            env.copy(str(HERE), compact=True)


def first() -> Checkpoint:
    return Checkpoint(
        id=FIRST,
        parent=None,
        session=SessionId("5e551011"),
        timestamp=1764000000.25,
        execution_count=1,
        code="x = 1",
        status="ok",
        error=None,
        duration=0.5,
        created=("x",),
        modified=(),
        deleted=(),
        accessed=("x",),
        inputs=(),
        versions=(VersionRecord(("x",), Digest(b"d" * 16), 8, True, None, True, (VariableInfo("x", "int", "1"),)),),
        dropped=(),
    )


def second() -> Checkpoint:
    return Checkpoint(
        id=SECOND,
        parent=FIRST,
        session=SessionId("5e551011"),
        timestamp=1764000001.5,
        execution_count=2,
        code="a = np.ones((6, 512), 'u1')\nb = a[0]; del x; raise ValueError('ü')",
        status="error",
        error="ValueError",
        duration=1.5,
        created=("a", "b", "g"),
        modified=(),
        deleted=("x",),
        accessed=("a", "b", "g", "np", "x"),
        inputs=("np", "x"),
        versions=(
            VersionRecord(("a", "b"), Digest(b"e" * 16), 3091, True, None, True, ()),
            VersionRecord(("g",), Digest(b"f" * 16), 0, False, "a generator", False, ()),
        ),
        dropped=(("x",),),
        aliases={"_": "a"},
        payload_bytes=3091,
        message="two views",
        incomplete="an example",
        outputs=({"output_type": "stream", "name": "stdout", "text": "ü\n"},),
    )


def second_payloads() -> list[Payload]:
    block = Buffer(memoryview(BLOCK), row_bytes=512, direct=True)
    buffers = (block, Buffer(memoryview(b"0123456789")))
    return [Payload(("a", "b"), "dill", b"two views", buffers, MADE_BY)]


def third() -> Checkpoint:
    """A stream with seams, and chunks packed with either codec."""
    versions = (VersionRecord(("lines", "n"), Digest(b"g" * 16), 0, True, None, True, ()),)
    return replace(first(), id=THIRD, parent=SECOND, execution_count=3, code="...", versions=versions)


def third_payloads() -> list[Payload]:
    counting = Buffer(memoryview(COUNTING).cast("B"), item_bytes=8, direct=True)
    return [Payload(("lines", "n"), "cloudpickle", pickle.dumps(LINES, 5), (counting,), MADE_BY)]


if __name__ == "__main__":
    main()
