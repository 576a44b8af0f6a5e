"""Files of a store that something else lays hands on, under a live kernel and between two: never the kernel's end."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

PATIENCE = 60.0


def settled(kernel: Kernel) -> None:
    """As after some think time."""
    deadline = time.monotonic() + PATIENCE
    while kernel.done("status")["pending"]:
        assert time.monotonic() < deadline, "it is still writing"


def over(data: Path, content: bytes) -> None:
    """In place: the file is the same one, and open in the kernel."""
    with data.open("r+b") as file:
        file.write(content)
        file.truncate()


def ended_well(kernel: Kernel) -> None:
    """It shuts down when asked to, and not by a signal."""
    process = kernel.manager.provisioner.process
    kernel.close(gracefully=True)
    assert process.poll() == 0


DAMAGE = {
    "cut to nothing": lambda data, whole, old: os.truncate(data, 0),
    "cut to a page": lambda data, whole, old: os.truncate(data, 4096),
    "cut in half": lambda data, whole, old: os.truncate(data, len(whole) // 2),
    "zeros at the beginning": lambda data, whole, old: over(data, bytes(8192) + whole[8192:]),
    "zeros everywhere": lambda data, whole, old: over(data, bytes(len(whole))),
    "zeros behind the beginning": lambda data, whole, old: over(data, whole[:8192] + bytes(len(whole) - 8192)),
    "an older copy": lambda data, whole, old: over(data, old),
    "an older copy, as long": lambda data, whole, old: over(data, old + bytes(len(whole) - len(old))),
    "removed": lambda data, whole, old: data.unlink(),
    "replaced": lambda data, whole, old: (data.with_name("x").write_bytes(old), os.replace(data.with_name("x"), data)),
    "the directory removed": lambda data, whole, old: [each.unlink() for each in data.parent.iterdir()],
}


LIVE = [  # the others are tried on a store alone, in tests/store/test_watch.py
    "cut to nothing",
    "cut to a page",
    "zeros at the beginning",
    "zeros behind the beginning",
    "an older copy, as long",
    "removed",
]


@pytest.mark.parametrize("how", LIVE)
def test_a_live_kernel_goes_on(kernel: Kernel, how: str) -> None:
    kernel.ok("xs = [1]; big = bytes(range(256)) * 4000")
    settled(kernel)
    [store] = kernel.stores.iterdir()
    data = store / "data.mdb"
    old = data.read_bytes()
    for n in range(5):
        kernel.ok(f"xs.append({n})")
    settled(kernel)
    whole = data.read_bytes()
    DAMAGE[how](data, whole, old)
    told = []
    for n in range(5, 8):
        ran = kernel.ok(f"xs.append({n})")
        settled(kernel)
        told += [line for line in ran.stderr.splitlines() if "[kishu]" in line]
        for operation in ("log", "gc", "status"):
            reply = kernel.request(operation)
            assert reply["status"] == "ok" or "the store at" in reply["evalue"], reply
    assert len(told) <= 1, "\n".join(told)
    assert any("the store at" in each for each in kernel.done("status")["warnings"])
    assert kernel.value("xs, len(big)") == ([1, *range(8)], 256 * 4000)
    ended_well(kernel)


@pytest.mark.parametrize("how", ["cut to a page", "zeros everywhere"])
def test_what_is_put_back_is_used_again(kernel: Kernel, how: str) -> None:
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    settled(kernel)
    [store] = kernel.stores.iterdir()
    whole = (store / "data.mdb").read_bytes()
    DAMAGE[how](store / "data.mdb", whole, whole)
    kernel.ok("xs.append(3)")
    settled(kernel)
    kernel.ok("xs.append(4)")
    settled(kernel)
    over(store / "data.mdb", whole)
    kernel.ok("xs.append(5)")
    settled(kernel)
    kernel.ok("xs.append(6)")
    settled(kernel)
    [newest] = kernel.done("log", limit=1)["checkpoints"]
    assert not newest["incomplete"]
    kernel.done("undo")
    assert kernel.value("xs") == [1, 2, 3, 4, 5]
    ended_well(kernel)


def test_a_lock_file_is_made_anew(kernel: Kernel) -> None:
    kernel.ok("xs = [1]")
    settled(kernel)
    [store] = kernel.stores.iterdir()
    for n in range(3):
        if n == 1:
            (store / "lock.mdb").unlink()
        else:
            os.truncate(store / "lock.mdb", 0)
        kernel.ok(f"xs.append({n})")
        settled(kernel)
    assert kernel.done("status")["warnings"] == []
    kernel.done("undo")
    assert kernel.value("xs") == [1, 0, 1]
    ended_well(kernel)


@pytest.mark.parametrize("how", ["cut to nothing", "cut in half", "zeros behind the beginning"])
def test_a_kernel_starts_beside_a_damaged_store(start: Start, tmp_path: Path, how: str) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "b.ipynb")}
    kernel = start(environment=notebook)
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    settled(kernel)
    kernel.close(gracefully=True)
    [store] = kernel.stores.iterdir()
    data = store / "data.mdb"
    whole = data.read_bytes()
    DAMAGE[how](data, whole, whole)
    damaged = data.read_bytes()
    for number in range(2):  # the second finds what the first kept
        kernel = start(environment=notebook)
        ran = kernel.ok(f"ys = [{number}]")
        assert str(store) in ran.stderr
        assert "history is kept in" in ran.stderr
        kernel.ok("ys.append(2)")
        kernel.done("undo")
        assert kernel.value("ys") == [number]
        settled(kernel)
        assert len(kernel.done("log", all=True)["checkpoints"]) >= 2 * (number + 1)
        ended_well(kernel)
    assert data.read_bytes() == damaged  # who knows better can still try


def test_what_a_killed_kernel_left_half_written_goes(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "b.ipynb")}
    kernel = start(environment=notebook)
    kernel.ok("import os; xs = [1]")
    settled(kernel)
    [store] = kernel.stores.iterdir()
    kernel.ok("big = os.urandom(200 << 20)")
    deadline = time.monotonic() + PATIENCE
    while (store / "data.mdb").stat().st_size < 60 << 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    kernel.manager.provisioner.process.kill()
    kernel = start(environment=notebook)
    kernel.ok("ys = [1]")
    settled(kernel)
    deadline = time.monotonic() + PATIENCE
    while kernel.done("status")["store"]["bytes"] > 1 << 20:
        assert time.monotonic() < deadline, kernel.done("status")["store"]
        time.sleep(0.1)
    kernel.done("resume")
    assert kernel.value("xs") == [1]
