"""The ways to have many kernels in one state. A way is prepared once; then it is asked for so many, again and again."""

from __future__ import annotations

import ast
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.environments import python
from benchmarks.figures.forks import os_fork
from benchmarks.figures.forks.state import EXPECTED, LOOK, THINGS, UNUSUAL, probe, there, unseen
from benchmarks.harness import KISHU, PLAIN, BenchmarkError, Kernel, Launch, kernel_environment, launched
from kishu_kernel.client import Client, connect
from kishu_kernel.client.client import make_forks
from kishu_kernel.client.fork_limit import check, running_forks

WAITING = 300.0
"""Seconds that a notebook may need, and the spare process to be ready."""
SHORT = 3.0
"""Seconds that an idle kernel has to answer."""
SPARE = Launch("kishu", ("kishu_kernel", "--KishuForks.spare=True"))
ENVIRONMENT = "elastic-kernel"


@dataclass
class Begun:
    """Kernels that stand in the state.

    Attributes:
        seconds: from the call until the last one had answered.
        pids: their processes.
        helped: seconds of processor time that others have spent on it.
        probed: what of the state is there, in each.
        told: what the way itself says that is lost.
    """

    seconds: float
    pids: Sequence[int]
    probed: Callable[[], list[dict[str, bool]]]
    helped: float = 0.0
    told: Sequence[str] = ()


class Way(Protocol):
    """One way, prepared."""

    def begun(self, number: int) -> AbstractContextManager[Begun]:
        """So many kernels in the state; they end with the block."""


# --- ours


@dataclass
class Ours:
    """`Client.fork`. Forks with a spare process and without one come of the same kernel."""

    client: Client
    expected: str
    spare: bool
    place: Path

    @contextmanager
    def begun(self, number: int) -> Iterator[Begun]:
        """As in `Way`. Raises `ForkLimitError` where they do not fit."""
        kernel = self.client.status(memory=True)["kernel"]
        helpers = [kernel["forks"]["spare_pid"]] if self.spare else []
        before = processor_time(helpers)
        with ExitStack() as ended, _variables(self.place):
            began = time.perf_counter()
            plan = self.client.fork_plan()
            check(number, plan.need, plan.rules)
            rules = plan.rules if self.spare else {**plan.rules, "spare": None}
            forks = make_forks(replace(plan, rules=rules), number)
            for fork in forks:
                ended.callback(fork.end)
            printed = {_text(fork, LOOK) or _text(fork, LOOK) for fork in forks}  # what it prints may come late
            seconds = time.perf_counter() - began
            if len(printed) > 1:
                raise BenchmarkError(f"forks differ: {printed}")
            files = {fork.connection_file for fork in forks}
            pids = [each.pid for each in running_forks() if each.connection_file in files]
            if len(pids) < number:
                raise BenchmarkError(f"{number} forks were made, and {len(pids)} are told to run")
            told = " ".join(each for fork in forks[:1] for each in fork.status()["warnings"])
            cell = probe(self.expected)
            yield Begun(
                seconds,
                pids,
                lambda: [there(_text(fork, cell)) for fork in forks],
                processor_time(helpers) - before,
                [name for name, variable in THINGS.items() if variable and f" {variable}" in told.replace(",", " ")],
            )


@contextmanager
def ours(cells: Sequence[str], place: Path) -> Iterator[tuple[Ours, Ours]]:
    """The notebook's kernel, whose spare process is ready: forks with it, and without."""
    with launched(SPARE, place) as kernel:
        expected = _session(kernel, cells)
        with closing(connect(kernel.connection_file)) as client:
            client.hibernate(WAITING)
            _wait_for_spare(client)
            yield Ours(client, expected, True, place), Ours(client, expected, False, place)


def _wait_for_spare(client: Client) -> None:
    """Until it is there, and has imported all that it was told to."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        forks = client.status(memory=True)["kernel"]["forks"]
        if forks["spare"] is not None:
            before = processor_time([forks["spare_pid"]])
            time.sleep(0.5)
            if processor_time([forks["spare_pid"]]) - before < 0.02:
                return
        time.sleep(0.1)
    raise BenchmarkError("the spare process is not ready")


def _text(client: Client, code: str) -> str:
    ran = client.run(code)
    if ran["status"] != "ok":
        raise BenchmarkError(f"{code[:50]!r} failed in a fork: {ran['outputs']}")
    printed = "".join(each.get("text", "") for each in ran["outputs"])
    return re.sub(r"\s*\[kishu\] Not brought back: .*? say why\.\s*", " ", printed).strip()  # it stands anywhere


# --- new kernels of others


@dataclass
class NewKernels:
    """So many new kernels that run some cells, all at the same time.

    Attributes:
        left_out: what the way's own file could not have.
    """

    launch: Launch
    cells: Sequence[str]
    expected: str
    place: Path
    left_out: Sequence[str] = ()

    @contextmanager
    def begun(self, number: int) -> Iterator[Begun]:
        """As in `Way`."""
        with ExitStack() as ended, ThreadPoolExecutor(number) as threads:
            began = time.perf_counter()
            kernels = [ended.enter_context(launched(self.launch, self.place)) for _ in range(number)]
            list(threads.map(self.answer, kernels))
            seconds = time.perf_counter() - began
            pids = [kernel.pid for kernel in kernels]
            yield Begun(seconds, pids, lambda: list(map(self.probed, kernels)), told=self.left_out)

    def answer(self, kernel: Kernel) -> None:
        """Waits until a kernel has answered in the state."""
        if failed := kernel.queue([*self.cells, LOOK], WAITING).failed:
            raise BenchmarkError(f"cells failed: {failed}")

    def probed(self, kernel: Kernel) -> dict[str, bool]:
        """What of the state is there."""
        return there(kernel.run(probe(self.expected)).stdout)


class ElasticKernels(NewKernels):
    """They restore when they start. Asked by expressions: after some notebooks they answer no cell any more."""

    def answer(self, kernel: Kernel) -> None:
        """As in `NewKernels`."""
        kernel.wait()
        kernel.value(unseen(LOOK))

    def probed(self, kernel: Kernel) -> dict[str, bool]:
        """As in `NewKernels`."""
        found = str(ast.literal_eval(kernel.value(unseen(probe(self.expected)))))
        kernel.patience = SHORT
        try:
            kernel.run("pass")
        except BenchmarkError:
            return there(found, answers=False)
        return there(found)


def again(cells: Sequence[str], expected: str, place: Path) -> NewKernels:
    """New kernels that re-run the notebook."""
    return NewKernels(PLAIN, cells, expected, place)


@contextmanager
def dill(cells: Sequence[str], place: Path) -> Iterator[NewKernels]:
    """New kernels that load a session of dill's."""
    path = place / "session.pkl"
    with launched(PLAIN, place) as kernel:
        expected = _session(kernel, cells)
        left_out = _saved(kernel, lambda: kernel.run(f"__import__('dill').dump_session({str(path)!r})", silent=True))
    yield NewKernels(PLAIN, [f"__import__('dill').load_session({str(path)!r})"], expected, place, left_out)
    path.unlink()


@contextmanager
def elastic(cells: Sequence[str], place: Path) -> Iterator[NewKernels]:
    """New kernels of elastic-kernel, which restore when they start."""
    notebook = place / "elastic" / "notebook.ipynb"  # its file is named after this one's inode
    notebook.parent.mkdir()
    notebook.write_text("{}", encoding="utf-8")
    variables = {"PYTHONPATH": "", "JPY_SESSION_NAME": str(notebook)}
    launch = Launch(ENVIRONMENT, ("elastic_kernel.kernel",), python(ENVIRONMENT), variables)
    with launched(launch, place) as kernel:
        expected = _session(kernel, cells)
        left_out = _saved(kernel, lambda: _elastic_saved(kernel))
    yield ElasticKernels(launch, [], expected, place, left_out)


def _elastic_saved(kernel: Kernel) -> None:
    saved = ast.literal_eval(kernel.value("get_ipython().kernel._save_checkpoint()"))
    if not saved["ok"]:
        raise BenchmarkError(f"it saves nothing: {saved.get('error') or saved.get('reason')}")


def _saved(kernel: Kernel, save: Callable[[], object]) -> list[str]:
    """Has a session saved without what keeps it from being saved at all; returns what that is."""
    left_out: list[str] = []
    for thing, variables in UNUSUAL.items():
        try:
            save()
        except BenchmarkError:
            left_out.append(thing)
            kernel.run(f"del {variables}")
        else:
            return left_out
    save()
    return left_out


# --- os.fork


@dataclass
class OsFork:
    """A cell of a plain kernel that calls `os.fork`; each child answers over a pipe until it is to end."""

    kernel: Kernel
    expected: str

    @contextmanager
    def begun(self, number: int) -> Iterator[Begun]:
        """As in `Way`."""
        before = processor_time([self.kernel.pid])
        began = time.perf_counter()
        answers = json.loads(self.kernel.run(os_fork.fork(number, LOOK)).stdout)
        seconds = time.perf_counter() - began
        helped = processor_time([self.kernel.pid]) - before
        if len(set(answers.values())) > 1:
            raise BenchmarkError(f"children differ: {answers}")
        code = os_fork.ask(probe(self.expected))
        try:
            yield Begun(
                seconds,
                [int(pid) for pid in answers],
                lambda: [there(text, answers=False) for text in json.loads(self.kernel.run(code).stdout)],
                helped,
            )
        finally:
            self.kernel.run(os_fork.END)


@contextmanager
def plain(cells: Sequence[str], place: Path) -> Iterator[tuple[OsFork, str]]:
    """A plain kernel with the notebook's state, to be forked; and what is expected of it."""
    with launched(PLAIN, place) as kernel:
        expected = _session(kernel, cells)
        kernel.run(os_fork.BEGIN)
        yield OsFork(kernel, expected), expected


# --- the same for all


def _session(kernel: Kernel, cells: Sequence[str]) -> str:
    """Runs the notebook; returns what is expected of its state."""
    kernel.wait()
    for cell in cells:
        kernel.run(cell)
    return str(ast.literal_eval(kernel.value(EXPECTED)))


def processor_time(pids: Sequence[int]) -> float:
    """Seconds that these processes have had."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


@contextmanager
def _variables(place: Path) -> Iterator[None]:
    """Forks begin with the variables of the environment of whoever makes them: those of all kernels here."""
    before, theirs = dict(os.environ), kernel_environment(place)  # which takes over what is there
    os.environ.clear()
    os.environ.update(theirs)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def bare(place: Path, launch: Launch) -> float:
    """Seconds from the launch of a bare kernel to its first reply."""
    with launched(launch, place) as kernel:
        return kernel.first_replies()[0]


UNITS = {"kishu": KISHU, "ipykernel": PLAIN}
