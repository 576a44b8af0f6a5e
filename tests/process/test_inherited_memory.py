"""Bytes that a process fills once, and its forks take without a copy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from kishu_kernel.process import inherited_memory
from kishu_kernel.process.inherited_memory import LEAST_BYTES, given, hold, release

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pages are moved on Linux only")

CONTENT = np.random.default_rng(0).integers(0, 256, 3 * LEAST_BYTES + 17, "B")


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    yield
    release()


def held(key: str, content: np.ndarray = CONTENT) -> None:
    hold(key, content.nbytes, lambda target: np.copyto(np.frombuffer(target, "B"), content))


@pytest.mark.parametrize("offset", [0, 1, 4096 + 8, 40_000])
def test_it_is_given_once_wherever_it_is_to_lie(offset: int) -> None:
    held("key")
    around = np.full(CONTENT.nbytes + 100_000, 7, "B")
    target = around[offset : offset + CONTENT.nbytes]
    assert given("key", memoryview(target))
    assert (target == CONTENT).all()
    assert (around[:offset] == 7).all()
    assert (around[offset + CONTENT.nbytes :] == 7).all()
    target[:] = 1
    assert not given("key", memoryview(target))
    assert (target == 1).all()


def test_what_is_not_held_or_too_small_is_not_given() -> None:
    held("small", CONTENT[:1000])
    held("large")
    target = np.zeros(CONTENT.nbytes, "B")
    assert not given("other", memoryview(target))
    assert not given("small", memoryview(target[:1000]))
    assert not given("large", memoryview(target[:-1]))
    release()
    assert not given("large", memoryview(target))
    assert not target.any()


def test_what_cannot_be_filled_is_not_held() -> None:
    with pytest.raises(ZeroDivisionError):
        hold("key", LEAST_BYTES, lambda target: target.__setitem__(0, 1 // 0))
    assert not given("key", memoryview(bytearray(LEAST_BYTES)))


def test_where_pages_cannot_be_moved_they_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A system that has no place for one mapping more, and has taken away what was to be replaced."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def mremap(self, _: int, size: int, __: int, ___: int, place: int) -> int:
            real.munmap(place, size)
            return -1

    held("key")
    real = inherited_memory._libc
    monkeypatch.setattr(inherited_memory, "_libc", Full())
    target = np.empty(CONTENT.nbytes, "B")
    assert given("key", memoryview(target))
    assert (target == CONTENT).all()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads of other tests
def test_each_fork_changes_its_own() -> None:
    held("key")
    results = []
    for number in range(3):
        reads, writes = os.pipe()
        if not (pid := os.fork()):
            target = np.empty(CONTENT.nbytes, "B")
            ok = given("key", memoryview(target)) and bool((target == CONTENT).all())
            target[:] = number
            os.write(writes, b"yes" if ok and bool((target == number).all()) else b"no")
            os._exit(0)
        os.close(writes)
        os.waitpid(pid, 0)
        results.append(os.read(reads, 3))
        os.close(reads)
    target = np.empty(CONTENT.nbytes, "B")
    assert given("key", memoryview(target))
    assert (results, bool((target == CONTENT).all())) == ([b"yes"] * 3, True)
