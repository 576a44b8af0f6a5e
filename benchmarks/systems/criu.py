"""CRIU: the kernel's process as a whole, dumped after each cell; a restore puts the process back.

CRIU is of the machine, not of an environment, and only root can use it: the benchmark does not install it. Where it
is missing, or does not pass its own check, the session does not start, and the error says so in CRIU's words.

Not tested: anything after `criu check`. Debian's 3.17.1 fails it on the machines at hand (Linux 6.18: it does not know
the vDSO there), so that dump and restore below follow CRIU's manual, and no run of theirs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty

from benchmarks.harness import TIMEOUT, BenchmarkError, Kernel, Run
from benchmarks.systems.base import IPYKERNEL, Subject, System, attached
from benchmarks.workloads import Cell

OF_A_KERNEL = ("--tcp-established", "--ext-unix-sk", "--file-locks", "--shell-job", "--manage-cgroups=ignore")
"""What a dump and a restore must accept: connections to the client, sockets of the parent, and how it was started."""

STAY_WITHOUT_PARENT = "get_ipython().kernel.parent.poller.parent_pid = 0"
"""Else a restored ipykernel notices that its parent is another process, and ends itself."""


class Criu(Subject):
    """A directory of images per cell. Incremental: what did not change since the last is left to it."""

    keeps = True

    def __init__(self, kernel: Kernel, criu: str, place: Path, *, incremental: bool) -> None:
        super().__init__(kernel)
        self._criu, self._place, self._incremental = criu, place, incremental
        self._last: Path | None = None
        self._made = 0
        self._restored: subprocess.Popen[bytes] | None = None

    def attach(self) -> None:
        """As in `Subject`."""
        super().attach()
        self.kernel.run(STAY_WITHOUT_PARENT, silent=True)

    def run(self, cell: Cell) -> Run:
        """The process stands still while it is dumped: that belongs to the cell."""
        run = super().run(cell)
        self._dump()
        return replace(run, seconds=time.perf_counter() - run.sent)

    def mark(self) -> Path:
        """The images of the state."""
        if self._last is None:
            raise BenchmarkError("nothing was dumped yet")
        return self._last

    def restore(self, mark: Path) -> float:
        """Kill the process, and put the dumped one in its place, with the same id."""
        started = time.perf_counter()
        self.kill()
        # Its parent is the restoring process, which waits for its end: no zombie is left that would keep the id.
        command = (self._criu, "restore", "--images-dir", str(mark), "--log-file", "restore.log", *OF_A_KERNEL)
        self._restored = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._reconnect()
        self._last = mark
        return time.perf_counter() - started

    def stored(self) -> int:
        """Bytes of all images."""
        return sum(file.stat().st_size for file in self._place.rglob("*") if file.is_file() and not file.is_symlink())

    def kill(self) -> None:
        """End the process, and see it gone."""
        pid = self.kernel.pid
        if self._restored is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        elif self._restored.poll() is None:
            os.kill(pid, signal.SIGKILL)
            self._restored.wait()

    def _dump(self) -> None:
        images = self._place / str(self._made)
        self._made += 1
        images.mkdir(parents=True)
        tracked = ["--track-mem"] if self._incremental else []
        if self._incremental and self._last is not None:
            tracked += ["--prev-images-dir", os.path.relpath(self._last, images)]
        command = [self._criu, "dump", "--tree", str(self.kernel.pid), "--images-dir", str(images)]
        _done([*command, "--log-file", "dump.log", "--leave-running", *OF_A_KERNEL, *tracked])
        self._last = images

    def _reconnect(self) -> None:
        """Until the client, whose connections died with the old process, hears the new one on all channels."""
        client = self.kernel._client
        deadline = time.perf_counter() + TIMEOUT
        while time.perf_counter() < deadline:
            if self._restored is not None and self._restored.poll() not in (None, 0):
                assert self._restored.stderr is not None
                raise BenchmarkError(_words(self._restored.stderr.read().decode(errors="replace")))
            client.kernel_info()
            try:
                client.get_shell_msg(timeout=0.2)
                client.get_iopub_msg(timeout=0.2)
            except Empty:
                continue
            return
        raise BenchmarkError(f"the restored kernel did not answer within {TIMEOUT:.0f} s")


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise BenchmarkError(_words(done.stderr + done.stdout))


def _words(output: str) -> str:
    """What CRIU said, without the lines that tell only that a helper of its own ended."""
    lines = [line.strip() for line in output.splitlines()]
    telling = [line for line in lines if line and "exited, status" not in line]
    return "criu: " + ("; ".join(telling)[:290] or "failed, and says nothing")


def _found() -> str:
    """The program, if it works here."""
    program = shutil.which("criu", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if program is None:
        raise BenchmarkError("criu: not installed")
    _done([program, "check"])
    return program


def _starter(incremental: bool) -> Callable[[Path], AbstractContextManager[Subject]]:
    @contextmanager
    def start(place: Path) -> Iterator[Subject]:
        criu = _found()
        make = partial(Criu, criu=criu, place=place / "images", incremental=incremental)
        with attached("kishu-kernel", IPYKERNEL, place, make) as subject:
            try:
                yield subject
            finally:
                subject.kill()

    return start


CRIU = System("criu", "CRIU", "the process is dumped after each cell, and restored", _starter(incremental=False))
CRIU_INCREMENTAL = System(
    "criu-incremental",
    "CRIU-incremental",
    "as CRIU; pages that did not change are left to the last dump",
    _starter(incremental=True),
)
