"""How much memory there is for other processes, and how much some of them use.

Law: what the system does not tell is no reason to refuse anything.
Neighbour: `client.fork_limit` asks before it starts kernels.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
"""Where a container says what it may use, what it uses, and how much of that are files that can go."""


def available() -> int:
    """The bytes that new processes can have without others being swapped out, or ended."""
    import psutil

    left = [left for files in _CGROUPS if (left := _left_in_container(files)) is not None]
    return min([int(psutil.virtual_memory().available), *left])


def own() -> int:
    """The bytes that this process has in memory. Cheap."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def used_by(pids: Iterable[int]) -> int:
    """The bytes that these processes use; memory that several share counts once, where the system tells so much."""
    import psutil

    total = 0
    for pid in pids:
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            try:
                full = process.memory_full_info()
                total += int(getattr(full, "pss", 0) or full.uss)
            except psutil.AccessDenied:
                total += int(process.memory_info().rss)
    return total


def _left_in_container(files: tuple[str, str, str]) -> int | None:
    limit, used, stat = files
    with suppress(OSError, ValueError):  # "max": there is none
        left = int(Path(limit).read_text()) - int(Path(used).read_text())
        told = dict(line.split(" ", 1) for line in Path(stat).read_text().splitlines() if " " in line)
        return max(0, left + int(told.get("inactive_file", 0)))
    return None
