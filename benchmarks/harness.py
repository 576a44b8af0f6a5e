"""Real kernels, driven side by side, and what is measured of them.

Law: systems are compared within one run and take turns, so that what else the machine does hits
all of them; figures are medians of paired differences or ratios. Time is taken by the client, from
sending a request to the arrival of its reply.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

import psutil
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TIMEOUT = 120.0
Measured = TypeVar("Measured")
Subject = TypeVar("Subject")
PACKAGES = (
    *("ipykernel", "ipython", "jupyter_client", "pyzmq", "cloudpickle", "lmdb", "xxhash"),
    *("numpy", "pandas", "psutil"),
)


class BenchmarkError(Exception):
    """A kernel did not do what the benchmark needs of it: there is no figure."""


class NoReplyError(BenchmarkError):
    """A kernel is still at work."""


# --- systems


@dataclass(frozen=True)
class Launch:
    """A kernel as it is launched: `python -m` and these arguments.

    Attributes:
        python: the interpreter. One of another environment does not see this checkout.
        variables: of its environment, besides those of every system.
    """

    name: str
    arguments: tuple[str, ...]
    python: str = sys.executable
    variables: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_ours(self) -> bool:
        """It answers kishu_requests."""
        return self.arguments[0] == "kishu_kernel"


PLAIN = Launch("ipykernel", ("ipykernel_launcher",))
KISHU = Launch("kishu", ("kishu_kernel",))
PATCHED = Launch("kishu, patched namespace", ("kishu_kernel", "--KishuKernel.tracker=namespace"))


class _Manager(KernelManager):
    """Launches one system, whatever kernelspecs are installed."""

    system = PLAIN

    @property
    def kernel_spec(self) -> KernelSpec:
        module, *options = self.system.arguments
        common = ["-f", "{connection_file}", "--log-level=ERROR"]
        command = [self.system.python, "-m", module, *common, *options]
        return KernelSpec(argv=command, display_name=self.system.name, language="python")


@dataclass(frozen=True)
class Run:
    """A cell that ran.

    Attributes:
        seconds: from sending it to its reply.
        stdout: what it printed.
        sent: when, by `time.perf_counter()`.
        idle: from sending it until the kernel was idle again. Nobody waits for what comes after the reply, unless
            there is a next cell at once.
    """

    seconds: float
    stdout: str
    sent: float = 0.0
    idle: float = 0.0


@dataclass(frozen=True)
class Queued:
    """Cells that were sent all at once.

    Attributes:
        seconds: from sending the first to the last reply.
        failed: the numbers of those that raised.
    """

    seconds: float
    failed: list[int]


class Kernel:
    """A running kernel and the client that talks to it.

    Attributes:
        patience: seconds that a reply may take.
    """

    patience = TIMEOUT

    def __init__(self, manager: _Manager, client: BlockingKernelClient, started: float) -> None:
        self.system = manager.system
        self._started = started
        self._manager = manager
        self._client = client

    @property
    def connection_file(self) -> str:
        """By which other clients find it."""
        return str(self._manager.connection_file)

    @property
    def pid(self) -> int:
        """Of the kernel's process."""
        return int(self._manager.provisioner.pid)  # type: ignore[union-attr]

    def wait(self) -> None:
        """Wait until it is up. BenchmarkError if it never is."""
        try:
            self._client.wait_for_ready(timeout=TIMEOUT)
        except RuntimeError as error:
            raise BenchmarkError(f"{self.system.name}: {error}") from error

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """A fresh process in its place; returns when it is up."""
        leader = self._manager.provisioner.pid if self._manager.provisioner else None
        self._manager.restart_kernel(now=True)
        _end_session(leader)
        self.wait()

    def first_replies(self) -> tuple[float, float]:
        """Seconds from the launch to the replies to a kernel_info_request and to a first cell.

        Both are sent before the kernel is up.
        """
        requests = self._client.kernel_info(), self._client.execute("first = 1")
        known, ran = (self._arrival(request) for request in requests)
        return known, ran

    def _arrival(self, request: str) -> float:
        if self._reply(request)["status"] != "ok":
            raise BenchmarkError(f"{self.system.name} failed at its start")
        return time.perf_counter() - self._started

    def run(self, code: str, *, silent: bool = False) -> Run:
        """Run a cell. The next may follow at once: this waits until the kernel is idle.

        Args:
            silent: no cell of the notebook: not counted, and no hooks of IPython's run.

        Raises:
            BenchmarkError: the cell raised, or there is no reply.
        """
        sent = time.perf_counter()
        request = self._client.execute(code, silent=silent)
        content = self._reply(request)
        seconds = time.perf_counter() - sent
        stdout = "".join(self._streams(request))
        idle = time.perf_counter() - sent
        if content["status"] != "ok":
            raise BenchmarkError(f"{code[:200]!r}: {content.get('ename')}: {content.get('evalue')}")
        return Run(seconds, stdout, sent, idle)

    def queue(self, cells: Sequence[str], seconds: float) -> Queued:
        """Run cells as Run All does: each is sent before the first has ended. One that raises stops no other.

        Raises:
            NoReplyError: not all have ended within so many seconds.
        """
        sent = time.perf_counter()
        requests = [self._client.execute(code, stop_on_error=False, allow_stdin=False) for code in cells]
        waiting = {request: number for number, request in enumerate(requests)}
        failed = []
        while waiting:
            while self._client.iopub_channel.msg_ready():  # else what comes later would be dropped
                self._client.get_iopub_msg(timeout=0)
            if time.perf_counter() - sent > seconds:
                raise NoReplyError(f"{len(waiting)} of {len(cells)} cells had no reply within {seconds:.0f} s")
            with suppress(Empty):
                message = self._client.get_shell_msg(timeout=0.5)
                number = waiting.pop(message["parent_header"].get("msg_id"), None)
                if number is not None and message["content"]["status"] != "ok":
                    failed.append(number)
        return Queued(time.perf_counter() - sent, failed)

    def value(self, expression: str) -> str:
        """The repr of an expression, without running a cell of the notebook."""
        request = self._client.execute("", silent=True, user_expressions={"value": expression})
        found = self._reply(request)["user_expressions"]["value"]
        self._streams(request)
        if found["status"] != "ok":
            raise BenchmarkError(f"{expression}: {found.get('ename')}: {found.get('evalue')}")
        return str(found["data"]["text/plain"])

    def kishu(self, operation: str, **parameters: object) -> tuple[dict[str, Any], float]:
        """The content of a kishu_reply, and the seconds until it came."""
        content = {"operation": operation, **parameters}
        message = self._client.session.msg("kishu_request", content)
        sent = time.perf_counter()
        self._client.shell_channel.send(message)
        reply = self._reply(message["header"]["msg_id"])
        seconds = time.perf_counter() - sent
        self._streams(message["header"]["msg_id"])
        if reply["status"] != "ok":
            raise BenchmarkError(f"{operation}: {reply.get('ename')}: {reply.get('evalue')}")
        return reply, seconds

    def ask(self, question: str) -> Any:
        """What the agent of `benchmarks.inside` answers, if it was loaded. BenchmarkError if it cannot."""
        message = self._client.session.msg("benchmark_request", {"ask": question})
        self._client.shell_channel.send(message)
        reply = self._reply(message["header"]["msg_id"])
        self._streams(message["header"]["msg_id"])
        if reply["status"] != "ok":
            raise BenchmarkError(f"{question}: {reply.get('ename')}: {reply.get('evalue')}")
        return reply["answer"]

    def settle(self) -> None:
        """Wait until the last checkpoint is written, as in a person's think time."""
        while self.kishu("status")[0]["pending"]:
            time.sleep(0.01)

    def check(self) -> None:
        """Raise BenchmarkError if the kernel warned: a checkpoint that failed was cheap."""
        if self.system.is_ours and (warnings := self.kishu("status")[0]["warnings"]):
            raise BenchmarkError(f"{self.system.name} warned: {' '.join(warnings)}")

    def _reply(self, request: str) -> dict[str, Any]:
        try:
            while True:
                message = self._client.get_shell_msg(timeout=self.patience)
                if message["parent_header"].get("msg_id") == request:
                    return dict(message["content"])
        except Empty:
            raise NoReplyError(f"no reply within {self.patience:.0f} s") from None

    def _streams(self, request: str) -> list[str]:
        """What a request printed; returns when the kernel is idle again."""
        printed = []
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for stores and profiles, gone afterwards. TMPDIR says on which disk."""
    with tempfile.TemporaryDirectory(prefix="kishu-benchmark-") as place:
        yield Path(place)


@contextmanager
def launched(system: Launch, place: Path, beside: str = ".") -> Iterator[Kernel]:
    """A kernel that was just launched and may not be up yet. It dies with the block.

    Args:
        beside: where in the home of the place it starts.
    """
    zmq.Context.instance().setsockopt(zmq.RECONNECT_IVL, 5)  # else in steps of 100 ms
    # Named as servers name it: kishu 0.3.4 reads the kernel's id there.
    manager = _Manager(connection_file=str(place / f"kernel-{uuid.uuid4().hex}.json"))
    manager.system = system
    home = place / "home"
    home.mkdir(exist_ok=True)
    started = time.perf_counter()
    manager.start_kernel(cwd=str(home / beside), env={**kernel_environment(place), **system.variables})
    client = manager.client()
    client.start_channels()
    try:
        yield Kernel(manager, client, started)
    finally:
        client.stop_channels()
        leader = manager.provisioner.pid if manager.provisioner else None
        manager.shutdown_kernel(now=True)
        _end_session(leader)


def _end_session(leader: int | None) -> None:
    """What a kernel has started (a cluster of Ray's, say) outlives it otherwise, and disturbs the next one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if leader is not None and hasattr(os, "getsid") and os.getsid(process.pid) == leader:
                process.kill()


@contextmanager
def running(*systems: Launch) -> Iterator[list[Kernel]]:
    """A kernel of each system, up and idle, with a store of its own.

    Raises:
        BenchmarkError: at the end, if checkpoints were not as they should be.
    """
    with ExitStack() as stack:
        place = stack.enter_context(scratch())
        kernels = [stack.enter_context(launched(system, place)) for system in systems]
        for kernel in kernels:
            kernel.wait()
            kernel.run("pass")
        yield kernels
        for kernel in kernels:
            kernel.check()


def kernel_environment(place: Path) -> dict[str, str]:
    """The same for all systems: this checkout, and nothing of the person who runs this.

    Bytecode is cached, as that of an installed package is: else every start would compile us.
    """
    foreign = ("JPY_SESSION_NAME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in foreign and not name.startswith("KISHU_")}
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "IPYTHONDIR": str(place / "ipython"),
        "KISHU_STORE_DIR": str(place / "stores"),
        "PYTHONHASHSEED": "0",
        # Two threads of a BLAS on two cores that others use, too, make times that nobody can compare.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(path),
    }


# --- measuring


def in_turns(kernels: Sequence[Subject], rounds: int, measure: Callable[[Subject], Measured]) -> list[list[Measured]]:
    """For each kernel, or what stands for it, what `measure` gave, `rounds` times; who goes first changes."""
    found: list[list[Measured]] = [[] for _ in kernels]
    for turn in range(rounds):
        order = range(len(kernels)) if turn % 2 else reversed(range(len(kernels)))
        for index in order:
            found[index].append(measure(kernels[index]))
    return found


def added(ours: Sequence[float], plain: Sequence[float]) -> float:
    """The median of the paired differences."""
    return statistics.median(a - b for a, b in zip(ours, plain, strict=True))


def ratio(ours: Sequence[float], plain: Sequence[float]) -> float:
    """The median of the paired ratios."""
    return statistics.median(a / b for a, b in zip(ours, plain, strict=True))


# --- results


@dataclass(frozen=True)
class Figure:
    """One number, and what it may be at most (None: for comparison only).

    Attributes:
        measured: the number; a text says why there is none, or what there is.
        beside: the same of other systems, by their names.
    """

    name: str
    measured: float | str
    unit: str
    target: float | None = None
    beside: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None or isinstance(self.measured, str):
            return None
        return self.measured <= self.target


@dataclass(frozen=True)
class Result:
    """What a benchmark found. `details` are the measurements behind the figures, in seconds."""

    figures: Sequence[Figure]
    details: Mapping[str, object] = field(default_factory=dict)


def write(name: str, result: Result) -> Path:
    """Keep a result, with what it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = result_path(name)
    content = {
        "benchmark": name,
        "environment": environment(),
        "figures": [rounded(asdict(figure)) | {"ok": figure.ok} for figure in result.figures],
        "details": rounded(result.details),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def result_path(name: str) -> Path:
    """Where the result of a benchmark is kept."""
    return RESULTS / f"{name}.json"


def read(name: str) -> list[Figure]:
    """The figures that were kept last; none if there are none."""
    path = result_path(name)
    if not path.exists():
        return []
    kept = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return [Figure(f["name"], f["measured"], f["unit"], f["target"], f.get("beside", {})) for f in kept]


def rounded(value: Any) -> Any:
    """To the microsecond: more digits only look exact."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def environment() -> dict[str, object]:
    """Enough to read a figure right; neither the machine's name nor its user."""
    libc = "-".join(filter(None, platform.libc_ver()))
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": " ".join(filter(None, [platform.system(), platform.machine(), libc])),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "versions": {"kishu-kernel": _our_version()}
        | {package: version for package in PACKAGES if (version := _version(package))},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _our_version() -> str:
    from kishu_kernel import __version__

    return __version__
