"""Kernels that are ended while much waits to be written: by signals, by a client, at the end of a batch run.

Within the bound nothing may be lost, and beyond it everything is to be named: by the next kernel's greeting, and in
what `resume` says.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client import KernelManager
from nbclient import NotebookClient

from kishu_kernel.store.write_behind.handover import wait_until_written
from tests.attack.tally import Tally, Times
from tests.kernel.driver import Kernel, OneSpec, environment_of

TIMES = Times(quick=4, whole=80)

BOUND = 10.0
"""Seconds: `end_timeout` as it is where nobody says otherwise."""
SLOW = 120.0
BLOCK = 1 << 20
"""Numbers of eight bytes."""
LOAD = (
    "import numpy as np, hashlib\n"
    "rng = np.random.default_rng({seed})\n"
    "x = np.empty({blocks} << 20, np.int64)\n"
    "for i in range({blocks}): x[i << 20:(i + 1) << 20] = rng.integers(0, 1 << 62, 1 << 20)"
)
CELLS = ("n = {seed}", LOAD, "y = ['after', {seed}]")
UNWRITTEN = "the kernel ended before this was written"


def attack(times: int, seed: int, work: Path) -> Tally:
    """Each kind of end in turn, with 16 to 100 MB where there are few tries, else with up to 1,000 MB."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the kernels would ignore it, too
    tally = Tally()
    most = 100 if times <= TIMES.quick else 1000
    for number in range(times):
        name, end = list(ENDS.items())[number % len(ENDS)]
        chance = random.Random(f"{seed} {number}")
        megabytes = most if number + len(ENDS) >= times > len(ENDS) else int(16 * (most / 16) ** chance.random())
        home = work / str(number)
        home.mkdir()
        _attempt(tally, f"{name}, {megabytes} MB, seed {seed}, try {number}", end, home, chance, max(2, megabytes // 8))
        shutil.rmtree(home)
    return tally


def _attempt(tally: Tally, what: str, end: End, home: Path, chance: random.Random, blocks: int) -> None:
    seed = chance.randrange(1 << 30)
    cells = [cell.format(seed=seed, blocks=blocks) for cell in CELLS]
    try:
        said = _next_kernel(home, seed, blocks, in_time=end(home, cells) < BOUND * 0.9)
    except Exception as error:  # a kernel that hangs, does not start, or answers nothing
        said = f"{type(error).__name__}: {error}"
    if said in GOOD:
        tally.well(said)
    else:
        tally.wrong(f"{what}: {said}")


# -- ends: seconds that there were to write; where a client ended that with SIGKILL, as many as can be --------------


def _signal(number: int) -> End:
    def end(home: Path, cells: list[str]) -> float:
        with Kernel(home, environment=_book(home), patience=SLOW) as kernel:
            for cell in cells:
                kernel.ok(cell)
            began = time.monotonic()
            os.kill(kernel.manager.provisioner.pid, number)
            status = kernel.manager.provisioner.process.wait(SLOW)
            assert status == -number, f"the exit status is {status}"
            return time.monotonic() - began

    return end


def _delete(home: Path, cells: list[str]) -> float:
    with Kernel(home, environment=_book(home), patience=SLOW) as kernel:
        for cell in cells:
            kernel.ok(cell)
        kernel.client.stop_channels()
        process = kernel.manager.provisioner.process
        began = time.monotonic()
        kernel.manager.shutdown_kernel()
    return _written(home, process.returncode) - began


def _batch(home: Path, cells: list[str]) -> float:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    specs = OneSpec([sys.executable, "-m", "kishu_kernel", "-f", "{connection_file}"])
    manager = KernelManager(kernel_spec_manager=specs, connection_file=str(home / "kernel.json"))
    seen: dict[str, Any] = {}

    def started(**_: object) -> None:
        seen["process"] = manager.provisioner.process

    def ran(**_: object) -> None:
        seen["ended"] = time.monotonic()

    hooks = {"on_notebook_start": started, "on_cell_executed": ran}
    client = NotebookClient(notebook, km=manager, timeout=int(SLOW), **hooks)
    client.owns_km = True  # as where it makes the manager itself: it ends what it has started
    client.execute(env=environment_of(home, _book(home)), cwd=str(home))
    shown = str([cell.outputs for cell in notebook.cells])
    assert "kishu" not in shown.lower(), f"in its outputs: {shown}"
    assert not manager.has_kernel
    return _written(home, seen["process"].returncode) - seen["ended"]


End = Callable[[Path, list[str]], float]
ENDS: dict[str, End] = {
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGHUP": _signal(signal.SIGHUP),
    "a session deleted": _delete,
    "nbclient": _batch,
}


def _written(home: Path, status: int) -> float:
    """Waits until nobody writes any more; when that was."""
    for store in home.glob("stores/*"):
        assert wait_until_written(store, SLOW)
    return math.inf if status == -signal.SIGKILL else time.monotonic()


def _book(home: Path) -> dict[str, str | None]:
    return {"JPY_SESSION_NAME": str(home / "book.ipynb")}


# -- what the next kernel has -------------------------------------------------------------------------------------

ALL, TOLD = "all there", "beyond the bound, and told"
GOOD = (ALL, TOLD)


def _next_kernel(home: Path, seed: int, blocks: int, in_time: bool) -> str:
    """One of `GOOD`, or what is wrong."""
    with ExitStack() as stack:
        kernel = stack.enter_context(Kernel(home, environment=_book(home), patience=SLOW))
        greeting = kernel.ok("0").text
        plan = kernel.done("resume", replay="never", allow_lost=True)["plan"]
        if kernel.value("n, y") != (seed, ["after", seed]):
            return f"the light values are {kernel.value('n, y')}"
        lost = {name: each["reason"] for each in plan["lost"] for name in each["names"]}
        if not lost:
            found = kernel.value("(lambda d: (d.update(x), d.hexdigest())[1])(hashlib.blake2b())")
            return ALL if found == _digest(seed, blocks) else "another value came back, and nothing was told"
        if "x" not in lost or not lost["x"].startswith(UNWRITTEN) or "before x was written" not in greeting:
            return f"lost are {lost}, and the greeting is {greeting!r}"
        return "x was lost within the bound" if in_time else TOLD


def _digest(seed: int, blocks: int) -> str:
    rng, digest = np.random.default_rng(seed), hashlib.blake2b()
    for _ in range(blocks):
        digest.update(rng.integers(0, 1 << 62, BLOCK))
    return digest.hexdigest()
