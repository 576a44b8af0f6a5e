"""Which kernels are running, on which notebook and store. Each says so in a file beside Jupyter's connection files.

Law: such a file is a hint. A kernel is running if its process exists and listens, whatever files say. The file of a
kernel that was killed is ignored, and removed when the next one starts. A kernel that cannot write one works all the
same, and is found by its connection file only.
Neighbours: `assignment` knows whose the stores are; `kishu_kernel.client.connection` connects to the kernels.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.store.disk.directory import make_file_private, make_missing

FORK = "kernel-fork-"
"""How the connection files of forks begin."""

_PREFIX = "kishu-live-"
_MAX_SIZE = 1 << 16
"""Bytes of such a file, or of a connection file."""
_MOMENT = 2.0
"""Seconds. A process of this machine accepts a connection sooner, however busy it is: the system does it."""


@dataclass(frozen=True, slots=True)
class LiveKernel:
    """A kernel that is running, or was when its file was written.

    Attributes:
        notebook: absolute path, where the frontend has said it.
        store: directory; None before it is open, and while the history is in memory.
        host: name of its machine. Process ids and ports of another machine mean nothing here.
    """

    session: str
    pid: int
    host: str
    connection_file: str
    notebook: str | None = None
    store: str | None = None

    @property
    def is_fork(self) -> bool:
        """Whether it was started as a fork: it does not answer for the notebook whose history it goes on with."""
        return is_fork(self.connection_file)


def is_fork(connection_file: str) -> bool:
    """Whether this is the connection file of a fork."""
    return Path(connection_file).name.startswith(FORK)


class Announcement:
    """The file that says of a running kernel what it has open.

    Args:
        connection_file: absolute path; None where nobody can connect: then nothing is content.
    """

    def __init__(self, session: str, connection_file: str | None) -> None:
        self._file = connection_file and runtime_directory() / f"{_PREFIX}{session}.json"
        self._known: tuple[str | None, str | None] | None = None
        self._mine = LiveKernel(session, os.getpid(), socket.gethostname(), connection_file or "")
        if self._file:
            _remove_dead()

    def tell(self, notebook: str | None, store: Path | None) -> None:
        """Write what is known now. Cheap where nothing has changed. Never raises."""
        known = notebook, None if store is None else str(store)
        if not self._file or known == self._known:
            return
        self._known = known
        with suppress(OSError):
            where = notebook and os.path.abspath(notebook)
            mine = {name: getattr(self._mine, name) for name in LiveKernel.__slots__}
            _write(self._file, mine | {"notebook": where, "store": known[1]})

    def withdraw(self) -> None:
        """Remove the file, since the kernel ends. In a forked child this does nothing."""
        if self._file and os.getpid() == self._mine.pid:
            with suppress(OSError):
                self._file.unlink()


def live_kernels() -> list[LiveKernel]:
    """The running kernels of this user on this machine, the last started first."""
    found = sorted(filter(is_live, _read_all().values()), key=lambda each: each.session, reverse=True)
    return list({each.connection_file: each for each in reversed(found)}.values())[::-1]  # a restart keeps the file


def live_on(notebook: str | Path) -> list[LiveKernel]:
    """The running kernels of a notebook, by the path that it had when they last looked."""
    return [each for each in live_kernels() if each.notebook is not None and _same(each.notebook, notebook)]


def live_in(store: str | Path) -> list[LiveKernel]:
    """The running kernels that have a store open, without forks: they do not answer for its notebook."""
    found = (each for each in live_kernels() if each.store is not None and not each.is_fork)
    return [each for each in found if _same(str(each.store), store)]


def sessions_in(store: str | Path) -> list[str]:
    """The sessions of the running kernels that have a store open. Others are not asked whether they run."""
    return [each.session for each in _read_all().values() if each.store and _same(each.store, store) and is_live(each)]


def is_live(kernel: LiveKernel) -> bool:
    """Whether a kernel still runs: its process exists, and the ports in its connection file are listened on."""
    if kernel.host != socket.gethostname() or not is_process_running(kernel.pid):
        return False
    connection = read_connection_file(kernel.connection_file)
    return connection is not None and is_listening(connection)


def is_process_running(pid: int) -> bool:
    """Whether there is such a process."""
    import psutil

    return bool(psutil.pid_exists(pid))


def read_connection_file(path: str | Path) -> dict[str, Any] | None:
    """The content of a connection file; None where it is none."""
    content = _read(Path(path))
    wanted = {"transport": str, "ip": str, "control_port": int, "shell_port": int, "key": str}
    return content if content and all(isinstance(content.get(key), kind) for key, kind in wanted.items()) else None


def is_listening(connection: Mapping[str, Any]) -> bool:
    """Whether somebody accepts connections on the ports of a connection file. A busy kernel does."""
    ip, port = connection["ip"], connection["control_port"]
    try:
        if connection["transport"] == "ipc":
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(_MOMENT)
                line.connect(f"{ip}-{port}")
        else:
            socket.create_connection((ip, port), _MOMENT).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def runtime_directory() -> Path:
    """Jupyter's directory for files of running processes."""
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


# --- files


def _read_all() -> dict[Path, LiveKernel]:
    """The content of all files, true or not."""
    found = {}
    with suppress(OSError), os.scandir(runtime_directory()) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(".json"):
                content = _read(Path(entry.path))
                kernel = content and _kernel(content)
                if kernel:
                    found[Path(entry.path)] = kernel
    return found


def _remove_dead() -> None:
    """Remove the files of kernels on this machine that were killed."""
    for file, kernel in _read_all().items():
        if kernel.host == socket.gethostname() and not is_live(kernel):
            with suppress(OSError):
                file.unlink()


def _kernel(content: Mapping[str, Any]) -> LiveKernel | None:
    session, pid, host, connection_file = (content.get(key) for key in ("session", "pid", "host", "connection_file"))
    notebook, store = content.get("notebook"), content.get("store")
    if not all(isinstance(each, str) for each in (session, host, connection_file)) or type(pid) is not int:
        return None
    if not all(each is None or isinstance(each, str) for each in (notebook, store)) or not 0 < pid < 1 << 31:
        return None
    return LiveKernel(str(session), pid, str(host), str(connection_file), notebook, store)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        if not file.is_file():  # opening some devices does something
            return None
        with file.open("rb") as stream:
            content = json.loads(stream.read(_MAX_SIZE))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Write a file, for this user only, whole or not at all. It need not survive a power failure."""
    make_missing(file.parent)
    descriptor, beside = tempfile.mkstemp(prefix=".kishu-live-", dir=file.parent)
    try:
        make_file_private(descriptor)
        with open(descriptor, "w", encoding="ascii") as stream:
            json.dump(content, stream)
        os.replace(beside, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _same(one: str | Path, other: str | Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))
