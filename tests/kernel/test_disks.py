"""Disks that fill up, go away and come back under a running kernel; processes that fork."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

SQUEEZE = """
import resource
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def room(bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
import random
def fresh(seed, size=3_000_000):
    return random.Random(seed).randbytes(size)
"""


def written(kernel: Kernel) -> None:
    """As after some think time."""
    while kernel.done("status")["pending"]:
        pass


def warnings(kernel: Kernel) -> list[str]:
    return list(kernel.done("status")["warnings"])


def fill_and_free(kernel: Kernel, fill: str, free: str) -> None:
    """The disk is full for three cells; then it is not."""
    kernel.ok("xs = [1]; blob = fresh(1)")
    written(kernel)
    kernel.ok(fill)
    told = []
    for seed in (2, 3, 4):
        ran = kernel.ok(f"xs.append({seed}); blob = fresh({seed})")  # the user's cell is untouched
        written(kernel)
        told += [line for line in ran.stderr.splitlines() if "[kishu]" in line]
    ran = kernel.ok(free)
    written(kernel)
    told += [line for line in ran.stderr.splitlines() if "[kishu]" in line]
    assert len(told) == 1, chr(10).join(told)  # one clear warning
    assert "no room" in told[0] or "full" in told[0]
    kernel.ok("xs.append(5)")
    written(kernel)
    assert kernel.value("xs, blob == fresh(4)") == ([1, 2, 3, 4, 5], True)
    kernel.ok("pass")
    assert "again" in warnings(kernel)[-1]
    log = [each["code"] for each in kernel.done("log")["checkpoints"]]
    assert [code for code in log if "append" in code][:4] == [
        "xs.append(5)",
        *(f"xs.append({seed}); blob = fresh({seed})" for seed in (4, 3, 2)),
    ]
    kernel.done(
        "checkout", target=next(each["id"] for each in kernel.done("log")["checkpoints"] if "xs = [1]" in each["code"])
    )
    assert kernel.value("xs, blob == fresh(1)") == ([1], True)
    kernel.done("checkout", target="main")
    assert kernel.value("xs, blob == fresh(4)") == ([1, 2, 3, 4, 5], True)


def test_no_room_for_a_while(kernel: Kernel) -> None:
    """A limit on the size of files does what a full disk does, without one."""
    kernel.ok(SQUEEZE)
    fill_and_free(kernel, "import os; room(5_000_000)", "room(hard)")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "kishu-test", str(disk)], capture_output=True, check=False
        )
        if shutil.which("mount")
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip("a file system of its own cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk(start: Start, small_disk: Path) -> None:
    kernel = start("--KishuKernel.store_limit=0", environment={"KISHU_STORE_DIR": str(small_disk / "stores")})
    kernel.ok(SQUEEZE)
    filler = small_disk / "filler"
    fill = f"open({str(filler)!r}, 'wb').write(bytes(os.statvfs({str(small_disk)!r}).f_bavail * 4096))"
    fill_and_free(kernel, f"import os; {fill};", f"os.remove({str(filler)!r})")


def test_after_a_full_disk_and_a_kill_everything_durable_is_there(start: Start, small_disk: Path) -> None:
    notebook = {"KISHU_STORE_DIR": str(small_disk / "stores"), "JPY_SESSION_NAME": str(small_disk / "b.ipynb")}
    kernel = start("--KishuKernel.store_limit=0", environment=notebook)
    kernel.ok(SQUEEZE)
    durable = []
    for seed in range(12):  # 3 MB each: the disk is full in between
        kernel.ok(f"xs = [{seed}]; blob = fresh({seed})")
        written(kernel)
        [newest] = kernel.done("log", limit=1)["checkpoints"]
        if f"fresh({seed})" in newest["code"] and not newest["incomplete"]:
            durable.append((seed, newest["id"]))
    kernel.close()
    assert 3 <= len(durable) < 12
    kernel = start(environment=notebook)
    for seed, id in durable:
        kernel.done("checkout", target=id)
        assert kernel.value(f"xs == [{seed}] and blob == fresh({seed})") is True


def test_a_disk_that_cannot_be_written_at_first(start: Start, tmp_path: Path) -> None:
    (tmp_path / "stores").write_text("in the way")
    kernel = start()
    ran = kernel.ok("x = [1]")
    assert "in memory" in ran.stderr
    kernel.ok("x.append(2)")
    kernel.done("undo")
    assert kernel.value("x") == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_the_users_harms_nothing(kernel: Kernel) -> None:
    kernel.ok("import os, warnings, numpy as np; warnings.simplefilter('ignore'); xs = [1]")
    kernel.ok("big = np.random.default_rng(0).random(5_000_000)")
    kernel.ok("""
child = os.fork()  # while the writer writes
if child == 0:
    xs.append('child')
    big[:] = 0
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
""")
    assert kernel.value("status, xs") == (7, [1])
    kernel.ok("import multiprocessing; pool = multiprocessing.get_context('fork').Pool(2)")
    kernel.ok("squares = pool.map(abs, range(-5, 0)); pool.terminate(); pool.join(); del pool")
    kernel.ok("xs.append(2); total = float(big.sum())")
    written(kernel)
    kernel.ok("big[:] = 0; xs.append(3)")
    kernel.done("undo")
    assert kernel.value("xs, float(big.sum()) == total, squares") == ([1, 2], True, [5, 4, 3, 2, 1])
    assert warnings(kernel) == []
