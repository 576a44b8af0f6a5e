"""kill -9 of a process that commits, at whatever moment: what it reported is whole, and the next one goes on."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from random import Random

import pytest

from kishu_kernel.store import LmdbStore
from tests.support.soak import often

from . import workload
from .processes import HEAD, end, hear, python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

WRITER = (
    HEAD
    + """
    from tests.store.workload import commit
    store = LmdbStore(Path(sys.argv[1]), map_size=1 << 20)
    number = int(sys.argv[2])
    print("ready", flush=True)
    while True:
        commit(store, number)
        os.write(1, b"%d\\n" % number)
        number += 1
    """
)


@often(8, 30)
def test_what_was_reported_outlives_a_kill(tmp_path: Path, times: int) -> None:
    path, random = tmp_path / "store", Random(3)
    done, number = [], 1
    for turn in range(times):
        writer = python(WRITER, path, number)
        assert hear(writer) == "ready"
        time.sleep(random.random() * 0.05)
        writer.kill()
        with writer:
            assert writer.stdout is not None
            assert writer.stderr is not None
            out = writer.stdout.read()  # `communicate` would leave out what came with the first line
            assert not writer.stderr.read()
        reported = [int(line) for line in out.split("\n")[:-1]]
        assert reported == list(range(number, number + len(reported)))
        done.extend(reported)
        number += len(reported) + 2  # the one in work may be there or not

        store = LmdbStore(path)
        workload.check(store, done if turn % 10 == 7 else done[-10:])
        workload.commit(store, number)
        workload.check(store, [number])
        done.append(number)
        number += 1
        store.close()
        if os.path.getsize(path / "data.mdb") > 200 << 20:
            shutil.rmtree(path)
            done.clear()
    assert number > 2 * times


@often(4, 10)
def test_a_kill_while_a_store_is_made(tmp_path: Path, times: int) -> None:
    random = Random(4)
    for turn in range(times):
        path = tmp_path / str(turn)
        writer = python(WRITER, path, 1)
        while not path.exists():
            time.sleep(0.0005)
        time.sleep(random.random() * 0.004)
        end(writer)
        store = LmdbStore(path)
        workload.commit(store, 999)
        workload.check(store, [999])
        store.close()


def test_readers_of_killed_processes_keep_no_space(tmp_path: Path) -> None:
    """A reader that is never gone would keep all later pages from reuse, and the file would only grow."""
    path = tmp_path / "store"
    LmdbStore(path).close()
    reader = python(
        HEAD
        + """
    store = LmdbStore(Path(sys.argv[1]))
    with store._environment.reading():
        print("ready", flush=True)
        time.sleep(300)
    """,
        path,
    )
    assert hear(reader) == "ready"
    end(reader)
    store = LmdbStore(path)
    for _ in range(300):
        store.update_refs({"head/s": workload.checkpoint_id(1)})
    assert os.path.getsize(path / "data.mdb") < 1 << 19
    store.close()
