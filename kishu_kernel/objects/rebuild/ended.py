"""What has come to its end, or has not begun: threads, processes, futures, iterators. Nothing starts, nobody waits."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kishu_kernel.objects.rebuild.instances import make_instance


def make_thread(kind: Any, ended: bool) -> Any:
    """A thread that has not been started, or has ended, before it has its attributes. Runs no code of its class."""
    thread = make_instance(kind)
    own = vars(threading.Thread(name="-"))  # what this version of Python keeps of a thread
    thread.__dict__.update(own)
    if ended:
        own["_started"].set()
        if "_handle" in own:  # from Python 3.13 on
            thread.__dict__["_handle"] = threading._make_thread_handle(0)  # type: ignore[attr-defined]
            thread.__dict__["_handle"]._set_done()
        else:
            thread.__dict__["_is_stopped"] = True
    return thread


def make_process(kind: Any, ended: tuple[int, int] | None, settings: dict[str, Any]) -> Any:
    """A process of `multiprocessing` that has not been started, or has ended, before it has its attributes.

    It is told to be of this process: else it would not even say whether it is alive.

    Args:
        ended: its number and its exit code, if it has ended.
        settings: what was set of it, as that it is a daemon.
    """
    import multiprocessing.process

    process = make_instance(kind)
    here = multiprocessing.process.current_process()
    config = {**here._config, **settings}  # type: ignore[attr-defined]
    known = {"_config": config, "_parent_pid": os.getpid(), "_popen": None}
    if ended is not None:
        known["_popen"] = _Ended(*ended)
    process.__dict__.update(known)
    return process


class _Ended:
    """Stands for a child of the system that has ended, as `multiprocessing` keeps one."""

    finalizer = None

    def __init__(self, pid: int, returncode: int) -> None:
        self.pid, self.returncode = pid, returncode

    def poll(self, *_: Any) -> int:
        """Its exit code."""
        return self.returncode

    wait = poll

    def terminate(self) -> None:
        """There is nobody to be told."""

    kill = close = terminate


def make_future(state: str) -> Any:
    """A future that is done, before it has its result."""
    future: Any = concurrent.futures.Future()
    future._state = state
    return future


def make_executor(workers: int, prefix: str, shut_down: bool) -> Any:
    """An executor that has nothing to do. It starts its threads when it has."""
    executor: Any = concurrent.futures.ThreadPoolExecutor(workers, prefix)
    executor._shutdown = shut_down
    return executor


class _Nothing:
    def __getitem__(self, place: int) -> Any:
        raise IndexError(place)


def _of_array() -> Iterator[Any]:
    import array

    return iter(array.array("b"))


_ITERATORS: dict[str, Callable[[], Iterator[Any]]] = {
    "list_reverseiterator": lambda: reversed([]),
    "str_iterator": lambda: iter("\u1234"),  # there is another class for ASCII
    "bytes_iterator": lambda: iter(b""),
    "bytearray_iterator": lambda: iter(bytearray()),
    "arrayiterator": _of_array,
    "iterator": lambda: iter(_Nothing()),
    "callable_iterator": lambda: iter(int, 0),
    "generic_alias_iterator": lambda: iter(list[int]),  # type: ignore[call-overload]
}


def ended_iterator(kind: str) -> Iterator[Any]:
    """An iterator of Python's own, called so, that has come to its end."""
    iterator = _ITERATORS[kind]()
    for _ in iterator:
        pass
    return iterator
