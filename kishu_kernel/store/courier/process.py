"""How a courier's process begins. It is no child of its kernel's, and its standard input is their socket."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress

from kishu_kernel.store.courier.courier import Courier
from kishu_kernel.store.remote.lacking import Needed


def main(needed: Needed) -> None:
    """Run until the kernel has ended, and what it left was pushed or cannot be.

    Args:
        needed: as of `push`.
    """
    for number in ("SIGINT", "SIGHUP"):  # the stop button, and the terminal's end, are the kernel's
        signal.signal(getattr(signal, number), signal.SIG_IGN)
    _be_modest()
    Courier(socket.socket(fileno=os.dup(0)), needed=needed).serve()
    os._exit(0)  # whatever a thread still waits for


def _be_modest() -> None:
    import psutil

    with suppress(OSError):
        os.nice(19)
    with suppress(psutil.Error, AttributeError, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
