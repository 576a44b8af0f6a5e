"""What a kernel uses, read from outside of it: nothing runs in it that would be counted.

Children that the notebook started are its own, and are not counted. Those that a kernel of this project starts for
itself are: the checker process is found by its command line and the store that its environment names.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HELPER = "kishu_kernel.session.checker"
"""In the command line of a process that our kernel started for itself."""
SEARCH_EVERY = 1.0
"""Seconds between two looks for such processes: a look goes through all of the machine's."""


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time since a process began.

    Attributes:
        process: all threads of the kernel's process.
        main: its main thread; nothing where the system does not tell.
        helpers: processes that the kernel started for itself, and that still lived when they were looked for.
        waited: children of all kinds that have ended, and that the kernel has waited for.
    """

    process: float = 0.0
    main: float = 0.0
    helpers: float = 0.0
    waited: float = 0.0

    def __sub__(self, earlier: Usage) -> Usage:
        """What was used in between."""
        return Usage(
            self.process - earlier.process,
            self.main - earlier.main,
            self.helpers - earlier.helpers,
            self.waited - earlier.waited,
        )


class Meter:
    """Reads what a kernel uses.

    Args:
        pid: of the kernel's process.
        store: the directory of its stores, by which its helpers are known.
    """

    def __init__(self, pid: int, store: Path) -> None:
        self._pid = pid
        self._store = str(store)
        self._helpers: dict[int, float] = {}
        self._peaks: dict[int, int] = {}
        self._searched = 0.0

    def read(self) -> Usage:
        """As it is now."""
        process = _processor(self._pid)
        if time.monotonic() - self._searched > SEARCH_EVERY:
            self._search()
        for pid in self._helpers:
            with suppress(OSError, psutil.Error):  # it has ended: what it was seen to use stands
                self._helpers[pid] = _processor(pid)
                self._peaks[pid] = _peak(pid)
        with suppress(psutil.Error):
            times = psutil.Process(self._pid).cpu_times()
            waited = times.children_user + times.children_system
            return Usage(process, _main_thread(self._pid), sum(self._helpers.values()), waited)
        return Usage(process, _main_thread(self._pid), sum(self._helpers.values()))

    def peak(self) -> tuple[int, int]:
        """The most bytes in memory: of the kernel's process, and of its helpers, which share pages with each other."""
        return _peak(self._pid), max(self._peaks.values(), default=0)

    def _search(self) -> None:
        self._searched = time.monotonic()
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid in self._helpers or HELPER not in " ".join(process.cmdline()):
                    continue
                if process.environ().get("KISHU_STORE_DIR") == self._store:
                    self._helpers[process.pid] = 0.0


def _processor(pid: int) -> float:
    """Seconds of a whole process: to the nanosecond on Linux, whose clocks have these numbers."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (OSError, AttributeError, OverflowError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def _main_thread(pid: int) -> float:
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return 0.0


def _peak(pid: int) -> int:
    """The most bytes that a process has had in memory; what it has now where the system keeps no peak."""
    if os.path.exists(f"/proc/{pid}/status"):
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    return int(psutil.Process(pid).memory_info().rss)
