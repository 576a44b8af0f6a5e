"""Checkpoints whose content follows from their number, so that another process can check them."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore

from .values import checkpoint_id, payload, trivial


def content(number: int) -> bytes:
    """From a few bytes to several chunks; no two have one in common."""
    return Random(number).randbytes(Random(-number).choice([10, 5_000, 300_000, 1_500_000]))


def commit(store: LmdbStore, number: int) -> None:
    store.commit(trivial(number), [payload(b"stream %d" % number, content(number))], {"head/s": checkpoint_id(number)})


def check(store: LmdbStore, numbers: Iterable[int]) -> None:
    """These checkpoints are whole."""
    expected = set()
    for number in numbers:
        stored = store.load(Version(("x",), checkpoint_id(number)))
        assert stored.stream == b"stream %d" % number
        target = bytearray(stored.blobs[0].nbytes)
        stored.blobs[0].readinto(memoryview(target))
        assert target == content(number)
        expected.add(checkpoint_id(number))
    assert {checkpoint.id for checkpoint in store.checkpoints()} >= expected
