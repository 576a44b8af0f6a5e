"""Many forks of one state: each is exact, and what they write at the same time is whole."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from kishu_kernel.client import Fork, connect, explore
from kishu_kernel.client.fork_limit import running_forks
from kishu_kernel.store.maintenance.fsck import check
from tests.client.test_client import Start, start
from tests.client.test_forks import key, text
from tests.client.test_spares import SPARE, spare_of
from tests.kernel.driver import Kernel
from tests.support import soak

__all__ = ["key", "start"]  # fixtures

CELLS = """
import random, itertools, collections
xs = [1, [2]]; ys = {"xs": xs, "inner": xs[1]}
counts = collections.Counter("abracadabra"); random.seed(7)
class Point:
    def __init__(self, x): self.x = x
point = Point(xs); same = point
def total(): return sum(counts.values()) + len(xs)
"""
LOOK = (
    "print(xs, ys['xs'] is xs, ys['inner'] is xs[1], sorted(counts.items()), random.random(), type(point) is Point, "
    "point is same, point.x is xs, total())"
)


def prepared(start: Start) -> Kernel:
    kernel = start(SPARE)
    kernel.ok(CELLS)
    return kernel


@soak.each("number", (4, 100), 1)
def test_each_of_many_is_exact_and_changes_its_own_alone(start: Start, number: int) -> None:
    kernel = prepared(start)
    with connect("book.ipynb") as k:
        spare_of(k)
        cells = [f"xs.append({each}); xs[1].append({each}); {LOOK}" for each in range(number)]
        found = explore(k, cells)
        expected = kernel.run(cells[0], silent=True).stdout
        for count, each in enumerate(found):
            told = each.outputs[0]["text"].replace(f"[1, [2, {count}], {count}]", "[1, [2, 0], 0]")
            assert (each.status, each.durable, told) == ("ok", True, expected)
        assert len({each.branch for each in found}) == number
        path = k.status()["store"]["path"]
    kernel.close(gracefully=True)
    assert check(path, False, lambda *_: None).clean


@soak.each("seconds", (2.0, 60.0), 1)
def test_many_that_write_at_the_same_time_and_some_that_are_killed(start: Start, seconds: float) -> None:
    kernel = prepared(start)
    number = 16 if seconds > 10 else 4
    kernel.ok("data = bytearray(200_000); log = []")
    with connect("book.ipynb") as k:
        spare_of(k)
        forks = k.fork(number)
        until = time.monotonic() + seconds
        killed, left = forks[: number // 4], forks[number // 4 :]

        def works(fork: Fork) -> list[int]:
            chosen, written = random.Random(fork.own_branch), []
            while not written or time.monotonic() < until:
                value = chosen.randrange(1 << 30)
                written.append(value)
                ran = fork.run(f"log.append({value}); data[{value % 200_000}] = {value % 256}")
                assert ran["status"] == "ok"
                if len(written) % 5 == 0:
                    fork.undo()
                    written.pop()
            return written

        pids = {each.connection_file: each.pid for each in running_forks()}
        with ThreadPoolExecutor(number) as threads:
            working = [threads.submit(works, fork) for fork in left]
            for fork in killed:
                fork.run("log.append('killed')")
                os.kill(pids[str(fork.connection_file)], signal.SIGKILL)
            logs = [each.result() for each in working]
        for fork, written in zip(left, logs, strict=True):
            assert text(fork.run("print(log)")) == f"{written}\n"
            fork.end()
        for fork in killed:
            fork.end()
        for fork, written in zip(left, logs, strict=True):
            k.checkout(fork.own_branch)
            assert kernel.value("log") == written
        path = k.status()["store"]["path"]
    kernel.close(gracefully=True)
    assert check(path, False, lambda *_: None).clean
