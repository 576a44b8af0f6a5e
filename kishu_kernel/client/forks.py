"""Kernels that begin in one state of a history, and go on from there at the same time: `Client.fork`.

Law: a fork is a process of its own, in a session and on a branch of its own; what it does is kept in the same store,
and stays when it has ended. Forks end with whoever made them, unless they are kept.
Neighbour: `frontend.shell.beginning` brings a new kernel to the state that it was started for.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from kishu_kernel.client.connection import STARTING, Connection, Json
from kishu_kernel.client.spares import Process, become, holding
from kishu_kernel.errors import CheckoutError, KishuError, NoKernelError
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.elsewhere import VARIABLE

END_SECONDS = 10.0
"""Seconds that a fork has to write what it did, before its process is killed."""

_OF_THE_NOTEBOOK = ("JPY_SESSION_NAME", "JPY_PARENT_PID", "KISHU_NOTEBOOK", VARIABLE, "KISHU_AUTO_RESUME")
"""Variables of the environment by which a server tells a kernel whose it is."""

_MOST_TEXT = 500

_kept: list[subprocess.Popen[bytes]] = []
"""Processes that may outlive this one. Python would warn of one that is forgotten while it runs."""


@dataclass(frozen=True, slots=True)
class ForkPlan:
    """What is to be forked. Another process can carry it out, too, where it reaches the store.

    Attributes:
        executable: the Python that runs the kernels, where it is there.
        store: the directory of the store.
        state: the id of the checkpoint in which they begin.
        need: the bytes that each will use.
        rules: what a person has chosen for forks, as `status` tells it.
        directory: where the kernel of the notebook was started, and they are, where that is there.
        encrypted: connections to them are, as those to the kernel of the notebook.
        large: the names of each large variable, and the checkpoint that made it so: several forks may share its memory.
    """

    executable: str
    store: str
    state: str
    need: int
    rules: Mapping[str, Any]
    directory: str | None = None
    encrypted: bool = False
    large: Sequence[tuple[Sequence[str], str]] = ()


class ForkedKernel:
    """The process of a fork.

    Args:
        plan: what is forked.
        kept: it goes on when this process ends.

    Attributes:
        file: its connection file, which it completes when it listens.
    """

    def __init__(self, plan: ForkPlan, kept: bool) -> None:
        directory = running_kernels.runtime_directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        self.file = directory / f"{running_kernels.FORK}{name}.json"
        self._said = _log_beside(self.file)
        if plan.encrypted:
            _write_keys(self.file)
        start_at, arguments = f"{plan.store}@{plan.state}", ["-f", str(self.file), *_options(plan.rules)]
        self._process: Process
        self._owned: socket.socket | None = None
        if (place := plan.rules.get("spare")) and (spare := become(place, start_at, arguments, self._said, kept)):
            self._process, self._owned = spare
        else:
            self._process = _started(plan, start_at, arguments, self._said, kept)

    def connection(self, waiting: Callable[[], None] | None = None) -> Connection:
        """Returns a connection, when it listens. Raises `NoKernelError` where it does not."""
        deadline = time.monotonic() + STARTING
        while not _listens(self.file):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._said.read_text("utf-8", "replace").strip()[-_MOST_TEXT:] or "it says nothing"
                raise NoKernelError(f"a kernel that was started for a fork does not answer: {said}")
            time.sleep(0.01)
        return Connection.to(self.file, waiting, "this fork")

    def wait(self, seconds: float) -> None:
        """Waits until it has ended; kills it where that takes longer."""
        try:
            self._process.wait(seconds)
        except (subprocess.TimeoutExpired, TimeoutError):
            self.kill()

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Removes what it needed to be found."""
        if self._owned is not None:
            self._owned.close()
        _forget(self.file)


def begin(connection: Connection, state: str) -> Json:
    """Waits until a fork stands in its state; returns its `status`.

    Raises:
        CheckoutError: it cannot; its kernel says why.
    """
    status = connection.reply("shell", connection.send("shell", "kishu_request", {"operation": "status"}), None)
    if status.get("status") != "ok" or status["kernel"]["resumed_from"] != state:
        why = status.get("evalue") or " ".join(status.get("warnings", ())) or "it does not say why"
        raise CheckoutError(f"a fork does not reach state {state}: {why}")
    return status


def started(plan: ForkPlan, number: int, kept: bool) -> Sequence[ForkedKernel]:
    """Starts the kernels of so many forks, all at once."""
    _forget_ended()
    kernels: list[ForkedKernel] = []
    try:
        with sharing(plan, number) as shared:
            for _ in range(number):
                kernels.append(ForkedKernel(shared, kept))
    except BaseException:
        for kernel in kernels:
            kernel.kill()
        raise
    return kernels


@contextmanager
def sharing(plan: ForkPlan, number: int) -> Iterator[ForkPlan]:
    """Within this context so many forks share the memory of what is large in their state, until one writes to it."""
    place = plan.rules.get("spare")
    if number < 2 or not place or not plan.large:
        yield plan
        return
    with holding(place, plan.store, plan.large) as holder:
        yield replace(plan, rules={**plan.rules, "spare": holder})


def end_process(file: str, pid: int) -> None:
    """Ends a fork that anybody started, when what it did is written; kills it where that takes longer.

    Args:
        file: its connection file.
    """
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        with suppress(KishuError), closing(Connection.to(file)) as connection:
            connection.reply("control", connection.send("control", "shutdown_request", {"restart": False}), END_SECONDS)
        try:
            process.wait(END_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(END_SECONDS)
    _forget(Path(file))


def _started(plan: ForkPlan, start_at: str, arguments: Sequence[str], said: Path, kept: bool) -> Process:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_NOTEBOOK}
    environment["KISHU_START_AT"] = start_at
    if not kept:
        environment["JPY_PARENT_PID"] = str(os.getpid())
    executable = plan.executable if os.path.exists(plan.executable) else sys.executable  # of another machine
    with said.open("wb") as output:
        process = subprocess.Popen(
            [executable, "-m", "kishu_kernel", *arguments],
            env=environment,
            cwd=plan.directory if plan.directory and os.path.isdir(plan.directory) else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt on the terminal is not for it
        )
    if kept:
        if not _kept:
            atexit.register(_let_go)
        _kept.append(process)
    return process


def _let_go() -> None:
    """They go on, and this process ends: nobody waits for them any more."""
    for process in _kept:
        if process.poll() is None:
            process.returncode = 0


def _options(rules: Mapping[str, Any]) -> list[str]:
    options = ((name, rules.get(name)) for name in ("limit", "memory_limit"))
    return [f"--KishuForks.{name}={value}" for name, value in options if value is not None]


def _write_keys(file: Path) -> None:
    """Writes a connection file with keys for encrypted connections, which leaves the ports to the kernel.

    Only this user may read it.
    """
    import zmq

    public, secret = zmq.curve_keypair()
    ports = dict.fromkeys(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 0)
    content = {
        **ports,
        "transport": "tcp",
        "ip": "127.0.0.1",
        "key": uuid.uuid4().hex,
        "signature_scheme": "hmac-sha256",
        "curve_publickey": public.decode("ascii"),
        "curve_secretkey": secret.decode("ascii"),
    }
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as written:
        json.dump(content, written)


def _listens(file: Path) -> bool:
    info = running_kernels.read_connection_file(str(file)) if file.exists() else None
    return info is not None and running_kernels.is_listening(info)


def _log_beside(file: Path) -> Path:
    return file.with_suffix(".log")


def _forget(file: Path) -> None:
    for each in (file, _log_beside(file)):
        with suppress(OSError):
            each.unlink()


def _forget_ended() -> None:
    """Removes what forks have left that somebody else has ended."""
    _kept[:] = [each for each in _kept if each.poll() is None]
    for log in running_kernels.runtime_directory().glob(f"{running_kernels.FORK}*.log"):
        with suppress(OSError):
            file = log.with_suffix(".json")
            if log.stat().st_mtime < time.time() - STARTING and not _listens(file):
                _forget(file)
