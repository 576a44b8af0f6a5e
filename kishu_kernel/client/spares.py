"""Forks that begin in the spare process of a kernel, which has imported its libraries: they need not be started.

Law: where that does not listen, nothing is lost: a fork is started as without it.
Neighbours: `forks` asks for them; `frontend.kernel.spare_process` is the process.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

PATIENCE = 10.0
"""Seconds that the spare process has to answer: it may be importing something."""
HOLDING = 60.0
"""Seconds that it has to read what is to be shared."""


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

    wanted = {"start_at": start_at, "arguments": list(arguments), "log": str(said), "kept": kept}
    asking = None
    try:
        asking, answer = _asked(place, wanted, PATIENCE)
        process = SpareProcess(answer["pid"])
    except (OSError, ValueError, KeyError, psutil.Error):
        if asking is not None:
            asking.close()
        return None
    if kept:
        asking.close()
        return process, None
    return process, asking


@contextmanager
def holding(place: str, store: str, versions: Sequence[tuple[Sequence[str], str]]) -> Iterator[str]:
    """Within this context there is a spare process whose forks share the memory of large arrays of a state.

    A page is one for all of them until one writes to it.

    Args:
        place: where the spare process listens.
        store: the directory of the store.
        versions: the names of each, and the checkpoint that made it.

    Yields:
        Where it listens; where there is none, `place`.
    """
    try:
        asking, answer = _asked(place, {"hold": store, "versions": versions}, HOLDING)
    except (OSError, ValueError):
        yield place
        return
    with asking:  # it ends when this does
        yield str(answer.get("place", place))


def _asked(place: str, wanted: dict[str, Any], patience: float) -> tuple[socket.socket, dict[str, Any]]:
    """Returns the connection and the answer."""
    asking = socket.socket(socket.AF_UNIX)
    try:
        asking.settimeout(patience)
        directory = os.open(os.path.dirname(place), os.O_RDONLY)
        try:  # such paths can be too long
            asking.connect(f"/proc/self/fd/{directory}/{os.path.basename(place)}")
        finally:
            os.close(directory)
        asking.sendall(json.dumps(wanted).encode("ascii") + b"\n")
        with asking.makefile("rb") as lines:
            return asking, dict(json.loads(lines.readline()))
    except BaseException:
        asking.close()
        raise
