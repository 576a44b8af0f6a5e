"""Makes a session durable, so that whoever asked may end its kernel: everything that was done is on the disk, or named.

Where it has a remote, it is pushed, too, in the time that is left; `durable` is of the disk alone.

Law: the kernel goes on, whatever comes of it, and no cell is interrupted. It takes no longer than it was given, but for
what one checkpoint takes that is under way.
Neighbours: `shell.shutdown` does the like where a process ends; `operations` offers it.
"""

from __future__ import annotations

import threading
import time

from kishu_kernel.frontend.protocol.content import Json
from kishu_kernel.frontend.protocol.session_host import SessionHost

RUNNING = "a cell is running: what it does is part of no state until it has ended"
UNDER_WAY = "a state is being taken, or gone to, since then"
IN_MEMORY = "this history is kept in memory only, and ends with the kernel"

LONGEST = 1e6
"""Seconds that are as good as for ever; not all that can be written down can be waited for."""


def hibernate(host: SessionHost, timeout: float) -> Json:
    """Writes everything, and says what is not written.

    Args:
        timeout: seconds that it may take.
    """
    began = time.monotonic()
    timeout = min(timeout, LONGEST)

    def left() -> float:
        return max(0.0, began + timeout - time.monotonic())

    session = host.session
    taken = True
    if threading.current_thread() is not threading.main_thread():  # where cells run, and cannot be waited for
        taken = host.cells.wait_for_pending(left())
    settled = session.settle_within(left())
    unwritten = session.writer.write_within(left())
    missing: list[Json] = [{"checkpoint": id, "reason": reason} for id, reason in unwritten.items()]
    head = session.timeline.head
    if host.opener.in_memory and head is not None and not missing:
        missing.append({"checkpoint": head, "reason": IN_MEMORY})
    if host.cells.are_running():
        missing.append({"checkpoint": None, "reason": RUNNING})
    elif not (taken and settled):
        missing.append({"checkpoint": None, "reason": UNDER_WAY})
    pushed = host.courier.push_within(left())
    seconds = time.monotonic() - began
    return {"durable": not missing, "head": head, "missing": missing, "remote": pushed, "seconds": seconds}
