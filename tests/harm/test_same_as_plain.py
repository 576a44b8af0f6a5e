"""Cells that ask what only a kernel that does something on its own would show: the same as under plain ipykernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.driver import Kernel

from .driving import thought

PROGRAMS = {
    "a transformer of the user's": (
        "told = []\ndef mine(lines):\n    told.append(len(lines))\n    return lines\n"
        "get_ipython().input_transformers_post.append(mine)",
        "x = 1",
        "get_ipython().input_transformers_post.clear()",
        "print(told)",
    ),
    "a stream of the user's": (
        "import sys\nclass Counting:\n    def __init__(self, to): self.to, self.flushed = to, 0\n"
        "    def write(self, text): return self.to.write(text)\n"
        "    def flush(self): self.flushed += 1; self.to.flush()\n"
        "plain = sys.stdout; sys.stdout = counting = Counting(plain)",
        "print('x')  # flushed",
        "sys.stdout = plain; counting.flushed",
    ),
    "a flush while something is being sent": (
        "import sys, threading, time\nbegun, done = threading.Event(), []\n"
        "def send(): begun.set(); time.sleep(0.3); done.append('sent')\n"
        "sys.stdout.pub_thread.schedule(send); begun.wait(); sys.stdout.flush(); done",
    ),
    "a warning that was shown once": (
        "import matplotlib, matplotlib.pyplot as plt, noisy\nfig, ax = plt.subplots(); plt.close(fig)",
        "noisy.warned()",
        "ax.set_title('t'); noisy.warned()",
        "noisy.warned()",
    ),
    "a hook for warnings": (
        "import warnings, noisy\nshown = []\nbefore = warnings.showwarning\n"
        "warnings.showwarning = mine = lambda *what, **how: shown.append(str(what[0]))",
        "class Odd:\n    def __reduce__(self): return (Odd, ())\nodd = [Odd()]",
        "warnings.warn('told'); warnings.showwarning is mine",
        "warnings.showwarning = before; shown",
    ),
    "numbers after a large value": (
        "import random, array\nrandom.seed(5)",
        "large = array.array('q', range(300_000))",
        "random.random(), random.getrandbits(32)",
        "import os, sys\nprint([name for name in ('blosc2', 'rich', 'numexpr', 'dill') if name in sys.modules])",
    ),
    "numbers after what only dill might store": (
        "import random\nrandom.seed(6)",
        "lazy = (each for each in range(3))",
        "import pickle\nrandom.random(), len(pickle._Pickler.dispatch)",
        "import dill, logging\nlen(logging.getLogger('dill').handlers), len(pickle._Pickler.dispatch) > 30",
    ),
    "a handler of the stop button": (
        "import signal\nbefore = signal.signal(signal.SIGINT, signal.default_int_handler)",
        "class K:\n    pass\nk = [K()]",
        "signal.getsignal(signal.SIGINT) is signal.default_int_handler",
    ),
    "code with an escape that warns": (
        "text = '\\d'",
        "text",
    ),
}

NOISY = "import warnings\ndef warned(): warnings.warn('once')\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, Kernel]]:
    """Plain ipykernel, and ours."""
    homes = [tmp_path_factory.mktemp(name) for name in ("plain", "ours")]
    library = tmp_path_factory.mktemp("library")
    (library / "noisy.py").write_text(NOISY)
    environment = {"PYTHONPATH": os.pathsep.join((str(library), str(Path(__file__).parents[2]))), "PYTHONHASHSEED": "0"}
    command = (sys.executable, "-m", "ipykernel_launcher")
    with (
        Kernel(homes[0], environment=environment, command=command) as plain,
        Kernel(homes[1], environment=environment) as ours,
    ):
        yield plain, ours


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_same(pair: tuple[Kernel, Kernel], program: str) -> None:
    plain, ours = pair
    for cell in PROGRAMS[program]:
        expected, told = plain.run(cell), ours.run(cell)
        assert _shown(told, ours) == _shown(expected, plain), cell
        if "flushed" not in cell:  # each message that is answered flushes, too
            thought(ours)


def _shown(ran: object, kernel: Kernel) -> list[object]:
    """The process's number aside, which stands in the names of cells."""
    pid = str(kernel.manager.provisioner.pid)  # type: ignore[union-attr]
    outputs = [{name: value for name, value in each.items() if name != "execution_count"} for each in ran.outputs]  # type: ignore[attr-defined]
    return [repr(each).replace(pid, "PID") for each in outputs]
