"""Whatever ends a kernel: what was done is there afterwards, or named."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from kernel.conftest import Start
from kernel.driver import Kernel

MB = 1 << 20


def gone(kernel: Kernel, seconds: float = 30) -> int:
    """Waits until the process is gone; its exit status."""
    process = kernel.manager.provisioner.process
    return int(process.wait(seconds))


def heavy(name: str, megabytes: int) -> str:
    """A cell that makes bytes that do not compress."""
    return f"import numpy as np; {name} = np.random.default_rng(1).bytes({megabytes} << 20)"


def again(start: Start, tmp_path: Path) -> Kernel:
    return start(environment=BOOK(tmp_path))


def BOOK(tmp_path: Path) -> dict[str, str | None]:
    return {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_with_a_write_pending(start: Start, tmp_path: Path, number: int) -> None:
    kernel = start(environment=BOOK(tmp_path))
    kernel.ok("n = 1")
    kernel.ok(heavy("x", 96))
    os.kill(kernel.manager.provisioner.pid, number)
    assert gone(kernel) == -number
    kernel = again(start, tmp_path)
    reply = kernel.done("resume")
    assert not reply["plan"]["replay"]
    assert not reply["plan"]["lost"]
    assert kernel.value("n, len(x)") == (1, 96 << 20)
