"""What the tests of harm have in common: waiting until the kernel has done all that it does on its own."""

from __future__ import annotations

import time
from typing import Any

from tests.kernel.driver import Kernel

PATIENCE = 60.0


def thought(kernel: Kernel) -> dict[str, Any]:
    """The newest checkpoint, when it is written and there is nothing more to find out about it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        [newest] = kernel.done("log", channel="control", limit=1)["checkpoints"]
        if newest["audited"] and not kernel.done("status", channel="control")["pending"]:
            return dict(newest)
        time.sleep(0.05)
    raise AssertionError("the kernel did not come to rest")
