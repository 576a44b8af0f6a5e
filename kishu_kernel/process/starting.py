"""Processes of ours that work beside a kernel, each at the other end of a connection, and nobody's child.

Law: none is left that nobody has waited for. Python warns of such a one, in whatever code runs when it is collected.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence

STARTING = 30.0
"""Seconds that one has to fork and end: what it has forked goes on."""


def connected(command: Sequence[str], directory: str, environment: Mapping[str, str]) -> socket.socket:
    """Starts a process that has the other end of a connection for its stdin, and forks.

    Returns:
        Our end.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it does not fork. It is killed then, as it is where the wait is interrupted.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )
        _wait(process)
    except BaseException:
        ours.close()
        raise
    return ours


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STARTING)
    except BaseException:
        process.kill()
        process.wait()
        raise
