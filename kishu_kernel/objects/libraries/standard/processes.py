"""Threads, processes, connections: a copy would stand for another one, or for none; until they have come to an end."""

from __future__ import annotations

import gc
import threading
from typing import Any

from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction

_RLOCK = type(threading.RLock())


def _lock(lock: Any) -> Reduction:
    # dill would bring an RLock back held by nobody, so that the next `with` waits for ever.
    if not repr(lock).startswith("<unlocked"):
        raise TypeError("a lock that is held cannot be stored")
    return (threading.RLock if isinstance(lock, _RLOCK) else threading.Lock), ()


def reduction_of_thread(thread: Any) -> Reduction:
    """One that has ended, or has not been started.

    Raises:
        TypeError: it runs.
    """
    from kishu_kernel.objects.rebuild.ended import make_thread
    from kishu_kernel.objects.rebuild.instances import set_instance_state

    if not hasattr(thread, "_started"):
        raise TypeError("a thread that was not initialized cannot be stored")
    begun = thread._started.is_set()
    # Not asked of a class of the notebook: it may have another opinion.
    if threading.Thread.is_alive(thread) or (begun and thread._ident is None):
        raise HeldOutsideError(f"a {type(thread).__name__} that runs holds on to a thread, and cannot be stored")
    if not begun and getattr(thread, "_context", None) is not None:
        raise TypeError("a thread with a context of its own cannot be stored")
    return make_thread, (type(thread), begun), _state_without(thread, _OF_A_THREAD), None, None, set_instance_state


def _process(process: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.ended import make_process
    from kishu_kernel.objects.rebuild.instances import set_instance_state

    child = process._popen
    ended = None if child is None else (child.pid, child.returncode)
    if ended is not None and ended[1] is None:  # it is not waited for: that would be noticed
        raise HeldOutsideError(
            f"a {type(process).__name__} holds on to a process that nobody has waited for, and cannot be stored"
        )
    settings = {name: value for name, value in process._config.items() if name not in _OF_THE_PARENT}
    arguments = (type(process), ended, settings)
    return make_process, arguments, _state_without(process, _OF_A_PROCESS), None, None, set_instance_state


def _child(child: Any) -> Reduction:
    if child.returncode is None:
        raise HeldOutsideError(
            f"a {type(child).__name__} holds on to a process that nobody has waited for, and cannot be stored"
        )
    return object.__reduce_ex__(child, 5)


def _local(local: Any) -> Reduction:
    state = local.__dict__  # of this thread
    of_threads = [held for held in gc.get_referents(local) if type(held) is dict]
    if sum(map(len, of_threads)) > 1:
        raise HeldOutsideError("what threads keep for themselves in a local cannot be stored while they run")
    return type(local), (), dict(state)


def _state_without(obj: Any, names: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    held = attributes(obj) or {}
    return {name: value for name, value in held.items() if name not in names}, {}


_OF_A_THREAD = frozenset(
    {
        *("_started", "_is_stopped", "_tstate_lock", "_handle", "_os_thread_handle", "_context"),
        *("_stderr", "_invoke_excepthook", "_initialized"),
    }
)
"""What Python keeps of a thread for its own purposes."""

_OF_A_PROCESS = frozenset({"_config", "_parent_pid", "_popen", "_sentinel"})
_OF_THE_PARENT = ("authkey", "semprefix")
"""Secrets and names that one process and its children share."""


class Processes(Library):
    """A lock that nobody holds is as good as a new one. What runs, or is open, holds on to what is not in it."""

    packages = ("threading", "_thread", "subprocess", "multiprocessing", "socket")
    exact_reductions = {"_thread.lock": _lock, "_thread.RLock": _lock, "_thread._local": _local}
    reductions = {
        "threading.Thread": reduction_of_thread,
        "subprocess.Popen": _child,
        "multiprocessing.process.BaseProcess": _process,
    }
    whole = {"threading.Thread", "subprocess.Popen"}
    external_handles = {
        "_thread._ThreadHandle": "a thread",
        "multiprocessing.connection._ConnectionBase": "an open connection",
        "multiprocessing.managers.BaseProxy": "another process",
        "multiprocessing.managers.BaseManager": "another process",
        "multiprocessing.shared_memory.SharedMemory": "memory that other processes share",
        "multiprocessing.shared_memory.ShareableList": "memory that other processes share",
        "socket.socket": "an open connection",
    }
