"""The spare process of a kernel: it has imported the kernel's libraries, and becomes the kernel of a fork by `os.fork`.

Law: until then it has no thread of Python's, no loop, no socket of Jupyter's, no store and no shell, so that nothing is
lost in a fork, and a fork is what a kernel is that has just imported these libraries. A library that does more than
that when it is imported is named, and this process ends. It ends when its kernel does; its forks do not.
Neighbours: `spare` is the kernel's side; `client.spares` asks for forks.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from kishu_kernel.objects.registry import registry
from kishu_kernel.process.lines import Lines, line

_EACH_NEEDS = (
    "ipykernel.kernelapp",
    "kishu_kernel.frontend.kernel.kernel",
    "kishu_kernel.frontend.kernel.launcher",
    "kishu_kernel.frontend.protocol.request_handler",
    "kishu_kernel.frontend.shell.history_notice",
    "kishu_kernel.session.checkout",
    "kishu_kernel.store.catalog.assignment",
    "kishu_kernel.store.catalog.named_stores",
    "kishu_kernel.store.lmdb_store",
    "kishu_kernel.store.write_behind.handover",
    "ipykernel.debugger",
    "IPython.core.completerlib",
)
"""Modules that each kernel imports when it begins in a state."""
_LOOK = 1.0
"""Seconds between two looks at whether the kernel still lives."""


def main(told: str) -> None:
    """Runs the process until its kernel ends. Its socket is the standard input."""
    known = json.loads(told)
    kernel = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for forks
    for name in _EACH_NEEDS:
        importlib.import_module(name)
    process = _Process(kernel, known["place"], known["owner"])
    try:
        process.serve()
    finally:
        process.forget()


class _Process:
    def __init__(self, kernel: socket.socket, place: str, owner: int) -> None:
        self._kernel = kernel
        self._place = place
        self._owner = owner
        self._pid = os.getpid()
        self._lines = Lines()
        self._listener: socket.socket | None = None

    def serve(self) -> None:
        while _is_running(self._owner):
            sockets = [self._kernel, *([self._listener] if self._listener else [])]
            for ready in select.select(sockets, [], [], _LOOK)[0]:
                if ready is self._listener:
                    self._fork()
                elif not self._told():
                    return

    def forget(self) -> None:
        if os.getpid() == self._pid:
            with suppress(OSError):
                os.unlink(self._place)

    def _told(self) -> bool:
        """Imports what the kernel says. Returns whether to go on."""
        data = self._kernel.recv(1 << 16)
        for message in self._lines.take(data):
            left_out = imported(message["modules"])
            if left_out:
                self._kernel.sendall(line({"left_out": left_out}))
                return False
            self._listener = self._listener or listening(self._place)
            self._kernel.sendall(line({"place": self._place, "pid": os.getpid()}))
        return bool(data)

    def _fork(self) -> None:
        assert self._listener is not None
        asking, _ = self._listener.accept()
        with asking:
            asking.settimeout(_LOOK)
            try:
                [wanted] = Lines().take(_line_from(asking))
            except (OSError, ValueError):
                return
            asking.settimeout(None)
            if os.fork():
                return
            self._listener.close()
            self._kernel.close()
            if "hold" in wanted:
                self._hold(asking, wanted)
            _become(asking, wanted)

    def _hold(self, asking: socket.socket, wanted: dict[str, Any]) -> None:
        """Goes on as a spare process whose forks find the large arrays of a state in memory, until nobody asks it."""
        os.setsid()
        hold_state(wanted["hold"], wanted["versions"])
        holder = _Process(asking, f"{self._place}-{os.getpid()}", self._owner)
        holder._listener = listening(holder._place)
        try:
            asking.sendall(line({"place": holder._place}))
            holder.serve()
        finally:
            holder.forget()
        os._exit(0)


def _line_from(asking: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = asking.recv(1 << 16)
        if not more:
            raise ValueError("it asks for nothing")
        data += more
    return data


def _become(asking: socket.socket, wanted: dict[str, Any]) -> None:
    """Goes on as a fork's kernel, and ends as one."""
    from kishu_kernel.frontend.kernel import launcher

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(wanted["log"], "ab") as said, open(os.devnull, "rb") as nothing:
        for stream, number in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(stream.fileno(), number)
    asking.sendall(line({"pid": os.getpid()}))
    os.environ["KISHU_START_AT"] = wanted["start_at"]
    for library in registry.libraries():
        library.after_fork()
    sys.argv = [str(Path(launcher.__file__).parents[2] / "__main__.py"), *wanted["arguments"]]
    launcher.launch(wanted["arguments"], None if wanted["kept"] else asking)
    sys.exit(0)


def hold_state(store: str, versions: Sequence[tuple[Sequence[str], str]]) -> None:
    """Has the buffers of some versions ready for the forks of this process. What cannot be read, they will tell."""
    from kishu_kernel.errors import KishuError
    from kishu_kernel.model import CheckpointId, Version
    from kishu_kernel.process import inherited_memory
    from kishu_kernel.store.lmdb_store import LmdbStore

    with suppress(KishuError), closing(LmdbStore(Path(store), readonly=True)) as opened:
        for names, checkpoint in versions:
            with suppress(KishuError):
                for blob in opened.load(Version(tuple(names), CheckpointId(checkpoint))).blobs:
                    inherited_memory.hold(tuple(blob.digests), blob.nbytes, blob.readinto)
    for thread in threading.enumerate():  # those that helped to read are about to end
        if thread is not threading.current_thread():
            thread.join()


# -- importing -----------------------------------------------------------------------------------


def imported(names: Sequence[str]) -> list[str]:
    """Imports modules. Returns the packages of which one has done more than that."""
    found: dict[str, None] = {}
    with watching_the_shell() as asked, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if name in sys.modules:
                continue
            before, package = _traces(), name.partition(".")[0]
            with suppress(Exception):
                importlib.import_module(name)
            threads, descriptors, own = _traces()
            more_threads = threads > before[0] and package not in registry.packages_that_are("survives_fork")
            if asked or more_threads or descriptors - before[1] or own > before[2]:
                found[package] = None
                asked.clear()
    return list(found)


def _traces() -> tuple[int, frozenset[str], int]:
    """Returns how many threads the process has, what it has open, and how many threads of Python's there are."""
    descriptors = frozenset(f"{each} {target}" for each in os.listdir("/proc/self/fd") if (target := _target(each)))
    return len(os.listdir("/proc/self/task")), descriptors, threading.active_count()


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # it was that of the listing
        return ""


@contextmanager
def watching_the_shell() -> Iterator[list[str]]:
    """Within this context the list has an item for each time that somebody asks whether there is a shell."""
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.interactiveshell import InteractiveShell

    asked: list[str] = []
    kinds: tuple[Any, ...] = (InteractiveShell, IPKernelApp)
    for kind in kinds:
        kind.initialized = lambda: bool(asked.append("it was asked"))  # type: ignore[func-returns-value]
    try:
        yield asked
    finally:
        for kind in kinds:
            del kind.initialized  # again that of the base class


# -- sockets -------------------------------------------------------------------------------------


def listening(place: str) -> socket.socket:
    """Returns a socket that listens at a path, which may be longer than such paths can be."""
    listener = socket.socket(socket.AF_UNIX)
    directory = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(place)}")
    finally:
        os.umask(before)
        os.close(directory)
    listener.listen(64)
    return listener


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
