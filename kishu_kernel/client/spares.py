"""Forks that begin in the spare process of a kernel, which has imported its libraries: they need not be started.

Law: where that does not listen, nothing is lost: a fork is started as without it.
Neighbours: `forks` asks for them; `frontend.kernel.spare_process` is the process.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

PATIENCE = 10.0
"""Seconds that the spare process has to answer: it may be importing something."""


class Process(Protocol):
    """A process, whoever started it."""

    def poll(self) -> int | None:
        """Returns None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it has ended. Raises `TimeoutError`, or `subprocess.TimeoutExpired`, where that takes longer."""

    def kill(self) -> None:
        """Ends it at once."""


class SpareProcess:
    """A process that is no child of this one."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """As in `Process`."""
        return None if self._process.is_running() else 0

    def wait(self, timeout: float | None = None) -> int:
        """As in `Process`."""
        import psutil

        try:
            self._process.wait(timeout)
        except psutil.TimeoutExpired as error:
            raise TimeoutError(str(error)) from error
        return 0

    def kill(self) -> None:
        """As in `Process`."""
        import psutil

        with suppress(psutil.NoSuchProcess):
            self._process.kill()


def become(
    place: str, start_at: str, arguments: Sequence[str], said: Path, kept: bool
) -> tuple[SpareProcess, socket.socket | None] | None:
    """Asks a spare process for a fork of it, which becomes a kernel.

    Args:
        place: where it listens.
        start_at: STORE@TARGET.
        arguments: of the kernel.
        said: the file into which it writes what it says.
        kept: it goes on when this process ends.

    Returns:
        The process, and the connection at whose end it ends, if it does; None where nobody listens.
    """
    import psutil

    asking = socket.socket(socket.AF_UNIX)
    try:
        asking.settimeout(PATIENCE)
        directory = os.open(os.path.dirname(place), os.O_RDONLY)
        try:  # such paths can be too long
            asking.connect(f"/proc/self/fd/{directory}/{os.path.basename(place)}")
        finally:
            os.close(directory)
        wanted = {"start_at": start_at, "arguments": list(arguments), "log": str(said), "kept": kept}
        asking.sendall(json.dumps(wanted).encode("ascii") + b"\n")
        with asking.makefile("rb") as lines:
            process = SpareProcess(json.loads(lines.readline())["pid"])
    except (OSError, ValueError, KeyError, psutil.Error):
        asking.close()
        return None
    if kept:
        asking.close()
        return process, None
    return process, asking
