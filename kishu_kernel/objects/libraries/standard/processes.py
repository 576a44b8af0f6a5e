"""Threads, processes, connections: a copy would stand for another one, or for none."""

from __future__ import annotations

import threading
from typing import Any

from kishu_kernel.objects.library import Library, Reduction

_RLOCK = type(threading.RLock())


def _lock(lock: Any) -> Reduction:
    # dill would bring an RLock back held by nobody, so that the next `with` waits for ever.
    if not repr(lock).startswith("<unlocked"):
        raise TypeError("a lock that is held cannot be stored")
    return (threading.RLock if isinstance(lock, _RLOCK) else threading.Lock), ()


class Processes(Library):
    """A lock that nobody holds is as good as a new one. All else holds on to what is not in it."""

    packages = ("threading", "_thread", "subprocess", "multiprocessing", "socket")
    exact_reductions = {"_thread.lock": _lock, "_thread.RLock": _lock}
    external_handles = {
        "threading.Thread": "a thread",
        "_thread._ThreadHandle": "a thread",
        "subprocess.Popen": "a process",
        "multiprocessing.process.BaseProcess": "a process",
        "multiprocessing.connection._ConnectionBase": "an open connection",
        "multiprocessing.managers.BaseProxy": "another process",
        "multiprocessing.managers.BaseManager": "another process",
        "multiprocessing.shared_memory.SharedMemory": "memory that other processes share",
        "multiprocessing.shared_memory.ShareableList": "memory that other processes share",
        "socket.socket": "an open connection",
    }
