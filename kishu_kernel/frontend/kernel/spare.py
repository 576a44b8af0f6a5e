"""The kernel's side of its spare process, from which forks begin at once: starts it, says what to import, ends it.

Law: it has imported what the kernel has of libraries, and nothing of the user's; a library that does more than that
when it is imported (a thread, an open file, a look at the shell) is left to each fork. It is no child of the kernel's,
so that a notebook which waits for its children does not meet it, and ends with the kernel, however that ends.
Neighbours: `spare_process` is the process; clients learn from `status` where it listens.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import types
import uuid
from contextlib import suppress
from pathlib import Path

from kishu_kernel.objects.registry import registry
from kishu_kernel.process.code_origins import is_users_module, started_in
from kishu_kernel.process.lines import Lines, line
from kishu_kernel.process.starting import connected
from kishu_kernel.store.catalog.elsewhere import VARIABLE
from kishu_kernel.store.catalog.running_kernels import runtime_directory

FAILURES_AT_MOST = 3
"""After so many that ended by themselves, none is started any more."""

_OF_THE_NOTEBOOK = (
    "JPY_SESSION_NAME",
    "JPY_PARENT_PID",
    "KISHU_NOTEBOOK",
    VARIABLE,
    "KISHU_AUTO_RESUME",
    "KISHU_START_AT",
)
_START_CODE = (
    "import os; os.fork() and os._exit(0); "  # first of all: the kernel waits for this
    "import sys; del sys.path[0]; from kishu_kernel.frontend.kernel.spare_process import main; main(sys.argv[1])"
)


def can_be_kept() -> bool:
    """Whether this system can: a fork of a process with libraries imported is safe, and known to be, on Linux only."""
    return sys.platform == "linux" and bool(sys.executable)


class Spare:
    """The spare process of one kernel. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._before = frozenset(sys.modules)
        self._connection: socket.socket | None = None
        self._lines = Lines()
        self._place: str | None = None
        self._pid: int | None = None
        self._told = 0
        """How many modules there were when it was last told."""
        self._left_out: set[str] = set()
        self._failures = 0

    def keep(self) -> None:
        """Starts it, or tells it what was imported since. Cheap where nothing was."""
        if len(sys.modules) != self._told and self._failures < FAILURES_AT_MOST:
            with self._lock:
                self._tell()

    def where(self) -> tuple[str | None, int | None]:
        """Returns where it listens, and the id of its process; None while it is not ready."""
        with self._lock:
            self._hear()
            return self._place, self._pid

    def _tell(self) -> None:
        try:
            if self._connection is None:
                self._start()
            self._told = len(sys.modules)
            if self._connection is not None:
                self._connection.sendall(line({"modules": self._libraries()}))
        except (OSError, subprocess.SubprocessError):
            self._failures += 1
            self._let_go()

    def close(self) -> None:
        """Ends it. In a process that the notebook has forked, nothing ends."""
        with self._lock:
            self._failures = FAILURES_AT_MOST
            self._let_go()

    def _let_go(self) -> None:
        connection, self._connection, self._place, self._pid, self._told = self._connection, None, None, None, 0
        self._lines = Lines()
        if connection is not None:
            if os.getpid() == self._owner:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _hear(self) -> None:
        if self._connection is None:
            return
        messages, gone = self._lines.arrived(self._connection)
        for message in messages:
            if "left_out" in message:  # another one begins, without these
                self._left_out.update(message["left_out"])
                self._let_go()
                self._tell()
                return
            self._place, self._pid = message["place"], message["pid"]
        if gone:
            self._failures += 1
            self._let_go()

    def _start(self) -> None:
        place = runtime_directory() / f"kishu-spare-{uuid.uuid4().hex}"
        told = json.dumps({"place": str(place), "owner": self._owner})
        environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_NOTEBOOK}
        self._connection = connected([sys.executable, "-c", _START_CODE, told], started_in(), environment)

    def _libraries(self) -> list[str]:
        """Returns the names of the modules of libraries that cells have imported, in the order in which they came.

        First of all those whose threads survive a fork: what imports them is not taken for who has started these.
        """
        found = []
        for name, module in list(sys.modules.items()):
            top = name.partition(".")[0] if type(name) is str else ""
            if (
                not top
                or name in self._before
                or top in self._left_out
                or not issubclass(type(module), types.ModuleType)
            ):
                continue
            if top not in _OWN and not is_users_module(top) and Path(name).name == name:
                found.append(name)
        surviving = registry.packages_that_are("survives_fork")
        return sorted(found, key=lambda name: name.partition(".")[0] not in surviving)


_OWN = frozenset({"__main__", "__mp_main__", "kishu_kernel"})
